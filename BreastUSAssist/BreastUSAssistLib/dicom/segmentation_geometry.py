"""Where the frames of a DICOM Segmentation lie in the patient: where the source lies, or, if asked for, made up.

Software on dcmqi refuses a Segmentation without image directions, which ultrasound seldom has. For it alone a geometry
can be made up; the object says so in three places, and our reader never takes it for real.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..ultrasound.spacing import pixel_spacing_of, regions_of
from .source_frames import PlanePosition, SourceFrame, plane_positions

if TYPE_CHECKING:
    from pydicom import Dataset

Geometry = Literal["source", "made_up"]

MADE_UP = "MADE_UP_GEOMETRY"
"""ContentLabel (0070,0080) of a Segmentation whose positions are made up."""
MADE_UP_DESCRIPTION = "Made-up geometry, not of the patient"
"""Opens the ContentDescription."""
MADE_UP_SERIES = "made-up geometry"
"""Ends the SeriesDescription."""
_SLICE_MM = 1.0


@dataclass(frozen=True)
class FrameGeometry:
    """Plane positions of all source frames in one frame of reference."""

    frame_of_reference_uid: str
    position_reference_indicator: str | None
    positions: list[PlanePosition]
    made_up: bool = False


def frame_geometry(frames: Sequence[SourceFrame], asked: Geometry = "source") -> FrameGeometry | None:
    """The geometry that the source has; else, where a made-up one is asked for, that; else None.

    Made up: frames behind each other, 1 mm apart, as 3D Slicer stacks ultrasound; pixels as large as the region of the
    source says (PS3.3 C.8.5.5), or 1 mm.
    """
    positions = plane_positions(frames)
    if positions is not None:
        header = frames[0].header
        indicator = header.get("PositionReferenceIndicator", None)
        return FrameGeometry(str(header.FrameOfReferenceUID), indicator, positions)
    if asked == "source":
        return None
    from pydicom.uid import generate_uid

    spacing = _spacing(frames)
    made_up = [
        PlanePosition((0.0, 0.0, index * _SLICE_MM), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), spacing, _SLICE_MM)
        for index in range(len(frames))
    ]
    return FrameGeometry(generate_uid(prefix=None), None, made_up, made_up=True)


def is_made_up(dataset: "Dataset") -> bool:
    """Whether the positions of a Segmentation are made up by this project."""
    return str(dataset.get("ContentLabel") or "") == MADE_UP


def _spacing(frames: Sequence[SourceFrame]) -> tuple[float, float]:
    """Row and column mm of every tissue region of every file, where all agree; else 1 mm."""
    found = set()
    for header in {id(frame.header): frame.header for frame in frames}.values():
        regions = [one for one in regions_of(header, int(header.Rows), int(header.Columns)) if one.is_tissue]
        spacings = [region.spacing for region in regions] or [pixel_spacing_of(header)]
        found |= {(one.row_mm, one.column_mm) if one is not None else None for one in spacings}
    only = found.pop() if len(found) == 1 else None
    return only or (1.0, 1.0)
