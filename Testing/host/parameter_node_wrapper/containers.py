# ruff: noqa: N802, N803 - the names are those of Slicer
"""Serializers of lists, tuples, dictionaries and unions: one parameter an element, named by the field and a number."""

import typing
from collections.abc import Sequence
from typing import Any

import slicer

from .observed import ObservedDict, ObservedList
from .serializer import Serializer, ValidatedSerializer, parameterNodeSerializer, serializer_of
from .serializers import NoneSerializer


def _of_arguments(kind: Any) -> list[Serializer]:
    return [serializer_of(each)[0] for each in typing.get_args(kind)]


@parameterNodeSerializer
class ListSerializer(Serializer):
    """The length is a parameter, too. What is read writes itself back when it is changed."""

    def __init__(self, elementTypeSerializer: Serializer) -> None:
        self.element = elementTypeSerializer

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return typing.get_origin(type_) is list

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return ListSerializer(_of_arguments(type_)[0])

    def default(self) -> list[Any]:
        return []

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return bool(parameterNode.HasParameter(f"{name}_len"))

    def _values(self, node: Any, name: str) -> list[Any]:
        length = int(node.GetParameter(f"{name}_len")) if self.isIn(node, name) else 0
        return [self.element.read(node, f"{name}_{index}") for index in range(length)]

    def read(self, parameterNode: Any, name: str) -> ObservedList:
        return ObservedList(parameterNode, self, name, self._values(parameterNode, name))

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        with slicer.util.NodeModify(parameterNode):
            before = self._values(parameterNode, name) if self.isIn(parameterNode, name) else None
            try:
                self._put(parameterNode, name, list(value))
            except Exception:
                if before is None:
                    self.remove(parameterNode, name)
                else:
                    self._put(parameterNode, name, before)
                raise

    def _put(self, node: Any, name: str, values: list[Any]) -> None:
        before = int(node.GetParameter(f"{name}_len")) if self.isIn(node, name) else 0
        for index, each in enumerate(values):
            self.element.write(node, f"{name}_{index}", each)
        node.SetParameter(f"{name}_len", str(len(values)))
        for index in range(len(values), before):
            self.element.remove(node, f"{name}_{index}")

    def remove(self, parameterNode: Any, name: str) -> None:
        with slicer.util.NodeModify(parameterNode):
            for index in range(len(self._values(parameterNode, name))):
                self.element.remove(parameterNode, f"{name}_{index}")
            parameterNode.UnsetParameter(f"{name}_len")

    def supportsCaching(self) -> bool:
        return self.element.supportsCaching()


@parameterNodeSerializer
class TupleSerializer(Serializer):
    def __init__(self, serializers: Sequence[Serializer]) -> None:
        self.elements = list(serializers)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return typing.get_origin(type_) is tuple

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return TupleSerializer(_of_arguments(type_))

    def default(self) -> tuple[Any, ...]:
        return tuple(each.default() for each in self.elements)

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return self.elements[0].isIn(parameterNode, f"{name}_0")

    def read(self, parameterNode: Any, name: str) -> tuple[Any, ...]:
        return tuple(each.read(parameterNode, f"{name}_{index}") for index, each in enumerate(self.elements))

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        values = tuple(value)
        if len(values) != len(self.elements):
            raise ValueError(f"Expected {len(self.elements)} values in the tuple, got {len(values)}")
        with slicer.util.NodeModify(parameterNode):
            for index, (each, part) in enumerate(zip(self.elements, values, strict=True)):
                each.write(parameterNode, f"{name}_{index}", part)

    def remove(self, parameterNode: Any, name: str) -> None:
        with slicer.util.NodeModify(parameterNode):
            for index, each in enumerate(self.elements):
                each.remove(parameterNode, f"{name}_{index}")

    def supportsCaching(self) -> bool:
        return all(each.supportsCaching() for each in self.elements)


@parameterNodeSerializer
class DictSerializer(Serializer):
    """A list of (key, value), so that the order stays."""

    def __init__(self, keySerializer: Serializer, valueSerializer: Serializer) -> None:
        self.items = ListSerializer(TupleSerializer([keySerializer, valueSerializer]))

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return typing.get_origin(type_) is dict

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return DictSerializer(*_of_arguments(type_))

    def default(self) -> dict[Any, Any]:
        return {}

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return self.items.isIn(parameterNode, name)

    def read(self, parameterNode: Any, name: str) -> ObservedDict:
        return ObservedDict(parameterNode, self, name, dict(self.items.read(parameterNode, name)))

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        self.items.write(parameterNode, name, list(value.items()))

    def remove(self, parameterNode: Any, name: str) -> None:
        self.items.remove(parameterNode, name)

    def supportsCaching(self) -> bool:
        return self.items.supportsCaching()


@parameterNodeSerializer
class UnionSerializer(Serializer):
    """Each member under a number of its own; only the one that holds the value is there.

    `A | B` is not this before Python 3.14: Slicer's package knows `Union[A, B]` alone.
    """

    def __init__(self, serializers: Sequence[Serializer]) -> None:
        self.members = [ValidatedSerializer(each, []) for each in serializers]

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return typing.get_origin(type_) is typing.Union

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return UnionSerializer(_of_arguments(type_))

    def default(self) -> Any:
        optional = len(self.members) == 2 and isinstance(self.members[1].serializer, NoneSerializer)
        return None if optional else self.members[0].default()

    def _holder(self, node: Any, name: str) -> tuple[Serializer, str] | None:
        named = [(each, f"{name}_{index}") for index, each in enumerate(self.members)]
        return next(((each, own) for each, own in named if each.isIn(node, own)), None)

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return self._holder(parameterNode, name) is not None

    def read(self, parameterNode: Any, name: str) -> Any:
        holder = self._holder(parameterNode, name)
        if holder is None:
            raise KeyError(f"Unable to find a value of {name}")
        return holder[0].read(parameterNode, holder[1])

    def _index(self, value: Any) -> int:
        refused: Exception = TypeError(f"Unable to write {value!r} of type {type(value)}")
        for index, member in enumerate(self.members):
            if member.serializer.canSerialize(type(value)):
                try:
                    member.validate(value)
                except (TypeError, ValueError) as error:
                    refused = error
                else:
                    return index
        raise refused

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        index = self._index(value)
        with slicer.util.NodeModify(parameterNode):
            self.remove(parameterNode, name)
            self.members[index].write(parameterNode, f"{name}_{index}", value)

    def remove(self, parameterNode: Any, name: str) -> None:
        with slicer.util.NodeModify(parameterNode):
            for index, each in enumerate(self.members):
                each.remove(parameterNode, f"{name}_{index}")

    def supportsCaching(self) -> bool:
        return all(each.supportsCaching() for each in self.members)
