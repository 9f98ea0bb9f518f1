"""A reader's terms in place of the AI's, and the category suggestion that follows from them."""

from collections.abc import Mapping, Sequence

from ..errors import UsageError
from .assessment import suggest_category
from .descriptors import describe_attribute
from .lesion import Assessment, Descriptor, Lesion
from .lexicon import Lexicon
from .risk import Risk

BECAUSE = "the reader's own term"


def terms_for(attribute: str, lexicon: Lexicon) -> tuple[tuple[str, str], ...]:
    """The terms that a reader may choose for an attribute, each with its words, in the order of the lexicon.

    Raises:
        UsageError: the edition does not have the attribute.
    """
    if attribute not in lexicon.attributes:
        raise UsageError(f"{attribute} is not in the lexicon {lexicon.edition}; use an attribute that its file lists.")
    return tuple((key, term.label) for key, term in lexicon.attributes[attribute].terms.items())


def with_terms(lesion: Lesion, terms: Mapping[str, str], lexicon: Lexicon, draft: Lesion | None = None) -> Lesion:
    """A lesion with the reader's terms in place of the AI's, and the category suggestion that follows from them.

    Terms that follow from others by the lexicon's rules follow from the reader's too (a round mass is not parallel). A
    reader's term that `lesion` holds and `terms` does not was put back: that of `draft` returns. Probability and gates
    stay. A term that the edition lacks is left out, and a reason says so.

    Args:
        lesion: draft or revised.
        terms: the reader's, by attribute; empty leaves an untouched lesion as it is.
        lexicon: edition to suggest in.
        draft: the AI's first description.
    """
    put_back = {d.attribute for d in lesion.descriptors if d.origin == "reader"} - set(terms)
    if not terms and not put_back:
        return lesion
    known = {key: term for key, term in terms.items() if _has(lexicon, key, term)}
    found = _ai_descriptors(lesion, draft, put_back)
    before = {one.attribute: one.term for one in lesion.descriptors}
    found.update({key: _chosen(key, term, lexicon) for key, term in known.items()})
    _let_follow(found, before, frozenset(known), lesion, lexicon)
    descriptors = tuple(one for key, one in found.items() if _has(lexicon, key, one.term))
    assessment = _suggested_again(lesion.assessment, descriptors, lexicon, terms)
    return lesion.model_copy(update={"descriptors": descriptors, "assessment": assessment})


def risk_of(assessment: Assessment) -> Risk | None:
    """The risk that an assessment was made with; None where no reader network gave one."""
    if assessment.image_probability is None:
        return None
    return Risk(
        image_probability=assessment.image_probability,
        calibrated=assessment.probability_calibrated,
        image_interval=assessment.image_interval,
        combined_probability=assessment.combined_probability,
        combined_interval=assessment.combined_interval,
        clinical=assessment.clinical,
        prevalence=assessment.prevalence,
        category_opinion=assessment.category_opinion,
    )


def stop_messages(assessment: Assessment) -> tuple[str, ...]:
    """Messages of the gates that forbade an assessment, from its reasons; none where a category was suggested."""
    if assessment.category is not None:
        return ()
    return assessment.reasons[1:] or assessment.reasons or (assessment.label,)


def _has(lexicon: Lexicon, attribute: str, term: str) -> bool:
    return attribute in lexicon.attributes and term in lexicon.attributes[attribute].terms


def _ai_descriptors(lesion: Lesion, draft: Lesion | None, put_back: set[str]) -> dict[str, Descriptor]:
    """Descriptors by attribute; those that the reader put back are the draft's again, or gone where it had none."""
    drafted = {one.attribute: one for one in draft.descriptors} if draft is not None else {}
    found = {}
    for descriptor in lesion.descriptors:
        key = descriptor.attribute
        if key not in put_back:
            found[key] = descriptor
        elif key in drafted:
            found[key] = drafted[key]
    return found


def _chosen(attribute: str, term: str, lexicon: Lexicon) -> Descriptor:
    entry = lexicon.term(attribute, term)
    return Descriptor(
        attribute=attribute, term=term, label=entry.label, code=entry.code, origin="reader", because=BECAUSE
    )


def _let_follow(
    found: dict[str, Descriptor],
    before: Mapping[str, str],
    chosen: frozenset[str],
    lesion: Lesion,
    lexicon: Lexicon,
) -> None:
    """Describe anew, in place, what follows or followed from a term that the reader changed or put back."""
    now = {key: one.term for key, one in found.items()}
    for rule in lexicon.rules.implications:
        if _holds(rule.when, now, lexicon) == _holds(rule.when, before, lexicon):
            continue
        for attribute in set(rule.then) - chosen:
            others = {key: one for key, one in found.items() if key != attribute}
            again = describe_attribute(attribute, lesion.measurements, lexicon, others)
            if again is not None:
                found[attribute] = again


def _holds(when: Mapping[str, Sequence[str]], terms: Mapping[str, str], lexicon: Lexicon) -> bool:
    return lexicon.holds(when, {key: term for key, term in terms.items() if _has(lexicon, key, term)})


def _suggested_again(
    assessment: Assessment, descriptors: Sequence[Descriptor], lexicon: Lexicon, terms: Mapping[str, str]
) -> Assessment:
    again = suggest_category(
        descriptors,
        assessment.probability_malignant,
        lexicon,
        assessment.probability_calibrated,
        stop_messages(assessment),
        risk_of(assessment),
    )
    if assessment.category is None:
        return again
    words = [
        f"{lexicon.attributes[one.attribute].label.lower()} {one.label.lower()}"
        for one in descriptors
        if one.origin == "reader"
    ]
    reasons = [f"The reader's own terms are used: {', '.join(words)}."] if words else []
    strange = sorted(key for key, term in terms.items() if not _has(lexicon, key, term))
    if strange:
        named = ", ".join(key.replace("_", " ") for key in strange)
        reasons.append(f"The reader's term for {named} is not in this edition of the lexicon and was left out.")
    return again.model_copy(update={"reasons": (*again.reasons, *reasons)})
