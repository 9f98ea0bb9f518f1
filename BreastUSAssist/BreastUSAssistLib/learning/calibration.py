"""Calibration of the networks' log-odds on predictions of patients that were held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from ..errors import UsageError
from ..model.calibration import Calibration, CategorySets, ClinicalModel, IntervalTable
from .bootstrap import patient_keys
from .clinical_fitting import ClinicalCases, fit_clinical, parameters_of_row
from .conformal import CategoryTruth, fit_category_sets

REPLICATES = 1000
GRID_POINTS = 41
_SMALLEST_SLOPE, _LARGEST_SLOPE = 0.02, 20.0
_LEAST_BANDWIDTH = 0.25
"""Of the smooth calibration curve, in calibrated log-odds."""
_PSEUDO = 1.0
"""Lesions by which the smooth curve leans to the scaled probability, so that empty stretches have a value at all."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions of each image by a network that has not seen its patient; one row an image, None where unknown."""

    log_odds: np.ndarray
    """float (n,), raw log-odds of malignant."""
    pathology: tuple[str | None, ...]
    """"benign", "malignant"; others take no part in the probability."""
    category_probabilities: np.ndarray | None
    """float (n, 6), of model.reader_outputs.CATEGORIES; None where the network has no category."""
    birads: tuple[str | None, ...]
    """The radiologist's: 2, 3, 4, 4A, 4B, 4C, 5; others take no part in the category sets."""
    patients: tuple[str | None, ...]
    folds: np.ndarray
    """int (n,), the fold that was held out."""

    def __post_init__(self) -> None:
        sizes = {len(self.log_odds), len(self.pathology), len(self.birads), len(self.patients), len(self.folds)}
        if self.category_probabilities is not None:
            sizes.add(len(self.category_probabilities))
        if len(sizes) != 1:
            raise UsageError("Predictions, pathology, categories, patients and folds have to be equally many.")
        if not np.isfinite(self.log_odds).all():
            raise UsageError("A prediction is not a finite number; predict these images again.")


@dataclass(frozen=True)
class Scaling:
    """probability = sigmoid(slope * log-odds + intercept)."""

    slope: float
    intercept: float
    kind: str
    """"temperature" (no intercept) or "Platt"."""
    loss: float = float("nan")
    """Cross-validated mean negative log-likelihood, where it was chosen by that."""


def fit_calibration(
    predictions: OutOfFold,
    clinical_rows: Sequence[Mapping[str, str] | None] = (),
    *,
    provenance: str,
    seed: int = 0,
    level: float = 0.9,
    by_category: bool = True,
    replicates: int = REPLICATES,
) -> Calibration:
    """Everything that configs/calibration.json holds, from out-of-fold predictions.

    Args:
        predictions: of the training folds, by networks that had not seen the patient.
        clinical_rows: for each prediction the cells `age`, `signs`, `symptoms` of its manifest row
            (`ManifestRow.other`), None where it has none; empty for no clinical model.
        provenance: which data sets, folds and networks, in words.
        seed: of the bootstrap.
        level: of the category sets.
        by_category: see `conformal.fit_category_sets`.
        replicates: of the bootstrap.

    Raises:
        UsageError: there are not both benign and malignant lesions in at least two folds, or the rows do not fit.
    """
    judged = np.array([one in ("benign", "malignant") for one in predictions.pathology], dtype=bool)
    log_odds = np.asarray(predictions.log_odds, float)[judged]
    malignant = np.array([one == "malignant" for one in predictions.pathology], dtype=bool)[judged]
    patients = tuple(p for p, wanted in zip(predictions.patients, judged, strict=True) if wanted)
    folds = predictions.folds[judged]
    scaling = choose_scaling(log_odds, malignant, folds)
    scaled = scaling.slope * np.asarray(predictions.log_odds, float) + scaling.intercept
    return Calibration(
        slope=round(scaling.slope, 5),
        intercept=round(scaling.intercept, 5),
        training_prevalence=round(float(malignant.mean()), 4),
        intervals=fit_intervals(log_odds, malignant, patients, scaling, seed=seed, replicates=replicates),
        category_sets=_category_sets(predictions, level, by_category),
        clinical=_clinical(predictions, clinical_rows, scaled, judged),
        provenance=(
            f"{provenance}; {len(log_odds)} lesion images, {malignant.mean():.0%} malignant; {scaling.kind} scaling,"
            f" cross-validated negative log-likelihood {scaling.loss:.4f}"
        ),
    )


