"""Scores of single images put together: means, medians, intervals, areas under curves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import metrics
from .bootstrap import Statistic, bootstrap_interval, patient_keys
from .evaluation_result import (
    Distribution,
    Estimate,
    GroupResult,
    LesionDetection,
    Malignancy,
    NormalImages,
    TimePerImage,
)
from .manifest import Pathology
from .metrics import Detection


@dataclass(frozen=True)
class ImageScore:
    """One image's scores. None where the truth is not known."""

    dataset: str | None
    patient: str | None
    groups: Mapping[str, str | None]
    pathology: Pathology | None
    malignant_given_lesion: float
    time_ms: float
    detection: Detection | None = None
    dice: float | None = None
    iou: float | None = None
    hd95_px: float | None = None
    """Infinite where the draft is empty."""
    hd95_mm: float | None = None

    def with_masks(
        self,
        detection: Detection,
        dice: float | None = None,
        iou: float | None = None,
        hd95_px: float | None = None,
        hd95_mm: float | None = None,
    ) -> "ImageScore":
        """The same image with its masks scored; the measures are given for images with lesions only."""
        return replace(self, detection=detection, dice=dice, iou=iou, hd95_px=hd95_px, hd95_mm=hd95_mm)


@dataclass(frozen=True)
class _Resampling:
    seed: int
    replicates: int

    def estimate(
        self, scores: Sequence[ImageScore], statistic: Callable[..., np.ndarray], *values: np.ndarray
    ) -> Estimate:
        """Value and interval of `statistic(*values, weights)` over images; the value must be defined."""
        weighted: Statistic = lambda weights: statistic(*values, weights)  # noqa: E731
        # A patient number is unique within its data set only.
        patients = patient_keys([None if s.patient is None else (s.dataset, s.patient) for s in scores])
        interval = bootstrap_interval(weighted, patients, seed=self.seed, replicates=self.replicates)
        return Estimate(value=float(statistic(*values, None)[0]), interval=interval)


def group_result(name: str, scores: Sequence[ImageScore], *, seed: int, replicates: int) -> GroupResult:
    """Put the scores of at least one image together; the same seed gives the same intervals."""
    by = _Resampling(seed, replicates)
    named = {(score.dataset, score.patient) for score in scores if score.patient is not None}
    times = np.array([score.time_ms for score in scores])
    return GroupResult(
        name=name,
        images=len(scores),
        patients=len(named) or None,
        images_without_patient=sum(score.patient is None for score in scores),
        dice=_distribution(scores, "dice", by),
        iou=_distribution(scores, "iou", by),
        hd95_px=_distribution(scores, "hd95_px", by),
        hd95_mm=_distribution(scores, "hd95_mm", by),
        images_without_outline=sum(score.hd95_px == float("inf") for score in scores),
        detection=_detection(scores, by),
        normal=_normal(scores, by),
        malignancy=_malignancy(scores, by),
        time=TimePerImage(median_ms=float(np.median(times)), p95_ms=float(np.percentile(times, 95))),
    )


def _distribution(scores: Sequence[ImageScore], measure: str, by: _Resampling) -> Distribution | None:
    kept = [score for score in scores if getattr(score, measure) is not None and np.isfinite(getattr(score, measure))]
    if not kept:
        return None
    values = np.array([getattr(score, measure) for score in kept], dtype=float)
    return Distribution(
        images=len(kept),
        mean=by.estimate(kept, metrics.weighted_mean, values),
        median=by.estimate(kept, metrics.weighted_median, values),
    )


def _detection(scores: Sequence[ImageScore], by: _Resampling) -> LesionDetection | None:
    kept = [(score, score.detection) for score in scores if score.detection is not None and score.detection.lesions]
    if not kept:
        return None
    lesions = np.array([detection.lesions for _, detection in kept], dtype=float)
    found = np.array([detection.found for _, detection in kept], dtype=float)
    return LesionDetection(
        lesions=int(lesions.sum()),
        found=int(found.sum()),
        sensitivity=by.estimate([score for score, _ in kept], _share, found, lesions),
        outlines=sum(detection.outlines for _, detection in kept),
        false_outlines=sum(detection.false_outlines for _, detection in kept),
    )


def _normal(scores: Sequence[ImageScore], by: _Resampling) -> NormalImages | None:
    kept = [(score, score.detection) for score in scores if score.detection is not None and not score.detection.lesions]
    if not kept:
        return None
    images = [score for score, _ in kept]
    outlines = np.array([detection.outlines for _, detection in kept], dtype=float)
    return NormalImages(
        images=len(kept),
        false_outlines=int(outlines.sum()),
        false_outlines_per_image=by.estimate(images, metrics.weighted_mean, outlines),
        fraction_with_any=by.estimate(images, metrics.weighted_mean, (outlines > 0).astype(float)),
    )


def _malignancy(scores: Sequence[ImageScore], by: _Resampling) -> Malignancy | None:
    kept = [score for score in scores if score.pathology in ("benign", "malignant")]
    if not kept:
        return None
    score = np.array([image.malignant_given_lesion for image in kept], dtype=float)
    malignant = np.array([image.pathology == "malignant" for image in kept])
    both = bool(malignant.any() and not malignant.all())
    return Malignancy(
        benign=int((~malignant).sum()),
        malignant=int(malignant.sum()),
        auc=by.estimate(kept, metrics.auc, score, malignant) if both else None,
        sensitivity_at_90_specificity=(
            by.estimate(kept, metrics.sensitivity_at_specificity, score, malignant) if both else None
        ),
        ece=by.estimate(kept, metrics.expected_calibration_error, score, malignant),
        brier=by.estimate(kept, metrics.brier, score, malignant),
    )


def _share(part: np.ndarray, whole: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    weights = np.ones((1, len(part))) if weights is None else weights
    total = weights @ whole
    return np.divide(weights @ part, total, out=np.full(len(weights), np.nan), where=total > 0)
