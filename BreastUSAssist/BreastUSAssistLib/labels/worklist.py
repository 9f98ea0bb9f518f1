"""The worklist: which case of a label store a reader reads next.

Everything but a reader's place follows from the store. In order, the next case is found by the store's index, however
many there are, as long as one of the next 20 is due. The other strategies need every case's facts (case_table): read
once, kept beside the store, and after that a next case costs a look at arrays of one value a case.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .case_states import OPEN, STATES, State, double_reading_for, has_decided, is_blind, opinions
from .case_table import CaseFacts, CaseTable, case_facts, case_table
from .disagreement import STANDARD, Thresholds
from .double_reading import double_reading_of
from .draft_scores import CLASSES
from .record import RecordKind
from .store import LabelStore
from .strategies import UNKNOWN_CLASS, Strategy, balanced_order, first_highest, highest_first
from .worklist_place import Place, keep_place, kept_place

Progress = Callable[[int, int], None]
_NOT_DECIDED: tuple[RecordKind, ...] = ("autosaved", "imported")
_KEPT_AFTER = 1000
"""Changes after which the table is kept while a worklist is open: it takes part of a second for 100,000 cases."""
_SCORES = {"most-uncertain": "uncertainty", "most-unlike": "unlikeness", "most-disagreeing": "disagreement"}
_LONGEST_LOOK = 20
"""Cases that are looked at by the index, one after another, before all are read."""
_ALL: tuple[RecordKind, ...] = ("accepted", "rejected", "autosaved", "imported")


def default_states(strategy: Strategy) -> tuple[State, ...]:
    """The cases that a strategy is for: disputes for the most disagreeing, those that need a reader for the others."""
    return ("disputed",) if strategy == "most-disagreeing" else OPEN


class Worklist:
    """A reader's way through a store. Use from one thread at a time; several readers may work at once."""

    def __init__(
        self,
        store: LabelStore,
        reader: str = "",
        *,
        strategy: Strategy | None = None,
        states: Sequence[State] | None = None,
        thresholds: Thresholds = STANDARD,
        remember: bool = True,
        progress: Progress = lambda done, total: None,
    ) -> None:
        """Go on where the reader was.

        Args:
            store: open store.
            reader: name; what he is told of cases that are read blind is his own alone. "": the whole, for whoever
                leads a study.
            strategy: None is the one he used last.
            states: the filter; None is the one he used last with that strategy, at first `default_states`.
            thresholds: from where on readers are in dispute.
            remember: whether his place is kept in the store; False for stores that cannot be written.
            progress: called with cases read and their number while all have to be read.
        """
        self.store = store
        self.reader = reader
        self.thresholds = thresholds
        self._remember = remember
        self._progress = progress
        self._columns: _Columns | None = None
        self._place = _chosen(kept_place(store, reader), strategy, states)

    @property
    def strategy(self) -> Strategy:
        """The order in which cases come."""
        return self._place.strategy

    @property
    def states(self) -> tuple[State, ...]:
        """The states of the cases that come."""
        return self._place.states or default_states(self.strategy)

    @property
    def current(self) -> str | None:
        """The case that was given last, or gone back to; also after a restart."""
        return self._place.current

    @property
    def can_go_back(self) -> bool:
        """Whether a case was given before the current one."""
        return self._place.stepped(-1) is not None

    def choose(self, strategy: Strategy | None, states: Sequence[State] | None) -> None:
        """Change order or filter, None as in the constructor; remembered at once.

        Raises:
            OutputError: the place cannot be kept.
        """
        place = _chosen(self._place, strategy, states)
        if place != self._place:
            self._moved(place)

    def resume(self, store: LabelStore, progress: Progress = lambda done, total: None) -> None:
        """Go on with the same store, opened anew."""
        self.store, self._progress = store, progress
        self._remember = not store.read_only

    def next(self) -> str | None:
        """Give the next case; None where no case is of the states asked for.

        After going back, first the cases gone back over. Cases that were given and are still of these states come again
        once all others were.

        Raises:
            OutputError: the place cannot be kept.
        """
        ahead = self._place.stepped(1)
        if ahead is not None:
            return self._moved(ahead)
        seen = set(self._place.seen)
        case = self._first(seen)
        if case is None and self.current is not None:
            case = self._first({self.current}) or self._first(set())
        elif case is None:
            case = self._first(set())
        return None if case is None else self._moved(self._place.moved_to(case))

    def back(self) -> str | None:
        """Go back to the case that was given before the current one; None, and stay, where there is none.

        Raises:
            OutputError: the place cannot be kept.
        """
        before = self._place.stepped(-1)
        return None if before is None else self._moved(before)

    def order(self, states: Sequence[State] | None = None) -> tuple[str, ...]:
        """All cases of these states (default: the filter) in the order of the strategy, given before or not."""
        columns = self._refreshed()
        rows = columns.ordered(self.strategy, tuple(states) if states is not None else self.states)
        return tuple(columns.cases[row] for row in rows)

    def listed(self, most: int | None = None) -> tuple[tuple[str, State], ...]:
        """The cases of `order`, or the first `most` of them, each with its state as the reader is told it."""
        columns = self._refreshed()
        rows = columns.ordered(self.strategy, self.states)[:most]
        return tuple((columns.cases[row], STATES[columns.states[row]]) for row in rows)

    def due(self) -> int:
        """Number of cases of `order`."""
        return len(self._refreshed().ordered(self.strategy, self.states))

    def told(self, cases: Sequence[str]) -> dict[str, tuple[State, bool]]:
        """State of each of these cases as the reader is told it, and whether others' results are kept from him.

        Cases that are not in the store are left out. From the table, where `state` reads the case itself.
        """
        columns = self._refreshed()
        return {case: found for case in cases if (found := columns.told(case)) is not None}

    def state(self, case: str) -> State:
        """State of a case as the reader is told it. Raises InputError: there is no such case."""
        self.store.get(case)
        return self._facts(case).state(double_reading_of(self.store), self.reader)

    def progress(self) -> dict[State, int]:
        """Number of cases in each state, as the reader is told it."""
        columns = self._refreshed()
        counts = np.bincount(columns.states, minlength=len(STATES))
        return {state: int(count) for state, count in zip(STATES, counts, strict=True)}

    def damaged(self) -> tuple[str, ...]:
        """A sentence for every version that could not be read."""
        return self._refreshed().table.damaged

    def _moved(self, place: Place) -> str | None:
        self._place = keep_place(self.store, self.reader, place) if self._remember else place
        return place.current

    def _first(self, but: set[str]) -> str | None:
        """The first case that is due and not in `but`."""
        last = self._place.seen[-1] if self._place.seen else None
        if self.strategy == "in-order" and self._columns is None:
            case = self._first_by_index(last, but)
            if case is not None:
                return case
        columns = self._refreshed()
        row = columns.first(self.strategy, self.states, but, last)
        return None if row is None else columns.cases[row]

    def _first_by_index(self, last: str | None, but: set[str]) -> str | None:
        """In order behind `last`, reading only cases that may be of the states asked for; None also where it would
        take longer than by the table.
        """
        double = double_reading_of(self.store)
        kinds = _NOT_DECIDED if double is None and set(self.states) <= set(OPEN) else _ALL
        case = self.store.next_case(last, kinds)
        for _ in range(_LONGEST_LOOK):
            if case is None:
                return None
            if case not in but and self._facts(case).state(double, self.reader) in self.states:
                return case
            case = self.store.next_case(case, kinds)
        return None

    def _facts(self, case: str) -> CaseFacts:
        return case_facts(self.store, case, double_reading_of(self.store), self.thresholds)

    def _refreshed(self) -> "_Columns":
        if self._columns is None:
            table = case_table(self.store, self.thresholds, self._progress)
            self._columns = _Columns(table, self.reader)
            if self._remember:
                table.keep(self.store)
        else:
            self._columns.refresh(self.store)
            table = self._columns.table
            if self._remember and table.entry - table.kept_entry >= _KEPT_AFTER:
                table.keep(self.store)
        return self._columns


