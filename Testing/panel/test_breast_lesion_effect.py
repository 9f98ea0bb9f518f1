"""The click effect, driven by real mouse events in a slice view, answered by the real analysis process."""

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.service.worker_client import WorkerClient, worker_command
from BreastUSAssistLib.ultrasound.phantom import LesionSpec, Phantom, PhantomSpec, render
from effect_bench import MATRIX, SPACING, EffectBench, dice, middle, still

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")


@pytest.fixture(scope="module")
def client() -> Iterator[WorkerClient]:
    client = WorkerClient(worker_command(sys.executable), environment={**os.environ, "OMP_NUM_THREADS": "1"})
    yield client
    client.close()


@pytest.fixture
def bench(client: WorkerClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[EffectBench]:
    from host import clear, start_host

    host = start_host()
    raised: list[str] = []
    # VTK shows what an observer raised, and goes on.
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: raised.append(repr(error)))
    host.load_module("SegmentEditorBreastLesion")
    clear()
    editor = host.slicer.qMRMLSegmentEditorWidget()
    node = host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    node.SetOverwriteMode(node.OverwriteNone)
    editor.setMRMLScene(host.slicer.mrmlScene)
    editor.setMRMLSegmentEditorNode(node)
    view = host.app.layoutManager().sliceWidget("Red")
    view.resize(640, 520)
    view.show()
    effect = editor.effectByName("Breast lesion").self()
    effect.worker_client = lambda: client
    bench = EffectBench(host, editor, view, effect, client)
    effect.said.connect(lambda sentence, kind: bench.said.append((kind, sentence)))
    yield bench
    editor.setActiveEffectByName("")
    editor.setMRMLSegmentEditorNode(None)
    editor.setMRMLScene(None)
    clear()
    host.process_events()
    assert raised == []


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    """One lesion in a small image: quick to encode and to render."""
    return render(PhantomSpec(rows=400, columns=480, spacing_mm=SPACING, lesions=(LesionSpec(width_mm=14),)))


@pytest.fixture(scope="module")
def sweep() -> Phantom:
    lesions = (LesionSpec(width_mm=14, height_mm=10),)
    return render(PhantomSpec(rows=400, columns=480, spacing_mm=SPACING, lesions=lesions, frame_count=3, sweep_mm=4))


def test_a_click_outlines_the_lesion_and_undo_takes_it_back(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, phantom.frames))
    truth = phantom.masks[0] > 0
    bench.view.click(*middle(truth))
    assert [kind for kind, _ in bench.said][-1] == "busy"
    assert bench.marks()[0].GetNthControlPointLabel(0) == "…"
    bench.turn()
    assert dice(bench.mask()[0], truth) > 0.9
    assert bench.marks()[0].GetNthControlPointLabel(0) == ""
    assert bench.said[-1][0] == "note"
    bench.editor.undo()
    assert not bench.mask().any()
    bench.turn()
    assert all(node.GetNumberOfControlPoints() == 0 for node in bench.marks())


def test_every_action_is_one_undo_state_bit_by_bit(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, phantom.frames))
    row, column = middle(phantom.masks[0] > 0)
    states = [bench.mask()]
    for place in ((row, column), (row + 12, column + 20), (row - 60, column - 80)):
        bench.view.click(*place)
        bench.turn()
        states.append(bench.mask())
    assert states[3][0, row - 60, column - 80]
    for before in reversed(states[:-1]):
        bench.editor.undo()
        np.testing.assert_array_equal(bench.mask(), before)


def test_ctrl_click_and_remove_mode_take_away(bench: EffectBench, phantom: Phantom) -> None:
    from PySide6.QtCore import Qt

    bench.show(*still(bench, phantom.frames))
    truth = phantom.masks[0] > 0
    row, column = middle(truth)
    bench.view.click(row, column)
    bench.turn()
    right = int(np.flatnonzero(bench.mask()[0][row])[-1]) - 6
    assert bench.mask()[0, row, right]
    bench.view.click(row, right, Qt.KeyboardModifier.ControlModifier)
    bench.turn()
    assert not bench.mask()[0, row, right]
    assert bench.mask()[0, row, column]
    bench.effect.options.ui.removeModeButton.click()
    left = int(np.flatnonzero(bench.mask()[0][row])[0]) + 6
    bench.view.click(row, left)
    bench.turn()
    assert not bench.mask()[0, row, left]
    shapes = {node.GetDisplayNode().GetGlyphType() for node in bench.marks()}
    assert len(shapes) == 2


