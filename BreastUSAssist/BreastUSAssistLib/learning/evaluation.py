"""Run a model over a manifest and score it per data set, subgroup and over all."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..birads.analysis import ModelUsed
from ..errors import BreastUSAssistError, InputError, ModelError
from ..model.prediction import FramePrediction, LesionMask
from . import metrics
from .bootstrap import REPLICATES
from .descriptor_agreement import true_levels
from .evaluation_result import Evaluation, GroupResult, LeftOut
from .judgement import Judge, Judgement
from .manifest import LAST_LESION_LABEL, ManifestRow, Pathology, load_image, mask_of
from .scoring import ImageScore, group_result
from .subgroups import SUBGROUPS, area_thirds, group_order, groups_of, size_of

Predict = Callable[[np.ndarray], FramePrediction]
Progress = Callable[[int, int], None]
"""Called with images done and images in all."""
NO_NAME = "unnamed"


@dataclass(frozen=True, eq=False)
class _Truth:
    lesions: tuple[np.ndarray, ...]
    """One bool mask (rows, columns) a lesion instance."""
    ignored: np.ndarray
    """bool, (rows, columns): other findings, which take no part."""


@dataclass(frozen=True)
class ScoredImages:
    """Images scored one by one, not yet put together."""

    scores: tuple[ImageScore, ...]
    left_out: tuple[LeftOut, ...]
    rows: int
    selected: int
    folds: tuple[int, ...] | None
    limit: int | None
    seed: int


def evaluate(
    rows: Sequence[ManifestRow],
    predict: Predict,
    *,
    judge: Judge | None = None,
    progress: Progress = lambda done, total: None,
    clock: Callable[[], float] = time.perf_counter,
    seed: int = 0,
    folds: Iterable[int] | None = None,
    limit: int | None = None,
    subgroups: Sequence[str] = SUBGROUPS,
    replicates: int = REPLICATES,
    model: ModelUsed | None = None,
    reader: ModelUsed | None = None,
    software: str | None = None,
    created: str | None = None,
) -> Evaluation:
    """Score `predict`, and the lesion reader `judge` where one is given, on the images of a manifest.

    See `score_images` and `summarise`, which this joins.

    Raises:
        InputError: no row could be evaluated; the message gives the reason of the first.
    """
    scored = score_images(
        rows, predict, judge=judge, progress=progress, clock=clock, seed=seed, folds=folds, limit=limit
    )
    return summarise(
        scored,
        subgroups=subgroups,
        replicates=replicates,
        model=model,
        reader=reader,
        software=software,
        created=created,
    )


def score_images(
    rows: Sequence[ManifestRow],
    predict: Predict,
    *,
    judge: Judge | None = None,
    progress: Progress = lambda done, total: None,
    clock: Callable[[], float] = time.perf_counter,
    seed: int = 0,
    folds: Iterable[int] | None = None,
    limit: int | None = None,
) -> ScoredImages:
    """Score the images of a manifest one by one.

    `predict` takes uint8 (rows, columns) and is timed by `clock` (seconds). A row that cannot be read or predicted is
    left out with its reason and the others are still done. `folds` keeps the rows of these folds alone; `limit` then
    draws at most that many at random. An image counts as normal where its pathology says so or its mask holds no
    lesion; where the two contradict each other, its masks are not scored.

    `judge` judges the largest outline, and apart from that the largest true lesion: an image is as malignant as its
    largest lesion. An image without an outline has the class that the outline network gives the whole frame.

    Raises:
        InputError: no row could be evaluated; the message gives the reason of the first.
    """
    chosen_folds = None if folds is None else tuple(sorted(set(folds)))
    chosen = _chosen(rows, chosen_folds, limit, seed)
    scores: list[ImageScore] = []
    left_out: list[LeftOut] = []
    for done, row in enumerate(chosen):
        progress(done, len(chosen))
        try:
            score, missing = _score(row, predict, judge, clock)
        except BreastUSAssistError as error:
            left_out.append(LeftOut(line=row.line, image=row.name, reason=str(error), scores_missing="all"))
            continue
        scores.append(score)
        left_out += missing
    progress(len(chosen), len(chosen))
    if not scores:
        raise InputError(_nothing_evaluated(rows, left_out))
    return ScoredImages(
        scores=tuple(_compared_with_each_other(scores)),
        left_out=tuple(left_out),
        rows=len(rows),
        selected=len(chosen),
        folds=chosen_folds,
        limit=limit,
        seed=seed,
    )


def summarise(
    scored: ScoredImages,
    *,
    subgroups: Sequence[str] = SUBGROUPS,
    replicates: int = REPLICATES,
    model: ModelUsed | None = None,
    reader: ModelUsed | None = None,
    software: str | None = None,
    created: str | None = None,
) -> Evaluation:
    """Put scored images together; the same seed gives the same intervals."""
    scores = scored.scores

    def result(name: str, members: Sequence[ImageScore], curves: bool = True) -> GroupResult:
        return group_result(name, members, seed=scored.seed, replicates=replicates, curves=curves)

    return Evaluation(
        created=created,
        software=software,
        model=model,
        reader=reader,
        seed=scored.seed,
        replicates=replicates,
        folds=scored.folds,
        limit=scored.limit,
        rows=scored.rows,
        selected=scored.selected,
        left_out=scored.left_out,
        overall=result("all", scores),
        datasets=tuple(result(name, part) for name, part in _by(scores, "dataset", NO_NAME)),
        subgroups={
            column: tuple(_subgroup(column, result(name, part, curves=False)) for name, part in parts)
            for column in subgroups
            if (parts := _by(scores, column, None))
        },
    )


def _subgroup(column: str, group: GroupResult) -> GroupResult:
    """The group, without malignancy where it was chosen by that: of one class neither ranking nor calibration tells."""
    if column != "pathology":
        return group
    bare = {
        name: None if (reader := getattr(group, name)) is None else reader.model_copy(update={"malignancy": None})
        for name in ("reader", "reader_on_truth")
    }
    return group.model_copy(update={"malignancy": None, "outline_malignancy": None, **bare})


def _compared_with_each_other(scores: Sequence[ImageScore]) -> list[ImageScore]:
    """Scores with what depends on the other images: the third by area, and whether a data set gives letters."""
    plain = {score.dataset for score in scores if score.birads == "4"}
    # An image of known spacing has its size in mm instead.
    thirds = area_thirds([None if score.groups.get("size") else score.area_share for score in scores])
    return [
        replace(score, letters=score.dataset not in plain, groups={**score.groups, "area": third})
        for score, third in zip(scores, thirds, strict=True)
    ]


def _chosen(
    rows: Sequence[ManifestRow], folds: tuple[int, ...] | None, limit: int | None, seed: int
) -> list[ManifestRow]:
    # A row with a problem has no fold that can be trusted: it is kept, so that it is reported.
    chosen = [row for row in rows if folds is None or row.fold in folds or row.problem is not None]
    if limit is not None and limit < len(chosen):
        drawn = np.random.default_rng(seed).choice(len(chosen), size=max(limit, 0), replace=False)
        chosen = [chosen[index] for index in sorted(drawn)]
    return chosen


def _score(
    row: ManifestRow, predict: Predict, judge: Judge | None, clock: Callable[[], float]
) -> tuple[ImageScore, list[LeftOut]]:
    """Score of one image, and which of its scores are missing although there is something to say of them."""
    pixels = load_image(row)
    missing: list[LeftOut] = []
    truth, descriptors = None, {}
    try:
        truth = _truth(row, pixels.shape)
    except InputError as error:
        missing.append(LeftOut(line=row.line, image=row.name, reason=str(error), scores_missing="masks"))
    if judge is not None and row.pathology != "normal":
        try:
            descriptors = true_levels(row)
        except BreastUSAssistError as error:
            missing.append(LeftOut(line=row.line, image=row.name, reason=str(error), scores_missing="descriptors"))
    start = clock()
    prediction = predict(pixels)
    elapsed_ms = (clock() - start) * 1000
    malignant = prediction.malignant_given_lesion
    if not np.isfinite(malignant) or any(lesion.pixels.shape != pixels.shape for lesion in prediction.lesions):
        raise ModelError(
            f"The model's answer for {row.name} is no number or not of the image's size; check the bundle."
        )
    score = ImageScore(
        image=row.name,
        line=row.line,
        id=row.id,
        dataset=row.dataset,
        patient=row.patient,
        groups=groups_of(row),
        pathology=row.pathology,
        birads=None if row.birads is None else row.birads.upper(),
        malignant_given_lesion=float(malignant),
        time_ms=elapsed_ms,
        descriptors=descriptors,
    )
    if truth is not None:
        score = _with_masks(score, truth, prediction, row.spacing_mm)
    if judge is not None:
        lesions = () if truth is None else truth.lesions
        score = _with_judgements(score, pixels, prediction, lesions, _Timed(judge, clock))
    return score, missing


@dataclass(frozen=True)
class _Timed:
    judge: Judge
    clock: Callable[[], float]

    def largest(self, name: str, pixels: np.ndarray, lesions: Sequence[LesionMask]) -> tuple[Judgement | None, float]:
        """Judgement of the largest lesion, None where there is none, and the time in ms."""
        start = self.clock()
        if not lesions:
            return None, 0.0
        largest = max(lesions, key=lambda lesion: int(lesion.pixels.sum()))
        judgement = self.judge(pixels, [largest.pixels], [largest.malignant])[0]
        if not np.isfinite(judgement.probability):
            raise ModelError(f"The reader's answer for {name} is no number; check the bundle.")
        return judgement, (self.clock() - start) * 1000


def _with_judgements(
    score: ImageScore,
    pixels: np.ndarray,
    prediction: FramePrediction,
    true_lesions: Sequence[np.ndarray],
    timed: _Timed,
) -> ImageScore:
    judged, ms = timed.largest(score.image, pixels, prediction.lesions)
    on_truth, on_truth_ms = timed.largest(score.image, pixels, [LesionMask(mask, "truth") for mask in true_lesions])
    return replace(
        score,
        judged=judged,
        judged_on_truth=on_truth,
        judge_ms=ms,
        judge_on_truth_ms=on_truth_ms if on_truth is not None else None,
    )


def _truth(row: ManifestRow, shape: tuple[int, int]) -> _Truth | None:
    labels = mask_of(row, shape)
    if labels is None:
        return _Truth((), np.zeros(shape, dtype=bool)) if row.pathology == "normal" else None
    numbers = [int(number) for number in np.unique(labels) if 0 < number <= LAST_LESION_LABEL]
    if row.pathology is not None and bool(numbers) != _has_lesion(row.pathology):
        held = "lesions" if numbers else "no lesion"
        raise InputError(f"{row.name} is {row.pathology} but its mask holds {held}; correct one of them.")
    return _Truth(tuple(labels == number for number in numbers), labels > LAST_LESION_LABEL)


def _has_lesion(pathology: Pathology) -> bool:
    return pathology != "normal"


def _with_masks(
    score: ImageScore, truth: _Truth, prediction: FramePrediction, spacing: tuple[float, float] | None
) -> ImageScore:
    drafts = [np.asarray(lesion.pixels, dtype=bool) & ~truth.ignored for lesion in prediction.lesions]
    detection = metrics.match_lesions(truth.lesions, drafts)
    if not truth.lesions:
        return score.with_masks(detection)
    lesion, draft = _union(truth.lesions, truth.ignored.shape), _union(drafts, truth.ignored.shape)
    matched = [metrics.dice(truth.lesions[one], drafts[other]) for one, other in detection.matches]
    largest = max(truth.lesions, key=lambda mask: int(mask.sum()))
    score = replace(score, groups={**score.groups, "size": size_of(largest, spacing)})
    return score.with_masks(
        detection,
        dice=metrics.dice(lesion, draft),
        iou=metrics.iou(lesion, draft),
        hd95_px=metrics.hd95(lesion, draft),
        hd95_mm=None if spacing is None else metrics.hd95(lesion, draft, spacing),
        lesion_dice=float(np.mean(matched)) if matched else None,
        area_share=float(largest.mean()),
    )


def _union(masks: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    union = np.zeros(shape, dtype=bool)
    for mask in masks:
        union |= mask
    return union


def _by(scores: Sequence[ImageScore], column: str, unknown: str | None) -> list[tuple[str, list[ImageScore]]]:
    """Images by the value of a column, in order of the values; those without one under `unknown`, or nowhere."""
    parts: dict[str, list[ImageScore]] = {}
    for score in scores:
        name = (score.dataset if column == "dataset" else score.groups.get(column)) or unknown
        if name is not None:
            parts.setdefault(name, []).append(score)
    return sorted(parts.items(), key=lambda part: group_order(part[0]))


def _nothing_evaluated(rows: Sequence[ManifestRow], left_out: Sequence[LeftOut]) -> str:
    if left_out:
        return f"None of {len(left_out)} images could be evaluated; the first: {left_out[0].reason}"
    return f"None of the {len(rows)} rows is in the chosen folds; choose others or leave the choice out."