def fit_temperature(log_odds: np.ndarray, malignant: np.ndarray) -> float:
    """Temperature with the least negative log-likelihood (Guo et al., ICML 2017).

    Args:
        log_odds: float (images,), of malignant against benign, not yet divided by a temperature.
        malignant: bool (images,).

    Raises:
        UsageError: there are not both benign and malignant images.
    """
    malignant = _both_classes(malignant)
    margin = np.where(malignant, 1.0, -1.0) * log_odds

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -margin / np.exp(log_temperature)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 3), method="bounded").x))


def fit_platt(log_odds: np.ndarray, malignant: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Slope, above 0, and intercept with the least negative log-likelihood against Platt's smoothed targets.

    Targets are (n+ + 1) / (n+ + 2) and 1 / (n- + 2) (Platt, Advances in Large Margin Classifiers 1999), which keeps a
    perfect separation finite. `weights` float (images,) counts images several times or not at all.

    Raises:
        UsageError: there are not both benign and malignant images.
    """
    malignant = _both_classes(malignant)
    weights = np.ones(len(log_odds)) if weights is None else weights
    positive, negative = weights[malignant].sum(), weights[~malignant].sum()
    target = np.where(malignant, (positive + 1) / (positive + 2), 1 / (negative + 2))
    total = weights.sum()

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope = np.exp(parameters[0])
        logit = slope * log_odds + parameters[1]
        gap = weights * (1 / (1 + np.exp(-np.clip(logit, -500, 500))) - target)
        value = (weights * (np.logaddexp(0, logit) - target * logit)).sum()
        return float(value / total), np.array([slope * (gap @ log_odds), gap.sum()]) / total

    limits = [(np.log(_SMALLEST_SLOPE), np.log(_LARGEST_SLOPE)), (-20, 20)]
    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=limits).x
    return float(np.exp(found[0])), float(found[1])


def choose_scaling(log_odds: np.ndarray, malignant: np.ndarray, folds: np.ndarray) -> Scaling:
    """Temperature or Platt scaling, whichever has the smaller cross-validated loss, fitted on everything.

    Raises:
        UsageError: fewer than two folds, or a fold without which one class is missing.
    """
    if len(np.unique(folds)) < 2:
        raise UsageError("Calibration needs predictions of at least two folds; predict the others too.")
    losses = {"temperature": 0.0, "Platt": 0.0}
    for fold in np.unique(folds):
        test = folds == fold
        for kind in losses:
            slope, intercept = _fitted(kind, log_odds[~test], malignant[~test])
            margin = np.where(malignant[test], 1.0, -1.0) * (slope * log_odds[test] + intercept)
            losses[kind] += float(np.logaddexp(0, -margin).sum()) / len(log_odds)
    kind = min(losses, key=losses.__getitem__)
    return Scaling(*_fitted(kind, log_odds, malignant), kind, losses[kind])


def fit_intervals(
    log_odds: np.ndarray,
    malignant: np.ndarray,
    patients: Sequence[str | None],
    scaling: Scaling,
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> IntervalTable:
    """95 % percentile interval of the share malignant around each log-odds, from a patient bootstrap.

    In each replicate patients are drawn with replacement and the share is estimated by a Gaussian kernel over the
    calibrated log-odds (Nadaraya 1964; Watson 1964) with Silverman's bandwidth, leaning to the scaled probability where
    there are few lesions. The kernel follows the data where they leave the scaled curve, so that the interval holds
    both the lack of data and the misfit of the curve. Its ends are made to rise with the log-odds and to hold the
    curve. See model.calibration.IntervalTable for what it means.

    Args:
        log_odds: float (images,), raw.
        malignant: bool (images,).
        patients: (images,), None where unknown.
        scaling: fitted on the same images.
        seed: of the bootstrap.
        replicates: of the bootstrap.

    Raises:
        UsageError: there are not both benign and malignant images.
    """
    malignant = _both_classes(malignant)
    scaled = scaling.slope * log_odds + scaling.intercept
    grid = np.unique(np.quantile(scaled, np.linspace(0, 1, GRID_POINTS)).round(4))
    if len(grid) < 2:
        grid = np.array([grid[0] - 0.5, grid[0] + 0.5])
    spread = min(float(scaled.std()), float(np.subtract(*np.percentile(scaled, [75, 25]))) / 1.349)
    bandwidth = max(_LEAST_BANDWIDTH, 0.9 * spread * len(scaled) ** -0.2)
    kernel = np.exp(-(((scaled[:, None] - grid) / bandwidth) ** 2) / 2)
    expected = 1 / (1 + np.exp(-scaled))
    curve = 1 / (1 + np.exp(-grid))
    keys = patient_keys(patients)
    count = int(keys.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=replicates)[:, keys]
    # The share is moved by how far the outcomes near a point lie above what was expected there: the slope of the curve
    # within the kernel's reach then does not bias it.
    shares = curve + (drawn * (malignant - expected)) @ kernel / (drawn @ kernel + _PSEUDO)
    low, high = np.percentile(np.clip(shares, 0, 1), [2.5, 97.5], axis=0)
    low = np.minimum(np.minimum.accumulate(low[::-1])[::-1], curve)
    high = np.maximum(np.maximum.accumulate(high), curve)
    return IntervalTable(
        log_odds=tuple(((grid - scaling.intercept) / scaling.slope).round(6)),
        low=tuple(np.floor(low * 1e5) / 1e5),
        high=tuple(np.minimum(np.ceil(high * 1e5) / 1e5, 1.0)),
    )


def _category_sets(predictions: OutOfFold, level: float, by_category: bool) -> CategorySets | None:
    truth = category_truth(predictions)
    if truth is None:
        return None
    words = f"{len(truth)} out-of-fold lesions"
    return fit_category_sets(truth, level, by_category=by_category, provenance=words)


def category_truth(predictions: OutOfFold) -> CategoryTruth | None:
    """The predictions whose category a radiologist gave; None where there are none."""
    known = np.array([one in ("2", "3", "4", "4A", "4B", "4C", "5") for one in predictions.birads], dtype=bool)
    if predictions.category_probabilities is None or not known.any():
        return None
    given = tuple(one for one in predictions.birads if one in ("2", "3", "4", "4A", "4B", "4C", "5"))
    return CategoryTruth(predictions.category_probabilities[known], given, predictions.folds[known])


def _clinical(
    predictions: OutOfFold, rows: Sequence[Mapping[str, str] | None], scaled: np.ndarray, judged: np.ndarray
) -> ClinicalModel | None:
    if not rows:
        return None
    if len(rows) != len(scaled):
        raise UsageError("There have to be as many clinical rows as predictions; give None where there is none.")
    parameters = [None if row is None else parameters_of_row(row) for row in rows]
    which = [i for i, one in enumerate(parameters) if one is not None and one.known and judged[i]]
    if not which:
        return None
    cases = ClinicalCases(
        parameters=tuple(one for i in which if (one := parameters[i]) is not None),
        image_log_odds=scaled[which],
        malignant=np.array([predictions.pathology[i] == "malignant" for i in which]),
        patients=tuple(predictions.patients[i] for i in which),
        folds=predictions.folds[which],
    )
    return fit_clinical(cases, provenance="patients with clinical parameters")


def _fitted(kind: str, log_odds: np.ndarray, malignant: np.ndarray) -> tuple[float, float]:
    if kind == "temperature":
        return 1 / fit_temperature(log_odds, malignant), 0.0
    return fit_platt(log_odds, malignant)


def _both_classes(malignant: np.ndarray) -> np.ndarray:
    malignant = np.asarray(malignant, bool)
    if malignant.all() or not malignant.any():
        raise UsageError("Calibration needs benign and malignant images; add rows with a pathology to the manifest.")
    return malignant
