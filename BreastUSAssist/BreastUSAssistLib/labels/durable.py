"""Files that are on the disk when a call returns, not only in the system's memory."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def write_durably(files: Mapping[Path, Callable[[], bytes]]) -> None:
    """Write these files and wait until their content is on the disk; their names are only after `sync_folders`.

    Each content is made when its file is written, several at once: while one waits for the disk, another is compressed.

    Raises:
        OSError: as from the system; files may then be there in part.
    """

    def one(item: tuple[Path, Callable[[], bytes]]) -> None:
        path, make = item
        content = make()
        with open(path, "wb") as file:
            file.write(content)
            file.flush()
            _sync(file.fileno())

    _each(one, list(files.items()))


def sync_folders(folders: Sequence[Path]) -> None:
    """Wait until the names in these folders are on the disk; does nothing on Windows, which offers no such call.

    Raises:
        OSError: as from the system.
    """
    if sys.platform != "win32":
        _each(_sync_folder, folders)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        _sync(handle)
    finally:
        os.close(handle)


def _each(work: Callable[[T], None], items: Sequence[T]) -> None:
    if not items:
        return
    # At once: a file system with a journal then writes it once for all, not once for each. The first, which may be the
    # longest, at once here: on a busy computer a new thread waits for its turn.
    with ThreadPoolExecutor(7) as pool:
        others = [pool.submit(work, item) for item in items[1:]]
        work(items[0])
        for other in others:
            other.result()


def _sync(handle: int) -> None:
    if sys.platform == "darwin":
        # fsync there only hands the data to the drive, which may keep it in its cache.
        import fcntl

        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
    else:
        os.fsync(handle)
