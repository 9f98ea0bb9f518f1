"""DICOM Segmentation of an analysis: stills, cines and volumes by one writer.

highdicom refuses a multi-frame source without a frame of reference (its issues #284 and #200), so the object is built
here from PS3.3 A.51 (Segmentation IOD) and C.8.20. Without a frame of reference the masks lie on the source pixels
through DerivationImageSequence alone.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..birads.analysis import ModelUsed
from ..birads.lesion import Lesion
from ..errors import UsageError
from .codes import short_text
from .provenance import (
    DRAFT,
    DRAFT_CREATOR,
    SOFTWARE,
    copy_patient_and_study,
    describe_equipment,
    laterality,
    series_references,
    stamp,
)
from .segmentation_frames import StoredFrame, add_functional_groups
from .segmentation_geometry import MADE_UP, MADE_UP_DESCRIPTION, MADE_UP_SERIES, Geometry, frame_geometry
from .segmentation_segments import SegmentSource, lesion_label, segment_item
from .source_frames import SourceFrame, source_frames
from .writing import set_file_meta, write_dataset

if TYPE_CHECKING:
    from pydicom import Dataset

NEIGHBOURHOOD_PX = 8
"""How far around its outline a lesion's probabilities are stored."""
ACCEPTED = "Research use only: accepted lesion outlines"
"""Opens the descriptions of outlines that a reader accepted."""
_LARGEST_PIXEL_DATA = 2**32 - 2


def segmentation_dataset(
    headers: "Sequence[Dataset]",
    labels: np.ndarray,
    lesions: Sequence[Lesion],
    model: ModelUsed,
    *,
    created: datetime,
    probability: np.ndarray | None = None,
    fractional: bool = False,
    geometry: Geometry = "source",
    accepted: bool = False,
    series_number: int = 900,
) -> "Dataset":
    """Build a DICOM Segmentation with one segment a lesion; frames in which a lesion is not outlined are left out.

    Args:
        headers: source headers without pixel data, one a file: a still, one multi-frame cine or volume, or N files of
            one frame each. All of one study and one size.
        labels: uint8 or uint16, (frames, rows, columns): 0 background, n the lesion of that number. Frames in the
            order of `headers`; of a single multi-frame file they may be only the first ones.
        lesions: the lesions outlined in `labels`. Segments are numbered 1, 2, ... in order of `Lesion.number` as the
            standard demands; SegmentLabel ("Lesion 3") and TrackingUID name the lesion. A lesion without a pixel in
            `labels` gets no segment.
        model: the network that drew the masks, named as the algorithm.
        created: date and time of the object.
        probability: foreground probability, float 0..1 or uint8 in 1/255, (frames, rows, columns); needed for
            `fractional`.
        fractional: store probabilities in 8 bits (FRACTIONAL, PROBABILITY) inside each lesion and up to
            NEIGHBOURHOOD_PX around it, instead of masks in 1 bit (BINARY).
        geometry: "source" writes positions in the patient only where the source has them; "made_up" invents them for
            software that refuses a Segmentation without (dcmqi), and marks the object (see segmentation_geometry).
        accepted: a named reader accepted these outlines; the object then does not call itself a draft.
        series_number: SeriesNumber of the new series.

    Raises:
        UsageError: no lesion is outlined (a Segmentation needs a segment and a frame: PS3.3 C.8.20.2), the labels do
            not fit the source or the lesions, or the result would pass the 4 GiB of one DICOM element.
    """
    side = laterality(headers)
    sources = [SegmentSource(one.number, one, model, side, lesion_label(one)) for one in lesions]
    return segmentation_of_sources(
        headers,
        labels,
        sources,
        created=created,
        probability=probability if fractional else None,
        fractional=fractional,
        geometry=geometry,
        accepted=accepted,
        series_number=series_number,
    )


def segmentation_of_sources(
    headers: "Sequence[Dataset]",
    labels: np.ndarray,
    sources: Sequence[SegmentSource],
    *,
    created: datetime,
    probability: np.ndarray | None = None,
    fractional: bool = False,
    geometry: Geometry = "source",
    accepted: bool = False,
    series_number: int = 900,
) -> "Dataset":
    """Build a DICOM Segmentation as `segmentation_dataset` does, each segment with a model, side and label of its own.

    The network of the first source stands for the equipment.

    Raises:
        UsageError: as `segmentation_dataset`.
    """
    frames = source_frames(headers)
    _check(frames, labels, sources, probability, fractional)
    stored = _stored_frames(labels, sources)
    dataset = _common_attributes(headers, frames, sources[0].model, created, series_number)
    _describe_pixels(dataset, headers, fractional)
    dataset.Rows, dataset.Columns = labels.shape[1:]
    numbers = {frame.value: frame.segment_number for frame in stored}
    dataset.SegmentSequence = [
        segment_item(numbers[source.value], source)
        for source in sorted(sources, key=lambda one: one.value)
        if source.value in numbers
    ]
    place = frame_geometry(frames, geometry)
    add_functional_groups(dataset, frames, stored, place)
    _name_content(dataset, accepted, place is not None and place.made_up)
    dataset.PixelData = _pixel_data(labels, stored, probability if fractional else None)
    set_file_meta(dataset)
    return dataset


