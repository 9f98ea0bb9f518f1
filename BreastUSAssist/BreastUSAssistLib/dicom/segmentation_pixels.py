"""Stored frames of a DICOM Segmentation, unpacked one at a time."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..ultrasound.coded_size import coded_size

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

LARGEST_DECODED = 2**31
"""Bytes of compressed frames once decoded, beyond which they are refused."""
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
"""Deflated Image Frame Compression (PS3.5 A.4.13), each frame a deflate stream; pydicom 3.0 does not know it."""
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_MOST_FRAGMENTS = 1_000_000
_SAFER = ("pydicom", "pyjpegls", "pillow")
"""Decoders that raise on damaged data, tried before GDCM, whose library can abort the process instead."""
_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Pixels of a Segmentation as they are stored."""

    content: np.ndarray = field(repr=False)
    """uint8 or uint16, one value a pixel; or uint8, one bit a pixel without gaps between frames (PS3.5 8.1.1)."""
    rows: int
    columns: int
    packed: bool
    """Whether `content` holds bits."""
    largest: int
    """MaximumFractionalValue; 1 for masks."""
    labelmap: bool = False
    """Values are segment numbers (PS3.3 C.8.20.2.3.3)."""

    def values(self, position: int) -> np.ndarray:
        """Stored frame `position` (from 0), uint8 or uint16, (rows, columns)."""
        size = self.rows * self.columns
        first = position * size
        if not self.packed:
            return self.content[first : first + size].reshape(self.rows, self.columns)
        held = self.content[first // 8 : (first + size + 7) // 8]
        bits = np.unpackbits(held, bitorder="little")[first % 8 :][:size]
        return bits.reshape(self.rows, self.columns)

    def mask(self, position: int, number: int) -> np.ndarray:
        """Segment `number` in a stored frame, bool (rows, columns); fractions count from half of the largest value.

        Other than in a label map, a stored frame is of one segment, which must be `number`.
        """
        values = self.values(position)
        if self.labelmap:
            return values == number
        return values > 0 if self.largest == 1 else values >= self.largest / 2

    def fraction(self, position: int, number: int) -> np.ndarray:
        """Segment `number` in a stored frame as fractions, float32 0..1, (rows, columns)."""
        if self.labelmap:
            return self.mask(position, number).astype(np.float32)
        return np.minimum(self.values(position).astype(np.float32) / self.largest, 1)


def read_stored_pixels(dataset: "Dataset", name: str) -> StoredPixels:
    """Take the pixels of a Segmentation, decompressed where they are compressed.

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
    packed = bits == 1
    if syntax is not None and _is_encapsulated(syntax, name):
        values, packed = _decoded(dataset, syntax, frames, name), False
    else:
        values = _native(dataset, content, bits, syntax)
    if values.size * (8 if packed else 1) < rows * columns * frames:
        raise InputError(f"{name} is cut short ({values.nbytes} bytes of pixels for {frames} frames); export it again.")
    fractional = dataset.SegmentationType == "FRACTIONAL"
    largest = int(dataset.get("MaximumFractionalValue") or 255) if fractional else 1
    return StoredPixels(values, rows, columns, packed, largest, dataset.SegmentationType == "LABELMAP")


def _native(dataset: "Dataset", content: bytes, bits: int, syntax: "UID | None") -> np.ndarray:
    swapped = syntax == _BIG_ENDIAN and dataset["PixelData"].VR == "OW"
    if bits == 16:
        return np.frombuffer(content, ">u2" if swapped else "<u2", len(content) // 2)
    values = np.frombuffer(content, np.uint8)
    return values[: len(values) // 2 * 2].view(np.uint16).byteswap().view(np.uint8) if swapped else values


def _is_encapsulated(syntax: "UID", name: str) -> bool:
    if syntax == DEFLATED_FRAMES:
        return True
    try:
        return syntax.is_encapsulated
    except ValueError as error:  # a UID, but not of a transfer syntax
        raise InputError(f"{name} is stored in an unknown way; export it again.") from error


def _decoded(dataset: "Dataset", syntax: "UID", frames: int, name: str) -> np.ndarray:
    """All frames of compressed pixels, one value a pixel."""
    from pydicom.encaps import generate_frames

    size = int(dataset.Rows) * int(dataset.Columns)
    dtype = np.dtype(np.uint16 if dataset.BitsAllocated == 16 else np.uint8)
    if size * frames * dtype.itemsize > LARGEST_DECODED:
        raise InputError(f"{name} decodes to {size * frames} pixels, too many to hold; split it.")
    _check_fragments(dataset.PixelData, name)
    values = np.empty((frames, size), dtype)
    try:
        extended = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
        found = generate_frames(
            dataset.PixelData, number_of_frames=frames, extended_offsets=extended if all(extended) else None
        )
        count = 0
        for count, frame in enumerate(islice(found, frames), start=1):
            values[count - 1] = _frame(dataset, syntax, frame, size)
    except InputError:
        raise
    except Exception as error:  # each decoder raises its own types
        raise InputError(f"{name} is compressed in a way that cannot be decoded; export it uncompressed.") from error
    return values.ravel() if count == frames else values[:count].ravel()


def _frame(dataset: "Dataset", syntax: "UID", encoded: bytes, size: int) -> np.ndarray:
    if syntax == DEFLATED_FRAMES:
        return _inflated_frame(encoded, int(dataset.BitsAllocated), size)
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    rows, columns = int(dataset.Rows), int(dataset.Columns)
    told = coded_size(encoded)
    if told is not None and told != (rows, columns):
        raise ValueError("the coded image has another size than its header says")
    decoder = get_decoder(syntax)
    options: dict[str, Any] = {
        "rows": rows,
        "columns": columns,
        "samples_per_pixel": 1,
        "number_of_frames": 1,
        "bits_allocated": int(dataset.BitsAllocated),
        "bits_stored": int(dataset.get("BitsStored") or dataset.BitsAllocated),
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
        "pixel_vr": "OB",
    }
    values, _ = decoder.as_array(
        encapsulate([encoded]),
        index=0,
        raw=True,
        decoding_plugin=next((one for one in _SAFER if one in decoder.available_plugins), ""),
        **options,
    )
    return values.ravel()


def _inflated_frame(encoded: bytes, bits: int, size: int) -> np.ndarray:
    wanted = (size * bits + 7) // 8
    # A frame of an odd number of bytes ends with a byte of padding.
    content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(encoded, wanted)
    if len(content) < wanted:
        raise ValueError("the frame ends early")
    if bits == 1:
        return np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")[:size]
    return np.frombuffer(content, np.uint8 if bits == 8 else "<u2")


def _check_fragments(content: bytes, name: str) -> None:
    """Refuse items that leave the pixel data, or more of them than any image has (PS3.5 A.4)."""
    for count, known in enumerate(_fragments(content)):
        if not known or count > _MOST_FRAGMENTS:
            raise InputError(f"{name} has damaged pixels; export it again.")


def _fragments(content: bytes) -> Iterator[bool]:
    at = 0
    while at + 8 <= len(content) and content[at : at + 4] != _DELIMITER:
        at_end = at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        yield content[at : at + 4] == _ITEM and at_end <= len(content)
        at = at_end
