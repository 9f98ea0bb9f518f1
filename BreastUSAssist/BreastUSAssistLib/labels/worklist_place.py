"""Where a reader is in a worklist, kept beside the store so that he goes on there after a restart."""

from typing import Self

from pydantic import Field, ValidationError

from ..birads.lesion import Record
from .case_states import State
from .double_reading import reader_key
from .store import LabelStore
from .strategies import Strategy

LONGEST = 5000
"""Cases that can be gone back through, and that a round passes over; older ones may come again earlier."""


class Place(Record):
    """The cases that a reader was given, and which of them is before him."""

    strategy: Strategy = "in-order"
    states: tuple[State, ...] = ()
    """The filter; empty: that of the strategy."""
    seen: tuple[str, ...] = ()
    """In the order in which they were given; a case comes at most once."""
    at: int = Field(default=-1, ge=-1)
    """Which of `seen` is before the reader; -1: none."""
    entry: int = Field(default=0, ge=0)
    """Last entry of the audit trail when it was kept."""

    @property
    def current(self) -> str | None:
        """The case before the reader."""
        return self.seen[self.at] if 0 <= self.at < len(self.seen) else None

    def moved_to(self, case: str) -> Self:
        """The place once `case` was given."""
        seen = (*(one for one in self.seen if one != case), case)[-LONGEST:]
        return self.model_copy(update={"seen": seen, "at": len(seen) - 1})

    def stepped(self, by: int) -> Self | None:
        """The place `by` cases on (back where negative) among those given; None where there is none."""
        at = self.at + by
        return self.model_copy(update={"at": at}) if 0 <= at < len(self.seen) else None


def kept_place(store: LabelStore, reader: str) -> Place:
    """The place of a reader; a new one where none can be read, or the store is older than it (a backup)."""
    content = store.kept_beside(_name(reader))
    if content is None:
        return Place()
    try:
        place = Place.model_validate_json(content)
    except ValidationError:
        return Place()
    return place if place.entry <= _last_entry(store) else Place()


def keep_place(store: LabelStore, reader: str, place: Place) -> Place:
    """Keep the place of a reader, whole or not at all. Raises OutputError: the store cannot be written."""
    kept = place.model_copy(update={"entry": _last_entry(store)})
    store.keep_beside(_name(reader), kept.model_dump_json().encode())
    return kept


def _last_entry(store: LabelStore) -> int:
    return int(store.head().partition(":")[0])


def _name(reader: str) -> str:
    return f"worklist place of {reader_key(reader)}"