def test_box_and_scribble(bench: EffectBench, phantom: Phantom) -> None:
    from PySide6.QtCore import Qt

    bench.show(*still(bench, phantom.frames))
    truth = phantom.masks[0] > 0
    rows, columns = np.nonzero(truth)
    row, column = middle(truth)
    bench.effect.options.ui.boxModeButton.click()
    bench.view.drag([(rows.min() - 5, columns.min() - 5), (row, column), (rows.max() + 5, columns.max() + 5)])
    assert bench.lines()[0].IsA("vtkMRMLMarkupsClosedCurveNode")
    bench.turn()
    assert dice(bench.mask()[0], truth) > 0.9
    bench.editor.undo()
    bench.effect.options.ui.scribbleModeButton.click()
    bench.view.drag([(row, column + offset) for offset in range(-20, 21, 4)])
    bench.turn()
    assert dice(bench.mask()[0], truth) > 0.8
    before = bench.mask()
    bench.view.drag(
        [(row - offset, columns.max() - 4) for offset in range(-8, 9, 4)], Qt.KeyboardModifier.ControlModifier
    )
    bench.turn()
    assert before[0, row, columns.max() - 4] >= bench.mask()[0, row, columns.max() - 4]
    assert not bench.mask()[0, row, columns.max() - 4]


def test_a_box_without_area_and_marks_outside_change_nothing(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, phantom.frames))
    bench.view.click(-12, 50)
    assert bench.said[-1] == ("error", "That is outside the image; mark inside it.")
    bench.effect.options.ui.boxModeButton.click()
    bench.view.drag([(100, 100), (101, 101)])
    assert "Drag from one corner" in bench.said[-1][1]
    bench.turn()
    assert not bench.mask().any()
    assert bench.marks() == [] or all(node.GetNumberOfControlPoints() == 0 for node in bench.marks())


def test_a_box_that_reaches_outside_is_cut_to_the_image(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, phantom.frames))
    truth = phantom.masks[0] > 0
    bench.effect.options.ui.boxModeButton.click()
    bench.view.drag([(-15, -20), (100, 100), (420, 500)])
    (mark,) = bench.effect._correction.marks
    assert mark.pixels == ((0.0, 0.0), (399.0, 479.0))
    bench.turn()
    assert dice(bench.mask()[0], truth) > 0.5


def test_quick_clicks_all_count_also_a_double_click(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, phantom.frames))
    row, column = middle(phantom.masks[0] > 0)
    bench.view.click(row, column)
    bench.view.click(row + 5, column + 9)
    bench.view.double_click(row - 60, column - 80)
    bench.view.click(row - 6, column + 3)
    assert len(bench.effect._correction.marks) == 4
    bench.turn()
    for r, c in ((row, column), (row + 5, column + 9), (row - 60, column - 80), (row - 6, column + 3)):
        assert bench.mask()[0, r, c]
    bench.editor.undo()
    assert not bench.mask().any()


def test_an_edit_from_elsewhere_resets_the_marks_and_is_kept(bench: EffectBench, phantom: Phantom) -> None:
    from host.segment_editor import paint

    bench.show(*still(bench, phantom.frames))
    row, column = middle(phantom.masks[0] > 0)
    bench.view.click(row, column)
    bench.turn()
    paint(bench.editor, (0, slice(10, 30), slice(20, 60)))
    by_hand = bench.mask()
    assert by_hand[0, 15, 30]
    assert bench.effect._correction.marks == ()
    bench.view.click(row + 8, column + 8)
    bench.turn()
    assert [mark.pixels for mark in bench.effect._correction.marks] == [((row + 8, column + 8),)]
    bench.editor.undo()
    np.testing.assert_array_equal(bench.mask(), by_hand)
    paint(bench.editor, (0, slice(200, 220), slice(20, 60)))
    bench.view.click(row - 8, column - 8)
    painted = bench.mask()
    paint(bench.editor, (0, slice(300, 310), slice(20, 60)))
    painted[0, 300:310, 20:60] = True
    bench.turn()
    np.testing.assert_array_equal(bench.mask(), painted)
    assert "changed while the AI was working" in bench.said[-1][1]


