"""Files that are on the disk when a call returns, not only in the system's memory."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file and wait until its content is on the disk; its name is only after `sync_folders`.

    Raises:
        OSError: as from the system; the file may be there in part.
    """
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        _sync(file.fileno())


def sync_folders(folders: Iterable[Path]) -> None:
    """Wait until the names in these folders are on the disk; does nothing on Windows, which offers no such call."""
    if sys.platform == "win32":
        return
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY)
        try:
            _sync(handle)
        finally:
            os.close(handle)


def _sync(handle: int) -> None:
    if sys.platform == "darwin":
        # fsync there only hands the data to the drive, which may keep it in its cache.
        import fcntl

        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
    else:
        os.fsync(handle)
