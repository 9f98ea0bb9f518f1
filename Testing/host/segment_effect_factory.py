# ruff: noqa: N801, N802, N803 - the names are those of Qt and Slicer
"""Stand-ins of what surrounds Segment Editor's effects: the factory, the Python base class, Paint and Erase."""

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk
from PySide6.QtCore import QPoint
from PySide6.QtGui import QVector3D
from vtk.util.numpy_support import vtk_to_numpy

from .segment_effects import qSlicerSegmentEditorAbstractEffect, qSlicerSegmentEditorScriptedEffect

BRUSHES = {
    "Paint": qSlicerSegmentEditorAbstractEffect.ModificationModeAdd,
    "Erase": qSlicerSegmentEditorAbstractEffect.ModificationModeRemove,
}
BRUSH_RADIUS = 8
"""Pixels."""


class BrushEffect(qSlicerSegmentEditorAbstractEffect):
    """Paint and Erase with a round brush; the other tools of Slicer are there by name alone."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._stroke: list[tuple[int, int, int]] = []

    def processInteractionEvents(self, interactor: Any, event_id: int, view_widget: Any) -> bool:
        command = vtk.vtkCommand
        if self.name not in BRUSHES or interactor.GetShiftKey() or interactor.GetControlKey():
            return False
        if event_id == command.LeftButtonPressEvent or (event_id == command.MouseMoveEvent and self._stroke):
            x, y = interactor.GetEventPosition()
            ijk = self.xyToIjk(QPoint(x, y), view_widget, self.referenceGeometryImage())
            self._stroke.append((int(ijk.x()), int(ijk.y()), int(ijk.z())))
            return True
        if event_id == command.LeftButtonReleaseEvent and self._stroke:
            stroke, self._stroke = self._stroke, []
            self._apply(stroke)
            return True
        return False

    def _apply(self, stroke: list[tuple[int, int, int]]) -> None:
        labelmap = self.defaultModifierLabelmap()
        array = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(labelmap.GetDimensions()[::-1])
        rows, columns = np.ogrid[: array.shape[1], : array.shape[2]]
        for i, j, k in stroke:
            if 0 <= k < array.shape[0]:
                array[k][(rows - j) ** 2 + (columns - i) ** 2 <= BRUSH_RADIUS**2] = 1
        labelmap.Modified()
        self.saveStateForUndo()
        self.modifySelectedSegmentByLabelmap(labelmap, BRUSHES[self.name])


class AbstractScriptedSegmentEditorEffect:
    """Base of effects in Python, as the package SegmentEditorEffects brings it."""

    def __init__(self, scriptedEffect: Any) -> None:
        self.scriptedEffect = scriptedEffect

    def register(self) -> None:
        slicer.qSlicerSegmentEditorEffectFactory.instance().registerEffect(self.scriptedEffect)

    def cleanup(self) -> None:
        """Disconnect what would keep the object alive."""

    def xyToRas(self, xy: Any, view_widget: Any) -> list[float]:
        ras = self.scriptedEffect.xyToRas(QPoint(xy[0], xy[1]), view_widget)
        return [ras.x(), ras.y(), ras.z()]

    def xyzToRas(self, xyz: Any, view_widget: Any) -> list[float]:
        ras = self.scriptedEffect.xyzToRas(QVector3D(*xyz), view_widget)
        return [ras.x(), ras.y(), ras.z()]

    def xyToIjk(self, xy: Any, view_widget: Any, image: Any, transform: Any = None) -> list[int]:
        ijk = self.scriptedEffect.xyToIjk(QPoint(xy[0], xy[1]), view_widget, image, transform)
        return [int(ijk.x()), int(ijk.y()), int(ijk.z())]

    def xyzToIjk(self, xyz: Any, view_widget: Any, image: Any, transform: Any = None) -> list[int]:
        ijk = self.scriptedEffect.xyzToIjk(QVector3D(*xyz), view_widget, image, transform)
        return [int(ijk.x()), int(ijk.y()), int(ijk.z())]


NATIVE_EFFECTS = ("Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Fill between slices")
NATIVE_EFFECTS += ("Margin", "Hollow", "Smoothing", "Scissors", "Islands", "Logical operators", "Mask volume")


class qSlicerSegmentEditorEffectFactory:
    """Knows every effect; editor widgets work with clones of them."""

    _instance: "qSlicerSegmentEditorEffectFactory | None" = None

    def __init__(self) -> None:
        self._effects: list[Any] = [BrushEffect(name) for name in NATIVE_EFFECTS]
        self._listeners: list[Callable[[], None]] = []

    @classmethod
    def instance(cls) -> "qSlicerSegmentEditorEffectFactory":
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def registerEffect(self, effect: Any) -> bool:
        """False, and a warning in the application, where an effect of that name is there already."""
        if any(each.name == effect.name for each in self._effects):
            return False
        self._effects.append(effect)
        for listener in tuple(self._listeners):
            listener()
        return True

    def registeredEffects(self) -> list[Any]:
        return list(self._effects)

    def on_registered(self, listener: Callable[[], None]) -> None:
        """The signal effectRegistered."""
        self._listeners.append(listener)


def install_effects() -> None:
    """Put the stand-ins where code looks for them; call after `import slicer`."""
    effects = types.ModuleType("qSlicerSegmentationsEditorEffectsPythonQt")
    base = types.ModuleType("SegmentEditorEffects")
    for class_ in (
        qSlicerSegmentEditorAbstractEffect,
        qSlicerSegmentEditorScriptedEffect,
        qSlicerSegmentEditorEffectFactory,
    ):
        setattr(slicer, class_.__name__, class_)
        setattr(effects, class_.__name__, class_)
    base.AbstractScriptedSegmentEditorEffect = AbstractScriptedSegmentEditorEffect  # type: ignore[attr-defined]
    sys.modules[effects.__name__] = effects
    sys.modules[base.__name__] = base