def test_on_a_cine_the_frame_of_the_click_is_corrected(bench: EffectBench, sweep: Phantom) -> None:
    from BreastUSAssistLib.mrml.case_segmentation import CaseSegmentation
    from BreastUSAssistLib.mrml.source import source_of

    scene = bench.slicer.mrmlScene
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    for index, frame in enumerate(sweep.frames):
        node = bench.slicer.vtkMRMLScalarVolumeNode()
        bench.slicer.util.updateVolumeFromArray(node, frame[np.newaxis])
        node.SetIJKToRASMatrix(bench.slicer.util.vtkMatrixFromArray(MATRIX))
        sequence.SetDataNodeAtValue(node, str(index))
    source = source_of(scene, sequence)
    case = CaseSegmentation.create(scene, source)
    case.add_lesion(1, "1.2.3")
    source.show_frame(1)
    bench.show(source.volume, case.node)
    truth = sweep.masks[1] > 0
    bench.view.click(*middle(truth))
    bench.turn()
    first = case.mask(1, 1)
    assert dice(first, truth) > 0.8
    assert not case.mask(0, 1).any() and not case.mask(2, 1).any()
    bench.view.click(middle(truth)[0] + 4, middle(truth)[1] + 4)
    source.show_frame(2)
    bench.turn()
    bench.host.process_events(until=lambda: bench.effect._correction.marks == ())
    np.testing.assert_array_equal(case.mask(1, 1), first)
    assert not case.mask(2, 1).any()
    assert any("went on while the AI was working" in sentence for _, sentence in bench.said)
    bench.host.process_events(0.3)
    bench.turn()
    bench.view.click(*middle(sweep.masks[2] > 0))
    bench.turn()
    assert dice(case.mask(2, 1), sweep.masks[2] > 0) > 0.8
    np.testing.assert_array_equal(case.mask(1, 1), first)


def test_a_killed_process_leaves_the_outline_and_the_next_click_works(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, phantom.frames))
    row, column = middle(phantom.masks[0] > 0)
    bench.view.click(row, column)
    bench.turn()
    before = bench.mask()
    bench.view.click(row + 12, column + 20)
    process = bench.client._child.process
    os.kill(process.pid, signal.SIGKILL)
    bench.turn()
    assert bench.said[-1][0] == "error"
    np.testing.assert_array_equal(bench.mask(), before)
    assert len(bench.effect._correction.marks) == 1
    bench.view.click(row - 60, column - 80)
    bench.turn()
    assert bench.mask()[0, row - 60, column - 80]


def test_a_client_that_was_closed_does_not_leave_the_effect_waiting(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, phantom.frames))
    row, column = middle(phantom.masks[0] > 0)
    bench.view.click(row, column)
    bench.client.close()
    bench.turn()
    assert bench.said[-1] == ("error", "The analysis program was closed; mark again.")
    bench.view.click(row, column)
    bench.turn()
    assert bench.mask()[0, row, column]


def test_rgb_images_work(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, np.repeat(phantom.frames[..., np.newaxis], 3, axis=3)))
    truth = phantom.masks[0] > 0
    bench.view.click(*middle(truth))
    bench.turn()
    assert dice(bench.mask()[0], truth) > 0.9


def test_in_a_volume_only_the_slice_of_the_click_changes(bench: EffectBench, sweep: Phantom) -> None:
    volume, segmentation = still(bench, sweep.frames)
    bench.show(volume, segmentation)
    bench.slicer.util.updateSegmentBinaryLabelmapFromArray(
        (sweep.masks > 0).astype(np.uint8) * np.array([1, 0, 1], np.uint8)[:, None, None],
        segmentation,
        "lesion-1",
        volume,
    )
    bench.view.sliceLogic().SetSliceOffset(1.0)
    bench.turn()
    bench.view.click(*middle(sweep.masks[1] > 0))
    bench.turn()
    after = bench.mask()
    assert dice(after[1], sweep.masks[1] > 0) > 0.8
    for k in (0, 2):
        np.testing.assert_array_equal(after[k], sweep.masks[k] > 0)


