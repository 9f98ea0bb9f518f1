"""A reader's day in the panel. As a program: its first half, which tells what was acknowledged until it is killed.

python -m panel.readers_day FOLDER COUNT
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panel.bench import PanelBench, open_bench

READER = "Reader A"
MARK = "DAY "
"""Before each line that the program prints."""


class Day:
    """The worklist of one reader, case by case, with the controls that a reader uses."""

    def __init__(self, bench: PanelBench) -> None:
        self.bench = bench
        bench.without_measuring()
        bench.ui("finish").readerLineEdit.setText(READER)
        bench.panel.worklist._fold.setCollapsed(False)
        bench.turn(lambda: bench.panel.worklist.walk.view is not None, timeout=300)
        self.settle()

    def settle(self) -> None:
        """Nothing is going on any more."""
        self.bench.turn(timeout=300)

    def next(self) -> str:
        """Go on in the worklist; the case that is open then."""
        self.bench.panel.worklist.next()
        self.settle()
        return str(self.bench.panel.worklist.walk.open_case)

    def open(self, case: str) -> None:
        """Open a case of the list."""
        self.bench.panel.worklist.walk.open(case)
        self.settle()

    def correct(self, place: int) -> None:
        """What a reader changes in a case; every third one is right as it is."""
        case = self.bench.case
        if place % 3 == 0:
            return
        mask = case.mask(0, 1)
        case.set_mask(0, 1, np.roll(mask, -3 - place % 4, axis=1))
        case.set_category(1, "4A")
        case.set_note(1, f"note of case {place}, ü")
        if place % 3 == 2:
            added = case.add_lesion()
            small = np.zeros_like(mask)
            small[10:20, 10 + place % 5 : 30] = True
            case.set_mask(0, added.number, small)

    def decide(self, decision: str = "accepted") -> dict[str, Any]:
        """Accept or reject; what was acknowledged."""
        finish = self.bench.ui("finish")
        if decision == "rejected":
            finish.reasonComboBox.setEditText("not a breast")
        self.bench.host.process_events()
        (finish.acceptButton if decision == "accepted" else finish.rejectButton).click()
        self.settle()
        assert self.bench.case.reading.decision == decision, self.bench.status
        return self.told()

    def told(self) -> dict[str, Any]:
        """The case as it is before the reader."""
        case = self.bench.case
        lesions = case.reading.lesions
        return {
            "case": self.bench.panel.worklist.walk.open_case,
            "decision": case.reading.decision,
            "masks": digest(case.labels()),
            "notes": [one.note for one in lesions],
            "categories": [one.category for one in lesions],
        }


def digest(labels: np.ndarray) -> str:
    """What tells label images apart."""
    return hashlib.sha256(np.ascontiguousarray(labels, np.uint8).tobytes()).hexdigest()


def tell(event: str, what: dict[str, Any]) -> None:
    """Say what the panel has acknowledged."""
    print(MARK + json.dumps({"event": event, **what}), flush=True)


def first_half(folder: Path, count: int) -> None:
    """Decide some cases, lose the child process once, and be in the middle of the next one."""
    with pytest.MonkeyPatch.context() as patch:
        bench = open_bench(folder, patch)
        day = Day(bench)
        for place in range(count):
            day.next()
            day.correct(place)
            if place == 1:
                bench.session.client._child.process.kill()
            tell("decided", decided_despite_crash(day, "rejected" if place % 5 == 4 else "accepted"))
        day.next()
        day.correct(2)
        bench.panel.autosaving.keep_now()
        day.settle()
        assert "Autosaved" in bench.panel.ui.keptLabel.text, bench.panel.ui.keptLabel.text
        tell("autosaved", day.told())
        if bench.raised:
            raise SystemExit("\n".join(bench.raised))
        bench.case.set_note(1, "typed in the moment before the end")
        tell("in the middle", {})
        bench.turn(lambda: False, timeout=600)


def decided_despite_crash(day: Day, decision: str) -> dict[str, Any]:
    """A decision that fails because the child process is gone is made again, as the status line asks for."""
    try:
        return day.decide(decision)
    except AssertionError:
        assert day.bench.status.startswith("✖"), day.bench.status
        return day.decide(decision)


if __name__ == "__main__":
    first_half(Path(sys.argv[1]), int(sys.argv[2]))
