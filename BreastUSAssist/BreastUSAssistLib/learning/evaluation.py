"""Run a model over a manifest and score it per data set, subgroup and over all."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..birads.analysis import ModelUsed
from ..errors import BreastUSAssistError, InputError, ModelError
from ..model.prediction import FramePrediction
from . import metrics
from .bootstrap import REPLICATES
from .evaluation_result import Evaluation, GroupResult, LeftOut
from .manifest import LAST_LESION_LABEL, ManifestRow, Pathology, load_image, mask_of
from .scoring import ImageScore, group_result

Predict = Callable[[np.ndarray], FramePrediction]
Progress = Callable[[int, int], None]
"""Called with images done and images in all."""
SUBGROUPS = ("device", "birads")
NO_NAME = "unnamed"


@dataclass(frozen=True, eq=False)
class _Truth:
    lesions: tuple[np.ndarray, ...]
    """One bool mask (rows, columns) a lesion instance."""
    ignored: np.ndarray
    """bool, (rows, columns): other findings, which take no part."""


def evaluate(
    rows: Sequence[ManifestRow],
    predict: Predict,
    *,
    progress: Progress = lambda done, total: None,
    clock: Callable[[], float] = time.perf_counter,
    seed: int = 0,
    folds: Iterable[int] | None = None,
    limit: int | None = None,
    subgroups: Sequence[str] = SUBGROUPS,
    replicates: int = REPLICATES,
    model: ModelUsed | None = None,
    software: str | None = None,
    created: str | None = None,
) -> Evaluation:
    """Score `predict` on the images of a manifest.

    `predict` takes uint8 (rows, columns) and is timed by `clock` (seconds). A row that cannot be read or predicted is
    left out with its reason and the others are still done. `folds` keeps the rows of these folds alone; `limit` then
    draws at most that many at random. An image counts as normal where its pathology says so or its mask holds no
    lesion; where the two contradict each other, its masks are not scored.

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
            score, reason = _score(row, predict, clock)
        except BreastUSAssistError as error:
            left_out.append(LeftOut(line=row.line, image=row.name, reason=str(error), scores_missing="all"))
            continue
        scores.append(score)
        if reason is not None:
            left_out.append(LeftOut(line=row.line, image=row.name, reason=reason, scores_missing="masks"))
    progress(len(chosen), len(chosen))
    if not scores:
        raise InputError(_nothing_evaluated(rows, left_out))

    def result(name: str, members: Sequence[ImageScore]) -> GroupResult:
        return group_result(name, members, seed=seed, replicates=replicates)

    return Evaluation(
        created=created,
        software=software,
        model=model,
        seed=seed,
        replicates=replicates,
        folds=chosen_folds,
        limit=limit,
        rows=len(rows),
        selected=len(chosen),
        left_out=tuple(left_out),
        overall=result("all", scores),
        datasets=tuple(result(name, part) for name, part in _by(scores, "dataset", NO_NAME)),
        subgroups={
            column: tuple(result(name, part) for name, part in parts)
            for column in subgroups
            if (parts := _by(scores, column, None))
        },
    )


def _chosen(
    rows: Sequence[ManifestRow], folds: tuple[int, ...] | None, limit: int | None, seed: int
) -> list[ManifestRow]:
    # A row with a problem has no fold that can be trusted: it is kept, so that it is reported.
    chosen = [row for row in rows if folds is None or row.fold in folds or row.problem is not None]
    if limit is not None and limit < len(chosen):
        drawn = np.random.default_rng(seed).choice(len(chosen), size=max(limit, 0), replace=False)
        chosen = [chosen[index] for index in sorted(drawn)]
    return chosen


def _score(row: ManifestRow, predict: Predict, clock: Callable[[], float]) -> tuple[ImageScore, str | None]:
    """Score of one image, and why its masks were not scored although there is something to say of them."""
    pixels = load_image(row)
    try:
        truth, reason = _truth(row, pixels.shape), None
    except InputError as error:
        truth, reason = None, str(error)
    start = clock()
    prediction = predict(pixels)
    elapsed_ms = (clock() - start) * 1000
    malignant = prediction.malignant_given_lesion
    if not np.isfinite(malignant) or any(lesion.pixels.shape != pixels.shape for lesion in prediction.lesions):
        raise ModelError(
            f"The model's answer for {row.name} is no number or not of the image's size; check the bundle."
        )
    score = ImageScore(
        dataset=row.dataset,
        patient=row.patient,
        groups={column: getattr(row, column) for column in SUBGROUPS} | dict(row.other),
        pathology=row.pathology,
        malignant_given_lesion=float(malignant),
        time_ms=elapsed_ms,
    )
    if truth is not None:
        score = _with_masks(score, truth, prediction, row.spacing_mm)
    return score, reason


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
    return score.with_masks(
        detection,
        dice=metrics.dice(lesion, draft),
        iou=metrics.iou(lesion, draft),
        hd95_px=metrics.hd95(lesion, draft),
        hd95_mm=None if spacing is None else metrics.hd95(lesion, draft, spacing),
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
    return sorted(parts.items())


def _nothing_evaluated(rows: Sequence[ManifestRow], left_out: Sequence[LeftOut]) -> str:
    if left_out:
        return f"None of {len(left_out)} images could be evaluated; the first: {left_out[0].reason}"
    return f"None of the {len(rows)} rows is in the chosen folds; choose others or leave the choice out."
