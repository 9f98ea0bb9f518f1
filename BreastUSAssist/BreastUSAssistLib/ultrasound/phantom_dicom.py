"""A phantom as DICOM: US Image Storage for a still, US Multi-frame Image Storage for a cine (PS3.3 A.6 and A.7)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..files import written_whole
from .frame import UltrasoundRegion

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from .phantom import Phantom

Coding = Literal["uncompressed", "rle"]

IMAGE_MODES = {
    "m_mode": "0002",
    "spectral_doppler": "0008",
    "colour_doppler": "0010",
    "elastography": "0200",
}
"""Value 4 of ImageType (PS3.3 C.8.5.6.1.1), added to 0001 for two-dimensional imaging."""


def save_dicom(phantom: Phantom, path: Path, coding: Coding = "uncompressed", regions: bool = True) -> Path:
    """Write the whole phantom to one file: a still as US Image, a cine as US Multi-frame Image; return `path`.

    `regions=False` leaves the region calibration out, as scanners that give no pixel size do.

    Raises:
        OutputError: the file cannot be written.
    """
    dataset = _dataset(phantom, phantom.frames, "whole", 1, regions)
    if phantom.spec.frame_count > 1:
        dataset.NumberOfFrames = phantom.spec.frame_count
        dataset.FrameTime = f"{phantom.spec.frame_time_ms:g}"
        dataset.FrameIncrementPointer = (0x0018, 0x1063)
    return _write(dataset, Path(path), coding)


def save_dicom_frames(
    phantom: Phantom, folder: Path, coding: Coding = "uncompressed", regions: bool = True
) -> list[Path]:
    """Write one US Image file a frame, one series, InstanceNumber from 1; return the files in frame order.

    Raises:
        OutputError: the folder cannot be written.
    """
    written = []
    for index in range(phantom.spec.frame_count):
        dataset = _dataset(phantom, phantom.frames[index : index + 1], f"frame {index + 1}", index + 1, regions)
        written.append(_write(dataset, Path(folder) / f"{index + 1:04d}.dcm", coding))
    return written


def _dataset(phantom: Phantom, frames: np.ndarray, part: str, instance: int, regions: bool) -> Dataset:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import (
        ExplicitVRLittleEndian,
        UltrasoundImageStorage,
        UltrasoundMultiFrameImageStorage,
    )

    dataset = Dataset()
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage if len(frames) > 1 else UltrasoundImageStorage
    dataset.SOPInstanceUID = _uid(phantom, part)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    _identify(dataset, phantom, part, instance)
    modes = sum(int(IMAGE_MODES[overlay], 16) for overlay in phantom.spec.overlays if overlay in IMAGE_MODES)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "BREAST", f"{1 + modes:04X}"]
    colour_flow = "colour_doppler" in phantom.spec.overlays
    dataset.UltrasoundColorDataPresent = int(colour_flow or "elastography" in phantom.spec.overlays)
    if regions:
        dataset.SequenceOfUltrasoundRegions = [_region(region) for region in phantom.regions]
    _add_pixels(dataset, frames)
    return dataset


def _identify(dataset: Dataset, phantom: Phantom, part: str, instance: int) -> None:
    """Patient, study, series and equipment: plainly synthetic, the same for the same spec."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Phantom^Breast"
    dataset.PatientID = f"PHANTOM-{phantom.spec.seed}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.StudyInstanceUID = _uid(phantom, "study")
    dataset.SeriesInstanceUID = _uid(phantom, "series" if part == "whole" else "series of single frames")
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20240102"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "090000"
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = f"{phantom.spec.seed}"
    dataset.AccessionNumber = ""
    dataset.StudyDescription = "Breast ultrasound phantom"
    dataset.SeriesDescription = "Synthetic, no patient"
    dataset.Modality = "US"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = instance
    dataset.BodyPartExamined = "BREAST"
    dataset.Laterality = "R"
    dataset.PatientOrientation = ""
    dataset.Manufacturer = "BreastUSAssist"
    dataset.ManufacturerModelName = "Phantom"
    dataset.BurnedInAnnotation = "NO"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Made up: there is no patient"
    dataset.LossyImageCompression = "00"


def _region(region: UltrasoundRegion) -> Dataset:
    """One item of SequenceOfUltrasoundRegions (PS3.3 C.8.5.5); X1 and Y1 are inside the region."""
    from pydicom.dataset import Dataset

    item = Dataset()
    top, left, bottom, right = region.box
    item.RegionSpatialFormat = region.spatial_format
    item.RegionDataType = region.data_type
    item.RegionFlags = region.flags
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right - 1, bottom - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3 if region.spacing else 0
    item.PhysicalDeltaX = region.spacing.column_mm / 10 if region.spacing else 1.0
    item.PhysicalDeltaY = region.spacing.row_mm / 10 if region.spacing else 1.0
    return item


def _add_pixels(dataset: Dataset, frames: np.ndarray) -> None:
    coloured = frames.ndim == 4
    dataset.SamplesPerPixel = 3 if coloured else 1
    dataset.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    if coloured:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = frames.shape[1:3]
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    pixels = frames.tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB"


def _write(dataset: Dataset, path: Path, coding: Coding) -> Path:
    from pydicom.uid import RLELossless

    if coding == "rle":
        dataset.compress(RLELossless, generate_instance_uid=False)
    with written_whole(path) as beside:
        dataset.save_as(beside, enforce_file_format=True)
    return path


def _uid(phantom: Phantom, part: str) -> str:
    """A UID under 2.25 (PS3.5 B.2) that follows from the spec alone; a study is shared by all parts of one spec."""
    digest = hashlib.sha256(f"{phantom.spec!r} {part}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"
