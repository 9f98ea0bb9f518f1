"""Files that are on the disk when a call returns, not only in the system's memory."""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def sync_files(files: Sequence[Path]) -> None:
    """Wait until the content of these files is on the disk; their names are only after `sync_folders`.

    Raises:
        OSError: as from the system.
    """
    _sync_all(files, os.O_RDWR)


def sync_folders(folders: Sequence[Path]) -> None:
    """Wait until the names in these folders are on the disk; does nothing on Windows, which offers no such call.

    Raises:
        OSError: as from the system.
    """
    if sys.platform != "win32":
        _sync_all(folders, os.O_RDONLY)


def _sync_all(paths: Sequence[Path], mode: int) -> None:
    def one(path: Path) -> None:
        handle = os.open(path, mode)
        try:
            _sync(handle)
        finally:
            os.close(handle)

    if len(paths) < 2:
        for path in paths:
            one(path)
        return
    # At once: a file system with a journal then writes it once for all, not once for each.
    with ThreadPoolExecutor(min(len(paths), 8)) as pool:
        list(pool.map(one, paths))


def _sync(handle: int) -> None:
    if sys.platform == "darwin":
        # fsync there only hands the data to the drive, which may keep it in its cache.
        import fcntl

        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
    else:
        os.fsync(handle)
