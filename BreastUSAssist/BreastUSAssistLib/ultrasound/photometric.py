"""Decoded samples to grey or RGB as the scanner's screen showed them (DICOM PS3.3 C.7.6.3.1.2, C.11.1 and C.11.2)."""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .header_values import finite, value_of

if TYPE_CHECKING:
    from pydicom import Dataset

_NEUTRAL_CHROMA = 6
"""Distance from 128 within which a chroma sample counts as grey (JPEG noise)."""
_MOST = 0.6


def colour_to_rgb(samples: np.ndarray, interpretation: str, label: str) -> np.ndarray:
    """Three-sample pixels to RGB.

    Args:
        samples: uint8 or uint16 (rows, columns, 3), as decoded, without any colour conversion.
        interpretation: photometric interpretation of `samples`, as far as the file tells.
        label: the file as sentences name it.

    Returns:
        uint8 (rows, columns, 3).

    Raises:
        InputError: the interpretation is not supported.
    """
    if samples.dtype != np.uint8:
        samples = np.minimum(samples >> 8 if samples.max(initial=0) > 255 else samples, 255).astype(np.uint8)
    if interpretation in ("RGB", "YBR_RCT", "YBR_ICT"):
        declared_luma = False
    elif interpretation in ("YBR_FULL", "YBR_FULL_422"):
        declared_luma = True
    else:
        raise InputError(
            f"{label} has colours that are not read here (photometric interpretation "
            f"{printable(interpretation)}); export it as RGB."
        )
    if is_luma_chroma(samples, declared_luma):
        return ybr_full_to_rgb(samples)
    return np.ascontiguousarray(samples)


def is_luma_chroma(samples: np.ndarray, declared: bool) -> bool:
    """Whether samples are Y, Cb, Cr rather than R, G, B: as declared, unless the picture clearly says otherwise.

    Files tagged RGB that hold YCbCr, and the reverse, are common among ultrasound exports. Most of an ultrasound
    frame is grey or black, which is R = G = B in the one and Cb = Cr = 128 in the other; colour alone never tips it.
    """
    first, second, third = (samples[..., channel].astype(np.int16) for channel in range(3))
    neutral = (abs(second - 128) <= _NEUTRAL_CHROMA) & (abs(third - 128) <= _NEUTRAL_CHROMA)
    equal = (abs(first - second) <= _NEUTRAL_CHROMA) & (abs(first - third) <= _NEUTRAL_CHROMA)
    only_neutral, only_equal = float(np.mean(neutral & ~equal)), float(np.mean(equal & ~neutral))
    if only_neutral > _MOST:
        return True
    if only_equal > _MOST:
        return False
    return declared


def ybr_full_to_rgb(samples: np.ndarray) -> np.ndarray:
    """YBR_FULL (rows, columns, 3) uint8 to RGB of the same shape, PS3.3 C.7.6.3.1.2."""
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(samples), "YCbCr").convert("RGB"))


def printable(value: str) -> str:
    """A code string of a file, cut to what a standard code can be, for use in a sentence."""
    return "".join(letter for letter in value if letter.isascii() and (letter.isalnum() or letter in "_ "))[:16]


def stored_values(samples: np.ndarray, header: "Dataset") -> np.ndarray:
    """Samples with unused high bits removed and the sign extended, PS3.5 8.1.1; same shape and dtype."""
    allocated, stored = int(header.BitsAllocated), int(header.get("BitsStored") or header.BitsAllocated)
    high = int(header.get("HighBit") or stored - 1)
    if stored == allocated or high + 1 < stored or high >= allocated or samples.dtype.itemsize * 8 != allocated:
        return samples
    return (samples << (allocated - high - 1)) >> (allocated - stored)


def grey_table(header: "Dataset", largest: int | None = None) -> tuple[np.ndarray, int]:
    """Screen level of every stored value of a MONOCHROME image: modality transform, then VOI, then inversion.

    Args:
        header: the image's header.
        largest: largest stored value of the clip, used where 16 bits are declared without a window; None: not known.

    Returns:
        uint8 (values,), and the stored value that its first entry stands for.
    """
    bits = int(header.get("BitsStored") or header.BitsAllocated)
    signed = int(header.get("PixelRepresentation") or 0) == 1
    first = -(1 << (bits - 1)) if signed else 0
    stored = np.arange(first, first + (1 << bits), dtype=np.float64)
    values = _modality(header, stored)
    levels = _voi(header, values)
    if levels is None:
        top = len(stored) - 1 if largest is None else min(len(stored) - 1, max(255, _full_range(largest)) - first)
        ends = (values[0], values[top]) if values[0] <= values[top] else (values[top], values[0])
        levels = (values - ends[0]) / max(ends[1] - ends[0], 1e-12)
    if str(header.get("PhotometricInterpretation")) == "MONOCHROME1":
        levels = 1 - levels
    return np.clip(levels * 255 + 0.5, 0, 255).astype(np.uint8), first


def has_voi(header: "Dataset") -> bool:
    """Whether the header itself says which values are black and white."""
    return _voi(header, np.zeros(1)) is not None


def _full_range(largest: int) -> int:
    return (1 << int(largest).bit_length()) - 1


def _modality(header: "Dataset", stored: np.ndarray) -> np.ndarray:
    if header.get("ModalityLUTSequence"):
        table, first, _ = _lut(header.ModalityLUTSequence[0])
        return table[np.clip(stored - first, 0, len(table) - 1).astype(np.int64)]
    slope = _number(value_of(header, "RescaleSlope"), 1.0) or 1.0
    return stored * slope + _number(value_of(header, "RescaleIntercept"), 0.0)


def _voi(header: "Dataset", values: np.ndarray) -> np.ndarray | None:
    """Levels 0..1 by VOI LUT or window (the first where there are several); None without a usable one."""
    if header.get("VOILUTSequence"):
        table, first, bits = _lut(header.VOILUTSequence[0])
        return table[np.clip(values - first, 0, len(table) - 1).astype(np.int64)] / ((1 << bits) - 1)
    centre, width = _number(value_of(header, "WindowCenter"), None), _number(value_of(header, "WindowWidth"), None)
    function = str(header.get("VOILUTFunction") or "LINEAR")
    if centre is None or width is None or width < 1:
        return None
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -500, 500)))
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if width == 1:
        return (values > centre - 0.5).astype(np.float64)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _lut(item: "Dataset") -> tuple[np.ndarray, int, int]:
    """Entries, stored value of the first one, and bits an entry, PS3.3 C.11.1.1 and C.11.2.1.1."""
    entries, first, bits = (int(value) for value in item["LUTDescriptor"].value)
    data = item["LUTData"].value
    if isinstance(data, bytes):
        wide = len(data) >= 2 * (entries or 65536)
        data = np.frombuffer(data, dtype="<u2" if wide else "u1")
    return np.asarray(data, dtype=np.float64)[: entries or 65536], first, max(bits, 1)


def _number(value: object, default: float | None) -> float:
    """The first value as a finite float, else `default` (which callers pass as None to mean absent)."""
    if isinstance(value, (list, tuple)) or (hasattr(value, "__iter__") and not isinstance(value, str)):
        value = next(iter(value), None)
    number = finite(value)
    return default if number is None else number  # type: ignore[return-value]
