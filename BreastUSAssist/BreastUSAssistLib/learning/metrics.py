"""Measures of agreement between drafts and truth, each defined for the empty cases too.

Overlap and distance measures take two bool masks (rows, columns). Ranking and calibration measures take `score` (float,
(n,)), `malignant` (bool, (n,)) and optional `weights` (float, (replicates, n)); with weights they give one value a
replicate, which is how the bootstrap calls them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# dice and hd95 belong to these measures for whoever imports them.
from ..birads.mask_agreement import dice, hd95, iou  # noqa: F401

MATCH_IOU = 0.5
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Detection:
    """Lesions of one image against the outlines of its draft."""

    lesions: int
    outlines: int
    matches: tuple[tuple[int, int], ...]
    """(index of the lesion, index of the outline), each at most once."""

    @property
    def found(self) -> int:
        """Lesions that an outline matches."""
        return len(self.matches)

    @property
    def false_outlines(self) -> int:
        """Outlines that match no lesion."""
        return self.outlines - self.found


def match_lesions(truth: Sequence[np.ndarray], draft: Sequence[np.ndarray], least_iou: float = MATCH_IOU) -> Detection:
    """Pair lesions with outlines of IoU >= `least_iou`, as many as possible and then with the largest total IoU.

    Optimal assignment (Kuhn, Naval Research Logistics 1955). Masks that are empty take no part.
    """
    from scipy.optimize import linear_sum_assignment

    kept_truth = [index for index, mask in enumerate(truth) if mask.any()]
    kept_draft = [index for index, mask in enumerate(draft) if mask.any()]
    overlap = np.array([[iou(truth[i], draft[j]) for j in kept_draft] for i in kept_truth])
    overlap = overlap.reshape(len(kept_truth), len(kept_draft))
    worth = np.where(overlap >= least_iou, 1 + len(kept_truth) + overlap, 0)
    pairs = zip(*linear_sum_assignment(worth, maximize=True), strict=True)
    matches = tuple((kept_truth[i], kept_draft[j]) for i, j in pairs if overlap[i, j] >= least_iou)
    return Detection(len(kept_truth), len(kept_draft), matches)


def auc(score: np.ndarray, malignant: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve as the Mann-Whitney statistic, ties counted half (Hanley and McNeil, Radiology 1982).

    float, (replicates,), or (1,) without weights; NaN where one class is missing.
    """
    positive, negative = _class_weights(score, malignant, weights)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + negative / 2)).sum(axis=1)
    return _ratio(wins, positive.sum(axis=1) * negative.sum(axis=1))


def sensitivity_at_specificity(
    score: np.ndarray, malignant: np.ndarray, weights: np.ndarray | None = None, specificity: float = 0.9
) -> np.ndarray:
    """Largest sensitivity of any threshold "score >= t" whose specificity is at least `specificity`.

    No interpolation between the points of the empirical ROC curve (Pepe, The Statistical Evaluation of Medical Tests,
    2003). float, (replicates,), or (1,) without weights; NaN where one class is missing.
    """
    positive, negative = _class_weights(score, malignant, weights)
    below = np.cumsum(negative, axis=1) - negative
    enough = below >= specificity * negative.sum(axis=1, keepdims=True) - 1e-9
    above = np.flip(np.cumsum(np.flip(positive, axis=1), axis=1), axis=1)
    found = np.where(enough, above, 0).max(axis=1)
    return _ratio(found, np.where(negative.sum(axis=1) > 0, positive.sum(axis=1), 0))


def specificity_at_sensitivity(
    score: np.ndarray, malignant: np.ndarray, weights: np.ndarray | None = None, sensitivity: float = 0.95
) -> np.ndarray:
    """Largest specificity of any threshold "score >= t" whose sensitivity is at least `sensitivity`.

    As `sensitivity_at_specificity`, no interpolation. float, (replicates,), or (1,) without weights; NaN where one
    class is missing.
    """
    positive, negative = _class_weights(score, malignant, weights)
    above = np.flip(np.cumsum(np.flip(positive, axis=1), axis=1), axis=1)
    enough = above >= sensitivity * positive.sum(axis=1, keepdims=True) - 1e-9
    below = np.cumsum(negative, axis=1) - negative
    spared = np.where(enough, below, 0).max(axis=1)
    return _ratio(spared, np.where(positive.sum(axis=1) > 0, negative.sum(axis=1), 0))


