# ruff: noqa: N802 - the names are those of Qt, CTK and Slicer
"""`qt.QUiLoader` that builds the stand-ins, and refuses a class that nobody brings."""

import types
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

SCENE_SIGNAL = "mrmlSceneChanged(vtkMRMLScene*)"
"""How a `.ui` file connects a qMRML widget to the root's scene; PySide6 has no such type, so the loader does it."""


def install_ui_loader(qt: types.ModuleType, widgets: dict[str, type]) -> None:
    """Make `qt.QUiLoader`, and with it `slicer.util.loadUI`, know the widgets."""
    plain = qt.QUiLoader

    class QUiLoader(plain):  # type: ignore[valid-type, misc]
        def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
            if class_name in widgets:
                widget = widgets[class_name](parent)
                widget.setObjectName(name)
                return widget
            return super().createWidget(class_name, parent, name)

        def load(self, device: Any, parent: Any = None) -> Any:
            tree = ElementTree.fromstring(bytes(device.readAll().data()))
            unknown = {each.get("class", "") for each in tree.iter("widget")} - set(widgets) - set(dir(qt))
            if unknown:
                raise RuntimeError(f"no such widget in Qt or among the host's stand-ins: {', '.join(sorted(unknown))}")
            receivers = _take_scene_connections(tree)
            _drop_enumerations(tree, widgets)
            buffer = qt.QBuffer()
            buffer.setData(ElementTree.tostring(tree))
            buffer.open(qt.QIODevice.ReadOnly)
            root = super().load(buffer, parent)
            if root is not None:
                _connect_scene(root, receivers)
                for widget in (root, *root.findChildren("QWidget")):
                    _give_python_properties(widget)
            return root

    qt.QUiLoader = QUiLoader


def _take_scene_connections(tree: ElementTree.Element) -> list[str]:
    """Names of the widgets that take the root's scene; their connections are removed from the tree."""
    connections = tree.find("connections")
    if connections is None:
        return []
    receivers = []
    for connection in list(connections):
        if connection.findtext("signal") == SCENE_SIGNAL:
            receivers.append(connection.findtext("receiver", ""))
            connections.remove(connection)
    return receivers


def _drop_enumerations(tree: ElementTree.Element, widgets: dict[str, type]) -> None:
    """Leave out `ctkPathLineEdit::Dirs` and the like: Python's stand-ins have no such enumerations."""
    for widget in tree.iter("widget"):
        if widget.get("class") in widgets:
            for entry in widget.findall("property"):
                value = entry.find("set") if entry.find("set") is not None else entry.find("enum")
                if value is not None and (value.text or "").startswith(("ctk", "qMRML", "qSlicer")):
                    widget.remove(entry)


def _connect_scene(root: Any, receivers: list[str]) -> None:
    for name in receivers:
        receiver: Any = root.findChild("QWidget", name)
        if receiver is None or not hasattr(receiver, "setMRMLScene"):
            raise RuntimeError(f"the .ui file gives the scene to {name}, which takes none")
        take: Callable[[Any], None] = receiver.setMRMLScene
        root.mrmlSceneChanged.connect(take)


def _give_python_properties(widget: Any) -> None:
    """Pass on what the `.ui` file says of a stand-in whose properties are Python's; Qt made them dynamic ones."""
    for raw in widget.dynamicPropertyNames():
        name = bytes(raw.data()).decode()
        known = getattr(type(widget), name, None)
        if isinstance(known, property) and known.fset is not None:
            known.fset(widget, widget.property(name))
