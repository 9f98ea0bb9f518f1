"""Where the click effect works: one segment in one frame of an image, and its mask there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..errors import UsageError
from ..mrml.segment_masks import lattice_of, read_mask, read_part, vtk_matrix
from ..mrml.source import UltrasoundSource, source_of

ALGORITHM_TYPE = "DICOM.SegmentAlgorithmType"
ALGORITHM_NAME = "DICOM.SegmentAlgorithmName"
MOST_LABELS = 8
"""Other segments that are told to the process: it prepares fewer."""


@dataclass(frozen=True, eq=False)
class Target:
    """One segment in one frame."""

    source: UltrasoundSource
    segmentation: Any
    """vtkMRMLSegmentationNode."""
    segment_id: str
    frame: int
    """From 0; of a 3D volume its slice k."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.source.rows, self.source.columns

    @property
    def frame_id(self) -> tuple[str, int, int]:
        """Stands for the pixels of the frame: changes with them."""
        node = self.source.node(self.frame)
        image = node.GetImageData()
        return node.GetID() or self.source.volume.GetID(), self.frame, image.GetMTime() if image is not None else 0

    @property
    def segment(self) -> Any:
        """vtkSegment, or None where it is gone."""
        segmentation = self.segmentation.GetSegmentation()
        return segmentation.GetSegment(self.segment_id) if segmentation is not None else None

    def is_same(self, other: "Target | None") -> bool:
        """Whether both are the same segment in the same frame of the same image."""
        return (
            other is not None
            and self.source.volume is other.source.volume
            and self.segmentation is other.segmentation
            and self.segment_id == other.segment_id
            and self.frame == other.frame
        )

    def pixels(self) -> np.ndarray:
        """The frame as the network takes it: uint8 (rows, columns) or (rows, columns, 3). Raises InputError."""
        return np.ascontiguousarray(self.source.grey_range.to_uint8(self.source.pixels(self.frame)))

    def mask(self) -> np.ndarray:
        """The segment in this frame: bool (rows, columns)."""
        return self._mask_of(self.segment_id)

    def labels(self) -> np.ndarray:
        """All segments in this frame, this one as 1 and on top of the others: uint8 (rows, columns)."""
        labels = np.zeros(self.shape, np.uint8)
        others = [each for each in self.segmentation.GetSegmentation().GetSegmentIDs() if each != self.segment_id]
        for number, segment_id in enumerate(others[:MOST_LABELS], start=2):
            labels[self._mask_of(segment_id)] = number
        labels[self.mask()] = 1
        return labels

    def _mask_of(self, segment_id: str) -> np.ndarray:
        mask = np.zeros(self.shape, bool)
        part = read_part(self.segmentation.GetSegmentation(), segment_id, self._volume_shape, self._lattice)
        if part is not None:
            (planes, rows, columns), inside = part
            if planes.start <= self._plane < planes.stop:
                mask[rows, columns] = inside[self._plane - planes.start]
        return mask

    def write(self, mask: np.ndarray, scripted_effect: Any) -> None:
        """Make `mask`, bool (rows, columns), the segment in this frame: one undo state, other slices as they are.

        Goes through Segment Editor, so that its masking and overwriting hold, and its undo works.
        """
        whole = self._whole(mask)
        modifier = scripted_effect.defaultModifierLabelmap()
        if modifier is None:
            raise UsageError(_("Segment Editor has no geometry for this image; choose its source volume again."))
        if _lies_on(modifier, whole.shape, self._lattice):
            stored = vtk_to_numpy(modifier.GetPointData().GetScalars()).reshape(whole.shape)
            stored[whole] = 1
            modifier.GetPointData().GetScalars().Modified()
            modifier.Modified()
        else:
            modifier = _resampled(whole, self._lattice, modifier)
        scripted_effect.saveStateForUndo()
        self._mark_as_corrected()
        mode = slicer.qSlicerSegmentEditorAbstractEffect.ModificationModeSet
        scripted_effect.modifySelectedSegmentByLabelmap(modifier, mode)

    @property
    def _plane(self) -> int:
        return self.frame if self.source.kind == "volume" else 0

    @property
    def _volume_shape(self) -> tuple[int, int, int]:
        return self.source.frame_count if self.source.kind == "volume" else 1, *self.shape

    @property
    def _lattice(self) -> np.ndarray:
        return lattice_of(self.segmentation.GetSegmentation(), self.source.volume, self._volume_shape)

    def _whole(self, mask: np.ndarray) -> np.ndarray:
        """The segment in all slices with `mask` in this one: bool (slices, rows, columns).

        Of a volume all slices are handed on: Segment Editor empties those that a modification leaves out.
        """
        if self.source.kind != "volume":
            return mask[np.newaxis]
        segmentation = self.segmentation.GetSegmentation()
        whole = read_mask(segmentation, self.segment_id, self._volume_shape, self._lattice)
        whole[self.frame] = mask
        return whole

    def _mark_as_corrected(self) -> None:
        """What a reader and the AI made together is SEMIAUTOMATIC (Segment Algorithm Type, DICOM PS3.3 C.8.20)."""
        self.segment.SetTag(ALGORITHM_TYPE, "SEMIAUTOMATIC")
        if not self.segment.HasTag(ALGORITHM_NAME):
            self.segment.SetTag(ALGORITHM_NAME, "BreastUSAssist")


