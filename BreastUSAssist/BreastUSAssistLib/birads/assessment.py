"""From descriptors and a probability to a suggested BI-RADS category with its reasons. A draft: a reader decides.

The band of the probability (2, 10, 50, 95 %) is the base. Descriptors can only raise it: any suspicious one rules out
category 3, and some sets of them have a floor. Without a probability the number of suspicious descriptors decides.
"""

from collections.abc import Sequence

from ..errors import UsageError
from .lesion import Assessment, Descriptor
from .lexicon import SUGGESTED, Lexicon

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
) -> Assessment:
    """Suggest 3, 4A, 4B, 4C or 5 with reasons in words; never 0, 1, 2 or 6, and None when a gate says stop.

    Args:
        descriptors: of one lesion; a missing attribute never counts as a benign one.
        probability_malignant: 0..1, or None where no model has answered.
        lexicon: edition whose bands, rules and words are used.
        calibrated: whether the probability was calibrated; said in the reasons.
        stop: messages of input gates that forbid an assessment.

    Raises:
        UsageError: the probability is not between 0 and 1.
    """
    if probability_malignant is not None and not 0 <= probability_malignant <= 1:
        raise UsageError(f"A probability of {probability_malignant} is not between 0 and 1; check the model's output.")
    if stop:
        reasons = ("It cannot be assessed from this frame.", *(_sentence(message) for message in stop))
        return _assessment(None, reasons, probability_malignant, lexicon, calibrated)
    terms = {descriptor.attribute: descriptor.term for descriptor in descriptors}
    alone, alone_reason = _by_descriptors(terms, lexicon)
    if probability_malignant is None:
        base, reasons_so_far = alone, [alone_reason, WITHOUT_MODEL]
    else:
        base = probability_band(probability_malignant, lexicon)
        reasons_so_far = [_band_reason(probability_malignant, base, lexicon, calibrated), ENRICHED]
    floor, floor_reason = _floor(terms, lexicon)
    category = max(base, floor, key=SUGGESTED.index)
    if category != base:
        reasons_so_far.append(f"Raised from {base} to {category}: {floor_reason}.")
    steps = abs(SUGGESTED.index(alone) - SUGGESTED.index(base))
    if steps >= lexicon.rules.disagreement_steps:
        reasons_so_far.append(
            f"Probability and descriptors disagree by {steps} steps ({base} against {alone}), so look at it with care."
        )
    if lexicon.holds(lexicon.rules.simple_cyst, terms):
        reasons_so_far.append("It has the features of a simple cyst, for which a reader may choose category 2.")
    return _assessment(category, tuple(reasons_so_far), probability_malignant, lexicon, calibrated)


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
    for digits in range(1, 12):
        shown = f"{100 * probability:.{digits}f}"
        if probability_band(float(shown) / 100, lexicon) == probability_band(probability, lexicon):
            return shown + " %"
    return f"{100 * probability} %"


def _sentence(message: str) -> str:
    message = message.strip()
    return message if message.endswith((".", "!", "?")) else message + "."


def _assessment(
    category: str | None, reasons: tuple[str, ...], probability: float | None, lexicon: Lexicon, calibrated: bool
) -> Assessment:
    entry = lexicon.categories[category] if category else None
    return Assessment(
        category=category,
        label=entry.label if entry else NOT_ASSESSED,
        likelihood=entry.likelihood if entry else None,
        management=entry.management if entry else None,
        probability_malignant=probability,
        probability_calibrated=calibrated and probability is not None,
        reasons=reasons,
        edition=lexicon.edition,
    )
