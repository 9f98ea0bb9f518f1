"""Lesions seen in two views: ties between lesions of one case or of two, found through their tracking UIDs."""

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ..errors import InputError
from .case_record import SOURCE, CaseRecord, record_nodes

if TYPE_CHECKING:
    from ..birads.lexicon import Lexicon
    from ..birads.reading import LesionReading, Reading
    from ..birads.reading_view import EffectiveLesion

Readings = list[tuple[CaseRecord, "Reading"]]
"""Records whose reading changes, each with the new one."""


def lexicon_of(record: CaseRecord) -> "Lexicon":
    """The edition of a case's last run, or the usual one."""
    from ..birads.lexicon import DEFAULT_EDITION, EDITIONS, load_lexicon

    editions = [run.lexicon for run in record.runs if run.lexicon in EDITIONS]
    return load_lexicon(editions[-1] if editions else DEFAULT_EDITION)


def effective_lesions_of(record: CaseRecord) -> "tuple[EffectiveLesion, ...]":
    """Lesions of a case as they stand, those that are tied to other cases judged together with them."""
    from ..birads.reading_view import effective_lesions

    lexicon = lexicon_of(record)
    views = [
        lesion
        for partner in partners_of(record)
        for lesion in effective_lesions(partner.runs, partner.reading, lexicon)
    ]
    return effective_lesions(record.runs, record.reading, lexicon, other_views=views)


def partners_of(record: CaseRecord) -> list[CaseRecord]:
    """Records of the other cases in the scene that lesions of this one are tied to."""
    reading = record.reading
    wanted = {one.tied_to for one in reading.lesions if one.tied_to and reading.lesion(one.tied_to) is None}
    found: list[CaseRecord] = []
    for uid in sorted(wanted):
        if not any(partner.reading.lesion(uid) for partner in found):
            holder = _holder(record, uid)
            found += [holder] if holder is not None else []
    return found


def other_cases(record: CaseRecord) -> list[CaseRecord]:
    """Records of all other cases in the scene that can be read; of copies the first."""
    found = []
    seen = [record.node.GetNodeReferenceID(SOURCE)] if record.node is not None else []
    for node in record_nodes(record.scene):
        source = node.GetNodeReferenceID(SOURCE)
        if node is record.node or source in seen:
            continue
        try:
            found.append(CaseRecord.read(record.scene, node))
        except InputError:
            # A damaged record is told of when its own case is opened; it has nothing to tie to.
            continue
        seen.append(source)
    return found


def tied_readings(record: CaseRecord, lesion: "LesionReading", other_uid: str) -> Readings:
    """The readings after a lesion of `record` was tied to the one of `other_uid`; earlier ties of both end.

    Raises:
        InputError: it is the same lesion, one of them was removed, or nothing in the scene has that tracking UID.
    """
    if lesion.tracking_uid == other_uid:
        raise InputError(_("A lesion cannot be tied to itself; choose the same lesion in the other view."))
    holder = record if record.reading.lesion(other_uid) is not None else _holder(record, other_uid)
    if holder is None:
        raise InputError(_("The lesion of the other view is not in this scene; load its images and analyze them."))
    other = holder.reading.lesion(other_uid)
    if other is None or not (other.present and lesion.present):
        raise InputError(_("A lesion that was removed cannot be tied; put it back first."))
    changed = _Changed()
    _untie(changed, record, lesion.tracking_uid)
    _untie(changed, holder, other_uid)
    changed.tie(record, lesion.tracking_uid, other_uid)
    changed.tie(holder, other_uid, lesion.tracking_uid)
    return changed.readings


def untied(record: CaseRecord, uid: str) -> Readings:
    """The readings after the tie of a lesion of `record` ended on both sides."""
    changed = _Changed()
    _untie(changed, record, uid)
    return changed.readings


class _Changed:
    """Readings as they become, by the node of their record."""

    def __init__(self) -> None:
        self.readings: Readings = []

    def reading(self, record: CaseRecord) -> "Reading":
        return next((new for one, new in self.readings if one.node is record.node), record.reading)

    def tie(self, record: CaseRecord, uid: str, other_uid: str | None) -> None:
        reading = self.reading(record)
        lesion = reading.lesion(uid)
        if lesion is None or lesion.tied_to == other_uid:
            return
        changed = reading.with_lesion(lesion.model_copy(update={"tied_to": other_uid}))
        self.readings = [(one, new) for one, new in self.readings if one.node is not record.node]
        self.readings.append((record, changed))


def _untie(changed: _Changed, record: CaseRecord, uid: str) -> None:
    lesion = changed.reading(record).lesion(uid)
    if lesion is None or lesion.tied_to is None:
        return
    holder = record if record.reading.lesion(lesion.tied_to) is not None else _holder(record, lesion.tied_to)
    other = changed.reading(holder).lesion(lesion.tied_to) if holder is not None else None
    if holder is not None and other is not None and other.tied_to == uid:
        changed.tie(holder, other.tracking_uid, None)
    changed.tie(record, uid, None)


def _holder(record: CaseRecord, uid: str) -> CaseRecord | None:
    """The record of another case that has a lesion of a tracking UID."""
    own = record.node.GetNodeReferenceID(SOURCE) if record.node is not None else None
    for node in record_nodes(record.scene):
        # Most records are ruled out by their text, which is much faster than to read them.
        if node is record.node or node.GetNodeReferenceID(SOURCE) == own or uid not in (node.GetText() or ""):
            continue
        try:
            found = CaseRecord.read(record.scene, node)
        except InputError:
            continue
        if found.reading.lesion(uid) is not None:
            return found
    return None
