"""Where a volume lies in the patient, where its DICOM files say so: in the node's matrix alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer

from ..errors import UsageError
from .source import UltrasoundSource

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..dicom.source_frames import PlanePosition

_UNEVEN = 0.1
"""Part of the distance between slices by which one may lie beside its place."""
_PARALLEL = 0.999
_TO_RAS = np.array([-1.0, -1.0, 1.0])
"""DICOM counts to the left and back of the patient, Slicer to the right and front."""


def place_in_patient(source: UltrasoundSource, headers: "Sequence[Dataset]") -> bool:
    """Lay a volume where its slices were acquired; returns whether it was.

    Only directions, origin and the distance of the slices are set; the size of a pixel stays, for that of ultrasound
    regions is more to be trusted. Nothing is done where the files do not say it, or where the slices are not parallel,
    even and at right angles to the way they follow each other, which one matrix cannot hold.
    """
    from ..dicom.source_frames import plane_positions, source_frames

    if source.kind != "volume":
        return False
    try:
        positions = plane_positions(source_frames(headers))
    except UsageError:  # a header without UIDs: nothing can refer to it, and it says no position
        return False
    if positions is None or len(positions) != source.frame_count:
        return False
    directions = _directions(positions)
    if directions is None:
        return False
    row, column, step = directions
    column_mm, row_mm, _slice_mm = source.volume.GetSpacing()
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = row * column_mm, column * row_mm, step
    matrix[:3, 3] = positions[0].position
    matrix[:3] *= _TO_RAS[:, np.newaxis]
    source.volume.SetIJKToRASMatrix(_vtk(matrix))
    return True


def _directions(positions: "Sequence[PlanePosition]") -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Unit vectors of growing columns and rows, and the way from one slice to the next in mm; None see above."""
    first = np.array(positions[0].orientation, float)
    if any(not np.allclose(one.orientation, first, atol=1e-4) for one in positions):
        return None
    places = np.array([one.position for one in positions], float)
    step = (places[-1] - places[0]) / (len(places) - 1)
    length = float(np.linalg.norm(step))
    expected = places[0] + np.arange(len(places))[:, np.newaxis] * step
    if length <= 0 or np.abs(places - expected).max() > _UNEVEN * length:
        return None
    row, column = first[:3], first[3:]
    if abs(float(np.cross(row, column) @ step)) < _PARALLEL * length:
        return None
    return row, column, step


def _vtk(matrix: np.ndarray) -> Any:
    return slicer.util.vtkMatrixFromArray(matrix)
