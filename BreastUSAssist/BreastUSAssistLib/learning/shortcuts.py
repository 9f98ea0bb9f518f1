"""Whether a model leans on marks, captions and surrounds: the same images with and without them, in pairs.

python -m BreastUSAssistLib.learning.shortcuts --manifest CSV --root DIR --folds 4 --model FOLDER [--enhancements]
"""

import argparse
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..errors import BreastUSAssistError, InputError, UsageError
from ..files import write_text
from ..model.prediction import FramePrediction
from ..ultrasound.gate_marks import drawn_marks
from . import metrics
from .bootstrap import REPLICATES, bootstrap_interval, patient_keys
from .evaluation_result import Estimate
from .manifest import LAST_LESION_LABEL, ManifestRow, load_image, mask_of, read_manifest
from .perturbations import ENHANCEMENTS, SHORTCUTS, Perturb

Predict = Callable[[np.ndarray], FramePrediction]
Progress = Callable[[int, int], None]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Effect(_Record):
    """What one change to the images did, in one group of them. All differences are changed minus original."""

    change: str
    group: str
    """All images, or those in which marks were seen."""
    images: int
    altered: int
    """Images of which the change altered any pixel."""
    dice: Estimate | None
    """Mean difference, over images with a lesion."""
    absolute_probability: Estimate | None
    """Mean of |difference| of P(malignant | lesion), over benign and malignant images."""
    benign_probability: Estimate | None
    """Mean difference over benign images."""
    malignant_probability: Estimate | None
    auc: Estimate | None
    ece: Estimate | None
    normal_with_outline: Estimate | None
    """Difference of the share of normal images in which anything is outlined."""


class Baseline(_Record):
    """The images as they are."""

    group: str
    images: int
    benign: int
    malignant: int
    dice: Estimate | None
    auc: Estimate | None
    ece: Estimate | None


class Comparison(_Record):
    """Paired comparison of one model on changed images; the content of shortcuts.json."""

    version: str = "1.0"
    seed: int
    replicates: int
    folds: tuple[int, ...] | None
    left_out: tuple[str, ...]
    """Why images were left out."""
    baseline: tuple[Baseline, ...]
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class _Answer:
    """One image under one change; NaN where a score does not apply."""

    dice: float
    probability: float
    outlined: float
    altered: bool


@dataclass(frozen=True)
class _Paired:
    patient: tuple[str | None, str] | None
    malignant: bool | None
    """None for normal images and unknown pathology."""
    is_normal: bool
    is_marked: bool
    answers: Mapping[str, _Answer]
    """By name of the change; "" is the image as it is."""


def compare(
    rows: Sequence[ManifestRow],
    predict: Predict,
    changes: Mapping[str, Perturb],
    *,
    folds: Sequence[int] | None = None,
    limit: int | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    progress: Progress = lambda done, total: None,
) -> Comparison:
    """Predict every image as it is and under each change; differences with 95 % intervals by patient.

    `predict` takes uint8 (rows, columns), as in `evaluation.evaluate`. Each image has its own generator from `seed` and
    its name, so a change is the same whatever else is evaluated. Images that cannot be read are left out and told.

    Raises:
        InputError: no image could be used.
    """
    chosen = [row for row in rows if folds is None or row.fold in folds]
    if limit is not None and limit < len(chosen):
        drawn = np.random.default_rng(seed).choice(len(chosen), limit, replace=False)
        chosen = [chosen[index] for index in sorted(drawn)]
    pairs, left_out = [], []
    for done, row in enumerate(chosen):
        progress(done, len(chosen))
        try:
            pairs.append(_paired(row, predict, changes, seed))
        except BreastUSAssistError as error:
            left_out.append(str(error))
    progress(len(chosen), len(chosen))
    if not pairs:
        raise InputError(left_out[0] if left_out else "No image is in the chosen folds; choose others.")
    groups = {"all": pairs, "with marks": [pair for pair in pairs if pair.is_marked]}
    told = [_Group(name, members, seed, replicates) for name, members in groups.items() if members]
    return Comparison(
        seed=seed,
        replicates=replicates,
        folds=None if folds is None else tuple(folds),
        left_out=tuple(left_out),
        baseline=tuple(group.baseline() for group in told),
        effects=tuple(group.effect(change) for change in changes for group in told),
    )


