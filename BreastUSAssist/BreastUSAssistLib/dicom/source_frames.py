"""Frames of the source images, in the order of the analysis, and where they lie in the patient if they say so."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import UsageError
from ..ultrasound.sop_classes import ENHANCED_US_VOLUME, MULTI_FRAME_CLASSES

if TYPE_CHECKING:
    from pydicom import Dataset

FrameOrder = Literal["time", "space"]


@dataclass(frozen=True)
class PlanePosition:
    """Where a frame lies in the patient (PS3.3 C.7.6.2.1)."""

    position: tuple[float, float, float]
    """ImagePositionPatient, mm."""
    orientation: tuple[float, ...]
    """ImageOrientationPatient, six direction cosines."""
    spacing: tuple[float, float]
    """PixelSpacing: row, column, mm."""
    thickness: float | None


@dataclass(frozen=True)
class SourceFrame:
    """One frame of a source image."""

    header: "Dataset" = field(repr=False)
    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None
    """1-based ReferencedFrameNumber; None where the image has one frame and is of a single-frame class."""


def source_frames(headers: "Sequence[Dataset]") -> list[SourceFrame]:
    """List the frames of `headers` in order: all frames of the first file, then of the next.

    Raises:
        UsageError: there is no header, a header has no UID or size to refer to, or the files do not belong together.
    """
    if not headers:
        raise UsageError(
            "The source is not DICOM, so no DICOM object can refer to it; use the PNG or NRRD masks instead."
        )
    for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Rows", "Columns"):
        if any(not header.get(keyword) for header in headers):
            raise UsageError(
                f"A source file has no {keyword}, so no DICOM object can refer to it; repair the file first."
            )
    for keyword, what in (("StudyInstanceUID", "studies"), ("Rows", "sizes"), ("Columns", "sizes")):
        if len({header[keyword].value for header in headers}) > 1:
            raise UsageError(f"The source files are of different {what}; analyse them one at a time.")
    frames = []
    for header in headers:
        count = frame_count(header)
        several = count > 1 or str(header.SOPClassUID) in MULTI_FRAME_CLASSES
        frames += [
            SourceFrame(header, str(header.SOPClassUID), str(header.SOPInstanceUID), number if several else None)
            for number in range(1, count + 1)
        ]
    return frames


def frame_count(header: "Dataset") -> int:
    """NumberOfFrames, or 1 where it is absent, empty or not a positive number."""
    try:
        return max(int(header.get("NumberOfFrames") or 1), 1)
    except (TypeError, ValueError):
        return 1


def frame_order(frames: Sequence[SourceFrame]) -> FrameOrder:
    """Whether the frames follow each other in time (a cine) or in space (an Enhanced US Volume)."""
    return "space" if all(frame.sop_class_uid == ENHANCED_US_VOLUME for frame in frames) else "time"


def plane_positions(frames: Sequence[SourceFrame]) -> list[PlanePosition] | None:
    """Positions of all frames in one frame of reference, or None where any of them does not say.

    Positions that repeat tell nothing apart (some exporters write zeros), so they count as not said. Where a source
    does not give its SliceThickness, which a Segmentation must (PS3.3 C.7.6.16.2.1), it is the distance to the nearest
    plane; a single plane without it counts as not said.
    """
    if len({frame.header.get("FrameOfReferenceUID") or "" for frame in frames}) != 1:
        return None
    if not frames[0].header.get("FrameOfReferenceUID"):
        return None
    positions = [position for frame in frames if (position := _plane_position(*_holders(frame))) is not None]
    if len({position.position for position in positions}) < len(frames):
        return None
    if any(position.thickness is None for position in positions):
        distance = _nearest([position.position for position in positions])
        positions = [replace(position, thickness=position.thickness or distance) for position in positions]
    return positions if all(position.thickness is not None for position in positions) else None


def _nearest(positions: Sequence[tuple[float, float, float]]) -> float | None:
    """Smallest distance of two planes that follow each other in the file order; None of one plane alone."""
    steps = np.linalg.norm(np.diff(np.array(positions), axis=0), axis=1)
    return float(steps.min()) if steps.size else None


def position_ranks(positions: Sequence[PlanePosition]) -> list[int]:
    """1-based rank of each frame along the normal of the first frame; frame order where planes are not parallel."""
    first = np.array(positions[0].orientation, dtype=float)
    if any(not np.allclose(p.orientation, first, atol=1e-4) for p in positions):
        return list(range(1, len(positions) + 1))
    normal = np.cross(first[:3], first[3:])
    along = np.array([np.dot(normal, p.position) for p in positions])
    ranks = np.empty(len(positions), dtype=int)
    ranks[np.argsort(along, kind="stable")] = np.arange(1, len(positions) + 1)
    return [int(rank) for rank in ranks]


def _holders(frame: SourceFrame) -> "tuple[Dataset | None, Dataset | None, Dataset | None]":
    """What holds position, orientation and pixel measures of a frame.

    Of a one-frame file the header; of a multi-frame one its functional groups, which an Enhanced US Volume has where it
    is acquired relative to the patient (PS3.3 A.59.4.1.2); those relative to the volume place nothing in the patient.
    """
    if frame.frame_number is None:
        return frame.header, frame.header, frame.header
    groups, shared = frame.header.get("PerFrameFunctionalGroupsSequence"), None
    own = groups[frame.frame_number - 1] if groups and len(groups) >= frame.frame_number else None
    if common := frame.header.get("SharedFunctionalGroupsSequence"):
        shared = common[0]
    sequences = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    first, second, third = (first_item(own, keyword) or first_item(shared, keyword) for keyword in sequences)
    return first, second, third


def first_item(group: "Dataset | None", keyword: str) -> "Dataset | None":
    """First item of a sequence of `group`, a functional group; None where there is none."""
    items = group.get(keyword) if group is not None else None
    return items[0] if items else None


def _plane_position(
    placed: "Dataset | None", oriented: "Dataset | None", measured: "Dataset | None"
) -> PlanePosition | None:
    if placed is None or oriented is None or measured is None:
        return None
    position = _numbers(placed, "ImagePositionPatient", 3)
    orientation = _numbers(oriented, "ImageOrientationPatient", 6)
    spacing = _numbers(measured, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None or min(spacing) <= 0:
        return None
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    if not np.allclose([row @ row, column @ column, row @ column], [1, 1, 0], atol=1e-3):
        return None
    thickness = _numbers(measured, "SliceThickness", 1)
    return PlanePosition(
        position=(position[0], position[1], position[2]),
        orientation=orientation,
        spacing=(spacing[0], spacing[1]),
        thickness=thickness[0] if thickness and thickness[0] > 0 else None,
    )


def _numbers(header: "Dataset", keyword: str, count: int) -> tuple[float, ...] | None:
    """Value of `keyword` as `count` finite numbers; None where it is anything else."""
    try:
        value: Any = header.get(keyword)
        numbers = tuple(float(v) for v in ([value] if isinstance(value, (str, int, float)) else value or ()))
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None
