"""Whether pixels look like ultrasound at all: speckle statistics, exposure, colour.

Thresholds were set on 2,133 breast images of three public sets and 17 other ultrasound files, against photographs,
drawings, pages of text, noise, CT and MR. They are meant to let doubtful images pass.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .tissue import colourfulness

WINDOW = 360
"""Side of the central part in which texture is measured, pixels: enough for the statistics, and quick."""


@dataclass(frozen=True)
class Texture:
    """Statistics of the central part of the tissue."""

    anisotropy: float
    """Mean step from row to row over mean step from column to column: above 1 in tissue, as the pulse is short."""
    roughness: float
    """Median standard deviation in 7 x 7 pixels where the tissue is neither dark nor white; None is -1."""
    correlation: tuple[float, float]
    """Of the high-passed grey level with its neighbour across and below, where neither dark nor white."""
    flat_and_bright: float
    """Share of pixels equal to both neighbours, neither dark nor white: drawings, menus, coloured paper."""
    white: float
    """Share of pixels at 250 or above: high gain whitens part of the tissue, paper is white nearly all over."""
    dark: float
    """Share of pixels below 15."""


def is_blank(grey: np.ndarray) -> bool:
    """Whether there is next to nothing to see: one level nearly everywhere, or all dark."""
    low, high = np.percentile(grey[::2, ::2], (2, 98))
    return bool(high - low < 6)


def saturated_share(grey: np.ndarray) -> float:
    """Share of pixels at 250 or above."""
    return float(np.mean(grey[::2, ::2] >= 250))


def texture(grey: np.ndarray) -> Texture:
    """Measure the texture of uint8 tissue, (rows, columns), at least 16 pixels either way."""
    from scipy.ndimage import uniform_filter

    rows, columns = grey.shape
    top, left = max((rows - WINDOW) // 2, 0), max((columns - WINDOW) // 2, 0)
    part = grey[top : top + WINDOW, left : left + WINDOW].astype(np.float32)
    down = np.abs(np.diff(part, axis=0))[:, :-1]
    across = np.abs(np.diff(part, axis=1))[:-1]
    mean = uniform_filter(part, 7)
    deviation = np.sqrt(np.maximum(uniform_filter(part * part, 7) - mean * mean, 0))
    middling = (mean > 35) & (mean < 200)
    roughness, correlation = -1.0, (1.0, 0.0)
    if middling.mean() > 0.03:
        roughness = float(np.median(deviation[middling]))
        high = part - mean
        power = max(float((high[middling] ** 2).sum()), 1e-6)
        beside = float((high[:, 1:] * high[:, :-1])[middling[:, 1:]].sum())
        below = float((high[1:] * high[:-1])[middling[1:]].sum())
        correlation = beside / power, below / power
    flat = (down == 0) & (across == 0) & (part[:-1, :-1] > 60) & (part[:-1, :-1] < 250)
    anisotropy = float(down.mean() / (across.mean() + 1e-3))
    return Texture(
        anisotropy, roughness, correlation, float(flat.mean()), float((part >= 250).mean()), float((part < 15).mean())
    )


def unlike_ultrasound(found: Texture) -> bool:
    """Whether the texture is surely not that of a B-mode image."""
    across, below = found.correlation
    if found.flat_and_bright > 0.35 or found.white > 0.75 or 0 <= found.roughness < 1.5 or found.roughness > 60:
        return True
    if across < 0.15 and below < 0.15 and found.roughness > 3:
        return True
    if found.dark > 0.6:
        return False
    return found.anisotropy < 0.98 or (found.anisotropy < 1.10 and across - below < 0.04 and found.dark < 0.3)


def colour_kind(rgb: np.ndarray) -> Literal["colour_doppler", "elastography"] | None:
    """What the colour in uint8 RGB tissue, (rows, columns, 3), is of; None for grey, tinted grey and thin graphics."""
    half = rgb[::2, ::2]
    coloured = _eroded(colourfulness(half) > 48)
    share = float(coloured.mean())
    # A single bright colour nearly everywhere is a colour window cut out of its frame.
    vivid = (half.max(axis=2) > 100) & (half.min(axis=2) < 0.25 * half.max(axis=2).astype(np.float32))
    if vivid.mean() > 0.5:
        coloured, share = vivid, float(vivid.mean())
    if share < 0.003:
        return None
    red, green, blue = (half[..., channel][coloured].astype(np.int16) for channel in range(3))
    greenish = float(np.mean((green > red) & (green > blue)))
    rows, columns = np.flatnonzero(coloured.any(axis=1)), np.flatnonzero(coloured.any(axis=0))
    window = coloured[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return "elastography" if share > 0.04 and greenish > 0.12 and window.mean() > 0.5 else "colour_doppler"


def _eroded(mask: np.ndarray) -> np.ndarray:
    """Without what is thinner than 3 pixels: letters, calipers and the outline of a colour window."""
    kept = mask.copy()
    kept[0] = kept[-1] = False
    kept[:, 0] = kept[:, -1] = False
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            kept &= np.roll(mask, (down, right), (0, 1))
    return kept
