"""One case in the scene: the facade that the panel works with. Every change of the reader goes through it.

Frames are counted from 0 here, as in UltrasoundSource; lesions go by their number in the case.
"""

import uuid
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ..errors import InputError
from .case_outlines import OUTLINE_TOOLS, CaseOutlines
from .case_record import TABLE, CaseRecord
from .case_runs import RunApplied, applying
from .case_segmentation import CaseSegmentation
from .case_ties import effective_lesions_of, partners_of, tied_readings, untied
from .edit_history import EditHistory
from .findings_table import update_table
from .source import UltrasoundSource, source_of
from .subject_hierarchy import place_beside

if TYPE_CHECKING:
    from ..birads.analysis import Analysis
    from ..birads.clinical import ClinicalParameters
    from ..birads.lesion import Lesion
    from ..birads.lexicon import Lexicon
    from ..birads.reading import Decision, LesionReading, Place, Reading
    from ..birads.reading_view import EffectiveLesion


@dataclass(frozen=True)
class CaseChange:
    """What changed in a case, told to `Case.on_change` once an action."""

    what: str
    """reading, outline, run or closed."""
    number: int | None = None
    frame: int | None = None
    """From 0."""


_RUN = CaseChange("run")


def open_case(scene: Any, node: Any) -> "Case":
    """The case of a volume, sequence, browser or proxy, with all that was stored of it.

    Raises:
        InputError: the node is no ultrasound image, or its record is damaged, of a newer version or of other images.
    """
    source = source_of(scene, node)
    case = Case(scene, source, CaseRecord.find(scene, source) or CaseRecord.create(scene, source))
    case.catch_up()
    return case


