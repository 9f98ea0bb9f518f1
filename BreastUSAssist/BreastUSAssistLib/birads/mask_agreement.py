"""Agreement of two masks of one image, defined for the empty cases too. Masks are bool (rows, columns)."""

import numpy as np


def dice(truth: np.ndarray, draft: np.ndarray) -> float:
    """Dice similarity 2|A and B| / (|A| + |B|) (Dice, Ecology 1945); 1 when both are empty, 0 when one is."""
    total = np.count_nonzero(truth) + np.count_nonzero(draft)
    return 2 * np.count_nonzero(truth & draft) / total if total else 1.0


def iou(truth: np.ndarray, draft: np.ndarray) -> float:
    """Intersection over union (Jaccard 1912); 1 when both are empty, 0 when one is."""
    union = np.count_nonzero(truth | draft)
    return np.count_nonzero(truth & draft) / union if union else 1.0


def hd95(truth: np.ndarray, draft: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)) -> float:
    """95th percentile symmetric surface distance: the larger of the two directed 95th percentiles.

    `spacing` is the distance between rows and between columns; the result has its unit (1, 1 gives pixels). The
    surface is every mask pixel with a 4-neighbour outside the mask or the image. 0 when both masks are empty, infinite
    when only one is: there is no distance to nothing. Definition of Maier-Hein et al., Metrics reloaded, Nature
    Methods 2024.
    """
    from scipy.spatial import cKDTree

    if not truth.any() or not draft.any():
        return 0.0 if not truth.any() and not draft.any() else float("inf")
    surfaces = [np.argwhere(_surface(mask)) * np.asarray(spacing, dtype=float) for mask in (truth, draft)]
    directed = [cKDTree(surfaces[other]).query(surfaces[one])[0] for one, other in ((0, 1), (1, 0))]
    return float(max(np.percentile(distances, 95) for distances in directed))


def _surface(mask: np.ndarray) -> np.ndarray:
    inside = mask.astype(bool)
    padded = np.pad(inside, 1)
    return inside & ~(padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:])
