"""What a file is, by its content; its extension is not trusted."""

import gzip
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ..errors import InputError

FileKind = Literal["dicom", "image", "nrrd", "nifti", "nifti_gz", "zip", "empty", "text", "other"]

IMAGE_EXTENSIONS = (
    ".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".webp",
    ".nrrd", ".nii", ".nii.gz", ".zip",
)  # fmt: skip
"""Extensions that claim one of the formats that are read."""

_HEAD_BYTES = 1024
_IMAGE_FORMATS = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"BM": "bmp",
}
_FIRST_GROUPS = (0x0002, 0x0004, 0x0008)
_VR = "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OW PN SH SL SQ SS ST TM UI UL UN US UT"


def sniff(path: Path) -> FileKind:
    """Kind of the file at `path`.

    Raises:
        InputError: it cannot be opened, or is no regular file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is not a regular file; give a file or a folder.")
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path.") from None
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror or 'input error'}); check its rights.") from None
    return _kind(path, head)


def image_format(path: Path) -> str:
    """Format of a file that `sniff` calls an image: png, jpeg, tiff, bmp or webp."""
    with open(path, "rb") as file:
        head = file.read(16)
    return next((name for magic, name in _IMAGE_FORMATS.items() if head.startswith(magic)), "webp")


def claims_image(path: Path) -> bool:
    """Whether the name of the file claims a format that is read here."""
    return path.name.lower().endswith(IMAGE_EXTENSIONS)


def _kind(path: Path, head: bytes) -> FileKind:
    tests: tuple[tuple[FileKind, Callable[[], bool]], ...] = (
        ("empty", lambda: not head),
        ("dicom", lambda: head[128:132] == b"DICM"),
        ("image", lambda: head.startswith(tuple(_IMAGE_FORMATS)) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")),
        ("nrrd", lambda: head.startswith(b"NRRD000")),
        ("zip", lambda: head.startswith((b"PK\x03\x04", b"PK\x05\x06"))),
        ("nifti", lambda: _is_nifti(head)),
        ("nifti_gz", lambda: head.startswith(b"\x1f\x8b") and _is_nifti(_gunzipped(path))),
        ("dicom", lambda: _is_bare_dicom(head)),
        ("text", lambda: _is_text(head)),
    )
    return next((kind for kind, holds in tests if holds()), "other")


def _is_nifti(head: bytes) -> bool:
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _gunzipped(path: Path) -> bytes:
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(540)
    except (OSError, EOFError, zlib.error):
        return b""


def _is_bare_dicom(head: bytes) -> bool:
    """A data set without preamble and file meta information: first element of a low group, plausible VR or length."""
    if len(head) < 16:
        return False
    little, big = (int.from_bytes(head[:2], order) for order in ("little", "big"))
    if little not in _FIRST_GROUPS and big not in _FIRST_GROUPS:
        return False
    if head[4:6].isalpha() and head[4:6].decode("latin-1") in _VR.split():
        return True
    element, length = int.from_bytes(head[2:4], "little"), int.from_bytes(head[4:8], "little")
    return little == 0x0008 and element < 0x0100 and length < 256


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        # A character cut in two at the end is no evidence against text.
        head[: len(head) if len(head) < _HEAD_BYTES else -4].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 8 > 0
    return True
