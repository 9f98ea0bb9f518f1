"""Where the frames of compressed pixel data lie in a file (DICOM PS3.5 A.4), found without reading them."""

import io
import struct
from itertools import pairwise
from typing import BinaryIO

from ..errors import InputError

Fragment = tuple[int, int]
"""Offset of a fragment's bytes from the start of the file, and their number."""
_ITEM_HEADER = 8
_MOST_FRAGMENTS = 2_000_000
"""Forty for each of the most frames that are read; empty ones by the million would only fill the memory."""
_RLE = "1.2.840.10008.1.2.5"
_MAGICS = (
    (b"\xff\x4f\xff\x51", "1.2.840.10008.1.2.4.91"),
    (b"\x00\x00\x00\x0cjP", "1.2.840.10008.1.2.4.91"),
)
_JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
_JPEG_PROCESSES = {0xC3: "1.2.840.10008.1.2.4.57", 0xC1: "1.2.840.10008.1.2.4.51", 0xF7: "1.2.840.10008.1.2.4.80"}


def locate_frames(stream: BinaryIO, offset: int, frames: int, label: str) -> tuple[tuple[Fragment, ...], ...]:
    """Fragments of each frame, by the basic offset table where there is one, else by count or by end-of-image markers.

    Args:
        stream: the file.
        offset: of the first item (the basic offset table).
        frames: declared number of frames.
        label: the file as sentences name it.

    Raises:
        InputError: the items do not hold that many whole frames.
    """
    items = _items(stream, offset, label)
    table, fragments = items[0], items[1:]
    if len(fragments) == frames:
        return tuple((fragment,) for fragment in fragments)
    if frames == 1:
        return (tuple(fragments),)
    groups = _by_offset_table(stream, table, fragments) or _by_end_markers(stream, fragments)
    if len(groups) < frames:
        raise truncated(label)
    return tuple(groups[:frames])


def guessed_syntax(stream: BinaryIO, fragment: Fragment) -> str:
    """Transfer syntax by the first bytes of the first frame, for files that do not state it; "" when unknown."""
    stream.seek(fragment[0])
    head = stream.read(min(fragment[1], 65536))
    for magic, syntax in _MAGICS:
        if head.startswith(magic):
            return syntax
    if head.startswith(b"\xff\xd8"):
        return _jpeg_process(head)
    return _RLE if len(head) >= 64 and 1 <= struct.unpack("<L", head[:4])[0] <= 15 else ""


def truncated(label: str) -> InputError:
    """The error for a file that ends before its pixels do."""
    return InputError(f"{label} ends before its pixels do (truncated or damaged); copy or export it again.")


def _items(stream: BinaryIO, offset: int, label: str) -> list[Fragment]:
    size = stream.seek(0, io.SEEK_END)
    found: list[Fragment] = []
    at = offset
    while at + _ITEM_HEADER <= size:
        stream.seek(at)
        group, element, length = struct.unpack("<HHL", stream.read(_ITEM_HEADER))
        if (group, element) == (0xFFFE, 0xE0DD):
            break
        at += _ITEM_HEADER
        if (group, element) != (0xFFFE, 0xE000) or at + length > size or len(found) > _MOST_FRAGMENTS:
            raise truncated(label)
        found.append((at, length))
        at += length
    if len(found) < 2:
        raise truncated(label)
    return found


def _by_offset_table(stream: BinaryIO, table: Fragment, fragments: list[Fragment]) -> list[tuple[Fragment, ...]]:
    stream.seek(table[0])
    data = stream.read(table[1] // 4 * 4)
    starts = struct.unpack(f"<{len(data) // 4}L", data)
    origin = fragments[0][0]
    index = {fragment[0] - origin: number for number, fragment in enumerate(fragments)}
    if not starts or any(start not in index for start in starts):
        return []
    cuts = [index[start] for start in starts] + [len(fragments)]
    return [tuple(fragments[first:last]) for first, last in pairwise(cuts)]


def _by_end_markers(stream: BinaryIO, fragments: list[Fragment]) -> list[tuple[Fragment, ...]]:
    groups: list[tuple[Fragment, ...]] = []
    open_group: list[Fragment] = []
    for offset, length in fragments:
        open_group.append((offset, length))
        stream.seek(offset + max(0, length - 10))
        if b"\xff\xd9" in stream.read(min(length, 10)):
            groups.append(tuple(open_group))
            open_group = []
    return groups


def _jpeg_process(head: bytes) -> str:
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF:
        if head[at + 1] in _JPEG_PROCESSES:
            return _JPEG_PROCESSES[head[at + 1]]
        if head[at + 1] in (0xC0, 0xC2):
            break
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return _JPEG_BASELINE
