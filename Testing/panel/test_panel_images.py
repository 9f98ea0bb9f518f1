"""Each kind of image through the panel: colour, volume, uncalibrated, cine as Slicer loads it, several lesions."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec
from panel.bench import PanelBench, small
from panel.reader_actions import cell_text, choose_item, choose_text, shared_bench, table_texts

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")

OVAL = LesionSpec(width_mm=14, height_mm=9)
PAIR = (LesionSpec(width_mm=12, lateral_mm=-10), LesionSpec(width_mm=9, lateral_mm=11, depth_mm=11))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelBench]:
    with shared_bench(tmp_path_factory.mktemp("images")) as bench:
        yield bench


@pytest.fixture
def bench(shared: PanelBench) -> PanelBench:
    """The panel over an empty scene."""
    shared.host.slicer.mrmlScene.Clear(0)
    shared.turn()
    return shared


def drafted(bench: PanelBench, node: Any) -> None:
    """Choose an image and run the AI on it."""
    bench.ui("case").inputSelector.setCurrentNode(node)
    bench.host.process_events()
    bench.run()
    assert "✖" not in bench.status, bench.status


def paint(bench: PanelBench, where: np.ndarray, mode: str = "add") -> None:
    """One stroke of one of Segment Editor's own tools on the selected lesion; bool (rows, columns)."""
    from host.segment_editor import paint as stroke

    stroke(bench.panel.correct.editor.widget, where[np.newaxis], mode)
    bench.turn()


def disc(row: int, column: int, radius: int, shape: tuple[int, int] = (400, 480)) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 < radius**2)


def test_a_colour_still(bench: PanelBench) -> None:
    source = bench.load(small("tinted", lesions=(OVAL,), overlays=("tint",)), "tinted")
    assert source.volume.GetClassName() == "vtkMRMLVectorVolumeNode"
    drafted(bench, source.volume)
    before = bench.host.slicer.util.arrayFromVolume(source.volume).copy()
    assert cell_text(bench, 0, "Size").endswith(" mm")
    paint(bench, disc(120, 200, 20))
    assert bench.mask()[120, 200]
    assert np.array_equal(bench.host.slicer.util.arrayFromVolume(source.volume), before)


def volume_from_file(bench: PanelBench) -> Any:
    """A phantom swept through in five slices, as Slicer loads it from a .nrrd."""
    slicer = bench.host.slicer
    phantom = small("swept", lesions=(OVAL,), frame_count=5, sweep_mm=8.0)
    node = slicer.util.addVolumeFromArray(phantom.frames, ijkToRAS=np.diag([-0.12, -0.12, 2.0, 1]), name="swept")
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(bench.folder / "swept.nrrd"))
    assert storage.WriteData(node)
    slicer.mrmlScene.RemoveNode(node)
    return slicer.modules.volumes.logic().AddArchetypeVolume(str(bench.folder / "swept.nrrd"), "swept", 0)


def test_a_volume_read_slice_by_slice(bench: PanelBench) -> None:
    drafted(bench, volume_from_file(bench))
    assert bench.ui("case").frameLabel.text == "Slice"
    assert bench.ui("case").frameCountLabel.text == "of 5"
    axes = cell_text(bench, 0, "Size").removesuffix(" mm").split(" × ")
    assert len(axes) == 3 and all(2 < float(axis) < 16 for axis in axes)
    node = bench.view.mrmlSliceNode()
    offset = node.GetSliceOffset()
    slider = bench.ui("case").frameSlider
    slider.setValue(1)
    bench.host.process_events()
    assert bench.session.frame() == 0 and node.GetSliceOffset() != offset
    slider.setValue(4)
    bench.host.process_events()
    assert bench.session.frame() == 3
    node.SetSliceOffset(2 * 2.0)
    bench.host.process_events()
    assert slider.value == 3
    stroke = np.zeros((5, 400, 480), bool)
    stroke[2] = disc(60, 120, 10)
    from host.segment_editor import paint as paint_volume

    paint_volume(bench.panel.correct.editor.widget, stroke)
    bench.turn()
    assert bench.case.reading.lesions[0].edited_frames == (3,)
    assert bench.case.reading.lesions[0].revised is not None
    assert len(cell_text(bench, 0, "Size").split(" × ")) == 3
    bench.panel.correct.undo()
    assert bench.case.reading.lesions[0].edited_frames == ()


