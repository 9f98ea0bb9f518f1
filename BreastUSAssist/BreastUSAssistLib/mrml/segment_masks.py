"""Masks as arrays in the index space of an image, to and from the segments of a vtkSegmentation, bit by bit.

Slicer keeps a segment's labelmap cropped to what is in it, and lets segments that do not overlap share one labelmap.
The labelmap's own extent and matrix say where it lies on the lattice of the segmentation's reference geometry.
"""

from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

Shape = tuple[int, int, int]
"""Slices, rows, columns."""
Window = tuple[slice, slice, slice]

LABELMAP = "Binary labelmap"
"""slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()."""
_SAME = 1e-3
"""Voxels by which two lattices may differ over the whole image and still count as one."""


def read_mask(segmentation: Any, segment_id: str, shape: Shape, lattice: np.ndarray) -> np.ndarray:
    """Mask of a segment, bool, `shape`; all False where there is no such segment.

    Args:
        segmentation: vtkSegmentation.
        segment_id: of the segment.
        shape: slices, rows, columns of the image.
        lattice: (4, 4), index to RAS of the image as the segmentation knows it, see `lattice_of`. A labelmap on
            another lattice (Segment Editor with a geometry of its own) is resampled, the nearest voxel counting.
    """
    mask = np.zeros(shape, bool)
    part = read_part(segmentation, segment_id, shape, lattice)
    if part is not None:
        window, inside = part
        mask[window] = inside
    return mask


def read_part(
    segmentation: Any, segment_id: str, shape: Shape, lattice: np.ndarray
) -> tuple[Window, np.ndarray] | None:
    """Window of the image that the labelmap of a segment covers, and the mask in it (a copy); None where empty."""
    segment = segmentation.GetSegment(segment_id)
    labelmap = _labelmap(segment)
    if labelmap is None:
        return None
    shift = _shift(labelmap, shape, lattice)
    if shift is None:
        labelmap, shift = _resampled(labelmap, shape, lattice), np.zeros(3, int)
    extent = labelmap.GetExtent()
    size = [extent[5] - extent[4] + 1, extent[3] - extent[2] + 1, extent[1] - extent[0] + 1]
    stored = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(size)
    start = [extent[4] + shift[2], extent[2] + shift[1], extent[0] + shift[0]]
    low = [max(one, 0) for one in start]
    high = [min(one + length, limit) for one, length, limit in zip(start, size, shape, strict=True)]
    if any(one >= other for one, other in zip(low, high, strict=True)):
        return None
    window = tuple(slice(one, other) for one, other in zip(low, high, strict=True))
    inner = tuple(slice(one - begin, other - begin) for one, other, begin in zip(low, high, start, strict=True))
    return window, stored[inner] == segment.GetLabelValue()  # type: ignore[return-value]


def is_empty(segmentation: Any, segment_id: str) -> bool:
    """Whether a segment surely holds nothing: it is not there or its labelmap has no extent; cheaper than reading."""
    return _labelmap(segmentation.GetSegment(segment_id)) is None


def write_mask(
    node: Any, segment_id: str, mask: np.ndarray, lattice: np.ndarray, start: tuple[int, int, int] = (0, 0, 0)
) -> None:
    """Replace the mask of a segment; no other segment changes, also where they overlap.

    Args:
        node: vtkMRMLSegmentationNode, in the scene or not.
        segment_id: of a segment that is there.
        mask: bool, (slices, rows, columns), of the whole image or a part of it outside of which nothing is.
        lattice: (4, 4), index to RAS.
        start: slice, row, column where `mask` begins.
    """
    box = _box(mask)
    if box is None:
        node.GetSegmentation().ClearSegment(segment_id)
        return
    part = np.ascontiguousarray(mask[box], dtype=np.uint8)
    labelmap = slicer.vtkOrientedImageData()
    low = [one.start + begin for one, begin in zip(box, start, strict=True)]
    high = [one.stop - 1 + begin for one, begin in zip(box, start, strict=True)]
    labelmap.SetExtent(low[2], high[2], low[1], high[1], low[0], high[0])
    labelmap.GetPointData().SetScalars(numpy_to_vtk(part.reshape(-1), deep=True))
    labelmap.SetGeometryFromImageToWorldMatrix(vtk_matrix(lattice))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(labelmap, node, segment_id, logic.MODE_REPLACE)


def write_slices(node: Any, segment_id: str, first: int, slices: np.ndarray, shape: Shape, lattice: np.ndarray) -> None:
    """Replace some slices of the mask of a segment of a volume; works on the part of the image that is inside alone.

    Args:
        node: vtkMRMLSegmentationNode.
        segment_id: of a segment that is there.
        first: slice of the image that slices[0] is.
        slices: bool, (slices, rows, columns).
        shape: of the image.
        lattice: (4, 4), index to RAS.
    """
    held = read_part(node.GetSegmentation(), segment_id, shape, lattice)
    new = _box(slices)
    windows = [] if new is None else [(slice(new[0].start + first, new[0].stop + first), *new[1:])]
    if held is not None:
        windows.append(held[0])
    if not windows:
        node.GetSegmentation().ClearSegment(segment_id)
        return
    low = [min(window[axis].start for window in windows) for axis in range(3)]
    high = [max(window[axis].stop for window in windows) for axis in range(3)]
    part = np.zeros([stop - start for start, stop in zip(low, high, strict=True)], bool)
    if held is not None:
        inner = tuple(slice(one.start - begin, one.stop - begin) for one, begin in zip(held[0], low, strict=True))
        part[inner] = held[1]
    begin, end = max(first, low[0]), min(first + len(slices), high[0])
    if begin < end:
        part[begin - low[0] : end - low[0]] = slices[begin - first : end - first, low[1] : high[1], low[2] : high[2]]
    write_mask(node, segment_id, part, lattice, (low[0], low[1], low[2]))


