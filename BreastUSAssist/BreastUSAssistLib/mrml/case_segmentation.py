"""The segmentation of a case: an ordinary vtkMRMLSegmentationNode, in a cine one a frame that follows the sequence.

Every lesion has its segment "lesion-<number>" in every frame, empty where the lesion is not seen. A segment that were
missing could not be painted on: Segment Editor works on the segment that is selected, and when it is not in the frame
that comes it selects another, which would then take the strokes. With the same segments everywhere the selection,
colours and visibility hold from frame to frame.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..errors import UsageError
from .packed_mask import PackedMask, pack_mask
from .segment_masks import (
    Shape,
    is_empty,
    lattice_of,
    matrix_of,
    move_labelmaps,
    read_mask,
    read_part,
    set_reference_geometry,
    write_mask,
    write_slices,
)
from .segmentation_nodes import (
    add_segment,
    empty_node,
    empty_sequence,
    follow,
    number_of,
    segment_id_of,
    show_outlines,
)
from .source import UltrasoundSource

if TYPE_CHECKING:
    from ..dicom.codes import Laterality

Origin = Literal["automatic", "semiautomatic", "manual"]

SOURCE_ROLE = "BreastUSAssist.Source"
"""Reference from the segmentation, or the sequence of them, to the volume or sequence that it belongs to."""
ALGORITHM_TYPE = "DICOM.SegmentAlgorithmType"
ALGORITHM_NAME = "DICOM.SegmentAlgorithmName"
TRACKING_UID = "BreastUSAssist.TrackingUID"
NUMBER = "BreastUSAssist.Number"
_ALGORITHM = "BreastUSAssist"


class CaseSegmentation:
    """Masks of the lesions of a case, frame by frame, as the scene keeps them."""

    def __init__(self, scene: Any, source: UltrasoundSource, node: Any, sequence: Any = None) -> None:
        """Take what `create` or `find` found.

        Args:
            scene: vtkMRMLScene.
            source: the case.
            node: vtkMRMLSegmentationNode that views and Segment Editor show; for a cine the proxy of `sequence`.
            sequence: vtkMRMLSequenceNode of one segmentation node a frame; None for a still and a volume.
        """
        self._scene = scene
        self.source = source
        self.node = node
        self.sequence = sequence
        self.written: list[Callable[[int], None]] = []
        """Called with the frame after `set_mask` has written it."""
        self.writing = False
        """Whether `set_mask` is at it: Slicer takes several steps to write, and tells of each."""
        depth = source.frame_count if source.kind == "volume" else 1
        self._shape: Shape = (depth, source.rows, source.columns)

    @classmethod
    def create(cls, scene: Any, source: UltrasoundSource, name: str = "") -> "CaseSegmentation":
        """Add an empty segmentation for the case to the scene, see `creating`."""
        steps = cls.creating(scene, source, name)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                made: CaseSegmentation = end.value
                return made

    @classmethod
    def creating(cls, scene: Any, source: UltrasoundSource, name: str = "") -> Generator[int, None, "CaseSegmentation"]:
        """Add an empty segmentation for the case to the scene, one frame a step."""
        name = scene.GenerateUniqueName(name or _("{image} lesions").format(image=source.name))
        if source.kind != "cine":
            node = empty_node(source.volume, name)
            scene.AddNode(node)
            made = cls(scene, source, node)
        else:
            sequence = empty_sequence(source.browser.GetMasterSequenceNode(), name)
            for index in range(source.frame_count):
                sequence.SetDataNodeAtValue(empty_node(source.node(index), name), source.index_value(index))
                yield index
            scene.AddNode(sequence)
            made = cls(scene, source, follow(source.browser, sequence), sequence)
        made._mark()
        show_outlines(made.node)
        return made

    @classmethod
    def find(cls, scene: Any, source: UltrasoundSource) -> "CaseSegmentation | None":
        """The segmentation that was made for this case, also after the scene was saved and opened again; or None."""
        owner = source.sequence if source.kind == "cine" else source.volume
        kind = "vtkMRMLSequenceNode" if source.kind == "cine" else "vtkMRMLSegmentationNode"
        for index in range(scene.GetNumberOfNodesByClass(kind)):
            node = scene.GetNthNodeByClass(index, kind)
            if node.GetNodeReferenceID(SOURCE_ROLE) != owner.GetID():
                continue
            if source.kind != "cine":
                return cls(scene, source, node)
            return cls(scene, source, follow(source.browser, node), node)
        return None

    @property
    def in_scene(self) -> bool:
        """Whether the nodes are still in the scene."""
        nodes = [self.node, *([self.sequence] if self.sequence is not None else [])]
        return all(node is not None and node.GetScene() is not None for node in nodes)

    def numbers(self) -> tuple[int, ...]:
        """Numbers of all lesions that have a segment in any frame, ascending."""
        found = {
            number
            for segmentation in self._segmentations()
            for index in range(segmentation.GetNumberOfSegments())
            if (number := number_of(segmentation.GetNthSegmentID(index))) is not None
        }
        return tuple(sorted(found))

    def add_lesion(
        self,
        number: int,
        tracking_uid: str,
        name: str = "",
        origin: Origin = "automatic",
        *,
        algorithm: str = _ALGORITHM,
        side: "Laterality | None" = None,
    ) -> None:
        """Give a lesion its empty segment in every frame; where there is one already its mask stays.

        Args:
            number: of the lesion in the case, from 1.
            tracking_uid: of the lesion.
            name: what it is called; "Lesion <number>" where empty. The number is always in the name.
            origin: who draws it.
            algorithm: name of the network.
            side: of the breast, where known.
        """
        from ..dicom.codes import segment_color
        from ..dicom.slicer_segmentation import terminology_entry

        if number < 1:
            raise UsageError(_("A lesion's number starts from 1."))
        title = name if re.search(rf"\b{number}\b", name) else f"{name or _('Lesion')} {number}"
        color = [component / 255 for component in segment_color(number)]
        tags = {
            ALGORITHM_TYPE: origin.upper(),
            ALGORITHM_NAME: algorithm,
            TRACKING_UID: tracking_uid,
            NUMBER: str(number),
        }
        terminology = terminology_entry(side)
        for segmentation in self._segmentations():
            segment = segmentation.GetSegment(segment_id_of(number))
            if segment is None:
                segmentation.AddEmptySegment(segment_id_of(number), title, color)
                segment = segmentation.GetSegment(segment_id_of(number))
            segment.SetName(title)
            segment.SetColor(color)
            segment.SetNameAutoGenerated(False)
            segment.SetColorAutoGenerated(False)
            segment.SetTerminology(terminology)
            for key, value in tags.items():
                segment.SetTag(key, value)

    def remove_lesion(self, number: int) -> None:
        """Take a lesion's segment out of every frame."""
        for segmentation in self._segmentations():
            if segmentation.GetSegment(segment_id_of(number)) is not None:
                segmentation.RemoveSegment(segment_id_of(number))

    def mask(self, frame: int, number: int) -> np.ndarray:
        """Mask of a lesion in frame `frame` (from 0), bool, (rows, columns); all False where it is not outlined."""
        segmentation = self.segmentation(frame)
        lattice = self._lattice(segmentation, frame)
        if self.source.kind != "volume":
            return read_mask(segmentation, segment_id_of(number), self._shape, lattice)[0]
        mask = np.zeros(self._shape[1:], bool)
        part = read_part(segmentation, segment_id_of(number), self._shape, lattice)
        if part is not None:
            (planes, rows, columns), inside = part
            if planes.start <= frame < planes.stop:
                mask[rows, columns] = inside[frame - planes.start]
        return mask

    def set_mask(self, frame: int, number: int, mask: np.ndarray, origin: Origin | None = None) -> None:
        """Replace the mask of a lesion in frame `frame`; no other frame and no other lesion changes.

        Args:
            frame: from 0.
            number: of a lesion that was added.
            mask: (rows, columns), anything that is not 0 counts as inside.
            origin: who drew it, None leaves that as it is.

        Raises:
            UsageError: the mask has another size than the frame, or there is no such lesion.
        """
        mask = np.asarray(mask) != 0
        if mask.shape != self._shape[1:]:
            raise UsageError(_("The mask has another size than the frame."))
        segmentation = self.segmentation(frame)
        segment = segmentation.GetSegment(segment_id_of(number))
        if segment is None:
            segment = self._restored(segmentation, number)
        if origin is not None:
            segment.SetTag(ALGORITHM_TYPE, origin.upper())
        lattice = self._lattice(segmentation, frame)
        segment_id = segment_id_of(number)
        self.writing = True
        try:
            if self.source.kind == "volume":
                write_slices(self.node, segment_id, frame, mask[np.newaxis], self._shape, lattice)
            else:
                write_mask(self._node(frame), segment_id, mask[np.newaxis], lattice)
        finally:
            self.writing = False
        for tell in list(self.written):
            tell(frame)

    def write_frames(
        self,
        labels: np.ndarray,
        numbers: Mapping[int, int] | None = None,
        first_frame: int = 0,
        origin: Origin = "automatic",
    ) -> Iterator[int]:
        """Write label images, one frame a step (of a volume one lesion a step).

        Args:
            labels: integers, (frames, rows, columns); 0 background.
            numbers: lesion number by label; every label that occurs is its own number where None. Labels that are not
                named are left out; frames in which a named lesion has no pixel are emptied of it.
            first_frame: frame of the case that labels[0] belongs to.
            origin: who drew them.

        Yields:
            The frame (or the lesion's number) that was written.
        """
        if numbers is None:
            numbers = {int(label): int(label) for label in np.unique(labels) if label}
        if self.source.kind == "volume":
            for label, number in numbers.items():
                lattice = self._lattice(self.segmentation(0), 0)
                self.set_origin(number, origin)
                write_slices(self.node, segment_id_of(number), first_frame, labels == label, self._shape, lattice)
                yield number
            return
        for offset, image in enumerate(labels):
            for label, number in numbers.items():
                self.set_mask(first_frame + offset, number, image == label, origin)
            yield first_frame + offset

    def packed_masks(self, frame: int, number: int) -> Iterator[tuple[int, PackedMask]]:
        """Frame and mask of a lesion, packed, where it is not empty: of frame `frame`, or of all slices of a volume."""
        segmentation, segment_id = self.segmentation(frame), segment_id_of(number)
        if is_empty(segmentation, segment_id):
            return
        part = read_part(segmentation, segment_id, self._shape, self._lattice(segmentation, frame))
        if part is None:
            return
        (planes, rows, columns), inside = part
        for offset, mask in enumerate(inside):
            packed = pack_mask(mask, self._shape[1:], rows.start, columns.start)
            if packed is not None:
                yield planes.start + offset if self.source.kind == "volume" else frame, packed

    def metadata(self, number: int) -> Any:
        """The segment of a lesion without its mask (name, colour, tags), a copy; None where there is no such lesion."""
        for segmentation in self._segmentations():
            segment = segmentation.GetSegment(segment_id_of(number))
            if segment is not None:
                copy = slicer.vtkSegment()
                copy.DeepCopyMetadata(segment)
                return copy
        return None

    def put_back_lesion(self, number: int, metadata: Any) -> None:
        """Give a lesion that was removed its segment again in every frame, empty, as `metadata` described it."""
        for segmentation in self._segmentations():
            if segmentation.GetSegment(segment_id_of(number)) is None:
                add_segment(segmentation, number, metadata)

    def adopt(self, frame: int, segment_id: str, number: int, tracking_uid: str) -> None:
        """Make a segment that the reader added in Segment Editor the lesion `number`, with its mask in `frame`."""
        segmentation = self.segmentation(frame)
        if segmentation.GetSegment(segment_id) is None:
            raise UsageError(_("That segment is gone; add it again."))
        lattice = self._lattice(segmentation, frame)
        mask = read_mask(segmentation, segment_id, self._shape, lattice)
        self.add_lesion(number, tracking_uid, origin="manual")
        write_mask(self._node(frame), segment_id_of(number), mask, lattice)
        segmentation.RemoveSegment(segment_id)

    def origin(self, number: int, frame: int) -> Origin | None:
        """Who drew the lesion in a frame; None where it has no segment there."""
        import vtk

        segment = self.segmentation(frame).GetSegment(segment_id_of(number))
        value = vtk.reference("")
        if segment is None or not segment.GetTag(ALGORITHM_TYPE, value):
            return None
        text = str(value).lower()
        return text if text in ("automatic", "semiautomatic", "manual") else None  # type: ignore[return-value]

    def set_origin(self, number: int, origin: Origin, frame: int | None = None) -> None:
        """Say who drew the lesion, in one frame or (None) in all."""
        for segmentation in self._segmentations() if frame is None else [self.segmentation(frame)]:
            segment = segmentation.GetSegment(segment_id_of(number))
            if segment is not None:
                segment.SetTag(ALGORITHM_TYPE, origin.upper())

    def follow_geometry(self) -> None:
        """Lay all masks on the images as they now lie in space, by matrices alone."""
        for frame, segmentation in enumerate(self._segmentations()):
            new = matrix_of(self.source.node(frame))
            old = self._lattice(segmentation, frame)
            if not np.array_equal(old, new):
                move_labelmaps(segmentation, old, new)
            set_reference_geometry(segmentation, new, self._shape)
        self.node.SetAndObserveTransformNodeID(self.source.volume.GetTransformNodeID())
        self.node.Modified()

    def segmentation(self, frame: int) -> Any:
        """The vtkSegmentation of frame `frame`; for the frame shown it is the proxy's own."""
        return self._node(frame).GetSegmentation()

    def _node(self, frame: int) -> Any:
        if not 0 <= frame < self.source.frame_count:
            raise IndexError(f"frame {frame} of {self.source.frame_count}")
        if self.sequence is None:
            return self.node
        value = self.source.index_value(frame)
        node = self.sequence.GetDataNodeAtValue(value, True)
        if node is None:  # somebody took the item out of the sequence
            self.sequence.SetDataNodeAtValue(empty_node(self.source.node(frame), self.sequence.GetName()), value)
            node = self.sequence.GetDataNodeAtValue(value, True)
        return node

    def _segmentations(self) -> Iterator[Any]:
        if self.sequence is None:
            yield self.node.GetSegmentation()
            return
        for frame in range(self.source.frame_count):
            yield self.segmentation(frame)

    def _lattice(self, segmentation: Any, frame: int) -> np.ndarray:
        return lattice_of(segmentation, self.source.node(frame), self._shape)

    def _restored(self, segmentation: Any, number: int) -> Any:
        """The segment of a lesion in a frame that lost it, made anew after that of another frame."""
        metadata = self.metadata(number)
        if metadata is not None:
            return add_segment(segmentation, number, metadata)
        raise UsageError(_("There is no lesion {number}; add it first.").format(number=number))

    def _mark(self) -> None:
        owner = self.source.sequence if self.sequence is not None else self.source.volume
        (self.sequence or self.node).SetNodeReferenceID(SOURCE_ROLE, owner.GetID())
        self.node.SetNodeReferenceID(self.node.GetReferenceImageGeometryReferenceRole(), self.source.volume.GetID())
        self.node.SetAndObserveTransformNodeID(self.source.volume.GetTransformNodeID())