class Case:
    """A source with its drafts, reading, segmentation and table. All methods raise InputError once it is closed."""

    def __init__(self, scene: Any, source: UltrasoundSource, record: CaseRecord) -> None:
        self.scene = scene
        self.source = source
        self.on_change: list[Callable[[CaseChange], None]] = []
        """Called after every action, with what changed."""
        self._record = record
        self._closed = False
        self._applying = False
        self._tool = "segment_editor"
        me = weakref.WeakMethod(self._outline_edited)
        self._outlines = CaseOutlines(scene, source, record, lambda frame, number: _call(me, frame, number))
        self._observers = _observe_removal(scene, self)

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
        for tag in self._observers:
            self.scene.RemoveObserver(tag)
        self._observers = []
        self._outlines.close()
        self._tell("closed")

    @property
    def record(self) -> CaseRecord:
        """What is stored of the case."""
        self._check_open()
        return self._record

    @property
    def runs(self) -> "tuple[Analysis, ...]":
        """The drafts in the order of the runs."""
        return self.record.runs

    @property
    def reading(self) -> "Reading":
        """What the reader changed and decided."""
        return self.record.reading

    @property
    def lexicon(self) -> "Lexicon":
        """The edition of the last run, or the usual one."""
        from ..birads.lexicon import DEFAULT_EDITION, EDITIONS, load_lexicon

        editions = [run.lexicon for run in self.runs if run.lexicon in EDITIONS]
        return load_lexicon(editions[-1] if editions else DEFAULT_EDITION)

    @property
    def lesions(self) -> "tuple[EffectiveLesion, ...]":
        """Every lesion as it stands, also removed ones, in the order of their numbers."""
        return effective_lesions_of(self.record, self.lexicon)

    @property
    def segmentation(self) -> CaseSegmentation:
        """The segmentation in the scene; made where there is none."""
        self._check_open()
        return self._outlines.segmentation

    @property
    def has_segmentation(self) -> bool:
        """Whether the segmentation was made and is still in the scene."""
        return not self.closed and self._outlines.found is not None

    @property
    def history(self) -> EditHistory:
        """Edits of outlines, for undo and redo."""
        self._check_open()
        return self._outlines.history

    @property
    def table(self) -> Any:
        """The vtkMRMLTableNode of the findings; made where there is none."""
        node = self.record.linked(TABLE)
        if node is None:
            node = self.scene.AddNewNodeByClass(
                "vtkMRMLTableNode", self.scene.GenerateUniqueName(_("{name} findings").format(name=self.source.name))
            )
            self._record.link(TABLE, node)
            place_beside(self.scene, self.source, [node, self._record.node])
            update_table(node, self.lesions)
        return node

    def apply_run(
        self, analysis: "Analysis", labels: np.ndarray, first_frame: int = 1
    ) -> Generator[tuple[int, int], None, RunApplied]:
        """Take a run of the models into the case, a frame a step; returns what became of the lesions.

        Untouched drafts that lie in the analysed frames alone are replaced; drafts that are a lesion that stays are left
        out. The case is whole whenever the steps stop: left half-way, the rest is done at once.

        Args:
            analysis: its frame numbers are those of the case, or from 1 for its own frames.
            labels: uint8 (frames, rows, columns) of the analysed frames, values as the lesion numbers of the analysis.
            first_frame: 1-based number in the case of the first of them.

        Yields:
            Steps done, and all steps.

        Raises:
            InputError: the labels do not fit the case, a run is being taken in already, or it has too many lesions.
        """
        self._check_open()
        if self._applying:
            raise InputError(_("Another result is being put into the scene; wait until it is done."))
        self._record.check_labels(labels, first_frame)
        return self._applying_run(analysis, labels, first_frame)

    def _applying_run(
        self, analysis: "Analysis", labels: np.ndarray, first_frame: int
    ) -> Generator[tuple[int, int], None, RunApplied]:
        self._applying = True
        try:
            steps = applying(
                self._record, self._outlines, analysis, labels, first_frame, lambda: self._after_change(_RUN)
            )
            return (yield from steps)
        finally:
            self._applying = False

    def set_term(self, number: int, attribute: str, term: str) -> None:
        """Choose a term of the lexicon; the one that stands without the reader counts as not changed.

        Raises:
            InputError: no such lesion.
            UsageError: no such term.
        """
        lexicon, lesion = self.lexicon, self._lesion(number)
        lexicon.term(attribute, term)
        others = {key: value for key, value in lesion.descriptors.items() if key != attribute}
        own = {} if self._term_without_reader(lesion, others, attribute) == term else {attribute: term}
        self._change_lesion(lesion, descriptors={**others, **own})

    def put_back_term(self, number: int, attribute: str) -> None:
        """Let the AI's term stand again."""
        lesion = self._lesion(number)
        others = {key: value for key, value in lesion.descriptors.items() if key != attribute}
        self._change_lesion(lesion, descriptors=others)

    def set_category(self, number: int, category: str | None) -> None:
        """Give the reader's own category, one of READER_CATEGORIES; None takes it back."""
        from ..birads.reading import READER_CATEGORIES

        if category is not None and category not in READER_CATEGORIES:
            raise InputError(_("There is no category {category}; choose one of the list.").format(category=category))
        self._change_lesion(self._lesion(number), category=category)

    def set_note(self, number: int, note: str) -> None:
        """Write the reader's note of a lesion."""
        self._change_lesion(self._lesion(number), note=note)

    def set_revised(self, lesion: "Lesion") -> None:
        """Store the AI's description of the outline as the reader corrected it; the draft stays.

        An outline that is the draft's again needs none, so that a late answer is not taken.
        """
        own = self.reading.lesion(lesion.tracking_uid)
        if own is None:
            raise InputError(_("The described lesion is not in this case any more; nothing was changed."))
        if own.edited_frames or own.run is None:
            self._change_lesion(own, revised=lesion)

    def set_place(self, place: "Place") -> None:
        """Say where in the breast the case was scanned."""
        self._store(_validated(self.reading, place=place))

    def set_clinical(self, clinical: "ClinicalParameters | None") -> None:
        """Say what is known of the patient besides the images; None takes it back."""
        self._store(_validated(self.reading, clinical=clinical))

    def add_seconds(self, seconds: float) -> None:
        """Add to the time that the case was open before the reader; a decision stays."""
        reading = self.reading
        self._record.set_reading(_validated(reading, seconds_spent=reading.seconds_spent + max(seconds, 0.0)))

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
        if not reader.strip() and decision != "open":
            raise InputError(_("A decision needs a reader; type a name or initials."))
        if decision == "rejected" and not reason.strip():
            raise InputError(_("A rejection needs a reason; type a few words."))
        if now.tzinfo is None:
            raise InputError(_("The time of a decision needs a time zone."))
        self.catch_up()
        decided = None if decision == "open" else now.isoformat(timespec="seconds")
        kept = reason.strip() if decision == "rejected" else ""
        changed = _validated(self.reading, reader=reader.strip(), decision=decision, reason=kept, decided=decided)
        self._store(changed, reopen=False)

    def tie(self, number: int, other_uid: str) -> None:
        """Say that a lesion and another one, of this case or of another in the scene, are one lesion in two views.

        Ties are mutual and in pairs: an earlier tie of either ends.

        Raises:
            InputError: it is the same lesion, or there is no lesion of that tracking UID in the scene.
        """
        self._store_tied(tied_readings(self.record, self._lesion(number), other_uid))

    def untie(self, number: int) -> None:
        """End a tie, on both sides."""
        self._store_tied(untied(self.record, self._lesion(number).tracking_uid))

    def add_lesion(self, number: int | None = None) -> "LesionReading":
        """Add a lesion that the AI did not draw, with an empty outline.

        Raises:
            InputError: the number is taken or above the highest possible.
        """
        from ..birads.reading import LesionReading
        from ..birads.run_merging import MOST_LESIONS

        taken = {one.number for one in self.reading.lesions}
        number = max(taken, default=0) + 1 if number is None else number
        if number in taken:
            raise InputError(_("There is a lesion {number} already; choose another number.").format(number=number))
        if not 1 <= number <= MOST_LESIONS:
            text = _("Lesions are numbered from 1 to {most}; remove some, or take the images as a new case.")
            raise InputError(text.format(most=MOST_LESIONS))
        lesion = LesionReading(tracking_uid=f"2.25.{uuid.uuid4().int}", number=number, tools=("added",))
        _made = self.segmentation
        self._store(self.reading.with_lesion(lesion), change=CaseChange("reading", number))
        self._outlines.add([lesion])
        return lesion

    def remove_lesion(self, number: int) -> None:
        """Say that this is no lesion. Draft and outline are kept, so that it can be put back; a tie ends."""
        lesion = self._lesion(number)
        if not lesion.present:
            return
        self._outlines.remove([number])
        self.history.forget(number)
        self._store_tied(untied(self.record, lesion.tracking_uid))
        tools = (*lesion.tools, *(() if "removed" in lesion.tools else ("removed",)))
        self._change_lesion(self._lesion(number), present=False, tools=tools)

    def put_back_lesion(self, number: int) -> None:
        """Take a removed lesion back with the outline that it had."""
        lesion = self._lesion(number)
        if lesion.present:
            return
        tools = tuple(tool for tool in lesion.tools if tool != "removed")
        self._change_lesion(lesion, present=True, tools=tools)
        self._outlines.add([lesion])
        for _step in self._outlines.writing([number]):
            pass

    def set_mask(self, frame: int, number: int, mask: np.ndarray, tool: str = "segment_editor") -> None:
        """Replace the outline of a lesion in a frame, as one undo step.

        Args:
            frame: from 0.
            number: of a lesion that is present.
            mask: bool (rows, columns).
            tool: what it was drawn with, one of OUTLINE_TOOLS.
        """
        if not self._lesion(number).present:
            raise InputError(_("Lesion {number} was removed; put it back to correct it.").format(number=number))
        if tool not in OUTLINE_TOOLS:
            raise ValueError(f"unknown tool {tool}")
        if not 0 <= frame < self.source.frame_count or np.shape(mask) != self._record.shape:
            raise InputError(_("The outline does not fit the images; choose the case again."))
        self._tool = tool
        try:
            self.segmentation.set_mask(frame, number, mask)
            self._outline_edited(frame, number)
        finally:
            self._tool = "segment_editor"

    def mask(self, frame: int, number: int) -> np.ndarray:
        """The outline that counts of a lesion in a frame (from 0), bool (rows, columns); also of a removed one."""
        return self.record.mask(number, frame)

    def restore_draft(self, number: int, frame: int | None = None) -> None:
        """Go back to the AI's outline in a frame (from 0), or in all frames that were edited; can be undone.

        Raises:
            InputError: the reader added the lesion.
        """
        lesion = self._lesion(number)
        if lesion.run is None:
            text = _("Lesion {number} was added by the reader; there is no outline of the AI to go back to.")
            raise InputError(text.format(number=number))
        for edited in [one - 1 for one in lesion.edited_frames] if frame is None else [frame]:
            self.set_mask(edited, number, self._record.draft_mask(number, edited), "restored")

    def undo(self) -> int | None:
        """Take back the last edit of an outline; the frame (from 0) it was in, or None where there is none."""
        return self.history.undo()

    def redo(self) -> int | None:
        """Make the edit again that was taken back last; its frame (from 0), or None."""
        return self.history.redo()

    def labels(self) -> np.ndarray:
        """Label images uint8 (frames, rows, columns) of the lesions that are present; lower numbers lie on top."""
        self.catch_up()
        record = self.record
        labels = np.zeros((record.frame_count, *record.shape), np.uint8)
        for lesion in sorted(self.reading.lesions, key=lambda one: -one.number):
            if lesion.present:
                for frame in record.masked_frames(lesion.number):
                    labels[frame][record.mask(lesion.number, frame)] = lesion.number
        return labels

    def catch_up(self) -> None:
        """Take in edits of the segmentation that nobody told of: made while the case was not open, or by a script."""
        self._check_open()
        if self._outlines.found is None:
            return
        for number, frame in list(self._outlines.strangers()):
            self._outline_edited(frame, number)

    def _lesion(self, number: int) -> "LesionReading":
        return self.record.lesion(number)

    def _term_without_reader(self, lesion: "LesionReading", others: dict[str, str], attribute: str) -> str | None:
        from ..birads.reading_view import with_terms

        draft = self._record.draft(lesion.number)
        described = lesion.revised or draft
        if described is None:
            return None
        found = with_terms(described, others, self.lexicon, draft).descriptors
        return next((one.term for one in found if one.attribute == attribute), None)

    def _outline_edited(self, frame: int, number: int) -> None:
        """Take an edit of the segmentation into the record; an outline equal to the draft's is no edit."""
        found = self._outlines.found
        lesion = next((one for one in self.reading.lesions if one.number == number and one.present), None)
        if found is None or lesion is None:
            return
        mask = found.mask(frame, number)
        if np.array_equal(mask, self._record.mask(number, frame)):
            return
        same = np.array_equal(mask, self._record.draft_mask(number, frame))
        frames = set(lesion.edited_frames) - {frame + 1} | (set() if same else {frame + 1})
        tools = lesion.tools if self._tool in lesion.tools else (*lesion.tools, self._tool)
        revised = lesion.revised
        if not frames and lesion.run is not None:
            tools, revised = tuple(tool for tool in tools if tool not in OUTLINE_TOOLS), None
        changed = _validated(lesion, edited_frames=tuple(sorted(frames)), tools=tools, revised=revised)
        reading = self.reading.with_lesion(changed)
        self._store(reading, {(number, frame): None if same else mask}, CaseChange("outline", number, frame))
        with self.history.paused():
            found.set_origin(number, self._outlines.origin(number, frame), frame)

    def _change_lesion(self, lesion: "LesionReading", **changes: Any) -> None:
        changed = _validated(lesion, **changes)
        if changed != lesion:
            self._store(self.reading.with_lesion(changed), change=CaseChange("reading", lesion.number))

    def _store_tied(self, readings: "list[tuple[CaseRecord, Reading]]") -> None:
        for record, reading in readings:
            if record.node is self._record.node:
                self._store(reading)
            else:
                record.set_reading(_reopened(reading))
                self._refresh(record)

    def _store(
        self,
        reading: "Reading",
        masks: dict[tuple[int, int], np.ndarray | None] | None = None,
        change: CaseChange | None = None,
        *,
        reopen: bool = True,
    ) -> None:
        """Store a reading (and outlines), bring the tables in step, tell."""
        if reading == self.reading and not masks:
            return
        reading = _reopened(reading) if reopen else reading
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
        self._tell(change.what, change.number, change.frame)

    def _refresh(self, record: CaseRecord) -> None:
        table = record.linked(TABLE)
        if table is not None:
            update_table(table, effective_lesions_of(record, self.lexicon))

    def _tell(self, what: str, number: int | None = None, frame: int | None = None) -> None:
        for listener in list(self.on_change):
            listener(CaseChange(what, number, frame))

    def _check_open(self) -> None:
        if self.closed:
            raise InputError(_("This case was closed with its images; choose the images again."))


