"""How long a node is left alone after it did not answer."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """When something is tried again, in seconds."""

    first_wait_s: float = 1.0
    """After the first failure; each wait after it is twice as long."""
    longest_wait_s: float = 60.0
    refused_wait_s: float = 3600.0
    """After a node refused who we are, or what it was sent: asking every minute would lock the account."""
    give_up_s: float = 24 * 3600.0
    """A node that has not answered for so long ends the job; all that waits for it stays as it is."""
    attempts: int = 6
    """Tries of one step of one study that fail for a reason of its own."""

    def wait_s(self, failures: int) -> float:
        """Before the next try, after so many failures in a row."""
        return float(min(self.first_wait_s * 2 ** min(max(failures - 1, 0), 30), self.longest_wait_s))


PATIENCE = Patience()


@dataclass
class _Outage:
    since: float
    failures: int
    until: float


class Outages:
    """Which nodes do not answer now. One study that finds a node down spares all others the same try."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._outages: dict[str, _Outage] = {}

    def failed(self, node: str, now: float, refused: bool = False) -> tuple[float, bool]:
        """Note a failure, or that the node refused us: not before when it is tried again, and whether this is news."""
        with self._lock:
            known = self._outages.setdefault(node, _Outage(now, 0, now))
            first = known.failures == 0
            # Studies that were on their way together fail together: that is one failure.
            if first or now >= known.until:
                known.failures += 1
                patience = self._patience
                known.until = now + (patience.refused_wait_s if refused else patience.wait_s(known.failures))
            return known.until, first

    def worked(self, node: str) -> bool:
        """Note that a node answers; whether it did not before."""
        with self._lock:
            return self._outages.pop(node, None) is not None

    def resting(self, now: float) -> tuple[str, ...]:
        """Nodes that are left alone now."""
        with self._lock:
            return tuple(node for node, outage in self._outages.items() if outage.until > now)

    def given_up(self, node: str, now: float) -> bool:
        """Whether the node has been down for longer than patience lasts."""
        with self._lock:
            known = self._outages.get(node)
            return known is not None and now - known.since > self._patience.give_up_s
