# ruff: noqa: N802 - the names are those of Slicer
"""Connectors between a widget and a field: which widget may show which type, how it is read, written and watched.

A widget is matched by its exact class, as Slicer does it: a subclass of QComboBox is not a QComboBox here.
"""

import enum
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from .annotations import Choice, Decimals, Maximum, Minimum, RangeBounds, SingleStep, WithinRange
from .field_types import findFirstAnnotation, getNodeTypes, isNodeOrUnionOfNodes, splitAnnotations, unannotatedType
from .packs import FloatRange, isParameterPack, nestedParameterNames
from .serializers import PATHS

SlicerPackParameterNamePropertyName = "SlicerPackParameterName"


class GuiConnector(ABC):
    """One widget for one field. Others register theirs with `parameterNodeGuiConnector`."""

    def __init__(self, widget: Any = None) -> None:
        self._widget, self._callback = widget, None

    @staticmethod
    @abstractmethod
    def canRepresent(widget: Any, datatype: Any) -> bool: ...

    @classmethod
    def create(cls, widget: Any, datatype: Any) -> "GuiConnector | None":
        return cls(widget, datatype) if cls.canRepresent(widget, datatype) else None

    def onChanged(self, callback: Callable[[], None] | None) -> None:
        """Call this at each change of the widget; None stops that."""
        self._callback = callback  # type: ignore[assignment]
        if callback is None:
            self._disconnect()
        else:
            self._connect()

    def changed(self, *_: Any) -> None:
        if self._callback is not None:
            self._callback()

    def widget(self) -> Any:
        return self._widget

    @abstractmethod
    def _connect(self) -> None: ...

    @abstractmethod
    def _disconnect(self) -> None: ...

    @abstractmethod
    def read(self) -> Any: ...

    @abstractmethod
    def write(self, value: Any) -> None: ...


_registered: list[type[GuiConnector]] = []


def parameterNodeGuiConnector(class_: type[GuiConnector] | None = None) -> Any:
    """Class decorator that registers a connector."""

    def register(connector: type[GuiConnector]) -> type[GuiConnector]:
        _registered.append(connector)
        return connector

    return register if class_ is None else register(class_)


def createGuiConnector(widget: Any, datatype: Any) -> GuiConnector:
    """The first registered connector that takes the two.

    Raises:
        RuntimeError: where none does.
    """
    for each in _registered:
        if each.canRepresent(widget, datatype):
            connector = each.create(widget, datatype)
            assert connector is not None
            return connector
    raise RuntimeError(f"Unable to create GUI connector from datatype '{datatype}' to widget type '{type(widget)}'")


class _ByProperty(GuiConnector):
    """A widget that holds the value in one property and tells of it with one signal."""

    widget_classes: tuple[str, ...]
    property_name: str
    signal_name: str
    kinds: tuple[Any, ...]

    def __init__(self, widget: Any, datatype: Any) -> None:
        super().__init__(widget)
        self.kind, self.annotations = splitAnnotations(datatype)
        self.prepare()

    def prepare(self) -> None:
        """Fit the widget to the annotations."""

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:  # type: ignore[override]
        return type(widget).__name__ in cls.widget_classes and unannotatedType(datatype) in cls.kinds

    def _connect(self) -> None:
        getattr(self._widget, self.signal_name).connect(self.changed)

    def _disconnect(self) -> None:
        getattr(self._widget, self.signal_name).disconnect(self.changed)

    def read(self) -> Any:
        return getattr(self._widget, self.property_name)

    def write(self, value: Any) -> None:
        setattr(self._widget, self.property_name, value)


@parameterNodeGuiConnector
class _CheckBox(_ByProperty):
    widget_classes, property_name, signal_name, kinds = ("QCheckBox", "ctkCheckBox"), "checked", "stateChanged", (bool,)


@parameterNodeGuiConnector
class _PushButton(_ByProperty):
    widget_classes, property_name, signal_name, kinds = ("QPushButton",), "checked", "toggled", (bool,)

    def prepare(self) -> None:
        self._widget.checkable = True


class _Number(_ByProperty):
    property_name, signal_name = "value", "valueChanged"
    slider_classes: tuple[str, ...]
    ends: tuple[float, float]

    def prepare(self) -> None:
        for kind, name in ((Decimals, "decimals"), (SingleStep, "singleStep")):
            hint = findFirstAnnotation(self.annotations, kind)
            if hint is not None:
                setattr(self._widget, name, hint.value)
        within = findFirstAnnotation(self.annotations, WithinRange)
        low, high = (findFirstAnnotation(self.annotations, kind) for kind in (Minimum, Maximum))
        bounded = within is not None or (low is not None and high is not None)
        if type(self._widget).__name__ in self.slider_classes and not bounded:
            raise RuntimeError("A slider cannot show a number that has no range: annotate it with WithinRange")
        minimum = within.minimum if within else low.minimum if low else self.ends[0]
        maximum = within.maximum if within else high.maximum if high else self.ends[1]
        self._widget.setMinimum(minimum)
        self._widget.setMaximum(maximum)


@parameterNodeGuiConnector
class _Integer(_Number):
    widget_classes, slider_classes, kinds = ("QSlider", "QSpinBox"), ("QSlider",), (int,)
    ends = (-(2**31), 2**31 - 1)


@parameterNodeGuiConnector
class _Float(_Number):
    slider_classes, kinds = ("ctkSliderWidget", "qMRMLSliderWidget"), (float,)
    widget_classes = ("QDoubleSpinBox", "ctkDoubleSpinBox", "qMRMLSpinBox", *slider_classes)
    ends = (-math.inf, math.inf)


