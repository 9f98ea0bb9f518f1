"""From a reader network's log-odds to probabilities: calibrated, with clinical parameters, at a site's prevalence."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from ..errors import UsageError
from ..model.calibration import Calibration, logit, shift_prior, sigmoid
from ..model.reader_outputs import CATEGORIES
from .clinical import ClinicalParameters
from .lesion import CategoryOpinion, Contribution, SitePrevalence

Interval = tuple[float, float]
_NORMAL_95 = 1.959964
_SUREST = 1e-4
"""An uncalibrated network is not taken to be surer than this."""


@dataclass(frozen=True)
class Risk:
    """How likely a lesion is malignant, step by step. Fields as in Assessment."""

    image_probability: float
    calibrated: bool = False
    image_interval: Interval | None = None
    combined_probability: float | None = None
    combined_interval: Interval | None = None
    clinical: tuple[Contribution, ...] = ()
    prevalence: SitePrevalence | None = None
    category_opinion: CategoryOpinion | None = None

    @property
    def unshifted(self) -> float:
        """Of image and clinical parameters, where they count, at the training sets' prevalence."""
        return self.image_probability if self.combined_probability is None else self.combined_probability

    @property
    def probability(self) -> float:
        """The one that a suggestion rests on."""
        if self.prevalence is None:
            return self.unshifted
        shifted = self.prevalence.combined_probability
        return self.prevalence.image_probability if shifted is None else shifted

    @property
    def interval(self) -> Interval | None:
        """95 % interval of `probability`."""
        interval = self.image_interval if self.combined_probability is None else self.combined_interval
        if interval is None or self.prevalence is None:
            return interval
        low, high = (shift_prior(end, self.prevalence.training, self.prevalence.site) for end in interval)
        return low, high


def judge(
    log_odds: float,
    categories: Mapping[str, float] | None = None,
    calibration: Calibration | None = None,
    *,
    clinical: ClinicalParameters | None = None,
    prevalence: float | None = None,
    spread: float = 0.0,
    outline_probability: float | None = None,
) -> Risk:
    """Probabilities of one lesion.

    Where the network that drew the outline has judged the lesion too, the image's log-odds are the mean of both: on
    automatic outlines they err apart, and the reader leans on an outline that may be off. Equal weights, none fitted.
    Clinical parameters add to the calibrated log-odds of the image; the prevalence shifts the prior after that. The
    interval of image and clinical parameters holds the image's and the standard error of the contributions, added in
    quadrature on the log-odds.

    Args:
        log_odds: raw, of malignant, from the reader network.
        categories: its probabilities of 2, 3, 4A, 4B, 4C and 5; none where it gives no category.
        calibration: of the network's bundle; None leaves the probability uncalibrated and the rest out.
        clinical: what is known of the patient.
        prevalence: share of malignant among the lesions at the site.
        spread: standard deviation of the log-odds between views or members of an ensemble.
        outline_probability: of malignant, by the network that drew the outline; None for an outline drawn by hand.

    Raises:
        UsageError: a prevalence without a calibration, or not above 0 and below 1.
        ModelError: the network's numbers are not usable.
    """
    opinion = category_opinion(categories, calibration) if categories else None
    if calibration is None:
        if prevalence is not None:
            raise UsageError("A site prevalence needs a model with a calibration; leave --prevalence out.")
        return Risk(sigmoid(log_odds), category_opinion=opinion)
    image = calibration.probability(log_odds)
    interval = calibration.interval(log_odds, spread)
    if outline_probability is not None:
        image, interval = _averaged(image, interval, outline_probability)
    values = clinical.values() if clinical is not None else {}
    added = calibration.clinical.contributions(values) if calibration.clinical is not None else {}
    combined, combined_interval = None, None
    if added and calibration.clinical is not None:
        middle = logit(image) + sum(added.values())
        combined = sigmoid(middle)
        combined_interval = _widened(image, interval, middle, calibration.clinical.standard_error(values))
    shifted = None
    if prevalence is not None:
        shifted = SitePrevalence(
            site=prevalence,
            training=calibration.training_prevalence,
            image_probability=calibration.with_prevalence(image, prevalence),
            combined_probability=None if combined is None else calibration.with_prevalence(combined, prevalence),
        )
    return Risk(
        image_probability=image,
        calibrated=True,
        image_interval=interval,
        combined_probability=combined,
        combined_interval=combined_interval,
        clinical=tuple(
            Contribution(parameter=name, words=clinical.words(name), log_odds=round(value, 4))
            for name, value in added.items()
            if clinical is not None
        ),
        prevalence=shifted,
        category_opinion=opinion,
    )


def category_opinion(probabilities: Mapping[str, float], calibration: Calibration | None = None) -> CategoryOpinion:
    """The ordered category as a quantity, its middle, and the conformal set where there is a calibration of it."""
    listed = [max(float(probabilities[category]), 0.0) for category in CATEGORIES]
    total = sum(listed) or 1.0
    shares = [share / total for share in listed]
    middle = next((c for c, sum_ in zip(CATEGORIES, accumulate(shares), strict=True) if sum_ >= 0.5), CATEGORIES[-1])
    sets = calibration.category_sets if calibration is not None else None
    return CategoryOpinion(
        probabilities={category: round(share, 4) for category, share in zip(CATEGORIES, shares, strict=True)},
        quantity=round(sum(place * share for place, share in enumerate(shares)), 3),
        likeliest=middle,
        likely=calibration.category_set(shares) if calibration is not None and sets is not None else (),
        level=sets.level if sets is not None else None,
    )


def _averaged(image: float, interval: Interval, other: float) -> tuple[float, Interval]:
    """Mean of two probabilities on the log-odds; the interval of the first moves with it."""
    middle = (logit(image) + logit(min(max(other, _SUREST), 1 - _SUREST))) / 2
    by = middle - logit(image)
    return sigmoid(middle), (sigmoid(logit(interval[0]) + by), sigmoid(logit(interval[1]) + by))


def _widened(image: float, interval: Interval, middle: float, error: float) -> Interval:
    """Interval around the log-odds `middle` with the half-widths of the image's and `error` in quadrature."""
    reach = _NORMAL_95 * error
    below = ((logit(image) - logit(interval[0])) ** 2 + reach**2) ** 0.5
    above = ((logit(interval[1]) - logit(image)) ** 2 + reach**2) ** 0.5
    return sigmoid(middle - below), sigmoid(middle + above)