def _paired(row: ManifestRow, predict: Predict, changes: Mapping[str, Perturb], seed: int) -> _Paired:
    grey = load_image(row)
    labels = mask_of(row, grey.shape)
    lesion = np.zeros(grey.shape, bool) if labels is None else (labels > 0) & (labels <= LAST_LESION_LABEL)
    ignored = np.zeros(grey.shape, bool) if labels is None else labels > LAST_LESION_LABEL
    answers = {"": _answer(predict(grey), lesion, ignored, False)}
    for index, (name, change) in enumerate(changes.items()):
        generator = np.random.default_rng((seed, zlib.crc32(row.name.encode("utf-8")), index))
        changed = change(grey, lesion, generator)
        altered = not np.array_equal(changed, grey)
        answers[name] = _answer(predict(changed), lesion, ignored, True) if altered else answers[""]
    return _Paired(
        None if row.patient is None else (row.dataset, row.patient),
        row.pathology == "malignant" if row.pathology in ("benign", "malignant") else None,
        row.pathology == "normal",
        drawn_marks(grey),
        answers,
    )


def _answer(prediction: FramePrediction, lesion: np.ndarray, ignored: np.ndarray, altered: bool) -> _Answer:
    draft = np.zeros(lesion.shape, bool)
    for mask in prediction.lesions:
        draft |= mask.pixels
    dice = metrics.dice(lesion & ~ignored, draft & ~ignored) if lesion.any() else float("nan")
    return _Answer(dice, prediction.malignant_given_lesion, float(bool(prediction.lesions)), altered)


class _Group:
    """Scores of some images as arrays, and their summaries."""

    def __init__(self, name: str, pairs: Sequence[_Paired], seed: int, replicates: int):
        self.name, self.pairs, self.seed, self.replicates = name, pairs, seed, replicates
        self.patients = patient_keys([pair.patient for pair in pairs])
        self.benign = np.array([pair.malignant is False for pair in pairs])
        self.malignant = np.array([pair.malignant is True for pair in pairs])
        self.judged = self.benign | self.malignant
        self.normal = np.array([pair.is_normal for pair in pairs])

    def baseline(self) -> Baseline:
        """Scores of the images as they are."""
        dice, probability = self._column("dice", ""), self._column("probability", "")
        return Baseline(
            group=self.name,
            images=len(self.pairs),
            benign=int(self.benign.sum()),
            malignant=int(self.malignant.sum()),
            dice=self._mean(dice, np.isfinite(dice)),
            auc=self._ranked(lambda weights, truth: metrics.auc(probability[self.judged], truth, weights)),
            ece=self._ranked(
                lambda weights, truth: metrics.expected_calibration_error(probability[self.judged], truth, weights)
            ),
        )

    def effect(self, change: str) -> Effect:
        """What one change did."""
        dice = self._column("dice", change) - self._column("dice", "")
        before, after = self._column("probability", "")[self.judged], self._column("probability", change)[self.judged]
        shift = self._column("probability", change) - self._column("probability", "")
        outlined = self._column("outlined", change) - self._column("outlined", "")

        def difference(measure: Callable[..., np.ndarray]) -> Estimate | None:
            return self._ranked(lambda weights, truth: measure(after, truth, weights) - measure(before, truth, weights))

        return Effect(
            change=change,
            group=self.name,
            images=len(self.pairs),
            altered=sum(pair.answers[change].altered for pair in self.pairs),
            dice=self._mean(dice, np.isfinite(dice)),
            absolute_probability=self._mean(np.abs(shift), self.judged),
            benign_probability=self._mean(shift, self.benign),
            malignant_probability=self._mean(shift, self.malignant),
            auc=difference(metrics.auc),
            ece=difference(metrics.expected_calibration_error),
            normal_with_outline=self._mean(outlined, self.normal),
        )

    def _column(self, score: str, change: str) -> np.ndarray:
        return np.array([getattr(pair.answers[change], score) for pair in self.pairs], float)

    def _mean(self, values: np.ndarray, chosen: np.ndarray) -> Estimate | None:
        if not chosen.any():
            return None
        return self._estimate(lambda weights: metrics.weighted_mean(values[chosen], weights), chosen)

    def _ranked(self, statistic: Callable[[np.ndarray | None, np.ndarray], np.ndarray]) -> Estimate | None:
        if not self.benign.any() or not self.malignant.any():
            return None
        truth = self.malignant[self.judged]
        return self._estimate(lambda weights: statistic(weights, truth), self.judged)

    def _estimate(self, statistic: Callable[[np.ndarray | None], np.ndarray], chosen: np.ndarray) -> Estimate:
        # Patients are numbered anew: those without any chosen image must not be drawn.
        patients = np.unique(self.patients[chosen], return_inverse=True)[1]
        interval = bootstrap_interval(statistic, patients, seed=self.seed, replicates=self.replicates)
        return Estimate(value=float(statistic(None)[0]), interval=interval)


