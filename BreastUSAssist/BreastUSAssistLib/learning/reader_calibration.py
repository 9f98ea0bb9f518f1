"""From kept out-of-fold predictions of the reader to configs/calibration.json and its figures, as a command.

    python -m BreastUSAssistLib.learning.reader_calibration --predictions NPZ --manifest CSV --root DIR --out JSON

The predictions are those that `reader_cross_validation.keep_predictions` writes. Every figure printed is of lesions
whose fold took no part in what was fitted for them.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..birads.measurements import measure
from ..errors import BreastUSAssistError, InputError, UsageError
from ..files import write_text
from ..model.calibration import Calibration
from ..model.reader_outputs import CATEGORIES
from ..ultrasound.frame import PixelSpacing, SourceReference, UltrasoundFrame
from .bootstrap import bootstrap_interval, patient_keys
from .calibration import OutOfFold, category_truth, choose_scaling, fit_calibration
from .conformal import age_group, coverage_by_subgroup, coverage_table, cross_conformal_sets, size_group
from .manifest import ManifestRow, load_image, mask_of, read_manifest
from .metrics import auc, brier, expected_calibration_error


@dataclass(frozen=True, eq=False)
class KeptPredictions:
    """Out-of-fold predictions with what the manifest knows of each lesion, one row a lesion."""

    predictions: OutOfFold
    clinical_rows: tuple[Mapping[str, str] | None, ...]
    """Cells of the manifest row; None where it has neither age nor signs nor symptoms."""
    groups: Mapping[str, tuple[str | None, ...]]
    """Subgroup of each lesion, by name."""


def read_predictions(path: Path, manifest: Path, root: Path) -> KeptPredictions:
    """Join kept predictions with the manifest by image id.

    Sizes are measured on the true outlines of the images whose pixel size is known.

    Raises:
        InputError: the predictions or the manifest cannot be read, or a lesion's image is not in the manifest.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in ("ids", "folds", "numbers", "birads", "malignant", "category")}
            truth, datasets = kept["malignant_truth"], kept["datasets"]
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise InputError(f"{path} holds no kept predictions of the reader; cross-validate it again.") from error
    by_id = {row.id or row.name: row for row in read_manifest(manifest, root)}
    if missing := [str(one) for one in arrays["ids"] if str(one) not in by_id]:
        raise InputError(f"{manifest} has no image {missing[0]}, of which {path} has a prediction; use its manifest.")
    # Lesions of folds that took no part have no prediction.
    known = np.isfinite(arrays["malignant"])
    rows = [by_id[str(one)] for one in arrays["ids"][known]]
    numbers = arrays["numbers"][known]
    predictions = OutOfFold(
        log_odds=arrays["malignant"][known].astype(float),
        pathology=tuple({0: "benign", 1: "malignant"}.get(int(one)) for one in truth[known]),
        category_probabilities=category_probabilities(arrays["category"][known]),
        birads=tuple(str(one) or None for one in arrays["birads"][known]),
        patients=tuple(row.patient for row in rows),
        folds=arrays["folds"][known].astype(int),
    )
    groups = {
        "data set": tuple(str(one) for one in datasets[known]),
        "device": tuple(row.device for row in rows),
        "age": tuple(age_group(_number(row.other.get("age"))) for row in rows),
        "size": tuple(size_group(_size_mm(row, int(n))) for row, n in zip(rows, numbers, strict=True)),
        "pathology": predictions.pathology,
        "category": predictions.birads,
    }
    return KeptPredictions(predictions, tuple(_clinical_cells(row) for row in rows), groups)


def category_probabilities(logits: np.ndarray) -> np.ndarray:
    """Probabilities (n, 6) of CATEGORIES from the logits (n, 5) of lying above each of them but the last."""
    above = 1 / (1 + np.exp(-np.clip(logits.astype(float), -60, 60)))
    ends = np.ones((len(above), 1))
    steps = -np.diff(np.hstack([ends, above, 0 * ends]), axis=1)
    positive = np.maximum(steps, 0)
    return positive / positive.sum(axis=1, keepdims=True)


