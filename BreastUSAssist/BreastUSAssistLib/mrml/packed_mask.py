"""Masks small enough to keep hundreds of them: cropped, eight pixels a byte, deflated."""

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PackedMask:
    """A mask that is not empty. Equal masks are equal objects, so that they can be compared without unpacking."""

    shape: tuple[int, int]
    """Rows, columns of the frame."""
    box: tuple[int, int, int, int]
    """Top, left, bottom, right of what is inside; bottom and right just outside."""
    data: bytes

    def unpack(self) -> np.ndarray:
        """The mask, bool, `shape`."""
        top, left, bottom, right = self.box
        mask = np.zeros(self.shape, bool)
        count = (bottom - top) * (right - left)
        bits = np.unpackbits(np.frombuffer(zlib.decompress(self.data), np.uint8), count=count)
        mask[top:bottom, left:right] = bits.reshape(bottom - top, right - left)
        return mask


def pack_mask(mask: np.ndarray, shape: tuple[int, int] | None = None, top: int = 0, left: int = 0) -> PackedMask | None:
    """Pack a mask, bool, (rows, columns); None where it is empty.

    Args:
        mask: the mask, or the part of it that begins at (`top`, `left`) of a frame of `shape`.
        shape: rows, columns of the frame; that of `mask` where None.
        top: row of the frame where `mask` begins.
        left: column of the frame where `mask` begins.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    first, last = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[first:last].any(axis=0))
    begin, end = int(columns[0]), int(columns[-1]) + 1
    data = zlib.compress(np.packbits(mask[first:last, begin:end]).tobytes(), 1)
    box = (top + first, left + begin, top + last, left + end)
    return PackedMask(shape or (mask.shape[0], mask.shape[1]), box, data)


def unpack_mask(packed: PackedMask | None, shape: tuple[int, int]) -> np.ndarray:
    """The mask, bool, `shape`; all False for None."""
    return np.zeros(shape, bool) if packed is None else packed.unpack()
