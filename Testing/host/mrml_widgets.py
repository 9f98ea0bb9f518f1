# ruff: noqa: N801, N802, N815 - the names are those of Qt, CTK and Slicer
"""Stand-ins of the qMRML widgets that the panel's `.ui` files name. Import after `install_qt`."""

from typing import Any

import slicer
from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from .ctk_numbers import ctkDoubleSpinBox, ctkSliderWidget

NONE = "None"


class _SceneHolder:
    """`setMRMLScene`, `mrmlScene` and the signal, as every qMRML widget has them."""

    _scene: Any = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        self._scene = scene
        self._scene_changed()
        self.mrmlSceneChanged.emit(scene)  # type: ignore[attr-defined]

    def _scene_changed(self) -> None:
        """For the classes that show something of the scene."""


class qMRMLWidget(_SceneHolder, QWidget):
    """Root of a module's `.ui`: hands the scene on to whom the `.ui` file connects."""

    mrmlSceneChanged = Signal(object)


class qSlicerWidget(_SceneHolder, QWidget):
    """Parent of a module's widget."""

    mrmlSceneChanged = Signal(object)


class qMRMLCollapsibleFrame(QFrame):
    """Only a frame."""


class qMRMLSliderWidget(_SceneHolder, ctkSliderWidget):
    """A slider widget whose unit may come from the scene."""

    mrmlSceneChanged = Signal(object)


class qMRMLSpinBox(_SceneHolder, ctkDoubleSpinBox):
    """A spin box whose unit may come from the scene."""

    mrmlSceneChanged = Signal(object)