def everything_said(bench: PanelBench) -> str:
    findings = bench.ui("findings")
    tips = [findings.findingsTable.item(0, column).toolTip() for column in range(findings.findingsTable.columnCount)]
    parts = [*(cell for row in table_texts(bench) for cell in row), *tips, findings.reasonsText.plainText]
    return "\n".join([*parts, bench.ui("case").calibrationLabel.text, bench.ui("case").gatesLabel.text, bench.status])


def test_without_a_pixel_size_nothing_is_in_mm_until_it_is_calibrated(bench: PanelBench) -> None:
    phantom = small("bare", lesions=(OVAL,), screen=False)
    drafted(bench, bench.load(phantom, "bare", dicom=False).volume)
    assert cell_text(bench, 0, "Size").endswith(" px")
    assert " mm" not in everything_said(bench)
    assert bench.ui("case").calibrationLabel.text.startswith("⚠")
    case = bench.ui("case")
    case.calibrateButton.click()
    bench.host.process_events()
    assert case.calibrateFrame.visible and not case.applyCalibrationButton.enabled
    case.drawLineButton.click()
    line = bench.panel.case.calibration._line
    volume = bench.case.source.volume
    matrix = bench.host.slicer.util.arrayFromVTKMatrix(_ijk_to_ras(bench, volume))
    for row in (100, 200):
        line.AddControlPointWorld(*[float(value) for value in (matrix @ [50, row, 0, 1])[:3]])
    assert case.applyCalibrationButton.enabled
    case.lengthSpinBox.setValue(12.0)
    mask = bench.mask().copy()
    case.applyCalibrationButton.click()
    bench.turn()
    assert "Calibrated by hand: 0.12 x 0.12 mm" in case.calibrationLabel.text
    assert not case.calibrateFrame.visible
    assert np.array_equal(bench.mask(), mask)
    assert bench.host.slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode") == []
    smaller = mask.copy()
    smaller[:, :200] = False
    bench.case.set_mask(0, 1, smaller)
    bench.turn()
    size = cell_text(bench, 0, "Size")
    assert size.endswith(" mm"), size
    rows, columns = np.nonzero(smaller)
    assert float(size.split(" ")[0]) == pytest.approx(0.12 * max(np.ptp(rows), np.ptp(columns)), rel=0.15)


def _ijk_to_ras(bench: PanelBench, volume: Any) -> Any:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix


def plugin_sequence(bench: PanelBench, frame_count: int) -> Any:
    """A cine as Slicer's DICOM image-sequence plugin leaves it: sequence, browser and proxy, of 1 x 1 mm."""
    slicer = bench.host.slicer
    frames = small("cine", lesions=(OVAL,), frame_count=frame_count, sweep_mm=4.0).frames
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "7: cine")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    for index, pixels in enumerate(frames):
        volume = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(volume, pixels[np.newaxis])
        volume.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
        sequence.SetDataNodeAtValue(volume, f"{index * 0.05:.3f}")
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "7: cine browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateAllProxyNodes()
    return browser.GetProxyNode(sequence)


def test_a_cine_as_slicer_loads_it_frame_by_frame_and_by_range(bench: PanelBench) -> None:
    proxy = plugin_sequence(bench, 4)
    bench.ui("case").inputSelector.setCurrentNode(proxy)
    bench.host.process_events()
    assert bench.case.source.kind == "cine"
    analyze = bench.ui("analyze")
    choose_item(analyze.framesComboBox, 0)
    bench.panel.case.step(1)
    bench.run()
    assert [frame.frame_number for frame in bench.case.runs[-1].frames] == [2]
    assert analyze.timeLabel.text.endswith("for 1 frame(s).")
    only = [bool(bench.mask(frame=frame).any()) for frame in range(4)]
    assert only == [False, True, False, False]
    assert cell_text(bench, 0, "Size").endswith(" px")
    choose_item(analyze.framesComboBox, 1)
    analyze.firstFrameSpinBox.setValue(3)
    analyze.lastFrameSpinBox.setValue(2)
    bench.run()
    assert [frame.frame_number for frame in bench.case.runs[-1].frames] == [2, 3]
    _restore(bench)


