"""A reader's way through the panel, from loading to export, with a picture after each step."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec, Phantom, PhantomSpec, render
from panel.bench import PanelBench, open_bench
from pydicom import dcmread

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanelBench]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    bench = open_bench(tmp_path, monkeypatch)
    yield bench
    from host import clear

    clear()
    bench.host.process_events()
    assert bench.raised == []


@pytest.fixture(scope="module")
def sweep() -> Phantom:
    lesions = (LesionSpec(width_mm=14, height_mm=9),)
    return render(PhantomSpec(rows=400, columns=480, spacing_mm=0.12, lesions=lesions, frame_count=7))


@pytest.fixture(scope="module")
def still() -> Phantom:
    return render(PhantomSpec(rows=400, columns=480, spacing_mm=0.12, lesions=(LesionSpec(width_mm=12),), seed=7))


def test_a_readers_way_from_loading_to_export(bench: PanelBench, sweep: Phantom, still: Phantom) -> None:
    first, second = bench.load(sweep, "sweep"), bench.load(still, "still")
    _load(bench, first)
    key = _draft(bench)
    _leaf(bench, first, key)
    _change_a_term(bench)
    corrected = _correct(bench, key)
    _accept(bench, corrected, key)
    _export(bench)
    _go_on(bench, second)
    _close_the_scene_in_the_middle(bench)


def _load(bench: PanelBench, source: Any) -> None:
    bench.choose(source)
    assert bench.ui("case").frameCountLabel.text == "of 7"
    assert "Calibrated by the scanner" in bench.ui("case").calibrationLabel.text
    bench.picture("1-loaded")


def _draft(bench: PanelBench) -> int:
    bench.run()
    assert "1 lesion" in bench.status
    assert bench.ui("findings").findingsTable.rowCount == 1
    assert bench.ui("analyze").timeLabel.text.endswith("7 frame(s).")
    assert bench.mask().any()
    bench.picture("2-drafted")
    return int(bench.session.frame())


def _leaf(bench: PanelBench, source: Any, key: int) -> None:
    bench.panel.case.step(1)
    assert bench.session.frame() == key + 1
    assert source.browser.GetSelectedItemNumber() == key + 1
    bench.picture("3-next-frame")
    bench.panel.case.step(-1)


def _change_a_term(bench: PanelBench) -> None:
    table = bench.ui("findings").findingsTable
    titles = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount)]
    column = titles.index("Margin")
    bench.panel.findings.edit(0, column)
    combo = table.cellWidget(0, column)
    chosen = combo.findText("Not circumscribed - indistinct")
    assert chosen >= 0
    combo.activated.emit(chosen)
    bench.host.process_events()
    assert table.item(0, column).text().startswith("✎ Indistinct")
    assert "AI: " in table.item(0, column).text()
    assert bench.case.reading.lesions[0].descriptors == {"margin": "indistinct"}
    bench.picture("4-term-changed")


def _correct(bench: PanelBench, key: int) -> np.ndarray:
    before = bench.mask().copy()
    bench.ui("correct").removeClickButton.click()
    bench.host.process_events(0.3)
    rows, columns = np.nonzero(before)
    bench.view.click(int(rows.max()) - 3, int(columns[rows.argmax()]))
    bench.turn(lambda: not np.array_equal(bench.mask(), before))
    bench.turn()
    corrected = bench.mask().copy()
    lesion = bench.case.reading.lesions[0]
    assert lesion.edited_frames == (key + 1,)
    assert lesion.tools == ("click",)
    assert lesion.revised is not None
    bench.picture("5-corrected")
    bench.panel.correct.undo()
    assert np.array_equal(bench.mask(), before)
    assert bench.case.reading.lesions[0].edited_frames == ()
    bench.panel.correct.redo()
    assert np.array_equal(bench.mask(), corrected)
    bench.turn()
    bench.picture("6-undone-and-redone")
    return corrected


def _accept(bench: PanelBench, corrected: np.ndarray, key: int) -> None:
    finish = bench.ui("finish")
    assert not finish.acceptButton.enabled, "nobody is named yet"
    finish.readerLineEdit.setText("Reader A")
    finish.acceptButton.click()
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status
    assert "Accepted by Reader A" in finish.decisionLabel.text
    bench.picture("7-accepted")
    _check_label(bench.folder / "labels", corrected, key)


def _export(bench: PanelBench) -> None:
    bench.ui("finish").exportButton.click()
    bench.turn()
    assert "Exported" in bench.status
    folder = bench.folder / "exports" / "sweep"
    exported = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"seg.dcm", "sr.dcm", "seg.nrrd", "findings.csv", "report.html", "analysis.json"} <= exported
    analysis = json.loads((folder / "analysis.json").read_text("utf-8"))
    margin = next(one for one in analysis["lesions"][0]["descriptors"] if one["attribute"] == "margin")
    assert (margin["term"], margin["origin"]) == ("indistinct", "reader")
    report = dcmread(folder / "sr.dcm")
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "VERIFIED")
    assert str(report.VerifyingObserverSequence[0].VerifyingObserverName).rstrip("^") == "Reader A"
    bench.picture("8-exported")


def _go_on(bench: PanelBench, source: Any) -> None:
    bench.ui("finish").nextButton.click()
    bench.host.process_events()
    assert bench.case.source.volume is source.volume
    bench.picture("9-next")


def _close_the_scene_in_the_middle(bench: PanelBench) -> None:
    bench.ui("analyze").runButton.click()
    bench.turn(lambda: bench.panel.analyze.run.words != "")
    bench.host.slicer.mrmlScene.Clear(0)
    bench.turn()
    assert bench.case is None
    assert bench.status
    bench.picture("10-scene-closed")


def _check_label(folder: Path, corrected: np.ndarray, key: int) -> None:
    from BreastUSAssistLib.labels.store import LabelStore

    with LabelStore.open(folder) as store:
        (summary,) = store.list()
        record = store.get(summary.case)
        assert (record.kind, record.reader) == ("accepted", "Reader A")
        assert record.patient is not None and record.patient.startswith("patient-")
        kept = store.result(record)
        assert kept is not None
        assert np.array_equal(kept.mask(key + 1, 1), corrected)
        assert not np.array_equal(store.drafts(record)[0].mask(key + 1, 1), corrected)  # type: ignore[union-attr]
        assert store.verify().damages == []
