"""What a reader may see of a case: never another's result before his own decision where it is read blind."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .case_states import double_reading_for, has_decided
from .case_table import case_steps
from .double_reading import double_reading_of, reader_key
from .masks import MaskStack
from .record import LabelRecord

if TYPE_CHECKING:
    import numpy as np

    from .store import LabelStore


@dataclass(frozen=True, eq=False)
class CaseView:
    """A case before one reader. What it holds is all that he is shown."""

    record: LabelRecord
    """Where he starts from: the latest version, or where the case is blind to him his own latest, else image and draft
    alone (see `without_results`); imported masks are somebody's result as well."""
    blind: bool
    """Whether others' versions are kept from him."""
    versions: tuple[LabelRecord, ...]
    """The versions that he may see, the first first."""
    parent: int
    """For NewLabel.parent: the version that `record` comes from, which may be another's whose result is left out."""
    _store: "LabelStore"

    def result(self) -> MaskStack | None:
        """Masks as `record` has them. Raises InputError: damaged."""
        return self._store.result(self.record)

    def drafts(self) -> tuple[MaskStack | None, ...]:
        """The AI's masks, one stack a run. Raises InputError: damaged."""
        return self._store.drafts(self.record)

    def analyses(self) -> tuple[dict[str, Any], ...]:
        """The AI's analyses as JSON values. Raises InputError: damaged."""
        return self._store.analyses(self.record)

    def frame(self, number: int) -> "np.ndarray":
        """Pixels of a stored frame. Raises InputError: not stored, or damaged."""
        return self._store.frame(self.record, number)


def open_for(store: "LabelStore", case: str, reader: str, *, unblind: bool = False) -> CaseView:
    """Open a case for a reader.

    A case of the double-reading share is blind to him until he accepted or rejected it, and then no longer.
    `unblind` shows everything at once and is noted in the audit trail with his name; figures of agreement count what he
    then decides like any other opinion.

    Raises:
        UsageError: no reader is named for a case that is read blind.
        InputError: there is no such case, or it is damaged.
        OutputError: `unblind` could not be noted.
    """
    double = double_reading_for(case, double_reading_of(store))
    if double is not None and not reader.strip():
        raise UsageError(f"{case} is read by several readers who do not see each other's results; name the reader.")
    store.get(case)
    steps = case_steps(store, case)
    blind = double is not None and not has_decided(steps, reader)
    if blind and unblind:
        store.note("unblinded", case=case, reader=reader.strip())
        blind = False
    records = [store.get(case, step.version) for step in steps]
    if not blind:
        return CaseView(records[-1], False, tuple(records), records[-1].version, store)
    own = [record for record in records if _is_own(record, reader)]
    drafted = [one for one, step in zip(records, steps, strict=True) if not step.begun and one.kind == "autosaved"]
    shown = tuple(one for one in records if one in own or one in drafted)
    if own:
        return CaseView(own[-1], True, shown, own[-1].version, store)
    start = drafted[-1] if drafted else without_results(next((one for one in records if one.runs), records[0]))
    start = start.model_copy(update={"frames": records[-1].frames})
    return CaseView(start, True, shown, start.version, store)


def without_results(record: LabelRecord) -> LabelRecord:
    """A version without anything that its reader made: image, draft and frames stay."""
    cleared = {"result": None, "reading": None, "decision": "open", "reason": "", "reader": "", "restored_by": ""}
    emptied = {"kind": "autosaved", "seconds_spent": 0.0, "tools": (), "settles": (), "restored_from": None}
    return record.model_copy(update={**cleared, **emptied, "created": "", "parent": None})


def _is_own(record: LabelRecord, reader: str) -> bool:
    return record.kind != "imported" and reader_key(record.reader) == reader_key(reader)
