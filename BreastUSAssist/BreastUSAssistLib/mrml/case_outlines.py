"""Outlines of one case: the segmentation in the scene, kept in step with the record that holds drafts and edits.

The segmentation can be made again from the record at any time; an edit seen in the segmentation goes into the record.
"""

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import vtk
from slicer.i18n import tr as _

from ..errors import InputError
from .case_record import SEGMENTATION, SEGMENTATION_SEQUENCE, CaseRecord
from .case_segmentation import TRACKING_UID, CaseSegmentation, Origin, number_of, segment_id_of
from .edit_history import EditHistory
from .source import UltrasoundSource
from .subject_hierarchy import place_beside

if TYPE_CHECKING:
    from ..birads.reading import LesionReading
    from ..dicom.codes import Laterality


class CaseOutlines:
    """Masks by lesion and frame (from 0), in the scene and in the record."""

    def __init__(self, scene: Any, source: UltrasoundSource, record: CaseRecord, **observers: Any) -> None:
        """Take the segmentation of the case, if there is one; `observers` are those of EditHistory."""
        self._scene, self._source, self._record, self._observers = scene, source, record, observers
        self._segmentation: CaseSegmentation | None = None
        self._history: EditHistory | None = None
        self.closed = False

    @property
    def found(self) -> CaseSegmentation | None:
        """The segmentation while it is in the scene, also one that another view of the case made; not made here."""
        if self._segmentation is not None and not self._segmentation.in_scene:
            self.forget()
        if self._segmentation is None and not self.closed:
            found = CaseSegmentation.find(self._scene, self._source)
            if found is not None:
                self._take(found)
        return self._segmentation

    @property
    def segmentation(self) -> CaseSegmentation:
        """The segmentation; made, with all that the record knows, where there is none."""
        for _step in self.making():
            pass
        assert self._segmentation is not None
        return self._segmentation

    def making(self) -> Generator[tuple[int, int], None, None]:
        """Make the segmentation where there is none, with all that the record knows, a frame a step.

        Yields:
            Steps done, and all steps.

        Raises:
            InputError: the case is closed.
        """
        if self.closed:
            raise InputError(_("This case was closed with its images; choose the images again."))
        if self.found is not None:
            return
        steps = CaseSegmentation.creating(self._scene, self._source)
        while True:
            try:
                yield next(steps) + 1, self._source.frame_count
            except StopIteration as end:
                made = end.value
                break
        place_beside(self._scene, self._source, [made.node, made.sequence])
        self._take(made)
        present = [one for one in self._record.reading.lesions if one.present]
        self.add(present)
        yield from self.writing([one.number for one in present])

    @property
    def history(self) -> EditHistory:
        """What was edited, for undo and redo; begins anew with a new segmentation."""
        if self.found is None or self._history is None:
            _made = self.segmentation
        assert self._history is not None
        return self._history

    def settle(self) -> None:
        """Take in what was drawn and is still waiting for its tool to finish."""
        if self.found is not None:
            self.history.settle()

    def link(self) -> None:
        """Let the record's node refer to the segmentation."""
        found = self.found
        if found is not None and self._record.linked(SEGMENTATION) is not found.node:
            self._record.link(SEGMENTATION, found.node)
            self._record.link(SEGMENTATION_SEQUENCE, found.sequence)

    def add(self, lesions: "Iterable[LesionReading]", *, pause: bool = True) -> None:
        """Give lesions their empty segments; an undo step with `pause` off."""
        segmentation = self.segmentation
        history = self.history
        with history.paused() if pause else history.grouped():
            for lesion in lesions:
                origin: Origin = "automatic" if lesion.run is not None else "manual"
                segmentation.add_lesion(
                    lesion.number,
                    lesion.tracking_uid,
                    _("Lesion"),
                    origin,
                    algorithm=self._algorithm(lesion),
                    side=self._side,
                )

    def set_side(self) -> None:
        """Say in all segments which breast it is, as the reading says."""
        from ..dicom.slicer_segmentation import terminology_entry

        found = self.found
        if found is None:
            return
        with self.history.paused():
            for frame in [0] if self._source.kind == "volume" else range(self._source.frame_count):
                segmentation = found.segmentation(frame)
                for number in (one.number for one in self._record.reading.lesions if one.present):
                    segment = segmentation.GetSegment(segment_id_of(number))
                    if segment is not None:
                        segment.SetTerminology(terminology_entry(self._side))

    def remove(self, numbers: Iterable[int]) -> None:
        """Take the segments of lesions away; their outlines stay in the record."""
        found = self.found
        if found is None:
            return
        with self.history.paused():
            for number in numbers:
                found.remove_lesion(number)

    def writing(self, numbers: Iterable[int]) -> Generator[tuple[int, int], None, None]:
        """Write what the record knows of lesions into the segmentation, a frame (of a volume a lesion) a step.

        Yields:
            Steps done, and all steps.
        """
        numbers = list(numbers)
        if self._source.kind == "volume":
            for done, number in enumerate(numbers, start=1):
                self._write_volume(number)
                yield done, len(numbers)
            return
        wanted: dict[int, list[int]] = {}
        for number in numbers:
            for frame in self._record.masked_frames(number):
                wanted.setdefault(frame, []).append(number)
        for done, frame in enumerate(sorted(wanted), start=1):
            self._write_frame(frame, wanted[frame])
            yield done, len(wanted)

    def put_back(self, lesion: "LesionReading") -> None:
        """Give a lesion its segment again, with all that the record knows of it."""
        _made = self.segmentation
        with self.history.paused():
            self.add([lesion])
            for _step in self.writing([lesion.number]):
                pass

    def origin(self, number: int, frame: int) -> Origin:
        """Who drew a lesion in a frame, from the record."""
        lesion = self._record.lesion(number)
        if lesion.run is None and not {"click", "box", "scribble"} & set(lesion.tools):
            return "manual"
        # A volume has one segment a lesion for all its slices, a cine one a frame.
        edited = lesion.edited_frames if self._source.kind == "volume" else {frame + 1} & set(lesion.edited_frames)
        return "semiautomatic" if edited else "automatic"

    def finish(self) -> None:
        """Draw again what a saved scene did not hold: the rest of a run, or segments that were lost with their file.

        A segment that is missing in all frames was removed by the reader, as long as any other is left.
        """
        found = self.found
        if found is None:
            return
        waiting = set(self._record.being_drawn)
        there = set(found.numbers())
        listed = [one for one in self._record.reading.lesions if one.present]
        redrawn = [one for one in listed if one.number in waiting or not there]
        self.add(one for one in redrawn if one.number not in there)
        for _step in self.writing([one.number for one in redrawn]):
            pass
        if waiting:
            self._record.set_being_drawn(())
        if self._source.kind == "volume":
            return
        for frame in range(self._source.frame_count):
            here = set(found.segmentation(frame).GetSegmentIDs())
            lost = [one.number for one in listed if one.number in there and segment_id_of(one.number) not in here]
            if lost:
                self._write_frame(frame, lost)

    def strangers(self) -> Iterable[tuple[int, int]]:
        """Lesions and frames (from 0) in which the segmentation is not what the record knows, compared now."""
        found = self.found
        if found is None:
            return
        known = {one.number for one in self._record.reading.lesions if one.present}
        for number in sorted(known & set(found.numbers())):
            for frame in range(self._source.frame_count):
                if not np.array_equal(found.mask(frame, number), self._record.mask(number, frame)):
                    yield number, frame

    def foreign_segments(self) -> list[tuple[int, str]]:
        """Frame (from 0) and ID of the segments that are no lesion: the reader added them in Segment Editor."""
        found = self.found
        if found is None:
            return []
        frames = [0] if self._source.kind == "volume" else range(self._source.frame_count)
        return [
            (frame, segment_id)
            for frame in frames
            for segment_id in found.segmentation(frame).GetSegmentIDs()
            if number_of(segment_id) is None
        ]

    def tracking_uid(self, number: int) -> str:
        """Tracking UID that the segment of a lesion names; empty where it names none."""
        segment = self.found.metadata(number) if self.found is not None else None
        value = vtk.reference("")
        return str(value) if segment is not None and segment.GetTag(TRACKING_UID, value) else ""

    def forget(self) -> None:
        """Let go of the segmentation node; nothing of the scene changes."""
        if self._history is not None:
            self._history.close()
        self._segmentation = self._history = None

    def close(self) -> None:
        """Let go for good."""
        self.closed = True
        self.forget()

    @property
    def _side(self) -> "Laterality | None":
        sides: dict[str, Laterality] = {"left": "L", "right": "R"}
        return sides.get(self._record.reading.place.side)

    def _algorithm(self, lesion: "LesionReading") -> str:
        if lesion.run is None or lesion.run >= len(self._record.runs):
            return "BreastUSAssist"
        model = self._record.runs[lesion.run].model
        return f"{model.name} {model.version}"

    def _write_frame(self, frame: int, numbers: Iterable[int]) -> None:
        present = {one.number for one in self._record.reading.lesions if one.present}
        segmentation = self.segmentation
        with self.history.paused():
            for number in numbers:
                if number in present:  # the reader may have removed one while the frames are written
                    mask, origin = self._record.mask(number, frame), self.origin(number, frame)
                    segmentation.set_mask(frame, number, mask, origin)

    def _write_volume(self, number: int) -> None:
        frames = range(self._source.frame_count)
        labels = np.stack([self._record.mask(number, frame) for frame in frames]).astype(np.uint8)
        segmentation = self.segmentation
        if not self._record.lesion(number).present:
            return
        with self.history.paused():
            for _step in segmentation.write_frames(labels, {1: number}, origin=self.origin(number, 0)):
                pass

    def _take(self, segmentation: CaseSegmentation) -> None:
        self._segmentation = segmentation
        self._history = EditHistory(segmentation, **self._observers)
