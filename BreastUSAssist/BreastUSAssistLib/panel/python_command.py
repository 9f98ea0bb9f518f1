"""How the child process that computes is started: which Python, which environment."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..service.worker_client import WorkerClient

LIBRARY_FOLDER = Path(__file__).resolve().parents[2]
"""The folder in which `import BreastUSAssistLib` finds the library: the module's folder in Slicer."""


def find_python(
    slicer_home: str | None,
    *,
    which: Callable[[str], str | None] = shutil.which,
    executable: str = sys.executable,
    windows: bool = os.name == "nt",
) -> str | None:
    """Path of a Python interpreter that sees the same packages as this process; None where Slicer's own is gone.

    In Slicer that is PythonSlicer, which Slicer puts on its own PATH (slicer.util.executePythonModule looks there) and
    into the folder bin of its home; elsewhere the interpreter that runs.

    Args:
        slicer_home: slicer.app.slicerHome, or None outside Slicer.
        which: finds a program on the PATH.
        executable: sys.executable.
        windows: whether programs end with .exe.
    """
    if slicer_home is not None:
        beside = Path(slicer_home) / "bin" / ("PythonSlicer.exe" if windows else "PythonSlicer")
        found = which("PythonSlicer") or (str(beside) if beside.is_file() else None)
        if found:
            return found
    # Anything else is the application itself, which must never be started a second time by mistake.
    return executable if Path(executable).stem.lower().startswith(("python", "pypy")) else None


def worker_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Environment in which `python -m BreastUSAssistLib` is found, and what it says comes at once and as UTF-8."""
    path = environment.get("PYTHONPATH", "")
    added = {
        "PYTHONPATH": os.pathsep.join(part for part in (str(LIBRARY_FOLDER), path) if part),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    return {**environment, **added}


def python_executable() -> str:
    """The Python of this application, see `find_python`.

    Raises:
        UsageError: Slicer runs, but its PythonSlicer is gone.
    """
    import slicer
    from slicer.i18n import tr as _

    found = find_python(getattr(getattr(slicer, "app", None), "slicerHome", None))
    if found is None:
        raise UsageError(_("PythonSlicer is missing from Slicer's folder bin; install Slicer again."))
    return found


def worker_client() -> "WorkerClient":
    """The client of a child process with this application's Python; nothing is started yet.

    Raises:
        UsageError: Slicer runs, but its PythonSlicer is gone.
    """
    from ..service.worker_client import WorkerClient, worker_command

    return WorkerClient(worker_command(python_executable()), environment=worker_environment())
