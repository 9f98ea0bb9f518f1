"""A saved scene reopens as it was, and the panel outlives what happens to the scene and to its module."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec
from panel.bench import PanelBench, small
from panel.reader_actions import choose_item, choose_term, choose_text, shared_bench, table_texts, write_note

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")

CASE_CONTROLS = (
    ("case", "frameSpinBox", "value"),
    ("case", "sideComboBox", "currentIndex"),
    ("case", "clockComboBox", "currentIndex"),
    ("case", "distanceSpinBox", "value"),
    ("case", "ageSpinBox", "value"),
    ("case", "palpableComboBox", "currentIndex"),
    ("case", "familyHistoryComboBox", "currentIndex"),
    ("case", "calibrationLabel", "text"),
    ("case", "gatesLabel", "text"),
    ("analyze", "framesComboBox", "currentIndex"),
    ("analyze", "firstFrameSpinBox", "value"),
    ("analyze", "lastFrameSpinBox", "value"),
    ("analyze", "modelComboBox", "currentIndex"),
    ("analyze", "deviceComboBox", "currentIndex"),
    ("analyze", "readerCheckBox", "checked"),
    ("analyze", "ignoreGatesCheckBox", "checked"),
    ("findings", "categoryComboBox", "currentText"),
    ("findings", "noteLineEdit", "text"),
    ("findings", "tieComboBox", "currentText"),
    ("findings", "reasonsText", "plainText"),
    ("correct", "correctLabel", "text"),
    ("finish", "decisionLabel", "text"),
    ("finish", "dicomCheckBox", "checked"),
    ("finish", "tableCheckBox", "checked"),
)
"""Section, control and property: what a reader sees of a case beside the table."""


def seen(bench: PanelBench) -> dict[str, Any]:
    """Everything that a reader sees of the case, and what is stored of it."""
    case = bench.case
    shown = {
        f"{section}.{name}": getattr(getattr(bench.ui(section), name), value) for section, name, value in CASE_CONTROLS
    }
    return {
        **shown,
        "image": bench.ui("case").inputSelector.currentNode().GetName(),
        "row": int(bench.ui("findings").findingsTable.currentRow()),
        "table": table_texts(bench),
        "reading": case.reading.model_dump(mode="json", exclude={"seconds_spent"}),
        "runs": [run.model_dump(mode="json") for run in case.runs],
        "labels": case.labels().tobytes(),
        "drafts": [labels.tobytes() for _run, labels in case.drafts()],
    }


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelBench]:
    with shared_bench(tmp_path_factory.mktemp("scene")) as bench:
        yield bench


@pytest.fixture(scope="module")
def saved(bench: PanelBench) -> tuple[Path, Path, dict[str, Any]]:
    """A scene with an accepted cine, tied to a drafted still; one from before the cine was opened; what was seen."""
    lesion = LesionSpec(width_mm=14, height_mm=9)
    still = bench.load(small("still", lesions=(lesion,), seed=7), "still")
    bench.choose(still)
    bench.run()
    cine = bench.load(small("sweep", lesions=(lesion,), frame_count=3), "sweep")
    other = save_scene(bench)
    bench.choose(cine)
    _set_up(bench)
    bench.run()
    _read(bench)
    bench.ui("finish").readerLineEdit.setText("Reader A")
    bench.ui("finish").acceptButton.click()
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status
    return save_scene(bench), other, seen(bench)


def save_scene(bench: PanelBench) -> Path:
    """Save by the panel's button; where the scene went."""
    bench.ui("finish").saveButton.click()
    assert "The scene was saved as" in bench.status, bench.status
    return bench.folder / "exports" / f"{bench.case.source.name}.mrb"


def _set_up(bench: PanelBench) -> None:
    case, analyze, finish = bench.ui("case"), bench.ui("analyze"), bench.ui("finish")
    choose_item(case.sideComboBox, 2)
    choose_item(case.clockComboBox, 4)
    case.distanceSpinBox.setValue(35)
    case.ageSpinBox.setValue(52)
    choose_item(case.palpableComboBox, 2)
    choose_item(case.familyHistoryComboBox, 1)
    choose_item(analyze.framesComboBox, 1)
    analyze.firstFrameSpinBox.setValue(2)
    analyze.lastFrameSpinBox.setValue(3)
    choose_item(analyze.deviceComboBox, 2)
    analyze.ignoreGatesCheckBox.setChecked(True)
    finish.tableCheckBox.setChecked(False)


def _read(bench: PanelBench) -> None:
    choose_term(bench, 0, "Margin", "Not circumscribed - indistinct")
    choose_text(bench.ui("findings").categoryComboBox, "4B")
    write_note(bench, "upper outer quadrant")
    choose_item(bench.ui("findings").tieComboBox, 1)
    assert "both views" in table_texts(bench)[0][2]
    edited = bench.mask().copy()
    edited[:, :240] = False
    bench.case.set_mask(bench.session.frame(), 1, edited)
    bench.turn()


