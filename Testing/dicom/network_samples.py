"""Small studies to send and fetch, with names and numbers that must not appear in a message or a log."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from BreastUSAssistLib.dicom.network.exchange import Attend
from dicom import sources
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

PLANTED = ("Zwetschgenknödel", "Q7-PLANTED-ID", "ACC-PLANTED-9", "planted-secret-4711")
"""Name, patient id and accession number of the samples, and the password of the PACS."""


def image(**changes: Any) -> Dataset:
    """A small still of 60 x 80 pixels with planted identifiers."""
    dataset = sources.still()
    dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = f"{PLANTED[0]}^Änne", PLANTED[1], PLANTED[2]
    dataset.StudyDate, dataset.StudyTime, dataset.Modality = "20260203", "101500", "US"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 7, 0, 1
    dataset.PhotometricInterpretation, dataset.Rows, dataset.Columns = "MONOCHROME2", 60, 80
    dataset.PixelData = np.random.default_rng(5).integers(0, 256, 60 * 80, np.uint8).tobytes()
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


def written(dataset: Dataset, folder: Path) -> Path:
    """The file of `dataset`, named as a pull names it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def study(folder: Path, count: int = 3, **changes: Any) -> list[Path]:
    """Files of one study of two series."""
    study_uid, series = generate_uid(), (generate_uid(), generate_uid())
    return [
        written(
            image(
                **{
                    "StudyInstanceUID": study_uid,
                    "SeriesInstanceUID": series[index % 2],
                    "SOPInstanceUID": generate_uid(),
                    "InstanceNumber": index + 1,
                    **changes,
                }
            ),
            folder,
        )
        for index in range(count)
    ]


def study_uid_of(files: list[Path]) -> str:
    return str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)


def same(path: Path, other: Path) -> bool:
    """Whether two files hold the same object, but for meta information, lengths of groups and padding at the end."""
    ours, theirs = dcmread(path), dcmread(other)
    for dataset in (ours, theirs):
        for tag in [tag for tag in list(dataset.keys()) if tag.element == 0 or tag == 0xFFFCFFFC]:
            del dataset[tag]
    return ours == theirs


def when_there_are(files: int, folder: Path, action: Callable[[], None]) -> Attend:
    """An `attend` that carries out `action` once, when so many files are in the folder."""
    done: list[bool] = []

    def attend() -> None:
        if not done and len(list(folder.glob("[0-9]*.dcm"))) >= files:
            done.append(True)
            action()

    return attend


def assert_nothing_planted(text: str) -> None:
    """No planted name, number or secret, in any spelling of it that a log would have."""
    for word in PLANTED:
        assert word.casefold() not in text.casefold(), word
