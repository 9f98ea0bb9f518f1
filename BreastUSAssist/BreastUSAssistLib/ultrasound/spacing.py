"""Pixel spacing and regions of DICOM ultrasound (PS3.3 C.8.5.5, 10.7.1.3 and C.7.6.16.2.1)."""

import math
from typing import TYPE_CHECKING

from .frame import Box, PixelSpacing, SpacingSource, UltrasoundRegion
from .header_values import finite, finite_list, items_of, value_of

if TYPE_CHECKING:
    from pydicom import Dataset

_CENTIMETRES = 3
_MM_A_CM = 10.0
_TOLERATED_OVERHANG = 2
"""Pixels: several vendors give the maximum as the size, not as the last index."""
_SMALLEST_MM, _LARGEST_MM = 1e-4, 5.0
"""No ultrasound pixel lies outside; 5 mm would make a frame of 480 rows 2.4 m deep."""


def regions_of(header: "Dataset", rows: int, columns: int) -> tuple[UltrasoundRegion, ...]:
    """Regions of SequenceOfUltrasoundRegions, in file order, boxes clipped to the frame.

    Regions that lie outside the frame or have no bounds are left out. A region that sticks out both at the right and
    at the bottom belongs to a larger frame that was shrunk to this one, so its deltas no longer hold: it keeps its
    box but has no spacing. Sticking out at one side alone is cropping, which keeps them.

    Args:
        header: the image's header.
        rows: of the frame.
        columns: of the frame.
    """
    found = (_region(item, rows, columns) for item in items_of(header, "SequenceOfUltrasoundRegions"))
    return tuple(region for region in found if region is not None)


def pixel_spacing_of(header: "Dataset") -> PixelSpacing | None:
    """Spacing for the whole frame: PixelSpacing, of an enhanced object its pixel measures; None when unknown.

    ImagerPixelSpacing (at the detector of a radiograph) and NominalScannedPixelSpacing (of scanned film) are not
    distances in the patient and are not used. PixelSpacing of exactly 1\\1 is what converters write that know none,
    and no breast scanner has such pixels, so it counts as unknown.
    """
    values = finite_list(value_of(header, "PixelSpacing"))
    if not values:
        measures = _first_group_item(header, "PixelMeasuresSequence")
        values = finite_list(value_of(measures, "PixelSpacing")) if measures is not None else []
    return spacing_or_none(values[0], values[1], "pixel_spacing") if len(values) == 2 else None


def spacing_or_none(row_mm: float, column_mm: float, source: SpacingSource) -> PixelSpacing | None:
    """Spacing from two distances in mm of any sign; None where they are impossible or the 1 x 1 of unknown origin."""
    row_mm, column_mm = abs(row_mm), abs(column_mm)
    if not all(_SMALLEST_MM <= value <= _LARGEST_MM for value in (row_mm, column_mm)):  # NaN fails too
        return None
    if source != "ultrasound_region" and row_mm == column_mm == 1.0:
        return None
    return PixelSpacing(row_mm, column_mm, source)


def slice_mm_of(header: "Dataset") -> float | None:
    """Distance between the slices of a multi-frame volume in mm; None when unknown.

    SpacingBetweenSlices, else the distance of the first two different positions of an Enhanced US Volume.
    """
    measures = _first_group_item(header, "PixelMeasuresSequence")
    for holder in (header, measures):
        value = finite(value_of(holder, "SpacingBetweenSlices")) if holder is not None else None
        if value:  # some writers give it a sign (PS3.3 C.7.6.2.1.1 does not)
            return abs(value)
    positions = volume_positions(header)
    return next((math.dist(positions[0], other) for other in positions if other != positions[0]), None)


def volume_positions(header: "Dataset") -> list[tuple[float, ...]]:
    """Position of each frame in mm, patient or volume frame of reference (PS3.3 C.7.6.16.2.3, C.8.24.6.1); or []."""
    positions = []
    for group in items_of(header, "PerFrameFunctionalGroupsSequence"):
        for sequence, keyword in (
            ("PlanePositionVolumeSequence", "ImagePositionVolume"),
            ("PlanePositionSequence", "ImagePositionPatient"),
        ):
            items = items_of(group, sequence)
            position = finite_list(value_of(items[0], keyword)) if items else []
            if len(position) == 3:
                positions.append(tuple(position))
                break
        else:
            return []
    return positions


def _region(item: "Dataset", rows: int, columns: int) -> UltrasoundRegion | None:
    keywords = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    corners = [corner for keyword in keywords if (corner := finite(value_of(item, keyword))) is not None]
    if len(corners) < len(keywords):
        return None
    left, right = sorted((int(corners[0]), int(corners[2])))
    top, bottom = sorted((int(corners[1]), int(corners[3])))
    # The standard's bounds are the last pixel inside; a Box ends just outside.
    box: Box = (max(top, 0), max(left, 0), min(bottom + 1, rows), min(right + 1, columns))
    if box[0] >= box[2] or box[1] >= box[3]:
        return None
    shrunk = bottom + 1 - rows > _TOLERATED_OVERHANG and right + 1 - columns > _TOLERATED_OVERHANG
    return UltrasoundRegion(
        box=box,
        spatial_format=int(finite(value_of(item, "RegionSpatialFormat")) or 0),
        data_type=int(finite(value_of(item, "RegionDataType")) or 0),
        flags=int(finite(value_of(item, "RegionFlags")) or 0),
        spacing=None if shrunk else _region_spacing(item),
    )


def _region_spacing(item: "Dataset") -> PixelSpacing | None:
    units = (value_of(item, "PhysicalUnitsXDirection"), value_of(item, "PhysicalUnitsYDirection"))
    column_cm, row_cm = finite(value_of(item, "PhysicalDeltaX")), finite(value_of(item, "PhysicalDeltaY"))
    if units != (_CENTIMETRES, _CENTIMETRES) or column_cm is None or row_cm is None:
        return None
    return spacing_or_none(row_cm * _MM_A_CM, column_cm * _MM_A_CM, "ultrasound_region")


def _first_group_item(header: "Dataset", keyword: str) -> "Dataset | None":
    """First item of a functional group's sequence, shared or else of the first frame."""
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        items = items_of(header, groups)
        found = items_of(items[0], keyword) if items else []
        if found:
            return found[0]
    return None
