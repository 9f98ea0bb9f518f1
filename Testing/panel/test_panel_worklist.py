"""A reader's way through a label folder in the panel: next, back, deciding, leaving, and coming back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drafted_folder import fill
from panel.bench import PanelBench, open_bench

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanelBench]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    bench = open_bench(tmp_path, monkeypatch)
    bench.panel.worklist._fold.setCollapsed(True)
    yield bench
    from host import clear

    clear()
    bench.turn()
    bench.panel.worklist._fold.setCollapsed(True)
    assert bench.raised == [], bench.raised


def begin(bench: PanelBench, count: int = 4) -> list[str]:
    """A label folder, its worklist unfolded before Reader A; the cases in order."""
    fill(bench.folder / "labels", count)
    bench.ui("finish").readerLineEdit.setText("Reader A")
    bench.panel.worklist._fold.setCollapsed(False)
    bench.turn(lambda: bench.panel.worklist.walk.view is not None)
    bench.turn()
    return [case for case, _state in bench.panel.worklist.walk.view.listed]


def go(bench: PanelBench, move: str = "next") -> str:
    """Press the key; the case that is open then."""
    bench.panel.shortcuts._actions["Alt+W" if move == "next" else "Alt+B"]()
    bench.turn()
    return str(bench.panel.worklist.walk.open_case)


def test_next_and_back_open_cases(bench: PanelBench) -> None:
    cases = begin(bench)
    ui = bench.ui("worklist")
    assert ui.decidedProgressBar.format == "0 of 4 decided"
    assert ui.countsLabel.text == "4 drafted"
    assert [ui.casesTable.item(row, 0).text() for row in range(4)] == cases
    assert go(bench) == cases[0]
    assert np.array_equal(bench.case.source.pixels(0), pixels_of(bench, cases[0]))
    assert len(bench.case.lesions) == 1
    assert bench.case.reading.decision == "open"
    assert go(bench) == cases[1]
    assert images(bench) == [cases[1]]
    assert go(bench, "back") == cases[0]
    assert go(bench) == cases[1]


def images(bench: PanelBench) -> list[str]:
    """Names of the images in the scene."""
    from BreastUSAssistLib.mrml.case_list import cases_of

    return [source.name for source in cases_of(bench.session.scene)]


def pixels_of(bench: PanelBench, case: str) -> np.ndarray:
    from BreastUSAssistLib.labels.store import LabelStore

    with LabelStore.open(bench.folder / "labels") as store:
        return np.asarray(store.frame(store.get(case), 1))
