"""Lists and dictionaries that write themselves back to the parameter node when they are changed."""

from collections.abc import MutableMapping, MutableSequence
from typing import Any


class ObservedList(MutableSequence):
    """A list out of a parameter node. `+` and `*` are refused: their result would write nothing back."""

    def __init__(self, node: Any, serializer: Any, name: str, values: list[Any]) -> None:
        self._node, self._serializer, self._name, self._values = node, serializer, name, values

    def _save(self) -> None:
        try:
            self._serializer.write(self._node, self._name, self._values)
        finally:
            # nested lists become observed ones, and a refused change is taken back
            self._values = self._serializer.read(self._node, self._name)._values

    def __repr__(self) -> str:
        return f"ObservedList({self._values})"

    def __eq__(self, other: object) -> bool:
        return bool(self._values == (other._values if isinstance(other, ObservedList) else other))

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._values[index] = value
        self._save()

    def __delitem__(self, index: Any) -> None:
        del self._values[index]
        self._save()

    def insert(self, index: int, value: Any) -> None:
        self._values.insert(index, value)
        self._save()

    def extend(self, values: Any) -> None:
        self._values.extend(values)
        self._save()

    def __iadd__(self, values: Any) -> "ObservedList":
        self.extend(values)
        return self

    def __imul__(self, times: int) -> "ObservedList":
        self._values *= times
        self._save()
        return self

    def clear(self) -> None:
        self._values.clear()
        self._save()

    def sort(self, **how: Any) -> None:
        self._values.sort(**how)
        self._save()

    def reverse(self) -> None:
        self._values.reverse()
        self._save()

    def _refuse(self, other: Any) -> Any:
        raise NotImplementedError("a list of a parameter node is not added or multiplied; += and *= are")

    __add__ = __radd__ = __mul__ = __rmul__ = _refuse


class ObservedDict(MutableMapping):
    """A dictionary out of a parameter node."""

    def __init__(self, node: Any, serializer: Any, name: str, values: dict[Any, Any]) -> None:
        self._node, self._serializer, self._name, self._values = node, serializer, name, values

    def _save(self) -> None:
        try:
            self._serializer.write(self._node, self._name, self._values)
        finally:
            self._values = self._serializer.read(self._node, self._name)._values

    def __repr__(self) -> str:
        return f"ObservedDict({self._values})"

    def __eq__(self, other: object) -> bool:
        return bool(self._values == (other._values if isinstance(other, ObservedDict) else other))

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Any:
        return iter(self._values)

    def __getitem__(self, key: Any) -> Any:
        return self._values[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._values[key] = value
        self._save()

    def __delitem__(self, key: Any) -> None:
        del self._values[key]
        self._save()

    def clear(self) -> None:
        self._values.clear()
        self._save()
