"""Reads DICOM Segmentations that lie on ultrasound frames: ours, and any binary or fractional one.

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
from .segmentation_mapping import FrameKey, map_frames
from .segmentation_pixels import StoredPixels, read_stored_pixels

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
LARGEST_LABEL_ARRAY = 2**31
"""Bytes of the label array beyond which a Segmentation is refused rather than filling the memory."""
_MOST_SEGMENTS = 1000


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
    segmentation_type: Literal["BINARY", "FRACTIONAL"]
    fractional_type: str | None
    """PROBABILITY or OCCUPANCY."""
    overlapping: bool
    """Whether any pixel belongs to two segments."""
    frames_elsewhere: int
    """Frames of the Segmentation that lie on images other than the headers given; they are not in `labels`."""
    stored: StoredPixels = field(repr=False)
    where: Mapping[tuple[int, int], int] = field(repr=False)
    """Stored frame for (segment number, index of the source frame)."""

    def mask(self, number: int, index: int) -> np.ndarray:
        """Mask of segment `number` in source frame `index` (from 0), bool (rows, columns); empty where not stored."""
        if (number, index) not in self.where:
            return np.zeros(self.labels.shape[1:], bool)
        return self.stored.mask(self.where[number, index])

    def fraction(self, number: int, index: int) -> np.ndarray:
        """Probability or occupancy of segment `number` in source frame `index`, float32 0..1, (rows, columns)."""
        if (number, index) not in self.where:
            return np.zeros(self.labels.shape[1:], np.float32)
        return self.stored.fraction(self.where[number, index])


def read_segmentation(source: "Path | str | Dataset", headers: "Sequence[Dataset] | None" = None) -> SegmentationLabels:
    """Read a binary or fractional DICOM Segmentation and lay it on its source frames.

    Args:
        source: path of the file, or the dataset.
        headers: headers of the source images, one a file; they fix number and order of the frames. Without them, the
            frames are those that the Segmentation itself refers to, up to the highest frame number.

    Raises:
        InputError: not a Segmentation, damaged, too large, or of other images than `headers`.
    """
    name, dataset = _opened(source)
    try:
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
    labels = np.zeros((len(mapping.sources), rows, columns), dtype)
    overlapping = False
    for (number, index), position in sorted(mapping.where.items()):
        mask = stored.mask(position)
        overlapping = overlapping or bool(labels[index][mask].any())
        labels[index][mask] = number
    return SegmentationLabels(
        labels=labels,
        segments=segments,
        sources=mapping.sources,
        segmentation_type=kind,
        fractional_type=str(dataset.get("SegmentationFractionalType") or "") or None,
        overlapping=overlapping,
        frames_elsewhere=mapping.frames_elsewhere,
        stored=stored,
        where=mapping.where,
    )


def _opened(source: "Path | str | Dataset") -> "tuple[str, Dataset]":
    from pydicom import Dataset

    from .reading import read_dataset

    if isinstance(source, Dataset):
        return "The segmentation", source
    return str(source), read_dataset(Path(source))


def _checked_type(dataset: "Dataset", name: str) -> Literal["BINARY", "FRACTIONAL"]:
    if dataset.get("SOPClassUID") != SEGMENTATION_STORAGE:
        raise InputError(f"{name} is not a DICOM Segmentation; choose a file of modality SEG.")
    for keyword in ("Rows", "Columns", "NumberOfFrames", "BitsAllocated"):
        try:
            valid = int(dataset.get(keyword) or 0) > 0
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise InputError(f"{name} is damaged ({keyword} is missing or not a number); export it again.")
    kind = dataset.get("SegmentationType")
    if kind == "BINARY" and dataset.BitsAllocated in (1, 8):
        return "BINARY"
    if kind == "FRACTIONAL" and dataset.BitsAllocated == 8:
        return "FRACTIONAL"
    raise InputError(
        f"{name} is a {kind} segmentation of {dataset.BitsAllocated} bits; export it as BINARY or FRACTIONAL."
    )


def _segments(dataset: "Dataset", name: str) -> tuple[SegmentRead, ...]:
    items = list(dataset.get("SegmentSequence") or [])
    if not 0 < len(items) <= _MOST_SEGMENTS:
        raise InputError(f"{name} has {len(items)} segments; a segmentation of ultrasound has 1 to {_MOST_SEGMENTS}.")
    segments = []
    for item in items:
        number = item.get("SegmentNumber")
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
