"""Segmentations of several images of one study together: one DICOM object for each size of image."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ..birads.analysis import ModelUsed
from ..birads.lesion import Lesion
from ..errors import UsageError
from .provenance import laterality
from .segmentation import segmentation_of_sources
from .segmentation_geometry import Geometry
from .segmentation_segments import SegmentSource, lesion_label
from .source_frames import source_frames

if TYPE_CHECKING:
    from pydicom import Dataset

_MOST_SEGMENTS = 65535


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """One still, cine or volume with what is outlined on it; see `segmentation.segmentation_dataset`."""

    headers: "Sequence[Dataset]"
    labels: np.ndarray
    """uint8 or uint16, (frames, rows, columns), a label image for every frame of the headers."""
    lesions: Sequence[Lesion]
    model: ModelUsed
    accepted: bool = False
    """A named reader accepted the outlines."""


def study_segmentations(
    images: Sequence[SegmentedImage],
    *,
    created: datetime,
    geometry: Geometry = "source",
    series_number: int = 900,
) -> "list[Dataset]":
    """Build the binary Segmentations of several images of one study, of any series.

    The frames of a Segmentation are of one size (PS3.3 C.7.6.3), so there is one object a size, in the order of the
    first image of each; together they are one series. A lesion with one tracking UID on several images is one segment.
    Where an object holds several images, a SegmentLabel also says of which one it is. Images without an outline are
    left out. An object calls itself accepted where all its images are.

    Raises:
        UsageError: nothing is outlined, or the images are of different studies, or one does not fit its labels.
    """
    outlined = [image for image in images if image.labels.any()]
    if not outlined:
        raise UsageError("No lesion is outlined, so there is nothing that a DICOM Segmentation could hold.")
    if len({str(header.get("StudyInstanceUID")) for image in images for header in image.headers}) > 1:
        raise UsageError("The images are of different studies; write one Segmentation a study.")
    numbers = {id(image): number for number, image in enumerate(images, start=1)}
    by_size: dict[tuple[int, ...], list[SegmentedImage]] = {}
    for image in outlined:
        by_size.setdefault(image.labels.shape[1:], []).append(image)
    datasets: list[Dataset] = []
    for index, group in enumerate(by_size.values(), start=1):
        labels, sources = _joined(group, numbers if len(images) > 1 else {})
        dataset = segmentation_of_sources(
            [header for image in group for header in image.headers],
            labels,
            sources,
            created=created,
            geometry=geometry,
            accepted=all(image.accepted for image in group),
            series_number=series_number,
        )
        dataset.InstanceNumber = index
        if datasets:
            dataset.SeriesInstanceUID = datasets[0].SeriesInstanceUID
        datasets.append(dataset)
    return datasets


def _joined(images: Sequence[SegmentedImage], numbers: dict[int, int]) -> tuple[np.ndarray, list[SegmentSource]]:
    """Label images of all images behind each other, with a value of its own for each tracked lesion."""
    total = sum(len(image.labels) for image in images)
    joined = np.zeros((total, *images[0].labels.shape[1:]), np.uint16)
    sources: dict[str, SegmentSource] = {}
    start = 0
    for image in images:
        if len(image.labels) != len(source_frames(image.headers)):
            raise UsageError("The labels do not fit their images; give one label image for every frame.")
        side = laterality(image.headers)
        part = joined[start : start + len(image.labels)]
        start += len(image.labels)
        values = np.zeros(int(image.labels.max()) + 1, np.uint16)
        for lesion in sorted(image.lesions, key=lambda one: one.number):
            label = lesion_label(lesion) + (f", image {numbers[id(image)]}" if numbers else "")
            new = SegmentSource(len(sources) + 1, lesion, image.model, side, label)
            source = sources.setdefault(lesion.tracking_uid, new)
            if lesion.number < len(values):
                values[lesion.number] = source.value
        if len(sources) > _MOST_SEGMENTS:
            raise UsageError("There are more lesions than a DICOM Segmentation can number; write one image at a time.")
        part[...] = values[image.labels]
        unknown = np.setdiff1d(np.unique(image.labels), [0, *(lesion.number for lesion in image.lesions)])
        if unknown.size:
            raise UsageError(f"Label {unknown[0]} belongs to no lesion; give the lesions of these labels.")
    if len(sources) < 256:
        joined = joined.astype(np.uint8)
    return joined, list(sources.values())