def _restore(bench: PanelBench) -> None:
    """Outlines corrected in two frames go back to the AI's, in one frame and in all, and that can be undone."""
    number = next(one.number for one in bench.case.lesions if one.present)
    drafts = {frame: bench.mask(number, frame).copy() for frame in (1, 2)}
    correct = bench.ui("correct")
    assert not correct.restoreAllButton.enabled
    for frame in (1, 2):
        bench.session.show_frame(frame)
        paint(bench, disc(60, 120, 12))
    assert next(one for one in bench.case.reading.lesions if one.number == number).edited_frames == (2, 3)
    correct.restoreFrameButton.click()
    bench.turn()
    assert np.array_equal(bench.mask(number, 2), drafts[2]) and bench.mask(number, 1)[60, 120]
    assert not correct.restoreFrameButton.enabled and correct.restoreAllButton.enabled
    bench.panel.correct.undo()
    assert bench.mask(number, 2)[60, 120]
    correct.restoreAllButton.click()
    bench.turn()
    assert all(np.array_equal(bench.mask(number, frame), drafts[frame]) for frame in (1, 2))
    bench.panel.correct.undo()
    assert bench.mask(number, 2)[60, 120] and bench.mask(number, 1)[60, 120]


def test_two_lesions_tied_added_removed_and_painted(bench: PanelBench) -> None:
    drafted(bench, bench.load(small("pair", lesions=PAIR, seed=7), "pair").volume)
    assert bench.ui("findings").findingsTable.rowCount == 2
    _tie(bench)
    _remove(bench)
    _add(bench)
    _undo_of_other_tools(bench)


def _tie(bench: PanelBench) -> None:
    findings = bench.ui("findings")
    findings.findingsTable.selectRow(0)
    choose_text(findings.tieComboBox, "lesion 2 of this image")
    for row in (0, 1):
        assert "both views: " in cell_text(bench, row, "Suggested")
    assert findings.reasonsText.plainText.startswith("Both views together: ")
    bench.panel.findings.step(1)
    assert findings.tieComboBox.currentText == "lesion 1 of this image"
    choose_item(findings.tieComboBox, 0)
    assert all("both views" not in cell_text(bench, row, "Suggested") for row in (0, 1))
    choose_text(findings.tieComboBox, "lesion 1 of this image")


def _remove(bench: PanelBench) -> None:
    findings = bench.ui("findings")
    mask = bench.mask(2).copy()
    findings.removeLesionButton.click()
    bench.turn()
    assert cell_text(bench, 1, "Suggested") == "not a lesion"
    assert "both views" not in cell_text(bench, 0, "Suggested")
    assert not bench.case.labels()[0][mask].any()
    assert not findings.categoryComboBox.enabled and findings.removeLesionButton.text == "Put back lesion"
    findings.removeLesionButton.click()
    bench.turn()
    assert np.array_equal(bench.case.labels()[0] == 2, mask)
    assert findings.removeLesionButton.text == "Not a lesion"


def _add(bench: PanelBench) -> None:
    findings = bench.ui("findings")
    findings.addLesionButton.click()
    bench.turn()
    assert findings.findingsTable.rowCount == 3
    assert int(findings.findingsTable.currentRow()) == 2
    assert cell_text(bench, 2, "Suggested") == "not outlined yet"
    assert bench.panel.correct.editor.widget.currentSegmentID() == "lesion-3"
    paint(bench, disc(300, 240, 30))
    assert bench.mask(3)[300, 240] and not bench.mask(1)[300, 240]
    assert cell_text(bench, 2, "Shape") in ("Round", "Oval")
    assert cell_text(bench, 2, "Size").endswith(" mm")
    assert "%" in cell_text(bench, 2, "Malignant")
    assert not bench.ui("correct").restoreAllButton.enabled


def _undo_of_other_tools(bench: PanelBench) -> None:
    before = bench.mask(3).copy()
    paint(bench, disc(300, 250, 10), "erase")
    after = bench.mask(3).copy()
    assert not np.array_equal(after, before)
    bench.panel.correct.undo()
    bench.turn()
    assert np.array_equal(bench.mask(3), before)
    bench.panel.correct.redo()
    bench.turn()
    assert np.array_equal(bench.mask(3), after)
    for _step in range(3):
        bench.panel.correct.undo()
    bench.turn()
    assert bench.ui("findings").findingsTable.rowCount in (2, 3)
    assert not bench.mask(3).any()


def test_only_the_outlines_of_the_open_case_are_shown(bench: PanelBench) -> None:
    first, second = (bench.load(small("still", lesions=(OVAL,), seed=seed), f"still-{seed}") for seed in (1, 2))
    outlines = []
    for source in (first, second):
        drafted(bench, source.volume)
        outlines.append(bench.case.segmentation.node)
    assert [node.GetDisplayVisibility() for node in outlines] == [0, 1]
    assert bench.ui("analyze").timeLabel.text
    bench.choose(first)
    bench.turn()
    assert [node.GetDisplayVisibility() for node in outlines] == [1, 0]
    assert not bench.ui("analyze").timeLabel.text, "that run was of another image"
