"""What is said of a case: drafts, the reader's terms, notes, ties and decision, stored and shown in the table.

Outlines are not here, see `case`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from ..errors import InputError
from .case_closing import close_with_scene
from .case_outlines import CaseOutlines
from .case_record import TABLE, CaseRecord
from .case_ties import effective_lesions_of, lexicon_of, partners_of, tied_readings, untied
from .findings_table import update_table
from .source import UltrasoundSource
from .subject_hierarchy import place_beside

if TYPE_CHECKING:
    from ..birads.analysis import Analysis, Gate
    from ..birads.clinical import ClinicalParameters
    from ..birads.lesion import Lesion
    from ..birads.lexicon import Lexicon
    from ..birads.reading import Decision, LesionReading, Place, Reading
    from ..birads.reading_view import EffectiveLesion
    from ..service.case_content import CaseContent

Masks = dict[tuple[int, int], np.ndarray | None]
"""Outlines, bool (rows, columns), by number of the lesion and frame from 0; None where the draft's counts."""
Later = Callable[[Callable[[], None]], None]
"""Runs what it is given once the event loop is back, such as `lambda f: qt.QTimer.singleShot(0, f)`."""


@dataclass(frozen=True)
class CaseChange:
    """What changed in a case, told to `on_change` once an action."""

    what: str
    """reading, outline, run or closed."""
    number: int | None = None
    """Of the lesion; None where it is not about one."""
    frame: int | None = None
    """From 0."""


