"""What of a series of Slicer's DICOM database this extension offers to load: ultrasound, and SEG and SR that lie on it.

Anything else is left to the other plug-ins. Most files are told by their SOP class, which the database knows without
opening them.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from slicer.i18n import tr as _

from ..errors import InputError
from ..ultrasound.sop_classes import CAPTURE_CLASSES, ULTRASOUND_CLASSES, is_ultrasound
from .dicom_database import (
    INSTANCE_NUMBER,
    MODALITY,
    SERIES_DESCRIPTION,
    SERIES_NUMBER,
    SOP_CLASS,
    file_of,
    value_in,
)

if TYPE_CHECKING:
    from ..ultrasound.dicom_frames import DicomFrames

SEGMENTATION_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
"""Segmentation and Label Map Segmentation."""
REPORT_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.88.{n}" for n in (22, 33, 34))
"""Enhanced, Comprehensive and Comprehensive 3D SR."""

IMAGE_CONFIDENCE = 0.85
"""Above Slicer's own image sequences (0.7) and Enhanced US Volume (0.8), which know no regions; below the readers of
vendors' 3D and 4D formats (0.9), which know what is in the private elements."""
OBJECT_CONFIDENCE = 0.97
"""Above Slicer's own readers of SEG and TID 1500 (0.95), which need positions in the patient."""

Kind = Literal["image", "segmentation", "report"]


@dataclass(frozen=True)
class Offer:
    """One thing to load."""

    kind: Kind
    files: tuple[str, ...]
    name: str
    tooltip: str
    confidence: float
    warning: str = ""
    """What the user should know before loading; Slicer asks whether to go on."""


def offers_of(files: Iterable[str]) -> list[Offer]:
    """What is offered for the files of one series; nothing for files that are not ultrasound or on it."""
    listed = [str(file) for file in files]
    classes = {file: value_in(file, SOP_CLASS) for file in listed}
    images = [file for file in listed if _is_ultrasound(classes[file], file)]
    offers = _image_offers(images) if images else []
    for file in listed:
        if classes[file] in SEGMENTATION_CLASSES:
            offers += _segmentation_offers(file)
        elif classes[file] in REPORT_CLASSES:
            offers += _report_offers(file)
    return offers


def clips_in(files: Sequence[str]) -> "list[list[DicomFrames]]":
    """Files put together as they are loaded: each list is a still, a cine or a volume. Damaged files are left out."""
    from ..ultrasound.dicom_clip import frames_of, grouped
    from ..ultrasound.dicom_source import read_dicom_source

    readable = []
    for file in files:
        try:
            readable.append(frames_of(read_dicom_source(Path(file))))
        except InputError as error:
            logging.debug("Not offered as ultrasound: %s", error)
    return grouped(readable)


def lies_on_ultrasound(class_uid: str, instance_uid: str) -> bool:
    """Whether an image that a SEG or SR refers to is ultrasound, whether or not the database has it."""
    if class_uid in CAPTURE_CLASSES:
        file = file_of(instance_uid)
        return file is not None and _is_ultrasound(class_uid, file)
    return class_uid in ULTRASOUND_CLASSES


def title_of(file: str, several: bool = False) -> str:
    """Name in Slicer's manner: number and description of the series, and of one instance its number."""
    number, description = value_in(file, SERIES_NUMBER), value_in(file, SERIES_DESCRIPTION)
    parts = [f"{number}:" if number else "", value_in(file, MODALITY), description]
    instance = value_in(file, INSTANCE_NUMBER)
    if instance and not several:
        parts.append(f"[{instance}]")
    return " ".join(part for part in parts if part) or _("Ultrasound")


def _is_ultrasound(class_uid: str, file: str) -> bool:
    # The database is asked for the modality only where the class does not tell.
    return is_ultrasound(class_uid, value_in(file, MODALITY) if class_uid in CAPTURE_CLASSES else "")


def _image_offers(files: Sequence[str]) -> list[Offer]:
    clips = clips_in(files)
    lost = len(files) - sum(len(group) for group in clips)
    warning = _("{lost} of {count} files of this series cannot be read and are left out.")
    return [
        Offer(
            "image",
            tuple(str(frames.source.path) for frames in group),
            title_of(str(group[0].source.path), several=len(group) > 1),
            _image_words(group),
            IMAGE_CONFIDENCE,
            warning.format(lost=lost, count=len(files)) if lost else "",
        )
        for group in clips
    ]


def _image_words(group: "list[DicomFrames]") -> str:
    """What the image is, and how its lengths are known, for the tooltip."""
    header = group[0].source.header
    count = sum(frames.source.frame_count for frames in group)
    words = _("Ultrasound, {count} frames of {columns} x {rows} pixels") if count > 1 else ""
    words = words or _("Ultrasound, {columns} x {rows} pixels")
    words = words.format(count=count, columns=int(header["Columns"].value), rows=int(header["Rows"].value))
    spacings = [region.spacing for region in group[0].regions if region.is_tissue and region.spacing is not None]
    spacing = spacings[0] if spacings else group[0].pixel_spacing
    if spacing is None:
        return f"{words}. {_('Pixel size not known: sizes are in pixels until you calibrate.')}"
    size = _("Pixels of {row:.4g} x {column:.4g} mm.").format(row=spacing.row_mm, column=spacing.column_mm)
    return f"{words}. {size}"


def _segmentation_offers(file: str) -> list[Offer]:
    from .dicom_references import referenced_in

    images = referenced_in(file)
    if not any(lies_on_ultrasound(*image) for image in images):
        return []
    words = _("Segmentation on ultrasound; it is loaded with the image that it lies on.")
    return [Offer("segmentation", (file,), title_of(file, several=True), words, OBJECT_CONFIDENCE)]


def _report_offers(file: str) -> list[Offer]:
    from .dicom_references import is_measurement_report, referenced_in

    if not is_measurement_report(file) or not any(lies_on_ultrasound(*image) for image in referenced_in(file)):
        return []
    words = _("Report of findings on ultrasound; it is loaded with its image and outlines.")
    return [Offer("report", (file,), title_of(file, several=True), words, OBJECT_CONFIDENCE)]
