"""Coded terms and categories of a report in the words of the lexicon."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from .dicom_lesions import not_told

if TYPE_CHECKING:
    from ..birads.lesion import Assessment, Code, Descriptor
    from ..birads.lexicon import Lexicon
    from ..dicom.report_model import DescriptorRead, FindingRead


def lexicon_for(findings: "Iterable[FindingRead]", usual: "Lexicon") -> "Lexicon":
    """The edition that knows most of the terms; the usual one where it knows as many."""
    from ..birads.lexicon import EDITIONS, load_lexicon

    told = [one for finding in findings for one in finding.descriptors]
    known = {edition: len(_found(told, load_lexicon(edition))) for edition in EDITIONS}
    best = max(known, key=lambda edition: (known[edition], edition == usual.edition))
    return load_lexicon(best)


def terms_by_reader(finding: "FindingRead", lexicon: "Lexicon") -> dict[str, str]:
    """Term by attribute, of those that the report says are the reader's."""
    return _found((one for one in finding.descriptors if one.by == "reader"), lexicon)


def descriptors_by_ai(finding: "FindingRead", lexicon: "Lexicon") -> "tuple[Descriptor, ...]":
    """The terms that are not the reader's; those that the lexicon does not know are left out."""
    from ..birads.lesion import Descriptor

    terms = _found((one for one in finding.descriptors if one.by != "reader"), lexicon)
    return tuple(
        Descriptor(
            attribute=attribute,
            term=term,
            label=lexicon.term(attribute, term).label,
            code=lexicon.term(attribute, term).code,
            origin="model",
            because=_("read from the DICOM report"),
        )
        for attribute, term in terms.items()
    )


def assessment_by_ai(finding: "FindingRead", lexicon: "Lexicon", category: str | None) -> "Assessment":
    """The AI's suggestion and probability as a report tells them."""
    from ..birads.lesion import Assessment
    from ..birads.lexicon import SUGGESTED

    known = lexicon.categories.get(category or "")
    if known is None or category not in SUGGESTED:
        return not_told(lexicon, finding.probability)
    return Assessment(
        category=category,
        label=known.label,
        likelihood=known.likelihood,
        management=known.management,
        probability_malignant=finding.probability,
        # An interval is told of calibrated probabilities alone.
        probability_calibrated=finding.interval is not None,
        interval=finding.interval,
        reasons=finding.remarks or (_("Read from the DICOM report."),),
        edition=lexicon.edition,
    )


def _found(told: "Iterable[DescriptorRead]", lexicon: "Lexicon") -> dict[str, str]:
    """Term by attribute of what the lexicon knows."""
    from ..dicom.codes import DESCRIPTOR_NAMES

    found: dict[str, str] = {}
    for one in told:
        for attribute, entry in lexicon.attributes.items():
            if _same(one.name, entry.concept) or _same(one.name, DESCRIPTOR_NAMES.get(attribute)):
                codes = {term: known.code for term, known in entry.terms.items()}
                term = _term(one.value, attribute, codes)
                if term is not None:
                    found[attribute] = term
    return found


def _term(value: "Code", attribute: str, codes: "Mapping[str, Code]") -> str | None:
    from ..dicom.codes import private_code

    for term, code in codes.items():
        if _same(value, code) or _same(value, private_code(f"{attribute}.{term}", term)):
            return term
    return None


def _same(one: "Code", other: "Code | None") -> bool:
    from ..dicom.report_tree import same_code

    return same_code(one, other)
