"""One case in the scene: the facade that the panel works with. Every change of the reader goes through it.

Frames are counted from 0 here, as in UltrasoundSource; lesions go by their number in the case.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from ..errors import InputError, UsageError
from .case_closing import weakly
from .case_outlines import CaseOutlines
from .case_reading import CaseChange, CaseReading, Later
from .case_record import CaseRecord
from .case_restoring import taking
from .case_runs import RunApplied, applying
from .case_segmentation import CaseSegmentation
from .case_ties import untied
from .edit_history import EditHistory
from .source import UltrasoundSource, source_of

if TYPE_CHECKING:
    from ..birads.analysis import Analysis
    from ..birads.reading import LesionReading, Place, Tool
    from ..service.case_content import CaseContent

__all__ = ["Case", "CaseChange", "open_case"]


def open_case(scene: Any, node: Any, *, later: Later | None = None) -> "Case":
    """The case of a volume, sequence, browser or proxy, with all that was stored of it.

    Args:
        scene: vtkMRMLScene.
        node: of the images.
        later: runs what it is given once the event loop is back; steps of one tool are one undo step then, and segments
            that the reader adds in Segment Editor become lesions at once. Without it the former are several steps, and
            the latter happens when the outlines are next asked for as a whole.

    Raises:
        InputError: the node is no ultrasound image, or its record is damaged, of a newer version or of other images.
    """
    source = source_of(scene, node)
    case = Case(scene, source, CaseRecord.find(scene, source) or CaseRecord.create(scene, source), later)
    case.catch_up()
    return case


class Case(CaseReading):
    """A source with its drafts, reading, segmentation and table. All methods raise InputError once it is closed."""

    def __init__(self, scene: Any, source: UltrasoundSource, record: CaseRecord, later: Later | None = None) -> None:
        self._applying = False
        self._tool: Tool | None = "segment_editor"
        self._later = later
        outlines = CaseOutlines(
            scene,
            source,
            record,
            later=later,
            on_edit=weakly(self._outline_edited),
            on_lesions=weakly(self._lesions_changed),
            on_foreign=weakly(self._segment_added),
        )
        super().__init__(scene, source, record, outlines)

    @property
    def segmentation(self) -> CaseSegmentation:
        """The segmentation in the scene; made, with all that is stored, where there is none."""
        self._check_open()
        return self._outlines.segmentation

    @property
    def has_segmentation(self) -> bool:
        """Whether the segmentation was made and is still in the scene."""
        return not self.closed and self._outlines.found is not None

    def show_outlines(self, shown: bool) -> None:
        """Show or hide the segmentation in all views; nothing where there is none yet."""
        if self.has_segmentation:
            self.segmentation.node.SetDisplayVisibility(shown)

    @property
    def history(self) -> EditHistory:
        """Edits of outlines, for undo and redo."""
        self._check_open()
        return self._outlines.history

    @property
    def tool(self) -> "Tool":
        """What edits that are noticed in the segmentation are drawn with from now on; one of OUTLINE_TOOLS."""
        return self._tool or "segment_editor"

    @tool.setter
    def tool(self, tool: "Tool") -> None:
        from ..birads.reading_changes import OUTLINE_TOOLS

        if tool not in OUTLINE_TOOLS:
            text = _("{tool} is no tool for outlines; use one of {tools}.")
            raise UsageError(text.format(tool=tool, tools=", ".join(OUTLINE_TOOLS)))
        self._check_open()
        self._outlines.settle()  # what was drawn before was drawn with the tool of then
        self._tool = tool

    def set_place(self, place: "Place") -> None:
        """Say where in the breast the case was scanned; the side is told in the segments' terminology too."""
        side = self.reading.place.side
        super().set_place(place)
        if place.side != side:
            self._outlines.set_side()

    def apply_run(
        self, analysis: "Analysis", labels: np.ndarray, first_frame: int = 1
    ) -> Generator[tuple[int, int], None, RunApplied]:
        """Take a run of the models into the case, a frame a step; returns what became of the lesions.

        Untouched drafts that lie in the analysed frames alone are replaced; drafts of a lesion that stays are left out.
        The case is whole whenever the steps stop: left half-way, the rest is done at once.

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
        self._check_not_applying()
        self._record.check_labels(labels, first_frame)
        return self._applying_run(analysis, labels, first_frame)

    def take(self, content: "CaseContent") -> Generator[tuple[int, int], None, None]:
        """Become what `content` says instead, a frame a step; left half-way, the rest is done at once.

        Undo begins anew.

        Args:
            content: such as `record.content` was earlier; see case_restoring for what the label folder kept.

        Yields:
            Steps done, and all steps.

        Raises:
            InputError: it is of images of another size, or a result of the AI is being put in.
        """
        self._check_open()
        self._check_not_applying()
        self.catch_up()
        self._record.check_content(content)
        self._applying = True
        try:
            told = CaseChange("run")
            yield from taking(self._record, self._outlines, content, lambda: self._after_change(told))
        finally:
            self._applying = False

    def add_lesion(self, number: int | None = None) -> "LesionReading":
        """Add a lesion that the AI did not draw, with an empty outline; can be undone.

        Raises:
            InputError: the number is taken or above the highest possible.
        """
        from ..birads.reading_changes import new_lesion

        lesion = new_lesion(self.reading, number)
        _made = self.segmentation
        self.history.settle()
        self._change_lesion(lesion)
        self._outlines.add([lesion], pause=False)
        return lesion

    def remove_lesion(self, number: int) -> None:
        """Say that this is no lesion; can be undone. Draft and outline are kept; a tie ends."""
        if not self.record.lesion(number).present:
            return
        if self._outlines.found is not None:
            self.history.settle()
            self._outlines.found.remove_lesion(number)
            self.history.settle()
        self._lesions_changed((), (number,))

    def put_back_lesion(self, number: int) -> None:
        """Take a removed lesion back with the outline that it had; can be undone."""
        lesion = self.record.lesion(number)
        if lesion.present:
            return
        _made = self.segmentation
        self.history.settle()
        self._outlines.add([lesion], pause=False)
        self._lesions_changed((number,), ())

    def set_mask(self, frame: int, number: int, mask: np.ndarray, tool: "Tool" = "segment_editor") -> None:
        """Replace the outline of a lesion in a frame, as one undo step.

        Args:
            frame: from 0.
            number: of a lesion that is present.
            mask: bool (rows, columns).
            tool: what it was drawn with, one of birads.reading_changes.OUTLINE_TOOLS.

        Raises:
            InputError: the lesion was removed, or the mask does not fit.
        """
        if not self.record.lesion(number).present:
            raise InputError(_("Lesion {number} was removed; put it back to correct it.").format(number=number))
        if not 0 <= frame < self.source.frame_count or np.shape(mask) != self._record.shape:
            raise InputError(_("The outline does not fit the images; choose the case again."))
        segmentation = self.segmentation
        self.history.settle()
        with self._using(tool):
            segmentation.set_mask(frame, number, mask)
            self.history.settle()
            self._outline_edited(frame, number)

    def mask(self, frame: int, number: int) -> np.ndarray:
        """The outline that counts of a lesion in a frame (from 0), bool (rows, columns); also of a removed one."""
        return self.record.mask(number, frame)

    def restore_draft(self, number: int, frame: int | None = None) -> None:
        """Go back to the AI's outline in a frame (from 0), or in all frames that were edited; one undo step.

        Raises:
            InputError: the reader added the lesion.
        """
        lesion = self.record.lesion(number)
        if lesion.run is None:
            text = _("Lesion {number} was added by the reader; there is no outline of the AI to go back to.")
            raise InputError(text.format(number=number))
        with self.history.grouped():
            for edited in [one - 1 for one in lesion.edited_frames] if frame is None else [frame]:
                self.set_mask(edited, number, self._record.draft_mask(number, edited), "restored")

    def undo(self) -> int | None:
        """Take back the last edit of an outline; the frame (from 0) it was in, or None where there is none."""
        self._check_not_applying()
        history = self.history
        history.settle()
        with self._using(None):
            return history.undo()

    def redo(self) -> int | None:
        """Make the edit again that was taken back last; its frame (from 0), or None."""
        self._check_not_applying()
        history = self.history
        history.settle()
        with self._using(None):
            return history.redo()

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

    def drafts(self) -> "tuple[tuple[Analysis, np.ndarray], ...]":
        """Every run with its label images uint8 (frames of the case, rows, columns), by the run's own numbers."""
        return tuple((run, self._record.run_labels(index)) for index, run in enumerate(self.runs))

    def effective_analysis(self, labels: np.ndarray | None = None) -> "Analysis":
        """The case as the reader left it, as one analysis; see birads.reading_view.effective_analysis.

        Args:
            labels: of `labels()`; None takes those.
        """
        from ..birads.reading_view import effective_analysis
        from .case_source import analysis_without_run

        labels = self.labels() if labels is None else labels
        empty = None if self.runs else analysis_without_run(self.source, self.lexicon)
        return effective_analysis(self.runs, self.reading, self.lexicon, labels=labels, empty=empty)

    def catch_up(self) -> None:
        """Take in what was done to the segmentation while the case was not open, or by a script."""
        self._check_open()
        found = self._outlines.found
        if found is None or self._applying:
            return
        self.history.settle()
        self._outlines.finish()
        there = set(found.numbers())
        listed = {one.number: one for one in self.reading.lesions}
        gone = tuple(number for number, one in listed.items() if one.present and number not in there)
        back = tuple(number for number in there if number not in listed or not listed[number].present)
        if gone or back:
            self._lesions_changed(back, gone)
        for frame, segment_id in self._outlines.foreign_segments():
            self._adopt(frame, segment_id)
        for number, frame in list(self._outlines.strangers()):
            self._outline_edited(frame, number)

    def _applying_run(
        self, analysis: "Analysis", labels: np.ndarray, first_frame: int
    ) -> Generator[tuple[int, int], None, RunApplied]:
        self._check_open()
        self._check_not_applying()
        self.catch_up()
        self._applying = True
        try:
            told = CaseChange("run")
            steps = applying(
                self._record, self._outlines, analysis, labels, first_frame, lambda: self._after_change(told)
            )
            return (yield from steps)
        finally:
            self._applying = False

    def _check_not_applying(self) -> None:
        if self._applying:
            raise InputError(_("A result of the AI is being put into the scene; wait until it is done."))

    @contextmanager
    def _using(self, tool: "Tool | None") -> Iterator[None]:
        """Edits that are noticed inside were made with a tool; None: by undo or redo, which are none."""
        before, self._tool = self._tool, tool
        try:
            yield
        finally:
            self._tool = before

    def _outline_edited(self, frame: int, number: int) -> None:
        """Take an edit of the segmentation into the record; an outline equal to the draft's is no edit."""
        from ..birads.reading_changes import outlined

        found = self._outlines.found
        lesion = next((one for one in self.reading.lesions if one.number == number and one.present), None)
        if found is None or lesion is None:
            return
        mask = found.mask(frame, number)
        if np.array_equal(mask, self._record.mask(number, frame)):
            return
        same = np.array_equal(mask, self._record.draft_mask(number, frame))
        reading = self.reading.with_lesion(outlined(lesion, frame + 1, same, self._tool))
        self._store(reading, {(number, frame): None if same else mask}, CaseChange("outline", number, frame))
        with self.history.paused():
            found.set_origin(number, self._outlines.origin(number, frame), frame)

    def _lesions_changed(self, added: tuple[int, ...], removed: tuple[int, ...]) -> None:
        """Segments came or went, by the reader, undo or redo: lesions are put back or removed."""
        from ..birads.reading_changes import new_lesion, put_back
        from ..birads.reading_changes import removed as without
        from ..birads.run_merging import MOST_LESIONS

        reading = self.reading
        listed = {one.number: one for one in reading.lesions}
        for number in removed:
            if number in listed and listed[number].present:
                self._store_tied(untied(self._record, listed[number].tracking_uid))
                self._change_lesion(without(self._record.lesion(number)))
        for number in added:
            if number in listed:
                if not listed[number].present:
                    self._change_lesion(put_back(listed[number]))
                    self._outlines.put_back(self._record.lesion(number))
            elif 1 <= number <= MOST_LESIONS:
                uid = self._outlines.tracking_uid(number)
                self._change_lesion(new_lesion(self.reading, number, uid, "segment_editor"))

    def _segment_added(self, frame: int, segment_id: str) -> None:
        """The reader added a segment in Segment Editor, which is still busy with it."""
        if self._later is not None:
            self._later(lambda: self._adopt(frame, segment_id))

    def _adopt(self, frame: int, segment_id: str) -> None:
        """Make a segment that is no lesion of ours the next lesion."""
        from ..birads.reading_changes import new_lesion

        found = None if self.closed else self._outlines.found
        if found is None or found.segmentation(frame).GetSegment(segment_id) is None:
            return
        lesion = new_lesion(self.reading, tool="segment_editor")
        self._store(self.reading.with_lesion(lesion), change=CaseChange("reading", lesion.number))
        with self.history.paused():
            found.adopt(frame, segment_id, lesion.number, lesion.tracking_uid)
        for index in range(self.source.frame_count) if self.source.kind == "volume" else [frame]:
            self._outline_edited(index, lesion.number)
