"""Headers of ultrasound sources as scanners write them, without pixel data."""

from collections.abc import Sequence

from pydicom import Dataset
from pydicom.uid import generate_uid

US = "1.2.840.10008.5.1.4.1.1.6.1"
US_RETIRED = "1.2.840.10008.5.1.4.1.1.6"
US_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"
ENHANCED_US_VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SECONDARY_CAPTURE_RGB_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.7.4"
TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)


def still(rows: int = 60, columns: int = 80, *, rgb: bool = False, sop_class: str = US) -> Dataset:
    """A single-frame image with one tissue region of 0.1 mm pixels and no frame of reference."""
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    header.SOPClassUID = sop_class
    header.SOPInstanceUID = generate_uid()
    header.StudyInstanceUID = generate_uid()
    header.SeriesInstanceUID = generate_uid()
    header.Modality = "US"
    header.PatientName = "Müller^Änne"
    header.PatientID = "P-0815"
    header.PatientBirthDate = "19610203"
    header.PatientSex = "F"
    header.StudyDate = "20250607"
    header.StudyTime = "101112"
    header.StudyID = "7"
    header.StudyDescription = "Breast ultrasound"
    header.AccessionNumber = "A1"
    header.ReferringPhysicianName = "Dr^Who"
    header.SeriesNumber = 1
    header.InstanceNumber = 1
    header.ImageType = ["ORIGINAL", "PRIMARY"]
    header.Rows = rows
    header.Columns = columns
    header.SamplesPerPixel = 3 if rgb else 1
    header.PhotometricInterpretation = "RGB" if rgb else "MONOCHROME2"
    region = Dataset()
    region.RegionSpatialFormat = region.RegionDataType = 1
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = columns - 1, rows - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.01
    header.SequenceOfUltrasoundRegions = [region]
    return header


def cine(frames: int, rows: int = 60, columns: int = 80, *, rgb: bool = False) -> Dataset:
    """An Ultrasound Multi-frame image."""
    header = still(rows, columns, rgb=rgb, sop_class=US_MULTI_FRAME)
    header.NumberOfFrames = frames
    header.FrameTime = 40
    return header


def enhanced_volume(frames: int, rows: int = 60, columns: int = 80) -> Dataset:
    """An Enhanced US Volume: a frame of reference of the volume, no ImagePositionPatient."""
    header = still(rows, columns, sop_class=ENHANCED_US_VOLUME)
    header.NumberOfFrames = frames
    header.FrameOfReferenceUID = generate_uid()
    header.UltrasoundAcquisitionGeometry = "APEX"
    return header


def patient_volume(frames: int, rows: int = 60, columns: int = 80, *, spacing: float = 0.4) -> Dataset:
    """An Enhanced US Volume acquired relative to the patient: positions in functional groups (PS3.3 A.59.4.1.2)."""
    header = enhanced_volume(frames, rows, columns)
    header.UltrasoundAcquisitionGeometry = "PATIENT"
    header.PositionReferenceIndicator = ""
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    measures.PixelSpacing, measures.SliceThickness = [0.08, 0.1], spacing
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    header.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for index in range(frames):
        group, position = Dataset(), Dataset()
        position.ImagePositionPatient = [-12.5, 7 + spacing * index, 30]
        group.PlanePositionSequence = [position]
        groups.append(group)
    header.PerFrameFunctionalGroupsSequence = groups
    return header


def study(frames: int, rows: int = 60, columns: int = 80) -> list[Dataset]:
    """Images of one study in series of their own: a still, a cine, and a colour still."""
    headers = [still(rows, columns), cine(frames, rows, columns), still(rows, columns, rgb=True)]
    for header in headers:
        header.StudyInstanceUID = headers[0].StudyInstanceUID
    return headers


def capture_clip(frames: int, rows: int = 60, columns: int = 80) -> Dataset:
    """A Multi-frame True Color Secondary Capture, as frame grabbers write."""
    header = still(rows, columns, rgb=True, sop_class=SECONDARY_CAPTURE_RGB_MULTI_FRAME)
    header.NumberOfFrames, header.ConversionType = frames, "DV"
    del header.SequenceOfUltrasoundRegions
    return header


def stills(count: int, rows: int = 60, columns: int = 80, *, rgb: bool = False, sop_class: str = US) -> list[Dataset]:
    """One series of single-frame images."""
    headers = [still(rows, columns, rgb=rgb, sop_class=sop_class) for _ in range(count)]
    for number, header in enumerate(headers, start=1):
        header.StudyInstanceUID = headers[0].StudyInstanceUID
        header.SeriesInstanceUID = headers[0].SeriesInstanceUID
        header.InstanceNumber = number
    return headers


def captures(count: int, rows: int = 60, columns: int = 80) -> list[Dataset]:
    """Secondary captures of unknown modality, one frame a file, without regions."""
    headers = stills(count, rows, columns, sop_class=SECONDARY_CAPTURE)
    for header in headers:
        header.Modality = "UNKNOWN"
        header.ConversionType = "WSD"
        del header.SequenceOfUltrasoundRegions
    return headers


def automated_volume(count: int, rows: int = 60, columns: int = 80, *, spacing: float = 0.5) -> list[Dataset]:
    """An automated breast volume (ABUS) as stills with positions, sorted against the normal."""
    headers = stills(count, rows, columns)
    frame_of_reference = generate_uid()
    for index, header in enumerate(headers):
        header.FrameOfReferenceUID = frame_of_reference
        header.PositionReferenceIndicator = ""
        header.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        header.ImagePositionPatient = [-20.25, 30 - spacing * index, 12.125]
        header.PixelSpacing = [0.073, 0.2]
        header.SliceThickness = spacing
        header.ImageLaterality = "L"
    return headers


def bare(headers: Sequence[Dataset]) -> list[Dataset]:
    """The same sources as careless software exports them: without the attributes that may be empty."""
    for header in headers:
        for keyword in (*TYPE_2, "SpecificCharacterSet", "SeriesNumber", "InstanceNumber", "StudyDescription"):
            delattr(header, keyword)
    return list(headers)
