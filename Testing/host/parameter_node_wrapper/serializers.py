"""How a value is kept in the parameter node: as text under its field's name, or as a node reference."""

import enum
import pathlib
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import slicer

from .annotations import Default, IsInstance, IsNone, NotNone, Validator
from .observed import ObservedDict, ObservedList
from .types import is_new_union, is_node, members_of_union, splitAnnotations

PATHS = (
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)


class Serializer(ABC):
    """Reads, writes and removes the values of one type; `cached` where a read value cannot go stale unnoticed."""

    validators: tuple[Validator, ...] = ()
    cached = True

    @abstractmethod
    def default(self) -> Any: ...

    @abstractmethod
    def read(self, node: Any, name: str) -> Any: ...

    @abstractmethod
    def put(self, node: Any, name: str, value: Any) -> None:
        """Store a value that was validated."""

    def takes(self, value: Any) -> bool:
        """Whether a Union may hand the value to this one."""
        try:
            self.validate(value)
        except (TypeError, ValueError):
            return False
        return True

    def validate(self, value: Any) -> None:
        for validator in self.validators:
            validator.validate(value)

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        self.put(node, name, value)

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(name))

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class _Text(Serializer):
    """int, float, str and paths: what `str` gives and the type takes."""

    def __init__(self, kind: type, start: Any) -> None:
        self.kind, self.start = kind, start
        self.validators = (NotNone(), IsInstance((int, float) if kind is float else kind))

    def default(self) -> Any:
        return self.start

    def read(self, node: Any, name: str) -> Any:
        return self.kind(node.GetParameter(name))

    def put(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, str(value))


class _Bool(Serializer):
    validators = (NotNone(), IsInstance(bool))

    def default(self) -> bool:
        return False

    def read(self, node: Any, name: str) -> bool:
        return bool(node.GetParameter(name) == "True")

    def put(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "True" if value else "False")


class _Enum(Serializer):
    """Kept by the member's name."""

    def __init__(self, kind: type[enum.Enum]) -> None:
        if not len(kind):
            raise ValueError("Cannot serialize an empty Enum")
        self.kind, self.validators = kind, (IsInstance(kind),)

    def default(self) -> enum.Enum:
        return next(iter(self.kind))

    def read(self, node: Any, name: str) -> enum.Enum:
        key = node.GetParameter(name)
        if key not in self.kind.__members__:
            raise ValueError(f"Found {key!r} in the parameter node, which is no name of {self.kind!r}")
        return self.kind[key]

    def put(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, value.name)


class _Node(Serializer):
    """A node reference with the field's name as role, so that it follows the node and ends with it."""

    def __init__(self, kind: type) -> None:
        self.kind, self.validators = kind, (IsInstance(kind),)

    def default(self) -> None:
        return None

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def put(self, node: Any, name: str, value: Any) -> None:
        # an empty parameter of the same name says that the field was written, which a reference to None cannot
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class _None(Serializer):
    """The None of `Optional`."""

    validators = (IsNone(),)

    def default(self) -> None:
        return None

    def read(self, node: Any, name: str) -> None:
        return None

    def put(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "True")


class _List(Serializer):
    """One parameter an element and one for the length; read as a list that writes itself back."""

    def __init__(self, element: Serializer) -> None:
        self.element, self.cached = element, element.cached

    def default(self) -> list[Any]:
        return []

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(f"{name}_len"))

    def _length(self, node: Any, name: str) -> int:
        return int(node.GetParameter(f"{name}_len")) if self.is_in(node, name) else 0

    def read(self, node: Any, name: str) -> ObservedList:
        values = [self.element.read(node, f"{name}_{index}") for index in range(self._length(node, name))]
        return ObservedList(node, self, name, values)

    def put(self, node: Any, name: str, value: Any) -> None:
        values = list(value)
        for each in values:
            self.element.validate(each)
        with slicer.util.NodeModify(node):
            before = self._length(node, name)
            for index, each in enumerate(values):
                self.element.write(node, f"{name}_{index}", each)
            node.SetParameter(f"{name}_len", str(len(values)))
            for index in range(len(values), before):
                self.element.remove(node, f"{name}_{index}")

    def remove(self, node: Any, name: str) -> None:
        with slicer.util.NodeModify(node):
            for index in range(self._length(node, name)):
                self.element.remove(node, f"{name}_{index}")
            node.UnsetParameter(f"{name}_len")


class _Tuple(Serializer):
    def __init__(self, elements: list[Serializer]) -> None:
        self.elements, self.cached = elements, all(each.cached for each in elements)

    def default(self) -> tuple[Any, ...]:
        return tuple(each.default() for each in self.elements)

    def is_in(self, node: Any, name: str) -> bool:
        return self.elements[0].is_in(node, f"{name}_0")

    def read(self, node: Any, name: str) -> tuple[Any, ...]:
        return tuple(each.read(node, f"{name}_{index}") for index, each in enumerate(self.elements))

    def validate(self, value: Any) -> None:
        values = tuple(value)
        if len(values) != len(self.elements):
            raise ValueError(f"Expected {len(self.elements)} values in the tuple, got {len(values)}")
        for each, part in zip(self.elements, values, strict=True):
            each.validate(part)
        super().validate(value)

    def put(self, node: Any, name: str, value: Any) -> None:
        with slicer.util.NodeModify(node):
            for index, (each, part) in enumerate(zip(self.elements, value, strict=True)):
                each.write(node, f"{name}_{index}", part)

    def remove(self, node: Any, name: str) -> None:
        with slicer.util.NodeModify(node):
            for index, each in enumerate(self.elements):
                each.remove(node, f"{name}_{index}")


