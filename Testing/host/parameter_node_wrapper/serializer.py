# ruff: noqa: N802, N803 - the names are those of Slicer
"""What a serializer is, how validators are put before it, and how the one for a type is found."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from .annotations import Default, Validator
from .field_types import splitAnnotations


class Serializer(ABC):
    """Keeps values of one type in a parameter node. Others register theirs with `parameterNodeSerializer`."""

    @staticmethod
    @abstractmethod
    def canSerialize(type_: Any) -> bool:
        """Whether `create` makes a serializer of the type."""

    @staticmethod
    @abstractmethod
    def create(type_: Any) -> "Serializer | None":
        """A serializer of the type, often within a ValidatedSerializer; None for a type that is not its own."""

    @abstractmethod
    def default(self) -> Any:
        """Value of a field that says no default."""

    @abstractmethod
    def isIn(self, parameterNode: Any, name: str) -> bool: ...

    @abstractmethod
    def write(self, parameterNode: Any, name: str, value: Any) -> None: ...

    @abstractmethod
    def read(self, parameterNode: Any, name: str) -> Any: ...

    @abstractmethod
    def remove(self, parameterNode: Any, name: str) -> None: ...

    def supportsCaching(self) -> bool:
        """Whether a value once read can be given again: it cannot be changed behind the node's back."""
        return False


class ValidatedSerializer(Serializer):
    """Another serializer that writes only what the validators let through."""

    def __init__(self, serializer: Any, validators: Sequence[Any]) -> None:
        inner = isinstance(serializer, ValidatedSerializer)
        self.serializer: Serializer = serializer.serializer if inner else serializer
        self.validators: list[Any] = [*(serializer.validators if inner else ()), *validators]

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return False

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        raise TypeError("a ValidatedSerializer is made around another serializer")

    def validate(self, value: Any) -> None:
        for validator in self.validators:
            validator.validate(value)

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        self.validate(value)
        self.serializer.write(parameterNode, name, value)

    def default(self) -> Any:
        return self.serializer.default()

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return self.serializer.isIn(parameterNode, name)

    def read(self, parameterNode: Any, name: str) -> Any:
        return self.serializer.read(parameterNode, name)

    def remove(self, parameterNode: Any, name: str) -> None:
        self.serializer.remove(parameterNode, name)

    def supportsCaching(self) -> bool:
        return self.serializer.supportsCaching()


_registered: list[type[Serializer]] = []


def parameterNodeSerializer(class_: type[Serializer] | None = None) -> Any:
    """Class decorator that registers a serializer."""

    def register(serializer: type[Serializer]) -> type[Serializer]:
        if not issubclass(serializer, Serializer):
            raise TypeError("Must be a serializer type")
        _registered.append(serializer)
        return serializer

    return register if class_ is None else register(class_)


def serializer_of(annotated: Any) -> tuple[ValidatedSerializer, Default | None]:
    """The serializer of a type that may be `Annotated`, with its validators, and the annotated default.

    Raises:
        TypeError: for a type that cannot be kept in a parameter node.
    """
    kind, annotations = splitAnnotations(annotated)
    given = [each for each in annotations if _is_a(each, Serializer)]
    defaults = [each for each in annotations if isinstance(each, Default)]
    if len(given) > 1 or len(defaults) > 1:
        raise TypeError(f"more than one serializer or default in {annotated}")
    validators = [each for each in annotations if _is_a(each, Validator)]
    serializer = given[0] if given else _found(kind)
    return ValidatedSerializer(serializer, validators), defaults[0] if defaults else None


def _found(kind: Any) -> Serializer:
    for each in _registered:
        if each.canSerialize(kind):
            made = each.create(kind)
            if made is not None:
                return made
    raise TypeError(f"Unable to create serializer for type: {kind}")


def _is_a(annotation: Any, kind: type) -> bool:
    """One of them, or a class of them whose methods are static."""
    return isinstance(annotation, kind) or (isinstance(annotation, type) and issubclass(annotation, kind))
