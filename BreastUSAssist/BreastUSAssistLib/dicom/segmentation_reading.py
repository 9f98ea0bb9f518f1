"""Reads DICOM Segmentations that lie on ultrasound frames: ours, and any binary or fractional one or label map.

3D Slicer's own reader needs image directions that ultrasound does not have, so the masks are laid here on the frames
that the Segmentation names (DerivationImageSequence, PS3.3 C.7.6.16.2.6), pixel on pixel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..birads.lesion import Code
from ..errors import BreastUSAssistError, InputError
from ..ultrasound.quiet import quiet
from .segmentation_geometry import is_made_up
from .segmentation_mapping import FrameKey, PlacedFrame, map_frames
from .segmentation_pixels import StoredPixels, read_stored_pixels

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
SEGMENTATION_CLASSES = (SEGMENTATION_STORAGE, LABEL_MAP_STORAGE)
SegmentationType = Literal["BINARY", "FRACTIONAL", "LABELMAP"]
LARGEST_LABEL_ARRAY = 2**31
"""Bytes of the label array beyond which a Segmentation is refused rather than filling the memory."""
_MOST_SEGMENTS = 1000
_BITS: dict[SegmentationType, tuple[int, ...]] = {"BINARY": (1, 8), "FRACTIONAL": (8,), "LABELMAP": (8, 16)}
"""BitsAllocated of each type (PS3.3 C.8.20.2); some write masks in bytes."""


@dataclass(frozen=True)
class SegmentRead:
    """What a Segmentation says of one of its segments."""

    number: int
    """SegmentNumber, also its value in the labels."""
    label: str
    tracking_uid: str | None
    tracking_id: str | None
    category: Code | None
    type: Code | None
    algorithm_type: str
    """AUTOMATIC, SEMIAUTOMATIC or MANUAL; empty where not said."""
    algorithm_name: str | None


@dataclass(frozen=True, eq=False)
class SegmentationLabels:
    """A Segmentation laid on its source frames."""

    labels: np.ndarray
    """uint8 (uint16 above 255 segments), (frames, rows, columns): 0 background, n segment number n.

    Where segments overlap the highest number wins; `mask` gives each segment whole. Fractions count from 0.5."""
    segments: tuple[SegmentRead, ...]
    sources: tuple[FrameKey, ...]
    """SOP instance UID and 1-based frame number of each source frame, in the order of `labels`."""
    segmentation_type: SegmentationType
    fractional_type: str | None
    """PROBABILITY or OCCUPANCY."""
    overlapping: bool
    """Whether any pixel belongs to two segments."""
    frames_elsewhere: int
    """Frames of the Segmentation that lie on images other than the headers given; they are not in `labels`."""
    missing: tuple[str, ...]
    """SOP instance UIDs of those images, as far as they are named."""
    made_up_geometry: bool
    """Its positions in the patient are made up, and were not used (see segmentation_geometry)."""
    stored: StoredPixels = field(repr=False)
    where: Mapping[tuple[int, int], tuple[int, ...]] = field(repr=False)
    """Stored frames for (segment number, index of the source frame); several where a further dimension parts them."""

    def mask(self, number: int, index: int) -> np.ndarray:
        """Mask of segment `number` in source frame `index` (from 0), bool (rows, columns); empty where not stored."""
        mask = np.zeros(self.labels.shape[1:], bool)
        for position in self.where.get((number, index), ()):
            mask |= self.stored.mask(position, number)
        return mask

    def fraction(self, number: int, index: int) -> np.ndarray:
        """Probability or occupancy of segment `number` in source frame `index`, float32 0..1, (rows, columns)."""
        fraction = np.zeros(self.labels.shape[1:], np.float32)
        for position in self.where.get((number, index), ()):
            np.maximum(fraction, self.stored.fraction(position, number), out=fraction)
        return fraction


def read_segmentation(
    source: "Path | str | Dataset", headers: "Sequence[Dataset] | None" = None, *, name: str | None = None
) -> SegmentationLabels:
    """Read a DICOM Segmentation of any type and lay it on its source frames.

    Args:
        source: path of the file, or the dataset.
        headers: headers of the source images, one a file, of one study and size; they fix number and order of the
            frames. They may be some of those that the Segmentation lies on: see `missing`. Without them, the frames are
            those that the Segmentation itself refers to, up to the highest frame number.
        name: what sentences call a dataset.

    Raises:
        InputError: not a Segmentation, damaged, too large, or of other images than `headers`, or these were changed.
    """
    opened, dataset = _opened(source)
    name = name or opened
    try:
        with quiet():
            return _laid(dataset, headers, name)
    except BreastUSAssistError:
        raise
    except Exception as error:  # a damaged value shows itself where it is used, as any type of error
        raise InputError(f"{name} is damaged and could not be read as a Segmentation; export it again.") from error


def _laid(dataset: "Dataset", headers: "Sequence[Dataset] | None", name: str) -> SegmentationLabels:
    kind = _checked_type(dataset, name)
    segments = _segments(dataset, name)
    numbers = {segment.number for segment in segments}
    mapping = map_frames(dataset, headers, numbers, name)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    dtype = np.dtype(np.uint8 if max(numbers) < 256 else np.uint16)
    if len(mapping.sources) * rows * columns * dtype.itemsize > LARGEST_LABEL_ARRAY:
        raise InputError(
            f"{name} covers {len(mapping.sources)} frames of {rows} x {columns}, too many to hold; split it."
        )
    stored = read_stored_pixels(dataset, name)
    where = _where(dataset, mapping.placed, stored, numbers, name)
    labels = np.zeros((len(mapping.sources), rows, columns), dtype)
    overlapping = False
    for (number, index), positions in sorted(where.items()):
        for position in positions:
            mask = stored.mask(position, number)
            overlapping = overlapping or bool(((labels[index] > 0) & (labels[index] != number) & mask).any())
            np.copyto(labels[index], dtype.type(number), where=mask)
    return SegmentationLabels(
        labels=labels,
        segments=segments,
        sources=mapping.sources,
        segmentation_type=kind,
        fractional_type=str(dataset.get("SegmentationFractionalType") or "") or None,
        overlapping=overlapping,
        frames_elsewhere=mapping.frames_elsewhere,
        missing=mapping.missing,
        made_up_geometry=is_made_up(dataset),
        stored=stored,
        where=where,
    )


def _where(
    dataset: "Dataset", placed: Sequence[PlacedFrame], stored: StoredPixels, numbers: set[int], name: str
) -> dict[tuple[int, int], tuple[int, ...]]:
    """Stored frames by segment and source frame; of a label map each segment that has a pixel there."""
    where: dict[tuple[int, int], tuple[int, ...]] = {}
    background = {0, dataset.get("PixelPaddingValue")}
    for one in placed:
        if one.segment is not None:
            found = {one.segment}
        else:
            found = set(np.flatnonzero(np.bincount(stored.values(one.stored).ravel())).tolist()) - background
        for number in found:
            if number not in numbers:
                raise InputError(f"{name} is damaged (it has pixels of no segment); export it again.")
            where[number, one.source] = (*where.get((number, one.source), ()), one.stored)
    return where


def _opened(source: "Path | str | Dataset") -> "tuple[str, Dataset]":
    from pydicom import Dataset

    from .reading import read_dataset

    if isinstance(source, Dataset):
        return "The segmentation", source
    return str(source), read_dataset(Path(source))


def _checked_type(dataset: "Dataset", name: str) -> SegmentationType:
    if dataset.get("SOPClassUID") not in SEGMENTATION_CLASSES:
        raise InputError(f"{name} is not a DICOM Segmentation; choose a file of modality SEG.")
    for keyword in ("Rows", "Columns", "NumberOfFrames", "BitsAllocated"):
        try:
            valid = int(dataset.get(keyword) or 0) > 0
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise InputError(f"{name} is damaged ({keyword} is missing or not a number); export it again.")
    kind = dataset.get("SegmentationType")
    for known, bits in _BITS.items():
        if kind == known and dataset.BitsAllocated in bits:
            return known
    raise InputError(
        f"{name} is a segmentation of an unknown type or of {dataset.BitsAllocated} bits; export it as BINARY or "
        "FRACTIONAL."
    )


def _segments(dataset: "Dataset", name: str) -> tuple[SegmentRead, ...]:
    items = list(dataset.get("SegmentSequence") or [])
    if not 0 < len(items) <= _MOST_SEGMENTS:
        raise InputError(f"{name} has {len(items)} segments; a segmentation of ultrasound has 1 to {_MOST_SEGMENTS}.")
    segments = []
    for item in items:
        number = item.get("SegmentNumber")
        if number == 0 and dataset.SegmentationType == "LABELMAP":
            continue  # the background may be described, PS3.3 C.8.20.2.3.3
        if not isinstance(number, int) or not 1 <= number <= 65535:
            raise InputError(f"{name} is damaged (a segment has no number); export it again.")
        segments.append(
            SegmentRead(
                number=number,
                label=str(item.get("SegmentLabel") or f"Segment {number}"),
                tracking_uid=_text(item, "TrackingUID"),
                tracking_id=_text(item, "TrackingID"),
                category=_code(item.get("SegmentedPropertyCategoryCodeSequence")),
                type=_code(item.get("SegmentedPropertyTypeCodeSequence")),
                algorithm_type=str(item.get("SegmentAlgorithmType") or ""),
                algorithm_name=_text(item, "SegmentAlgorithmName"),
            )
        )
    if not segments:
        raise InputError(f"{name} describes nothing but background; export it again.")
    if len({segment.number for segment in segments}) != len(segments):
        raise InputError(f"{name} is damaged (two segments have the same number); export it again.")
    return tuple(segments)


def _text(item: "Dataset", keyword: str) -> str | None:
    value = item.get(keyword)
    return str(value) if value else None


def _code(items: "Sequence[Dataset] | None") -> Code | None:
    if not items:
        return None
    item = items[0]
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    return Code(
        value=str(value or ""),
        scheme=str(item.get("CodingSchemeDesignator") or ""),
        meaning=str(item.get("CodeMeaning") or ""),
        scheme_version=_text(item, "CodingSchemeVersion"),
    )
