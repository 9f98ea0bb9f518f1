"""Two views of one lesion, as a rule at right angles to each other, judged together.

The rules, all of them the project's own:
- Probability: the mean of the two on the log-odds. Both come from one network and one patient, so that they err
  together and no certainty is gained: the interval reaches from the lower of both lower ends to the higher of both
  upper ones.
- Terms: for each attribute the more suspicious of the two, since a mass that is irregular in one plane is irregular. A
  term that the reader chose stands above one of the AI. Where the views differ, both terms are shown.
- Size: the two horizontal extents and the larger of the two depths (a plane beside the centre shows less), and the
  ellipsoid of these diameters: pi/6 times their product, which is 4/3 pi times that of the half-axes. Only where both
  views are in mm.
- Category: suggested from all of that as for a single view; none where a view cannot be assessed.
"""

import math
from collections.abc import Sequence

from pydantic import Field

from ..model.calibration import logit, sigmoid
from .assessment import about, suggest_category
from .lesion import Assessment, Descriptor, Lesion, Record, SitePrevalence
from .lexicon import Lexicon
from .reader_terms import risk_of, stop_messages
from .risk import Interval, Risk


class TermDifference(Record):
    """An attribute for which the two views have different terms."""

    attribute: str
    labels: tuple[str, str]
    """Terms in words, in the order of `JointAssessment.numbers`."""
    chosen: str
    """Key of the term that counts."""
    by_reader: bool
    """Whether it counts because the reader chose it; else because it is the more suspicious one."""


class JointSize(Record):
    """Three diameters of a lesion seen in two planes, in mm."""

    longest_transverse_mm: float = Field(gt=0)
    """The larger horizontal extent of the two views."""
    antero_posterior_mm: float = Field(gt=0)
    """The larger vertical extent of the two views."""
    other_transverse_mm: float = Field(gt=0)
    """The horizontal extent of the other view."""
    volume_ml: float = Field(gt=0)
    """Of the ellipsoid of these diameters."""


class JointAssessment(Record):
    """What two tied views of one lesion say together. A draft: a named reader decides."""

    numbers: tuple[int, int]
    """Of the lesion in each view, in rising order."""
    tracking_uids: tuple[str, str]
    descriptors: tuple[Descriptor, ...]
    """One an attribute that either view has."""
    differing: tuple[TermDifference, ...] = ()
    size: JointSize | None = None
    """None where a view is not in mm."""
    assessment: Assessment
    sentences: tuple[str, ...]
    """What became of the two views, in words, for the reader."""


def judge_together(one: Lesion, other: Lesion, lexicon: Lexicon) -> JointAssessment:
    """Judge two views of one lesion together; the order of the views does not matter.

    Args:
        one: a view as the reader sees it, the reader's terms put in.
        other: the other view.
        lexicon: edition to suggest in; terms that it lacks do not count.
    """
    first, second = sorted((one, other), key=lambda lesion: (lesion.number, lesion.tracking_uid))
    names = _names(first, second)
    descriptors, differing = _merged(first, second, names, lexicon)
    size = _size(first, second)
    assessment, reason = _assessed(first, second, names, descriptors, lexicon)
    return JointAssessment(
        numbers=(first.number, second.number),
        tracking_uids=(first.tracking_uid, second.tracking_uid),
        descriptors=descriptors,
        differing=differing,
        size=size,
        assessment=assessment,
        sentences=(
            reason,
            *(_difference_words(one, names, lexicon) for one in differing),
            _size_words(size),
        ),
    )


def more_suspicious(attribute: str, terms: Sequence[str], lexicon: Lexicon) -> str:
    """The most suspicious of some terms of one attribute.

    In this order: a term that the lexicon calls suspicious; one that category 3 does not ask for; one that a simple
    cyst does not have; one with a category of its own below which nothing is suggested; the one listed last.
    """
    rules = lexicon.rules
    listed = list(lexicon.attributes[attribute].terms)

    def rank(term: str) -> tuple[bool, bool, bool, bool, int]:
        return (
            lexicon.term(attribute, term).suspicious,
            term not in rules.category_3_requires.get(attribute, ()),
            term not in rules.simple_cyst.get(attribute, ()),
            any(term in rule.when.get(attribute, ()) for rule in rules.at_least),
            listed.index(term),
        )

    return max(terms, key=rank)


