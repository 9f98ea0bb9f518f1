"""What a lesion reader's raw answer means: probability, interval, prior of a site, category set, clinical parameters.

Everything is read from `configs/calibration.json` of the reader's bundle, which `learning.calibration.fit_calibration`
writes from out-of-fold predictions. All functions are pure; log-odds are natural logarithms of the odds of malignant.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import ModelError, UsageError
from ..json_schema import published_schema
from .reader_outputs import CATEGORIES

if TYPE_CHECKING:
    from .bundle import Bundle

SCHEMA_VERSION: Final = "1.0"
CALIBRATION_FILE = "configs/calibration.json"
_NORMAL_95 = 1.959964
"""97.5 % quantile of the standard normal distribution."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class IntervalTable(_Stored):
    """95 % interval of the probability over a grid of raw log-odds; both ends never fall as the log-odds rise.

    What it means: among lesions like those of the training sets that get this score, the share that is malignant lies
    between `low` and `high`, as far as the number of patients lets one say. It is an interval of that share. It is no
    statement about the one lesion, which is malignant or not, and it does not cover other scanners or populations.
    """

    log_odds: tuple[float, ...] = Field(min_length=2)
    """Raw log-odds, ascending."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> "IntervalTable":
        sizes = {len(self.log_odds), len(self.low), len(self.high)}
        rising = all(np.all(np.diff(column) >= 0) for column in (self.low, self.high))
        within = all(0 <= low <= high <= 1 for low, high in zip(self.low, self.high, strict=False))
        if len(sizes) > 1 or not np.all(np.diff(self.log_odds) > 0) or not rising or not within:
            raise ValueError("the table of intervals is not ordered")
        return self


class CategorySets(_Stored):
    """Conformal sets of adjacent categories (see `entry_masses`)."""

    level: float = Field(default=0.9, gt=0, lt=1)
    """Share of lesions whose set is meant to hold the category that a radiologist gave."""
    thresholds: dict[str, float]
    """By category: the largest entry mass at which it still enters the set; all alike where sets cover on average."""
    provenance: str
    """How many lesions of which sets the thresholds come from, in words."""

    @model_validator(mode="after")
    def _every_category(self) -> "CategorySets":
        if tuple(self.thresholds) != CATEGORIES:
            raise ValueError(f"thresholds are needed for {', '.join(CATEGORIES)}, in this order")
        return self


class ClinicalTerm(_Stored):
    """One clinical parameter: it adds `weight * (value - centre) / scale` to the log-odds, and nothing when unknown."""

    parameter: str
    """Field of birads.clinical.ClinicalParameters; yes is 1 and no is 0."""
    weight: float
    centre: float
    """Mean among the patients in whom it was known, so that unknown counts as average."""
    scale: float = Field(gt=0)
    lowest: float
    """Values beyond the range that the model has seen count as its ends."""
    highest: float

    def standardised(self, value: float | None) -> float:
        """The value on the scale of the weight; 0 when unknown."""
        if value is None:
            return 0.0
        return (min(max(value, self.lowest), self.highest) - self.centre) / self.scale


class ClinicalModel(_Stored):
    """Additive logistic model on top of the image: its log-odds are an offset, clinical parameters add to them."""

    terms: tuple[ClinicalTerm, ...]
    covariance: tuple[tuple[float, ...], ...]
    """Of the weights, in the order of `terms`."""
    left_out: tuple[str, ...] = ()
    """Parameters without a weight: too rare in the training patients, or of no use there."""
    provenance: str
    """Which patients, which penalty, what it gained under cross-validation."""

    @model_validator(mode="after")
    def _square(self) -> "ClinicalModel":
        if {len(self.terms)} != {len(self.covariance), *map(len, self.covariance)} and self.terms:
            raise ValueError("the covariance does not fit the terms")
        return self

    def contributions(self, values: Mapping[str, float | None]) -> dict[str, float]:
        """What each known parameter adds to the log-odds; a missing one is not in the answer and adds nothing."""
        return {
            term.parameter: term.weight * term.standardised(values[term.parameter])
            for term in self.terms
            if values.get(term.parameter) is not None
        }

    def standard_error(self, values: Mapping[str, float | None]) -> float:
        """Standard error of the sum of the contributions, from the weights' covariance (delta method)."""
        if not self.terms:
            return 0.0
        x = np.array([term.standardised(values.get(term.parameter)) for term in self.terms])
        return float(math.sqrt(max(x @ np.array(self.covariance) @ x, 0.0)))


