"""Scores of single images put together: means, medians, intervals, areas under curves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ..model.reader_outputs import CATEGORIES
from . import metrics, reader_scoring
from .bootstrap import Statistic, bootstrap_interval, patient_keys
from .evaluation_result import (
    CalibrationBin,
    Distribution,
    Estimate,
    GroupResult,
    LesionDetection,
    Malignancy,
    NormalImages,
    ReaderResult,
    TimePerImage,
)
from .judgement import Judgement
from .manifest import Pathology
from .metrics import Detection

DICE_BINS = 20


@dataclass(frozen=True)
class ImageScore:
    """One image's scores. None where the truth is not known."""

    image: str
    """Path as the manifest writes it."""
    line: int
    id: str | None
    dataset: str | None
    patient: str | None
    groups: Mapping[str, str | None]
    pathology: Pathology | None
    birads: str | None
    malignant_given_lesion: float
    """By the outline network."""
    time_ms: float
    detection: Detection | None = None
    dice: float | None = None
    iou: float | None = None
    hd95_px: float | None = None
    """Infinite where the draft is empty."""
    hd95_mm: float | None = None
    lesion_dice: float | None = None
    """Mean over the lesions that an outline matches."""
    area_share: float | None = None
    """Area of the largest true lesion over that of the frame."""
    judged: Judgement | None = None
    """The lesion reader on the largest outline."""
    judged_on_truth: Judgement | None = None
    """The same on the largest true lesion."""
    judge_ms: float | None = None
    judge_on_truth_ms: float | None = None
    descriptors: Mapping[str, int] = field(default_factory=dict)
    """True levels as in descriptor_agreement; of the lesion, of images with one."""
    letters: bool = True
    """Whether the data set tells 4A, 4B and 4C apart."""

    @property
    def malignant_shown(self) -> float:
        """P(malignant | a lesion is there) as a user sees it: the reader's where there is something to judge."""
        return self.malignant_given_lesion if self.judged is None else self.judged.probability

    def with_masks(
        self,
        detection: Detection,
        dice: float | None = None,
        iou: float | None = None,
        hd95_px: float | None = None,
        hd95_mm: float | None = None,
        lesion_dice: float | None = None,
        area_share: float | None = None,
    ) -> "ImageScore":
        """The same image with its masks scored; the measures are given for images with lesions only."""
        return replace(
            self,
            detection=detection,
            dice=dice,
            iou=iou,
            hd95_px=hd95_px,
            hd95_mm=hd95_mm,
            lesion_dice=lesion_dice,
            area_share=area_share,
        )


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

    def optional(
        self, scores: Sequence[ImageScore], statistic: Callable[[np.ndarray | None], np.ndarray]
    ) -> Estimate | None:
        """The same of a statistic of the weights alone; None where it is not defined."""
        return self.estimate(scores, statistic) if np.isfinite(statistic(None)[0]) else None


def group_result(
    name: str, scores: Sequence[ImageScore], *, seed: int, replicates: int, curves: bool = True
) -> GroupResult:
    """Put the scores of at least one image together; the same seed gives the same intervals.

    `curves` adds the points of the ROC curve.
    """
    by = _Resampling(seed, replicates)
    named = {(score.dataset, score.patient) for score in scores if score.patient is not None}
    dice = [score.dice for score in scores if score.dice is not None]
    has_reader = any(score.judge_ms is not None for score in scores)
    outline_malignancy = _malignancy(scores, [score.malignant_given_lesion for score in scores], by, curves)
    reader = _reader("automatic", scores, by, curves) if has_reader else None
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
        malignancy=reader.malignancy if reader is not None else outline_malignancy,
        time=_time([score.time_ms for score in scores]),
        lesion_dice=_distribution(scores, "lesion_dice", by),
        dice_below_half=sum(value < 0.5 for value in dice),
        dice_histogram=tuple(int(n) for n in np.histogram(dice, bins=DICE_BINS, range=(0, 1))[0]) if dice else (),
        outline_malignancy=outline_malignancy if reader is not None else None,
        reader=reader,
        reader_on_truth=_reader("true", scores, by, curves) if has_reader else None,
    )


