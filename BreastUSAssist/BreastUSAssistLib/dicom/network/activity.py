"""Whether an association is alive: by what goes over the wire, not by how long a message takes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_EVERY_S = 0.25


class Activity:
    """When something was last sent or received, by real time."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def touch(self) -> None:
        """Something was."""
        self._last = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self._last


@contextmanager
def ended_when_idle(activity: Activity, patience_s: float, end: Callable[[], None]) -> Iterator[None]:
    """Call `end`, in a thread of its own, once nothing was sent or received for `patience_s`.

    pynetdicom knows only a limit for a whole message, which a large image on a slow line passes in all honesty.
    """
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_EVERY_S):
            if activity.idle_s > patience_s:
                end()
                return

    activity.touch()
    thread = threading.Thread(target=look, name="association activity", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