class Calibration(_Stored):
    """Content of configs/calibration.json."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    slope: float = Field(gt=0)
    """Platt scaling: probability = sigmoid(slope * log-odds + intercept); 1 / temperature when the intercept is 0."""
    intercept: float
    training_prevalence: float = Field(gt=0, lt=1)
    """Share of malignant lesions among those that it was fitted on."""
    intervals: IntervalTable
    category_sets: CategorySets | None = None
    clinical: ClinicalModel | None = None
    provenance: str
    """What it was fitted on and how it was chosen, in words."""

    def probability(self, log_odds: float) -> float:
        """Calibrated probability of malignant for raw log-odds (Platt 1999; Guo et al., ICML 2017).

        Raises:
            ModelError: the log-odds are not a finite number.
        """
        return sigmoid(self.slope * _finite(log_odds) + self.intercept)

    def interval(self, log_odds: float, spread: float = 0.0) -> tuple[float, float]:
        """95 % interval of `probability(log_odds)`, which it always holds; see IntervalTable for what it means.

        Beyond the grid the end that would have to be extrapolated stays where the data end. `spread` is the standard
        deviation of the log-odds between views or members of an ensemble, if there are any: the ends are then those of
        the log-odds 1.96 spreads lower and higher.

        Raises:
            ModelError: the log-odds are not a finite number.
        """
        table, reach = self.intervals, _NORMAL_95 * abs(spread)
        lower, upper = log_odds - reach, log_odds + reach
        return (
            min(float(np.interp(lower, table.log_odds, table.low)), self.probability(lower)),
            max(float(np.interp(upper, table.log_odds, table.high)), self.probability(upper)),
        )

    def with_prevalence(self, probability: float, site_prevalence: float) -> float:
        """The probability where another share of lesions is malignant; see `shift_prior`."""
        return shift_prior(probability, self.training_prevalence, site_prevalence)

    def category_set(self, probabilities: Sequence[float] | np.ndarray) -> tuple[str, ...]:
        """Adjacent categories, in order, that hold a radiologist's category at the level of `category_sets`.

        `probabilities` are those of CATEGORIES. The likeliest category is always among them.

        Raises:
            ModelError: this calibration has no category sets, or the probabilities do not fit.
        """
        if self.category_sets is None:
            raise ModelError("This model has no calibrated category sets; use a bundle that has them.")
        return contiguous_set(probabilities, list(self.category_sets.thresholds.values()))


def sigmoid(log_odds: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1 + odds)


def logit(probability: float) -> float:
    """Inverse of `sigmoid`; probabilities are kept 1e-12 away from 0 and 1."""
    inside = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log(inside) - math.log1p(-inside)


def shift_prior(probability: float, from_prevalence: float, to_prevalence: float) -> float:
    """A probability learned at one prevalence, at another one.

    logit p' = logit p + logit(to) - logit(from) (Saerens, Latinne and Decaestecker, Neural Computation 2002;14:21). It
    holds where benign and malignant lesions each look as they did in training and only their shares differ.

    Raises:
        UsageError: a prevalence is not above 0 and below 1, or the probability not between 0 and 1.
    """
    for prevalence in (from_prevalence, to_prevalence):
        if not 0 < prevalence < 1:
            raise UsageError(f"A prevalence of {prevalence} is not above 0 and below 1; give a share such as 0.01.")
    if not 0 <= probability <= 1:
        raise UsageError(f"A probability of {probability} is not between 0 and 1; check the model's output.")
    ratio = to_prevalence / (1 - to_prevalence) * (1 - from_prevalence) / from_prevalence
    return probability * ratio / (probability * ratio + (1 - probability))


def entry_masses(probabilities: Sequence[float] | np.ndarray) -> np.ndarray:
    """Probability mass of the growing set of adjacent categories just before each category enters it.

    The set starts with the likeliest category and grows by the likelier neighbour, on a tie by the more suspicious one
    (ordinal adaptive prediction sets: Lu, Angelopoulos and Pomerantz, MICCAI 2022; after Romano, Sesia and Candès,
    NeurIPS 2020). float64, (categories,): 0 for the likeliest, below 1 for the last.

    Raises:
        ModelError: the probabilities are not one finite number of at least 0 for each of CATEGORIES, or are all 0.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    if given.shape != (len(CATEGORIES),) or not np.isfinite(given).all() or (given < 0).any() or given.sum() <= 0:
        raise ModelError("The category probabilities of the reader are not usable; install the model again.")
    given = given / given.sum()
    low = high = int(np.argmax(given))
    masses = np.zeros(len(given))
    mass = given[low]
    while high - low < len(given) - 1:
        below = given[low - 1] if low > 0 else -1.0
        above = given[high + 1] if high < len(given) - 1 else -1.0
        low, high, entered = (low - 1, high, low - 1) if below > above else (low, high + 1, high + 1)
        masses[entered] = min(mass, 1.0)
        mass += given[entered]
    return masses


def contiguous_set(probabilities: Sequence[float] | np.ndarray, thresholds: Sequence[float]) -> tuple[str, ...]:
    """Categories whose entry mass is within their threshold, those between them, and the likeliest one."""
    masses = entry_masses(probabilities)
    inside = np.flatnonzero((masses <= np.asarray(thresholds)) | (masses == 0))
    return CATEGORIES[inside[0] : inside[-1] + 1]


def load_calibration(bundle: "Bundle") -> Calibration | None:
    """Calibration of a bundle; None where it has none.

    Raises:
        ModelError: the file was changed, or does not fit this version.
    """
    if CALIBRATION_FILE not in bundle.files:
        return None
    return read_calibration(bundle.checked(CALIBRATION_FILE))


def read_calibration(path: Path) -> Calibration:
    """Read one calibration.json. Raises ModelError when it cannot be read or does not fit this version."""
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"{path} is no calibration that this version reads; install the model again.") from error


def calibration_schema() -> str:
    """Text of Resources/Schema/calibration-1.0.schema.json."""
    return published_schema(
        Calibration, f"calibration-{SCHEMA_VERSION}", f"BreastUSAssist calibration of a lesion reader, {SCHEMA_VERSION}"
    )


def _finite(log_odds: float) -> float:
    if not math.isfinite(log_odds):
        raise ModelError("The reader gave log-odds that are not a finite number; install the model again.")
    return log_odds
