"""The painted slice view: what it shows where, and what a mouse over it tells an interactor."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")

MATRIX = np.diag([-0.2, -0.2, 1.0, 1.0])
ROWS, COLUMNS = 60, 80


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
def view(host: Any) -> Any:
    view = host.app.layoutManager().sliceWidget("Red")
    view.resize(640, 480)
    view.show()
    host.process_events()
    return view


def marked_image(slices: int = 1, channels: int = 0) -> np.ndarray:
    """Black with a bright top left corner and a half bright bottom right one; brighter slice by slice."""
    image = np.zeros((slices, ROWS, COLUMNS), np.uint8)
    for k in range(slices):
        image[k, :12, :12] = 150 + 50 * k
        image[k, -6:, -6:] = 90
    return np.repeat(image[..., np.newaxis], channels, axis=3) if channels else image


def shown(host: Any, view: Any, pixels: np.ndarray, matrix: np.ndarray = MATRIX) -> Any:
    kind = "vtkMRMLVectorVolumeNode" if pixels.ndim == 4 else "vtkMRMLScalarVolumeNode"
    slicer = host.slicer
    volume = slicer.util.addVolumeFromArray(pixels, ijkToRAS=matrix, name="us", nodeClassName=kind)
    if pixels.ndim == 3:
        volume.GetDisplayNode().SetAutoWindowLevel(False)
        volume.GetDisplayNode().SetWindowLevelMinMax(0, 255)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    host.process_events()
    return volume


def color_at(view: Any, row: float, column: float) -> tuple[int, int, int]:
    place = view.position_of(row, column).toPoint()
    color = view.grab().toImage().pixelColor(place)
    return color.red(), color.green(), color.blue()


def test_the_image_is_upright_and_not_mirrored(host: Any, view: Any) -> None:
    shown(host, view, marked_image())
    top_left, bottom_right = view.position_of(0, 0), view.position_of(ROWS - 1, COLUMNS - 1)
    assert top_left.x() < bottom_right.x() and top_left.y() < bottom_right.y()
    assert color_at(view, 5, 5) == (150, 150, 150)
    assert color_at(view, ROWS - 3, COLUMNS - 3) == (90, 90, 90)
    assert color_at(view, ROWS - 3, 3) == (0, 0, 0)


def test_rgb_keeps_its_colours(host: Any, view: Any) -> None:
    pixels = marked_image(channels=3)
    pixels[..., 1] = 0
    shown(host, view, pixels)
    assert color_at(view, 5, 5) == (150, 0, 150)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (59, 79), (31, 7), (12.25, 40.5)])
def test_places_and_pixels_correspond(host: Any, view: Any, row: float, column: float) -> None:
    shown(host, view, marked_image())
    place = view.position_of(row, column)
    i, j, _k = view.ijk_at(place.x(), place.y())
    assert (j, i) == pytest.approx((row, column))


def test_a_transformed_volume_is_shown_where_it_is(host: Any, view: Any) -> None:
    volume = shown(host, view, marked_image())
    before = view.position_of(5, 5)
    transform = host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    moved = np.eye(4)
    moved[0, 3] = -1.0
    transform.SetMatrixTransformToParent(host.slicer.util.vtkMatrixFromArray(moved))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    host.process_events()
    assert view.position_of(5, 5).x() > before.x() + 5
    assert color_at(view, 5, 5) == (150, 150, 150)


def test_the_slice_offset_chooses_the_slice(host: Any, view: Any) -> None:
    shown(host, view, marked_image(slices=3))
    for k in range(3):
        view.sliceLogic().SetSliceOffset(float(k))
        assert view.ijk_at(0, 0)[2] == pytest.approx(k)
        assert color_at(view, 5, 5) == (150 + 50 * k,) * 3
    view.sliceLogic().SetSliceOffset(7.0)
    assert color_at(view, 5, 5) == (0, 0, 0)


def test_an_oblique_slice_is_resampled(host: Any, view: Any) -> None:
    turned = MATRIX.copy()
    turned[:3, :3] = turned[:3, :3] @ np.array([[1, 0, 0], [0, 0, 1.0], [0, 1.0, 0]])
    shown(host, view, np.full((40, 50, 60), 77, np.uint8), turned)
    picture = view.grab().toImage()
    colors = {picture.pixelColor(x, 240).red() for x in range(0, 640, 4)}
    assert 77 in colors


def test_it_repaints_when_the_sequence_steps(host: Any, view: Any) -> None:
    slicer = host.slicer
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    for index in range(3):
        node = slicer.vtkMRMLVectorVolumeNode()
        pixels = np.full((1, ROWS, COLUMNS, 3), 60 + 60 * index, np.uint8)
        slicer.util.updateVolumeFromArray(node, pixels)
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(MATRIX))
        sequence.SetDataNodeAtValue(node, str(index))
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateAllProxyNodes()
    slicer.util.setSliceViewerLayers(background=browser.GetProxyNode(sequence), fit=True)
    host.process_events()
    for index in (2, 0, 1):
        painted = view.paint_count
        browser.SetSelectedItemNumber(index)
        host.process_events(until=lambda painted=painted: view.paint_count > painted)
        assert color_at(view, 30, 40) == (60 + 60 * index,) * 3


def test_outlines_follow_the_mask_the_segment_and_its_visibility(host: Any, view: Any) -> None:
    slicer = host.slicer
    volume = shown(host, view, np.zeros((1, ROWS, COLUMNS), np.uint8))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lesions")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.GetSegmentation().AddEmptySegment("lesion-1", "Lesion 1", [1.0, 1.0, 0.0])
    mask = np.zeros((1, ROWS, COLUMNS), np.uint8)
    mask[0, 20:40, 30:50] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, "lesion-1", volume)
    for row, column in ((30, 29.5), (30, 49.5), (19.5, 40), (39.5, 40)):
        red, green, blue = color_at(view, row, column)
        assert red == green > 100 and blue < 20
    assert color_at(view, 30, 40) == (0, 0, 0)
    node.GetDisplayNode().SetSegmentVisibility("lesion-1", False)
    assert color_at(view, 30, 29.5) == (0, 0, 0)
    node.GetDisplayNode().SetSegmentVisibility("lesion-1", True)
    node.GetSegmentation().RemoveSegment("lesion-1")
    assert color_at(view, 30, 29.5) == (0, 0, 0)


def test_markups_are_seen_in_their_slice_alone(host: Any, view: Any) -> None:
    slicer = host.slicer
    shown(host, view, np.zeros((3, ROWS, COLUMNS), np.uint8))
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "marks")
    points.CreateDefaultDisplayNodes()
    points.GetDisplayNode().SetSelectedColor(0.0, 1.0, 0.0)
    points.GetDisplayNode().SetPointLabelsVisibility(False)
    points.GetDisplayNode().SetGlyphTypeFromString("ThickCross2D")
    points.AddControlPoint((MATRIX @ (40, 30, 1, 1))[:3])
    view.sliceLogic().SetSliceOffset(1.0)
    assert color_at(view, 30, 40) == (0, 255, 0)
    view.sliceLogic().SetSliceOffset(2.0)
    assert color_at(view, 30, 40) == (0, 0, 0)


def test_the_mouse_reaches_the_interactor_as_vtk_counts(host: Any, view: Any) -> None:
    from PySide6.QtCore import Qt

    volume = shown(host, view, marked_image())
    seen: list[tuple[str, tuple[int, int], bool]] = []

    def note(interactor: Any, event: str) -> None:
        seen.append((event, interactor.GetEventPosition(), bool(interactor.GetControlKey())))

    names = ("LeftButtonPressEvent", "MouseMoveEvent", "LeftButtonReleaseEvent", "LeftButtonDoubleClickEvent")
    tags = [view.interactor().AddObserver(name, note) for name in names]
    view.drag([(10, 10), (20, 30)], Qt.KeyboardModifier.ControlModifier)
    assert [event for event, _, _ in seen] == list(names[:3])
    assert all(control for _, _, control in seen)
    x, y = seen[0][1]
    ras = [0.0, 0.0, 0.0]
    host.slicer.vtkSlicerSegmentEditorLogic.XyToRas([x, y], ras, view.mrmlSliceNode())
    matrix = np.linalg.inv(host.slicer.util.arrayFromVTKMatrix(_matrix(host, volume)))
    assert (matrix @ (*ras, 1.0))[:2] == pytest.approx((10, 10), abs=0.5)
    seen.clear()
    view.double_click(10, 10)
    assert [event for event, _, _ in seen] == [names[0], names[2], names[3], names[2]]
    assert not any(control for _, _, control in seen)
    for tag in tags:
        view.interactor().RemoveObserver(tag)


def test_closing_the_scene_leaves_a_black_view(host: Any, view: Any) -> None:
    shown(host, view, marked_image())
    host.slicer.mrmlScene.Clear(0)
    host.process_events()
    assert view.background() is None
    assert view.grab().toImage().pixelColor(320, 240).red() == 0


def _matrix(host: Any, volume: Any) -> Any:
    matrix = host.slicer.util.vtkMatrixFromArray(np.eye(4))
    volume.GetIJKToRASMatrix(matrix)
    return matrix
