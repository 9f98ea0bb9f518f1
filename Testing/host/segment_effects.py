# ruff: noqa: N801, N802 - the names are those of Qt and Slicer
"""Stand-ins of Slicer's Segment Editor effects: what every effect can do, and the one whose methods are Python's.

Names and behaviour as in Modules/Loadable/Segmentations/EditorEffects of Slicer 5.12. An attribute that the real class
does not have cannot be set on the stand-in.
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QCursor, QIcon, QVector3D
from PySide6.QtWidgets import QFormLayout, QFrame, QWidget


def modification_modes() -> tuple[Any, ...]:
    """The logic's own enumeration, in the order of the effect's numbers."""
    logic = slicer.vtkSlicerSegmentEditorLogic
    return (
        logic.ModificationModeSet,
        logic.ModificationModeAdd,
        logic.ModificationModeRemove,
        logic.ModificationModeRemoveAll,
    )


class qSlicerSegmentEditorAbstractEffect:
    """What effects and the editor widget know of each other."""

    ModificationModeSet, ModificationModeAdd, ModificationModeRemove, ModificationModeRemoveAll = range(4)
    NotConfirmed, ConfirmedWithoutDialog, ConfirmedWithDialog = range(3)

    answer_hidden = ConfirmedWithDialog
    """What the person answers when asked whether to edit a hidden segment; for tests."""

    def __init__(self, parent: Any = None) -> None:
        self._values: dict[str, Any] = {
            "name": "",
            "title": "",
            "perSegment": True,
            "requireSegments": True,
            "showEffectCursorInSliceView": True,
            "showEffectCursorInThreeDView": False,
        }
        self._active = False
        self._node: Any = None
        self._logic: Any = None
        self._select: Callable[[str], None] = lambda name: None
        self._frame = QFrame()
        self._layout = QFormLayout(self._frame)
        self._layout.setContentsMargins(4, 4, 4, 4)
        self._confirmed: Any = None

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name in values:
            return values[name] or (values["name"] if name == "title" else values[name])
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        elif name in self._values:
            self._values[name] = value
        else:
            raise AttributeError(f"qSlicerSegmentEditorAbstractEffect has no property {name!r}")

    def attach(self, logic: Any, select_effect: Callable[[str], None]) -> None:
        """The editor widget's side of setSegmentEditorLogic and setCallbackSlots."""
        self._logic, self._select = logic, select_effect

    def icon(self) -> QIcon:
        return QIcon()

    def helpText(self) -> str:
        return ""

    def clone(self) -> Any:
        return type(self)(self.name)

    def activate(self) -> None:
        self._active = True
        self._frame.setVisible(True)

    def deactivate(self) -> None:
        self._active = False
        self._frame.setVisible(False)

    def active(self) -> bool:
        return self._active

    def setupOptionsFrame(self) -> None:
        """Widgets of the options; called once, when the effect is registered with an editor widget."""

    def createCursor(self, view_widget: Any) -> QCursor:
        return QCursor(Qt.CursorShape.CrossCursor)

    def processInteractionEvents(self, interactor: Any, event_id: int, view_widget: Any) -> bool:
        return False

    def processViewNodeEvents(self, view_node: Any, event_id: int, view_widget: Any) -> None:
        """A view node was modified."""

    def setMRMLDefaults(self) -> None:
        """Parameters that the node does not hold yet."""

    def referenceGeometryChanged(self) -> None:
        """Told by the editor widget."""

    def sourceVolumeNodeChanged(self) -> None:
        """Told by the editor widget."""

    def layoutChanged(self) -> None:
        """Told by the editor widget."""

    def interactionNodeModified(self, interaction_node: Any) -> None:
        self.selectEffect("")

    def updateGUIFromMRML(self) -> None:
        """Options from parameters."""

    def updateMRMLFromGUI(self) -> None:
        """Parameters from options."""

    def cleanup(self) -> None:
        """Before deletion."""

    def parameterSetNode(self) -> Any:
        return self._node

    def setParameterSetNode(self, node: Any) -> None:
        self._node = node

    def scene(self) -> Any:
        return self._node.GetScene() if self._node is not None else None

    def optionsFrame(self) -> QFrame:
        return self._frame

    def optionsLayout(self) -> QFormLayout:
        return self._layout

    def addOptionsWidget(self, widget: Any) -> None:
        self._layout.addRow(widget)

    def addLabeledOptionsWidget(self, label: str, widget: Any) -> QWidget:
        self._layout.addRow(label, widget)
        return self._layout.labelForField(widget)

    def selectEffect(self, name: str) -> None:
        self._select(name)

    def cursorOff(self, view_widget: Any) -> None:
        view_widget.setCursor(Qt.CursorShape.BlankCursor)

    def cursorOn(self, view_widget: Any) -> None:
        view_widget.setCursor(self.createCursor(view_widget))

    def parameter(self, name: str) -> str:
        return self._parameter(name) or ""

    def integerParameter(self, name: str) -> int:
        return int(self._parameter(name) or 0)

    def doubleParameter(self, name: str) -> float:
        return float(self._parameter(name) or 0)

    def setParameter(self, name: str, value: Any) -> None:
        self.setCommonParameter(f"{self.name}.{name}", value)

    def setParameterDefault(self, name: str, value: Any) -> None:
        if not self.parameterDefined(name):
            self.setParameter(name, value)

    def setCommonParameter(self, name: str, value: Any) -> None:
        if self._node is None or self._node.GetAttribute(name) == str(value):
            return
        # The full modified event would make the editor widget update everything.
        disabled = self._node.GetDisableModifiedEvent()
        self._node.SetDisableModifiedEvent(1)
        self._node.SetAttribute(name, str(value))
        self._node.SetDisableModifiedEvent(disabled)
        self._node.InvokeCustomModifiedEvent(slicer.vtkMRMLSegmentEditorNode.EffectParameterModified)

    def setCommonParameterDefault(self, name: str, value: Any) -> None:
        if not self.commonParameterDefined(name):
            self.setCommonParameter(name, value)

    def parameterDefined(self, name: str) -> bool:
        return self.commonParameterDefined(f"{self.name}.{name}")

    def commonParameterDefined(self, name: str) -> bool:
        return self._node is not None and bool(self._node.GetAttribute(name))

    def nodeReference(self, name: str) -> Any:
        return self._node.GetNodeReference(f"{self.name}.{name}")

    def setNodeReference(self, name: str, node: Any) -> None:
        self._node.SetNodeReferenceID(f"{self.name}.{name}", node.GetID() if node is not None else None)

    def _parameter(self, name: str) -> str | None:
        if self._node is None:
            return None
        return self._node.GetAttribute(f"{self.name}.{name}") or self._node.GetAttribute(name)

    def confirmCurrentSegmentVisible(self) -> int:
        node = self._node.GetSegmentationNode() if self._node is not None else None
        segment_id = self._node.GetSelectedSegmentID() if node is not None else None
        if node is None or not segment_id or node.GetDisplayNode() is None:
            return self.ConfirmedWithoutDialog
        segment = node.GetSegmentation().GetSegment(segment_id)
        if node.GetDisplayNode().GetSegmentVisibility(segment_id) or segment is self._confirmed:
            return self.ConfirmedWithoutDialog
        if self.answer_hidden != self.NotConfirmed:
            self._confirmed = segment
        return self.answer_hidden

    def modifierLabelmap(self) -> Any:
        return self._logic.GetModifierLabelmap()

    def defaultModifierLabelmap(self) -> Any:
        return self._logic.GetModifierLabelmap() if self._logic.ResetModifierLabelmapToDefault() else None

    def maskLabelmap(self) -> Any:
        return self._logic.GetMaskLabelmap() if self._logic.UpdateMaskLabelmap() else None

    def selectedSegmentLabelmap(self) -> Any:
        return self._logic.GetSelectedSegmentLabelmap() if self._logic.UpdateSelectedSegmentLabelmap() else None

    def referenceGeometryImage(self) -> Any:
        return self._logic.GetReferenceGeometryImage() if self._logic.UpdateReferenceGeometryImage() else None

    def sourceVolumeImageData(self) -> Any:
        return self._logic.GetAlignedSourceVolume() if self._logic.UpdateAlignedSourceVolume() else None

    def saveStateForUndo(self) -> None:
        self._logic.SaveStateForUndo()

    def modifySelectedSegmentByLabelmap(
        self, labelmap: Any, mode: int, extent: Any = None, bypass_masking: bool = False
    ) -> None:
        if isinstance(extent, bool):
            extent, bypass_masking = None, extent
        segment_id = self._node.GetSelectedSegmentID()
        if not segment_id:
            return
        where = [self._node.GetSegmentationNode(), segment_id, labelmap, modification_modes()[mode]]
        where += [] if extent is None else [list(extent)]
        self._logic.ModifySegmentByLabelmap(*where, self.perSegment, bypass_masking)

    @staticmethod
    def viewNode(view_widget: Any) -> Any:
        return view_widget.mrmlSliceNode()

    @staticmethod
    def xyToRas(xy: QPoint, view_widget: Any) -> QVector3D:
        ras = [0.0, 0.0, 0.0]
        slicer.vtkSlicerSegmentEditorLogic.XyToRas([xy.x(), xy.y()], ras, view_widget.mrmlSliceNode())
        return QVector3D(*ras)

    @staticmethod
    def xyzToRas(xyz: QVector3D, view_widget: Any) -> QVector3D:
        ras = [0.0, 0.0, 0.0]
        slicer.vtkSlicerSegmentEditorLogic.XyzToRas([xyz.x(), xyz.y(), xyz.z()], ras, view_widget.mrmlSliceNode())
        return QVector3D(*ras)

    @staticmethod
    def xyzToIjk(xyz: QVector3D, view_widget: Any, image: Any, transform: Any = None) -> QVector3D:
        ijk = [0, 0, 0]
        slicer.vtkSlicerSegmentEditorLogic.XyzToIjk(
            [xyz.x(), xyz.y(), xyz.z()], ijk, view_widget.mrmlSliceNode(), image, transform
        )
        return QVector3D(*ijk)

    @staticmethod
    def xyToIjk(xy: QPoint, view_widget: Any, image: Any, transform: Any = None) -> QVector3D:
        point = QVector3D(xy.x(), xy.y(), 0)
        return qSlicerSegmentEditorAbstractEffect.xyzToIjk(point, view_widget, image, transform)

    @staticmethod
    def scheduleRender(view_widget: Any) -> None:
        view_widget.sliceView().scheduleRender()