def _names(first: Lesion, second: Lesion) -> tuple[str, str]:
    """How the views are called; two cases may both have a lesion 1."""
    if first.number == second.number:
        return f"lesion {first.number} of one image", f"lesion {second.number} of the other"
    return f"lesion {first.number}", f"lesion {second.number}"


def _merged(
    first: Lesion, second: Lesion, names: tuple[str, str], lexicon: Lexicon
) -> tuple[tuple[Descriptor, ...], tuple[TermDifference, ...]]:
    views = [
        {one.attribute: one for one in lesion.descriptors if one.term in _terms(one.attribute, lexicon)}
        for lesion in (first, second)
    ]
    merged, differing = [], []
    for attribute in dict.fromkeys([*views[0], *views[1]]):
        seen = [(view.get(attribute), name) for view, name in zip(views, names, strict=True)]
        both = [(descriptor, name) for descriptor, name in seen if descriptor is not None]
        by_reader = [pair for pair in both if pair[0].origin == "reader"]
        terms = [descriptor.term for descriptor, _ in by_reader or both]
        term = more_suspicious(attribute, terms, lexicon)
        chosen, name = next(pair for pair in by_reader or both if pair[0].term == term)
        if len(both) == 2 and both[0][0].term != both[1][0].term:
            differing.append(
                TermDifference(
                    attribute=attribute,
                    labels=(both[0][0].label, both[1][0].label),
                    chosen=term,
                    by_reader=len(by_reader) == 1,
                )
            )
            chosen = chosen.model_copy(update={"because": f"{chosen.because} ({name})"})
        elif len(both) == 1:
            chosen = chosen.model_copy(update={"because": f"{chosen.because} ({name} alone)"})
        merged.append(chosen)
    return tuple(merged), tuple(differing)


def _terms(attribute: str, lexicon: Lexicon) -> Sequence[str]:
    known = lexicon.attributes.get(attribute)
    return tuple(known.terms) if known is not None else ()


def _size(first: Lesion, second: Lesion) -> JointSize | None:
    across = [lesion.measurements.transverse.mm for lesion in (first, second)]
    down = [lesion.measurements.antero_posterior.mm for lesion in (first, second)]
    known_across = sorted(value for value in across if value)
    known_down = sorted(value for value in down if value)
    if len(known_across) < 2 or len(known_down) < 2:
        return None
    shorter, longer = known_across
    return JointSize(
        longest_transverse_mm=longer,
        antero_posterior_mm=known_down[-1],
        other_transverse_mm=shorter,
        volume_ml=math.pi / 6 * longer * known_down[-1] * shorter / 1000,
    )


def _assessed(
    first: Lesion, second: Lesion, names: tuple[str, str], descriptors: Sequence[Descriptor], lexicon: Lexicon
) -> tuple[Assessment, str]:
    """The suggestion on both views, and a sentence on where its probability comes from."""
    views = (first.assessment, second.assessment)
    stop = tuple(dict.fromkeys(message for view in views for message in stop_messages(view)))
    if stop:
        stopped = [name for name, view in zip(names, views, strict=True) if view.category is None]
        reason = f"{' and '.join(stopped).capitalize()} cannot be assessed, so neither can both views together."
        return suggest_category(descriptors, None, lexicon, stop=stop), reason
    given = [(view, name) for view, name in zip(views, names, strict=True) if view.probability_malignant is not None]
    if len(given) < 2:
        risk = risk_of(given[0][0]) if given else None
        probability = given[0][0].probability_malignant if given else None
        calibrated = bool(given) and given[0][0].probability_calibrated
        reason = f"Only {given[0][1]} has a probability." if given else "Neither view has a probability."
        if risk is not None:
            risk = Risk(**{**vars(risk), "category_opinion": None})
        assessment = suggest_category(descriptors, probability, lexicon, calibrated, risk=risk)
    else:
        values = [view.probability_malignant or 0.0 for view in views]
        reason = (
            f"The probability is the mean of {names[0]} ({about(values[0])}) and {names[1]} ({about(values[1])}) on the"
            " log-odds; its interval covers those of both."
        )
        assessment = _of_both(views, descriptors, lexicon)
        if _settings_differ(views):
            reason += " They were judged with different clinical parameters or another prevalence."
    return assessment.model_copy(update={"reasons": ("Judged from two views.", reason, *assessment.reasons)}), reason


