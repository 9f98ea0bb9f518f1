"""From descriptors and a probability to a suggested BI-RADS category with its reasons. A draft: a reader decides.

The band of the probability (2, 10, 50, 95 %) is the base. Descriptors can only raise it: any suspicious one rules out
category 3, and some sets of them have a floor. Without a probability the number of suspicious descriptors decides. What
category radiologists gave comparable lesions is told beside it and decides nothing.
"""

import math
from collections.abc import Sequence
from typing import Any

from ..errors import UsageError
from .lesion import Assessment, CategoryOpinion, Descriptor
from .lexicon import SUGGESTED, Lexicon
from .risk import Risk

NOT_ASSESSED = "Cannot be assessed"
ENRICHED = (
    "About a third of the lesions in public training sets are malignant, so the probability is too high where cancer is"
    " rarer."
)

# Fold 4 of BrEaST, truth outlines: 3 of the 20 lesions that descriptors alone put in category 3 were malignant.
WITHOUT_MODEL = "No model gave a probability, and automatic descriptors alone do not rule out cancer."


def suggest_category(
    descriptors: Sequence[Descriptor],
    probability_malignant: float | None,
    lexicon: Lexicon,
    calibrated: bool = False,
    stop: Sequence[str] = (),
    risk: Risk | None = None,
) -> Assessment:
    """Suggest 3, 4A, 4B, 4C or 5 with reasons in words; never 0, 1, 2 or 6, and None when a gate says stop.

    Args:
        descriptors: of one lesion; a missing attribute never counts as a benign one.
        probability_malignant: 0..1, or None where no model has answered.
        lexicon: edition whose bands, rules and words are used.
        calibrated: whether the probability was calibrated; said in the reasons.
        stop: messages of input gates that forbid an assessment.
        risk: of a reader network; then its probability counts and the two arguments above do not.

    Raises:
        UsageError: the probability is not between 0 and 1.
    """
    if risk is not None:
        probability_malignant, calibrated = risk.probability, risk.calibrated
    if probability_malignant is not None and not 0 <= probability_malignant <= 1:
        raise UsageError(f"A probability of {probability_malignant} is not between 0 and 1; check the model's output.")
    if stop:
        reasons = ("It cannot be assessed from this frame.", *(_sentence(message) for message in stop))
        return _assessment(None, reasons, probability_malignant, lexicon, calibrated, risk)
    terms = {descriptor.attribute: descriptor.term for descriptor in descriptors}
    alone, alone_reason = _by_descriptors(terms, lexicon)
    if probability_malignant is None:
        base, reasons_so_far = alone, [alone_reason, WITHOUT_MODEL]
    else:
        base = probability_band(probability_malignant, lexicon)
        reasons_so_far = [_band_reason(probability_malignant, base, lexicon, calibrated), *_risk_reasons(risk)]
    floor, floor_reason = _floor(terms, lexicon)
    category = max(base, floor, key=SUGGESTED.index)
    if category != base:
        reasons_so_far.append(f"Raised from {base} to {category}: {floor_reason}.")
    steps = abs(SUGGESTED.index(alone) - SUGGESTED.index(base))
    if steps >= lexicon.rules.disagreement_steps:
        reasons_so_far.append(
            f"Probability and descriptors disagree by {steps} steps ({base} against {alone}), so look at it with care."
        )
    if risk is not None and risk.category_opinion is not None:
        reasons_so_far.extend(_opinion_reasons(risk.category_opinion, category))
    if lexicon.holds(lexicon.rules.simple_cyst, terms):
        reasons_so_far.append("It has the features of a simple cyst, for which a reader may choose category 2.")
    return _assessment(category, tuple(reasons_so_far), probability_malignant, lexicon, calibrated, risk)


def probability_band(probability: float, lexicon: Lexicon) -> str:
    """Category whose likelihood range holds the probability; exactly 2 % is 3, exactly 10 % 4A, 50 % 4B, 95 % 5."""
    top = SUGGESTED[-1]
    lowest_of_top = lexicon.categories[top].above
    if lowest_of_top is not None and probability >= lowest_of_top:
        return top
    for key in SUGGESTED:
        up_to = lexicon.categories[key].up_to
        if up_to is not None and probability <= up_to:
            return key
    return top


def _suspicious(terms: dict[str, str], lexicon: Lexicon) -> list[str]:
    """Attributes with a suspicious term; an orientation that only follows from another term does not count twice."""
    implied = {
        attribute
        for rule in lexicon.rules.implications
        if lexicon.holds(rule.when, terms)
        for attribute, term in rule.then.items()
        if terms.get(attribute) == term
    }
    return [key for key, term in terms.items() if lexicon.term(key, term).suspicious and key not in implied]


def _by_descriptors(terms: dict[str, str], lexicon: Lexicon) -> tuple[str, str]:
    """Category by descriptors alone, and a sentence."""
    suspicious = _suspicious(terms, lexicon)
    named = _named(suspicious, terms, lexicon)
    if not suspicious and lexicon.holds(lexicon.rules.category_3_requires, terms):
        wanted = _named(list(lexicon.rules.category_3_requires), terms, lexicon)
        return "3", f"By descriptors alone: {wanted}, and nothing suspicious."
    category = "4A"
    for level in lexicon.rules.descriptor_levels:
        if len(suspicious) >= level.suspicious_at_least and lexicon.holds(level.when, terms):
            category = max(category, level.category, key=SUGGESTED.index)
    count = len(suspicious)
    words = f"{count} suspicious descriptor{'s' if count != 1 else ''} ({named})" if count else _lacking(terms, lexicon)
    return category, f"By descriptors alone: {words}."


