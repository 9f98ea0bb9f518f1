"""The side of the analysis process that lives in the application: never blocks, and outlives the child.

Everything happens in `poll`, called from a timer of the application's event loop: neither a large request nor a child
that hangs can hold the loop up, see worker_pipes. Needs no installed package but NumPy.
"""

import os
import shutil
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BreastUSAssistError, UsageError
from .worker_ending import ending_sentence
from .worker_pipes import ChildProcess
from .worker_protocol import (
    EXCHANGE_PREFIX,
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
SAVE_SECONDS = 15.0
"""How long it waits at most for a child that is writing what a reader wants to keep."""
OnEvent = Callable[[WorkerEvent], None]


@dataclass
class _Pending:
    call: Call
    on_event: OnEvent
    cancelled_at: float | None = None
    """When the child was asked to stop it."""


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
        self._child: ChildProcess | None = None
        self._greeted = False
        self._noise = 0
        """Lines of the child before its greeting."""
        self._pending: dict[int, _Pending] = {}
        self._events: deque[tuple[OnEvent, WorkerEvent]] = deque()
        self._last_id = 0
        self._exchange: Path | None = None
        self._cleanup: weakref.finalize | None = None
        self._dying: list[ChildProcess] = []
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
        """Folder for arrays, made on first use (and again if it was cleaned up), for this user alone, gone by `close`.

        Raises:
            OutputError: the temporary folder cannot be written.
        """
        try:
            if self._exchange is None:
                self._exchange = Path(tempfile.mkdtemp(prefix=EXCHANGE_PREFIX))
                self._cleanup = weakref.finalize(self, shutil.rmtree, self._exchange, ignore_errors=True)
            elif not self._exchange.is_dir():
                # Under the same name, which the child knows.
                self._exchange.mkdir(0o700)
        except OSError as error:
            raise exchange_error(Path(tempfile.gettempdir()), error) from error
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
            self._pending[pending.call.id] = pending
            child.send(line)
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
            self._child.send(call_line(Call(request_id, cancel=True)))

    def poll(self) -> None:
        """Write what waits, read what has come, and call `on_event` for it; returns at once, whatever the child does.

        An exception of an `on_event` passes through; the events after it are given by the next `poll`.
        """
        child = self._child
        if child is not None:
            ended = child.has_ended
            child.flush()
            self._read(child)
            if self._child is child and ended:
                # Read first: what it said before it ended counts.
                self._fail(ending_sentence(child.process.returncode, bytes(child.stderr)))
        self._end_if_overdue()
        self._dying = [child for child in self._dying if not child.has_ended]
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
        child, self._child = self._child, None
        if child is not None:
            child.end(SAVE_SECONDS if saving else CLOSE_SECONDS)
        self._dying.clear()
        if self._cleanup is not None:
            self._cleanup()
        self._leftover.clear()
        self._latest.clear()
        self._exchange = None

    def _start(self) -> ChildProcess:
        folder = self.exchange()
        environment = dict(self._environment)
        package_root = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root, environment.get("PYTHONPATH")]))
        # Else `python -m` would import whatever modules lie in the current folder.
        environment["PYTHONSAFEPATH"] = "1"
        try:
            self._child = ChildProcess.start([*self._command, "--exchange", str(folder)], environment)
        except OSError as error:
            raise ProtocolError(
                f"The analysis program could not be started ({error.strerror}); install BreastUSAssist again."
            ) from error
        self._greeted, self._noise = False, 0
        return self._child

    def _read(self, child: ChildProcess) -> None:
        try:
            for line in child.lines():
                if self._greeted:
                    self._take(parse_event(line))
                elif is_greeting(line):
                    self._greeted = True
                else:
                    self._noise += 1
            if self._noise > MOST_NOISE:
                raise ProtocolError("The analysis program did not answer as expected; install BreastUSAssist again.")
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
            child.send(call_line(pending.call))

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

    def _drop_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            # Collected by a later poll: even a killed process can take its time.
            self._dying.append(child)


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
