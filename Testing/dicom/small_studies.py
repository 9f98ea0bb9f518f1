"""Small made-up ultrasound studies, and names planted in them that must be found nowhere else."""

import warnings
from functools import cache
from pathlib import Path

from BreastUSAssistLib.ultrasound.phantom import LesionSpec, Phantom, PhantomSpec, render, save_dicom
from pydicom import dcmread
from pydicom.uid import UID

NAME, FAMILY, PATIENT, ACCESSION = "Zwetschgenkern^Ottilie", "zwetschgenkern", "PLANTED-PID-90210", "PLANTED-ACC-77"
PLANTED = (FAMILY, "ottilie", PATIENT.lower(), ACCESSION.lower(), "planted-secret")
"""In lower case: what a log or message must never hold."""


@cache
def _phantom(seed: int) -> Phantom:
    lesion = LesionSpec(width_mm=9, height_mm=6)
    return render(PhantomSpec(rows=160, columns=200, spacing_mm=0.25, lesions=(lesion,), seed=seed))


def study_uid(number: int) -> str:
    return f"2.25.4711.{number}"


def write_study(folder: Path, number: int, images: int = 1) -> list[Path]:
    """Files of study `number`: stills of one series each, which stand for themselves."""
    written = []
    for image in range(images):
        path = save_dicom(_phantom(number % 4), Path(folder) / f"{number}-{image}.dcm")
        dataset = dcmread(path)
        dataset.StudyInstanceUID = UID(study_uid(number))
        dataset.SeriesInstanceUID = UID(f"{study_uid(number)}.1.{image}")
        dataset.SOPInstanceUID = UID(f"{study_uid(number)}.2.{image}")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = NAME, f"{PATIENT}-{number}", ACCESSION
        dataset.StudyID = str(number)
        with warnings.catch_warnings(action="ignore"):
            # pydicom quotes values that it finds wrong.
            dataset.PatientBirthDate = "zwetschgenkern"
        dataset.save_as(path, enforce_file_format=True)
        written.append(path)
    return written


def check_no_name_in(*texts: str) -> None:
    """No planted name, identifier or secret stands in what a program said."""
    for text in texts:
        found = [one for one in PLANTED if one in text.lower()]
        assert not found, f"{found} in {text[:300]!r}"
