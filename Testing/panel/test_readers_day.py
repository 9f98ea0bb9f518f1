"""A day of reading: worklist, corrections, a crash in the middle, going on, a revision, exports; nothing is lost.

BREASTUS_DAY_CASES says how many cases (6), BREASTUS_PICTURES names a folder for pictures of it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drafted_folder import fill
from panel.bench import PanelBench, open_bench

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")
from BreastUSAssistLib.labels.export_csv import write_csv
from BreastUSAssistLib.labels.export_query import ExportQuery
from BreastUSAssistLib.labels.exporting import export_labels
from BreastUSAssistLib.labels.store import LabelStore
from panel.readers_day import MARK, READER, Day, digest

TESTING = Path(__file__).resolve().parents[1]
CASES = int(os.environ.get("BREASTUS_DAY_CASES", "6"))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanelBench]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    bench = open_bench(tmp_path, monkeypatch)
    yield bench
    from host import clear

    clear()
    bench.turn(timeout=300)
    bench.panel.worklist._fold.setCollapsed(True)
    assert bench.raised == [], bench.raised


def test_a_readers_day(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    fill(tmp_path / "labels", CASES)
    told = first_half_until_killed(tmp_path, CASES // 2)
    acknowledged = [one for one in told if one["event"] in ("decided", "autosaved")]
    assert len(acknowledged) == CASES // 2 + 1
    check_kept(tmp_path, acknowledged)

    bench: PanelBench = request.getfixturevalue("bench")
    day = Day(bench)
    assert f"{CASES // 2} of {CASES} decided" in bench.ui("worklist").decidedProgressBar.format
    picture(bench, "day-1-after-the-crash")
    assert day.next() == acknowledged[-1]["case"], "the day goes on where it ended"
    assert day.told() == {key: value for key, value in acknowledged[-1].items() if key != "event"}
    picture(bench, "day-2-work-is-back")
    done = [*acknowledged[:-1], day.decide()]
    for place in range(CASES // 2 + 1, CASES):
        day.next()
        day.correct(place)
        done.append(day.decide())
    assert f"{CASES} of {CASES} decided" in bench.ui("worklist").decidedProgressBar.format
    picture(bench, "day-3-all-decided")
    check_kept(tmp_path, done)

    first = done[0]["case"]
    bench.ui("worklist").statesComboBox.setCurrentIndex(1)
    day.settle()
    day.open(first)
    assert bench.case.reading.decision == "accepted"
    bench.case.set_category(1, "4B")
    done[0] = day.decide()
    picture(bench, "day-4-revised")
    check_kept(tmp_path, done)
    export(tmp_path, done)


def first_half_until_killed(folder: Path, count: int) -> list[dict[str, Any]]:
    """Run the first half in an application of its own and kill it in the middle; what it acknowledged."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    command = [sys.executable, "-m", "panel.readers_day", str(folder), str(count)]
    told = []
    with subprocess.Popen(command, cwd=TESTING, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith(MARK):
                told.append(json.loads(line.removeprefix(MARK)))
                if told[-1]["event"] == "in the middle":
                    child.kill()
                    break
    assert told and told[-1]["event"] == "in the middle", "the first half ended by itself"
    return told


def check_kept(folder: Path, acknowledged: list[dict[str, Any]]) -> None:
    """The latest version of each case is what was acknowledged of it, and the label folder is whole."""
    with LabelStore.open(folder / "labels", read_only=True) as store:
        for one in acknowledged:
            record = store.get(one["case"])
            result = store.result(record)
            assert result is not None and record.reading is not None
            assert (record.decision, record.reader) == (one["decision"], READER)
            assert digest(result.labels()) == one["masks"]
            assert [lesion.note for lesion in record.reading.lesions] == one["notes"]
            assert [lesion.category for lesion in record.reading.lesions] == one["categories"]
        assert store.verify().damages == []


def export(folder: Path, done: list[dict[str, Any]]) -> None:
    """The labels as a table: every accepted case, the revised one as it was revised."""
    with LabelStore.open(folder / "labels", read_only=True) as store:
        assert [one.kind for one in store.history(done[0]["case"])] == ["autosaved", "accepted", "accepted"]
        query = ExportQuery(format="csv", kinds=("accepted",))
        exported = export_labels(store, folder / "exported", query, write_csv)
    accepted = [one["case"] for one in done if one["decision"] == "accepted"]
    assert exported.record.counts.cases == len(accepted)
    text = "".join(path.read_text("utf-8") for path in (folder / "exported").rglob("*.csv"))
    assert all(case in text for case in accepted)
    assert "4B" in text


def picture(bench: PanelBench, name: str) -> None:
    """A picture of the window where one is asked for."""
    if os.environ.get("BREASTUS_PICTURES"):
        bench.picture(name, Path(os.environ["BREASTUS_PICTURES"]))
