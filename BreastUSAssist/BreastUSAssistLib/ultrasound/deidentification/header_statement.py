"""What a de-identified object says of its de-identification, and its new file meta information."""

from typing import TYPE_CHECKING

from ... import __version__
from . import options as profile
from .header_kinds import Kind
from .options import DeidentificationOptions
from .rules import EDITION

if TYPE_CHECKING:
    from pydicom import Dataset

_IMPLEMENTATION = "2.25.174674231829591909223606310099971342107"
"""Of this software and not of pydicom, whose UID may well be the original's (PS3.7 D.3.3.2)."""


def say_deidentified(clean: "Dataset", kind: Kind, options: DeidentificationOptions, pixels_clean: bool) -> None:
    """Write what was done into `clean` (PS3.15 E.1.1; PS3.3 C.7.1.1 and C.12.1.1.1)."""
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = [f"BreastUSAssist {__version__}", f"PS3.15 {EDITION} Basic Profile"]
    clean.DeidentificationMethodCodeSequence = [_item(*code) for code in _methods(kind, options, pixels_clean)]
    clean.LongitudinalTemporalInformationModified = "MODIFIED" if options.retain_dates else "REMOVED"
    if kind == "segmentation" or (kind == "image" and pixels_clean):
        clean.BurnedInAnnotation = "NO"


def set_file_meta(clean: "Dataset", original: "Dataset") -> None:
    """New file meta information (PS3.10 7.1); nothing of the original's but the coding of an image's pixels."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = clean.SOPClassUID
    meta.MediaStorageSOPInstanceUID = clean.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if "PixelData" in clean and clean["PixelData"].is_undefined_length:
        meta.TransferSyntaxUID = original.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    meta.ImplementationVersionName = "BREASTUSASSIST"
    clean.file_meta = meta


def _methods(kind: Kind, options: DeidentificationOptions, pixels_clean: bool) -> list[tuple[str, str]]:
    chosen = [
        (True, profile.BASIC_PROFILE),
        (kind == "image" and pixels_clean, profile.CLEAN_PIXEL_DATA),
        (kind == "report", profile.CLEAN_STRUCTURED_CONTENT),
        (options.clean_descriptors, profile.CLEAN_DESCRIPTORS),
        (options.retain_dates, profile.RETAIN_MODIFIED_DATES),
        (options.retain_characteristics, profile.RETAIN_CHARACTERISTICS),
    ]
    return [code for is_chosen, code in chosen if is_chosen]


def _item(value: str, meaning: str) -> "Dataset":
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
