"""Label images as short text, exact: what a case keeps of its drafts and of the reader's outlines.

A frame becomes the box that holds its labels (top, left, height, width as little-endian uint16) followed by the rows of
that box, one byte a pixel, all of it compressed by zlib and written in base64. A frame without a label is "".
"""

import base64
import binascii
import struct
import zlib

import numpy as np

from ..errors import InputError

_BOX = struct.Struct("<4H")
_DAMAGED = "A stored outline is damaged; open an older copy of the scene, or analyse the case again."
LARGEST_SIDE = 65535


def pack_labels(labels: np.ndarray) -> str:
    """Text of one label image, uint8 or bool (rows, columns), neither side over 65535 pixels."""
    rows = np.flatnonzero(labels.any(axis=1))
    if not rows.size:
        return ""
    columns = np.flatnonzero(labels.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    box = np.ascontiguousarray(labels[top:bottom, left:right], np.uint8)
    content = _BOX.pack(top, left, bottom - top, right - left) + box.tobytes()
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def unpack_labels(packed: str, rows: int, columns: int) -> np.ndarray:
    """The label image, uint8 (rows, columns), that `pack_labels` packed.

    Raises:
        InputError: the text is damaged, or its labels do not lie in an image of that size.
    """
    labels = np.zeros((rows, columns), np.uint8)
    if not packed:
        return labels
    try:
        # Damaged text must not be able to ask for more memory than an image of this size takes.
        reader = zlib.decompressobj()
        content = reader.decompress(base64.b64decode(packed, validate=True), _BOX.size + rows * columns + 1)
        top, left, height, width = _BOX.unpack_from(content)
    except (ValueError, binascii.Error, zlib.error, struct.error) as error:
        raise InputError(_DAMAGED) from error
    if not reader.eof or len(content) != _BOX.size + height * width or top + height > rows or left + width > columns:
        raise InputError(_DAMAGED)
    box = np.frombuffer(content, np.uint8, offset=_BOX.size).reshape(height, width)
    labels[top : top + height, left : left + width] = box
    return labels
