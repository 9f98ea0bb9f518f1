"""Labels as DICOM: of each case its frames as a Secondary Capture image, and a Segmentation that lies on them.

The store keeps no DICOM header, and the UIDs of the original would lead back to the patient. So the frames are written
too, under UIDs that follow from the store and the case alone, with Modality US (PS3.3 A.8: a picture from elsewhere).
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..birads.analysis import ModelUsed
from ..birads.lesion import Lesion
from ..birads.reading_view import NO_MODEL
from ..dicom.segmentation import segmentation_dataset
from ..dicom.writing import set_file_meta, write_dataset
from ..labels.exporting import ExportContent, ExportedCase
from ..labels.record import LabelRecord

if TYPE_CHECKING:
    from pydicom import Dataset

IMAGE, SEGMENTATION = "image.dcm", "seg.dcm"
_DESCRIPTION = "Labels, research use only"


def write_segmentations(folder: Path, content: ExportContent) -> None:
    """Write <case>/image.dcm and <case>/seg.dcm; below train/ and test/ where patients are held back.

    A case without a lesion has an image alone: a Segmentation cannot be empty (PS3.3 C.8.20.2).

    Raises:
        OutputError: a file cannot be written.
    """
    empty = overlapping = 0
    for case in content.each():
        place = (folder / case.part if content.query.split else folder) / case.record.case
        image = _image(case, content)
        write_dataset(place / IMAGE, image)
        labels = case.masks.labels()[[number - 1 for number in case.frames]]
        if not labels.any():
            empty += 1
            continue
        overlapping += _overlap(case)
        write_dataset(place / SEGMENTATION, _segmentation(case, content, image, labels))
    if empty:
        content.notes.append(f"{empty} cases show no lesion and have no {SEGMENTATION}: one cannot be empty.")
    if overlapping:
        content.notes.append(
            f"{overlapping} cases have lesions that overlap; the pixels they share are of the higher number there."
        )
    content.notes.append("The images are new Secondary Capture objects: they do not refer to the original ones.")


def _segmentation(case: ExportedCase, content: ExportContent, image: "Dataset", labels: np.ndarray) -> "Dataset":
    record = case.record
    made = segmentation_dataset(
        [image],
        labels,
        _lesions(case, content, labels),
        _model(record, content),
        created=datetime.fromisoformat(record.created),
    )
    # What the writer draws at random follows from the case here, so that a second export is the same.
    made.SOPInstanceUID = _uid(content, record, "segmentation")
    made.SeriesInstanceUID = _uid(content, record, "series of the segmentation")
    organization = _uid(content, record, "dimensions")
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for item in made.DimensionIndexSequence:
        item.DimensionOrganizationUID = organization
    if record.kind != "autosaved":
        # The writer's words are those for a draft.
        made.SeriesDescription = f"{_DESCRIPTION}: lesion outlines"
        made.ContentDescription = {"imported": "Imported outlines", "rejected": "Rejected by a reader"}.get(
            record.kind, "Outlines as a reader left them"
        )
        made.ContentCreatorName = None
    set_file_meta(made)
    return made


def _lesions(case: ExportedCase, content: ExportContent, labels: np.ndarray) -> list[Lesion]:
    """Of each lesion what the writer reads: number, UID, and who outlined it. Nothing was measured."""
    reading = case.record.reading
    said = {one.number: one for one in reading.lesions} if reading else {}
    lesions = []
    for number in (int(one) for one in np.unique(labels) if one):
        own = said.get(number)
        uid = own.tracking_uid if own else _uid(content, case.record, f"lesion {number}")
        drafted = own is not None and own.run is not None
        origin = "manual" if not drafted else "semiautomatic" if own is not None and own.edited_frames else "automatic"
        lesions.append(Lesion.model_construct(number=number, tracking_uid=uid, origin=origin))
    return lesions


def _model(record: LabelRecord, content: ExportContent) -> ModelUsed:
    """The network of the last draft."""
    analyses = content.store.analyses(record)
    return ModelUsed.model_validate(analyses[-1]["model"]) if analyses else NO_MODEL


def _image(case: ExportedCase, content: ExportContent) -> "Dataset":
    """The stored frames as a Secondary Capture image (PS3.3 A.8.1, A.8.3, A.8.5) without a patient's name."""
    from pydicom import Dataset

    record = case.record
    frames = _stacked([content.pixels(case, number) for number in case.frames])
    several, coloured = len(frames) > 1, frames.ndim == 4
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = _storage_class(several, coloured)
    dataset.SOPInstanceUID = _uid(content, record, "image")
    dataset.StudyInstanceUID = _uid(content, record, "study")
    dataset.SeriesInstanceUID = _uid(content, record, "series")
    dataset.PatientID = record.patient or record.case
    dataset.PatientName = f"{dataset.PatientID}^"
    for keyword in ("PatientBirthDate", "PatientSex", "ReferringPhysicianName", "AccessionNumber"):
        setattr(dataset, keyword, None)
    dataset.StudyDate = dataset.StudyTime = dataset.PatientOrientation = dataset.Manufacturer = None
    dataset.Modality, dataset.ConversionType = "US", "WSD"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.StudyID = "1"
    dataset.SeriesDescription, dataset.ImageType = f"{_DESCRIPTION}: frames", ["DERIVED", "SECONDARY"]
    dataset.BodyPartExamined = "BREAST"
    # Nobody looked for text in the pixels.
    dataset.BurnedInAnnotation = "YES"
    side = record.reading.place.side if record.reading else "unknown"
    dataset.Laterality = {"left": "L", "right": "R"}.get(side)
    if several:
        # The number of each frame in the original.
        dataset.NumberOfFrames, dataset.FrameIncrementPointer = len(frames), 0x00182001
        dataset.PageNumberVector = list(case.frames)
    if several and not coloured:
        # The values are shown as they are (PS3.3 C.8.6.3).
        dataset.PresentationLUTShape = "IDENTITY"
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    if record.spacing is not None:
        dataset.PixelSpacing = [f"{one:.10g}" for one in (record.spacing.row_mm, record.spacing.column_mm)]
    _add_pixels(dataset, frames)
    set_file_meta(dataset)
    return dataset


def _storage_class(several: bool, coloured: bool) -> str:
    from pydicom import uid

    if not several:
        return uid.SecondaryCaptureImageStorage
    if coloured:
        return uid.MultiFrameTrueColorSecondaryCaptureImageStorage
    return uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage


def _stacked(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Frames of one shape, uint8, (frames, rows, columns[, 3])."""
    if any(frame.ndim == 3 for frame in frames):
        frames = [frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=2) for frame in frames]
    return np.stack(frames)


def _add_pixels(dataset: "Dataset", frames: np.ndarray) -> None:
    coloured = frames.ndim == 4
    dataset.SamplesPerPixel = 3 if coloured else 1
    dataset.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    if coloured:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = frames.shape[1:3]
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    pixels = frames.tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB"


def _overlap(case: ExportedCase) -> bool:
    for number in case.frames:
        masks = [case.masks.mask(number, lesion) for lesion in case.masks.numbers]
        if masks and np.sum(masks, axis=0).max() > 1:
            return True
    return False


def _uid(content: ExportContent, record: LabelRecord, part: str) -> str:
    """A UID under 2.25 (PS3.5 B.2), the same in every export of this version."""
    text = f"{content.store.header.id} {record.name} {part}"
    return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], 'big')}"
