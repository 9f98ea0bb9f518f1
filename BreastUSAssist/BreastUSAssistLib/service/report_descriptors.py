"""Table of a lesion's descriptors in a report, with the AI's terms beside those of a reader."""

from ..birads.lesion import Descriptor, Lesion
from .report_text import ORIGINS, percent, safe, term


def descriptor_table(lesion: Lesion, draft: Lesion | None = None) -> str:
    """Descriptors of a lesion as they stand.

    Args:
        lesion: with the reader's terms, where there are any.
        draft: as the AI first described it; None leaves its column out.
    """
    if not lesion.descriptors and (draft is None or not draft.descriptors):
        return '<p class="small">No descriptor was assigned.</p>'
    drafted = {one.attribute: one for one in draft.descriptors} if draft is not None else {}
    rows = "".join(_row(one, _draft_cell(one, drafted) if draft is not None else "") for one in lesion.descriptors)
    kept = {one.attribute for one in lesion.descriptors}
    rows += "".join(_gone(one) for key, one in drafted.items() if key not in kept)
    beside = '<th scope="col">AI draft</th>' if draft is not None else ""
    return (
        f'<div class="scroll"><table><caption>Descriptors of lesion {lesion.number}, each with its reason</caption>'
        '<thead><tr><th scope="col">Attribute</th><th scope="col">Term</th>'
        f'{beside}<th scope="col">Because</th><th scope="col">Origin</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(descriptor: Descriptor, beside: str) -> str:
    sure = "" if descriptor.confidence is None else f", confidence {percent(descriptor.confidence)}"
    kind = ' class="by-reader"' if beside and descriptor.origin == "reader" else ""
    return (
        f'<tr{kind}><th scope="row">{safe(term(descriptor.attribute))}</th>'
        f"<td><strong>{safe(descriptor.label)}</strong></td>{beside}"
        f"<td>{safe(descriptor.because)}</td><td>{ORIGINS[descriptor.origin]}{sure}</td></tr>"
    )


def _draft_cell(descriptor: Descriptor, drafted: dict[str, Descriptor]) -> str:
    before = drafted.get(descriptor.attribute)
    if before is None:
        return "<td>no term</td>"
    return "<td>the same</td>" if before.term == descriptor.term else f"<td>{safe(before.label)}</td>"


def _gone(before: Descriptor) -> str:
    """Row of a term of the draft for which there is none any more."""
    return (
        f'<tr><th scope="row">{safe(term(before.attribute))}</th><td>–</td><td>{safe(before.label)}</td>'
        "<td>–</td><td>no longer described</td></tr>"
    )
