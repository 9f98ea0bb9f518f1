"""`@parameterNodeWrapper`: a class's annotated fields as properties over a parameter node."""

import weakref
from functools import partial
from typing import Any

import slicer
import vtk

from .field_types import split_name
from .packs import Field, data_type, fields_of

SlicerParameterNamePropertyName = "SlicerParameterName"
"""Dynamic property of a widget that names the field it shows."""


def parameterNodeWrapper(class_: type | None = None) -> Any:  # noqa: N802
    """Class decorator, with or without parentheses. The class is then made with a vtkMRMLScriptedModuleNode."""
    return _wrap if class_ is None else _wrap(class_)


def isParameterNodeWrapper(value: Any) -> bool:  # noqa: N802
    return bool(getattr(value, "_is_parameter_node_wrapper", False))


def findChildWidgetForParameter(widget: Any, parameter: str) -> Any:  # noqa: N802
    """The widget below `widget` that shows a field, or None."""
    from .widgets import pack_widgets

    children = widget.findChildren("QWidget")
    found = next((each for each in children if each.property(SlicerParameterNamePropertyName) == parameter), None)
    top, rest = split_name(parameter)
    if found is None and rest is not None:
        pack = findChildWidgetForParameter(widget, top)
        found = pack_widgets(pack).get(rest) if pack is not None else None
    return found


def _wrap(class_: Any) -> Any:
    fields = fields_of(class_)
    for field in fields.values():
        setattr(class_, field.basename, _field_property(field.basename))
    class_.__init__ = _init
    names: dict[str, Any] = {"allParameters": fields, "_is_parameter_node_wrapper": True}
    names["dataType"] = staticmethod(lambda name: data_type(fields, name))
    methods = (getValue, setValue, default, isCached, connectGui, connectParametersToGui, disconnectGui)
    names |= {each.__name__: each for each in methods}
    names |= {each.__name__: each for each in (StartModify, EndModify, AddObserver, RemoveObserver, Modified)}
    for name, value in names.items():
        if hasattr(class_, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        setattr(class_, name, value)
    return class_


class _Stored:
    """One field in one parameter node. What can be cached is, and follows the node's ModifiedEvent."""

    def __init__(self, field: Field, node: Any, prefix: str) -> None:
        self.field, self.node, self.name = field, node, prefix + field.basename
        if not field.serializer.isIn(node, self.name):
            field.serializer.write(node, self.name, field.default.value)
        self.cached = field.serializer.supportsCaching()
        self._writing = False
        if self.cached:
            self._value = self._read()
            # a strong reference in the observer would keep this alive as long as the node
            me = weakref.ref(self)
            tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: _follow(me))
            weakref.finalize(self, node.RemoveObserver, tag)

    def _read(self) -> Any:
        # a closed scene takes the parameters out of a singleton node: the default comes back
        if not self.field.serializer.isIn(self.node, self.name):
            self.field.serializer.write(self.node, self.name, self.field.default.value)
        return self.field.serializer.read(self.node, self.name)

    def follow(self) -> None:
        if not self._writing:
            self._value = self._read()

    def read(self) -> Any:
        return self._value if self.cached else self._read()

    def write(self, value: Any) -> None:
        self._writing = True
        try:
            with slicer.util.NodeModify(self.node):
                self.field.serializer.write(self.node, self.name, value)
                # before the observers are told: they may ask
                if self.cached:
                    self._value = self._read()
        finally:
            self._writing = False


def _follow(stored: "weakref.ref[_Stored]") -> None:
    alive = stored()
    if alive is not None:
        alive.follow()


def _init(self: Any, parameterNode: Any, prefix: str | None = None) -> None:  # noqa: N803
    self.parameterNode = parameterNode
    self._stored = {name: _Stored(field, parameterNode, prefix or "") for name, field in self.allParameters.items()}
    self._connected = {}
    self._next_tag = 0
    self._updating_widgets = False


def _field_property(name: str) -> property:
    return property(lambda self: self._stored[name].read(), lambda self, value: self._stored[name].write(value))


def getValue(self: Any, name: str) -> Any:  # noqa: N802
    """Value of a field by its dotted name."""
    self.dataType(name)
    top, rest = split_name(name)
    value = self._stored[top].read()
    return value if rest is None else value.getValue(rest)


def setValue(self: Any, name: str, value: Any) -> None:  # noqa: N802
    """Write a field by its dotted name."""
    self.dataType(name)
    top, rest = split_name(name)
    if rest is None:
        self._stored[top].write(value)
    else:
        self._stored[top].read().setValue(rest, value)


def default(self: Any, name: str) -> Any:
    """The field's `Default`."""
    self.dataType(name)
    return self.allParameters[name].default


def isCached(self: Any, name: str) -> bool:  # noqa: N802
    self.dataType(name)
    return bool(self._stored[name].cached)


def connectParametersToGui(self: Any, mapping: dict[str, Any]) -> int:  # noqa: N802
    """Bind fields to widgets, both ways; returns a tag for `disconnectGui`.

    Args:
        self: the parameter node wrapper.
        mapping: name of a field -> widget, or a GuiConnector.
    """
    from .widgets import GuiConnector, createGuiConnector

    connectors = {
        name: widget if isinstance(widget, GuiConnector) else createGuiConnector(widget, self.dataType(name))
        for name, widget in mapping.items()
    }
    tag = self._next_tag
    self._next_tag += 1
    self._connected[tag] = connectors
    for name, connector in connectors.items():
        connector.write(self.getValue(name))
        connector.onChanged(partial(_write_from_widget, self, name, connector))
    self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: _show_in_widgets(self))
    return tag


def connectGui(self: Any, gui: Any) -> None:  # noqa: N802
    """Bind each widget that has the dynamic property SlicerParameterName to the field that it names.

    Slicer's own gives back no tag either, so `disconnectGui` cannot undo this; bind with `connectParametersToGui`
    where that matters.

    Args:
        self: the parameter node wrapper.
        gui: a widget, or what `slicer.util.childWidgetVariables` gives.
    """
    is_widget = getattr(gui, "isWidgetType", lambda: False)()
    widgets = gui.findChildren("QWidget") if is_widget else list(vars(gui).values())
    named = {each.property(SlicerParameterNamePropertyName): each for each in widgets}
    self.connectParametersToGui({name: widget for name, widget in named.items() if name})


def disconnectGui(self: Any, tag: int | None) -> None:  # noqa: N802
    for connector in self._connected.pop(tag, {}).values():
        connector.onChanged(None)


def _write_from_widget(self: Any, name: str, connector: Any) -> None:
    with slicer.util.NodeModify(self):
        if not self._updating_widgets:
            self.setValue(name, connector.read())


def _show_in_widgets(self: Any) -> None:
    if self._updating_widgets:
        return
    self._updating_widgets = True
    try:
        with slicer.util.NodeModify(self):
            for connectors in self._connected.values():
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
    finally:
        self._updating_widgets = False


def StartModify(self: Any) -> int:  # noqa: N802
    return int(self.parameterNode.StartModify())


def EndModify(self: Any, wasModified: int) -> int:  # noqa: N802, N803
    return int(self.parameterNode.EndModify(wasModified))


def AddObserver(self: Any, event: Any, callback: Any, priority: float = 0.0) -> int:  # noqa: N802
    return int(self.parameterNode.AddObserver(event, callback, priority))


def RemoveObserver(self: Any, tag: int) -> None:  # noqa: N802
    self.parameterNode.RemoveObserver(tag)


def Modified(self: Any) -> None:  # noqa: N802
    self.parameterNode.Modified()