def _reopened(reading: "Reading") -> "Reading":
    """A reading that was changed after its decision: the decision does not cover the change, so it is open again."""
    if reading.decision == "open":
        return reading
    return _validated(reading, decision="open", reason="", decided=None)


def _validated(model: Any, **changes: Any) -> Any:
    """A model with fields changed, checked.

    Raises:
        InputError: a text is too long or no Unicode, or a value is impossible.
    """
    from pydantic import ValidationError

    try:
        return type(model)(**{**dict(model), **changes})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "string_too_long":
            text = _("A text may have up to {most} characters; shorten it.")
            raise InputError(text.format(most=first.get("ctx", {}).get("max_length", 0))) from error
        if first["type"] == "string_unicode":
            raise InputError(_("The text holds characters that cannot be stored; type it again.")) from error
        raise InputError(_("This value cannot be stored; choose another one.")) from error


def _call(method: "weakref.WeakMethod[Callable[[int, int], None]]", frame: int, number: int) -> None:
    target = method()
    if target is not None:
        target(frame, number)


def _observe_removal(scene: Any, case: Case) -> list[int]:
    """Close a case with its scene or its images, without keeping it alive."""
    reference = weakref.ref(case)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def removed(_caller: Any, _event: str, node: Any) -> None:
        case = reference()
        if case is not None and node in (case.source.volume, case.source.sequence, case.source.browser):
            case.close()

    def closing(_caller: Any, _event: str) -> None:
        case = reference()
        if case is not None:
            case.close()

    return [
        scene.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, removed),
        scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, closing),
    ]