class qMRMLNodeComboBox(_SceneHolder, QWidget):
    """Chooses a node of the scene by class and attributes; follows additions, removals, renames and closing."""

    mrmlSceneChanged = Signal(object)
    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    currentNodeRenamed = Signal(str)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAboutToBeRemoved = Signal(object)
    nodeActivated = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._combo = QComboBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self._types: list[str] = []
        self._hidden_types: list[str] = []
        self._flags = {"noneEnabled": False, "addEnabled": True, "removeEnabled": True, "editEnabled": False}
        self._flags |= {"renameEnabled": False, "showHidden": False, "showChildNodeTypes": True}
        self._flags |= {"selectNodeUponCreation": True}
        self._texts = {"baseName": "", "noneDisplay": NONE}
        self._attributes: dict[str, dict[str, Any]] = {}
        self._nodes: list[Any] = []
        self._current: Any = None
        self._tags: list[tuple[Any, int]] = []
        self._combo.activated.connect(self._chosen)
        tags = self._tags
        self.destroyed.connect(lambda: _remove_observers(tags))

    def _scene_changed(self) -> None:
        _remove_observers(self._tags)
        if self._scene is not None:
            for event in ("NodeAddedEvent", "NodeRemovedEvent", "EndBatchProcessEvent", "EndImportEvent"):
                self._observe(self._scene, getattr(slicer.vtkMRMLScene, event))
        self._refresh()

    def _observe(self, owner: Any, event: int) -> None:
        self._tags.append((owner, owner.AddObserver(event, lambda caller, name: self._refresh())))

    def _matches(self, node: Any) -> bool:
        class_name = node.GetClassName()
        if self._flags["showChildNodeTypes"]:
            kind = next((each for each in self._types if node.IsA(each)), None)
        else:
            kind = class_name if class_name in self._types else None
        if any(node.IsA(each) for each in self._hidden_types):
            return False
        if kind is None or (node.GetHideFromEditors() and not self._flags["showHidden"]):
            return False
        wanted = self._attributes.get(kind, {})
        return all(
            node.GetAttribute(name) is not None and (value is None or node.GetAttribute(name) == str(value))
            for name, value in wanted.items()
        )

    def _refresh(self) -> None:
        scene = self._scene
        if scene is not None and scene.IsBatchProcessing() and not scene.IsImporting():
            return
        nodes = [] if scene is None else [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
        self._nodes = [node for node in nodes if self._matches(node)]
        current = self._current if any(node is self._current for node in self._nodes) else None
        if current is None and self._nodes and not self._flags["noneEnabled"]:
            current = self._nodes[0]
        self._fill(current)
        self._select(current)

    def _fill(self, current: Any) -> None:
        blocked = self._combo.blockSignals(True)
        self._combo.clear()
        if self._flags["noneEnabled"]:
            self._combo.addItem(self._texts["noneDisplay"])
        for node in self._nodes:
            self._combo.addItem(node.GetName() or node.GetID())
        self._show(current)
        self._combo.blockSignals(blocked)

    def _show(self, current: Any) -> None:
        first = 1 if self._flags["noneEnabled"] else 0
        at = next((index for index, node in enumerate(self._nodes) if node is current), None)
        self._combo.setCurrentIndex(first - 1 if at is None else first + at)

    def _select(self, node: Any) -> None:
        if node is self._current:
            return
        self._current = node
        self.currentNodeChanged.emit(node)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _chosen(self, index: int) -> None:
        at = index - (1 if self._flags["noneEnabled"] else 0)
        self._select(self._nodes[at] if 0 <= at < len(self._nodes) else None)
        self.nodeActivated.emit(self._current)

    def currentNode(self) -> Any:
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node) if self._scene is not None else None
        if not any(each is node for each in self._nodes):
            node = None
        blocked = self._combo.blockSignals(True)
        self._show(node)
        self._combo.blockSignals(blocked)
        self._select(node)

    def setCurrentNodeID(self, node_id: str) -> None:
        self.setCurrentNode(node_id)

    def nodeCount(self) -> int:
        return len(self._nodes)

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        self._attributes.setdefault(node_type, {})[name] = value
        self._refresh()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._attributes.get(node_type, {}).pop(name, None)
        self._refresh()

    def addNode(self, node_type: str = "") -> Any:
        node = self._scene.AddNewNodeByClass(node_type or self._types[0], self._texts["baseName"])
        if self._flags["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def setNodeTypes(self, types: Any) -> None:
        self._types = [str(each) for each in types]
        self._refresh()

    def setHideChildNodeTypes(self, types: Any) -> None:
        self._hidden_types = [str(each) for each in types]
        self._refresh()

    def _set_flag(self, name: str, value: bool) -> None:
        self._flags[name] = bool(value)
        self._refresh()

    def _set_text(self, name: str, value: str) -> None:
        self._texts[name] = value
        self._refresh()

    def setNoneEnabled(self, enabled: bool) -> None:
        self._set_flag("noneEnabled", enabled)

    def setAddEnabled(self, enabled: bool) -> None:
        self._set_flag("addEnabled", enabled)

    def setRemoveEnabled(self, enabled: bool) -> None:
        self._set_flag("removeEnabled", enabled)

    def setShowHidden(self, shown: bool) -> None:
        self._set_flag("showHidden", shown)

    nodeTypes = Property("QStringList", lambda self: self._types, setNodeTypes)
    hideChildNodeTypes = Property("QStringList", lambda self: self._hidden_types, setHideChildNodeTypes)
    currentNodeID = Property(
        str, lambda self: self._current.GetID() if self._current is not None else "", setCurrentNodeID
    )
    noneEnabled = Property(bool, lambda self: self._flags["noneEnabled"], setNoneEnabled)
    addEnabled = Property(bool, lambda self: self._flags["addEnabled"], setAddEnabled)
    removeEnabled = Property(bool, lambda self: self._flags["removeEnabled"], setRemoveEnabled)
    editEnabled = Property(
        bool, lambda self: self._flags["editEnabled"], lambda self, on: self._set_flag("editEnabled", on)
    )
    renameEnabled = Property(
        bool, lambda self: self._flags["renameEnabled"], lambda self, on: self._set_flag("renameEnabled", on)
    )
    showHidden = Property(bool, lambda self: self._flags["showHidden"], setShowHidden)
    showChildNodeTypes = Property(
        bool, lambda self: self._flags["showChildNodeTypes"], lambda self, on: self._set_flag("showChildNodeTypes", on)
    )
    selectNodeUponCreation = Property(
        bool,
        lambda self: self._flags["selectNodeUponCreation"],
        lambda self, on: self._set_flag("selectNodeUponCreation", on),
    )
    baseName = Property(str, lambda self: self._texts["baseName"], lambda self, text: self._set_text("baseName", text))
    noneDisplay = Property(
        str, lambda self: self._texts["noneDisplay"], lambda self, text: self._set_text("noneDisplay", text)
    )


def _remove_observers(tags: list[tuple[Any, int]]) -> None:
    for owner, tag in tags:
        owner.RemoveObserver(tag)
    tags.clear()


class _BrowserWidget(_SceneHolder, QWidget):
    """Plays or seeks the sequences of one browser node."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._browser: Any = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)

    def setMRMLSequenceBrowserNode(self, node: Any) -> None:
        self._browser = node

    def sequenceBrowserNode(self) -> Any:
        return self._browser


class qMRMLSequenceBrowserPlayWidget(_BrowserWidget):
    """Buttons that play."""


class qMRMLSequenceBrowserSeekWidget(_BrowserWidget):
    """A slider that seeks."""


def widget_classes() -> dict[str, type]:
    """Name as a `.ui` file and `slicer` have it -> stand-in."""
    classes = (
        qMRMLWidget,
        qSlicerWidget,
        qMRMLCollapsibleFrame,
        qMRMLNodeComboBox,
        qMRMLSliderWidget,
        qMRMLSpinBox,
        qMRMLSequenceBrowserPlayWidget,
        qMRMLSequenceBrowserSeekWidget,
    )
    return {each.__name__: each for each in classes}
