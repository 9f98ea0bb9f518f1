"""What every DICOM object of this project carries: patient and study of the source, this software, the draft notice."""

import re
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from typing import TYPE_CHECKING

from .. import __version__
from ..birads.analysis import ModelUsed
from .codes import LATERALITY, Laterality, short_text

if TYPE_CHECKING:
    from pydicom import Dataset

    from .source_frames import SourceFrame

SOFTWARE = "BreastUSAssist"
DRAFT = "AI draft, research use only"
"""Opens the series description of everything that is written."""
DRAFT_CREATOR = f"{SOFTWARE}^AI draft"
"""Content Creator's Name of outlines that no reader accepted."""

_IDENTIFIERS = ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID")
_MAY_BE_EMPTY = ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID")
_OPTIONAL = (
    "StudyDescription",
    "PatientAge",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "IssuerOfPatientID",
    "LongitudinalTemporalInformationModified",
)

_VALID = {
    "PatientBirthDate": r"(\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))?",
    "StudyDate": r"(\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))?",
    "StudyTime": r"(([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?)?",
    "PatientSex": r"[MFO]?",
    "PatientAge": r"\d{3}[DWMY]",
    "PatientIdentityRemoved": r"YES|NO",
    "LongitudinalTemporalInformationModified": r"UNMODIFIED|MODIFIED|REMOVED",
    "StudyID": r"[^\\]{0,16}",
    "StudyDescription": r"[^\\]{1,64}",
    "IssuerOfPatientID": r"[^\\]{1,64}",
    "ReferringPhysicianName": r"[^\\]{0,64}(=[^\\]{0,64}){0,2}",
}


def copy_patient_and_study(header: "Dataset", into: "Dataset") -> None:
    """Copy the patient and study of `header`; what a source lacks is present and empty (PS3.3 C.7.1.1, C.7.2.1).

    Identifiers are copied as they are, so that an archive files the object with its source. Other values that are not
    valid for their attribute are left empty or out, so that a fault of the source is not passed on.
    """
    into.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _IDENTIFIERS:
        setattr(into, keyword, header.get(keyword, None))
    for keyword in _MAY_BE_EMPTY:
        value = header.get(keyword, None)
        setattr(into, keyword, value if _valid(keyword, value) else None)
    for keyword in _OPTIONAL:
        value = header.get(keyword, None)
        if value and _valid(keyword, value):
            setattr(into, keyword, deepcopy(value))


def describe_equipment(into: "Dataset", model: ModelUsed) -> None:
    """Name this software and the network as the equipment (Enhanced General Equipment, PS3.3 C.7.5.2)."""
    software = f"{SOFTWARE} {__version__}"
    network = is_network(model)
    into.Manufacturer = SOFTWARE
    into.ManufacturerModelName = (short_text(model.name) if network else "") or SOFTWARE
    into.DeviceSerialNumber = short_text(model.sha256) or "unknown"
    into.SoftwareVersions = [software, short_text(f"{model.name} {model.version}")] if network else software


def is_network(model: ModelUsed) -> bool:
    """Whether a network ran at all: see birads.reading_view.NO_MODEL, which stands where a reader drew everything."""
    return model.backend != "none"


def stamp(into: "Dataset", created: datetime) -> None:
    """Date the object and its series by `created`, in the clock that the caller passed."""
    date, time = created.strftime("%Y%m%d"), created.strftime("%H%M%S.%f")
    into.InstanceCreationDate = into.ContentDate = into.SeriesDate = date
    into.InstanceCreationTime = into.ContentTime = into.SeriesTime = time


def laterality(headers: "Sequence[Dataset]") -> Laterality | None:
    """Side of the breast that all headers agree on; None where they do not say, or say both.

    ImageLaterality (0020,0062) and Laterality (0020,0060), else a coded modifier of AnatomicRegionSequence.
    """
    sides = {_side(header) for header in headers}
    return sides.pop() if len(sides) == 1 else None


def series_references(frames: "Sequence[SourceFrame]") -> "list[Dataset]":
    """Items of ReferencedSeriesSequence: every source instance once, under its series (PS3.3 C.12.2)."""
    from pydicom import Dataset

    by_series: dict[str, dict[str, str]] = {}
    for frame in frames:
        by_series.setdefault(str(frame.header.SeriesInstanceUID), {})[frame.sop_instance_uid] = frame.sop_class_uid
    items = []
    for series_uid, instances in by_series.items():
        item = Dataset()
        item.SeriesInstanceUID = series_uid
        item.ReferencedInstanceSequence = [instance_reference(*pair) for pair in instances.items()]
        items.append(item)
    return items


def instance_reference(sop_instance_uid: str, sop_class_uid: str) -> "Dataset":
    """One referenced SOP instance (PS3.3 Table 10-11)."""
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def _valid(keyword: str, value: object) -> bool:
    pattern = _VALID.get(keyword)
    return value is None or pattern is None or re.fullmatch(pattern, str(value)) is not None


def _side(header: "Dataset") -> Laterality | None:
    for keyword in ("ImageLaterality", "Laterality"):
        if header.get(keyword) in ("L", "R"):
            side: Laterality = header[keyword].value
            return side
    for region in header.get("AnatomicRegionSequence") or []:
        for modifier in region.get("AnatomicRegionModifierSequence") or []:
            for known, code in LATERALITY.items():
                if (modifier.get("CodeValue"), modifier.get("CodingSchemeDesignator")) == (code.value, code.scheme):
                    return known
    return None
