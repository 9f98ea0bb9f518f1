# ruff: noqa: N802, N803 - the names are those of Slicer
"""`@parameterPack`: several typed values that are one field of a parameter node."""

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer

from .annotations import Default, NotNone, Validator
from .field_types import split_name, unannotatedType
from .serializer import Serializer, ValidatedSerializer, parameterNodeSerializer, serializer_of


@dataclass(frozen=True)
class Field:
    """One named value of a pack or of a parameter node."""

    basename: str
    serializer: ValidatedSerializer
    default: Default
    unalteredType: Any  # noqa: N815 - Slicer's name


def fields_of(class_: type) -> dict[str, Field]:
    """The annotated fields of a class with their defaults: `= value` before `Default` before the type's own."""
    fields = {}
    for name, annotated in typing.get_type_hints(class_, include_extras=True).items():
        try:
            serializer, default = serializer_of(annotated)
        except TypeError as error:
            raise TypeError(f"Unable to create serializer for {class_} member {name}") from error
        if name in class_.__dict__:
            default = Default(class_.__dict__[name])
        fields[name] = Field(name, serializer, default or Default(serializer.default()), annotated)
    return fields


def isParameterPack(value: Any) -> bool:
    return bool(getattr(value, "_is_parameterPack", False))


def nestedParameterNames(pack: Any) -> list[str]:
    """Dotted names of all values, those of packs in the pack included."""
    pack = pack if isParameterPack(pack) else unannotatedType(pack)
    names = []
    for name, field in pack.allParameters.items():
        kind = unannotatedType(field.unalteredType)
        names += [f"{name}.{each}" for each in nestedParameterNames(kind)] if isParameterPack(kind) else [name]
    return names


def parameterPack(class_: type | None = None) -> Any:
    """Class decorator, with or without parentheses."""
    return _make_pack if class_ is None else _make_pack(class_)


def data_type(fields: dict[str, Field], name: str) -> Any:
    """The annotated type of a field by its dotted name.

    Raises:
        ValueError: for a name that is not there.
    """
    top, rest = split_name(name)
    if top not in fields:
        raise ValueError(f"Cannot find a param with the given name: {top}; there are {', '.join(fields)}")
    annotated = fields[top].unalteredType
    if rest is None:
        return annotated
    kind = unannotatedType(annotated)
    if not isParameterPack(kind):
        raise ValueError(f"{top} is no parameter pack and has no {rest}")
    return data_type(kind.allParameters, rest)


