"""What the findings table says of a lesion that the AI has not described: what the reader alone made of it."""

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from .findings_cells import CHANGED, Cell, shortened

if TYPE_CHECKING:
    from ..birads.reading_view import EffectiveLesion
    from ..mrml.case import Case


def undescribed_cell(case: "Case", lesion: "EffectiveLesion", column: str) -> Cell:
    """What a cell says of a lesion without a description: a lesion of the reader's, or a case read without the AI."""
    if not _is_outlined(case, lesion):
        state, tip = _("not outlined yet"), _("Outline the lesion in section 4; it is then measured and described.")
    else:
        state = _("not described")
        tip = _("Without the AI nothing is measured; double-click a term, and choose your category below.")
    if column == "category":
        return _category(lesion, state, tip)
    if column not in lesion.changed:
        return Cell("–", tip)
    chosen = case.reading.lesion(lesion.tracking_uid)
    term = case.lexicon.attributes[column].terms.get(chosen.descriptors[column] if chosen is not None else "")
    return Cell(f"{CHANGED} {shortened(term.label) if term is not None else '–'}", _("You chose this."), True)


def _category(lesion: "EffectiveLesion", state: str, tip: str) -> Cell:
    if not lesion.present:
        return Cell(_("not a lesion"), tip)
    if lesion.category is None:
        return Cell(state, tip)
    own = _("{sign} you: {category}").format(sign=CHANGED, category=lesion.category)
    return Cell(f"{state}\n{own}", tip, True)


def _is_outlined(case: "Case", lesion: "EffectiveLesion") -> bool:
    return any(case.mask(frame, lesion.number).any() for frame in case.record.masked_frames(lesion.number))
