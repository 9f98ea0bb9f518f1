"""Which source frame each frame of a DICOM Segmentation lies on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from .segmentation_places import SourcePlaces
from .source_frames import frame_count, source_frames
from .source_matching import check_given, referenced_images

if TYPE_CHECKING:
    from pydicom import Dataset

FrameKey = tuple[str, int]
"""SOP instance UID and 1-based frame number."""

MOST_FRAMES = 100_000


@dataclass(frozen=True)
class PlacedFrame:
    """A stored frame of a Segmentation on a source frame."""

    stored: int
    """From 0."""
    source: int
    """From 0, in the order of `FrameMapping.sources`."""
    segment: int | None
    """None in a label map, whose pixels tell."""


@dataclass(frozen=True)
class FrameMapping:
    """Source frames in order, and what lies on them."""

    sources: tuple[FrameKey, ...]
    placed: tuple[PlacedFrame, ...]
    frames_elsewhere: int
    missing: tuple[str, ...]
    """SOP instance UIDs of images that stored frames lie on and that are not given."""


def map_frames(dataset: "Dataset", headers: "Sequence[Dataset] | None", numbers: set[int], name: str) -> FrameMapping:
    """Find the segment and the source frame of every stored frame.

    A frame is placed by the image and frame number that it refers to. Where it refers to none, it is placed by its
    position in the patient, which must be that of a source frame in the same frame of reference, unless positions are
    made up; or, where the whole Segmentation names one image of one frame alone, on that.

    Raises:
        InputError: a frame has no segment or place, two have the same, none lies on `headers`, or those have changed.
    """
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [None])[0]
    if len(groups) != int(dataset.NumberOfFrames) or len(groups) > MOST_FRAMES:
        raise InputError(f"{name} describes {len(groups)} of its {dataset.NumberOfFrames} frames; export it again.")
    several = {str(header.get("SOPInstanceUID")) for header in headers or () if frame_count(header) > 1}
    references = [tuple(dict.fromkeys(_references(group, shared, several, name))) for group in groups]
    named = list(dict.fromkeys(key for keys in references for key in keys))
    only = None if named else _only_image(dataset, several)
    places = SourcePlaces.of(dataset, headers) if headers is not None else None
    if headers is not None:
        sources = _given_sources(dataset, headers, named, name)
    else:
        sources = _named_sources(dataset, named or [only] if only else named, name)
    index_of = {key: index for index, key in enumerate(sources)}
    placed: list[PlacedFrame] = []
    elsewhere = 0
    for stored, (group, keys) in enumerate(zip(groups, references, strict=True)):
        if keys:
            indices = [index_of[key] for key in keys if key in index_of]
        else:
            found = places.index(group, shared) if places is not None else index_of.get(only) if only else None
            indices = [] if found is None else [found]
        elsewhere += not indices
        segment = _segment_number(group, shared)
        if dataset.SegmentationType == "LABELMAP":
            segment = None
        elif segment not in numbers:
            raise InputError(f"{name} is damaged (frame {stored + 1} is of no segment); export it again.")
        placed += [PlacedFrame(stored, index, segment) for index in indices]
    given = {uid for uid, _ in sources}
    missing = tuple(dict.fromkeys(uid for uid, _ in named if uid not in given))
    if not placed:
        check_given(name, missing)
        raise InputError(f"{name} lies on no frame of these images; open the images it was made from.")
    _check_told_apart(groups, placed, name)
    return FrameMapping(tuple(sources), tuple(placed), elsewhere, missing)


def _given_sources(
    dataset: "Dataset", headers: "Sequence[Dataset]", named: Sequence[FrameKey], name: str
) -> list[FrameKey]:
    frames = source_frames(headers)
    header = frames[0].header
    sources = [(frame.sop_instance_uid, frame.frame_number or 1) for frame in frames]
    known, uids = set(sources), {uid for uid, _ in sources}
    own = any(uid in uids for uid, _ in named)
    advice = "they were changed since it was made" if own else "open the images it was made from"
    if (int(header.Rows), int(header.Columns)) != (int(dataset.Rows), int(dataset.Columns)):
        raise InputError(
            f"{name} has frames of {dataset.Rows} x {dataset.Columns} pixels, the images {header.Rows} x "
            f"{header.Columns}; {advice}."
        )
    beyond = [number for uid, number in named if uid in uids and (uid, number) not in known]
    if beyond:
        raise InputError(f"{name} lies on frame {max(beyond)}, which its image does not have; {advice}.")
    return sources


def _named_sources(dataset: "Dataset", references: Sequence[FrameKey], name: str) -> list[FrameKey]:
    """Frames that the Segmentation refers to: every listed instance, each up to its highest frame number."""
    if not references:
        raise InputError(f"{name} does not say which images it lies on; open it together with its images.")
    highest = {image.sop_instance_uid: 1 for image in referenced_images(dataset)}
    for uid, number in references:
        highest[uid] = max(highest.get(uid, 1), number)
    if sum(highest.values()) > MOST_FRAMES:
        raise InputError(f"{name} refers to {sum(highest.values())} source frames, too many to hold; export it again.")
    return [(uid, number) for uid, last in highest.items() for number in range(1, last + 1)]


def _only_image(dataset: "Dataset", several: set[str]) -> FrameKey | None:
    """The image that the whole Segmentation names, where it is one alone and not known to have many frames."""
    images = referenced_images(dataset)
    if len(images) != 1 or images[0].sop_instance_uid in several:
        return None
    return images[0].sop_instance_uid, 1


def _references(group: "Dataset", shared: "Dataset | None", several: set[str], name: str) -> Iterator[FrameKey]:
    """Source frames of one stored frame; `several` are the instances known to have many frames."""
    for item in _items(group, shared, "DerivationImageSequence"):
        for image in item.get("SourceImageSequence") or []:
            uid, numbers = image.get("ReferencedSOPInstanceUID"), image.get("ReferencedFrameNumber")
            if uid is None:
                continue
            if image.get("SpatialLocationsPreserved") in ("NO", "REORIENTED_ONLY"):
                raise InputError(f"{name} was resampled, so its pixels are not those of the images; export it again.")
            if numbers is None and str(uid) in several:
                raise InputError(f"{name} does not say on which frame of the cine each mask lies; export it again.")
            if numbers is None:
                yield str(uid), 1
            else:
                for number in [numbers] if isinstance(numbers, int) else numbers:
                    yield str(uid), int(number)


def _check_told_apart(groups: "Sequence[Dataset]", placed: Sequence[PlacedFrame], name: str) -> None:
    """Refuse two frames of one segment on one source frame with the same place in every dimension (PS3.3 C.7.6.17)."""
    seen: set[tuple[object, ...]] = set()
    for one in placed:
        content = (groups[one.stored].get("FrameContentSequence") or [None])[0]
        values = content.get("DimensionIndexValues") if content is not None else None
        key = (one.segment, one.source, tuple(values) if isinstance(values, Sequence) else values)
        if key in seen:
            what = f"segment {one.segment}" if one.segment is not None else "its label map"
            raise InputError(f"{name} has two frames of {what} on one source frame; export it again.")
        seen.add(key)


def _segment_number(group: "Dataset", shared: "Dataset | None") -> int | None:
    for item in _items(group, shared, "SegmentIdentificationSequence"):
        number = item.get("ReferencedSegmentNumber")
        return number if isinstance(number, int) else None
    return None


def _items(group: "Dataset", shared: "Dataset | None", keyword: str) -> "Sequence[Dataset]":
    """Items of a functional group, which stands per frame or once for all frames (PS3.3 C.7.6.16)."""
    items: Sequence[Dataset] = group.get(keyword) or (shared.get(keyword) if shared is not None else None) or []
    return items
