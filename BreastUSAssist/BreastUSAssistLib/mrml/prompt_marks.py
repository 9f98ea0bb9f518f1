"""The reader's marks in the views: markups nodes that are hidden from lists, locked, and not saved with the scene.

Plus, ring and line differ by shape; colour only repeats it. A mark that the AI has not answered yet carries three dots.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

World = tuple[float, float, float]
"""Point in RAS, mm."""

MARK_ATTRIBUTE = "BreastUSAssist.PromptMark"
"""Attribute of every node made here, so that others can tell them from the reader's own markups."""
POSITIVE_COLOR = (0.25, 0.95, 0.45)
NEGATIVE_COLOR = (1.0, 0.55, 0.15)
WAITING_COLOR = (1.0, 1.0, 1.0)
_WAITING = "…"


@dataclass(frozen=True)
class ShownMark:
    """One mark as the views show it."""

    positive: bool
    points: tuple[World, ...]
    """One point is a click; more are a line."""
    closed: bool = False
    """Of a line: a box."""
    waiting: bool = False
    """The AI has not answered it yet."""


class PromptMarks:
    """Shows marks in a scene; nodes are made when the first mark is shown and removed by `clear`."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._points: dict[bool, Any] = {}
        self._lines: list[Any] = []

    def show(self, marks: Sequence[ShownMark]) -> None:
        """Show these marks and no others."""
        for positive in (True, False):
            clicks = [mark for mark in marks if mark.positive == positive and len(mark.points) == 1]
            self._show_clicks(positive, clicks)
        lines = [mark for mark in marks if len(mark.points) > 1]
        while len(self._lines) > len(lines):
            self._remove(self._lines.pop())
        for index, mark in enumerate(lines):
            self._show_line(index, mark)

    def clear(self) -> None:
        """Show nothing and leave no node behind."""
        self._remove(*self._points.values(), *self._lines)
        self._points.clear()
        self._lines.clear()

    def _show_clicks(self, positive: bool, clicks: Sequence[ShownMark]) -> None:
        node = self._points.get(positive)
        if node is not None and node.GetScene() is None:
            node = None
        if node is None:
            if not clicks:
                return
            name = _("belongs to the lesion") if positive else _("not lesion")
            node = self._points[positive] = self._new("vtkMRMLMarkupsFiducialNode", name, positive)
        changing = node.StartModify()
        node.RemoveAllControlPoints()
        for mark in clicks:
            index = node.AddControlPointWorld(mark.points[0], _WAITING if mark.waiting else "")
            node.SetNthControlPointSelected(index, not mark.waiting)
        node.EndModify(changing)

    def _show_line(self, index: int, mark: ShownMark) -> None:
        kind = "vtkMRMLMarkupsClosedCurveNode" if mark.closed else "vtkMRMLMarkupsCurveNode"
        if index < len(self._lines) and (
            self._lines[index].GetScene() is None or self._lines[index].GetClassName() != kind
        ):
            self._remove(self._lines[index])
            self._lines[index] = self._new(kind, _("mark"), mark.positive)
        if index == len(self._lines):
            self._lines.append(self._new(kind, _("mark"), mark.positive))
        node = self._lines[index]
        changing = node.StartModify()
        _color(node.GetDisplayNode(), mark.positive)
        node.RemoveAllControlPoints()
        for point in mark.points:
            number = node.AddControlPointWorld(point, "")
            node.SetNthControlPointVisibility(number, False)
            node.SetNthControlPointSelected(number, not mark.waiting)
        node.EndModify(changing)

    def _new(self, kind: str, name: str, positive: bool) -> Any:
        node = getattr(slicer, kind)()
        node.SetName(name)
        node.SetAttribute(MARK_ATTRIBUTE, "1")
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.SetUndoEnabled(False)
        node.SetLocked(True)
        node.SetControlPointLabelFormat("")
        if kind != "vtkMRMLMarkupsFiducialNode":
            node.SetCurveTypeToLinear()
        self._scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetHideFromEditors(True)
        display.SetVisibility3D(False)
        display.SetPropertiesLabelVisibility(False)
        display.SetPointLabelsVisibility(kind == "vtkMRMLMarkupsFiducialNode")
        display.SetTextScale(4.0)
        display.SetGlyphScale(3.0)
        display.SetGlyphTypeFromString("ThickCross2D" if positive else "Circle2D")
        _color(display, positive)
        return node

    def _remove(self, *nodes: Any) -> None:
        for node in nodes:
            if node.GetScene() is not None:
                display = node.GetDisplayNode()
                self._scene.RemoveNode(node)
                if display is not None and display.GetScene() is not None:
                    self._scene.RemoveNode(display)


def _color(display: Any, positive: bool) -> None:
    display.SetColor(*WAITING_COLOR)
    display.SetSelectedColor(*(POSITIVE_COLOR if positive else NEGATIVE_COLOR))


def remove_left_over_marks(scene: Any) -> None:
    """Remove marks that an effect left in a scene, as when the module was reloaded while they were shown."""
    for node in list(_marked(scene)):
        scene.RemoveNode(node)


def _marked(scene: Any) -> Iterable[Any]:
    kind = "vtkMRMLMarkupsNode"
    nodes = [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]
    return (node for node in nodes if node.GetAttribute(MARK_ATTRIBUTE))
