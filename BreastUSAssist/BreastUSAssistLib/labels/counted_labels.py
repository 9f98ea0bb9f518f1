"""Which version of each case an export or a training counts, and which cases are in dispute."""

from collections.abc import Iterator, Sequence

from .case_states import double_reading_for, state_of
from .case_table import case_differences, case_steps
from .disagreement import STANDARD, Thresholds
from .double_reading import double_reading_of
from .record import RecordKind
from .store import LabelStore


def counted_versions(store: LabelStore, kinds: Sequence[RecordKind], last: int) -> Iterator[tuple[str, int]]:
    """Case and version of the cases whose latest version up to entry `last` of the audit trail is of one of `kinds`."""
    for summary in store.list():
        chosen = summary
        if summary.entry > last:
            older = [one for one in store.history(summary.case) if one.entry <= last]
            if not older:
                continue
            chosen = older[-1]
        if chosen.kind in kinds:
            yield chosen.case, chosen.version


class Disputes:
    """Cases whose readers disagree and that nobody settled, up to an entry of the audit trail.

    Which cases several readers read is what was chosen last, whenever that was.
    """

    def __init__(self, store: LabelStore, last: int, thresholds: Thresholds = STANDARD) -> None:
        """Raises InputError: which cases several readers read cannot be told."""
        self._store = store
        self._last = last
        self._thresholds = thresholds
        self._double = double_reading_of(store)

    def holds(self, case: str) -> bool:
        """Whether a case is in dispute. Raises InputError: an opinion is damaged."""
        double = double_reading_for(case, self._double)
        if double is None:
            return False
        steps = tuple(step for step in case_steps(self._store, case) if step.entry <= self._last)
        if state_of(steps, double, disputed=True) != "disputed":
            return False
        found = case_differences(self._store, case, steps, double, self._thresholds)
        return any(one.disputes for one in found)
