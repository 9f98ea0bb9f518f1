"""The Structured Report of a case that was written before: a draft, or the reader's where a reading lies beside it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..birads.lexicon import load_lexicon
from ..birads.read_case import ReadCase, beside_analysis
from ..dicom.structured_report import report_dataset
from ..errors import InputError
from .case_files import DRAFTS
from .case_folder import StoredCase, read_case_folder
from .drafts_file import read_drafts

if TYPE_CHECKING:
    from pydicom import Dataset


def report_of_folder(
    folder: Path, headers: "Sequence[Dataset]", created: datetime, *, organization: str = ""
) -> "Dataset":
    """Build the Structured Report of a case folder (see dicom.structured_report.report_dataset).

    Args:
        folder: of write_case or export_reading, or the analysis.json in it. reading.json and drafts.json beside it, if
            there, make the report the reader's: verified where a named reader accepted.
        headers: source headers in the order of the case's frames.
        created: date and time of the object.
        organization: that the reader verifies for, where it is known.

    Raises:
        InputError: a file is missing, damaged, or of another case.
        UsageError: headers and case do not fit.
    """
    case = read_case_folder(folder)
    return report_dataset(
        headers,
        case.analysis,
        case.labels,
        created=created,
        read=read_case_of(case),
        organization=organization,
    )


def read_case_of(case: StoredCase) -> ReadCase | None:
    """What the reader said, with the AI's drafts where they are stored; None for a draft that nobody has read.

    Raises:
        InputError: drafts.json is damaged or of another case.
    """
    reading = case.reading
    if reading is None:
        return None
    path = case.folder / DRAFTS
    if not path.is_file():
        lexicon = load_lexicon(case.analysis.lexicon)
        return ReadCase(reading=reading, beside=beside_analysis(reading, case.analysis, lexicon))
    drafts = read_drafts(path)
    if drafts.case != reading.case:
        raise InputError(f"{path} is of another case than reading.json; export the case again.")
    return ReadCase(reading=reading, beside=drafts.lesions)
