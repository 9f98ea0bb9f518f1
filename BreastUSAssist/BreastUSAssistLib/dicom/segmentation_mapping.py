"""Which source frame each frame of a DICOM Segmentation lies on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from .source_frames import PlanePosition, frame_count, plane_positions, source_frames

if TYPE_CHECKING:
    from pydicom import Dataset

FrameKey = tuple[str, int]
"""SOP instance UID and 1-based frame number."""

MOST_FRAMES = 100_000
_SAME_PLACE_MM = 0.01


@dataclass(frozen=True)
class FrameMapping:
    """Source frames in order, and the stored frame of each (segment number, source frame index)."""

    sources: tuple[FrameKey, ...]
    where: dict[tuple[int, int], int]
    frames_elsewhere: int


def map_frames(dataset: "Dataset", headers: "Sequence[Dataset] | None", numbers: set[int], name: str) -> FrameMapping:
    """Find the segment and the source frame of every stored frame.

    A frame is placed by the image and frame number it refers to; where it refers to none, by its position in the
    patient, which must be that of a source frame.

    Raises:
        InputError: a frame has no segment or place, two have the same, or none lies on `headers`.
    """
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [None])[0]
    if len(groups) != int(dataset.NumberOfFrames) or len(groups) > MOST_FRAMES:
        raise InputError(f"{name} describes {len(groups)} of its {dataset.NumberOfFrames} frames; export it again.")
    several = {str(header.get("SOPInstanceUID")) for header in headers or () if frame_count(header) > 1}
    references = [tuple(dict.fromkeys(_references(group, shared, several, name))) for group in groups]
    if headers is not None:
        sources, positions = _given_sources(dataset, headers, name)
    else:
        sources, positions = _named_sources(dataset, [key for keys in references for key in keys], name), None
    index_of = {key: index for index, key in enumerate(sources)}
    where: dict[tuple[int, int], int] = {}
    elsewhere = 0
    for stored, (group, keys) in enumerate(zip(groups, references, strict=True)):
        number = _segment_number(group, shared)
        if number not in numbers:
            raise InputError(f"{name} is damaged (frame {stored + 1} is of no segment); export it again.")
        indices = [index_of[key] for key in keys if key in index_of] if keys else _at_position(group, positions)
        elsewhere += not indices
        for index in indices:
            if (number, index) in where:
                raise InputError(f"{name} has two frames of segment {number} on one source frame; export it again.")
            where[number, index] = stored
    if not where:
        raise InputError(f"{name} is of other images than these; open the images it was made from.")
    return FrameMapping(tuple(sources), where, elsewhere)


def _given_sources(
    dataset: "Dataset", headers: "Sequence[Dataset]", name: str
) -> tuple[list[FrameKey], list[PlanePosition] | None]:
    frames = source_frames(headers)
    header = frames[0].header
    if (int(header.Rows), int(header.Columns)) != (int(dataset.Rows), int(dataset.Columns)):
        raise InputError(
            f"{name} has frames of {dataset.Rows} x {dataset.Columns} pixels, the images {header.Rows} x "
            f"{header.Columns}; open the images it was made from."
        )
    return [(frame.sop_instance_uid, frame.frame_number or 1) for frame in frames], plane_positions(frames)


def _named_sources(dataset: "Dataset", references: Sequence[FrameKey], name: str) -> list[FrameKey]:
    """Frames that the Segmentation refers to: every listed instance, each up to its highest frame number."""
    if not references:
        raise InputError(f"{name} does not say which images it lies on; open it together with its images.")
    highest = {
        str(instance.get("ReferencedSOPInstanceUID")): 1
        for series in dataset.get("ReferencedSeriesSequence") or []
        for instance in series.get("ReferencedInstanceSequence") or []
    }
    for uid, number in references:
        highest[uid] = max(highest.get(uid, 1), number)
    if sum(highest.values()) > MOST_FRAMES:
        raise InputError(f"{name} refers to {sum(highest.values())} source frames, too many to hold; export it again.")
    return [(uid, number) for uid, last in highest.items() for number in range(1, last + 1)]


def _references(group: "Dataset", shared: "Dataset | None", several: set[str], name: str) -> Iterator[FrameKey]:
    """Source frames of one stored frame; `several` are the instances known to have many frames."""
    for item in _items(group, shared, "DerivationImageSequence"):
        for image in item.get("SourceImageSequence") or []:
            uid, numbers = image.get("ReferencedSOPInstanceUID"), image.get("ReferencedFrameNumber")
            if uid is None:
                continue
            if numbers is None and str(uid) in several:
                raise InputError(f"{name} does not say on which frame of the cine each mask lies; export it again.")
            if numbers is None:
                yield str(uid), 1
            else:
                for number in [numbers] if isinstance(numbers, int) else numbers:
                    yield str(uid), int(number)


def _segment_number(group: "Dataset", shared: "Dataset | None") -> int | None:
    for item in _items(group, shared, "SegmentIdentificationSequence"):
        number = item.get("ReferencedSegmentNumber")
        return number if isinstance(number, int) else None
    return None


def _at_position(group: "Dataset", positions: list[PlanePosition] | None) -> list[int]:
    for item in group.get("PlanePositionSequence") or []:
        place = item.get("ImagePositionPatient")
        if place is None or len(place) != 3:
            continue
        for index, position in enumerate(positions or []):
            if all(abs(float(a) - b) <= _SAME_PLACE_MM for a, b in zip(place, position.position, strict=True)):
                return [index]
    return []


def _items(group: "Dataset", shared: "Dataset | None", keyword: str) -> "Sequence[Dataset]":
    """Items of a functional group, which stands per frame or once for all frames (PS3.3 C.7.6.16)."""
    items: Sequence[Dataset] = group.get(keyword) or (shared.get(keyword) if shared is not None else None) or []
    return items