def lattice_of(segmentation: Any, volume: Any, shape: Shape) -> np.ndarray:
    """(4, 4), index to RAS, of the image as the segmentation last knew it.

    That is its reference geometry as long as it has the size of the image, so that masks stay what they are when
    somebody changes the spacing of the image alone; else the matrix of the image.
    """
    known = reference_geometry(segmentation)
    if known is not None and known[1] == shape:
        return known[0]
    return matrix_of(volume)


def reference_geometry(segmentation: Any) -> tuple[np.ndarray, Shape] | None:
    """Index to RAS and slices, rows, columns of the reference geometry of a segmentation; None where there is none."""
    converter = slicer.vtkSegmentationConverter
    text = segmentation.GetConversionParameter(converter.GetReferenceImageGeometryParameterName())
    image = slicer.vtkOrientedImageData()
    if not text or not converter.DeserializeImageGeometry(text, image, False):
        return None
    extent = image.GetExtent()
    if (extent[0], extent[2], extent[4]) != (0, 0, 0):
        return None
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return array_of(matrix), (extent[5] + 1, extent[3] + 1, extent[1] + 1)


def set_reference_geometry(segmentation: Any, lattice: np.ndarray, shape: Shape) -> None:
    """Set the reference geometry of a segmentation."""
    converter = slicer.vtkSegmentationConverter
    image = slicer.vtkOrientedImageData()
    image.SetExtent(0, shape[2] - 1, 0, shape[1] - 1, 0, shape[0] - 1)
    image.SetGeometryFromImageToWorldMatrix(vtk_matrix(lattice))
    text = converter.SerializeImageGeometry(image)
    segmentation.SetConversionParameter(converter.GetReferenceImageGeometryParameterName(), text)


def move_labelmaps(segmentation: Any, old: np.ndarray, new: np.ndarray) -> None:
    """Move all labelmaps from one lattice to another by their matrices; no voxel changes."""
    step = new @ np.linalg.inv(old)
    labelmaps = {}
    for index in range(segmentation.GetNumberOfSegments()):
        labelmap = segmentation.GetNthSegment(index).GetRepresentation(LABELMAP)
        if labelmap is not None:
            labelmaps[labelmap.GetAddressAsString("")] = labelmap
    for labelmap in labelmaps.values():
        matrix = vtk.vtkMatrix4x4()
        labelmap.GetImageToWorldMatrix(matrix)
        labelmap.SetGeometryFromImageToWorldMatrix(vtk_matrix(step @ array_of(matrix)))
    segmentation.InvalidateNonSourceRepresentations()


def matrix_of(volume: Any) -> np.ndarray:
    """IJKToRAS of a volume node, (4, 4)."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return array_of(matrix)


def vtk_matrix(array: np.ndarray) -> Any:
    """vtkMatrix4x4 of a (4, 4) array."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy([float(value) for value in array.ravel()])
    return matrix


def array_of(matrix: Any) -> np.ndarray:
    """(4, 4) of a vtkMatrix4x4, copied."""
    return np.array([matrix.GetElement(row, column) for row in range(4) for column in range(4)]).reshape(4, 4)


def _labelmap(segment: Any) -> Any:
    """vtkOrientedImageData of a segment; None where there is none or it has no extent."""
    labelmap = segment.GetRepresentation(LABELMAP) if segment is not None else None
    if labelmap is None or labelmap.GetNumberOfPoints() == 0 or labelmap.GetPointData().GetScalars() is None:
        return None
    return labelmap


def _shift(labelmap: Any, shape: Shape, lattice: np.ndarray) -> np.ndarray | None:
    """Whole voxels (along columns, rows, slices) between labelmap and lattice; None where they are not one lattice."""
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    own = array_of(matrix)
    if np.array_equal(own, lattice):
        return np.zeros(3, int)
    step = np.linalg.inv(lattice) @ own
    shift = np.rint(step[:3, 3])
    exact = np.eye(4)
    exact[:3, 3] = shift
    corner = np.array([shape[2], shape[1], shape[0], 1.0])
    if np.abs((step - exact) * corner).max() > _SAME:
        return None
    return shift.astype(int)


def _resampled(labelmap: Any, shape: Shape, lattice: np.ndarray) -> Any:
    reference = slicer.vtkOrientedImageData()
    reference.SetExtent(0, shape[2] - 1, 0, shape[1] - 1, 0, shape[0] - 1)
    reference.SetGeometryFromImageToWorldMatrix(vtk_matrix(lattice))
    reference.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    output = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(labelmap, reference, output)
    return output


def _box(mask: np.ndarray) -> Window | None:
    """Smallest window that holds all of the mask; None where it is empty."""
    rows: np.ndarray = np.any(mask, axis=2)
    planes = _ends(np.any(rows, axis=1))
    if planes is None:
        return None
    high = _ends(np.any(rows[planes], axis=0)) or slice(0)
    wide = _ends(np.any(mask[planes, high], axis=(0, 1))) or slice(0)
    return planes, high, wide


def _ends(some: Any) -> slice | None:
    """From the first to the last True; None where there is none."""
    where = np.flatnonzero(some)
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else None