def comparison_table(comparison: Comparison) -> str:
    """The comparison for a terminal: baselines, then a line for each change and group."""
    lines = []
    for base in comparison.baseline:
        lines.append(
            f"{base.group}: {base.images} images ({base.benign} benign, {base.malignant} malignant), as they are: "
            f"Dice {_text(base.dice)}, AUC {_text(base.auc)}, ECE {_text(base.ece)}"
        )
    for effect in comparison.effects:
        lines += [
            f"{effect.change}, {effect.group} ({effect.altered} of {effect.images} altered)",
            f"  Dice {_text(effect.dice, True)}   AUC {_text(effect.auc, True)}   ECE {_text(effect.ece, True)}",
            f"  P(malignant): mean |change| {_text(effect.absolute_probability)}, "
            f"benign {_text(effect.benign_probability, True)}, malignant {_text(effect.malignant_probability, True)}",
        ]
        if effect.normal_with_outline is not None:
            lines.append(f"  normal images with an outline {_text(effect.normal_with_outline, True)}")
    lines.append(f"Differences from the same images as they are; 95 % intervals, {comparison.replicates} replicates.")
    if comparison.left_out:
        lines.append(f"{len(comparison.left_out)} left out; the first: {comparison.left_out[0]}")
    return "\n".join(lines) + "\n"


def _text(estimate: Estimate | None, signed: bool = False) -> str:
    if estimate is None:
        return "–"
    form = "+.3f" if signed else ".3f"
    value = f"{estimate.value:{form}}"
    return (
        value
        if estimate.interval is None
        else f"{value} [{estimate.interval[0]:{form}}, {estimate.interval[1]:{form}}]"
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="shortcuts", description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, metavar="CSV")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="outline bundle (default: the one that is shipped)"
    )
    parser.add_argument("--folds", type=lambda text: tuple(int(part) for part in text.split(",")), metavar="1,2,...")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N images, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--enhancements", action="store_true", help="display filters before the model, in place of marks"
    )
    parser.add_argument("--out", type=Path, metavar="JSON", help="result file to write")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print; 0 done, 2 bad usage, 3 bad input."""
    from ..model.bundle import load_bundle
    from ..model.predictor import open_predictor

    options = _options(arguments)
    try:
        rows = read_manifest(options.manifest, options.root)
        predictor = open_predictor(load_bundle(options.model))
        comparison = compare(
            rows,
            predictor.predict,
            ENHANCEMENTS if options.enhancements else SHORTCUTS,
            folds=options.folds,
            limit=options.limit,
            seed=options.seed,
        )
        if options.out is not None:
            write_text(options.out, comparison.model_dump_json(indent=2) + "\n")
    except BreastUSAssistError as error:
        print(f"shortcuts: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, UsageError) else 3
    print(comparison_table(comparison), end="")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