def calibration_report(kept: KeptPredictions, calibration: Calibration, *, seed: int = 0, level: float = 0.9) -> str:
    """Figures of the calibration as Markdown: error before and after, coverage by subgroup, clinical parameters."""
    return "\n".join(
        [
            "## Probability\n",
            _probability_table(kept.predictions, seed),
            "\n## Category sets, thresholds by category\n",
            _coverage(kept, level, by_category=True),
            "\n## Category sets, one threshold\n",
            _coverage(kept, level, by_category=False),
            "\n## Clinical parameters\n",
            _clinical_words(calibration),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, write and print the figures; 0 done, 2 bad usage, 3 when an input cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m BreastUSAssistLib.learning.reader_calibration")
    parser.add_argument("--predictions", type=Path, required=True, metavar="NPZ", help="kept out-of-fold predictions")
    parser.add_argument("--manifest", type=Path, required=True, metavar="CSV")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="folder that the paths start from")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON", help="configs/calibration.json of a bundle")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    parser.add_argument("--one-threshold", action="store_true", help="category sets that cover on average only")
    chosen = parser.parse_args(arguments)
    try:
        kept = read_predictions(chosen.predictions, chosen.manifest, chosen.root)
        folds = ", ".join(str(fold) for fold in np.unique(kept.predictions.folds))
        sets = ", ".join(sorted({str(one) for one in kept.groups["data set"]}))
        calibration = fit_calibration(
            kept.predictions,
            kept.clinical_rows,
            provenance=f"out-of-fold predictions of {sets}, folds {folds}, on the true outlines",
            seed=chosen.seed,
            by_category=not chosen.one_threshold,
        )
        write_text(chosen.out, calibration.model_dump_json(indent=1) + "\n")
        report = calibration_report(kept, calibration, seed=chosen.seed)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except BreastUSAssistError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    sys.stdout.write(f"{report}\n")
    return 0


def _probability_table(predictions: OutOfFold, seed: int) -> str:
    judged = np.array([one in ("benign", "malignant") for one in predictions.pathology], dtype=bool)
    malignant = np.array([one == "malignant" for one in predictions.pathology], dtype=bool)[judged]
    log_odds, folds = predictions.log_odds[judged], predictions.folds[judged]
    patients = patient_keys([p for p, wanted in zip(predictions.patients, judged, strict=True) if wanted])
    scaled = np.zeros(len(log_odds))
    for fold in np.unique(folds):
        held_out = folds == fold
        fitted = choose_scaling(log_odds[~held_out], malignant[~held_out], folds[~held_out])
        scaled[held_out] = fitted.slope * log_odds[held_out] + fitted.intercept
    lines = ["| probability | lesions | AUC | ECE | Brier |", "|---|---|---|---|---|"]
    for name, values in (("as the network gives it", log_odds), ("calibrated on the other folds", scaled)):
        probability = 1 / (1 + np.exp(-np.clip(values, -60, 60)))
        figures = []
        for statistic in (auc, expected_calibration_error, brier):

            def weighted(weights: np.ndarray, statistic=statistic, probability=probability) -> np.ndarray:  # type: ignore[no-untyped-def]
                return np.asarray(statistic(probability, malignant, weights))

            interval = bootstrap_interval(weighted, patients, seed=seed, replicates=500)
            value = f"{float(statistic(probability, malignant)[0]):.3f}"
            figures.append(value if interval is None else f"{value} ({interval[0]:.3f} to {interval[1]:.3f})")
        lines.append(f"| {name} | {len(log_odds)} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def _coverage(kept: KeptPredictions, level: float, *, by_category: bool) -> str:
    truth = category_truth(kept.predictions)
    if truth is None or len(np.unique(truth.folds)) < 2:
        return "No lesion of known category in at least two folds.\n"
    known = [index for index, one in enumerate(kept.predictions.birads) if one in (*CATEGORIES, "4")]
    groups = {name: [values[index] for index in known] for name, values in kept.groups.items()}
    inside = cross_conformal_sets(truth, level, by_category=by_category)
    return coverage_table(coverage_by_subgroup(inside, truth.given, groups))


def _clinical_words(calibration: Calibration) -> str:
    model = calibration.clinical
    if model is None:
        return "No clinical model: the parameters did not improve on the image by more than one standard error.\n"
    lines = ["| parameter | odds, a unit | mean | seen |", "|---|---|---|---|"]
    lines += [
        f"| {term.parameter} | {np.exp(term.weight / term.scale):.3f} | {term.centre:.2f} |"
        f" {term.lowest:g} to {term.highest:g} |"
        for term in model.terms
    ]
    return "\n".join([*lines, f"\n{model.provenance}. Without a weight: {', '.join(model.left_out)}."]) + "\n"


def _clinical_cells(row: ManifestRow) -> Mapping[str, str] | None:
    cells = {name: row.other[name] for name in ("age", "signs", "symptoms") if name in row.other}
    return cells or None


def _number(cell: str | None) -> float | None:
    return float(cell) if cell is not None and cell.isdecimal() else None


def _size_mm(row: ManifestRow, number: int) -> float | None:
    """Longest axis of one true outline; None where the pixel size or the outline is unknown."""
    if row.spacing_mm is None or row.mask is None:
        return None
    grey = load_image(row)
    labels = mask_of(row, (grey.shape[0], grey.shape[1]))
    if labels is None or not (labels == number).any():
        return None
    spacing = PixelSpacing(*row.spacing_mm, "user")
    frame = UltrasoundFrame(grey, SourceReference(row.image), pixel_spacing=spacing)
    return measure(labels == number, frame).longest_axis.mm


if __name__ == "__main__":
    raise SystemExit(main())
