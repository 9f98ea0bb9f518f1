"""A signal in plain Python: qt.Signal needs a QObject subclass, which PythonQt does not let Python make reliably."""

from collections.abc import Callable
from typing import Any


class Signal:
    """Calls its listeners in the order in which they connected."""

    def __init__(self) -> None:
        self._listeners: list[Callable[..., Any]] = []

    def connect(self, listener: Callable[..., Any]) -> None:
        """Call `listener` from now on; once, however often it is connected."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def disconnect(self, listener: Callable[..., Any]) -> None:
        """Call `listener` no more; one that was not connected is no error."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def emit(self, *arguments: Any) -> None:
        """Call every listener with `arguments`; what one raises reaches the caller."""
        for listener in tuple(self._listeners):
            listener(*arguments)

    def clear(self) -> None:
        """Forget every listener."""
        self._listeners.clear()
