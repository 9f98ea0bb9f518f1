"""Agreement of two readers beyond chance."""

import numpy as np


def kappa(
    first: np.ndarray,
    second: np.ndarray,
    levels: int,
    weights: np.ndarray | None = None,
    *,
    quadratic: bool = False,
) -> np.ndarray:
    """Cohen's kappa (Educ Psychol Meas 1960;20:37), or for ordered levels the weighted one (Psychol Bull 1968;70:213).

    1 - observed / expected disagreement, where a disagreement by n levels counts n^2 with `quadratic`, else 1.

    Args:
        first: int (cases,), levels from 0.
        second: int (cases,), the other reader's.
        levels: how many there are.
        weights: float (replicates, cases), as the bootstrap gives them; None counts every case once.
        quadratic: whether the levels are ordered.

    Returns:
        float (replicates,), or (1,) without weights; NaN where both readers know a single level, or there is no case.
    """
    weights = np.ones((1, len(first))) if weights is None else weights
    cell = np.asarray(first, int) * levels + np.asarray(second, int)
    table = (weights @ np.eye(levels * levels)[cell]).reshape(-1, levels, levels)
    apart = np.abs(np.arange(levels)[:, None] - np.arange(levels)).astype(float)
    apart = apart**2 if quadratic else np.minimum(apart, 1)
    total = table.sum(axis=(1, 2))
    observed = (table * apart).sum(axis=(1, 2)) * total
    expected = np.einsum("ri,ij,rj->r", table.sum(axis=2), apart, table.sum(axis=1))
    return 1 - np.divide(observed, expected, out=np.full(len(total), np.nan), where=expected > 0)
