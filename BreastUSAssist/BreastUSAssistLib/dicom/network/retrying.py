"""Requests made again where nobody answered, with limits and growing waits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from .errors import NodeError
from .exchange import Attend
from .node_settings import Retries

T = TypeVar("T")
_SLICE_S = 0.5


@dataclass(frozen=True)
class Retrier:
    """How often and after which waits; `sleep` waits for seconds."""

    retries: Retries
    sleep: Callable[[float], None]

    def run(self, request: Callable[[int], T], attend: Attend | None = None) -> T:
        """The result of `request`, which is told how often it was tried before.

        Raises:
            NodeError: the last one; or at once one that is not worth another try.
        """
        for tried in range(self.retries.attempts):
            try:
                return request(tried)
            except NodeError as error:
                if not error.retryable or tried + 1 == self.retries.attempts:
                    raise
                self._wait(min(self.retries.first_wait_s * 2**tried, self.retries.longest_wait_s), attend)
        raise AssertionError("attempts is at least 1")

    def _wait(self, seconds: float, attend: Attend | None) -> None:
        if attend is None:
            self.sleep(seconds)
            return
        while seconds > 0:
            attend()
            self.sleep(min(seconds, _SLICE_S))
            seconds -= _SLICE_S
        attend()
