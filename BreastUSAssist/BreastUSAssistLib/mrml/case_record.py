"""The record of one case in the scene: a text node with the drafts, the reading, and references to all that belongs.

The drafts never change. The reader's outlines are kept here too, beside the segmentation, so that a deleted or damaged
segmentation node costs nothing.
"""

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from ..errors import InputError
from .source import UltrasoundSource
from .subject_hierarchy import place_beside

if TYPE_CHECKING:
    from ..birads.analysis import Analysis
    from ..birads.lesion import Lesion
    from ..birads.reading import LesionReading, Reading
    from ..service.case_content import CaseContent

CASE = "BreastUSAssist.Case"
"""Attribute of a record's node; its value is the version of the text."""
WRITING = "BreastUSAssist.Writing"
"""Attribute of a record's node: numbers of the lesions that the segmentation does not show in all frames yet."""
SOURCE = "BreastUSAssist.Source"
SEGMENTATION = "BreastUSAssist.Segmentation"
SEGMENTATION_SEQUENCE = "BreastUSAssist.SegmentationSequence"
TABLE = "BreastUSAssist.Table"
"""Roles of the record's node references."""
_CACHED_FRAMES = 64


class CaseRecord:
    """What is known of one case. The node is made when there is first something to store.

    Text and memory are kept the same: text that another record of this case has written is read again.
    """

    def __init__(self, scene: Any, source: UltrasoundSource | None, content: "CaseContent", node: Any = None):
        self.scene = scene
        self.source = source
        self.node = node
        """vtkMRMLTextNode, or None as long as nothing was stored."""
        self._take(content)
        self._seen = node.GetMTime() if node is not None else 0
        self._text = node.GetText() if node is not None else ""

    @classmethod
    def find(cls, scene: Any, source: UltrasoundSource) -> "CaseRecord | None":
        """The record of a source, or None. Of copies the first in the scene that can be read counts.

        Raises:
            InputError: its text is damaged or of a newer version, or it is of images of another size.
        """
        error: InputError | None = None
        for node in record_nodes(scene):
            if not _is_of(node, source):
                continue
            try:
                record = cls.read(scene, node, source)
            except InputError as damaged:
                error = error or damaged
                continue
            return record
        if error is not None:
            raise error
        return None

    @classmethod
    def read(cls, scene: Any, node: Any, source: UltrasoundSource | None = None) -> "CaseRecord":
        """The record that a node holds.

        Raises:
            InputError: as for `find`.
        """
        from ..service.case_content import read_case

        content = read_case(node.GetText() or "")
        if source is not None:
            _check_size(content, source)
        return cls(scene, source, content, node)

    @classmethod
    def create(cls, scene: Any, source: UltrasoundSource) -> "CaseRecord":
        """A record of a case without runs. Its node is made by the first change."""
        from ..birads.reading import Reading
        from ..service.case_content import CaseContent

        content = CaseContent(
            uid=f"2.25.{uuid.uuid4().int}",
            kind=source.kind,
            frame_count=source.frame_count,
            rows=source.rows,
            columns=source.columns,
            reading=Reading(case=source.name),
        )
        return cls(scene, source, content)

    @property
    def content(self) -> "CaseContent":
        """All that is stored, which never changes: what comes later is another one."""
        self._follow()
        return self._content

    def set_content(self, content: "CaseContent") -> None:
        """Store all of it instead of what is there, under the UID that the case has."""
        self._follow()
        self._unpacked.clear()
        self._store(content.model_copy(update={"uid": self._content.uid}))

    def check_content(self, content: "CaseContent") -> None:
        """Raises InputError: it is of images of another size."""
        if self.source is not None:
            _check_size(content, self.source)

    @property
    def runs(self) -> "tuple[Analysis, ...]":
        """The drafts in the order of the runs, with the frame numbers of the case."""
        self._follow()
        return tuple(run.analysis for run in self._content.runs)

    @property
    def reading(self) -> "Reading":
        """What the reader changed and decided."""
        self._follow()
        return self._content.reading

    def set_reading(self, reading: "Reading") -> None:
        """Store a reading."""
        self._follow()
        self._store(self._content.model_copy(update={"reading": reading}))

    def set_reading_and_masks(self, reading: "Reading", masks: dict[tuple[int, int], np.ndarray | None]) -> None:
        """Store a reading and outlines (by number and frame from 0; None forgets one) as one change.

        Each mask is bool (rows, columns) and the reader's; where there is none, the draft's counts.
        """
        from ..service.case_content import StoredMask
        from ..service.label_packing import pack_labels

        self._follow()
        kept = {key: one for key, one in self._masks.items() if key not in masks}
        for (number, frame), mask in masks.items():
            if mask is not None:
                kept[number, frame] = StoredMask(number=number, frame=frame + 1, pixels=pack_labels(mask))
        listed = tuple(kept[key] for key in sorted(kept))
        self._store(self._content.model_copy(update={"reading": reading, "masks": listed}))

    def add_run(
        self,
        analysis: "Analysis",
        labels: np.ndarray | Sequence[str],
        first_frame: int = 1,
        reading: "Reading | None" = None,
    ) -> int:
        """Store a run, and the reading that goes with it, as one change; gives the index of the run.

        Args:
            analysis: with the frame numbers of the case.
            labels: uint8 (frames, rows, columns), or the frames as label_packing.pack_labels packed them.
            first_frame: 1-based number of the first of them.
            reading: None leaves it as it is.

        Raises:
            InputError: the labels are of another size or do not fit into the case.
        """
        from ..service.case_content import StoredRun
        from ..service.label_packing import pack_labels

        self._follow()
        if isinstance(labels, np.ndarray):
            self.check_labels(labels, first_frame)
            labels = [pack_labels(frame) for frame in labels]
        run = StoredRun(first_frame=first_frame, analysis=analysis, labels=tuple(labels))
        update = {"runs": (*self._content.runs, run), "reading": reading or self._content.reading}
        self._store(self._content.model_copy(update=update))
        return len(self._content.runs) - 1

    def check_labels(self, labels: np.ndarray, first_frame: int) -> None:
        """Whether label images fit the case.

        Raises:
            InputError: they do not.
        """
        content = self._content
        if labels.ndim != 3 or labels.dtype != np.uint8 or labels.shape[1:] != (content.rows, content.columns):
            text = _("The result has images of {columns} x {rows} pixels and the case has {own_columns} x {own_rows};")
            text += " " + _("analyze the chosen images again.")
            shape = labels.shape[-2:] if labels.ndim >= 2 else (0, 0)
            raise InputError(
                text.format(rows=shape[0], columns=shape[1], own_rows=content.rows, own_columns=content.columns)
            )
        if first_frame < 1 or not len(labels) or first_frame - 1 + len(labels) > content.frame_count:
            text = _("The result is of frames {first} to {last} and the case has {count}; analyze it again.")
            raise InputError(
                text.format(first=first_frame, last=first_frame + len(labels) - 1, count=content.frame_count)
            )

    def run_labels(self, run: int) -> np.ndarray:
        """Label images of a run in the whole case, uint8 (frames, rows, columns), by the run's own numbers."""
        labels = np.zeros((self._content.frame_count, *self.shape), np.uint8)
        first = self._content.runs[run].first_frame - 1
        for place in range(len(self._content.runs[run].labels)):
            labels[first + place] = self._labels(run, place)
        return labels

    def draft(self, number: int) -> "Lesion | None":
        """The AI's description of a lesion of the case; None where the reader added it."""
        lesion = self.lesion(number)
        if lesion.run is None or lesion.run >= len(self._content.runs):
            return None
        drafts = self._content.runs[lesion.run].analysis.lesions
        return next((one for one in drafts if one.tracking_uid == lesion.tracking_uid), None)

    def lesion(self, number: int) -> "LesionReading":
        """The reading of the lesion of a number.

        Raises:
            InputError: the case has none of that number.
        """
        found = next((one for one in self.reading.lesions if one.number == number), None)
        if found is None:
            raise InputError(
                _("There is no lesion {number} in this case; choose one of the table.").format(number=number)
            )
        return found

    def draft_mask(self, number: int, frame: int) -> np.ndarray:
        """The AI's outline of a lesion in a frame (from 0), bool (rows, columns); empty where it drew none.

        Raises:
            InputError: the case has no such lesion.
        """
        draft, run = self.draft(number), self.lesion(number).run
        if draft is None or run is None:
            return self._empty()
        place = frame + 1 - self._content.runs[run].first_frame
        if not 0 <= place < len(self._content.runs[run].labels):
            return self._empty()
        return self._labels(run, place) == draft.number

    def reader_mask(self, number: int, frame: int) -> np.ndarray | None:
        """The reader's outline of a lesion in a frame (from 0) where it is not the draft's; else None."""
        from ..service.label_packing import unpack_labels

        self._follow()
        stored = self._masks.get((number, frame))
        if stored is None:
            return None
        return unpack_labels(stored.pixels, self._content.rows, self._content.columns) > 0

    def mask(self, number: int, frame: int) -> np.ndarray:
        """The outline that counts: the reader's where there is one, else the draft's; bool (rows, columns)."""
        mine = self.reader_mask(number, frame)
        return self.draft_mask(number, frame) if mine is None else mine

    def masked_frames(self, number: int) -> tuple[int, ...]:
        """Frames (from 0) in which a lesion may have an outline: those of the draft and those the reader edited."""
        draft = self.draft(number)
        drafted = {one - 1 for one in draft.frames} if draft is not None else set()
        return tuple(sorted(drafted | {frame for one, frame in self._masks if one == number}))

    @property
    def being_drawn(self) -> tuple[int, ...]:
        """Numbers of the lesions that the segmentation does not show in all frames yet, for a scene saved just then."""
        text = self.node.GetAttribute(WRITING) if self._has_node() else None
        return tuple(int(part) for part in (text or "").split() if part.isdecimal())

    def set_being_drawn(self, numbers: Iterable[int]) -> None:
        """Say which lesions are being drawn; none when all is done."""
        if self._has_node():
            self.node.SetAttribute(WRITING, " ".join(map(str, numbers)) or None)

    def link(self, role: str, node: Any) -> None:
        """Refer to a node that belongs to the case; None ends it."""
        if self.node is None:
            self._store(self._content)
        self.node.SetNodeReferenceID(role, node.GetID() if node is not None else None)

    def linked(self, role: str) -> Any:
        """The node of a role that is in the scene, or None."""
        return self.node.GetNodeReference(role) if self._has_node() else None

    @property
    def frame_count(self) -> int:
        """Frames of the case."""
        return self._content.frame_count

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._content.rows, self._content.columns

    def _has_node(self) -> bool:
        return self.node is not None and self.node.GetScene() is not None

    def _empty(self) -> np.ndarray:
        return np.zeros((self._content.rows, self._content.columns), bool)

    def _labels(self, run: int, place: int) -> np.ndarray:
        from ..service.label_packing import unpack_labels

        key = (run, place)
        if key not in self._unpacked:
            content = self._content
            self._unpacked[key] = unpack_labels(content.runs[run].labels[place], content.rows, content.columns)
            if len(self._unpacked) > _CACHED_FRAMES:
                self._unpacked.popitem(last=False)
        return self._unpacked[key]

    def _take(self, content: "CaseContent") -> None:
        self._content = content
        self._masks = {(one.number, one.frame - 1): one for one in content.masks}
        self._unpacked: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._written: dict[int, tuple[Any, str]] = {}

    def _follow(self) -> None:
        """Read the node's text again where someone else has changed it: another view of this case, or a tie."""
        if self.node is None and self.source is not None:
            self.node = next((node for node in record_nodes(self.scene) if _is_of(node, self.source)), None)
        if not self._has_node() or self.node.GetMTime() == self._seen:
            return
        from ..service.case_content import read_case

        text = self.node.GetText()
        if text != self._text:
            self._take(read_case(text))
            self._text = text
        self._seen = self.node.GetMTime()

    def _store(self, content: "CaseContent") -> None:
        """Write the whole text; the runs, which do not change, are put into words once."""
        from ..service.case_content import as_json

        head = as_json(content.model_copy(update={"runs": (), "masks": ()}))
        written = {id(part): self._words(part) for part in (*content.runs, *content.masks)}
        runs = ",".join(written[id(run)][1] for run in content.runs)
        masks = ",".join(written[id(mask)][1] for mask in content.masks)
        text = head.replace('"runs":[],"masks":[]', f'"runs":[{runs}],"masks":[{masks}]', 1)
        self._content, self._written, self._text = content, written, text
        self._masks = {(one.number, one.frame - 1): one for one in content.masks}
        if not self._has_node():
            self.node = self._new_node()
        self.node.SetText(text)
        self._seen = self.node.GetMTime()

    def _words(self, part: Any) -> tuple[Any, str]:
        """A part and its text; the part is kept with it so that no other one can get its id."""
        from ..service.case_content import as_json

        return self._written.get(id(part)) or (part, as_json(part))

    def _new_node(self) -> Any:
        from ..service.case_content import SCHEMA_VERSION

        assert self.source is not None, "a record that was read has a node"
        node = self.scene.CreateNodeByClass("vtkMRMLTextNode")
        node.UnRegister(None)  # the scene hands over a reference that nobody else drops
        node.SetName(self.scene.GenerateUniqueName(_("{name} case").format(name=self.source.name)))
        node.SetAttribute(CASE, SCHEMA_VERSION)
        node.SetForceCreateStorageNode(node.CreateStorageNodeAlways)
        self.scene.AddNode(node)
        node.SetNodeReferenceID(SOURCE, (self.source.sequence or self.source.volume).GetID())
        if self.node is not None:  # somebody deleted it; what it referred to is still the case's
            for role in (SEGMENTATION, SEGMENTATION_SEQUENCE, TABLE):
                node.SetNodeReferenceID(role, self.node.GetNodeReferenceID(role))
        place_beside(self.scene, self.source, [node])
        return node


def record_nodes(scene: Any) -> Iterator[Any]:
    """The nodes of all records of a scene, in its order."""
    nodes = scene.GetNodesByClass("vtkMRMLTextNode")
    nodes.UnRegister(None)  # the scene hands over a reference that nobody else drops
    for index in range(nodes.GetNumberOfItems()):
        node = nodes.GetItemAsObject(index)
        if node.GetAttribute(CASE):
            yield node


def _is_of(node: Any, source: UltrasoundSource) -> bool:
    referred = node.GetNodeReference(SOURCE)
    return referred is not None and referred in (source.sequence, source.volume)


def _check_size(content: "CaseContent", source: UltrasoundSource) -> None:
    stored = (content.frame_count, content.rows, content.columns)
    if stored == (source.frame_count, source.rows, source.columns):
        return
    text = _("The stored case has {count} images of {columns} x {rows} pixels and the chosen source has others;")
    text += " " + _("choose the images that it was made from, or delete its record.")
    raise InputError(text.format(count=stored[0], rows=stored[1], columns=stored[2]))