class CaseReading:
    """A source with its record and table. All methods raise InputError once it is closed."""

    def __init__(self, scene: Any, source: UltrasoundSource, record: CaseRecord, outlines: CaseOutlines) -> None:
        self.scene = scene
        self.source = source
        self.on_change: list[Callable[[CaseChange], None]] = []
        """Called after every action, with what changed."""
        self._record = record
        self._outlines = outlines
        self._closed = False
        self._stop_watching = close_with_scene(self, outlines.close)

    @property
    def closed(self) -> bool:
        """Whether the scene was closed or the images were removed; nothing can be done with the case then."""
        if not self._closed and not self.source.in_scene:
            self.close()
        return self._closed

    def close(self) -> None:
        """Let go of the scene; what was stored stays there. Never raises."""
        if self._closed:
            return
        self._closed = True
        self._stop_watching()
        self._tell(CaseChange("closed"))

    @property
    def record(self) -> CaseRecord:
        """What is stored of the case."""
        self._check_open()
        return self._record

    @property
    def content(self) -> "CaseContent":
        """All that is stored of the case, which never changes; also once it is closed, as it was last."""
        return self._record.content

    @property
    def runs(self) -> "tuple[Analysis, ...]":
        """The drafts in the order of the runs, with the frame numbers of the case."""
        return self.record.runs

    @property
    def reading(self) -> "Reading":
        """What the reader changed and decided."""
        return self.record.reading

    @property
    def lexicon(self) -> "Lexicon":
        """The edition of the last run, or the usual one."""
        return lexicon_of(self.record)

    @property
    def lesions(self) -> "tuple[EffectiveLesion, ...]":
        """Every lesion as it stands, also removed ones, in the order of their numbers."""
        return effective_lesions_of(self.record)

    @property
    def table(self) -> Any:
        """The vtkMRMLTableNode of the findings; made where there is none."""
        node = self.record.linked(TABLE)
        if node is None:
            name = self.scene.GenerateUniqueName(_("{name} findings").format(name=self.source.name))
            node = self.scene.AddNewNodeByClass("vtkMRMLTableNode", name)
            self._record.link(TABLE, node)
            place_beside(self.scene, self.source, [node])
            update_table(node, self.lesions)
        return node

    def gates(self) -> "tuple[Gate, ...]":
        """Reasons not to trust frames, of each frame's latest run; empty before the first run."""
        from ..birads.reading_view import effective_analysis

        return effective_analysis(self.runs, self.reading, self.lexicon).gates if self.runs else ()

    def set_term(self, number: int, attribute: str, term: str) -> None:
        """Choose a term of the lexicon; the one that stands without the reader counts as not changed.

        Raises:
            InputError: no such lesion.
            UsageError: no such term.
        """
        self._set_term(number, attribute, term)

    def put_back_term(self, number: int, attribute: str) -> None:
        """Let the AI's term stand again."""
        self._set_term(number, attribute, None)

    def set_category(self, number: int, category: str | None) -> None:
        """Give the reader's own category, one of READER_CATEGORIES; None takes it back."""
        from ..birads.reading_changes import with_category

        self._change_lesion(with_category(self.record.lesion(number), category))

    def set_note(self, number: int, note: str) -> None:
        """Write the reader's note of a lesion."""
        from ..birads.reading_changes import changed

        self._change_lesion(changed(self.record.lesion(number), note=note))

    def set_revised(self, lesion: "Lesion") -> None:
        """Store the AI's description of the outline as the reader corrected it; the draft stays.

        An outline that is the draft's again needs none: a late answer is not taken then.

        Raises:
            InputError: the case does not have the lesion any more.
        """
        from ..birads.reading_changes import changed

        own = self.reading.lesion(lesion.tracking_uid)
        if own is None:
            raise InputError(_("The described lesion is not in this case any more; nothing was changed."))
        if own.edited_frames or own.run is None:
            self._change_lesion(changed(own, revised=lesion))

    def set_place(self, place: "Place") -> None:
        """Say where in the breast the case was scanned."""
        self._change_reading(place=place)

    def set_clinical(self, clinical: "ClinicalParameters | None") -> None:
        """Say what is known of the patient besides the images; None takes it back."""
        self._change_reading(clinical=clinical)

    def add_seconds(self, seconds: float) -> None:
        """Add to the time that the case was open before the reader. Nothing else changes and nobody is told."""
        from ..birads.reading_changes import changed

        # A case of which nothing is stored yet would get a record by being looked at.
        if self.record.node is not None:
            spent = self.reading.seconds_spent + max(seconds, 0.0)
            self._record.set_reading(changed(self.reading, seconds_spent=spent))

    def decide(self, reader: str, decision: "Decision", reason: str, now: datetime) -> None:
        """Accept or reject the case, or open it again. Any later change opens it again by itself.

        Args:
            reader: name or initials.
            decision: accepted, rejected or open.
            reason: why it was rejected; needed then.
            now: with time zone.

        Raises:
            InputError: the reader's name or the reason is missing.
        """
        self._store(self.decided(reader, decision, reason, now), reopen=False)

    def decided(self, reader: str, decision: "Decision", reason: str, now: datetime) -> "Reading":
        """The reading that `decide` would store; nothing is stored."""
        from ..birads.reading_changes import decided

        self.catch_up()
        return decided(self.reading, reader, decision, reason, now)

    def settle(self, reading: "Reading") -> None:
        """Store a reading that `decided` gave.

        Raises:
            InputError: the case was changed since.
        """
        from ..birads.reading_changes import changed, same_but_decision

        self.catch_up()
        if not same_but_decision(reading, self.reading):
            raise InputError(_("The case was changed while it was being kept; decide again."))
        self._store(changed(reading, seconds_spent=self.reading.seconds_spent), reopen=False)

    def reopen(self) -> None:
        """Take a decision back."""
        from ..birads.reading_changes import reopened

        self._store(reopened(self.reading), reopen=False)

    def tie(self, number: int, other_uid: str) -> None:
        """Say that a lesion and another one, of this case or of another in the scene, are one lesion in two views.

        Ties are mutual and in pairs: an earlier tie of either ends.

        Raises:
            InputError: it is the same lesion, one was removed, or nothing in the scene has that tracking UID.
        """
        self._store_tied(tied_readings(self.record, self.record.lesion(number), other_uid))

    def untie(self, number: int) -> None:
        """End a tie, on both sides."""
        self._store_tied(untied(self.record, self.record.lesion(number).tracking_uid))

    def catch_up(self) -> None:
        """Take in what was changed in the scene behind the case's back; there are outlines only in `Case`."""
        self._check_open()

    def _set_term(self, number: int, attribute: str, term: str | None) -> None:
        from ..birads.reading_changes import with_term

        lesion = self.record.lesion(number)
        self._change_lesion(with_term(lesion, attribute, term, self._record.draft(number), self.lexicon))

    def _change_reading(self, **fields: Any) -> None:
        from ..birads.reading_changes import changed

        self._store(changed(self.reading, **fields))

    def _change_lesion(self, lesion: "LesionReading") -> None:
        self._store(self.reading.with_lesion(lesion), change=CaseChange("reading", lesion.number))

    def _store_tied(self, readings: "list[tuple[CaseRecord, Reading]]") -> None:
        from ..birads.reading_changes import reopened

        own = [reading for record, reading in readings if record is self._record]
        for record, reading in readings:
            if record is not self._record:
                record.set_reading(reopened(reading))
                self._refresh(record)
        if own:
            self._store(own[0])

    def _store(
        self,
        reading: "Reading",
        masks: Masks | None = None,
        change: CaseChange | None = None,
        *,
        reopen: bool = True,
    ) -> None:
        """Store a reading (and outlines), bring the tables in step, tell."""
        from ..birads.reading_changes import reopened

        if reading == self.reading and not masks:
            return
        reading = reopened(reading) if reopen else reading
        if masks:
            self._record.set_reading_and_masks(reading, masks)
        else:
            self._record.set_reading(reading)
        self._after_change(change or CaseChange("reading"))

    def _after_change(self, change: CaseChange) -> None:
        self._outlines.link()
        update_table(self.table, self.lesions)
        for partner in partners_of(self._record):
            self._refresh(partner)
        self._tell(change)

    def _refresh(self, record: CaseRecord) -> None:
        table = record.linked(TABLE)
        if table is not None:
            update_table(table, effective_lesions_of(record))

    def _tell(self, change: CaseChange) -> None:
        for listener in list(self.on_change):
            listener(change)

    def _check_open(self) -> None:
        if self.closed:
            raise InputError(_("This case was closed with its images; choose the images again."))
