"""Slicer's DICOM database, asked for what belongs together; nothing of it is changed here."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import slicer

SOP_CLASS, MODALITY, INSTANCE = "0008,0016", "0008,0060", "0008,0018"
SERIES, STUDY = "0020,000E", "0020,000D"
SERIES_NUMBER, SERIES_DESCRIPTION, INSTANCE_NUMBER = "0020,0011", "0008,103E", "0020,0013"
"""Tags as the database spells them."""


def open_database() -> Any:
    """ctkDICOMDatabase of the application; None where there is none or it is closed."""
    database: Any = getattr(slicer, "dicomDatabase", None)
    return database if database is not None and database.isOpen else None


def value_in(file: str, tag: str) -> str:
    """Value of a tag in a file as text, from the database's cache where it knows the file; "" where there is none."""
    database = open_database()
    return str(database.fileValue(file, tag) or "").strip() if database is not None else ""


def file_of(instance_uid: str) -> str | None:
    """File of a SOP instance; None where the database does not know it or the file is gone."""
    database = open_database()
    path = str(database.fileForInstance(instance_uid) or "") if database is not None else ""
    return path if path and Path(path).is_file() else None


def series_files(file: str) -> tuple[str, ...]:
    """All files of the series that a file is of; the file alone where the database does not know it."""
    database = open_database()
    uid = str(database.seriesForFile(file) or "") if database is not None else ""
    return tuple(map(str, database.filesForSeries(uid))) if uid else (file,)


def study_files(file: str, sop_classes: Iterable[str]) -> Iterator[str]:
    """Files of some SOP classes in the study that a file is of."""
    database, study = open_database(), value_in(file, STUDY)
    if database is None or not study:
        return
    wanted = set(sop_classes)
    for series in database.seriesForStudy(study):
        files = tuple(map(str, database.filesForSeries(series)))
        # A series has one kind of object, with rare exceptions that are still found where they matter.
        if files and value_in(files[0], SOP_CLASS) in wanted:
            yield from (one for one in files if value_in(one, SOP_CLASS) in wanted)