def roc_points(score: np.ndarray, malignant: np.ndarray) -> np.ndarray:
    """Corners of the empirical ROC curve from (0, 0) to (1, 1): float (points, 2), 1 - specificity and sensitivity.

    Points on a straight line between two others are left out. Empty where one class is missing.
    """
    positive, negative = (part[0] for part in _class_weights(score, malignant, None))
    if not positive.sum() or not negative.sum():
        return np.zeros((0, 2))
    steps = np.column_stack([negative[::-1] / negative.sum(), positive[::-1] / positive.sum()])
    points = np.vstack([np.zeros(2), np.cumsum(steps, axis=0)])
    before, after = np.diff(points[:-1], axis=0), np.diff(points[1:], axis=0)
    bends = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-12
    return np.minimum(points[np.concatenate([[True], bends, [True]])], 1.0)


def calibration_bins(
    score: np.ndarray, malignant: np.ndarray, bins: int = CALIBRATION_BINS
) -> list[tuple[float, float, int, float, float]]:
    """Points of the calibration curve: lower and upper end, images, mean score and share malignant of each bin in use.

    The bins are those of `expected_calibration_error`.
    """
    bin_of = np.minimum((np.clip(score, 0, 1) * bins).astype(int), bins - 1)
    return [
        (
            index / bins,
            (index + 1) / bins,
            int(inside.sum()),
            float(score[inside].mean()),
            float(malignant[inside].mean()),
        )
        for index in range(bins)
        if (inside := bin_of == index).any()
    ]


def expected_calibration_error(
    score: np.ndarray, malignant: np.ndarray, weights: np.ndarray | None = None, bins: int = CALIBRATION_BINS
) -> np.ndarray:
    """Expected calibration error over equal-width bins of [0, 1] (Naeini et al., AAAI 2015; Guo et al., ICML 2017).

    Of the probability of malignancy: sum over bins of |share malignant - mean score| times the bin's share of images.
    float, (replicates,), or (1,) without weights; NaN without images.
    """
    weights = _weights(score, weights)
    bin_of = np.minimum((np.clip(score, 0, 1) * bins).astype(int), bins - 1)
    gaps = weights * (malignant.astype(float) - score)
    error = sum(np.abs(gaps[:, bin_of == index].sum(axis=1)) for index in range(bins))
    return _ratio(np.asarray(error), weights.sum(axis=1))


def brier(score: np.ndarray, malignant: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean squared difference between probability and outcome (Brier, Monthly Weather Review 1950)."""
    weights = _weights(score, weights)
    return _ratio(weights @ np.square(score - malignant), weights.sum(axis=1))


def weighted_mean(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean of `values`, one a replicate; NaN without weight."""
    weights = _weights(values, weights)
    return _ratio(weights @ values, weights.sum(axis=1))


def weighted_median(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Median of `values` repeated `weights` times (whole numbers), the mean of the middle two where they are even."""
    weights = _weights(values, weights)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    total = reached[:, -1:] if values.size else np.zeros((len(weights), 1))
    lower = (reached < np.ceil(total / 2)).sum(axis=1)
    upper = (reached < np.floor(total / 2) + 1).sum(axis=1)
    ordered = np.append(values[order], np.nan)
    middle = (ordered[lower] + ordered[np.minimum(upper, values.size)]) / 2
    return np.where(total[:, 0] > 0, middle, np.nan)


def _weights(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    return np.ones((1, len(values))) if weights is None else weights


def _class_weights(
    score: np.ndarray, malignant: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of malignant and of benign images at each distinct score, ascending: two (replicates, distinct)."""
    weights = _weights(score, weights)
    if not len(score):
        return np.zeros((len(weights), 1)), np.zeros((len(weights), 1))
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    ordered, is_malignant = weights[:, order], malignant[order]
    positive = np.add.reduceat(ordered * is_malignant, starts, axis=1)
    negative = np.add.reduceat(ordered * ~is_malignant, starts, axis=1)
    return positive, negative


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
