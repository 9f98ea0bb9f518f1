"""Stored frames of a DICOM Segmentation, decoded one at a time."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

LARGEST_DECODED = 2**31
"""Bytes of compressed frames once decoded, beyond which they are refused."""


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Pixels of a Segmentation as they are stored."""

    content: np.ndarray = field(repr=False)
    """uint8, one byte a pixel, or one bit a pixel without gaps between frames (PS3.5 8.1.1)."""
    rows: int
    columns: int
    bits: int
    """1 or 8."""
    largest: int
    """MaximumFractionalValue; 1 for masks."""

    def values(self, position: int) -> np.ndarray:
        """Stored frame `position` (from 0), uint8 (rows, columns)."""
        size = self.rows * self.columns
        if self.bits == 8:
            return self.content[position * size : (position + 1) * size].reshape(self.rows, self.columns)
        first = position * size
        packed = self.content[first // 8 : (first + size + 7) // 8]
        bits = np.unpackbits(packed, bitorder="little")[first % 8 :][:size]
        return bits.reshape(self.rows, self.columns)

    def mask(self, position: int) -> np.ndarray:
        """Stored frame as a mask, bool (rows, columns); fractions count from half of the largest value."""
        values = self.values(position)
        return values > 0 if self.largest == 1 else values >= self.largest / 2

    def fraction(self, position: int) -> np.ndarray:
        """Stored frame as fractions, float32 0..1, (rows, columns)."""
        return np.minimum(self.values(position).astype(np.float32) / self.largest, 1)


def read_stored_pixels(dataset: "Dataset", name: str) -> StoredPixels:
    """Take the pixels of a BINARY or FRACTIONAL Segmentation, decompressed where they are compressed.

    Raises:
        InputError: fewer pixels than the header says, no decoder, or more than LARGEST_DECODED once decoded.
    """
    rows, columns, frames = int(dataset.Rows), int(dataset.Columns), int(dataset.NumberOfFrames)
    bits = int(dataset.BitsAllocated)
    content = dataset.get("PixelData")
    if not content:
        raise InputError(f"{name} has no pixels; export it again.")
    meta = getattr(dataset, "file_meta", None)
    syntax = meta.get("TransferSyntaxUID") if meta is not None else None
    if syntax is not None and _is_encapsulated(syntax, name):
        values, bits = _decoded(dataset, rows * columns * frames, name), 8
    else:
        values = np.frombuffer(content, np.uint8)
    if values.size * 8 < rows * columns * frames * bits:
        raise InputError(f"{name} is cut short ({values.size} bytes of pixels for {frames} frames); export it again.")
    fractional = dataset.SegmentationType == "FRACTIONAL"
    largest = int(dataset.get("MaximumFractionalValue") or 255) if fractional else 1
    return StoredPixels(values, rows, columns, bits, largest)


def _is_encapsulated(syntax: "UID", name: str) -> bool:
    try:
        return syntax.is_encapsulated
    except ValueError as error:  # a UID, but not of a transfer syntax
        raise InputError(f"{name} is stored in an unknown way; export it again.") from error


def _decoded(dataset: "Dataset", size: int, name: str) -> np.ndarray:
    if size > LARGEST_DECODED:
        raise InputError(f"{name} decodes to {size} pixels, too many to hold; split it.")
    try:
        return np.ascontiguousarray(dataset.pixel_array, dtype=np.uint8).ravel()
    except Exception as error:  # each decoder raises its own types
        raise InputError(f"{name} is compressed in a way that cannot be decoded; export it uncompressed.") from error
