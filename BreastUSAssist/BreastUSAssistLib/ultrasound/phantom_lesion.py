"""Outline of a phantom's lesion: a star-shaped contour whose extent is exactly the size asked for."""

from dataclasses import dataclass

import numpy as np

from .phantom_spec import LesionSpec

SAMPLES = 2880


@dataclass(frozen=True, eq=False)
class LesionOutline:
    """A contour in polar form, and how it maps to millimetres."""

    spec: LesionSpec
    radius: np.ndarray
    """Radius at SAMPLES equal steps of angle, without unit."""
    middle: tuple[float, float]
    """Middle of the contour's bounding box (along, across), in units of `radius`."""
    half: tuple[float, float]
    """Half the extent of the contour's bounding box, in units of `radius`."""

    def distance_mm(self, depth_mm: np.ndarray, lateral_mm: np.ndarray, elevation_mm: float = 0.0) -> np.ndarray | None:
        """Signed distance to the outline in mm, roughly, negative inside: (rows, 1) and (1, columns) in, float32 out.

        The lesion is as long across the sweep as it is wide: at `elevation_mm` its cross-section is that of an
        ellipsoid. None where the sweep has left it.
        """
        spec = self.spec
        off_centre = (elevation_mm - spec.elevation_mm) / (spec.width_mm / 2)
        if abs(off_centre) >= 0.995:
            return None
        scale = float(np.sqrt(1 - off_centre**2))
        half_width, half_height = spec.width_mm / 2 * scale, spec.height_mm / 2 * scale
        turn = np.deg2rad(spec.tilt_degrees)
        right, down = lateral_mm - spec.lateral_mm, depth_mm - spec.depth_mm
        along = (np.cos(turn) * right + np.sin(turn) * down) / half_width * self.half[0] + self.middle[0]
        across = (np.cos(turn) * down - np.sin(turn) * right) / half_height * self.half[1] + self.middle[1]
        angle = np.arctan2(across, along)
        bound = np.interp(angle, np.linspace(-np.pi, np.pi, SAMPLES, endpoint=False), self.radius, period=2 * np.pi)
        unit_mm = (half_width + half_height) / (self.half[0] + self.half[1])
        distance: np.ndarray = ((np.hypot(along, across) - bound) * unit_mm).astype(np.float32)
        return distance


def lesion_outline(spec: LesionSpec, random: np.random.Generator) -> LesionOutline:
    """Draw the contour of a lesion: its shape from low harmonics, its margin from what is laid over them."""
    angle = np.linspace(-np.pi, np.pi, SAMPLES, endpoint=False)
    radius = 1 + 0.02 * np.cos(2 * angle + random.uniform(0, 2 * np.pi))
    if spec.shape == "irregular":
        for order, size in ((2, 0.07), (3, 0.10), (4, 0.07), (5, 0.05)):
            radius += size * np.cos(order * angle + random.uniform(0, 2 * np.pi))
    radius = radius + _margin(spec.margin, angle, random)
    along, across = radius * np.cos(angle), radius * np.sin(angle)
    middle = float(np.ptp(along) / 2 + along.min()), float(np.ptp(across) / 2 + across.min())
    return LesionOutline(spec, radius, middle, (float(np.ptp(along) / 2), float(np.ptp(across) / 2)))


def _margin(margin: str, angle: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if margin == "microlobulated":
        lobes = random.integers(11, 15)
        return np.asarray(0.11 * np.abs(np.cos(lobes / 2 * angle + random.uniform(0, np.pi))))
    if margin == "angular":
        return _spikes(angle, random, count=5, height=(0.20, 0.38), width=(0.22, 0.34))
    if margin == "spiculated":
        return _spikes(angle, random, count=13, height=(0.18, 0.50), width=(0.07, 0.13))
    return np.zeros_like(angle)


def _spikes(
    angle: np.ndarray, random: np.random.Generator, count: int, height: tuple[float, float], width: tuple[float, float]
) -> np.ndarray:
    """Pointed, evenly spread with jitter: exp(-|angle|/width) has the sharp tip that a Gaussian lacks."""
    total = np.zeros_like(angle)
    step = 2 * np.pi / count
    for index in range(count):
        at = -np.pi + step * (index + random.uniform(-0.3, 0.3))
        away = np.abs((angle - at + np.pi) % (2 * np.pi) - np.pi)
        total = np.maximum(total, random.uniform(*height) * np.exp(-away / random.uniform(*width)))
    return total