def _floor(terms: dict[str, str], lexicon: Lexicon) -> tuple[str, str]:
    """Lowest category that the descriptors allow, and why."""
    floor, because = "3", ""
    suspicious = _suspicious(terms, lexicon)
    if suspicious:
        floor, because = "4A", f"{_named(suspicious, terms, lexicon)} rules out category 3"
    elif not lexicon.holds(lexicon.rules.category_3_requires, terms):
        floor, because = "4A", _lacking(terms, lexicon)
    for rule in lexicon.rules.at_least:
        if lexicon.holds(rule.when, terms) and SUGGESTED.index(rule.category) > SUGGESTED.index(floor):
            floor, because = rule.category, rule.because
    return floor, because


def _lacking(terms: dict[str, str], lexicon: Lexicon) -> str:
    lacking = [
        " or ".join(lexicon.term(attribute, term).label.lower() for term in wanted)
        for attribute, wanted in lexicon.rules.category_3_requires.items()
        if not lexicon.holds({attribute: wanted}, terms)
    ]
    return f"category 3 would need {' and '.join(lacking)}"


def _named(attributes: list[str], terms: dict[str, str], lexicon: Lexicon) -> str:
    return ", ".join(
        f"{lexicon.attributes[key].label.lower()} {lexicon.term(key, terms[key]).label.lower()}" for key in attributes
    )


def _band_reason(probability: float, category: str, lexicon: Lexicon, calibrated: bool) -> str:
    kind = "calibrated on public sets" if calibrated else "not calibrated"
    shown = _percent(probability, lexicon)
    return (
        f"The model's probability of malignancy, {shown} ({kind}), lies in the band of category {category}"
        f" ({lexicon.categories[category].likelihood})."
    )


def _percent(probability: float, lexicon: Lexicon) -> str:
    """In percent with one decimal, or as many more as keep it from being rounded into another category's band."""
    if probability < 0.0005:
        return about(probability)
    for digits in range(1, 12):
        shown = f"{100 * probability:.{digits}f}"
        if probability_band(float(shown) / 100, lexicon) == probability_band(probability, lexicon):
            return shown + " %"
    return f"{100 * probability} %"


def _sentence(message: str) -> str:
    message = message.strip()
    return message if message.endswith((".", "!", "?")) else message + "."


def _risk_reasons(risk: Risk | None) -> list[str]:
    """How the probability came about: clinical parameters, and the share of cancers that it counts on."""
    reasons = []
    if risk is not None and risk.combined_probability is not None:
        parts = " and ".join(f"{one.words} {effect(one.log_odds)}" for one in risk.clinical)
        reasons.append(
            f"The image alone gives {about(risk.image_probability)}, with the clinical parameters it is"
            f" {about(risk.combined_probability)}: {parts}."
        )
    if risk is None or risk.prevalence is None:
        return [*reasons, ENRICHED]
    site, training = entered(risk.prevalence.site), about(risk.prevalence.training)
    reasons.append(
        f"It counts on {site} of the lesions at this site being malignant, where {training} were in the training sets;"
        f" unshifted it is {about(risk.unshifted)}."
    )
    return reasons


def _opinion_reasons(opinion: CategoryOpinion, category: str) -> list[str]:
    if not opinion.likely or opinion.level is None:
        return []
    first, last = opinion.likely[0], opinion.likely[-1]
    given = f"category {first}" if first == last else f"categories {first} to {last}"
    times = f"{10 * opinion.level:.0f} times in ten"
    reasons = [f"Lesions that look like this were given {given} by the training sets' radiologists, about {times}."]
    # 2 is never suggested, so 3 is as near to it as a suggestion comes.
    if category not in opinion.likely and (last, category) != ("2", "3"):
        reasons.append(f"The suggestion, {category}, lies outside that range, so look at it with care.")
    return reasons


def effect(log_odds: float) -> str:
    """What a contribution to the log-odds does, in words."""
    factor = math.exp(abs(log_odds))
    if factor < 1.05:
        return "hardly changes the odds"
    return f"{'raises' if log_odds > 0 else 'lowers'} the odds {factor:.1f}-fold"


def entered(share: float) -> str:
    """A share in percent as the user entered it."""
    return f"{100 * share:.6g} %"


def about(probability: float) -> str:
    """A probability in whole percent, with decimals where it is small; never 0 or 100 %."""
    if probability < 0.001:
        return "under 0.1 %"
    if probability > 0.995:
        return "over 99 %"
    return f"{100 * probability:.{1 if probability < 0.0995 else 0}f} %"


def _assessment(
    category: str | None,
    reasons: tuple[str, ...],
    probability: float | None,
    lexicon: Lexicon,
    calibrated: bool,
    risk: Risk | None,
) -> Assessment:
    entry = lexicon.categories[category] if category else None
    steps: dict[str, Any] = (
        {}
        if risk is None
        else {
            "interval": risk.interval,
            "image_probability": risk.image_probability,
            "image_interval": risk.image_interval,
            "combined_probability": risk.combined_probability,
            "combined_interval": risk.combined_interval,
            "clinical": risk.clinical,
            "prevalence": risk.prevalence,
            "category_opinion": risk.category_opinion,
        }
    )
    return Assessment(
        category=category,
        label=entry.label if entry else NOT_ASSESSED,
        likelihood=entry.likelihood if entry else None,
        management=entry.management if entry else None,
        probability_malignant=probability,
        probability_calibrated=calibrated and probability is not None,
        reasons=reasons,
        edition=lexicon.edition,
        **steps,
    )
