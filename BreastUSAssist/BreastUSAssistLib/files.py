"""Files written whole or not at all, and the folder of resources that ships with the code."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed onto `path`.

    On any failure the temporary file is removed and `path` stays as it was.

    Raises:
        OutputError: the folder is not writable, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part" + path.suffix)
        os.close(handle)
    except OSError as error:
        raise OutputError(_sentence(path, error)) from error
    beside = Path(name)
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        beside.chmod(0o666 & ~_umask())
        beside.replace(path)
    except OSError as error:
        raise OutputError(_sentence(path, error)) from error
    finally:
        beside.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with written_whole(path) as beside:
        beside.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8 with Unix line ends, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


def resource_path(*parts: str) -> Path:
    """Path of a shipped resource: inside the package when installed by pip, beside it in Slicer and in a checkout."""
    package = Path(__file__).resolve().parent
    for root in (package / "Resources", package.parent / "Resources"):
        if root.is_dir():
            return root.joinpath(*parts)
    raise FileNotFoundError(f"The Resources folder is missing beside {package}; install BreastUSAssist again.")


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _sentence(path: Path, error: OSError) -> str:
    return f"{path} could not be written ({error.strerror or error}); free space or choose another folder with --out."
