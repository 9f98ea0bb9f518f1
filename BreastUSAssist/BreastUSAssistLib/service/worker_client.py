"""The side of the analysis process that lives in the application: never blocks, and outlives the child.

Everything happens in `poll`, called from a timer of the application's event loop. The pipes are switched to
non-blocking mode, so neither a large request nor a child that hangs can hold the loop up; on Windows `os.set_blocking`
does that to pipes from Python 3.12 on, which Slicer 5.12 has. Needs no installed package but NumPy.
"""

import os
import shutil
import subprocess
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..errors import BreastUSAssistError, UsageError
from .worker_ending import ending_sentence
from .worker_protocol import (
    EXCHANGE_PREFIX,
    LARGEST_MESSAGE,
    LASTING,
    MOST_NOISE,
    Call,
    ProtocolError,
    WorkerEvent,
    call_line,
    exchange_error,
    is_greeting,
    parse_event,
)

CANCEL_SECONDS = 3.0
"""A child that has not stopped this long after it was asked to is ended."""
CLOSE_SECONDS = 0.5
"""How long `close` waits for a child to end by itself."""
SAVE_SECONDS = 5.0
"""How long it waits at most for a child that is writing what a reader wants to keep."""
_PIECE = 65536
_MOST_READ = 4 * 2**20
"""Bytes read in one poll: the rest waits for the next, so that the event loop goes on."""
_KEPT_STDERR = 8192
_WINDOWS_FLAGS = 0x08000000 | 0x00004000
"""CREATE_NO_WINDOW and BELOW_NORMAL_PRIORITY_CLASS."""

OnEvent = Callable[[WorkerEvent], None]


@dataclass
class _Pending:
    call: Call
    on_event: OnEvent
    cancelled_at: float | None = None
    """When the child was asked to stop it."""


@dataclass(eq=False)
class _Child:
    """One running child and what is on its way to and from it."""

    process: "subprocess.Popen[bytes]"
    outgoing: bytearray = field(default_factory=bytearray)
    incoming: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    greeted: bool = False
    noise: int = 0
    """Lines before the greeting."""
    taken: int = 0
    """Bytes of `outgoing` that are written already."""


