"""Frames as the content of blobs: shape and pixels, exact."""

import struct

import numpy as np

from ..errors import InputError
from .image_identity import canonical_pixels

_MAGIC = b"BUP1"
_HEAD = struct.Struct("<III")
"""Rows, columns, channels."""


def frame_to_bytes(pixels: np.ndarray) -> bytes:
    """Content of the blob of one frame, uint8, (rows, columns[, 3]); see image_identity.canonical_pixels."""
    pixels = canonical_pixels(pixels)
    rows, columns = pixels.shape[:2]
    return _MAGIC + _HEAD.pack(rows, columns, 3 if pixels.ndim == 3 else 1) + pixels.tobytes()


def frame_from_bytes(content: bytes) -> np.ndarray:
    """The frame that `frame_to_bytes` wrote, uint8, (rows, columns[, 3]), read-only.

    Raises:
        InputError: the bytes are no frame.
    """
    start = len(_MAGIC) + _HEAD.size
    try:
        if content[:4] != _MAGIC:
            raise ValueError("other content")
        rows, columns, channels = _HEAD.unpack_from(content, 4)
        shape = (rows, columns, 3) if channels == 3 else (rows, columns)
        return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    except (ValueError, struct.error) as error:
        raise InputError("A stored frame is damaged; bring the store back from a backup.") from error
