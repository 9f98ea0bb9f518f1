"""What a worklist knows of one case, read from its versions and its latest draft."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import InputError
from .case_states import State, Step, double_reading_for, opinions, state_of
from .disagreement import STANDARD, Difference, Thresholds, differences
from .double_reading import DoubleReading
from .draft_scores import DraftScores, draft_scores
from .label_summary import StoredText
from .reader_results import reader_result
from .record import record_name
from .record_excerpts import analysis_excerpt, record_excerpt
from .store import LabelStore

Progress = Callable[[int, int], None]


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
    found = _Versions()
    for text in store.texts(case=case):
        found.take(text)
    return tuple(found.steps)


def case_facts(
    store: LabelStore, case: str, double: DoubleReading | None, thresholds: Thresholds = STANDARD
) -> CaseFacts:
    """Read one case; what is damaged of it is told, not raised."""
    found = _Versions()
    for text in store.texts(case=case):
        found.take(text)
    return compared(store, found.facts(store, case, None), double, thresholds)


def facts_since(
    store: LabelStore,
    entry: int,
    known: Callable[[str], CaseFacts | None],
    double: DoubleReading | None,
    thresholds: Thresholds = STANDARD,
    progress: Progress = lambda done, total: None,
) -> Iterator[CaseFacts]:
    """The cases that have versions behind an entry of the audit trail, in the order in which these came.

    Args:
        store: open store.
        entry: what is in the trail up to it is `known`.
        known: facts of a case so far, None where there are none.
        double: which cases several readers read.
        thresholds: from where on they are in dispute.
        progress: called with entries read, twice each, and twice their number.
    """
    total = max(1, int(store.head().partition(":")[0]) - entry)
    versions: dict[str, _Versions] = {}
    for done, text in enumerate(store.texts(entry), 1):
        versions.setdefault(text.case, _Versions()).take(text)
        progress(min(done, total), 2 * total)
    for done, (case, found) in enumerate(versions.items(), 1):
        facts = found.facts(store, case, known(case))
        yield facts if double is None else compared(store, facts, double, thresholds)
        progress(total + round(total * done / len(versions)), 2 * total)


def case_differences(
    store: LabelStore, case: str, steps: Iterable[Step], double: DoubleReading, thresholds: Thresholds = STANDARD
) -> tuple[Difference, ...]:
    """Every two of the latest opinions of a case's readers. Raises InputError: damaged."""
    held = opinions(tuple(steps), double)
    if len(held) < 2:
        return ()
    return differences([reader_result(store, store.get(case, step.version)) for step in held], thresholds)


def compared(store: LabelStore, facts: CaseFacts, double: DoubleReading | None, thresholds: Thresholds) -> CaseFacts:
    """The facts with how far its readers lie apart."""
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


@dataclass
class _Versions:
    """What is gathered of the versions of one case."""

    steps: list[Step] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    drafts: tuple[str, ...] = ()
    """Addresses of the analyses of the latest version that has any."""
    name: str = ""
    """Of that version."""

    def take(self, stored: StoredText) -> None:
        """Take up one version."""
        name = record_name(stored.case, stored.version)
        try:
            if stored.text is None:
                raise InputError(f"{name} is damaged; bring it back from a backup of the store.")
            record = record_excerpt(stored.text, name)
            if (record["case"], record["version"], record.get("parent")) != (
                stored.case,
                stored.version,
                stored.parent,
            ):
                raise InputError(f"{name} is damaged: the index says otherwise; bring the store back from a backup.")
        except InputError as error:
            self.damaged.append(str(error))
            return
        self.steps.append(Step.of_excerpt(record, stored.entry))
        if record.get("runs"):
            self.drafts, self.name = tuple(run["analysis"] for run in record["runs"]), name

    def facts(self, store: LabelStore, case: str, before: CaseFacts | None) -> CaseFacts:
        """The facts, less how far readers lie apart; `before` those of the versions before these."""
        damaged = [*(before.damaged if before else ()), *self.damaged]
        scores = before.scores if before else DraftScores()
        if self.drafts:
            try:
                scores = draft_scores([analysis_excerpt(one, self.name) for one in store.stored(self.drafts)])
            except InputError as error:
                damaged.append(str(error))
        # By version: one that came while the last ones were read may be known already.
        steps = {step.version: step for step in (*(before.steps if before else ()), *self.steps)}
        return CaseFacts(case, tuple(steps.values()), scores, damaged=tuple(dict.fromkeys(damaged)))