def test_what_cannot_be_corrected_is_said(bench: EffectBench, phantom: Phantom) -> None:
    volume, segmentation = still(bench, phantom.frames)
    bench.show(volume, segmentation)
    segmentation.GetSegmentation().RemoveSegment("lesion-1")
    bench.editor.setActiveEffectByName("Breast lesion")
    bench.view.click(100, 100)
    assert bench.said[-1] == ("error", "No segment is selected; select the lesion to correct, or add a segment.")
    bench.slicer.mrmlScene.RemoveNode(volume)
    bench.turn()
    bench.slicer.mrmlScene.Clear(0)
    bench.turn()


def test_the_scene_may_close_and_the_volume_go_while_the_ai_works(bench: EffectBench, phantom: Phantom) -> None:
    row, column = middle(phantom.masks[0] > 0)
    volume, segmentation = still(bench, phantom.frames)
    bench.show(volume, segmentation)
    bench.view.click(row, column)
    bench.slicer.mrmlScene.RemoveNode(volume)
    bench.turn()
    assert bench.said[-1][0] == "error"
    assert segmentation.GetSegmentation().GetSegment("lesion-1") is not None
    bench.show(*still(bench, phantom.frames))
    bench.view.click(row, column)
    bench.slicer.mrmlScene.Clear(0)
    bench.turn()
    assert bench.marks() == []


def test_without_a_process_the_reader_is_told_why(bench: EffectBench, phantom: Phantom) -> None:
    from BreastUSAssistLib.errors import UsageError

    def no_client() -> WorkerClient:
        raise UsageError("PythonSlicer is missing; install Slicer again.")

    bench.effect.worker_client = no_client
    bench.show(*still(bench, phantom.frames))
    bench.view.click(*middle(phantom.masks[0] > 0))
    assert bench.said[-1] == ("error", "PythonSlicer is missing; install Slicer again.")
    assert bench.effect._correction.marks == ()


def test_masking_in_segment_editor_holds(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, phantom.frames))
    row, column = middle(phantom.masks[0] > 0)
    volume = bench.editor.sourceVolumeNode()
    image = bench.slicer.util.arrayFromVolume(volume)[0]
    node = bench.editor.mrmlSegmentEditorNode()
    node.SetSourceVolumeIntensityMaskRange(0, int(np.median(image[phantom.masks[0] > 0])))
    node.SetSourceVolumeIntensityMask(True)
    bench.view.click(row, column)
    bench.turn()
    assert bench.mask()[0].any()
    assert image[bench.mask()[0]].max() <= node.GetSourceVolumeIntensityMaskRange()[1]
    assert "masking" in bench.said[-1][1]
    bench.view.click(row + 2, column + 2)
    assert len(bench.effect._correction.marks) == 2


def test_marks_are_not_saved_and_go_with_the_effect(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, phantom.frames))
    row, column = middle(phantom.masks[0] > 0)
    bench.view.click(row, column)
    assert all(not node.GetSaveWithScene() and node.GetHideFromEditors() for node in bench.marks())
    bench.editor.setActiveEffectByName("Paint")
    assert bench.marks() == []
    bench.host.process_events(0.3)
    assert not bench.mask().any()


def test_the_segment_says_that_a_reader_corrected_it(bench: EffectBench, phantom: Phantom) -> None:
    bench.show(*still(bench, phantom.frames))
    segment = bench.editor.segmentationNode().GetSegmentation().GetSegment("lesion-1")
    segment.SetTag("DICOM.SegmentAlgorithmType", "AUTOMATIC")
    bench.view.click(*middle(phantom.masks[0] > 0))
    bench.turn()
    segment = bench.editor.segmentationNode().GetSegmentation().GetSegment("lesion-1")
    assert _tag(segment, "DICOM.SegmentAlgorithmType") == "SEMIAUTOMATIC"
    assert _tag(segment, "DICOM.SegmentAlgorithmName") == "BreastUSAssist"


def _tag(segment: Any, name: str) -> str:
    import vtk

    value = vtk.reference("")
    segment.GetTag(name, value)
    return str(value)