class _Columns:
    """The table as arrays of one value a case, for one reader."""

    def __init__(self, table: CaseTable, reader: str) -> None:
        self.table = table
        self._reader = reader
        self._load()

    def refresh(self, store: LabelStore) -> None:
        """Take up what came since."""
        double = self.table.double
        changed = self.table.refresh(store)
        if self.table.double != double or len(self.table.facts) != len(self.states):
            self._load()
            return
        for case in changed:
            self._set(self._rows[case], self.table.facts[case])

    def state(self, case: str) -> State:
        """State of a case as the reader is told it."""
        return STATES[self.states[self._rows[case]]]

    def told(self, case: str) -> tuple[State, bool] | None:
        """State of a case as the reader is told it, and whether it is blind to him; None: no such case."""
        if case not in self._rows:
            return None
        double = self.table.double
        shared = double_reading_for(case, double) is not None
        blind = shared and is_blind(self.table.facts[case].steps, case, double, self._reader)
        return self.state(case), blind

    def first(self, strategy: Strategy, states: Sequence[State], but: set[str], last: str | None) -> int | None:
        """Row of the first case that is due and not in `but`; in order, that behind `last`, else from the start."""
        wanted = self._wanted(strategy, states)
        wanted[[self._rows[case] for case in but if case in self._rows]] = False
        candidates = np.flatnonzero(wanted)
        if not candidates.size:
            return None
        if strategy == "in-order":
            behind = candidates[candidates > self._rows.get(last or "", -1)]
            return int(behind[0] if behind.size else candidates[0])
        if strategy == "balanced":
            return int(balanced_order(self._classes, self._done(), candidates)[0])
        return first_highest(self._scores[strategy], candidates)

    def ordered(self, strategy: Strategy, states: Sequence[State]) -> np.ndarray:
        """Rows of all cases that are due, in order."""
        candidates = np.flatnonzero(self._wanted(strategy, states))
        if strategy == "in-order":
            return candidates
        if strategy == "balanced":
            return balanced_order(self._classes, self._done(), candidates)
        return highest_first(self._scores[strategy], candidates)

    def _wanted(self, strategy: Strategy, states: Sequence[State]) -> np.ndarray:
        wanted = np.isin(self.states, [STATES.index(state) for state in states])
        if strategy == "most-disagreeing":
            wanted &= ~np.isnan(self._scores[strategy])
        return wanted

    def _done(self) -> list[int]:
        decided = self._classes[self.states >= STATES.index("accepted")]
        return [int(np.count_nonzero(decided == index)) for index in range(len(CLASSES))]

    def _load(self) -> None:
        facts, double = self.table.facts, self.table.double
        self.cases, self._rows = facts.cases, facts.rows
        self.states = facts.plain_states.copy()
        self._classes = np.where(facts.predicted < 0, UNKNOWN_CLASS, facts.predicted).astype(np.int8)
        self._scores = {name: facts.scores(column).copy() for name, column in _SCORES.items()}
        if double is not None:
            for row in np.flatnonzero(facts.begun):
                if double.holds(self.cases[row]):
                    self._set(int(row), facts[self.cases[row]])

    def _set(self, row: int, facts: CaseFacts) -> None:
        scores = facts.scores
        self.states[row] = STATES.index(facts.state(self.table.double, self._reader))
        self._classes[row] = UNKNOWN_CLASS if scores.predicted is None else CLASSES.index(scores.predicted)
        self._scores["most-uncertain"][row] = np.nan if scores.uncertainty is None else scores.uncertainty
        self._scores["most-unlike"][row] = np.nan if scores.unlikeness is None else scores.unlikeness
        known = facts.disagreement is not None and self._may_know(facts)
        self._scores["most-disagreeing"][row] = facts.disagreement if known else np.nan

    def _may_know(self, facts: CaseFacts) -> bool:
        """Whether the reader may be told how far others' opinions lie apart."""
        double = double_reading_for(facts.case, self.table.double)
        if double is None or not self._reader or has_decided(facts.steps, self._reader):
            return True
        return len(opinions(facts.steps, double)) >= double.readers


def _chosen(place: Place, strategy: Strategy | None, states: Sequence[State] | None) -> Place:
    """The place with another strategy and filter; another strategy begins with its own filter."""
    same = strategy is None or strategy == place.strategy
    filtered = tuple(states) if states is not None else (place.states if same else ())
    return place.model_copy(update={"strategy": strategy or place.strategy, "states": filtered})
