"""How surely an outline is known: the band between two level lines of the foreground probability around it."""

from dataclasses import dataclass

import numpy as np

from ..birads.measurements import box_of

Levels = tuple[float, float]
"""Foreground probability below which a pixel is taken to lie outside, and from which it is taken to lie inside."""
LEVELS: Levels = (0.25, 0.75)
"""Of bundles that do not carry their own."""
WIDE = 0.2
"""From this share of the lesion's equivalent radius, and 3 px, a band counts as wide."""


@dataclass(frozen=True)
class OutlineBand:
    """Width of the band of one lesion."""

    half_width_px: float
    """Mean over the outline of half the distance between the two level lines."""
    uncertain_share: float
    """Share of the outline where the band is wide."""


def measure_band(probability: np.ndarray, mask: np.ndarray, levels: Levels = LEVELS) -> OutlineBand:
    """Measure the band around one lesion.

    At each pixel of the outline: how far the nearest pixel lies that is surely inside, plus how far beyond the next one
    lies what is surely outside; each at most the lesion's equivalent radius. A sharp step gives 0.

    Args:
        probability: foreground probability in 1/255, uint8 (rows, columns).
        mask: the lesion, bool (rows, columns).
        levels: see Levels.

    Raises:
        UsageError: the mask is empty.
    """
    from scipy.ndimage import binary_erosion, distance_transform_edt

    box = box_of(mask)
    radius = float(np.sqrt(mask.sum() / np.pi))
    around = round(radius) + 3
    window = tuple(slice(max(0, box[axis] - around), box[axis + 2] + around) for axis in (0, 1))
    inside, seen = np.pad(mask[window], 1), np.pad(probability[window], 1) / 255.0
    edge = inside & ~binary_erosion(inside)
    low, high = levels
    sure = seen >= high
    inward = distance_transform_edt(~sure) if sure.any() else np.full(seen.shape, radius)
    outward = np.maximum(distance_transform_edt(seen >= low) - 1, 0)
    width = np.minimum(inward[edge], radius) + np.minimum(outward[edge], radius)
    wide = width > max(3.0, WIDE * radius)
    return OutlineBand(round(float(width.mean()) / 2, 2), round(float(wide.mean()), 3))


def band_around(probability: np.ndarray, labels: np.ndarray, number: int, levels: Levels = LEVELS) -> np.ndarray:
    """Pixels in which the outline of lesion `number` may lie, bool (rows, columns); none of another lesion.

    Only what hangs together with the lesion counts: a faint spot elsewhere is no part of its band.
    """
    from scipy.ndimage import label

    mask = labels == number
    low, high = (round(255 * level) for level in levels)
    parts, _ = label((probability >= low) | mask)
    own = np.unique(parts[mask])
    return np.asarray(np.isin(parts, own[own > 0]) & (probability < high) & (mask | (labels == 0)))
