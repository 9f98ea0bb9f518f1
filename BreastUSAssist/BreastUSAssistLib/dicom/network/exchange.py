"""What is asked of a node and what it answers. Patients' attributes are kept out of every repr, and so out of logs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal, TypeAlias

Attend: TypeAlias = Callable[[], None]
"""Called between objects and while waiting; what it raises ends the work (nothing half-stored)."""
Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of objects done and of all."""

PushState = Literal["sent", "already there", "refused"]


@dataclass(frozen=True)
class EchoResult:
    """A node that answers: how it was asked, in words, and the time it took in milliseconds."""

    text: str
    ms: float


@dataclass(frozen=True, kw_only=True)
class StudyQuery:
    """Which studies; an empty field matches all. `*` and `?` stand for any letters and for one letter, not in UIDs."""

    study_uid: str = ""
    patient_id: str = field(default="", repr=False)
    patient_name: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)
    description: str = field(default="", repr=False)
    modality: str = ""
    """One that the study has, as US."""
    date_from: date | None = None
    date_to: date | None = None
    """The last day that counts."""
    limit: int = 200
    """At most so many are returned; as many as that mean that there may be more."""


@dataclass(frozen=True, kw_only=True)
class StudyFound:
    """A study that a node holds; texts are empty and counts None where it does not say."""

    study_uid: str
    patient_id: str = field(default="", repr=False)
    patient_name: str = field(default="", repr=False)
    """As DICOM writes it: family^given."""
    accession_number: str = field(default="", repr=False)
    description: str = field(default="", repr=False)
    study_date: date | None = None
    study_time: str = ""
    """As DICOM writes it: HHMMSS."""
    modalities: tuple[str, ...] = ()
    instances: int | None = None
    series: int | None = None


@dataclass(frozen=True, kw_only=True)
class InstanceFound:
    """One object of a study."""

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    study_uid: str
    modality: str = ""
    series_description: str = field(default="", repr=False)
    instance_number: int | None = None
    frames: int | None = None


@dataclass(frozen=True)
class PulledStudy:
    """What lies in the folder now, and what does not: (SOP instance UID, why)."""

    files: tuple[Path, ...]
    skipped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PushOutcome:
    """What became of one file: sent now, there before, or refused and why."""

    sop_instance_uid: str
    state: PushState
    why: str = ""


@dataclass(frozen=True)
class CommitOutcome:
    """Which objects the node keeps safe, and which it does not: (SOP instance UID, why)."""

    committed: frozenset[str]
    failed: tuple[tuple[str, str], ...] = ()
    by: Literal["storage commitment", "query"] = "storage commitment"
    """By `query`: the node has no storage commitment and was asked whether it holds them."""
