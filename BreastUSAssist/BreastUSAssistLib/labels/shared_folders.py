"""Whether a folder lies on another computer: there SQLite's shared memory does not reach, and locks may not hold."""

import re
import sys
from pathlib import Path

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ncpfs", "ceph", "glusterfs", "lustre", "davfs"}
_NETWORK_FUSE = ("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.glusterfs", "fuse.davfs", "fuse.ceph")


def network_file_system(folder: Path) -> str | None:
    """Kind of the network file system that `folder` lies on; None where it is local or cannot be told (macOS)."""
    if sys.platform == "win32":
        return _windows_share(folder)
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    return _kind_of(folder.resolve(), mounts)


def _kind_of(folder: Path, mounts: str) -> str | None:
    """Kind of the mount that holds `folder`, by the text of mountinfo (proc(5)); of several at one place the last."""
    found, longest = "", -1
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        place = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if folder.is_relative_to(place) and len(place.parts) >= longest:
            found, longest = right.split()[0], len(place.parts)
    return found if found in _NETWORK or found.startswith(_NETWORK_FUSE) else None


def _windows_share(folder: Path) -> str | None:
    if sys.platform != "win32":
        return None
    import ctypes

    drive_remote = 4
    kind = ctypes.windll.kernel32.GetDriveTypeW(folder.resolve().anchor)
    return "network share" if kind == drive_remote else None
