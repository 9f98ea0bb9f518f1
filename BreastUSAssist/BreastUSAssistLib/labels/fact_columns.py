"""Facts of many cases as arrays, so that 100,000 of them are kept, read and searched in a fraction of a second."""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, Self, get_args

import numpy as np

from .case_facts import CaseFacts
from .case_states import STATES, Step, state_of
from .draft_scores import CLASSES, DraftScores
from .record import RecordKind

_KINDS: tuple[RecordKind, ...] = get_args(RecordKind)
_PREFIX, _LETTERS = "case-", 16
_OF_CASES: dict[str, Any] = {
    "first": np.int64,
    "count": np.int32,
    "plain": np.int8,
    "begun": np.bool_,
    "decided": np.int32,
    "uncertainty": np.float64,
    "unlikeness": np.float64,
    "predicted": np.int8,
    "disputed": np.bool_,
    "disagreement": np.float64,
}
_OF_STEPS: dict[str, Any] = {
    "version": np.int32,
    "entry": np.int64,
    "kind": np.int8,
    "reader": np.int32,
    "begun": np.bool_,
    "drafted": np.bool_,
}


class FactColumns(Mapping[str, CaseFacts]):
    """Facts by case, in the order in which the cases came; a case's facts are made when they are asked for."""

    def __init__(self) -> None:
        self.cases: list[str] = []
        """In the order of the rows."""
        self.rows: dict[str, int] = {}
        self._of_cases = {name: np.zeros(0, kind) for name, kind in _OF_CASES.items()}
        self._steps = {name: np.zeros(0, kind) for name, kind in _OF_STEPS.items()}
        self._readers: list[str] = []
        self._settles: dict[int, tuple[int, ...]] = {}
        """Of the few steps that settle anything, by their place."""
        self._damaged: dict[int, tuple[str, ...]] = {}
        """Of the few damaged cases, by row."""

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[str]:
        return iter(self.cases)

    def __contains__(self, case: object) -> bool:
        return case in self.rows

    def __getitem__(self, case: str) -> CaseFacts:
        row = self.rows[case]
        of = {name: values[row].item() for name, values in self._of_cases.items()}
        steps = tuple(self._step(place) for place in range(of["first"], of["first"] + of["count"]))
        scores = DraftScores(
            _known(of["uncertainty"]),
            _known(of["unlikeness"]),
            None if of["predicted"] < 0 else CLASSES[of["predicted"]],
        )
        damaged = self._damaged.get(row, ())
        return CaseFacts(case, steps, scores, of["disputed"], _known(of["disagreement"]), damaged)

    @property
    def plain_states(self) -> np.ndarray:
        """int8 (cases,), index in STATES: the state of each case if one reader decides it."""
        return self._of_cases["plain"]

    @property
    def begun(self) -> np.ndarray:
        """bool (cases,): whether any reader began it; one that none began is in its plain state for everyone."""
        return self._of_cases["begun"]

    @property
    def decisions(self) -> np.ndarray:
        """int (cases,): number of versions in which a reader decided."""
        return self._of_cases["decided"]

    @property
    def predicted(self) -> np.ndarray:
        """int8 (cases,), index in CLASSES; -1 where no draft says."""
        return self._of_cases["predicted"]

    def scores(self, name: str) -> np.ndarray:
        """Float (cases,), NaN where unknown: "uncertainty", "unlikeness" or "disagreement"."""
        return self._of_cases[name]

    @property
    def damaged(self) -> tuple[str, ...]:
        """A sentence for everything that could not be read."""
        return tuple(words for row in sorted(self._damaged) for words in self._damaged[row])

    def put(self, several: Iterable[CaseFacts]) -> None:
        """Replace facts of cases that are there, and add those of new ones at the end."""
        readers = {reader: index for index, reader in enumerate(self._readers)}
        rows: dict[int, tuple[Any, ...]] = {}
        steps: list[tuple[Any, ...]] = []
        known = len(self._steps["version"])
        for facts in several:
            row = self.rows.setdefault(facts.case, len(self.cases))
            if row == len(self.cases):
                self.cases.append(facts.case)
            rows[row] = self._values(facts, known + len(steps))
            self._damaged.pop(row, None)
            if facts.damaged:
                self._damaged[row] = facts.damaged
            for step in facts.steps:
                if step.settles:
                    self._settles[known + len(steps)] = step.settles
                reader = readers.setdefault(step.reader, len(readers))
                kind = _KINDS.index(step.kind)
                steps.append((step.version, step.entry, kind, reader, step.begun, step.drafted))
        self._readers = list(readers)
        self._extend(len(self.cases), rows, steps)

    def to_bytes(self, said: Mapping[str, Any]) -> bytes:
        """All of it, and `said` (JSON values)."""
        order = self._in_order()
        place = {int(old): new for new, old in enumerate(order)} if self._settles else {}
        words = {
            "said": said,
            "readers": self._readers,
            "settles": [[place[old], list(held)] for old, held in self._settles.items() if old in place],
            "damaged": [[row, list(sentences)] for row, sentences in self._damaged.items()],
        }
        arrays: dict[str, Any] = {f"case {name}": values for name, values in self._of_cases.items() if name != "first"}
        arrays |= {f"step {name}": values[order] for name, values in self._steps.items()}
        arrays["cases"] = np.frombuffer("".join(self.cases).encode("ascii"), np.uint8)
        arrays["words"] = np.frombuffer(json.dumps(words, separators=(",", ":")).encode(), np.uint8)
        held = BytesIO()
        np.savez(held, **arrays)
        return held.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> tuple[Self, dict[str, Any]]:
        """What `to_bytes` wrote, and what it was told to say.

        Raises:
            ValueError: these bytes are no such table.
        """
        try:
            return cls._from_bytes(content)
        except (KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError("no table of facts") from error

    @classmethod
    def _from_bytes(cls, content: bytes) -> tuple[Self, dict[str, Any]]:
        found = cls()
        with np.load(BytesIO(content), allow_pickle=False) as arrays:
            words = json.loads(arrays["words"].tobytes())
            names = arrays["cases"].tobytes().decode("ascii")
            found._of_cases = {
                name: arrays[f"case {name}"].astype(kind) for name, kind in _OF_CASES.items() if name != "first"
            }
            found._steps = {name: arrays[f"step {name}"].astype(kind) for name, kind in _OF_STEPS.items()}
        counts = found._of_cases["count"].astype(np.int64)
        found._of_cases["first"] = np.cumsum(counts) - counts
        size = len(_PREFIX) + _LETTERS
        found.cases = [names[start : start + size] for start in range(0, len(names), size)]
        found.rows = {case: row for row, case in enumerate(found.cases)}
        found._readers = list(words["readers"])
        found._settles = {place: tuple(held) for place, held in words["settles"]}
        found._damaged = {row: tuple(sentences) for row, sentences in words["damaged"]}
        lengths = {len(values) for values in found._of_cases.values()} | {len(found.cases)}
        if len(lengths) != 1 or {len(values) for values in found._steps.values()} != {int(counts.sum())}:
            raise ValueError("columns of different lengths")
        return found, words["said"]

    def _step(self, place: int) -> Step:
        of = {name: values[place].item() for name, values in self._steps.items()}
        reader = self._readers[of["reader"]]
        settles = self._settles.get(place, ())
        return Step(of["version"], of["entry"], _KINDS[of["kind"]], reader, of["begun"], of["drafted"], settles)

    def _values(self, facts: CaseFacts, first: int) -> tuple[Any, ...]:
        """In the order of _OF_CASES."""
        scores = facts.scores
        return (
            first,
            len(facts.steps),
            STATES.index(state_of(facts.steps)),
            any(step.begun for step in facts.steps),
            sum(step.decided for step in facts.steps),
            _number(scores.uncertainty),
            _number(scores.unlikeness),
            -1 if scores.predicted is None else CLASSES.index(scores.predicted),
            facts.disputed,
            _number(facts.disagreement),
        )

    def _extend(self, count: int, rows: Mapping[int, tuple[Any, ...]], steps: list[tuple[Any, ...]]) -> None:
        places = np.fromiter(rows, np.int64, len(rows))
        for (name, kind), values in zip(_OF_CASES.items(), zip(*rows.values(), strict=True), strict=False):
            column = self._of_cases[name]
            if len(column) < count:
                column = np.concatenate([column, np.zeros(count - len(column), kind)])
            column[places] = values
            self._of_cases[name] = column
        for (name, kind), values in zip(_OF_STEPS.items(), zip(*steps, strict=True), strict=False):
            self._steps[name] = np.concatenate([self._steps[name], np.array(values, kind)])

    def _in_order(self) -> np.ndarray:
        """Places of the steps that are in use, by row: those that were replaced are left out."""
        first, count = self._of_cases["first"], self._of_cases["count"].astype(np.int64)
        starts = np.repeat(first - (np.cumsum(count) - count), count)
        return starts + np.arange(int(count.sum()))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _number(value: float | None) -> float:
    return np.nan if value is None else value