def _reader(
    outlines: Literal["automatic", "true"], scores: Sequence[ImageScore], by: _Resampling, curves: bool
) -> ReaderResult | None:
    """The reader on one kind of outlines; None where it judged nothing."""
    automatic = outlines == "automatic"
    kept = [
        (score, judgement)
        for score in scores
        if (judgement := score.judged if automatic else score.judged_on_truth) is not None
    ]
    times = [ms for s in scores if (ms := s.judge_ms if automatic else s.judge_on_truth_ms) is not None]
    if not kept or not times:
        return None
    judged = [score for score, _ in kept]
    asked = scores if automatic else judged
    shown = [s.malignant_shown for s in asked] if automatic else [judgement.probability for _, judgement in kept]
    lesions = [
        reader_scoring.JudgedTruth(judgement, score.birads, score.letters, score.descriptors)
        for score, judgement in kept
        if score.pathology != "normal"
    ]
    lesion_scores = [score for score in judged if score.pathology != "normal"]

    def estimate(chosen: Sequence[int], statistic: Callable[[np.ndarray | None], np.ndarray]) -> Estimate | None:
        return by.optional([lesion_scores[index] for index in chosen], statistic)

    return ReaderResult(
        outlines=outlines,
        lesions=len(kept),
        without_outline=sum(s.judged is None and s.dice is not None for s in scores) if automatic else 0,
        malignancy=_malignancy(asked, shown, by, curves),
        descriptors=reader_scoring.descriptor_agreement(lesions, estimate),
        category=reader_scoring.category_agreement(lesions, reader_scoring.FOUR_LEVELS, estimate),
        category_with_letters=reader_scoring.category_agreement(lesions, CATEGORIES, estimate),
        coverage=reader_scoring.set_coverage(lesions, estimate),
        time=_time(times),
    )


def _time(values: Sequence[float]) -> TimePerImage:
    return TimePerImage(median_ms=float(np.median(values)), p95_ms=float(np.percentile(values, 95)))


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


def _malignancy(
    scores: Sequence[ImageScore], probability: Sequence[float], by: _Resampling, curves: bool
) -> Malignancy | None:
    known = [index for index, score in enumerate(scores) if score.pathology in ("benign", "malignant")]
    if not known:
        return None
    kept = [scores[index] for index in known]
    score = np.array([probability[index] for index in known], dtype=float)
    malignant = np.array([image.pathology == "malignant" for image in kept])

    def where_both(statistic: Callable[..., np.ndarray]) -> Estimate | None:
        return by.optional(kept, lambda weights: statistic(score, malignant, weights))

    return Malignancy(
        benign=int((~malignant).sum()),
        malignant=int(malignant.sum()),
        auc=where_both(metrics.auc),
        sensitivity_at_90_specificity=where_both(metrics.sensitivity_at_specificity),
        ece=by.estimate(kept, metrics.expected_calibration_error, score, malignant),
        brier=by.estimate(kept, metrics.brier, score, malignant),
        specificity_at_95_sensitivity=where_both(metrics.specificity_at_sensitivity),
        calibration=tuple(
            CalibrationBin(low=low, high=high, images=images, mean_probability=mean, share_malignant=share)
            for low, high, images, mean, share in metrics.calibration_bins(score, malignant)
        ),
        roc=tuple((round(x, 6), round(y, 6)) for x, y in metrics.roc_points(score, malignant)) if curves else (),
    )


def _share(part: np.ndarray, whole: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    weights = np.ones((1, len(part))) if weights is None else weights
    total = weights @ whole
    return np.divide(weights @ part, total, out=np.full(len(weights), np.nan), where=total > 0)
