"""Two outline models on the same images: paired differences with a bootstrap over patients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..errors import InputError
from ..labels.store import LabelStore
from .bootstrap import patient_keys

if TYPE_CHECKING:
    # A client that only asks which model was promoted needs none of these, nor PyTorch.
    from ..model.predictor import Predictor
    from .label_data import LabelledFrame
    from .manifest import ManifestRow

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FrameScore:
    """What one model made of one frame."""

    patient: str | None
    """None where unknown."""
    dice: float | None
    """Of all its outlines against all lesions; None in a frame without a lesion."""
    outlined: bool
    """Whether it outlined anything."""
    malignant: bool | None
    """The truth; None where unknown or neither benign nor malignant."""
    probability: float
    """Of malignant."""


class Comparison(BaseModel):
    """A candidate against the model in use, on the same images. Differences are candidate less current."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    """With a lesion."""
    patients: int
    """Of these images."""
    dice_before: float | None
    """Mean over the images with a lesion; None where there is none."""
    dice_after: float | None
    gain: float | None
    """Mean paired difference."""
    interval: tuple[float, float] | None
    """95 % of the gain, patients resampled; None with fewer than two patients."""
    chance: float | None
    """Share of the resampled gains above the margin asked about; None with fewer than two patients."""
    lesion_free: int
    """Images without a lesion."""
    false_before: int
    """Of these, outlined all the same."""
    false_after: int
    auc_before: float | None
    """Of malignant against benign; None where one is missing."""
    auc_after: float | None


def score_labels(
    store: LabelStore, frames: "Sequence[LabelledFrame]", predictor: "Predictor", progress: Progress = lambda a, b: None
) -> tuple[FrameScore, ...]:
    """Score a model on frames of a label store. Raises InputError: a frame is damaged."""
    from .label_data import read_frame

    scores = []
    for done, frame in enumerate(frames, 1):
        grey, lesion = read_frame(store, frame)
        scores.append(_score(predictor, grey, lesion, np.zeros_like(lesion), frame.patient, frame.pathology))
        progress(done, len(frames))
    return tuple(scores)


def score_rows(
    rows: "Sequence[ManifestRow]", predictor: "Predictor", progress: Progress = lambda a, b: None
) -> tuple[FrameScore, ...]:
    """Score a model on those rows of a manifest that have a mask or are normal.

    Raises:
        InputError: a row cannot be read.
    """
    from .manifest import LAST_LESION_LABEL, load_image, mask_of

    scores = []
    for done, row in enumerate(rows, 1):
        grey, labels = load_image(row), mask_of(row)
        progress(done, len(rows))
        if labels is None and row.pathology != "normal":
            continue
        labels = np.zeros(grey.shape, np.uint8) if labels is None else labels
        if labels.shape != grey.shape:
            raise InputError(f"The mask of {row.name} is not of its image's size; give the mask of that image.")
        # A patient number is unique within its data set only.
        patient = None if row.patient is None else f"{row.dataset}/{row.patient}"
        lesion = (labels > 0) & (labels <= LAST_LESION_LABEL)
        scores.append(_score(predictor, grey, lesion, labels > LAST_LESION_LABEL, patient, row.pathology))
    return tuple(scores)


def compare(
    before: Sequence[FrameScore],
    after: Sequence[FrameScore],
    *,
    margin: float = 0.0,
    seed: int = 0,
    replicates: int = 2000,
) -> Comparison:
    """Put the scores of the current model and of a candidate on the same frames together.

    Patients are drawn with replacement, each with all of its images and both models' scores (cluster bootstrap: Field
    and Welsh, JRSS B 2007). `margin` is what `chance` asks about: a gain above it.
    """
    pairs = [
        (old.patient, old.dice, new.dice)
        for old, new in zip(before, after, strict=True)
        if old.dice is not None and new.dice is not None
    ]
    keys = patient_keys([patient for patient, _, _ in pairs])
    old, new = (np.array([pair[place] for pair in pairs], float) for place in (1, 2))
    gains = _resampled(new - old, keys, seed, replicates)
    interval = None if gains is None else tuple(float(end) for end in np.percentile(gains, [2.5, 97.5]))
    free = [(a.outlined, b.outlined) for a, b in zip(before, after, strict=True) if a.dice is None]
    return Comparison(
        images=len(pairs),
        patients=int(keys.max()) + 1 if pairs else 0,
        dice_before=float(old.mean()) if pairs else None,
        dice_after=float(new.mean()) if pairs else None,
        gain=float((new - old).mean()) if pairs else None,
        interval=interval,  # type: ignore[arg-type]
        chance=None if gains is None else float((gains > margin).mean()),
        lesion_free=len(free),
        false_before=sum(a for a, _ in free),
        false_after=sum(b for _, b in free),
        auc_before=_auc(before),
        auc_after=_auc(after),
    )


def _score(
    predictor: "Predictor",
    grey: np.ndarray,
    lesion: np.ndarray,
    ignored: np.ndarray,
    patient: str | None,
    pathology: str | None,
) -> FrameScore:
    from . import metrics

    prediction = predictor.predict(grey)
    draft = np.zeros(grey.shape, bool)
    for one in prediction.lesions:
        draft |= one.pixels
    dice = metrics.dice(lesion & ~ignored, draft & ~ignored) if lesion.any() else None
    malignant = pathology == "malignant" if pathology in ("benign", "malignant") else None
    return FrameScore(patient, dice, bool(draft.any()), malignant, prediction.malignant_given_lesion)


def _resampled(differences: np.ndarray, keys: np.ndarray, seed: int, replicates: int) -> np.ndarray | None:
    """Mean difference of each replicate, (replicates,); None with fewer than two patients."""
    count = int(keys.max()) + 1 if keys.size else 0
    if count < 2:
        return None
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=replicates)
    sums, sizes = np.bincount(keys, differences), np.bincount(keys)
    means: np.ndarray = (drawn @ sums) / (drawn @ sizes)
    return means


def _auc(scores: Sequence[FrameScore]) -> float | None:
    from . import metrics

    known = [(one.probability, one.malignant) for one in scores if one.malignant is not None]
    truth = np.array([malignant for _, malignant in known], bool)
    if not truth.any() or truth.all():
        return None
    return float(metrics.auc(np.array([probability for probability, _ in known]), truth)[0])
