# ruff: noqa: N802, N803 - the names are those of Slicer
"""Serializers of plain values: each keeps one parameter, as text, or a node reference beside it."""

import enum
import pathlib
from typing import Any

from .annotations import IsInstance, IsNone, NotNone
from .field_types import is_node
from .serializer import Serializer, ValidatedSerializer, parameterNodeSerializer

PATHS = (
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)


class _OneParameter(Serializer):
    """What the plain ones share."""

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return bool(parameterNode.HasParameter(name))

    def remove(self, parameterNode: Any, name: str) -> None:
        parameterNode.UnsetParameter(name)

    def supportsCaching(self) -> bool:
        return True


@parameterNodeSerializer
class NumberSerializer(_OneParameter):
    """int and float; a float takes an int, too."""

    def __init__(self, type: Any) -> None:
        self.type = type

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ is int or type_ is float

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        kinds = (int, float) if type_ is float else int
        return ValidatedSerializer(NumberSerializer(type_), [NotNone(), IsInstance(kinds)])

    def default(self) -> Any:
        return self.type(0)

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        parameterNode.SetParameter(name, str(value))

    def read(self, parameterNode: Any, name: str) -> Any:
        return self.type(parameterNode.GetParameter(name))


@parameterNodeSerializer
class StringSerializer(_OneParameter):
    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ is str

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return ValidatedSerializer(StringSerializer(), [NotNone(), IsInstance(str)])

    def default(self) -> str:
        return ""

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        parameterNode.SetParameter(name, str(value))

    def read(self, parameterNode: Any, name: str) -> str:
        return str(parameterNode.GetParameter(name))


@parameterNodeSerializer
class PathSerializer(_OneParameter):
    def __init__(self, pathtype: Any) -> None:
        self.type = pathtype

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ in PATHS

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return ValidatedSerializer(PathSerializer(type_), [NotNone(), IsInstance(type_)])

    def default(self) -> Any:
        return self.type()

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        parameterNode.SetParameter(name, str(value))

    def read(self, parameterNode: Any, name: str) -> Any:
        return self.type(parameterNode.GetParameter(name))


@parameterNodeSerializer
class BoolSerializer(_OneParameter):
    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ is bool

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return ValidatedSerializer(BoolSerializer(), [NotNone(), IsInstance(bool)])

    def default(self) -> bool:
        return False

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        parameterNode.SetParameter(name, "True" if value else "False")

    def read(self, parameterNode: Any, name: str) -> bool:
        return bool(parameterNode.GetParameter(name) == "True")


@parameterNodeSerializer
class EnumSerializer(_OneParameter):
    """Kept by the member's name."""

    def __init__(self, enum_: type[enum.Enum]) -> None:
        if not len(enum_):
            raise ValueError("Cannot serialize an empty Enum")
        self.enum = enum_

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return isinstance(type_, type) and issubclass(type_, enum.Enum)

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return ValidatedSerializer(EnumSerializer(type_), [IsInstance(type_)])

    def default(self) -> enum.Enum:
        return next(iter(self.enum))

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        parameterNode.SetParameter(name, value.name)

    def read(self, parameterNode: Any, name: str) -> enum.Enum:
        key = parameterNode.GetParameter(name)
        if key not in self.enum.__members__:
            raise ValueError(f"Found {key!r} in the parameter node, which is no name of {self.enum!r}")
        return self.enum[key]


@parameterNodeSerializer
class NodeSerializer(_OneParameter):
    """A node reference whose role is the field's name: it follows the node's ID and ends with the node."""

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return is_node(type_)

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return ValidatedSerializer(NodeSerializer(), [IsInstance(type_)])

    def default(self) -> None:
        return None

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        # an empty parameter says that the field was written, which a reference to no node cannot say
        parameterNode.SetParameter(name, "")
        parameterNode.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, parameterNode: Any, name: str) -> Any:
        return parameterNode.GetNodeReference(name)

    def remove(self, parameterNode: Any, name: str) -> None:
        super().remove(parameterNode, name)
        parameterNode.RemoveNodeReferenceIDs(name)


@parameterNodeSerializer
class NoneSerializer(_OneParameter):
    """The None of `Optional`."""

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ is type(None)

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return ValidatedSerializer(NoneSerializer(), [IsNone()])

    def default(self) -> None:
        return None

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        parameterNode.SetParameter(name, "True")

    def read(self, parameterNode: Any, name: str) -> None:
        return None
