"""Settling a dispute: a new version by another named reader, who saw what the readers in dispute decided."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError
from .case_states import double_reading_for, opinions
from .case_table import case_differences, case_steps
from .disagreement import STANDARD, Difference, Thresholds
from .double_reading import double_reading_of, reader_key
from .new_label import NewLabel
from .record import LabelRecord

if TYPE_CHECKING:
    from .store import LabelStore


@dataclass(frozen=True)
class Dispute:
    """A case whose readers disagree, as its adjudicator sees it."""

    opinions: tuple[LabelRecord, ...]
    """Each reader's latest decision."""
    differences: tuple[Difference, ...]
    """Every two of them."""


def open_dispute(store: "LabelStore", case: str, adjudicator: str, thresholds: Thresholds = STANDARD) -> Dispute:
    """Show a dispute to whom is to settle it.

    Raises:
        UsageError: nobody is named; the case is not read by several; some of its readers are still to decide, or are
            the adjudicator; or nothing is in dispute.
        InputError: there is no such case, or it is damaged.
    """
    store.get(case)
    double = double_reading_for(case, double_reading_of(store))
    if double is None:
        raise UsageError(f"{case} is not among the cases that several readers read; there is nothing to settle.")
    steps = case_steps(store, case)
    held = opinions(steps, double)
    if not adjudicator.strip():
        raise UsageError("A dispute is settled by a named reader; give the name.")
    if len(held) < double.readers:
        raise UsageError(f"{case} still waits for a reader; settle it once all {double.readers} have decided.")
    if reader_key(adjudicator) in {reader_key(step.reader) for step in held}:
        raise UsageError(f"{case} is settled by a reader who did not decide it before; name another.")
    found = case_differences(store, case, steps, double, thresholds)
    if not any(one.disputes for one in found):
        raise UsageError(f"Nothing in {case} is in dispute; its readers agree within the thresholds.")
    return Dispute(tuple(store.get(case, step.version) for step in held), found)


def adjudicate(store: "LabelStore", label: NewLabel, thresholds: Thresholds = STANDARD) -> LabelRecord:
    """Store a decision that settles a dispute, as a new version; the readers' own stay as they are.

    Args:
        store: open store.
        label: accepted or rejected by the adjudicator; its `settles` is filled in here.
        thresholds: from where on there is a dispute.

    Raises:
        UsageError: as `open_dispute`.
        InputError: the label decides nothing, or does not fit its image.
        OutputError: not stored; see LabelStore.put.
    """
    if label.kind not in ("accepted", "rejected") or label.reading is None:
        raise UsageError("A dispute is settled by accepting or rejecting the case; decide first.")
    dispute = open_dispute(store, store.case_of(label.image), label.reading.reader, thresholds)
    versions = tuple(sorted(record.version for record in dispute.opinions))
    return store.put(dataclasses.replace(label, settles=versions))