@pytest.fixture
def reopened(bench: PanelBench, saved: tuple[Path, Path, dict[str, Any]]) -> PanelBench:
    bench.host.load_scene(saved[0])
    bench.host.process_events()
    return bench


def test_a_saved_scene_reopens_as_it_was(bench: PanelBench, saved: tuple[Path, Path, dict[str, Any]]) -> None:
    path, _other, before = saved
    bench.host.slicer.mrmlScene.Clear(0)
    bench.host.process_events()
    assert bench.case is None
    assert bench.ui("findings").findingsTable.rowCount == 0
    bench.host.load_scene(path)
    bench.host.process_events()
    assert seen(bench) == before
    assert "Accepted by Reader A" in bench.ui("finish").decisionLabel.text
    bench.picture("reopened")


def test_another_scene_is_another_case_and_back_again(
    reopened: PanelBench, saved: tuple[Path, Path, dict[str, Any]]
) -> None:
    bench, (path, other, before) = reopened, saved
    bench.host.load_scene(other)
    bench.host.process_events()
    assert bench.case.source.name == "still"
    assert bench.case.reading.lesions[0].tied_to is None
    assert bench.ui("analyze").framesComboBox.currentIndex == 2
    assert bench.ui("case").sideComboBox.currentIndex == 0
    bench.host.load_scene(path)
    bench.host.process_events()
    assert seen(bench) == before


def test_a_scene_loaded_while_another_module_is_shown(
    bench: PanelBench, saved: tuple[Path, Path, dict[str, Any]]
) -> None:
    path, _other, before = saved
    bench.window.moduleSelector().selectModule("")
    bench.host.load_scene(path)
    bench.host.process_events()
    assert bench.case is None
    bench.host.window(bench.module)
    bench.host.process_events()
    assert seen(bench) == before


def test_a_scene_added_to_the_one_that_is_open(bench: PanelBench, saved: tuple[Path, Path, dict[str, Any]]) -> None:
    """As with File > Add Data: the parameter node is one a scene, so that its case is the one of the file."""
    path, other, _before = saved
    bench.host.load_scene(other)
    assert bench.host.slicer.mrmlScene.ReadFromMRB(str(path), False)
    bench.turn()
    assert bench.case is not None and bench.raised == []
    assert bench.ui("case").inputSelector.currentNode() is bench.session.parameters.input_node
    assert bench.session.parameters.input_node in (bench.case.source.volume, bench.case.source.sequence)
    assert bench.ui("findings").findingsTable.rowCount == len(bench.case.lesions)


def test_a_reloaded_module_has_the_case(reopened: PanelBench, saved: tuple[Path, Path, dict[str, Any]]) -> None:
    bench, before = reopened, saved[2]
    old = bench.module
    client = bench.session.client
    old.onReload()
    bench.module = bench.host.load_module("BreastUSAssist")
    bench.host.process_events()
    assert bench.module is not old
    assert not client.busy
    assert seen(bench) == before
    choose_text(bench.ui("findings").categoryComboBox, "5")
    assert bench.case.reading.lesions[0].category == "5"
    bench.panel.correct.undo()
    assert bench.raised == []


def test_a_deleted_segmentation_comes_back_from_what_is_stored(reopened: PanelBench) -> None:
    bench = reopened
    scene = bench.host.slicer.mrmlScene
    labels = bench.case.labels().copy()
    for node in list(bench.host.slicer.util.getNodesByClass("vtkMRMLSegmentationNode")):
        scene.RemoveNode(node)
    bench.host.process_events()
    assert bench.case is not None and np.array_equal(bench.case.labels(), labels)
    write_note(bench, "after the deletion")
    bench.panel.case.step(1)
    bench.panel.case.step(-1)
    frame = bench.session.frame()
    smaller = bench.mask().copy()
    smaller[:150] = False
    bench.case.set_mask(frame, 1, smaller)
    bench.turn()
    assert np.array_equal(bench.mask(1, frame), smaller)
    assert bench.case.reading.lesions[0].note == "after the deletion"
    assert bench.raised == []


def test_a_deleted_table_is_made_again(reopened: PanelBench) -> None:
    bench = reopened
    bench.host.slicer.mrmlScene.RemoveNode(bench.case.table)
    bench.host.process_events()
    write_note(bench, "after the deletion")
    table = bench.case.table
    assert bench.host.slicer.mrmlScene.GetNodeByID(table.GetID()) is table
    assert table.GetNumberOfRows() == len(bench.case.lesions)
    assert bench.raised == []


def test_the_sequence_taken_out_of_the_scene_ends_the_case(reopened: PanelBench) -> None:
    bench = reopened
    bench.host.slicer.mrmlScene.RemoveNode(bench.case.source.sequence)
    bench.turn()
    assert bench.case is None
    assert "removed" in bench.status
    assert bench.ui("findings").findingsTable.rowCount == 0
    assert not bench.ui("finish").acceptButton.enabled
