"""Stored values to the 256 grey levels of the screen, the same way for every frame of a clip."""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError


@dataclass(frozen=True)
class GreyRange:
    """Stored values that become black and white; what lies outside is clipped."""

    black: float
    white: float

    def to_uint8(self, values: np.ndarray) -> np.ndarray:
        """Map `values` (any real dtype, any shape) linearly to uint8 of the same shape, rounding half up."""
        if values.dtype == np.uint8 and (self.black, self.white) == (0, 255):
            return np.ascontiguousarray(values)
        if values.dtype.kind == "u" and self.black == 0 and self.white == 65535:
            # 257 = 65535 / 255: exact for 8-bit images stored in 16 bits.
            return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
        scale = 255.0 / max(self.white - self.black, 1e-300)
        grey = (values.astype(np.float64) - self.black) * scale + 0.5
        return np.clip(grey, 0, 255).astype(np.uint8)


def range_of_integers(smallest: int, largest: int) -> GreyRange:
    """Range for integers without a window: zero to the power of two that holds them, so frames stay comparable.

    8-bit values in a wider container come out unchanged; 12-bit values fill the screen. With negative values the
    range is what was found.
    """
    if smallest < 0:
        return GreyRange(smallest, max(largest, smallest + 1))
    return GreyRange(0, (1 << max(8, int(largest).bit_length())) - 1)


def range_of_floats(label: str, values: np.ndarray) -> GreyRange:
    """Range for floating-point images: 0..1 and 0..255 are taken as such, all else from smallest to largest.

    Raises:
        InputError: a value is not finite; the message names `label`.
    """
    smallest, largest = float(np.min(values)), float(np.max(values))  # NaN propagates through both
    if not (np.isfinite(smallest) and np.isfinite(largest)):
        raise InputError(
            f"{label} holds values that are not numbers (NaN or infinite); replace them, for example by 0, and save it."
        )
    if smallest >= 0 and largest <= 1:
        return GreyRange(0, 1)
    if smallest >= 0 and largest <= 255:
        return GreyRange(0, 255)
    return GreyRange(smallest, max(largest, np.nextafter(smallest, np.inf)))


def range_of(label: str, values: np.ndarray) -> GreyRange:
    """Range for an array of any real dtype, see `range_of_integers` and `range_of_floats`.

    Raises:
        InputError: a value is not finite; the message names `label`.
    """
    if values.dtype == bool:
        return GreyRange(0, 1)
    if values.dtype == np.uint8:
        return GreyRange(0, 255)
    if values.dtype.kind in "ui":
        return range_of_integers(int(values.min()), int(values.max()))
    return range_of_floats(label, values)
