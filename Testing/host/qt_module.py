"""One flat `qt` module out of PySide6, with the manners of PythonQt that a module's code relies on.

PythonQt gives every Qt property as an attribute (`button.text`, `box.checked = True`), where PySide6 gives the C++
methods. The properties are put on PySide6's own classes, so that `type(widget) == qt.QCheckBox` holds for widgets that
a `.ui` file made. From then on, code that uses PySide6 directly in the same process sees the properties, too:
`widget.width` is a number. The setters (`setText`) stay.
"""

import importlib
import sys
import types
from collections.abc import Callable
from inspect import getattr_static
from typing import Any

from PySide6 import QtCore

SOURCES = ("QtCore", "QtGui", "QtWidgets", "QtUiTools", "QtSvg")


def install_qt() -> types.ModuleType:
    """The flat module, also under `sys.modules["qt"]`. A second call returns the first one's."""
    if "qt" in sys.modules:
        return sys.modules["qt"]
    module = types.ModuleType("qt", "PySide6 as PythonQt shows it")
    classes: set[type] = set()
    for source in SOURCES:
        part = importlib.import_module(f"PySide6.{source}")
        # PySide6 creates its classes when they are asked for: dir() knows them, vars() does not.
        for name in dir(part):
            if name.startswith("_"):
                continue
            value = getattr(part, name)
            setattr(module, name, value)
            if isinstance(value, type) and "staticMetaObject" in dir(value):
                classes.add(value)
    # PyQt's and PySide's names, which PythonQt does not know
    for name in ("Signal", "Slot", "Property"):
        delattr(module, name)
    qobject = module.QObject
    for class_ in sorted((each for each in classes if issubclass(each, qobject)), key=lambda each: len(each.__mro__)):
        _show_properties(class_)
        _refuse_unknown_attributes(class_)
    _show_python_qt_names(module)
    sys.modules["qt"] = module
    return module


class _Property:
    """A Qt property as an attribute; on the class it is what PySide6 had there (`QTimer.singleShot(0, f)`)."""

    def __init__(self, name: str, on_class: Any, getter: Callable[[Any], Any] | None, setter: Any) -> None:
        self.name, self.on_class, self.getter, self.setter = name, on_class, getter, setter

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self.on_class
        return self.getter(instance) if self.getter else instance.property(self.name)

    def __set__(self, instance: Any, value: Any) -> None:
        if self.setter:
            self.setter(instance, value)
        elif not instance.setProperty(self.name, value):
            raise AttributeError(f"the property {self.name} of {type(instance).__name__} is read-only")


def _show_properties(class_: type) -> None:
    """Make the class's own Qt properties attributes, and the inherited ones that it overrides with a getter."""
    meta = class_.staticMetaObject  # type: ignore[attr-defined]
    for index in range(meta.propertyCount()):
        name = meta.property(index).name()
        own = class_.__dict__.get(name)
        if index < meta.propertyOffset() and own is None:
            continue
        on_class = getattr(class_, name, None)
        if isinstance(on_class, _Property):
            continue
        capital = name[0].upper() + name[1:]
        getter = on_class if callable(on_class) and not isinstance(own, staticmethod) else None
        getter = getter or getattr(class_, f"is{capital}", None)
        setattr(class_, name, _Property(name, on_class, getter, getattr(class_, f"set{capital}", None)))


def _refuse_unknown_attributes(class_: type) -> None:
    """PythonQt lets only Python's own subclasses have new attributes: `button.tooltip = ...` is an error there."""

    def set_attribute(self: Any, name: str, value: Any) -> None:
        known = getattr_static(type(self), name, None)
        if isinstance(known, QtCore.Property):
            known.fset(self, value)
        elif hasattr(type(known), "__set__"):
            known.__set__(self, value)
        elif known is None and type(self).__module__.startswith("PySide6") and not _is_child_of_ui_file(value, name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}, and PythonQt creates none")
        else:
            self.__dict__[name] = value

    class_.__setattr__ = set_attribute  # type: ignore[assignment, method-assign]


def _is_child_of_ui_file(value: Any, name: str) -> bool:
    """PySide6's own loader gives the root of a `.ui` file its children as attributes."""
    return isinstance(value, QtCore.QObject) and value.property("objectName") == name


def _show_python_qt_names(qt: types.ModuleType) -> None:
    """`name`, `className()`, `delete()` and a `findChild` that takes a class's name."""
    find_child, find_children = qt.QObject.findChild, qt.QObject.findChildren

    def class_of(kind: Any) -> Any:
        return getattr(qt, kind, None) if isinstance(kind, str) else kind

    def by_class_name(widget: Any, kind: str, name: str) -> list[Any]:
        every = find_children(widget, qt.QObject, name) if name else find_children(widget, qt.QObject)
        return [each for each in every if each.metaObject().className() == kind or each.inherits(kind)]

    def child(self: Any, kind: Any, name: str = "") -> Any:
        if isinstance(kind, str) and class_of(kind) is None:
            return next(iter(by_class_name(self, kind, name)), None)
        return find_child(self, class_of(kind), name) if name else find_child(self, class_of(kind))

    def children(self: Any, kind: Any = None, name: str = "") -> list[Any]:
        if isinstance(kind, str) and class_of(kind) is None:
            return by_class_name(self, kind, name)
        kind = class_of(kind) or qt.QObject
        return list(find_children(self, kind, name) if name else find_children(self, kind))

    def delete(self: Any) -> None:
        import shiboken6

        shiboken6.delete(self)

    qt.QObject.findChild, qt.QObject.findChildren = child, children
    qt.QObject.name = _Property("objectName", None, None, qt.QObject.setObjectName)
    qt.QObject.className = lambda self: self.metaObject().className()
    qt.QObject.delete = delete
