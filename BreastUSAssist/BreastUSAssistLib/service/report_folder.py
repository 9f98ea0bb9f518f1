"""The Structured Report of a case that was written before: a draft, or the reader's where a reading lies beside it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..birads.lexicon import load_lexicon
from ..birads.read_case import BesideLesion, ReadCase, beside_analysis
from ..birads.reading import Reading
from ..dicom.structured_report import report_dataset
from ..errors import InputError
from .case_files import DRAFTS
from .case_folder import StoredCase, read_case_folder
from .drafts_file import read_drafts, with_outlines

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
    """What the reader said, with the AI's drafts; None for a draft that nobody has read.

    Without a drafts.json only those drafts are known that the reader left as they were.

    Raises:
        InputError: drafts.json is damaged or of another case, or analysis.json is not what the reader left.
    """
    reading = case.reading
    if reading is None:
        return None
    _check_it_is_the_readers(case, reading)
    path = case.folder / DRAFTS
    if not path.is_file():
        return ReadCase(reading=reading, beside=_beside_without_drafts(case, reading))
    drafts = read_drafts(path)
    if drafts.case != reading.case:
        raise InputError(f"{path} is of another case than reading.json; export the case again.")
    return ReadCase(reading=reading, beside=drafts.lesions)


def _check_it_is_the_readers(case: StoredCase, reading: Reading) -> None:
    """Refuse a draft beside a reading that changed it: the report would lend the reader's name to what was removed."""
    lexicon = load_lexicon(case.analysis.lexicon)
    for lesion in case.analysis.lesions:
        own = reading.lesion(lesion.tracking_uid)
        changed = set(own.descriptors) & set(lexicon.attributes) if own is not None else set()
        kept = {one.attribute for one in lesion.descriptors if one.origin == "reader"}
        if own is not None and (not own.present or (changed and not kept)):
            raise InputError(f"{case.folder} holds a draft beside a reading that changed it; export the case again.")


def _beside_without_drafts(case: StoredCase, reading: Reading) -> tuple[BesideLesion, ...]:
    """Views of this case that are tied, and the lesions that are still as they were drafted."""
    known = {
        one.tracking_uid: one for one in beside_analysis(reading, case.analysis, load_lexicon(case.analysis.lexicon))
    }
    for lesion in case.analysis.lesions:
        own = reading.lesion(lesion.tracking_uid)
        if own is None or own.run is None or own.revised is not None or own.edited_frames or own.descriptors:
            continue
        beside = known.get(lesion.tracking_uid, BesideLesion(tracking_uid=lesion.tracking_uid))
        known[lesion.tracking_uid] = beside.model_copy(update={"draft": lesion})
    lesions = tuple(known.values())
    drafts = [one.draft for one in lesions if one.draft is not None]
    if not drafts:
        return lesions
    if any(one.key_frame > len(case.labels) for one in drafts):
        raise InputError(f"{case.folder} names a key frame that its image lacks; export the case again.")
    return with_outlines(lesions, np.stack([case.labels[one.key_frame - 1] == one.number for one in drafts]))