def _of_both(views: tuple[Assessment, Assessment], descriptors: Sequence[Descriptor], lexicon: Lexicon) -> Assessment:
    calibrated = all(view.probability_calibrated for view in views)
    risk = _joint_risk(views, calibrated)
    if risk is not None:
        return suggest_category(descriptors, None, lexicon, risk=risk)
    probability = _mean(views[0].probability_malignant, views[1].probability_malignant)
    assessment = suggest_category(descriptors, probability, lexicon, calibrated)
    return assessment.model_copy(update={"interval": _hull(views[0].interval, views[1].interval)})


def _joint_risk(views: tuple[Assessment, Assessment], calibrated: bool) -> Risk | None:
    """Every step of the risk averaged; None where the views were not judged by the same steps."""
    one, other = (risk_of(view) for view in views)
    if one is None or other is None or _settings_differ(views):
        return None
    image = _mean(one.image_probability, other.image_probability)
    assert image is not None
    prevalence = None
    if one.prevalence is not None and other.prevalence is not None:
        shifted = _mean(one.prevalence.image_probability, other.prevalence.image_probability)
        prevalence = SitePrevalence(
            site=one.prevalence.site,
            training=one.prevalence.training,
            image_probability=shifted if shifted is not None else image,
            combined_probability=_mean(one.prevalence.combined_probability, other.prevalence.combined_probability),
        )
    return Risk(
        image_probability=image,
        calibrated=calibrated,
        image_interval=_hull(one.image_interval, other.image_interval),
        combined_probability=_mean(one.combined_probability, other.combined_probability),
        combined_interval=_hull(one.combined_interval, other.combined_interval),
        clinical=one.clinical,
        prevalence=prevalence,
    )


def _settings_differ(views: tuple[Assessment, Assessment]) -> bool:
    sites = {view.prevalence.site if view.prevalence else None for view in views}
    return len(sites) > 1 or views[0].clinical != views[1].clinical


def _mean(one: float | None, other: float | None) -> float | None:
    """On the log-odds; None where either is unknown."""
    if one is None or other is None:
        return None
    return sigmoid((logit(one) + logit(other)) / 2)


def _hull(one: Interval | None, other: Interval | None) -> Interval | None:
    if one is None or other is None:
        return None
    return min(one[0], other[0]), max(one[1], other[1])


def _difference_words(difference: TermDifference, names: tuple[str, str], lexicon: Lexicon) -> str:
    attribute = lexicon.attributes[difference.attribute].label
    chosen = lexicon.term(difference.attribute, difference.chosen).label.lower()
    why = "which the reader chose" if difference.by_reader else "the more suspicious one"
    first, second = (label.lower() for label in difference.labels)
    return f"{attribute}: {first} in {names[0]}, {second} in {names[1]}; {chosen} counts, {why}."


def _size_words(size: JointSize | None) -> str:
    if size is None:
        return "No size from both views, because a view has no millimetres."
    return (
        f"Size {size.longest_transverse_mm:.1f} × {size.antero_posterior_mm:.1f} × {size.other_transverse_mm:.1f} mm"
        f" (horizontal × depth × horizontal in the other view), as an ellipsoid {size.volume_ml:.2f} ml."
    )
