"""What a worklist knows of every case, read from the store once and then kept up with what comes."""

from dataclasses import dataclass, field

from .case_facts import (
    CaseFacts,
    Progress,
    case_differences,
    case_facts,
    case_steps,
    compared,
    facts_since,
)
from .disagreement import STANDARD, Thresholds
from .double_reading import DoubleReading, double_reading_of
from .fact_columns import FactColumns
from .store import LabelStore

__all__ = ["CaseFacts", "CaseTable", "Progress", "case_differences", "case_facts", "case_steps", "case_table"]

_KEPT_AS = "case table 2"
_KEPT_EVERY = 200
"""Changes from which on the table is kept again: it can always be made again from the store."""
_ONE_BY_ONE = 32
"""Changes up to which each case that changed is read anew and whole."""


@dataclass(eq=False)
class CaseTable:
    """Facts of all cases, in the order in which the cases came."""

    double: DoubleReading | None
    thresholds: Thresholds
    facts: FactColumns = field(default_factory=FactColumns)
    entry: int = 0
    """Last entry of the audit trail that it knows."""
    kept_entry: int = 0

    def refresh(self, store: LabelStore, progress: Progress = lambda done, total: None) -> tuple[str, ...]:
        """Read what came since the last time; the cases that changed. A new double reading compares its cases anew."""
        last = int(store.head().partition(":")[0])
        double = double_reading_of(store)
        if double != self.double:
            self.double = double
            several = (self.facts[self.facts.cases[row]] for row in (self.facts.decisions > 1).nonzero()[0])
            self.facts.put([compared(store, facts, double, self.thresholds) for facts in several])
        if last == self.entry:
            return ()
        if last - self.entry <= _ONE_BY_ONE:
            came = store.since(self.entry)
            cases = dict.fromkeys(summary.case for summary in came)
            found = [case_facts(store, case, double, self.thresholds) for case in cases]
            known = max((summary.entry for summary in came), default=last)
        else:
            found = list(facts_since(store, self.entry, self.facts.get, double, self.thresholds, progress))
            known = max((step.entry for facts in found for step in facts.steps), default=last)
        self.facts.put(found)
        self.entry = max(last, known)
        return tuple(facts.case for facts in found)

    @property
    def damaged(self) -> tuple[str, ...]:
        """A sentence for everything that could not be read."""
        return self.facts.damaged

    def keep(self, store: LabelStore) -> None:
        """Keep the table beside the store, sealed, so that the next one need not read every case.

        Raises:
            OutputError: the store cannot be written.
        """
        if self.entry - self.kept_entry < min(_KEPT_EVERY, max(1, self.entry // 10)):
            return
        double = None if self.double is None else self.double.model_dump(mode="json")
        said = {"entry": self.entry, "double": double, "thresholds": self.thresholds.model_dump(mode="json")}
        store.keep_beside(_KEPT_AS, self.facts.to_bytes(said))
        self.kept_entry = self.entry


def case_table(
    store: LabelStore, thresholds: Thresholds = STANDARD, progress: Progress = lambda done, total: None
) -> CaseTable:
    """The table of a store: the kept one with what came since, else read from every record.

    Reading every record takes about a fifth of a millisecond a case; `CaseTable.keep` spares that the next time.
    """
    table = _kept(store, thresholds) or CaseTable(double_reading_of(store), thresholds)
    table.refresh(store, progress)
    return table


def _kept(store: LabelStore, thresholds: Thresholds) -> CaseTable | None:
    """The kept table; None where there is none, or it was made otherwise or by another version."""
    content = store.kept_beside(_KEPT_AS)
    if content is None:
        return None
    try:
        facts, said = FactColumns.from_bytes(content)
        if said["thresholds"] != thresholds.model_dump(mode="json"):
            return None
        double = None if said["double"] is None else DoubleReading.model_validate(said["double"])
        entry = int(said["entry"])
    except (ValueError, KeyError, TypeError):
        return None
    if entry > int(store.head().partition(":")[0]):
        # The store was brought back from a backup that is older than the table.
        return None
    return CaseTable(double, thresholds, facts, entry, entry)
