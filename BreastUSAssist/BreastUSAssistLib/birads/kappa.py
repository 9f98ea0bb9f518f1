"""Agreement of readers beyond chance."""

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


def fleiss_kappa(counts: np.ndarray) -> float:
    """Fleiss' kappa of several raters (Psychol Bull 1971;76:378).

    Args:
        counts: int (subjects, categories), how many raters put each subject into each category; every subject has the
            same number of raters, at least 2, who need not be the same ones.

    Returns:
        (mean agreement - chance agreement) / (1 - chance agreement); NaN without a subject, or where only one category
        was ever used.

    Raises:
        ValueError: subjects of different numbers of raters, or of fewer than 2.
    """
    table = np.asarray(counts, float)
    if not table.size:
        return float("nan")
    raters = table.sum(axis=1)
    if raters[0] < 2 or (raters != raters[0]).any():
        raise ValueError("every subject must have the same number of raters, at least 2")
    number = raters[0]
    observed = float(((table**2).sum(axis=1) - number).mean() / (number * (number - 1)))
    chance = float(np.square(table.sum(axis=0) / table.sum()).sum())
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")
