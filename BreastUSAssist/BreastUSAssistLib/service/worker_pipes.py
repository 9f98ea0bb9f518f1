"""A child process and its three pipes, none of which can hold the caller up.

The pipes are switched to non-blocking mode. On Windows `os.set_blocking` does that to pipes from Python 3.12 on, which
Slicer 5.12 has.
"""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from .worker_protocol import LARGEST_MESSAGE, ProtocolError

_PIECE = 65536
_MOST_READ = 4 * 2**20
"""Bytes read at once: the rest waits for the next time, so that the event loop goes on."""
_KEPT_STDERR = 8192
_PAUSE = 0.005
_WINDOWS_FLAGS = 0x08000000 | 0x00004000
"""CREATE_NO_WINDOW and BELOW_NORMAL_PRIORITY_CLASS."""


@dataclass(eq=False)
class ChildProcess:
    """One running child and what is on its way to and from it."""

    process: "subprocess.Popen[bytes]"
    stderr: bytearray = field(default_factory=bytearray)
    """The end of what it wrote there."""
    _outgoing: bytearray = field(default_factory=bytearray)
    _incoming: bytearray = field(default_factory=bytearray)
    _taken: int = 0
    """Bytes of `_outgoing` that are written already."""

    @classmethod
    def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> "ChildProcess":
        """Start a child. Raises OSError where there is no such program."""
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=dict(environment),
            creationflags=_WINDOWS_FLAGS if os.name == "nt" else 0,
        )
        child = cls(process)
        for pipe in child.pipes:
            os.set_blocking(pipe.fileno(), False)
        return child

    @property
    def pipes(self) -> tuple[IO[bytes], ...]:
        """Stdin, stdout and stderr."""
        process = self.process
        return tuple(pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe is not None)

    @property
    def unsent(self) -> int:
        """Bytes that the child has not taken yet."""
        return len(self._outgoing) - self._taken

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone; what it said before can still be read."""
        return self.process.poll() is not None

    def send(self, line: bytes) -> None:
        """Write `line` now as far as the pipe takes it, and the rest in later calls of `flush`."""
        self._outgoing += line
        self.flush()

    def flush(self) -> None:
        """Write as much of what waits as the pipe takes."""
        stdin = self.pipes[0]
        while self.unsent:
            try:
                self._taken += os.write(stdin.fileno(), self._outgoing[self._taken : self._taken + _PIECE])
            except BlockingIOError:
                return
            except OSError:
                # It has ended; `has_ended` tells.
                return
        self._outgoing.clear()
        self._taken = 0

    def lines(self) -> list[bytes]:
        """Lines of stdout that have come whole since the last call; stderr is read along.

        Raises:
            ProtocolError: a line grows beyond what a message can be.
        """
        _, stdout, stderr = self.pipes
        self.stderr += _available(stderr)
        del self.stderr[:-_KEPT_STDERR]
        self._incoming += _available(stdout)
        *lines, rest = bytes(self._incoming).split(b"\n")
        self._incoming = bytearray(rest)
        if len(rest) > LARGEST_MESSAGE:
            raise ProtocolError("An answer of the analysis program was too long to be one; try again.")
        return lines

    def kill(self) -> None:
        """End it at once; it is gone when `has_ended` says so."""
        # Before the pipes are closed: at the end of its stdin it would still tidy up the folder that is in use.
        if not self.has_ended:
            self.process.kill()
        self._close()

    def end(self, seconds: float) -> None:
        """Let it end by itself, upon the end of its stdin, within `seconds`; kill it then.

        What waits to be sent is sent before, as far as the child takes it in that time.
        """
        until = time.monotonic() + seconds
        while self.unsent and not self.has_ended and time.monotonic() < until:
            self.flush()
            _available(self.pipes[1])  # a child that cannot speak does not listen either
            time.sleep(_PAUSE)
        self._close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(until - time.monotonic(), 0.0))
        if not self.has_ended:
            self.process.kill()

    def _close(self) -> None:
        for pipe in self.pipes:
            pipe.close()


def _available(pipe: IO[bytes]) -> bytes:
    """What can be read at once, at most _MOST_READ bytes."""
    found = bytearray()
    while len(found) < _MOST_READ:
        try:
            piece = os.read(pipe.fileno(), _PIECE)
        except OSError:
            # Nothing there now (BlockingIOError), or the pipe is broken, which the process's end explains.
            break
        if not piece:
            break
        found += piece
    return bytes(found)
