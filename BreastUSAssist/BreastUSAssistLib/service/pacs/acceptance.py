"""Which files may go to a PACS: those that a named reader accepted, or drafts where the user says so."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...birads.reading import Reading
from ...errors import InputError, UsageError
from ..reading_file import read_reading

if TYPE_CHECKING:
    from pydicom import Dataset

SENT = ("seg.dcm", "sr.dcm")
"""Files of a case that a PACS gets."""
READING = "reading.json"


@dataclass(frozen=True)
class FileToSend:
    """A DICOM file and what identifies it."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    sha256: str


def accepted_files(paths: Sequence[Path], *, drafts: bool = False) -> tuple[FileToSend, ...]:
    """The files to send of folders of cases and of single files, in that order, each once.

    A folder needs a reading.json that says accepted, and its report must be verified. A single report must be verified;
    a single segmentation needs such a folder around it, or a verified report given with it that follows the same
    lesions. A segmentation that calls itself a draft has the outlines from before the reader's changes. `drafts` lets
    everything through.

    Raises:
        UsageError: a reader has not accepted, or there is nothing to send.
        InputError: a file is missing, damaged, or neither SEG nor SR.
    """
    found: dict[Path, Dataset] = {}
    folders: set[Path] = set()
    for path in (Path(given) for given in paths):
        files = [path / name for name in SENT if (path / name).is_file()] if path.is_dir() else [path]
        if not files:
            raise UsageError(f"{path} holds neither seg.dcm nor sr.dcm; give the folder of an exported case.")
        if path.is_dir():
            folders.add(path)
        for file in files:
            found.setdefault(file, _read(file))
    if not drafts:
        for folder in sorted(folders):
            _check_folder(folder)
        verified = {uid for dataset in found.values() for uid in verified_uids(dataset)}
        for file, dataset in found.items():
            _check_file(file, dataset, verified)
    return tuple(_to_send(path, dataset) for path, dataset in found.items())


def segment_uids(dataset: "Dataset") -> set[str]:
    """Tracking UIDs of the segments of a SEG (PS3.3 C.8.20.2)."""
    return {str(one.TrackingUID) for one in dataset.get("SegmentSequence") or () if "TrackingUID" in one}


def verified_uids(dataset: "Dataset") -> set[str]:
    """Tracking UIDs of the lesions that the reader of a verified report says are there; none of any other object."""
    from ...dicom.report_reading import read_report

    if dataset.Modality != "SR" or not _is_verified(dataset):
        return set()
    try:
        report = read_report(dataset)
    except InputError:
        # A verified report of another template tells nothing about lesions.
        return set()
    return {one.tracking_uid for one in report.lesions if one.present and one.tracking_uid}


def sha256_of(path: Path) -> str:
    """Hash of a file's content, hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); export the case again.") from error


def _check_folder(folder: Path) -> Reading:
    path = folder / READING
    if not path.is_file():
        raise UsageError(f"{folder} has not been read by anyone; accept it first, or send it with --drafts.")
    reading = read_reading(path)
    if reading.decision != "accepted" or not reading.reader.strip():
        words = (
            "was rejected by its reader" if reading.decision == "rejected" else "has not been accepted by its reader"
        )
        raise UsageError(f"{folder} {words}; accept it first, or send it with --drafts.")
    return reading


def _check_file(path: Path, dataset: "Dataset", verified: set[str]) -> None:
    """A report must be verified; a segmentation must be of lesions that its reader accepted."""
    if dataset.Modality == "SR":
        if not _is_verified(dataset):
            raise UsageError(
                f"{path} is a draft that no reader verified; accept the case and export it again, or send it with "
                "--drafts."
            )
        return
    beside = path.parent / READING
    if beside.is_file():
        reading = _check_folder(path.parent)
        accepted = {lesion.tracking_uid for lesion in reading.lesions if lesion.present}
    else:
        accepted = verified
    if not segment_uids(dataset) or not segment_uids(dataset) <= accepted or _is_draft(dataset):
        raise UsageError(
            f"{path} holds outlines that no reader accepted; send it with the verified report of the same case, or "
            "with --drafts."
        )


def _is_draft(dataset: "Dataset") -> bool:
    """Whether a segmentation says that it is a draft: its lesions may be accepted, but not with these outlines."""
    from ...dicom.provenance import DRAFT_CREATOR

    return str(dataset.get("ContentCreatorName", "")) == DRAFT_CREATOR


def _is_verified(dataset: "Dataset") -> bool:
    return dataset.get("VerificationFlag") == "VERIFIED" and bool(dataset.get("VerifyingObserverSequence"))


def _read(path: Path) -> "Dataset":
    from ...dicom.reading import read_dataset

    dataset = read_dataset(path)
    if dataset.get("Modality") not in ("SEG", "SR") or not all(
        dataset.get(key) for key in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID")
    ):
        raise InputError(f"{path} is neither a segmentation nor a report; give seg.dcm or sr.dcm of a case.")
    return dataset


def _to_send(path: Path, dataset: "Dataset") -> FileToSend:
    return FileToSend(
        path,
        str(dataset.SOPClassUID),
        str(dataset.SOPInstanceUID),
        str(dataset.StudyInstanceUID),
        sha256_of(path),
    )
