"""What can be said of a stored record from the index alone, and records as the text that is stored."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from .audit import RECORD_EVENTS, TrailEntry
from .record import RecordKind, record_name


@dataclass(frozen=True)
class LabelSummary:
    """What the index says of a record without its text being read."""

    case: str
    version: int
    parent: int | None
    kind: RecordKind
    created: str
    entry: int
    """Its number in the audit trail: what came after an entry that was noted has a higher one."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return record_name(self.case, self.version)


class StoredText(NamedTuple):
    """A version as it is stored."""

    case: str
    version: int
    parent: int | None
    entry: int
    """Its number in the audit trail."""
    text: bytes | None
    """JSON of its record, of the version of the format in which it was written; None where it is damaged."""


def summary_of(entry: TrailEntry) -> LabelSummary:
    """Summary of a record's entry."""
    kind = next(kind for kind, event in RECORD_EVENTS.items() if event == entry.event)
    created = iso_time(entry.time_ms / 1000)
    return LabelSummary(entry.case or "?", entry.version or 0, entry.parent, kind, created, entry.id)


def iso_time(seconds: float) -> str:
    """ISO 8601 in UTC of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