class WorkerClient:
    """Runs requests in a child process, one client a Slicer application.

    `poll` calls each request's `on_event` with any number of "progress" events and then exactly one of "done", "error"
    and "cancelled". The child is started by the first request and kept, models loaded, until `close`; one that died is
    replaced at the next request.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Take how to start the child; nothing is started yet.

        Args:
            command: see `worker_command`.
            environment: of the child; None is that of this process.
            clock: seconds.
        """
        self._command = list(command)
        self._environment = dict(os.environ if environment is None else environment)
        self._clock = clock
        self._child: _Child | None = None
        self._pending: dict[int, _Pending] = {}
        self._events: deque[tuple[OnEvent, WorkerEvent]] = deque()
        self._last_id = 0
        self._exchange: Path | None = None
        self._cleanup: weakref.finalize | None = None
        self._dying: list[subprocess.Popen[bytes]] = []
        self._leftover: set[Path] = set()
        """Files of requests that were answered, to be removed."""
        self._latest: dict[str, list[Path]] = {}
        """Files of the latest result of each kind of request, kept until there is a newer one."""

    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer, or an answer for `poll`."""
        return bool(self._pending or self._events)

    @property
    def running(self) -> bool:
        """Whether there is a child."""
        return self._child is not None

    def exchange(self) -> Path:
        """Folder for arrays, made on first use, readable by this user alone, removed by `close`.

        Raises:
            OutputError: the temporary folder cannot be written.
        """
        if self._exchange is None or not self._exchange.is_dir():
            try:
                self._exchange = Path(tempfile.mkdtemp(prefix=EXCHANGE_PREFIX))
            except OSError as error:
                raise exchange_error(Path(tempfile.gettempdir()), error) from error
            self._cleanup = weakref.finalize(self, shutil.rmtree, self._exchange, ignore_errors=True)
        return self._exchange

    def request(self, do: str, arguments: dict[str, Any], on_event: OnEvent) -> int:
        """Ask for something; the answer comes through `poll`. See service.worker_requests for the requests.

        Nothing is raised: what cannot be asked (a second "analyze" while one runs, a child that does not start) is
        answered with an "error". Files in the exchange folder that `arguments` name are removed once the request is
        answered; those of a result stay until the next result of that kind, unless `take_array` took them.
        """
        self._last_id += 1
        pending = _Pending(Call(self._last_id, do, arguments), on_event)
        try:
            if do == "analyze" and any(pending.call.do == do for pending in self._pending.values()):
                raise UsageError("An analysis is already running; wait for it, or cancel it first.")
            line = call_line(pending.call)
            child = self._child or self._start()
        except BreastUSAssistError as error:
            self._refuse(pending, str(error))
        except (TypeError, ValueError):
            self._refuse(pending, "The request could not be put into words for the analysis program; report this.")
        else:
            child.outgoing += line
            self._pending[pending.call.id] = pending
            self._write(child)
        return pending.call.id

    def _refuse(self, pending: _Pending, sentence: str) -> None:
        self._leftover.update(self._files_in(pending.call.arguments))
        self._events.append((pending.on_event, WorkerEvent("error", pending.call.id, message=sentence)))

    def cancel(self, request_id: int) -> None:
        """Take a request back: "cancelled" follows, at the latest when the child was ended CANCEL_SECONDS later."""
        pending = self._pending.get(request_id)
        if pending is None or pending.cancelled_at is not None:
            return
        pending.cancelled_at = self._clock()
        if self._child is not None:
            self._child.outgoing += call_line(Call(request_id, cancel=True))
            self._write(self._child)

    def poll(self) -> None:
        """Write what waits, read what has come, and call `on_event` for it; returns at once, whatever the child does.

        An exception of an `on_event` passes through; the events after it are given by the next `poll`.
        """
        child = self._child
        if child is not None:
            ended = child.process.poll() is not None
            self._write(child)
            self._read(child)
            if self._child is child and ended:
                # Read first: what it said before it ended counts.
                self._fail(ending_sentence(child.process.returncode, bytes(child.stderr)))
        self._end_if_overdue()
        self._dying = [process for process in self._dying if process.poll() is None]
        while self._events:
            on_event, event = self._events.popleft()
            on_event(event)
        self._remove_leftover()

    def restart(self) -> None:
        """End the child, so that the next request starts one that sees packages installed meanwhile.

        Requests that wait are answered with an "error".
        """
        if self._child is not None:
            self._fail("The analysis program was started anew; try again.")

    def close(self) -> None:
        """End the child and remove the exchange folder; waiting requests get no answer.

        Takes half a second at most, or SAVE_SECONDS where an export or a label is on its way to the disk.
        """
        saving = any(pending.call.do in LASTING for pending in self._pending.values())
        self._pending.clear()
        self._events.clear()
        self._drop_child(SAVE_SECONDS if saving else CLOSE_SECONDS)
        for process in self._dying:
            with suppress(subprocess.TimeoutExpired):
                process.wait(CLOSE_SECONDS)
        self._dying.clear()
        if self._cleanup is not None:
            self._cleanup()
        self._leftover.clear()
        self._latest.clear()
        self._exchange = None

    def _start(self) -> _Child:
        folder = self.exchange()
        environment = dict(self._environment)
        package_root = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root, environment.get("PYTHONPATH")]))
        # Else `python -m` would import whatever modules lie in the current folder.
        environment["PYTHONSAFEPATH"] = "1"
        try:
            process = subprocess.Popen(
                [*self._command, "--exchange", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=environment,
                creationflags=_WINDOWS_FLAGS if os.name == "nt" else 0,
            )
        except OSError as error:
            raise ProtocolError(
                f"The analysis program could not be started ({error.strerror}); install BreastUSAssist again."
            ) from error
        for pipe in _pipes(process):
            os.set_blocking(pipe.fileno(), False)
        self._child = _Child(process)
        return self._child

    def _write(self, child: _Child) -> None:
        """Write as much as the pipe takes."""
        stdin = child.process.stdin
        assert stdin is not None
        while child.taken < len(child.outgoing):
            try:
                child.taken += os.write(stdin.fileno(), child.outgoing[child.taken : child.taken + _PIECE])
            except BlockingIOError:
                break
            except OSError:
                # It has ended: the next poll finds out how.
                return
        else:
            child.outgoing.clear()
            child.taken = 0

    def _read(self, child: _Child) -> None:
        stdout, stderr = child.process.stdout, child.process.stderr
        assert stdout is not None and stderr is not None
        child.stderr += _available(stderr)
        del child.stderr[:-_KEPT_STDERR]
        child.incoming += _available(stdout)
        *lines, rest = bytes(child.incoming).split(b"\n")
        child.incoming = bytearray(rest)
        try:
            for line in lines:
                if child.greeted:
                    self._take(parse_event(line))
                elif is_greeting(line):
                    child.greeted = True
                else:
                    child.noise += 1
            if child.noise > MOST_NOISE:
                raise ProtocolError("The analysis program did not answer as expected; install BreastUSAssist again.")
            if len(rest) > LARGEST_MESSAGE:
                raise ProtocolError("An answer of the analysis program was too long to be one; try again.")
        except ProtocolError as error:
            self._fail(str(error))

    def _take(self, event: WorkerEvent) -> None:
        pending = self._pending.get(event.request)
        if pending is None:
            return
        if event.kind == "progress":
            if pending.cancelled_at is None:
                self._events.append((pending.on_event, event))
            return
        self._forget(pending)
        if event.result:
            self._leftover.update(self._latest.get(pending.call.do, ()))
            self._latest[pending.call.do] = self._files_in(event.result)
        if pending.cancelled_at is not None:
            # Finished in the same moment: who cancelled is told what he asked for.
            event = WorkerEvent("cancelled", event.request)
        self._events.append((pending.on_event, event))
        if event.result.get("missing") and not self._pending:
            # Only a new process sees a package that is installed now.
            self._drop_child()

    def _end_if_overdue(self) -> None:
        """End a child that did not stop when asked to; the others' requests go to a new one."""
        now = self._clock()
        overdue = [
            pending
            for pending in self._pending.values()
            if pending.cancelled_at is not None and now - pending.cancelled_at >= CANCEL_SECONDS
        ]
        if not overdue:
            return
        self._drop_child()
        for pending in list(self._pending.values()):
            if pending.cancelled_at is not None:
                self._forget(pending)
                self._events.append((pending.on_event, WorkerEvent("cancelled", pending.call.id)))
        if not self._pending:
            return
        try:
            child = self._start()
        except BreastUSAssistError as error:
            self._fail(str(error))
            return
        for pending in self._pending.values():
            child.outgoing += call_line(pending.call)

    def _fail(self, sentence: str) -> None:
        """End the child and answer everything that waits; what was to be cancelled is cancelled now."""
        self._drop_child()
        for number, pending in list(self._pending.items()):
            self._forget(pending)
            event = WorkerEvent("error", number, message=sentence)
            if pending.cancelled_at is not None:
                event = WorkerEvent("cancelled", number)
            self._events.append((pending.on_event, event))

    def _forget(self, pending: _Pending) -> None:
        """Take an answered request off the list, and its files with it."""
        del self._pending[pending.call.id]
        self._leftover.update(self._files_in(pending.call.arguments))

    def _files_in(self, content: Mapping[str, Any]) -> list[Path]:
        """Paths in the exchange folder that a request or a result names."""
        folder = str(self._exchange) + os.sep
        return [Path(text) for text in _texts(content) if text.startswith(folder)]

    def _remove_leftover(self) -> None:
        """Windows keeps a file while the child still has it open, so what cannot be removed now is tried again."""
        for path in list(self._leftover):
            with suppress(OSError):
                path.unlink(missing_ok=True)
                self._leftover.discard(path)

    def _drop_child(self, seconds: float = 0) -> None:
        """Close the child's pipes, upon which it ends by itself, wait that long for it, and kill it."""
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in _pipes(child.process):
            pipe.close()
        if seconds:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(seconds)
        if child.process.poll() is None:
            child.process.kill()
            # Collected by a later poll: even a killed process can take its time.
            self._dying.append(child.process)


def worker_command(python: str) -> list[str]:
    """Command of the child for a Python interpreter: PythonSlicer in Slicer, sys.executable elsewhere."""
    return [python, "-m", "BreastUSAssistLib", "worker"]


def _texts(content: Any) -> Iterator[str]:
    """Every text in JSON content."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, (list, tuple)) and not (content and isinstance(content[0], (int, float))):
        for value in content:
            yield from _texts(value)


def _pipes(process: "subprocess.Popen[bytes]") -> tuple[IO[bytes], ...]:
    return tuple(pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe is not None)


def _available(pipe: IO[bytes]) -> bytes:
    """What can be read at once, at most _MOST_READ bytes."""
    found = bytearray()
    while len(found) < _MOST_READ:
        try:
            piece = os.read(pipe.fileno(), _PIECE)
        except BlockingIOError:
            break
        except OSError:
            break
        if not piece:
            break
        found += piece
    return bytes(found)