def write_segmentation(
    path: Path,
    headers: "Sequence[Dataset]",
    labels: np.ndarray,
    lesions: Sequence[Lesion],
    model: ModelUsed,
    *,
    created: datetime,
    probability: np.ndarray | None = None,
    fractional: bool = False,
    geometry: Geometry = "source",
    accepted: bool = False,
    series_number: int = 900,
) -> "Dataset":
    """Build a DICOM Segmentation (see `segmentation_dataset`), write it to `path` whole, and return it.

    Raises:
        UsageError: as `segmentation_dataset`.
        OutputError: the file cannot be written.
    """
    dataset = segmentation_dataset(
        headers,
        labels,
        lesions,
        model,
        created=created,
        probability=probability,
        fractional=fractional,
        geometry=geometry,
        accepted=accepted,
        series_number=series_number,
    )
    write_dataset(path, dataset)
    return dataset


def _check(
    frames: Sequence[SourceFrame],
    labels: np.ndarray,
    sources: Sequence[SegmentSource],
    probability: np.ndarray | None,
    fractional: bool,
) -> None:
    if labels.ndim != 3 or labels.dtype not in (np.uint8, np.uint16):
        raise UsageError("Labels must be an 8-bit or 16-bit unsigned array of frames, rows and columns.")
    rows, columns = int(frames[0].header.Rows), int(frames[0].header.Columns)
    # A cine cut short has fewer frames than its header says; of several files, each must have its label image.
    fits = len(labels) == len(frames) or (len(labels) < len(frames) and frames[-1].header is frames[0].header)
    if not fits or labels.shape[1:] != (rows, columns):
        raise UsageError(
            f"The labels are {labels.shape[0]} frames of {labels.shape[1]} x {labels.shape[2]} pixels, the source has "
            f"{len(frames)} of {rows} x {columns}; give one label image for every source frame."
        )
    known = [source.value for source in sources]
    if len(set(known)) != len(known):
        raise UsageError("Two lesions have the same number; number them 1, 2, 3, ...")
    if fractional and (probability is None or probability.shape != labels.shape):
        raise UsageError("A fractional segmentation needs a probability for every pixel of the labels.")


def _stored_frames(labels: np.ndarray, sources: Sequence[SegmentSource]) -> list[StoredFrame]:
    """Frames to store, by segment then source frame; only those with a pixel of the lesion."""
    present = [set(np.flatnonzero(np.bincount(frame.ravel()))) - {0} for frame in labels]
    outlined = set().union(*present)
    if not outlined:
        raise UsageError("No lesion is outlined, so there is nothing that a DICOM Segmentation could hold.")
    unknown = outlined - {source.value for source in sources}
    if unknown:
        raise UsageError(f"Label {min(unknown)} belongs to no lesion; give the lesions of these labels.")
    return [
        StoredFrame(segment, int(number), index)
        for segment, number in enumerate(sorted(outlined), start=1)
        for index, numbers in enumerate(present)
        if number in numbers
    ]


def _common_attributes(
    headers: "Sequence[Dataset]",
    frames: Sequence[SourceFrame],
    model: ModelUsed,
    created: datetime,
    series_number: int,
) -> "Dataset":
    from pydicom import Dataset
    from pydicom.uid import SegmentationStorage, generate_uid

    dataset = Dataset()
    copy_patient_and_study(headers[0], dataset)
    describe_equipment(dataset, model)
    stamp(dataset, created)
    dataset.SOPClassUID = SegmentationStorage
    dataset.SOPInstanceUID = generate_uid(prefix=None)
    dataset.SeriesInstanceUID = generate_uid(prefix=None)
    dataset.Modality = "SEG"
    dataset.SeriesNumber = series_number
    dataset.InstanceNumber = 1
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.ReferencedSeriesSequence = series_references(frames)
    return dataset


