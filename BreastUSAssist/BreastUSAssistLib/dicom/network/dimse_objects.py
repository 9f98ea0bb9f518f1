"""Objects as they travel in DIMSE messages: to files, from files, and in reports of storage commitment."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...ultrasound.quiet import quiet
from .received_files import is_uid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def write_part_10(path: Path, event: Any) -> None:
    """Write the object of a C-STORE request to `path` as a DICOM file (PS3.10), its bytes as they came."""
    from pydicom.filewriter import write_file_meta_info

    file: Any
    with open(path, "wb") as file:
        file.write(bytes(128) + b"DICM")
        write_file_meta_info(file, event.file_meta, enforce_standard=True)
        file.write(event.request.DataSet.getbuffer())


def commitment_of(event: Any) -> tuple[str, tuple[str, ...], tuple[tuple[str, int], ...]]:
    """A report of storage commitment (PS3.4 J.3.3): transaction UID, UIDs committed, and those failed (UID, reason)."""
    with quiet():
        report = event.event_information
        committed = _references(report, "ReferencedSOPSequence")
        failed = _references(report, "FailedSOPSequence")
        return (
            str(report.get("TransactionUID", "")),
            tuple(uid for uid, _ in committed),
            tuple((uid, reason) for uid, reason in failed),
        )


def referenced(pairs: "list[tuple[str, str]]") -> "list[Dataset]":
    """Items of a sequence that refers to objects of these (class, instance)."""
    from pydicom.dataset import Dataset

    items = []
    for sop_class_uid, sop_instance_uid in pairs:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        items.append(item)
    return items


def text_in(item: Any, keyword: str) -> str:
    """An element as text, empty where it is absent; several values separated by backslashes."""
    with quiet():
        value = item.get(keyword)
    if value is None:
        return ""
    several = value if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue" else [value]
    return "\\".join(str(one) for one in several).strip(" \0")[:1024]


def _references(report: Any, keyword: str) -> list[tuple[str, int]]:
    found = []
    for item in report.get(keyword) or ():
        uid = str(item.get("ReferencedSOPInstanceUID", ""))
        if is_uid(uid):
            found.append((uid, int(item.get("FailureReason") or 0)))
    return found
