"""What may stand in `Annotated[type, ...]`: a default, validators, hints for widgets."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any


class Default:
    """Value that a field has before anyone sets it; a generator is called each time."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        return self._value if self._generator is None else self._generator()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Default) and (self._value, self._generator) == (other._value, other._generator)

    __hash__ = None  # type: ignore[assignment]


@dataclasses.dataclass
class Decimals:
    """Digits after the point of a spin box or slider."""

    value: int


@dataclasses.dataclass
class SingleStep:
    """Step of a spin box or slider."""

    value: float


class Validator(ABC):
    """Says whether a value may be written."""

    @abstractmethod
    def validate(self, value: Any) -> None:
        """Raise ValueError (or TypeError) where it may not."""


class IsNone(Validator):
    def validate(self, value: Any) -> None:
        if value is not None:
            raise ValueError("Value must be None")


class NotNone(Validator):
    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError("Value must not be None")


class IsInstance(Validator):
    """Of the class, or None."""

    def __init__(self, classtype: Any) -> None:
        self.classtype = classtype

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type {self.classtype}, is {value!r} of type {type(value)}")


class WithinRange(Validator):
    """From minimum to maximum, both included."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Minimum(Validator):
    def __init__(self, minimum: float) -> None:
        self.minimum = minimum

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must not be below {self.minimum}, is {value}")


class Maximum(Validator):
    def __init__(self, maximum: float) -> None:
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must not be above {self.maximum}, is {value}")


class Choice(Validator):
    def __init__(self, choices: Collection[Any]) -> None:
        self.choices = choices

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be one of {self.choices}")


class Exclude(Validator):
    def __init__(self, excludedValues: Collection[Any]) -> None:  # noqa: N803 - Slicer's name
        self.excludedValues = excludedValues

    def validate(self, value: Any) -> None:
        if value in self.excludedValues:
            raise ValueError(f"Value is {value}, but must be none of {self.excludedValues}")


class RangeBounds(Validator):
    """For a FloatRange: both of its ends."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: Any) -> None:
        if not (self.minimum <= value.minimum and value.maximum <= self.maximum):
            raise ValueError(f"Range must be within [{self.minimum}, {self.maximum}]")
