"""How far a reader is with a report: draft, changed, rejected, or accepted and so verified (PS3.3 C.17.2)."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..birads.read_case import ReadCase, is_touched
from ..birads.reading import Reading
from . import codes
from .codes import short_text
from .provenance import DRAFT, SOFTWARE
from .report_observers import NAMELESS, code_content, concept, person_name, said_by, text_item

if TYPE_CHECKING:
    from pydicom import Dataset

UNREAD = "not read by anyone"
WORDS = {"open": "changed by a reader, not decided", "rejected": "rejected by a reader", "accepted": "accepted"}
UNVERIFIABLE = "accepted, but no name or no time"
NO_ORGANIZATION = "Not stated"
"""Verifying Organization must have a value (type 1)."""
READ = f"{SOFTWARE}, research use only"
"""Opens the series description of what a named reader accepted."""


def has_spoken(reading: Reading) -> bool:
    """Whether the reader changed or decided anything; else the report is the AI's draft as it was."""
    return reading.decision != "open" or is_touched(reading)


def is_verified(reading: Reading) -> bool:
    """Whether a named reader accepted the case at a known time."""
    named = not person_name(reading.reader).startswith(NAMELESS)
    return reading.decision == "accepted" and named and _moment(reading) is not None


def describe_state(into: "Dataset", read: ReadCase | None, organization: str = "") -> None:
    """Completion, verification and description of the report (SR Document General Module, PS3.3 C.17.2).

    Args:
        into: the report.
        read: what the reader said; None where nobody has read the case.
        organization: that the reader verifies for; empty where it is not known.
    """
    from pydicom import Dataset

    if read is None or not is_verified(read.reading):
        into.SeriesDescription = f"{DRAFT}: report"
        into.CompletionFlag = "PARTIAL"
        into.CompletionFlagDescription = short_text(f"{DRAFT}; {_words(read)}")
        into.PreliminaryFlag = "PRELIMINARY"
        into.VerificationFlag = "UNVERIFIED"
        return
    into.SeriesDescription = f"{READ}: report of a named reader"
    into.CompletionFlag = "COMPLETE"
    into.CompletionFlagDescription = short_text(f"{READ}; accepted by a named reader")
    into.PreliminaryFlag = "FINAL"
    into.VerificationFlag = "VERIFIED"
    observer = Dataset()
    observer.VerifyingObserverName = person_name(read.reading.reader)
    observer.VerifyingObserverIdentificationCodeSequence = []
    observer.VerifyingOrganization = short_text(organization) or NO_ORGANIZATION
    observer.VerificationDateTime = _moment(read.reading)
    into.VerifyingObserverSequence = [observer]


def decision_items(reading: Reading, name: str) -> list[Any]:
    """The decision as content: what, when, why, and where in the breast the case was scanned.

    Args:
        reading: of the case.
        name: of the reader, as report_observers.person_name.
    """
    from highdicom import sr

    decision = code_content(codes.READER_DECISION, codes.DECISIONS[reading.decision], "CONTAINS")
    decision.ContentSequence = sr.ContentSequence(said_by(name))
    items = [decision]
    moment = _moment(reading)
    if moment is not None:
        items.append(sr.DateTimeContentItem(name=concept(codes.DECIDED_AT), value=moment, relationship_type="CONTAINS"))
    if reading.reason.strip():
        reason = text_item(codes.REJECTION_REASON, reading.reason, "CONTAINS")
        reason.ContentSequence = sr.ContentSequence(said_by(name))
        items.append(reason)
    clock = reading.place.clock
    if clock is not None and clock != int(clock):
        # PS3.16 CID 6018 has whole hours alone.
        items.append(text_item(codes.COMMENT, f"Clock face: half past {int(clock)}.", "CONTAINS"))
    if reading.place.distance_mm is not None:
        items.append(
            sr.NumContentItem(
                name=concept(codes.DISTANCE_FROM_NIPPLE),
                value=round(reading.place.distance_mm, 3),
                unit=concept(codes.MILLIMETER),
                relationship_type="CONTAINS",
            )
        )
    return items


def _words(read: ReadCase | None) -> str:
    if read is None:
        return UNREAD
    return UNVERIFIABLE if read.reading.decision == "accepted" else WORDS[read.reading.decision]


def _moment(reading: Reading) -> str | None:
    """Time of the decision as a value of DT (PS3.5 6.2) with its offset from UTC; None where it is not known."""
    try:
        moment = datetime.fromisoformat(reading.decided or "")
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return moment.strftime("%Y%m%d%H%M%S%z")[:19]
