"""A reader's way through the panel, from loading to export, with a picture after each step."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec, Phantom, PhantomSpec, render
from panel.bench import PanelBench, open_bench

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
    bench.choose(first)
    assert bench.ui("case").frameCountLabel.text == "of 7"
    assert "Calibrated by the scanner" in bench.ui("case").calibrationLabel.text
    bench.picture("1-loaded")

    bench.run()
    assert "1 lesion" in bench.status
    table = bench.ui("findings").findingsTable
    assert table.rowCount == 1
    assert bench.ui("analyze").timeLabel.text.endswith("7 frame(s).")
    key = bench.session.frame()
    assert bench.mask().any()
    bench.picture("2-drafted")

    bench.panel.case.step(1)
    assert bench.session.frame() == key + 1
    assert first.browser.GetSelectedItemNumber() == key + 1
    bench.picture("3-next-frame")
    bench.panel.case.step(-1)

    columns = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount)]
    bench.panel.findings.edit(0, columns.index("Margin"))
    combo = table.cellWidget(0, columns.index("Margin"))
    chosen = combo.findText("Not circumscribed - indistinct")
    assert chosen >= 0
    combo.activated.emit(chosen)
    bench.host.process_events()
    assert table.item(0, columns.index("Margin")).text().startswith("✎ Not circumscribed - indistinct")
    assert "AI: " in table.item(0, columns.index("Margin")).text()
    assert bench.case.reading.lesions[0].descriptors == {"margin": "indistinct"}
    bench.picture("4-term-changed")

    before = bench.mask().copy()
    bench.ui("correct").removeClickButton.click()
    bench.host.process_events(0.3)
    rows, columns_of_mask = np.nonzero(before)
    bench.view.click(int(rows.max()) - 3, int(columns_of_mask[rows.argmax()]))
    bench.turn(lambda: not np.array_equal(bench.mask(), before))
    bench.turn()
    corrected = bench.mask().copy()
    assert bench.case.reading.lesions[0].edited_frames == (key + 1,)
    assert bench.case.reading.lesions[0].revised is not None
    bench.picture("5-corrected")

    bench.panel.correct.undo()
    assert np.array_equal(bench.mask(), before)
    assert bench.case.reading.lesions[0].edited_frames == ()
    bench.panel.correct.redo()
    assert np.array_equal(bench.mask(), corrected)
    bench.turn()
    bench.picture("6-undone-and-redone")

    bench.ui("finish").readerLineEdit.setText("Reader A")
    bench.ui("finish").acceptButton.click()
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status
    assert "Accepted by Reader A" in bench.ui("finish").decisionLabel.text
    bench.picture("7-accepted")
    _check_label(bench.folder / "labels", corrected, key)

    bench.ui("finish").exportButton.click()
    bench.turn()
    assert "Exported" in bench.status
    exported = {path.name for path in (bench.folder / "exports" / "sweep").rglob("*") if path.is_file()}
    assert {"seg.dcm", "sr.dcm", "seg.nrrd", "findings.csv", "report.html", "analysis.json"} <= exported
    analysis = json.loads((bench.folder / "exports" / "sweep" / "analysis.json").read_text("utf-8"))
    margin = next(one for one in analysis["lesions"][0]["descriptors"] if one["attribute"] == "margin")
    assert (margin["term"], margin["origin"]) == ("indistinct", "reader")
    bench.picture("8-exported")

    bench.ui("finish").nextButton.click()
    bench.host.process_events()
    assert bench.case.source.volume is second.volume
    bench.picture("9-next")

    bench.ui("analyze").runButton.click()
    bench.turn(lambda: bench.panel.analyze.run.words != "")
    bench.host.slicer.mrmlScene.Clear(0)
    bench.turn()
    assert bench.case is None
    assert bench.panel.ui.statusLabel.text
    bench.picture("10-scene-closed")


def _check_label(folder: Path, corrected: np.ndarray, key: int) -> None:
    from BreastUSAssistLib.labels.store import LabelStore

    with LabelStore.open(folder) as store:
        (summary,) = store.list()
        record = store.get(summary.case)
        assert (record.kind, record.reader) == ("accepted", "Reader A")
        kept = store.result(record)
        assert kept is not None
        assert np.array_equal(kept.mask(key + 1, 1), corrected)
        assert not np.array_equal(store.drafts(record)[0].mask(key + 1, 1), corrected)  # type: ignore[union-attr]
        assert store.verify().damages == []
