"""A picture in which what is drawn stands out of what was scanned, so that a text detector sees faint text on speckle.

Two things tell ink from echoes. Ink has edges of one pixel, where the beam smears speckle over several: of each pixel
that is kept by which it is lighter than its close surrounds. And ink is of one grey level, where echoes are of all: in
each part of the picture grey levels that far more pixels have than levels beside them are drawn white.
"""

import numpy as np

_EDGE_SIGMA = 1.2
_EDGE_LEVEL = 60
"""Grey level that the strongest twentieth of the edges starts at."""
_PART = (32, 160)
"""Rows and columns of a part: about a line of text."""
_LEVELS = (60, 254)
"""Grey levels that ink is looked for at: darker is not legible, and at the lightest echoes are cut off too."""
_BESIDE = 15
"""Levels around one among which the median number of pixels is what is to be expected."""
_FACTOR, _DEVIATIONS, _LEAST = 1.3, 4.0, 8.0
"""By how much more pixels must have a level: times what is expected, and its standard deviations, and pixels."""
_SLOPE = 40
"""Grey levels by which a pixel of ink loses for each level that it is off."""


def strokes_of(picture: np.ndarray) -> np.ndarray:
    """What is drawn in a picture, light on dark: uint8 (rows, columns) from uint8 (rows, columns[, 3])."""
    grey = picture if picture.ndim == 2 else np.rint(picture @ np.array([0.299, 0.587, 0.114], np.float32))
    grey = grey.astype(np.uint8, copy=False)
    drawn: np.ndarray = np.maximum(_edges(grey), _even(grey))
    return drawn


def _edges(grey: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    values = grey.astype(np.float32)
    raised = values - gaussian_filter(values, _EDGE_SIGMA)
    lit = raised[grey > 0]
    strong = float(np.percentile(lit, 95)) if lit.size else 0.0
    edges: np.ndarray = np.clip(raised / (strong + 0.5) * _EDGE_LEVEL, 0, 255).astype(np.uint8)
    return edges


def _even(grey: np.ndarray) -> np.ndarray:
    even = np.zeros(grey.shape, np.uint8)
    rows, columns = _PART
    for top in range(0, max(grey.shape[0] - rows // 2, 1), rows // 2):
        for left in range(0, max(grey.shape[1] - columns // 2, 1), columns // 2):
            part = grey[top : top + rows, left : left + columns]
            drawn = even[top : top + rows, left : left + columns]
            for level in _levels_of_ink(part):
                distance = np.abs(part.astype(np.int16) - level)
                np.maximum(drawn, np.clip(255 - _SLOPE * distance, 0, 255).astype(np.uint8), out=drawn)
    return even


def _levels_of_ink(part: np.ndarray) -> list[int]:
    from scipy.ndimage import maximum_filter, median_filter

    counts = np.bincount(part.ravel(), minlength=256).astype(np.float64)
    expected = median_filter(counts, _BESIDE, mode="nearest")
    many = counts > expected * _FACTOR + _DEVIATIONS * np.sqrt(expected) + _LEAST
    peaks = many & (counts >= maximum_filter(counts, 7, mode="nearest"))
    return [int(level) for level in np.flatnonzero(peaks) if _LEVELS[0] <= level < _LEVELS[1]]