def _name_content(dataset: "Dataset", accepted: bool, made_up: bool) -> None:
    """Say what the object is: a draft or what a reader accepted, and where its geometry is made up."""
    dataset.ContentLabel = MADE_UP if made_up else "LESIONS"
    dataset.ContentCreatorName = SOFTWARE if accepted else DRAFT_CREATOR
    series = ACCEPTED if accepted else f"{DRAFT}: lesion outlines"
    content = f"{ACCEPTED} of a named reader" if accepted else f"{DRAFT}; a named reader decides"
    if made_up:
        series, content = (
            f"{series}, {MADE_UP_SERIES}",
            f"{MADE_UP_DESCRIPTION}; {'accepted' if accepted else 'AI draft'}",
        )
    dataset.SeriesDescription, dataset.ContentDescription = short_text(series), short_text(content)


def _describe_pixels(dataset: "Dataset", headers: "Sequence[Dataset]", fractional: bool) -> None:
    """Image Pixel and Segmentation Image attributes (PS3.3 C.8.20.2)."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelRepresentation = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 if fractional else 1
    dataset.HighBit = dataset.BitsStored - 1
    dataset.SegmentationType = "FRACTIONAL" if fractional else "BINARY"
    dataset.SegmentsOverlap = "UNDEFINED" if fractional else "NO"
    if fractional:
        dataset.SegmentationFractionalType = "PROBABILITY"
        dataset.MaximumFractionalValue = 255
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    lossy = [header for header in headers if header.get("LossyImageCompression") == "01"]
    # The masks inherit the loss of their source (C.7.6.1.1.5), which must then be described in full.
    if lossy and lossy[0].get("LossyImageCompressionRatio") and lossy[0].get("LossyImageCompressionMethod"):
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio = lossy[0].LossyImageCompressionRatio
        dataset.LossyImageCompressionMethod = lossy[0].LossyImageCompressionMethod


def _pixel_data(labels: np.ndarray, stored: Sequence[StoredFrame], probability: np.ndarray | None) -> bytes:
    bits = len(stored) * labels.shape[1] * labels.shape[2] * (1 if probability is None else 8)
    if bits / 8 > _LARGEST_PIXEL_DATA:
        raise UsageError("The segmentation passes the 4 GiB that DICOM holds; store fewer frames or a binary one.")
    content = BytesIO()
    if probability is None:
        for packed in _packed(labels[frame.index] == frame.value for frame in stored):
            content.write(packed)
    else:
        for frame in stored:
            content.write(_fractions(labels[frame.index], probability[frame.index], frame.value))
    if content.tell() % 2:
        content.write(b"\0")
    return content.getvalue()


def _packed(masks: Iterator[np.ndarray]) -> Iterator[bytes]:
    """Bits of successive masks without a gap between frames, first pixel in the lowest bit (PS3.5 8.1.1, D)."""
    # Eight frames of any size fill whole bytes.
    group: list[np.ndarray] = []
    for mask in masks:
        group.append(mask)
        if len(group) == 8:
            yield np.packbits(np.stack(group), bitorder="little").tobytes()
            group = []
    if group:
        yield np.packbits(np.stack(group), bitorder="little").tobytes()


def _fractions(labels: np.ndarray, probability: np.ndarray, number: int) -> bytes:
    """Probabilities of one lesion in one frame, 0..255; zero away from it and on other lesions."""
    mask = labels == number
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    part = (
        slice(max(rows[0] - NEIGHBOURHOOD_PX, 0), rows[-1] + NEIGHBOURHOOD_PX + 1),
        slice(max(columns[0] - NEIGHBOURHOOD_PX, 0), columns[-1] + NEIGHBOURHOOD_PX + 1),
    )
    near = _near(mask[part])
    near &= (labels[part] == 0) | mask[part]
    values = probability[part]
    if values.dtype != np.uint8:
        values = np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255).astype(np.uint8)
    content = np.zeros(labels.shape, np.uint8)
    np.copyto(content[part], values, where=near)
    return content.tobytes()


def _near(mask: np.ndarray) -> np.ndarray:
    """Pixels within NEIGHBOURHOOD_PX of the mask: its rows widened by the chords of a disc, and laid on each other."""
    rows, columns = mask.shape
    before = np.zeros((rows, columns + 1), np.int32)
    np.cumsum(mask, axis=1, out=before[:, 1:])
    near = np.zeros_like(mask)
    at = np.arange(columns)
    for step in range(NEIGHBOURHOOD_PX + 1):
        half = math.isqrt(NEIGHBOURHOOD_PX**2 - step**2)
        wide = before[:, np.minimum(at + half + 1, columns)] > before[:, np.maximum(at - half, 0)]
        near[step:] |= wide[: max(rows - step, 0)]
        near[: max(rows - step, 0)] |= wide[step:]
    return near
