"""What a worklist knows of every case, read from the store once and then kept up with what comes."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..errors import InputError
from .case_states import State, Step, double_reading_for, opinions, state_of
from .disagreement import STANDARD, Difference, Thresholds, differences
from .double_reading import DoubleReading, double_reading_of
from .draft_scores import DraftScores, draft_scores
from .reader_results import reader_result
from .record import LabelRecord
from .store import LabelStore

Progress = Callable[[int, int], None]
_KEPT_AS = "case table 1"
_KEPT_EVERY = 200
"""Changes from which on the table is kept again: it can always be made again from the store."""


@dataclass(frozen=True)
class CaseFacts:
    """One case, as far as states and strategies need it."""

    case: str
    steps: tuple[Step, ...]
    scores: DraftScores
    disputed: bool = False
    disagreement: float | None = None
    """Largest Difference.score among its readers' opinions; None where fewer than two decided."""
    damaged: tuple[str, ...] = ()
    """A sentence for each version, or part of one, that could not be read."""

    def state(self, double: DoubleReading | None, reader: str = "") -> State:
        """State of the case, see `state_of`."""
        return state_of(self.steps, double_reading_for(self.case, double), disputed=self.disputed, reader=reader)


def case_steps(store: LabelStore, case: str) -> tuple[Step, ...]:
    """The versions of a case that can be read, the first first."""
    return tuple(step for step, _ in _readable(store, case, []))


def case_facts(
    store: LabelStore, case: str, double: DoubleReading | None, thresholds: Thresholds = STANDARD
) -> CaseFacts:
    """Read one case; what is damaged of it is told, not raised."""
    damaged: list[str] = []
    found = list(_readable(store, case, damaged))
    steps = tuple(step for step, _ in found)
    drafted = next((record for _, record in reversed(found) if record.runs), None)
    scores = DraftScores()
    if drafted is not None:
        try:
            scores = draft_scores(store.analyses(drafted))
        except InputError as error:
            damaged.append(str(error))
    facts = CaseFacts(case, steps, scores, damaged=tuple(damaged))
    return _compared(store, facts, double, thresholds)


def case_differences(
    store: LabelStore, case: str, steps: tuple[Step, ...], double: DoubleReading, thresholds: Thresholds = STANDARD
) -> tuple[Difference, ...]:
    """Every two of the latest opinions of a case's readers. Raises InputError: damaged."""
    held = opinions(steps, double)
    if len(held) < 2:
        return ()
    return differences([reader_result(store, store.get(case, step.version)) for step in held], thresholds)


@dataclass(eq=False)
class CaseTable:
    """Facts of all cases, in the order in which the cases came."""

    double: DoubleReading | None
    thresholds: Thresholds
    facts: dict[str, CaseFacts] = field(default_factory=dict)
    entry: int = 0
    """Last entry of the audit trail that it knows."""
    kept_entry: int = 0

    def refresh(self, store: LabelStore, progress: Progress = lambda done, total: None) -> tuple[str, ...]:
        """Read what came since the last time; the cases that changed. A new double reading compares its cases anew."""
        found = store.since(self.entry)
        changed = dict.fromkeys(summary.case for summary in found)
        double = double_reading_of(store)
        if double != self.double:
            self.double = double
            for case, facts in self.facts.items():
                if case not in changed and sum(step.decided for step in facts.steps) > 1:
                    self.facts[case] = _compared(store, facts, double, self.thresholds)
        for done, case in enumerate(changed, 1):
            self.facts[case] = case_facts(store, case, double, self.thresholds)
            progress(done, len(changed))
        self.entry = found[-1].entry if found else self.entry
        return tuple(changed)

    @property
    def damaged(self) -> tuple[str, ...]:
        """A sentence for everything that could not be read."""
        return tuple(words for facts in self.facts.values() for words in facts.damaged)

    def keep(self, store: LabelStore) -> None:
        """Keep the table beside the store, sealed, so that the next one need not read every case.

        Raises:
            OutputError: the store cannot be written.
        """
        if self.entry - self.kept_entry < min(_KEPT_EVERY, max(1, self.entry // 10)):
            return
        store.keep_beside(_KEPT_AS, _to_json(self))
        self.kept_entry = self.entry


def case_table(
    store: LabelStore, thresholds: Thresholds = STANDARD, progress: Progress = lambda done, total: None
) -> CaseTable:
    """The table of a store: the kept one with what came since, else read from every record.

    Reading every record takes about a millisecond a case; `CaseTable.keep` spares that the next time.
    """
    table = _kept(store, thresholds) or CaseTable(double_reading_of(store), thresholds)
    table.refresh(store, progress)
    return table


def _readable(store: LabelStore, case: str, damaged: list[str]) -> Iterator[tuple[Step, LabelRecord]]:
    for summary in store.history(case):
        try:
            record = store.get(case, summary.version)
        except InputError as error:
            damaged.append(str(error))
            continue
        yield Step.of(record, summary.entry), record


def _compared(store: LabelStore, facts: CaseFacts, double: DoubleReading | None, thresholds: Thresholds) -> CaseFacts:
    own = double_reading_for(facts.case, double)
    if own is None:
        return dataclasses.replace(facts, disputed=False, disagreement=None)
    try:
        found = case_differences(store, facts.case, facts.steps, own, thresholds)
    except InputError as error:
        return dataclasses.replace(facts, damaged=tuple(dict.fromkeys((*facts.damaged, str(error)))))
    return dataclasses.replace(
        facts,
        disputed=any(one.disputes for one in found),
        disagreement=max((one.score for one in found), default=None),
    )


def _to_json(table: CaseTable) -> bytes:
    rows = [
        [
            facts.case,
            [list(dataclasses.astuple(step)) for step in facts.steps],
            dataclasses.astuple(facts.scores),
            facts.disputed,
            facts.disagreement,
            facts.damaged,
        ]
        for facts in table.facts.values()
    ]
    double = None if table.double is None else table.double.model_dump()
    content = {
        "entry": table.entry,
        "double": double,
        "thresholds": table.thresholds.model_dump(),
        "rows": rows,
    }
    return json.dumps(content, separators=(",", ":")).encode()


def _kept(store: LabelStore, thresholds: Thresholds) -> CaseTable | None:
    """The kept table; None where there is none, or it was made otherwise or by another version."""
    content = store.kept_beside(_KEPT_AS)
    if content is None:
        return None
    try:
        said = json.loads(content)
        if said["thresholds"] != json.loads(thresholds.model_dump_json()):
            return None
        double = None if said["double"] is None else DoubleReading.model_validate(said["double"])
        facts = {row[0]: _facts(row) for row in said["rows"]}
        entry = int(said["entry"])
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    if entry > int(store.head().partition(":")[0]):
        # The store was brought back from a backup that is older than the table.
        return None
    return CaseTable(double, thresholds, facts, entry, entry)


def _facts(row: list) -> CaseFacts:
    case, steps, scores, disputed, disagreement, damaged = row
    made = []
    for version, entry, kind, reader, begun, drafted, settles in steps:
        made.append(Step(version, entry, kind, reader, begun, drafted, tuple(settles)))
    return CaseFacts(case, tuple(made), DraftScores(*scores), disputed, disagreement, tuple(damaged))
