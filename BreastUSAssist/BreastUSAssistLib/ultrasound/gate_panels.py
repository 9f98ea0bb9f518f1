"""Several panels in one frame: two images side by side, or an image over an M-mode trace or a spectrum."""

from typing import Literal

import numpy as np

from .frame import Box
from .tissue import inside

PanelKind = Literal["split_view", "m_mode", "spectral_doppler"]
SEAM_STEP = 4.0
"""19 of 20 pairs of breast images joined without a gap measure more, 2 of 1,066 single ones do."""


def second_panel(grey: np.ndarray, panels: list[Box]) -> PanelKind | None:
    """What stands beside or below the first of `panels` (from `tissue_panels`), if anything of note does."""
    if panels and seam_step(inside(grey, panels[0])) > SEAM_STEP:
        return "split_view"
    for other in panels[1:]:
        if _share_of_shorter(panels[0], other, 0) > 0.8 and _like_in_size(panels[0], other):
            return "split_view"
    for other in panels[1:]:
        rows, columns = min(other[2] - other[0], panels[0][2] - panels[0][0]), other[3] - other[1]
        below = other[0] >= panels[0][2] or other[2] <= panels[0][0]
        if (
            below
            and _share_of_shorter(panels[0], other, 1) > 0.8
            and columns > 0.5 * grey.shape[1]
            and rows > 0.15 * grey.shape[0]
        ):
            lower, upper = (other, panels[0]) if other[0] >= panels[0][2] else (panels[0], other)
            return _trace_kind(inside(grey, lower), inside(grey, upper))
    return None


def seam_step(grey: np.ndarray) -> float:
    """Step at the sharpest upright line in the middle fifth of the tissue, over the usual step from column to column.

    The least of three bands of rows counts, as a seam runs all the way down and a caliper's line does not; the lowest
    3/10 are left out, where shadows are black and their sides steep.
    """
    from scipy.ndimage import median_filter

    part = grey[: int(0.7 * grey.shape[0])].astype(np.int16)
    if min(part.shape) < 64:
        return 0.0
    middle = slice(int(0.4 * part.shape[1]), int(0.6 * part.shape[1]))
    ratios = []
    for band in np.array_split(np.abs(part[:, 1:] - part[:, :-1]), 3):
        steps = band.mean(axis=0)
        ratios.append((steps / (median_filter(steps, 31) + 0.5))[middle])
    return float(np.min(ratios, axis=0).max())


def _trace_kind(lower: np.ndarray, upper: np.ndarray) -> PanelKind | None:
    """M-mode echoes run level for long; a spectrum is mostly dark, with all its light near one base line."""
    if np.mean(lower < 30) > 0.6 and np.mean(lower > 60) > 0.03:
        return "spectral_doppler"
    level, reference = _levelness(lower), _levelness(upper)
    return "m_mode" if level > 1.7 and level > 1.5 * reference else None


def _levelness(part: np.ndarray) -> float:
    """Mean step over 3 rows against the mean step over 12 columns, after smoothing out noise along the rows."""
    values = part.astype(np.float32)
    if values.shape[1] < 40 or values.shape[0] < 8:
        return 0.0
    total = np.cumsum(values, axis=1)
    smooth = (total[:, 6:] - total[:, :-6]) / 6
    return float(np.abs(smooth[3:] - smooth[:-3]).mean() / (np.abs(smooth[:, 12:] - smooth[:, :-12]).mean() + 1e-3))


def _share_of_shorter(first: Box, second: Box, axis: int) -> float:
    """Overlap of two boxes along an axis (0 rows, 1 columns) as a share of the shorter of them."""
    overlap = min(first[axis + 2], second[axis + 2]) - max(first[axis], second[axis])
    return overlap / min(first[axis + 2] - first[axis], second[axis + 2] - second[axis])


def _like_in_size(first: Box, second: Box) -> bool:
    rows = sorted((first[2] - first[0], second[2] - second[0]))
    columns = sorted((first[3] - first[1], second[3] - second[1]))
    return rows[0] > 0.6 * rows[1] and columns[0] > 0.6 * columns[1]