class _Dict(Serializer):
    """A list of (key, value), so that the order stays."""

    def __init__(self, key: Serializer, value: Serializer) -> None:
        self.items = _List(_Tuple([key, value]))
        self.cached = self.items.cached

    def default(self) -> dict[Any, Any]:
        return {}

    def is_in(self, node: Any, name: str) -> bool:
        return self.items.is_in(node, name)

    def read(self, node: Any, name: str) -> ObservedDict:
        return ObservedDict(node, self, name, dict(self.items.read(node, name)))

    def put(self, node: Any, name: str, value: Any) -> None:
        self.items.write(node, name, list(value.items()))

    def remove(self, node: Any, name: str) -> None:
        self.items.remove(node, name)


class _Union(Serializer):
    """Each member under a name of its own; only the one that holds the value is there."""

    def __init__(self, members: list[Serializer]) -> None:
        self.members, self.cached = members, all(each.cached for each in members)

    def default(self) -> Any:
        optional = len(self.members) == 2 and isinstance(self.members[1], _None)
        return None if optional else self.members[0].default()

    def _holder(self, node: Any, name: str) -> tuple[Serializer, str] | None:
        named = [(each, f"{name}_{index}") for index, each in enumerate(self.members)]
        return next(((each, own) for each, own in named if each.is_in(node, own)), None)

    def is_in(self, node: Any, name: str) -> bool:
        return self._holder(node, name) is not None

    def read(self, node: Any, name: str) -> Any:
        holder = self._holder(node, name)
        if holder is None:
            raise KeyError(f"Unable to find a value of {name}")
        return holder[0].read(node, holder[1])

    def _index(self, value: Any) -> int:
        none = [index for index, each in enumerate(self.members) if isinstance(each, _None)]
        if value is None and none:
            return none[0]
        fitting = [index for index, each in enumerate(self.members) if each.takes(value)]
        if not fitting:
            raise TypeError(f"Unable to write {value!r} of type {type(value)}")
        return fitting[0]

    def validate(self, value: Any) -> None:
        self._index(value)
        super().validate(value)

    def put(self, node: Any, name: str, value: Any) -> None:
        index = self._index(value)
        with slicer.util.NodeModify(node):
            self.remove(node, name)
            self.members[index].write(node, f"{name}_{index}", value)

    def remove(self, node: Any, name: str) -> None:
        with slicer.util.NodeModify(node):
            for index, each in enumerate(self.members):
                each.remove(node, f"{name}_{index}")


def serializer_of(annotated: Any) -> tuple[Serializer, Default | None, list[Any]]:
    """(serializer with the annotated validators, annotated default, annotations that only widgets read).

    Raises:
        TypeError: for a type that cannot be kept in a parameter node.
    """
    kind, annotations = splitAnnotations(annotated)
    serializer = _plain_serializer(kind)
    validators = [each for each in annotations if _is_validator(each)]
    serializer.validators = (*serializer.validators, *validators)
    defaults = [each for each in annotations if isinstance(each, Default)]
    if len(defaults) > 1:
        raise TypeError("Multiple defaults found")
    rest = [each for each in annotations if each not in validators and not isinstance(each, Default)]
    return serializer, defaults[0] if defaults else None, rest


def _is_validator(annotation: Any) -> bool:
    """One of them, or a class of them with a static `validate`."""
    return isinstance(annotation, Validator) or (isinstance(annotation, type) and issubclass(annotation, Validator))


def _plain_serializer(kind: Any) -> Serializer:
    starts: dict[Any, Any] = {int: 0, float: 0, str: ""}
    simple: dict[Any, Callable[[], Serializer]] = {bool: _Bool, type(None): _None}
    if kind in starts or kind in PATHS:
        return _Text(kind, starts[kind] if kind in starts else kind())
    if kind in simple:
        return simple[kind]()
    if is_node(kind):
        return _Node(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _Enum(kind)
    if hasattr(kind, "_is_parameterPack"):
        from .packs import PackSerializer

        return PackSerializer(kind)
    return _container_serializer(kind)


def _container_serializer(kind: Any) -> Serializer:
    parts = [] if is_new_union(kind) else [serializer_of(each)[0] for each in typing.get_args(kind)]
    if members_of_union(kind):
        return _Union(parts)
    origin = typing.get_origin(kind)
    if origin is list and len(parts) == 1:
        return _List(parts[0])
    if origin is tuple and parts:
        return _Tuple(parts)
    if origin is dict and len(parts) == 2:
        return _Dict(*parts)
    raise TypeError(f"Unable to create serializer for type: {kind}")
