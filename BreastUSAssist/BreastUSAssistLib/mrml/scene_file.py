"""The whole scene, images included, as one file."""

import tempfile
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ..errors import OutputError
from ..ultrasound.case_names import safe_name


def save_scene(scene: Any, folder: Path, name: str) -> Path:
    """Write `scene` to `folder`/<name>.mrb, beside first and then renamed; an older file of that name is replaced.

    Raises:
        OutputError: the folder cannot be written, or the disk is full; an older file is as it was.
    """
    target = Path(folder) / f"{safe_name(name)}.mrb"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # In a folder of its own: a file with a dot in front is refused, and its name is that of the folder in it.
        with tempfile.TemporaryDirectory(prefix=".saving-", dir=target.parent) as beside:
            written = Path(beside) / target.name
            if not scene.WriteToMRB(str(written)) or not written.is_file():
                raise OSError("the scene could not be written")
            written.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        text = _("{path} was not saved ({reason}); free space or choose another folder.")
        raise OutputError(text.format(path=target, reason=reason)) from error
    return target
