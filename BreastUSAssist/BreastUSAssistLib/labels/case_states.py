"""In which state a case is, derived from its versions; nothing of it is stored anywhere else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .double_reading import DoubleReading, reader_key
from .record import LabelRecord, RecordKind

if TYPE_CHECKING:
    from .record_excerpts import RecordExcerpt

State = Literal["waiting", "drafted", "in_work", "accepted", "rejected", "disputed"]
"""waiting: no draft, nobody began. drafted: a model drafted. in_work: begun, or read by some of its readers and not yet
by all. accepted, rejected: decided, by all its readers alike or by adjudication. disputed: its readers disagree."""
STATES: tuple[State, ...] = ("waiting", "drafted", "in_work", "accepted", "rejected", "disputed")
OPEN: tuple[State, ...] = ("waiting", "drafted", "in_work")
"""Of cases that still need a reader."""


@dataclass(frozen=True)
class Step:
    """One version of a case, as far as states need it."""

    version: int
    entry: int
    """Its number in the audit trail."""
    kind: RecordKind
    reader: str
    begun: bool
    """Whether a reader did anything in it, or brought it back."""
    drafted: bool
    """Whether it holds a draft."""
    settles: tuple[int, ...] = ()

    @property
    def decided(self) -> bool:
        """Whether a named reader accepted or rejected."""
        return self.kind in ("accepted", "rejected")

    @classmethod
    def of(cls, record: LabelRecord, entry: int) -> "Step":
        """Step of a version."""
        reading = record.reading
        touched = reading is not None and bool(reading.lesions or reading.seconds_spent > 0)
        begun = _begun(record.kind, record.reader, touched, record.restored_from is not None)
        return cls(record.version, entry, record.kind, record.reader, begun, bool(record.runs), record.settles)

    @classmethod
    def of_excerpt(cls, record: "RecordExcerpt", entry: int) -> "Step":
        """The same from an excerpt of the record."""
        kind, reader, reading = record["kind"], record.get("reader", ""), record.get("reading") or {}
        touched = bool(reading.get("lesions") or reading.get("seconds_spent", 0) > 0)
        begun = _begun(kind, reader, touched, record.get("restored_from") is not None)
        settles = tuple(record.get("settles", ()))
        return cls(record["version"], entry, kind, reader, begun, bool(record.get("runs")), settles)


def double_reading_for(case: str, chosen: DoubleReading | None) -> DoubleReading | None:
    """The double reading if the case is of its share, else None."""
    return None if chosen is None else chosen.of_case(case)


def opinions(steps: Sequence[Step], double: DoubleReading, *, first: bool = False) -> tuple[Step, ...]:
    """The decision of each reader of a case that is read blind, in the order of their first ones.

    Each reader's latest, or with `first` the one made before the others' could be seen. What was decided before the
    share was chosen counts as one opinion, its last reader's. Adjudications are none.
    """
    found: dict[str, Step] = {}
    decided = [step for step in steps if step.decided and not step.settles]
    before = [step for step in decided if step.entry <= double.from_entry][-1:]
    for step in (*before, *(step for step in decided if step.entry > double.from_entry)):
        key = reader_key(step.reader)
        if key not in found or not first:
            found[key] = step
    return tuple(found.values())


def has_decided(steps: Sequence[Step], reader: str) -> bool:
    """Whether the reader accepted or rejected in any version."""
    return any(step.decided and reader_key(step.reader) == reader_key(reader) for step in steps)


def is_blind(steps: Sequence[Step], case: str, chosen: DoubleReading | None, reader: str) -> bool:
    """Whether others' results of a case are kept from a reader: it is of the share, and he did not decide it yet."""
    return double_reading_for(case, chosen) is not None and not has_decided(steps, reader)


def state_of(
    steps: Sequence[Step], double: DoubleReading | None = None, *, disputed: bool = False, reader: str = ""
) -> State:
    """State of a case.

    Args:
        steps: its versions, the first first; none is waiting.
        double: the double reading if the case is of its share.
        disputed: whether its readers' opinions disagree beyond the thresholds (disagreement.Thresholds).
        reader: who asks; "" is the whole. While a case of the share still needs readers, its state says to a reader
            only what is his own: whether another began or decided is not told.
    """
    if double is None:
        return _plain_state(steps)
    settled = [step for step in steps if step.settles and step.decided]
    if settled:
        return _decision(settled[-1])
    held = opinions(steps, double)
    if len(held) >= double.readers:
        return "disputed" if disputed else _decision(max(held, key=lambda step: step.version))
    if not reader:
        return "in_work" if any(step.begun for step in steps) else _plain_state(steps)
    own = [step for step in steps if not step.begun or reader_key(step.reader) == reader_key(reader)]
    state = _plain_state(own)
    return "drafted" if state == "waiting" and any(step.drafted for step in steps) else state


def _plain_state(steps: Sequence[Step]) -> State:
    begun = [step for step in steps if step.begun]
    if begun:
        return _decision(begun[-1]) if begun[-1].decided else "in_work"
    return "drafted" if any(step.drafted for step in steps) else "waiting"


def _begun(kind: RecordKind, reader: str, touched: bool, restored: bool) -> bool:
    """Whether a reader did anything in a version: a label from outside has a reading that nobody here made."""
    named = kind == "autosaved" and bool(reader.strip())
    return kind in ("accepted", "rejected") or restored or named or (touched and kind != "imported")


def _decision(step: Step) -> State:
    return "accepted" if step.kind == "accepted" else "rejected"
