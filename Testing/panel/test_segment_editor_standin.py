"""The stand-in of Segment Editor keeps to what the real one does, as far as the panel and the effect rely on it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")

MATRIX = np.diag([-0.2, -0.2, 1.0, 1.0])
SHAPE = (1, 60, 80)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from host import clear, start_host

    host = start_host()
    raised: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: raised.append(repr(error)))
    clear()
    yield host
    clear()
    host.process_events()
    assert raised == []


@pytest.fixture
def editor(host: Any) -> Iterator[Any]:
    slicer = host.slicer
    volume = slicer.util.addVolumeFromArray(np.zeros(SHAPE, np.uint8), ijkToRAS=MATRIX, name="us")
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lesions")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for number in (1, 2):
        segmentation.GetSegmentation().AddEmptySegment(f"lesion-{number}", f"Lesion {number}", [1, 1, 0])
    view = host.app.layoutManager().sliceWidget("Red")
    view.resize(640, 480)
    view.show()
    editor = slicer.qMRMLSegmentEditorWidget()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    node.SetOverwriteMode(node.OverwriteNone)
    editor.setMRMLScene(slicer.mrmlScene)
    editor.setMRMLSegmentEditorNode(node)
    editor.setSegmentationNode(segmentation)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    host.process_events()
    yield editor
    editor.setActiveEffectByName("")
    editor.setMRMLSegmentEditorNode(None)
    editor.setMRMLScene(None)


def mask(host: Any, editor: Any, segment_id: str = "lesion-1") -> np.ndarray:
    array = host.slicer.util.arrayFromSegmentBinaryLabelmap(
        editor.segmentationNode(), segment_id, editor.sourceVolumeNode()
    )
    return np.zeros(SHAPE, bool) if array is None else array > 0


def test_a_segmentation_brings_its_volume_and_first_segment(host: Any, editor: Any) -> None:
    assert editor.sourceVolumeNode().GetName() == "us"
    assert editor.currentSegmentID() == "lesion-1"
    assert host.app.layoutManager().sliceWidget("Red").background() is editor.sourceVolumeNode()


def test_edits_undo_and_redo(host: Any, editor: Any) -> None:
    from host.segment_editor import paint

    paint(editor, (0, slice(10, 30), slice(20, 50)))
    paint(editor, (0, slice(10, 20), slice(20, 50)), "erase")
    assert mask(host, editor).sum() == 300
    editor.undo()
    assert mask(host, editor).sum() == 600
    editor.undo()
    assert not mask(host, editor).any()
    editor.redo()
    assert mask(host, editor).sum() == 600
    assert not mask(host, editor, "lesion-2").any()
    assert editor.maximumNumberOfUndoStates == 10
    editor.setMaximumNumberOfUndoStates(3)
    assert editor.maximumNumberOfUndoStates == 3


def test_painting_with_the_mouse(host: Any, editor: Any) -> None:
    view = host.app.layoutManager().sliceWidget("Red")
    view.click(30, 40)
    assert not mask(host, editor).any()
    editor.setCurrentSegmentID("lesion-2")
    editor.setActiveEffectByName("Paint")
    view.drag([(30, 40), (30, 50)])
    painted = mask(host, editor, "lesion-2")
    assert painted[0, 30, 40] and painted[0, 30, 50] and not painted[0, 10, 10]
    editor.setActiveEffectByName("Erase")
    view.click(30, 40)
    assert not mask(host, editor, "lesion-2")[0, 30, 40]
    editor.setActiveEffect(None)
    view.click(30, 50)
    assert mask(host, editor, "lesion-2")[0, 30, 50]
    assert not mask(host, editor).any()


def test_the_editor_node_leads(host: Any, editor: Any) -> None:
    node = editor.mrmlSegmentEditorNode()
    node.SetActiveEffectName("Paint")
    assert editor.activeEffect().name == "Paint"
    editor.setSegmentationNode(None)
    assert editor.activeEffect() is None
    assert node.GetActiveEffectName() == ""


def test_order_and_visibility_of_effects(editor: Any) -> None:
    editor.setEffectNameOrder(["Erase", "Paint"])
    editor.unorderedEffectsVisible = False
    assert list(editor._buttons) == ["Erase", "Paint"]
    editor.setUnorderedEffectsVisible(True)
    assert list(editor._buttons)[:3] == ["Erase", "Paint", "Threshold"]


def test_a_removed_segment_hands_the_selection_on(host: Any, editor: Any) -> None:
    editor.segmentationNode().GetSegmentation().RemoveSegment("lesion-1")
    host.process_events()
    assert editor.currentSegmentID() == "lesion-2"


def test_shortcuts_come_and_go(host: Any, editor: Any) -> None:
    from PySide6.QtGui import QShortcut
    from PySide6.QtWidgets import QWidget

    parent = QWidget()
    editor.installKeyboardShortcuts(parent)
    keys = {shortcut.key.toString() for shortcut in parent.findChildren(QShortcut)}
    assert {"0", "Shift+9", "Z", "Y", "Space", "Esc", "Q", "W", "I"} <= keys
    editor.uninstallKeyboardShortcuts()
    host.process_events(0.05)
    host.app.sendPostedEvents(None, 0)
    assert not [each for each in parent.findChildren(QShortcut) if each.enabled]


def test_an_effect_has_only_the_real_ones_properties(editor: Any) -> None:
    from host.segment_effects import qSlicerSegmentEditorScriptedEffect

    effect = qSlicerSegmentEditorScriptedEffect(None)
    effect.title = "Title"
    with pytest.raises(AttributeError):
        effect.colour = "red"
    with pytest.raises(AttributeError):
        effect.modifySegment()


def test_python_source_is_named_as_the_real_one_names_it(editor: Any, tmp_path: Path) -> None:
    from host.segment_effects import qSlicerSegmentEditorScriptedEffect

    folder = tmp_path / "SegmentEditorTriedLib"
    folder.mkdir()
    source = folder / "SegmentEditorEffect.py"
    source.write_text(
        "class SegmentEditorEffect:\n    def __init__(self, scriptedEffect):\n        scriptedEffect.name = 'Tried'\n"
    )
    effect = qSlicerSegmentEditorScriptedEffect(None)
    assert effect.setPythonSource(str(source))
    assert effect.name == "Tried"
    assert type(effect.self()).__module__ == "SegmentEditorTriedLib"


def test_parameters_are_kept_in_the_editor_node(editor: Any) -> None:
    effect = editor.effectByName("Paint")
    effect.setParameterDefault("Size", 5)
    effect.setParameterDefault("Size", 7)
    assert effect.integerParameter("Size") == 5
    assert editor.mrmlSegmentEditorNode().GetAttribute("Paint.Size") == "5"
    effect.setCommonParameter("Shared", "x")
    assert effect.parameter("Shared") == "x"


def test_closing_the_scene_is_survived(host: Any, editor: Any) -> None:
    editor.setActiveEffectByName("Paint")
    host.slicer.mrmlScene.Clear(0)
    host.process_events()
    assert editor.segmentationNode() is None or editor.segmentationNode().GetScene() is None
