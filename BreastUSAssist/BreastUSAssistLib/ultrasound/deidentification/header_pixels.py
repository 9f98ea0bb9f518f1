"""Pixel data and look-up tables carried over at their exact length, so that nothing rides behind the last pixel."""

import sys
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

PIXEL_DATA = 0x7FE00010
PIXEL_TAGS = (0x7FE00010, 0x7FE00008, 0x7FE00009, 0x7FE00001, 0x7FE00002, 0x7FE00003)
"""Pixel data of all kinds and their offset tables (PS3.3 C.7.6.3)."""


def add_pixels(original: "Dataset", clean: "Dataset", kind: str) -> None:
    """Copy the pixel data of `original`, if it has any, at the length that `clean` declares.

    Compressed masks are decompressed, because a coded stream has room for other bytes; compressed images are copied,
    and are re-encoded where pixels are cleaned.

    Raises:
        InputError: the pixels are of a kind that is not de-identified here, or not all there.
    """
    if any(tag in original for tag in PIXEL_TAGS[1:3]):
        raise InputError("Its pixels are floating-point numbers, which ultrasound images have not; leave it out.")
    if PIXEL_DATA not in original:
        return
    element = original[PIXEL_DATA]
    syntax = getattr(original, "file_meta", {}).get("TransferSyntaxUID")
    if syntax is not None and syntax.is_compressed and not syntax.is_deflated:
        content = element.value if kind == "image" else _decompressed_masks(original)
    else:
        content = _exactly(_little_endian(element.value, element.VR, original), _length(clean))
    clean.PixelData = content
    clean["PixelData"].VR = element.VR if kind == "image" else ("OB" if clean.BitsAllocated <= 8 else "OW")
    clean["PixelData"].is_undefined_length = bool(element.is_undefined_length) and kind == "image"


def kept_table(keyword: str, element: "DataElement", holder: "Dataset") -> Any:
    """Values of a look-up table, no longer than its descriptor says; None where it has none."""
    descriptor = "LUTDescriptor" if keyword == "LUTData" else keyword.removesuffix("Data") + "Descriptor"
    described = holder.get(descriptor)
    if described is None or len(described) != 3 or keyword.startswith("Segmented"):
        return None
    entries = int(described[0]) or 65536
    value = element.value
    if isinstance(value, bytes):
        content = _little_endian(value, element.VR, holder)
        return _even(content[: entries * 2])
    return list(value)[:entries] if hasattr(value, "append") else value


def _length(clean: "Dataset") -> int:
    """Bytes of uncompressed pixel data (PS3.5 8.1.1)."""
    samples = int(clean.Rows) * int(clean.Columns) * int(clean.get("NumberOfFrames") or 1)
    per_pixel = int(clean.get("SamplesPerPixel") or 1)
    if clean.get("PhotometricInterpretation") == "YBR_FULL_422":
        per_pixel = 2
    return (samples * per_pixel * int(clean.BitsAllocated) + 7) // 8


def _exactly(content: bytes, length: int) -> bytes:
    if len(content) < length:
        raise InputError("Its pixel data are not all there; export it again from its source.")
    return _even(content[:length])


def _even(content: bytes) -> bytes:
    return content + b"\0" * (len(content) % 2)


def _little_endian(content: bytes, vr: str, original: "Dataset") -> bytes:
    """`content` of OW or OB in little endian order; pydicom leaves the order of the file."""
    if vr != "OW" or original.original_encoding[1] is not False:
        return content
    import numpy as np

    return np.frombuffer(_even(content), np.uint16).byteswap().tobytes()


def _decompressed_masks(original: "Dataset") -> bytes:
    import numpy as np

    try:
        pixels = original.pixel_array
    except Exception:  # decoders raise many kinds
        raise InputError("Its masks could not be decompressed; export it again without compression.") from None
    if int(original.BitsAllocated) == 1:
        return _even(np.packbits(pixels.ravel(), bitorder="little").tobytes())
    little = pixels.dtype.newbyteorder("<") if sys.byteorder == "big" else pixels.dtype
    return _even(pixels.astype(little).tobytes())