class _Combo(_ByProperty):
    """Its items are made anew out of the field's values; what the `.ui` file lists is lost."""

    widget_classes, property_name, signal_name = ("QComboBox", "ctkComboBox"), "currentIndex", "currentIndexChanged"

    def labelled(self) -> list[tuple[str, Any]]:
        raise NotImplementedError

    def prepare(self) -> None:
        self.items = self.labelled()
        self._widget.clear()
        for label, _ in self.items:
            self._widget.addItem(label)

    def read(self) -> Any:
        return self.items[self._widget.currentIndex][1]

    def write(self, value: Any) -> None:
        index = next((at for at, (_, item) in enumerate(self.items) if item == value), None)
        if index is None:
            raise ValueError(f"Unable to find value {value} in {self.items}")
        self._widget.currentIndex = index


@parameterNodeGuiConnector
class _ComboOfChoices(_Combo):
    kinds = (int, float, str, bool)

    def labelled(self) -> list[tuple[str, Any]]:
        choice = findFirstAnnotation(self.annotations, Choice)
        if choice is None:
            raise RuntimeError("A combo box needs the Choice annotation")
        return [(str(each), each) for each in choice.choices]


@parameterNodeGuiConnector
class _ComboOfEnum(_Combo):
    """Labels are the members' names, or what the Enum's own `label()` gives."""

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:
        kind = unannotatedType(datatype)
        return type(widget).__name__ in cls.widget_classes and isinstance(kind, type) and issubclass(kind, enum.Enum)

    def labelled(self) -> list[tuple[str, Any]]:
        label = getattr(self.kind, "label", lambda each: each.name)
        return [(label(each), each) for each in self.kind]


@parameterNodeGuiConnector
class _LineEdit(_ByProperty):
    """Each change comes back as a write of the same text, which puts the cursor to the end; so it is in Slicer."""

    widget_classes, property_name, signal_name, kinds = ("QLineEdit",), "text", "textChanged", (str,)


@parameterNodeGuiConnector
class _TextEdit(_ByProperty):
    widget_classes, property_name, signal_name, kinds = ("QTextEdit",), "plainText", "textChanged", (str,)


class _Path(_ByProperty):
    kinds = PATHS

    def read(self) -> Any:
        return self.kind(super().read())

    def write(self, value: Any) -> None:
        super().write(str(value))


@parameterNodeGuiConnector
class _PathLineEdit(_Path):
    widget_classes, property_name, signal_name = ("ctkPathLineEdit",), "currentPath", "currentPathChanged"


@parameterNodeGuiConnector
class _DirectoryButton(_Path):
    widget_classes, property_name, signal_name = ("ctkDirectoryButton",), "directory", "directoryChanged"


@parameterNodeGuiConnector
class _NodeCombo(_ByProperty):
    """Its node types are those of the field; what the `.ui` file says of them is lost."""

    signal_name = "currentNodeChanged"

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:
        return type(widget).__name__ == "qMRMLNodeComboBox" and isNodeOrUnionOfNodes(datatype)

    def prepare(self) -> None:
        self._widget.nodeTypes = getNodeTypes(self.kind)

    def read(self) -> Any:
        return self._widget.currentNode()

    def write(self, value: Any) -> None:
        self._widget.setCurrentNode(value)


@parameterNodeGuiConnector
class _RangeWidget(_ByProperty):
    widget_classes, signal_name, kinds = ("ctkRangeWidget",), "valuesChanged", (FloatRange,)

    def prepare(self) -> None:
        bounds = findFirstAnnotation(self.annotations, RangeBounds)
        if bounds is None:
            raise RuntimeError("A range widget cannot show a range without ends: annotate it with RangeBounds")
        self._widget.setRange(bounds.minimum, bounds.maximum)

    def read(self) -> FloatRange:
        return FloatRange(self._widget.minimumValue, self._widget.maximumValue)

    def write(self, value: Any) -> None:
        self._widget.setValues(value.minimum, value.maximum)


def pack_widgets(widget: Any) -> dict[str, Any]:
    """Dotted name within the pack -> the widget that shows it, by the dynamic property SlicerPackParameterName."""
    named = {}
    for child in widget.findChildren("QWidget"):
        parts: list[str] = []
        at = child
        while at is not None and at is not widget:
            own = at.property(SlicerPackParameterNamePropertyName)
            if own is not None:
                parts.insert(0, own)
            at = at.parent()
        if child.property(SlicerPackParameterNamePropertyName) is not None:
            named[".".join(parts)] = child
    inner = {name.rpartition(".")[0] for name in named}
    return {name: child for name, child in named.items() if name not in inner}


@parameterNodeGuiConnector
class _PackWidget(GuiConnector):
    """A widget whose children show the values of a pack."""

    def __init__(self, widget: Any, datatype: Any) -> None:
        super().__init__(widget)
        self.kind = unannotatedType(datatype)
        shown = pack_widgets(widget)
        names = nestedParameterNames(self.kind)
        self.connectors = {name: createGuiConnector(shown[name], self.kind.dataType(name)) for name in names}

    @staticmethod
    def canRepresent(widget: Any, datatype: Any) -> bool:
        kind = unannotatedType(datatype)
        return isParameterPack(kind) and set(nestedParameterNames(kind)) <= set(pack_widgets(widget))

    def _connect(self) -> None:
        for connector in self.connectors.values():
            connector.onChanged(self.changed)

    def _disconnect(self) -> None:
        for connector in self.connectors.values():
            connector.onChanged(None)

    def read(self) -> Any:
        pack = self.kind()
        for name, connector in self.connectors.items():
            pack.setValue(name, connector.read())
        return pack

    def write(self, value: Any) -> None:
        for name, connector in self.connectors.items():
            connector.write(value.getValue(name))
