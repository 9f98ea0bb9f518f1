# ruff: noqa: N802 - the names are those of Qt and Slicer
"""Stand-in of qMRMLSliceWidget: a painted slice view over the real slice nodes and logic, with a real VTK interactor.

Mouse and keys reach whoever observes the interactor as in the application: `GetEventPosition` counts from the lower
left, a second press within the double-click time arrives as LeftButtonDoubleClickEvent.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import slicer
import vtk
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from .immortal_none import make_none_immortal
from .slice_painting import SlicePainter, ijk_to_xy, nodes_of

SHOWN = ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLMarkupsNode", "vtkMRMLDisplayNode")
Observation = tuple[Any, int]


class SliceView(QWidget):
    """Shows what the composite node of the slice view `name` names as background, and everything drawn over it."""

    def __init__(self, name: str = "Red", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        make_none_immortal()
        self._logic = slice_logic(name)
        self._painter = SlicePainter()
        self._extent = (400, 400)
        self._observed: dict[str, list[Observation]] = {}
        self._background = ""
        self.paint_count = 0
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMinimumSize(100, 100)
        self._scene = slicer.mrmlScene
        self._scene_tags = [
            self._scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._on_node_added),
            self._scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._on_node_removed),
            self._scene.AddObserver(slicer.vtkMRMLScene.EndCloseEvent, lambda *_: self.update()),
        ]
        for node in (self.mrmlSliceNode(), self.mrmlSliceCompositeNode(), *nodes_of(self._scene, "vtkMRMLNode")):
            self._observe(node)

    def className(self) -> str:
        """As PythonQt names the real widget; effects ask for it."""
        return "qMRMLSliceWidget"

    def sliceLogic(self) -> Any:
        """The vtkMRMLSliceLogic of the view."""
        return self._logic

    def mrmlSliceNode(self) -> Any:
        """The vtkMRMLSliceNode of the view."""
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        """The vtkMRMLSliceCompositeNode of the view."""
        return self._logic.GetSliceCompositeNode()

    def sliceView(self) -> "SliceView":
        """The view itself: the real widget has a controller above it."""
        return self

    def interactor(self) -> Any:
        """The vtkRenderWindowInteractor that events go through."""
        return self._interactor

    def scheduleRender(self) -> None:
        """Paint at the next turn of the event loop."""
        self.update()

    def forceRender(self) -> None:
        """Paint now."""
        self.repaint()

    def fitSliceToBackground(self) -> None:
        """Show the whole background volume."""
        self._logic.ResizeSliceNode(*self._extent)
        self._logic.FitSliceToBackground(*self._extent)
        self._logic.SnapSliceOffsetToIJK()
        self.update()

    def background(self) -> Any:
        """The background volume, or None."""
        node_id = self.mrmlSliceCompositeNode().GetBackgroundVolumeID()
        return self._scene.GetNodeByID(node_id) if node_id else None

    def ijk_at(self, x: float, y: float) -> np.ndarray:
        """Index in the background volume, float (i, j, k), at a place of the widget in pixels, y down."""
        to_ijk = np.linalg.inv(ijk_to_xy(self.background(), self.mrmlSliceNode()))
        return (to_ijk @ (x - 0.5, self._extent[1] - 0.5 - y, 0.0, 1.0))[:3]

    def position_of(self, row: float, column: float, k: float | None = None) -> QPointF:
        """Middle of a pixel of the background volume in the widget; k of the shown slice where none is given."""
        volume = self.background()
        to_xy = ijk_to_xy(volume, self.mrmlSliceNode())
        if k is None:
            k = self.ijk_at(0, 0)[2]
        x, y = (to_xy @ (column, row, k, 1.0))[:2]
        return QPointF(x + 0.5, self._extent[1] - 0.5 - y)

    def click(self, row: float, column: float, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Press and release the left button on a pixel, as a person does."""
        self.drag([(row, column)], modifiers)

    def double_click(self, row: float, column: float) -> None:
        """Two clicks so quick after each other that Qt calls the second a double click."""
        self.click(row, column)
        place = self.position_of(row, column)
        self._send(QEvent.Type.MouseButtonDblClick, place, True, Qt.KeyboardModifier.NoModifier)
        self._send(QEvent.Type.MouseButtonRelease, place, False, Qt.KeyboardModifier.NoModifier)

    def drag(self, pixels: Iterable[tuple[float, float]], modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Press on the first of (row, column) pixels, move over the others, release on the last."""
        places = [self.position_of(row, column) for row, column in pixels]
        self._send(QEvent.Type.MouseButtonPress, places[0], True, modifiers)
        for place in places[1:]:
            self._send(QEvent.Type.MouseMove, place, True, modifiers)
        self._send(QEvent.Type.MouseButtonRelease, places[-1], False, modifiers)

    def _send(self, kind: QEvent.Type, place: QPointF, down: bool, modifiers: Any) -> None:
        button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
        buttons = Qt.MouseButton.LeftButton if down else Qt.MouseButton.NoButton
        QApplication.sendEvent(self, QMouseEvent(kind, place, self.mapToGlobal(place), button, buttons, modifiers))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt asks for the picture."""
        self.paint_count += 1
        painter = QPainter(self)
        if self._scene is not None and not self._scene.IsClosing():
            self._painter.paint(painter, *self._extent, self._scene, self.mrmlSliceNode(), self.background())
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the slice node at the size of the widget, and show all of the volume."""
        self._extent = (max(event.size().width(), 1), max(event.size().height(), 1))
        self._logic.ResizeSliceNode(*self._extent)
        if self.background() is not None:
            self.fitSliceToBackground()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """To the interactor."""
        self._button(event, "Press")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """To the interactor."""
        self._button(event, "Release")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """To the interactor: instead of a second press, as QVTKInteractorAdapter does."""
        self._button(event, "DoubleClick")

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """To the interactor."""
        self._place(event)
        self._interactor.InvokeEvent(vtk.vtkCommand.MouseMoveEvent)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """To the interactor, with the key's name in VTK for the few that tests use."""
        names = {Qt.Key.Key_Return: "Return", Qt.Key.Key_Escape: "Escape", Qt.Key.Key_Space: "space"}
        self._interactor.SetKeyEventInformation(0, 0, "\0", 0, names.get(event.key(), event.text()))
        self._interactor.InvokeEvent(vtk.vtkCommand.KeyPressEvent)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """One slice up or down."""
        volume = self.background()
        if volume is not None:
            step = np.sign(event.angleDelta().y()) * self._logic.GetLowestVolumeSliceSpacing()[2]
            self._logic.SetSliceOffset(self._logic.GetSliceOffset() + step)

    def _button(self, event: QMouseEvent, action: str) -> None:
        buttons = {Qt.MouseButton.LeftButton: "Left", Qt.MouseButton.RightButton: "Right"}
        if event.button() in buttons:
            self._place(event)
            self._interactor.InvokeEvent(f"{buttons[event.button()]}Button{action}Event")

    def _place(self, event: QMouseEvent) -> None:
        modifiers = event.modifiers()
        control = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        x, y = int(event.position().x()), self._extent[1] - 1 - int(event.position().y())
        self._interactor.SetEventInformation(x, y, control, shift, "\0", 0, None)
        self._interactor.SetAltKey(bool(modifiers & Qt.KeyboardModifier.AltModifier))

    def _observe(self, node: Any) -> None:
        if node.IsA("vtkMRMLSliceNode") or node.IsA("vtkMRMLSliceCompositeNode"):
            if node not in (self.mrmlSliceNode(), self.mrmlSliceCompositeNode()):
                return
        elif not any(node.IsA(name) for name in SHOWN):
            return
        if node.GetID() not in self._observed:
            tag = node.AddObserver(vtk.vtkCommand.AnyEvent, self._on_change)
            self._observed[node.GetID()] = [(node, tag)]

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_added(self, caller: Any, event: str, node: Any) -> None:
        self._observe(node)
        self.update()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_removed(self, caller: Any, event: str, node: Any) -> None:
        for observed, tag in self._observed.pop(node.GetID(), ()):
            observed.RemoveObserver(tag)
        self.update()

    def _on_change(self, caller: Any, event: str) -> None:
        if caller is self.mrmlSliceCompositeNode():
            volume = self.background()
            # While a scene is read the volume comes before its image, whose bounds then say nothing.
            shown = volume.GetID() if volume is not None and volume.GetImageData() is not None else ""
            first, self._background = shown and not self._background, shown
            if first:
                self.fitSliceToBackground()
        self.update()

    def close_view(self) -> None:
        """Stop following the scene."""
        for tag in self._scene_tags:
            self._scene.RemoveObserver(tag)
        for observations in self._observed.values():
            for node, tag in observations:
                node.RemoveObserver(tag)
        self._observed.clear()
        self._scene_tags.clear()


def slice_logic(name: str) -> Any:
    """The slice logic of the view `name` from the application logic."""
    logics = slicer.app.applicationLogic().GetSliceLogics()
    for index in range(logics.GetNumberOfItems()):
        logic = logics.GetItemAsObject(index)
        if logic.GetSliceNode().GetName() == name:
            return logic
    raise ValueError(f"there is no slice view {name}")