def _make_pack(class_: Any) -> Any:
    fields = fields_of(class_)
    if not fields:
        raise ValueError("Unable to find any members in parameterPack")
    for field in fields.values():
        try:
            field.serializer.validate(field.default.value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The default of {field.basename} fails its own checks: {error}") from error
        setattr(class_, field.basename, _value_property(field))
    own_init = class_.__dict__.get("__init__")

    def init(self: Any, *args: Any, **values: Any) -> None:
        _fill(self, *(() if own_init else args), **({} if own_init else values))
        if own_init:
            own_init(self, *args, **values)

    class_.__init__ = init
    additions = {"__eq__": _equal, "__str__": _text, "__repr__": _text}
    for name, method in additions.items():
        if name not in class_.__dict__:
            setattr(class_, name, method)
    names = {"allParameters": fields, "_is_parameterPack": True, "getValue": _get_value, "setValue": _set_value}
    names["dataType"] = staticmethod(lambda name: data_type(fields, name))
    for name, value in names.items():
        if hasattr(class_, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterPack")
        setattr(class_, name, value)
    return class_


def _values(pack: Any) -> dict[str, Any]:
    return typing.cast(dict[str, Any], pack.__dict__.setdefault("_pack_values", {}))


def _value_property(field: Field) -> property:
    def write(self: Any, value: Any) -> None:
        field.serializer.validate(value)
        _values(self)[field.basename] = value
        save: Callable[[], None] | None = self.__dict__.get("_save")
        if save is not None:
            save()

    return property(lambda self: _values(self)[field.basename], write)


def _fill(self: Any, *args: Any, **values: Any) -> None:
    given = dict(zip(self.allParameters, args, strict=False))
    for name in values:
        if name in given:
            raise TypeError(f"__init__() got multiple values for argument '{name}'")
        if name not in self.allParameters:
            raise TypeError(f"__init__() got an unexpected keyword argument '{name}'")
    given |= values
    for name, field in self.allParameters.items():
        setattr(self, name, given.get(name, field.default.value))


def _equal(self: Any, other: Any) -> bool:
    return isParameterPack(other) and self.allParameters is other.allParameters and _values(self) == _values(other)


def _text(self: Any) -> str:
    values = ", ".join(f"{name}={value!r}" for name, value in _values(self).items())
    return f"{type(self).__name__}({values})"


def _get_value(self: Any, name: str) -> Any:
    top, rest = split_name(name)
    if top not in self.allParameters:
        raise ValueError(f"{self} has no member '{top}'")
    value = getattr(self, top)
    return value if rest is None else value.getValue(rest)


def _set_value(self: Any, name: str, value: Any) -> None:
    top, rest = split_name(name)
    if top not in self.allParameters:
        raise ValueError(f"{self} has no member '{top}'")
    if rest is None:
        setattr(self, top, value)
    else:
        inner = getattr(self, top)
        inner.setValue(rest, value)
        setattr(self, top, inner)


class _OfPack(Validator):
    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def validate(self, value: Any) -> None:
        if not (isParameterPack(value) and value.allParameters is self.kind.allParameters):
            raise ValueError(f"Value must be of type {self.kind}, is {value!r}")


@parameterNodeSerializer
class ParameterPackSerializer(Serializer):
    """Each value of the pack under `<name>.<value>`; read as a pack that writes itself back."""

    def __init__(self, type_: Any) -> None:
        self.type = type_

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return isParameterPack(type_)

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return ValidatedSerializer(ParameterPackSerializer(type_), [NotNone(), _OfPack(type_)])

    @property
    def fields(self) -> dict[str, Field]:
        return typing.cast(dict[str, Field], self.type.allParameters)

    def default(self) -> Any:
        return self.type()

    def isIn(self, parameterNode: Any, name: str) -> bool:
        first = next(iter(self.fields.values()))
        return first.serializer.isIn(parameterNode, f"{name}.{first.basename}")

    def read(self, parameterNode: Any, name: str) -> Any:
        pack = self.type.__new__(self.type)
        values = _values(pack)
        for field in self.fields.values():
            values[field.basename] = field.serializer.read(parameterNode, f"{name}.{field.basename}")
        pack.__dict__["_save"] = lambda: self.write(parameterNode, name, pack)
        return pack

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        with slicer.util.NodeModify(parameterNode):
            for field in self.fields.values():
                field.serializer.write(parameterNode, f"{name}.{field.basename}", _values(value)[field.basename])

    def remove(self, parameterNode: Any, name: str) -> None:
        for field in self.fields.values():
            field.serializer.remove(parameterNode, f"{name}.{field.basename}")

    def supportsCaching(self) -> bool:
        return all(field.serializer.supportsCaching() for field in self.fields.values())


@parameterPack
class FloatRange:
    """Two numbers, the first not above the second."""

    _minimum: float
    _maximum: float

    def __init__(self, minimum: float = 0.0, maximum: float = 0.0) -> None:
        self.setRange(minimum, maximum)

    @property
    def minimum(self) -> float:
        return self._minimum

    @minimum.setter
    def minimum(self, value: float) -> None:
        self.setRange(value, self._maximum)

    @property
    def maximum(self) -> float:
        return self._maximum

    @maximum.setter
    def maximum(self, value: float) -> None:
        self.setRange(self._minimum, value)

    def setRange(self, minimum: float, maximum: float) -> None:
        if not minimum <= maximum:
            raise ValueError(f"FloatRange must have minimum <= maximum: {minimum} <= {maximum}")
        self._minimum, self._maximum = minimum, maximum
