"""Who the patient of an object is, as far as replacing the name and moving the dates needs it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ..header_values import value_of
from .header_values import OLDEST_YEARS
from .uids import DeidentificationKey

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True, repr=False)
class PatientKnown:
    """A patient as the objects of a study name them."""

    identity: str
    """The same for all objects of a patient; never written anywhere."""
    pseudonym: str
    age: str | None
    """At the study, as an AS value, by the birth date."""
    seen: date | None
    """The day of the study."""

    def is_too_long_ago(self, text: str) -> bool:
        """Whether a DA or DT value lies so long before the study that it tells an age above 89 years."""
        return self.seen is not None and text[:4].isdecimal() and int(text[:4]) <= self.seen.year - OLDEST_YEARS


def patient_of(dataset: "Dataset", key: DeidentificationKey) -> PatientKnown:
    """The patient by PatientID; else by name and birth date; else one for the study alone."""
    identifier, name = _text(dataset, "PatientID"), _text(dataset, "PatientName")
    if identifier:
        identity = f"id {identifier}"
    elif name:
        identity = f"name {name.casefold()} {_text(dataset, 'PatientBirthDate')}"
    else:
        identity = f"study {_text(dataset, 'StudyInstanceUID')}"
    return PatientKnown(
        identity, f"BUS-{key.pseudonym('patient', identity)}", _age(dataset), _date(_text(dataset, "StudyDate"))
    )


def _text(dataset: "Dataset", keyword: str) -> str:
    value: Any = value_of(dataset, keyword)
    return " ".join(str(value).strip(" \0").split()) if value is not None else ""


def _age(dataset: "Dataset") -> str | None:
    born, seen = _date(_text(dataset, "PatientBirthDate")), _date(_text(dataset, "StudyDate"))
    if born is None or seen is None or seen < born:
        return None
    years = seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day))
    return f"{years:03d}Y" if 0 < years < 1000 else None


def _date(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None
