"""Files and folders written whole or not at all, and the folder of resources that ships with the code."""

import os
import shutil
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


@contextmanager
def folder_written_whole(target: Path, advice: str = "choose another --out") -> Iterator[Path]:
    """Yield a new folder beside `target` that takes its place at the end, or vanishes on any failure.

    Raises:
        OutputError: the disk is full or not writable.
    """
    beside: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=".", suffix=".part"))
        beside.chmod(0o755)
        yield beside
        _take_place(beside, target)
    except (OSError, OutputError) as error:
        # A file's own OutputError names a temporary path that means nothing to the reader.
        cause = error.__cause__ if isinstance(error, OutputError) else error
        reason = getattr(cause, "strerror", None) or type(cause).__name__
        raise OutputError(f"{target} could not be written ({reason}); free space or {advice}.") from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def resource_path(*parts: str) -> Path:
    """Path of a shipped resource: inside the package when installed by pip, beside it in Slicer and in a checkout."""
    package = Path(__file__).resolve().parent
    for root in (package / "Resources", package.parent / "Resources"):
        if root.is_dir():
            return root.joinpath(*parts)
    raise FileNotFoundError(f"The Resources folder is missing beside {package}; install BreastUSAssist again.")


def _take_place(beside: Path, target: Path) -> None:
    older = beside.with_suffix(".old")
    if target.exists():
        target.rename(older)
    try:
        beside.rename(target)
    except OSError:
        if older.exists():
            older.rename(target)
        raise
    shutil.rmtree(older, ignore_errors=True)


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _sentence(path: Path, error: OSError) -> str:
    return f"{path} could not be written ({error.strerror or error}); free space or choose another folder with --out."