class qSlicerSegmentEditorScriptedEffect(qSlicerSegmentEditorAbstractEffect):
    """An effect whose methods are those of a Python object; what that lacks, the base does."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._python: Any = None
        self._source = ""
        self.name = "UnnamedScriptedEffect"

    def setPythonSource(self, path: str) -> bool:
        """Load the class that is named after the file, as a module that is named after the file's folder."""
        file = Path(path)
        class_name = file.stem if file.stem.endswith("Effect") else f"{file.stem}Effect"
        module = sys.modules.get(file.parent.name)
        if not hasattr(module, class_name):
            spec = importlib.util.spec_from_file_location(file.parent.name, path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[file.parent.name] = module
            spec.loader.exec_module(module)
        self._python = getattr(module, class_name)(self)
        self._source = path
        setattr(slicer, file.parent.name, self._python)
        return True

    def pythonSource(self) -> str:
        return self._source

    def self(self) -> Any:
        """The Python object."""
        return self._python

    def clone(self) -> Any:
        return self._python.clone()

    def _ask(self, name: str, *arguments: Any) -> tuple[bool, Any]:
        method = getattr(self._python, name, None)
        return (False, None) if method is None else (True, method(*arguments))

    def icon(self) -> QIcon:
        return self._ask("icon")[1] or QIcon()

    def helpText(self) -> str:
        return self._ask("helpText")[1] or ""

    def createCursor(self, view_widget: Any) -> QCursor:
        return self._ask("createCursor", view_widget)[1] or super().createCursor(view_widget)

    def processInteractionEvents(self, interactor: Any, event_id: int, view_widget: Any) -> bool:
        answer = self._ask("processInteractionEvents", interactor, event_id, view_widget)[1]
        if answer is not None and not isinstance(answer, bool):
            raise TypeError("function 'processInteractionEvents' is expected to return a boolean")
        return bool(answer)

    def interactionNodeModified(self, interaction_node: Any) -> None:
        if not self._ask("interactionNodeModified", interaction_node)[0]:
            super().interactionNodeModified(interaction_node)


def _forward(name: str) -> Callable[..., None]:
    def call(self: qSlicerSegmentEditorScriptedEffect, *arguments: Any) -> None:
        # The base class first, then the effect's own.
        getattr(qSlicerSegmentEditorAbstractEffect, name)(self, *arguments)
        self._ask(name, *arguments)

    return call


for _name in (
    "activate",
    "deactivate",
    "setupOptionsFrame",
    "processViewNodeEvents",
    "setMRMLDefaults",
    "referenceGeometryChanged",
    "sourceVolumeNodeChanged",
    "layoutChanged",
    "updateGUIFromMRML",
    "updateMRMLFromGUI",
    "cleanup",
):
    setattr(qSlicerSegmentEditorScriptedEffect, _name, _forward(_name))
