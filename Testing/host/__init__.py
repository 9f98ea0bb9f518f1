"""A stand-in for the desktop application: a module's real widgets over the real MRML scene of slicer-core.

    from host import start_host
    app = start_host()
    panel = app.load_module("BreastUSAssist")
    app.window(panel)

Once a process: `slicer.mrmlScene` and `slicer.app` are one, as in the application. After `start_host` PySide6's own
classes have PythonQt's properties (`widget.width` is a number), see `qt_module`.

Another file of this package brings widgets with a function `widget_classes() -> dict[str, type]` and a line in
`host.running.WIDGET_SOURCES`; it is imported when Qt is set up, so it may import PySide6 and slicer at its top.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .immortal_none import make_none_immortal
from .scene import clear, start_scene

if TYPE_CHECKING:
    from .running import Host

__all__ = ["clear", "start_host", "start_scene"]


def start_host(folder: Path | str | None = None, *, on_screen: bool = False) -> "Host":
    """Start the application, or give the one that runs.

    Args:
        folder: where settings and temporary files go; a new temporary folder where it is left out.
        on_screen: use the display, instead of Qt's offscreen one.
    """
    if not on_screen:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    make_none_immortal()
    start_scene()
    from .qt_module import install_qt

    install_qt()
    from .running import running_host

    return running_host(Path(folder) if folder is not None else None)
