"""The measures that the lesion reader takes beside the picture: ratios and shape numbers, no absolute size.

Absolute sizes are left out on purpose: most training images have no pixel spacing, and the size of a lesion in pixels
tells the data set and not the lesion.
"""

from collections.abc import Callable

import numpy as np

from .lesion import Measurements

VERSION = 1
"""Of the vector below; a bundle names the version that it was trained with."""

_Scale = Callable[[float], float]


def _same(value: float) -> float:
    return value


def _log(value: float) -> float:
    return float(np.log(max(value, 1e-4)))


def _log1p(value: float) -> float:
    return float(np.log1p(max(value, 0.0)))


_MEASURES: tuple[tuple[str, _Scale], ...] = (
    ("depth_to_width", _log),
    ("axis_angle_deg", _same),
    ("circularity", _same),
    ("solidity", _same),
    ("ellipse_fit", _same),
    ("elongation", _log),
    ("lobulations", _log1p),
    ("notches", _log1p),
    ("sharpest_corner_deg", _log),
    ("margin_roughness", _log),
    ("margin_sharpness", _log1p),
    ("echo_ratio", _log),
    ("echo_heterogeneity", _log),
    ("posterior_ratio", _log),
)
NAMES = tuple(name for name, _ in _MEASURES)
"""Fields of Measurements, in the order of the vector."""


def reader_measures(measurements: Measurements) -> np.ndarray:
    """The vector, float32 (14,): ratios as logarithms, counts as log(1 + n), the rest as they are; NaN where unknown.

    It is not standardised: the network holds the mean and standard deviation it was trained with.
    """
    values = [(getattr(measurements, name), scale) for name, scale in _MEASURES]
    return np.array([np.nan if value is None else scale(float(value)) for value, scale in values], np.float32)