def find_target(scene: Any, parameters: Any, frame: int | None = None) -> Target:
    """The target that Segment Editor's node names.

    Args:
        scene: vtkMRMLScene.
        parameters: vtkMRMLSegmentEditorNode.
        frame: slice of a 3D volume, from 0; without it the one that the Red view shows.

    Raises:
        InputError: the source volume is no ultrasound image that can be read.
        UsageError: nothing is selected to correct.
    """
    segmentation = parameters.GetSegmentationNode() if parameters is not None else None
    segment_id = parameters.GetSelectedSegmentID() if segmentation is not None else None
    if segmentation is None or not segment_id or segmentation.GetSegmentation().GetSegment(segment_id) is None:
        raise UsageError(_("No segment is selected; select the lesion to correct, or add a segment."))
    source = source_of(scene, parameters.GetSourceVolumeNode())
    if frame is None or source.kind != "volume":
        frame = source.current_frame()
    return Target(source, segmentation, segment_id, frame)


def pixel_at(volume: Any, ras: np.ndarray) -> np.ndarray:
    """Index (i, j, k) in a volume, float, of a point of the world in RAS."""
    to_volume = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, volume.GetParentTransformNode(), to_volume)
    ras_to_ijk = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(ras_to_ijk)
    point = to_volume.TransformPoint([float(value) for value in ras])
    return np.array(ras_to_ijk.MultiplyPoint((*point, 1.0))[:3])


def world_of(volume: Any, row: float, column: float, k: int) -> tuple[float, float, float]:
    """Point of the world in RAS at a pixel's place in a volume."""
    ijk_to_ras = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(ijk_to_ras)
    to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(volume.GetParentTransformNode(), None, to_world)
    x, y, z = to_world.TransformPoint(ijk_to_ras.MultiplyPoint((column, row, float(k), 1.0))[:3])
    return x, y, z


def _lies_on(image: Any, shape: tuple[int, ...], lattice: np.ndarray) -> bool:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    own = slicer.util.arrayFromVTKMatrix(matrix)
    return image.GetExtent() == _extent(shape) and np.allclose(own, lattice, atol=1e-6)


def _extent(shape: tuple[int, ...]) -> tuple[int, ...]:
    return 0, shape[2] - 1, 0, shape[1] - 1, 0, shape[0] - 1


def _resampled(whole: np.ndarray, lattice: np.ndarray, reference: Any) -> Any:
    """`whole` on the lattice of another image, the nearest voxel counting: vtkOrientedImageData."""
    image, output = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    image.SetExtent(*_extent(whole.shape))
    image.GetPointData().SetScalars(numpy_to_vtk(whole.astype(np.uint8).reshape(-1), deep=True))
    image.SetGeometryFromImageToWorldMatrix(vtk_matrix(lattice))
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(image, reference, output)
    return output
