"""Layers of a breast phantom, skin to chest wall, as maps of echo level and of smooth reflectors."""

from dataclasses import dataclass

import numpy as np

SKIN_DB, FAT_DB, GLAND_DB, MUSCLE_DB, DEEP_DB = -21.0, -36.0, -25.0, -38.0, -48.0
SWEEP_LENGTH_MM = 14.0
"""Distance along the sweep over which the anatomy changes completely."""


class BreastAnatomy:
    """The same breast, cut anywhere along the sweep. Grids are in mm: depth (rows, 1), lateral (1, columns)."""

    def __init__(self, rows: int, columns: int, spacing_mm: float, seed: int) -> None:
        self.spacing_mm = spacing_mm
        self.depth_mm = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) * spacing_mm
        self.lateral_mm = (np.arange(columns, dtype=np.float32)[None, :] + 0.5 - columns / 2) * spacing_mm
        self.total_mm = rows * spacing_mm
        self._random = np.random.default_rng((seed, 1))
        shape = rows, columns
        self._septa = _DriftingNoise(shape, spacing_mm, (1.3, 3.2), self._random)
        self._strands = _DriftingNoise(shape, spacing_mm, (0.8, 2.6), self._random)
        self._streaks = _DriftingNoise(shape, spacing_mm, (0.16, 1.5), self._random)
        self._lobules = _DriftingNoise(shape, spacing_mm, (0.8, 2.6), self._random)
        self._fibres = _DriftingNoise(shape, spacing_mm, (0.13, 5.0), self._random)
        self._brightness = _DriftingNoise(shape, spacing_mm, (1.0, 3.0), self._random)
        low, high = self._random.uniform(0.24, 0.34), self._random.uniform(0.62, 0.70)
        self._interfaces = {
            "skin": _Interface(self._random, 1.9, 0.12),
            "gland": _Interface(self._random, low * self.total_mm, 1.3),
            "retro": _Interface(self._random, high * self.total_mm, 0.8),
            "muscle": _Interface(self._random, (high + 0.07) * self.total_mm, 0.6),
            "deep": _Interface(self._random, 0.93 * self.total_mm, 0.7),
        }
        self._slant = self._random.uniform(-0.10, 0.10)

    def at(self, elevation_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Echo level in dB and amplitude of smooth reflectors, float32 (rows, columns) each."""
        depth = self.depth_mm
        below = {
            name: _step(
                depth - line.at(self.lateral_mm, elevation_mm) - self._slant * self.lateral_mm * (name != "skin")
            )
            for name, line in self._interfaces.items()
        }
        septa, streaks = self._septa.at(elevation_mm), self._streaks.at(elevation_mm)
        lobules, brightness = self._lobules.at(elevation_mm), self._brightness.at(elevation_mm)
        fibres = self._fibres.at(elevation_mm)
        level = SKIN_DB + 1.5 * streaks
        level = _blend(level, FAT_DB + 1.2 * streaks + 0.8 * lobules, below["skin"])
        gland = GLAND_DB + 3.0 * streaks + 2.6 * lobules - 7.0 * np.clip(septa - 0.7, 0, 1.0)
        level = _blend(level, gland, below["gland"])
        level = _blend(level, FAT_DB - 1.5 + 1.5 * streaks, below["retro"])
        level = _blend(level, MUSCLE_DB + 4.0 * fibres, below["muscle"])
        level = _blend(level, DEEP_DB + 2.0 * streaks, below["deep"])
        in_fat = below["skin"] * (1 - below["gland"])
        patchy = np.clip(0.5 + 0.7 * brightness, 0.03, 1.8)
        ridge = _ridge(septa, 0.11, self.spacing_mm) * patchy
        strands = _ridge(self._strands.at(elevation_mm), 0.08, self.spacing_mm) * np.clip(brightness, 0, 2)
        between = 1 - below["muscle"]
        reflectors = (0.085 * ridge + 0.04 * strands) * in_fat + 0.09 * strands * below["gland"] * between
        reflectors += self._lines(below, patchy)
        muscle = below["muscle"] * (1 - below["deep"])
        reflectors += 0.05 * muscle * np.clip(fibres - 1.1, 0, 1.5)
        return level.astype(np.float32), reflectors.astype(np.float32)

    def _lines(self, below: dict[str, np.ndarray], patchy: np.ndarray) -> np.ndarray:
        total = 0.5 * np.exp(-0.5 * ((self.depth_mm - 0.35) / 0.16) ** 2)
        for name, strength in (("skin", 0.16), ("gland", 0.10), ("retro", 0.05), ("muscle", 0.12), ("deep", 0.12)):
            step = below[name]
            total = total + strength * 4 * step * (1 - step) * (patchy if name != "skin" else 1)
        return total


@dataclass
class _Interface:
    """A wavy line from left to right: base depth in mm plus a few sines whose phase drifts along the sweep."""

    random: np.random.Generator
    depth_mm: float
    waviness_mm: float

    def __post_init__(self) -> None:
        self._waves = [
            (
                length,
                self.random.uniform(0.4, 1.0) * share,
                self.random.uniform(0, 2 * np.pi),
                self.random.choice((-1, 1)),
            )
            for length, share in ((46.0, 1.0), (19.0, 0.6), (8.5, 0.3), (4.0, 0.1))
        ]

    def at(self, lateral_mm: np.ndarray, elevation_mm: float) -> np.ndarray:
        drift = elevation_mm / SWEEP_LENGTH_MM
        return self.depth_mm + self.waviness_mm * sum(
            size * np.sin(2 * np.pi * lateral_mm / length + phase + sign * drift)
            for length, size, phase, sign in self._waves
        )


class _DriftingNoise:
    """Smooth Gaussian noise of unit variance that changes along the sweep: cos and sin of two independent fields."""

    def __init__(
        self, shape: tuple[int, int], spacing_mm: float, size_mm: tuple[float, float], random: np.random.Generator
    ) -> None:
        self._pair = [_smooth_noise(shape, spacing_mm, size_mm, random) for _ in range(2)]

    def at(self, elevation_mm: float) -> np.ndarray:
        phase = elevation_mm / SWEEP_LENGTH_MM
        mixed: np.ndarray = np.float32(np.cos(phase)) * self._pair[0] + np.float32(np.sin(phase)) * self._pair[1]
        return mixed


def _smooth_noise(
    shape: tuple[int, int], spacing_mm: float, size_mm: tuple[float, float], random: np.random.Generator
) -> np.ndarray:
    """Gaussian noise smoothed by `size_mm` (axial, lateral): made on a coarser grid where that loses nothing."""
    from scipy.ndimage import gaussian_filter, zoom

    sigma = [size / spacing_mm for size in size_mm]
    stride = [max(int(value / 2.5), 1) for value in sigma]
    coarse = [int(np.ceil(n / s)) + 1 for n, s in zip(shape, stride, strict=True)]
    noise = random.standard_normal(coarse, dtype=np.float32)
    noise = gaussian_filter(noise, [v / s for v, s in zip(sigma, stride, strict=True)], mode="wrap")
    noise = (noise - noise.mean()) / noise.std()
    fine = zoom(noise, stride, order=1)[: shape[0], : shape[1]]
    fine_noise: np.ndarray = np.ascontiguousarray(fine, dtype=np.float32)
    return fine_noise


def _ridge(noise: np.ndarray, sigma_mm: float, spacing_mm: float) -> np.ndarray:
    """Thin curves where smooth noise crosses 0 (Cooper's ligaments), brighter the more they face the probe."""
    down, across = np.gradient(noise, spacing_mm)
    slope = np.hypot(down, across) + 1e-3
    facing = (np.abs(down) / slope) ** 2
    ridge: np.ndarray = np.exp(-0.5 * (noise / slope / sigma_mm) ** 2) * (0.12 + 0.88 * facing)
    return ridge


def _step(distance_mm: np.ndarray) -> np.ndarray:
    step: np.ndarray = 1 / (1 + np.exp(-np.clip(distance_mm / 0.10, -40, 40)))
    return step


def _blend(above: np.ndarray, under: np.ndarray, share: np.ndarray) -> np.ndarray:
    return above + (under - above) * share
