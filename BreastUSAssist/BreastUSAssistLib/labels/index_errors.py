"""What SQLite says, in the words of this project."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError, OutputError
from .sqlite import sqlite3

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_WORDS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_PERM: "it may not be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_IOERR: "the disk failed or is full",
}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn errors of SQLite on the index at `path` into ours.

    Raises:
        InputError: the index is damaged.
        OutputError: it is busy, full, read-only or gone; what was asked for was not done.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in _BUSY:
            raise OutputError(
                f"The label store {path.parent} is held by another program; close it there or try again."
            ) from error
        if code in _WORDS:
            raise OutputError(
                f"The label store {path.parent} could not be used because {_WORDS[code]}; "
                "free space or check the folder, then try again."
            ) from error
        words = "is damaged" if code in _DAMAGED else f"cannot be read ({error})"
        raise InputError(
            f"{path} {words}; see what `breastusassist labels verify --store {path.parent}` names, "
            "and bring it back from a backup."
        ) from error
