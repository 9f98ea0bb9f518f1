"""Pixel spacing and regions of DICOM ultrasound (PS3.3 C.8.5.5, 10.7.1.3 and C.7.6.16.2.1)."""

import math
from typing import TYPE_CHECKING

from .frame import Box, PixelSpacing, SpacingSource, UltrasoundRegion

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
    found = (_region(item, rows, columns) for item in header.get("SequenceOfUltrasoundRegions") or ())
    return tuple(region for region in found if region is not None)


def pixel_spacing_of(header: "Dataset") -> PixelSpacing | None:
    """Spacing for the whole frame: PixelSpacing, of an enhanced object its pixel measures; None when unknown.

    ImagerPixelSpacing (at the detector of a radiograph) and NominalScannedPixelSpacing (of scanned film) are not
    distances in the patient and are not used. PixelSpacing of exactly 1\\1 is what converters write that know none,
    and no breast scanner has such pixels, so it counts as unknown.
    """
    values = header.get("PixelSpacing")
    if not values:
        measures = _first_group_item(header, "PixelMeasuresSequence")
        values = measures.get("PixelSpacing") if measures is not None else None
    try:
        row_mm, column_mm = (float(value) for value in values or ())
    except (TypeError, ValueError):
        return None
    return spacing_or_none(row_mm, column_mm, "pixel_spacing")


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
        value = _positive(holder.get("SpacingBetweenSlices")) if holder is not None else None
        if value is not None:
            return value
    positions = volume_positions(header)
    return next((math.dist(positions[0], other) for other in positions if other != positions[0]), None)


def volume_positions(header: "Dataset") -> list[tuple[float, ...]]:
    """Position of each frame in mm, patient or volume frame of reference (PS3.3 C.7.6.16.2.3, C.8.24.6.1); or []."""
    positions = []
    for group in header.get("PerFrameFunctionalGroupsSequence") or ():
        for sequence, keyword in (
            ("PlanePositionVolumeSequence", "ImagePositionVolume"),
            ("PlanePositionSequence", "ImagePositionPatient"),
        ):
            items = group.get(sequence)
            if items and items[0].get(keyword):
                positions.append(tuple(float(value) for value in items[0].get(keyword)))
                break
        else:
            return []
    return positions


def _region(item: "Dataset", rows: int, columns: int) -> UltrasoundRegion | None:
    keywords = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    corners = [item.get(keyword) for keyword in keywords]
    if any(corner is None for corner in corners):
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
        spatial_format=int(item.get("RegionSpatialFormat") or 0),
        data_type=int(item.get("RegionDataType") or 0),
        flags=int(item.get("RegionFlags") or 0),
        spacing=None if shrunk else _region_spacing(item),
    )


def _region_spacing(item: "Dataset") -> PixelSpacing | None:
    units = (item.get("PhysicalUnitsXDirection"), item.get("PhysicalUnitsYDirection"))
    deltas = (item.get("PhysicalDeltaX"), item.get("PhysicalDeltaY"))
    if units != (_CENTIMETRES, _CENTIMETRES) or any(delta is None for delta in deltas):
        return None
    column_mm, row_mm = (float(delta) * _MM_A_CM for delta in deltas)
    return spacing_or_none(row_mm, column_mm, "ultrasound_region")


def _first_group_item(header: "Dataset", keyword: str) -> "Dataset | None":
    """First item of a functional group's sequence, shared or else of the first frame."""
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        items = header.get(groups)
        if items and items[0].get(keyword):
            return items[0].get(keyword)[0]
    return None


def _positive(value: object) -> float | None:
    try:
        number = abs(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None
