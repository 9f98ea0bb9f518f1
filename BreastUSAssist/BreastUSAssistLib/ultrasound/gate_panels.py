"""Several panels in one frame: two images side by side, or an image over an M-mode trace or a spectrum."""

from typing import Literal

import numpy as np

from .frame import Box
from .tissue import inside

PanelKind = Literal["split_view", "m_mode", "spectral_doppler"]


def second_panel(grey: np.ndarray, panels: list[Box]) -> PanelKind | None:
    """What stands beside or below the first of `panels` (from `tissue_panels`), if anything of note does."""
    if len(panels) < 2:
        return None
    for other in panels[1:]:
        if _share_of_shorter(panels[0], other, 0) > 0.8 and _like_in_size(panels[0], other):
            return "split_view"
    for other in panels[1:]:
        rows, columns = other[2] - other[0], other[3] - other[1]
        below = other[0] >= panels[0][2] or other[2] <= panels[0][0]
        if below and _share_of_shorter(panels[0], other, 1) > 0.8 and columns > 0.5 * grey.shape[1] and rows > 32:
            lower, upper = (other, panels[0]) if other[0] >= panels[0][2] else (panels[0], other)
            return _trace_kind(inside(grey, lower), inside(grey, upper))
    return None


def _trace_kind(lower: np.ndarray, upper: np.ndarray) -> PanelKind | None:
    """M-mode echoes run level for long; a spectrum is mostly dark, with all its light near one base line."""
    if np.mean(lower < 30) > 0.6 and np.mean(lower > 60) > 0.03:
        return "spectral_doppler"
    level, reference = _levelness(lower), _levelness(upper)
    return "m_mode" if level > 3 and level > 1.8 * reference else None


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
