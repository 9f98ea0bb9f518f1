# ruff: noqa: N801, N802, N815 - the names are those of Qt and Slicer
"""Stand-in of qMRMLSegmentEditorWidget over the real vtkSlicerSegmentEditorLogic.

Names and behaviour as in Modules/Loadable/Segmentations/Widgets/qMRMLSegmentEditorWidget of Slicer 5.12: the segment
editor node is what counts, the widget and its logic follow it.
"""

from typing import Any

import slicer
import vtk
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QIcon, QKeySequence, QPixmap, QShortcut
from PySide6.QtWidgets import (
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .immortal_none import make_none_immortal
from .segment_effect_factory import install_effects, qSlicerSegmentEditorEffectFactory
from .segment_events import edit, observe_view

SHORTCUTS = [str(number) for number in range(10)] + [f"Shift+{number}" for number in range(10)]
SHORTCUTS += ["Esc", "Space", "Z", "Ctrl+Z", "Y", "Ctrl+Y", "Q", "W", "/", "*", ",", ".", ">", "<", "I"]


class qMRMLSegmentEditorWidget(QWidget):
    """Edits one segment of one segmentation at a time with an effect."""

    mrmlSceneChanged = Signal(object)
    currentSegmentIDChanged = Signal(str)
    segmentationNodeChanged = Signal(object)
    sourceVolumeNodeChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        install_effects()
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._logic.SetMaximumNumberOfUndoStates(10)
        self._logic.AddObserver(self._logic.SegmentationHistoryChangedEvent, lambda *_: self._show_undo())
        self._scene: Any = None
        self._node: Any = None
        self._node_tags: list[int] = []
        self._scene_tags: list[int] = []
        self._view_tags: list[tuple[Any, int]] = []
        self._segmentation: Any = None
        self._segmentation_tags: list[int] = []
        self._source: Any = None
        self._segment_ids: list[str] = []
        self._effects: list[Any] = []
        self._order: list[str] = []
        self._active: Any = None
        self._last: Any = None
        self._shortcuts: list[QShortcut] = []
        self._flags = {
            "unorderedEffectsVisible": True,
            "segmentationNodeSelectorVisible": True,
            "sourceVolumeNodeSelectorVisible": True,
            "switchToSegmentationsButtonVisible": True,
            "addRemoveSegmentButtonsVisible": True,
            "show3DButtonVisible": True,
            "specifyGeometryButtonVisible": True,
            "maskingSectionVisible": True,
            "autoShowSourceVolumeNode": True,
            "undoEnabled": True,
            "readOnly": False,
        }
        self._build()
        factory = qSlicerSegmentEditorEffectFactory.instance()
        factory.on_registered(self._update_effects)
        self._update_effects()

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        for tag in self._scene_tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._scene_tags = scene, []
        self._logic.SetMRMLScene(scene)
        self.mrmlSceneChanged.emit(scene)
        if scene is not None:
            self._scene_tags = [scene.AddObserver(slicer.vtkMRMLScene.EndCloseEvent, self._on_end_close)]
        self.updateWidgetFromMRML()

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        if node is self._node:
            return
        for tag in self._node_tags:
            self._node.RemoveObserver(tag)
        self._node, self._node_tags = node, []
        self._logic.SetSegmentEditorNode(node)
        if node is not None:
            parameter_event = slicer.vtkMRMLSegmentEditorNode.EffectParameterModified
            self._node_tags = [
                node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self.updateWidgetFromMRML()),
                node.AddObserver(parameter_event, lambda *_: [effect.updateGUIFromMRML() for effect in self._effects]),
            ]
            self._give_node_to_effects()
        self.updateWidgetFromMRML()

    def segmentationNode(self) -> Any:
        return self._node.GetSegmentationNode() if self._node is not None else None

    def setSegmentationNode(self, node: Any) -> None:
        if self._node is None or self._node.GetSegmentationNode() is node:
            return
        self.setActiveEffect(None)
        self._node.SetAndObserveSegmentationNode(node)

    def sourceVolumeNode(self) -> Any:
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def setSourceVolumeNode(self, node: Any) -> None:
        if self._node is not None and self._node.GetSourceVolumeNode() is not node:
            self._node.SetAndObserveSourceVolumeNode(node)

    def currentSegmentID(self) -> str:
        return (self._node.GetSelectedSegmentID() or "") if self._node is not None else ""

    def setCurrentSegmentID(self, segment_id: str) -> None:
        if self._node is not None:
            self._node.SetSelectedSegmentID(segment_id)

    def activeEffect(self) -> Any:
        return self._active

    def setActiveEffect(self, effect: Any) -> None:
        if self._node is not None:
            self._node.SetActiveEffectName(effect.name if effect is not None else "")

    def setActiveEffectByName(self, name: str) -> None:
        self.setActiveEffect(self.effectByName(name))

    def effectByName(self, name: str) -> Any:
        return next((effect for effect in self._effects if effect.name == name), None) if name else None

    def availableEffectNames(self) -> list[str]:
        return [effect.name for effect in self._effects]

    def effectNameOrder(self) -> list[str]:
        return list(self._order)

    def setEffectNameOrder(self, names: list[str]) -> None:
        self._order = list(names)
        self._show_effects()

    def setupViewObservations(self) -> None:
        self.removeViewObservations()
        layout = slicer.app.layoutManager()
        for name in layout.sliceViewNames() if layout is not None else ():
            self._view_tags += observe_view(layout.sliceWidget(name), self._effect_at_work)

    def removeViewObservations(self) -> None:
        for observed, tag in self._view_tags:
            observed.RemoveObserver(tag)
        self._view_tags.clear()

    def _effect_at_work(self) -> Any:
        return self._active if self._scene is not None and not self._scene.IsClosing() else None

    def saveStateForUndo(self) -> None:
        self._logic.SaveStateForUndo()

    def undo(self) -> None:
        if self.segmentationNode() is not None:
            self._logic.Undo()
            self._show_undo()

    def redo(self) -> None:
        if self.segmentationNode() is not None:
            self._logic.Redo()
            self._show_undo()

    def installKeyboardShortcuts(self, parent: QWidget | None = None) -> None:
        self.uninstallKeyboardShortcuts()
        parent = parent or slicer.util.mainWindow() or self
        for keys in SHORTCUTS:
            shortcut = QShortcut(QKeySequence(keys), parent)
            self._shortcuts.append(shortcut)
            if keys in ("Z", "Ctrl+Z"):
                shortcut.activated.connect(self.undo)
            elif keys in ("Y", "Ctrl+Y"):
                shortcut.activated.connect(self.redo)
            elif keys == "Esc":
                shortcut.activated.connect(lambda: self.setActiveEffect(None))
            elif keys == "Space":
                shortcut.activated.connect(lambda: self.setActiveEffect(self._last if self._active is None else None))

    def uninstallKeyboardShortcuts(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts.clear()

    def updateWidgetFromMRML(self) -> None:
        """Follow the segment editor node."""
        if self._node is None or self._scene is None or self._scene.IsClosing():
            return
        self._follow_segmentation()
        if self._node.GetSourceVolumeNode() is not self._source:
            self._source = self._node.GetSourceVolumeNode()
            self._show_source()
            self.sourceVolumeNodeChanged.emit(self._source)
            for effect in self._effects:
                effect.sourceVolumeNodeChanged()
        self._show_segments()
        self._follow_effect()
        self._show_undo()

    def _follow_segmentation(self) -> None:
        node = self._node.GetSegmentationNode()
        if node is self._segmentation:
            return
        for tag in self._segmentation_tags:
            self._segmentation.RemoveObserver(tag)
        self._segmentation, self._segmentation_tags = node, []
        if node is not None:
            events = (slicer.vtkSegmentation.SegmentAdded, slicer.vtkSegmentation.SegmentRemoved)
            events += (slicer.vtkSegmentation.SegmentModified, vtk.vtkCommand.ModifiedEvent)
            self._segmentation_tags = [node.AddObserver(event, lambda *_: self._show_segments()) for event in events]
            reference = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
            if reference is not None:
                self._node.SetAndObserveSourceVolumeNode(reference)
            node.CreateDefaultDisplayNodes()
            if node.GetSegmentation().GetNumberOfSegments() > 0:
                self._node.SetSelectedSegmentID(node.GetSegmentation().GetNthSegmentID(0))
        self.segmentationNodeChanged.emit(node)

    def _follow_effect(self) -> None:
        wanted = self.effectByName(self._node.GetActiveEffectName() or "")
        if wanted is self._active:
            return
        if self._active is not None:
            self._active.deactivate()
        self._last, self._active = self._active, None
        if wanted is not None:
            self.setupViewObservations()
            wanted.activate()
        else:
            self.removeViewObservations()
        self._active = wanted
        self._options.setTitle(wanted.title if wanted is not None else "")
        self._options.setVisible(wanted is not None)
        for name, button in self._buttons.items():
            button.setChecked(name == (wanted.name if wanted is not None else ""))

    def _show_source(self) -> None:
        layout = slicer.app.layoutManager()
        if self._source is None or layout is None or not self._flags["autoShowSourceVolumeNode"]:
            return
        for name in layout.sliceViewNames():
            composite = layout.sliceWidget(name).mrmlSliceCompositeNode()
            if self._source.GetID() not in (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()):
                composite.SetBackgroundVolumeID(self._source.GetID())

    def _give_node_to_effects(self) -> None:
        disabled = self._node.StartModify()
        for effect in self._effects:
            effect.setParameterSetNode(self._node)
            effect.setMRMLDefaults()
        self._node.EndModify(disabled)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_end_close(self, *_: Any) -> None:
        if self._node is not None:
            self._give_node_to_effects()
        self.updateWidgetFromMRML()

    def _update_effects(self) -> None:
        known = set(self.availableEffectNames())
        for registered in qSlicerSegmentEditorEffectFactory.instance().registeredEffects():
            if registered.name in known:
                continue
            effect = registered.clone()
            effect.attach(self._logic, self.setActiveEffectByName)
            effect.setupOptionsFrame()
            effect.optionsFrame().setVisible(False)
            self._options.layout().addWidget(effect.optionsFrame())
            self._effects.append(effect)
            if self._node is not None:
                effect.setParameterSetNode(self._node)
                effect.setMRMLDefaults()
        self._show_effects()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._list = QListWidget()
        self._list.setMaximumHeight(90)
        self._list.currentRowChanged.connect(self._on_row)
        layout.addWidget(self._list)
        self._effects_box = QGroupBox("Effects")
        self._grid = QGridLayout(self._effects_box)
        self._buttons: dict[str, QToolButton] = {}
        layout.addWidget(self._effects_box)
        row = QHBoxLayout()
        self._undo, self._redo = QToolButton(), QToolButton()
        for button, text, slot in ((self._undo, "Undo", self.undo), (self._redo, "Redo", self.redo)):
            button.setText(text)
            button.clicked.connect(slot)
            row.addWidget(button)
        row.addStretch(1)
        layout.addLayout(row)
        self._options = QGroupBox()
        QVBoxLayout(self._options)
        self._options.setVisible(False)
        layout.addWidget(self._options)

    def _show_effects(self) -> None:
        for button in self._buttons.values():
            self._grid.removeWidget(button)
            button.deleteLater()
        self._buttons.clear()
        listed = [effect for name in self._order if (effect := self.effectByName(name)) is not None]
        if self._flags["unorderedEffectsVisible"]:
            listed += [effect for effect in self._effects if effect not in listed]
        for index, effect in enumerate(listed):
            button = QToolButton()
            button.setText(effect.title)
            button.setIcon(effect.icon())
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.clicked.connect(lambda _checked=False, effect=effect: self.setActiveEffect(effect))
            self._buttons[effect.name] = button
            self._grid.addWidget(button, index // 4, index % 4)

    def _show_segments(self) -> None:
        node = self.segmentationNode()
        ids = list(node.GetSegmentation().GetSegmentIDs()) if node is not None and node.GetSegmentation() else []
        if self._node is not None and self.currentSegmentID() and self.currentSegmentID() not in ids:
            self._node.SetSelectedSegmentID(ids[0] if ids else None)
            return
        self._list.blockSignals(True)
        self._list.clear()
        for segment_id in ids:
            segment = node.GetSegmentation().GetSegment(segment_id)
            swatch = QPixmap(12, 12)
            swatch.fill(QColor.fromRgbF(*segment.GetColor()))
            self._list.addItem(QListWidgetItem(QIcon(swatch), segment.GetName() or segment_id))
        self._segment_ids = ids
        if self.currentSegmentID() in ids:
            self._list.setCurrentRow(ids.index(self.currentSegmentID()))
        self._list.blockSignals(False)

    def _show_undo(self) -> None:
        self._undo.setEnabled(self._logic.CanUndo())
        self._redo.setEnabled(self._logic.CanRedo())

    def _on_row(self, row: int) -> None:
        if 0 <= row < len(self._segment_ids):
            self.setCurrentSegmentID(self._segment_ids[row])
            self.currentSegmentIDChanged.emit(self._segment_ids[row])

    @property
    def maximumNumberOfUndoStates(self) -> int:
        return int(self._logic.GetMaximumNumberOfUndoStates())

    @maximumNumberOfUndoStates.setter
    def maximumNumberOfUndoStates(self, count: int) -> None:
        self._logic.SetMaximumNumberOfUndoStates(count)

    def setMaximumNumberOfUndoStates(self, count: int) -> None:
        self._logic.SetMaximumNumberOfUndoStates(count)

    def _set_flag(self, name: str, value: bool) -> None:
        self._flags[name] = bool(value)
        if name == "unorderedEffectsVisible":
            self._show_effects()
        elif name == "readOnly" and value:
            self.setActiveEffect(None)


def _flag(name: str) -> None:
    """A Qt property: an attribute, and its setter as a method, as PythonQt shows both."""

    def set_flag(self: qMRMLSegmentEditorWidget, value: bool) -> None:
        self._set_flag(name, value)

    setattr(qMRMLSegmentEditorWidget, name, property(lambda self: self._flags[name], set_flag))
    setattr(qMRMLSegmentEditorWidget, f"set{name[0].upper()}{name[1:]}", set_flag)


for _name in (
    "unorderedEffectsVisible",
    "segmentationNodeSelectorVisible",
    "sourceVolumeNodeSelectorVisible",
    "switchToSegmentationsButtonVisible",
    "addRemoveSegmentButtonsVisible",
    "show3DButtonVisible",
    "specifyGeometryButtonVisible",
    "maskingSectionVisible",
    "autoShowSourceVolumeNode",
    "undoEnabled",
    "readOnly",
):
    _flag(_name)


def paint(editor: qMRMLSegmentEditorWidget, where: Any, mode: str = "add") -> None:
    """One edit of the current segment by one of Slicer's own tools, one undo state; see `segment_events.edit`."""
    edit(editor._logic, where, mode)


def widget_classes() -> dict[str, type]:
    """What this file brings to the host."""
    make_none_immortal()
    install_effects()
    return {"qMRMLSegmentEditorWidget": qMRMLSegmentEditorWidget}
