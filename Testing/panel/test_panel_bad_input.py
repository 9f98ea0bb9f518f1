"""What goes wrong at the panel: a sentence in the status line, the state as before, the reader's work kept."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec, Phantom
from panel.bench import PanelBench, open_bench, small

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanelBench]:
    bench = open_bench(tmp_path, monkeypatch)
    yield bench
    from host import clear

    clear()
    bench.turn()
    assert bench.raised == []


@pytest.fixture(scope="module")
def sweep() -> Phantom:
    return small("sweep", lesions=(LesionSpec(width_mm=14, height_mm=9),), frame_count=5)


@pytest.fixture
def open_case(bench: PanelBench, sweep: Phantom) -> PanelBench:
    """The sweep is open and drafted, and the reader has corrected it by hand."""
    bench.choose(bench.load(sweep, "sweep"))
    bench.run()
    frame = bench.session.frame()
    edited = bench.mask().copy()
    edited[:, :240] = False
    bench.case.set_mask(frame, 1, edited)
    bench.turn()
    return bench


def test_without_an_image_every_button_says_so(bench: PanelBench) -> None:
    assert not bench.ui("analyze").runButton.enabled
    bench.panel.analyze.start()
    assert "No image is open" in bench.status
    bench.panel.finish.accept()
    assert "No image is open" in bench.status
    bench.panel.finish.export()
    assert "No image is open" in bench.status
    bench.panel.correct.undo()
    bench.panel.correct.toggle_clicks()
    assert "No lesion is selected" in bench.status
    bench.panel.finish.next()
    assert "load more" in bench.status


def test_a_node_that_is_no_image_is_refused_and_the_case_before_stays_away(bench: PanelBench) -> None:
    slicer = bench.host.slicer
    label = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    bench.session.choose(label)
    assert bench.case is None
    assert "no grey or colour image" in bench.status
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "empty")
    bench.session.choose(empty)
    assert bench.case is None
    assert "holds no image" in bench.status


def test_a_sequence_of_mixed_sizes_names_the_frame(bench: PanelBench) -> None:
    slicer = bench.host.slicer
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "mixed")
    for index, rows in enumerate((40, 40, 50)):
        volume = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(volume, np.full((1, rows, 60), index, np.uint8))
        sequence.SetDataNodeAtValue(volume, str(index))
    bench.session.choose(sequence)
    assert bench.case is None
    assert "Frame 3" in bench.status


def test_an_image_deleted_while_the_ai_runs(open_case: PanelBench) -> None:
    bench = open_case
    bench.ui("analyze").runButton.click()
    bench.turn(lambda: bench.panel.analyze.run.done > 0)
    bench.host.slicer.mrmlScene.RemoveNode(bench.case.source.volume)
    bench.turn()
    assert bench.case is None
    assert not bench.panel.analyze.run.running
    assert "removed" in bench.status or "cancelled" in bench.status
    assert not bench.ui("analyze").runButton.enabled


def test_an_edit_while_the_ai_runs_is_kept(open_case: PanelBench) -> None:
    bench = open_case
    frame, number = bench.session.frame(), bench.case.lesions[0].number
    bench.ui("analyze").runButton.click()
    bench.turn(lambda: bench.panel.analyze.run.running)
    edited = bench.mask(number, frame).copy()
    edited[:150] = False
    bench.case.set_mask(frame, number, edited)
    bench.case.set_term(number, "margin", "indistinct")
    bench.turn()
    assert np.array_equal(bench.mask(number, frame), edited)
    assert bench.case.reading.lesions[0].descriptors == {"margin": "indistinct"}
    assert len(bench.case.runs) == 2


def test_a_second_run_is_refused(open_case: PanelBench) -> None:
    bench = open_case
    bench.panel.analyze.start()
    bench.turn(lambda: bench.panel.analyze.run.running)
    bench.panel.analyze.start()
    assert "going on already" in bench.status
    bench.turn()
    assert len(bench.case.runs) == 2


def test_cancel_keeps_nothing_of_the_run(open_case: PanelBench) -> None:
    bench = open_case
    before, lesions = bench.case.labels().copy(), bench.case.reading.lesions
    bench.ui("analyze").runButton.click()
    bench.turn(lambda: bench.panel.analyze.run.done > 0)
    bench.ui("analyze").cancelButton.click()
    bench.turn()
    assert "cancelled" in bench.status
    assert len(bench.case.runs) == 1
    assert np.array_equal(bench.case.labels(), before)
    assert bench.case.reading.lesions == lesions
    bench.run()
    assert len(bench.case.runs) == 2


def test_a_model_that_does_not_load(open_case: PanelBench, tmp_path: Path) -> None:
    bench = open_case
    before = bench.case.labels().copy()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "SHA256SUMS").write_text("nonsense")
    bench.session.parameters.model = str(broken)
    try:
        bench.run()
    finally:
        bench.session.parameters.model = "auto"
    assert "✖" in bench.status
    assert len(bench.case.runs) == 1
    assert np.array_equal(bench.case.labels(), before)


def test_the_child_process_is_killed_while_it_works(open_case: PanelBench) -> None:
    bench = open_case
    before = bench.case.labels().copy()
    bench.ui("analyze").runButton.click()
    bench.turn(lambda: bench.panel.analyze.run.done > 0)
    os.kill(bench.session.client._child.process.pid, signal.SIGKILL)
    bench.turn()
    assert "✖" in bench.status
    assert np.array_equal(bench.case.labels(), before)
    bench.run()
    assert len(bench.case.runs) == 2


def test_a_label_folder_that_cannot_be_written(open_case: PanelBench) -> None:
    bench = open_case
    before = bench.case.labels().copy()
    finish = bench.ui("finish")
    finish.readerLineEdit.setText("Reader A")
    (bench.folder / "file").write_text("no folder")
    finish.labelsPathLineEdit.setCurrentPath(str(bench.folder / "file" / "labels"))
    finish.acceptButton.click()
    bench.turn()
    assert "✖" in bench.status
    assert bench.case.reading.decision == "open"
    assert np.array_equal(bench.case.labels(), before)
    assert finish.acceptButton.enabled
    finish.labelsPathLineEdit.setCurrentPath(str(bench.folder / "labels"))
    finish.acceptButton.click()
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status


def test_an_export_folder_that_cannot_be_written(open_case: PanelBench) -> None:
    bench = open_case
    (bench.folder / "file").write_text("no folder")
    bench.ui("finish").exportPathLineEdit.setCurrentPath(str(bench.folder / "file" / "exports"))
    bench.ui("finish").exportButton.click()
    bench.turn()
    assert "✖" in bench.status
    assert bench.ui("finish").exportButton.enabled


def test_a_rejection_needs_a_reason(open_case: PanelBench) -> None:
    bench = open_case
    finish: Any = bench.ui("finish")
    finish.readerLineEdit.setText("Reader A")
    finish.reasonComboBox.setCurrentIndex(0)
    assert not finish.rejectButton.enabled
    bench.panel.finish.reject()
    assert "reason" in bench.status
    finish.reasonComboBox.setEditText("cut off at the edge")
    finish.rejectButton.click()
    bench.turn()
    assert bench.case.reading.decision == "rejected", bench.status
    assert bench.case.reading.reason == "cut off at the edge"
    finish.reopenButton.click()
    assert bench.case.reading.decision == "open"


def test_a_decision_right_after_an_edit_waits_for_its_measurement(open_case: PanelBench) -> None:
    bench = open_case
    bench.ui("finish").readerLineEdit.setText("Reader A")
    frame, edited = bench.session.frame(), bench.mask().copy()
    edited[:150] = False
    bench.case.set_mask(frame, 1, edited)
    bench.ui("finish").acceptButton.click()
    assert "Measuring" in bench.status
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status
    revised = bench.case.reading.lesions[0].revised
    assert revised is not None and revised.measurements.area.px == edited.sum()
    bench.ui("finish").reopenButton.click()
    bench.case.set_mask(frame, 1, bench.case.mask(frame, 1) & (np.indices(edited.shape)[0] < 170))
    bench.ui("finish").exportButton.click()
    bench.session.choose(None)
    bench.turn()
    assert "left before it was done" in bench.status, bench.status
