"""A search for studies over DICOMweb: the question as every service understands it, its answers checked here."""

import re
import unicodedata

from ...errors import UsageError
from .exchange import StudyQuery
from .received_files import is_uid
from .web_answers import Item, values_of

_TEXTS = {
    "PatientID": ("patient_id", "00100020"),
    "PatientName": ("patient_name", "00100010"),
    "AccessionNumber": ("accession_number", "00080050"),
    "StudyDescription": ("description", "00081030"),
}
"""Field of the query and tag of the answer, by keyword."""


def parameters(query: StudyQuery) -> dict[str, str]:
    """Query parameters (PS3.18 8.3.4).

    Some services (Orthanc's plug-in 1.7) take what is percent-encoded as it stands, others refuse what is not: such
    letters are asked for with wildcards, and `is_match` sorts out what was found too much.

    Raises:
        UsageError: the UID of the study is none, or a text holds a backslash, which separates values.
    """
    if query.study_uid and not is_uid(query.study_uid):
        raise UsageError("A UID has up to 64 digits and dots; check what was entered.")
    asked = {keyword: _widened(getattr(query, field)) for keyword, (field, _) in _TEXTS.items()}
    asked |= {"StudyInstanceUID": query.study_uid, "ModalitiesInStudy": query.modality, "StudyDate": days(query)}
    return {name: text for name, text in asked.items() if text}


def is_match(query: StudyQuery, item: Item) -> bool:
    """Whether a study of the answer is one that was asked for; letters' case does not count."""
    for field, tag in _TEXTS.values():
        pattern = getattr(query, field)
        if pattern != _widened(pattern) and not any(_matches(pattern, text) for text in _texts(item, tag)):
            return False
    return True


def is_widened(query: StudyQuery) -> bool:
    """Whether the question finds too much, and answers have to be sorted out."""
    return any(getattr(query, field) != _widened(getattr(query, field)) for field, _ in _TEXTS.values())


def days(query: StudyQuery) -> str:
    """Range of dates as DICOM writes it (PS3.4 C.2.2.2.5.1), empty where none was asked for."""
    first = query.date_from.strftime("%Y%m%d") if query.date_from else ""
    last = query.date_to.strftime("%Y%m%d") if query.date_to else ""
    return f"{first}-{last}" if first or last else ""


def _widened(text: str) -> str:
    if "\\" in text:
        raise UsageError("A backslash separates values in DICOM; search without it.")
    # One wildcard for one letter of ASCII; other letters have several bytes, and other forms without accents.
    return re.sub(r"[^\x00-\x7f]+", "*", re.sub(r"[^A-Za-z0-9._~*?\u0080-\U0010ffff-]", "?", text))


def _matches(pattern: str, text: str) -> bool:
    wild = {"*": ".*", "?": "."}
    expression = "".join(wild.get(letter) or re.escape(letter) for letter in _folded(pattern))
    return re.fullmatch(expression, _folded(text), re.DOTALL) is not None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _texts(item: Item, tag: str) -> list[str]:
    """Values of an element as texts; of a person's name each of its groups."""
    found: list[str] = []
    for value in values_of(item, tag):
        found += map(str, value.values()) if isinstance(value, dict) else [str(value)]
    return found
