"""How many millimetres a pixel is, who says so, and how a reader calibrates an image that does not say."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ..errors import InputError, UsageError
from ..ultrasound.frame import PixelSpacing, SpacingSource, UltrasoundRegion
from ..ultrasound.spacing import spacing_or_none

if TYPE_CHECKING:
    from .case_segmentation import CaseSegmentation
    from .source import UltrasoundSource

SPACING = "BreastUSAssist.Spacing"
"""Attribute of a volume node that vouches for its spacing: a SpacingSource, or `unknown`."""

CalibrationKind = Literal["ultrasound_region", "pixel_spacing", "image_header", "user", "unknown"]


_SOURCES = get_args(SpacingSource)


@dataclass(frozen=True)
class PixelCalibration:
    """What is known about the size of a pixel."""

    kind: CalibrationKind
    words: str
    """One sentence for the badge."""
    spacing: PixelSpacing | None = None
    """None while it is not known."""

    @property
    def known(self) -> bool:
        """Whether lengths may be given in mm."""
        return self.spacing is not None


def vouch_for(node: Any, spacing: PixelSpacing | None) -> None:
    """Write on a volume node where its spacing came from."""
    node.SetAttribute(SPACING, spacing.source if spacing is not None else "unknown")


def calibration_of(source: "UltrasoundSource") -> PixelCalibration:
    """Where the spacing of a case comes from.

    A spacing that nobody vouches for counts as that of an image header, except 1 x 1 mm, which Slicer's loaders write
    where they know none: that is unknown, unless the regions of the DICOM file say otherwise.
    """
    spacing, regions = frame_geometry(source, 0)
    if spacing is None or spacing.source != "user":
        tissue = [region.spacing for region in regions if region.is_tissue and region.spacing is not None]
        spacing = tissue[0] if tissue else spacing
    if spacing is None:
        return PixelCalibration("unknown", _("Pixel size not known: sizes are in pixels. Measure a known length."))
    size = _("{row:.4g} x {column:.4g} mm").format(row=spacing.row_mm, column=spacing.column_mm)
    words = {
        "ultrasound_region": _("Calibrated by the scanner: {size} a pixel."),
        "pixel_spacing": _("Calibrated by the DICOM header: {size} a pixel."),
        "image_header": _("Pixel size from the image file: {size} a pixel."),
        "user": _("Calibrated by hand: {size} a pixel."),
    }[spacing.source]
    return PixelCalibration(spacing.source, words.format(size=size), spacing)


def frame_geometry(source: "UltrasoundSource", index: int) -> tuple[PixelSpacing | None, tuple[UltrasoundRegion, ...]]:
    """Spacing that holds for the whole frame `index`, or None, and the regions of its DICOM file where it is at hand.

    Regions say themselves what their spacing is: what lies outside them, or in one without, is not theirs. A reader's
    own calibration goes before all that the file says.
    """
    node = source.node(index)
    column_mm, row_mm, _slice_mm = node.GetSpacing()
    regions, of_header = source.header_geometry
    told = node.GetAttribute(SPACING)
    if told == "user":
        return PixelSpacing(row_mm, column_mm, "user"), tuple(replace(one, spacing=None) for one in regions)
    if regions:
        return of_header, regions
    if told is None:
        return of_header or spacing_or_none(row_mm, column_mm, "image_header"), ()
    return (spacing_or_none(row_mm, column_mm, cast(SpacingSource, told)) if told in _SOURCES else None), ()


def calibrate(
    source: "UltrasoundSource", segmentation: "CaseSegmentation | None", line_node: Any, length_mm: float
) -> PixelCalibration:
    """Set the pixel size from a ruler over a known length, for all frames and their segmentations together.

    Pixels stay as tall for their width as they were. Only matrices change: no array and no mask is touched.

    Args:
        source: the case.
        segmentation: its segmentation, where there is one.
        line_node: vtkMRMLMarkupsLineNode with both points placed; it is moved with the image.
        length_mm: what it measures.

    Raises:
        UsageError: the ruler has no length, or the length is none.
        InputError: the pixels would be of an impossible size.
    """
    if not (np.isfinite(length_mm) and length_mm > 0):
        raise UsageError(_("The length must be more than 0 mm; type the length that the ruler lies on."))
    if line_node is None or line_node.GetNumberOfDefinedControlPoints() < 2:
        raise UsageError(_("The ruler has no two ends; place both on a length that you know."))
    ends = [_to_index(source, line_node, point) for point in (0, 1)]
    column_mm, row_mm, _slice_mm = source.node(0).GetSpacing()
    measured = float(np.hypot((ends[1] - ends[0])[0] * column_mm, (ends[1] - ends[0])[1] * row_mm))
    if measured <= 0:
        raise UsageError(_("The ruler has no length; place its ends apart."))
    factor = length_mm / measured
    spacing = spacing_or_none(row_mm * factor, column_mm * factor, "ultrasound_region")
    if spacing is None:
        text = _("That makes a pixel {size:.3g} mm, which no ultrasound image has; check the ruler and its length.")
        raise InputError(text.format(size=row_mm * factor))
    set_spacing(source, segmentation, replace(spacing, source="user"))
    for point, end in enumerate(ends):
        _place(source, line_node, point, end)
    return calibration_of(source)


def apply_known_spacing(source: "UltrasoundSource", segmentation: "CaseSegmentation | None") -> bool:
    """Lay the images out in the pixel size that their DICOM file gives, where Slicer's loader did not; else nothing.

    Slicer takes the spacing of a file with one region alone: with two (a dual view, a scale beside the image) rulers
    would measure in pixels and call them mm. Returns whether anything changed.
    """
    spacing = calibration_of(source).spacing
    if spacing is None:
        return False
    column_mm, row_mm, _slice_mm = source.volume.GetSpacing()
    if np.allclose((row_mm, column_mm), (spacing.row_mm, spacing.column_mm), rtol=1e-4, atol=0):
        return False
    set_spacing(source, segmentation, spacing)
    return True


def set_spacing(source: "UltrasoundSource", segmentation: "CaseSegmentation | None", spacing: PixelSpacing) -> None:
    """Set the pixel size of all frames and move their segmentations along; matrices alone change."""
    nodes = list(dict.fromkeys([*source.frame_nodes, source.volume]))
    for node in nodes:
        slice_mm = node.GetSpacing()[2]
        node.SetSpacing(spacing.column_mm, spacing.row_mm, slice_mm)
        vouch_for(node, spacing)
    if segmentation is not None:
        segmentation.follow_geometry()


def _to_index(source: "UltrasoundSource", line_node: Any, point: int) -> np.ndarray:
    """Column, row and slice (fractions) of an end of the ruler in the image that is shown."""
    world = np.zeros(3)
    line_node.GetNthControlPointPositionWorld(point, world)
    local = np.zeros(3)
    source.volume.TransformPointFromWorld(world, local)
    matrix = vtk.vtkMatrix4x4()
    source.volume.GetRASToIJKMatrix(matrix)
    return np.asarray(slicer.util.arrayFromVTKMatrix(matrix) @ [*local, 1.0])[:3]


def _place(source: "UltrasoundSource", line_node: Any, point: int, index: np.ndarray) -> None:
    matrix = vtk.vtkMatrix4x4()
    source.volume.GetIJKToRASMatrix(matrix)
    local = np.asarray(slicer.util.arrayFromVTKMatrix(matrix) @ [*index, 1.0])[:3]
    world = np.zeros(3)
    source.volume.TransformPointToWorld(local, world)
    line_node.SetNthControlPointPositionWorld(point, *(float(value) for value in world))
