"""The analysis process of the Slicer module: reads requests on stdin, answers on stdout, see worker_protocol.

One thread does the work, in the order of the requests, except that short ones (refine, open_frame, describe) are served
between the frames of an analysis. Another thread only reads stdin, so that a cancellation is seen at once, and ends the
process when the application closes its end or dies.
"""

import os
import queue
import shutil
import sys
import threading
import time
import traceback
from collections import deque
from pathlib import Path
from typing import BinaryIO

from ..errors import BreastUSAssistError
from .worker_protocol import (
    EXCHANGE_PREFIX,
    LASTING,
    Call,
    ProtocolError,
    WorkerEvent,
    event_line,
    exchange_error,
    greeting_line,
    parse_call,
)
from .worker_requests import SHORT, Worksite, perform

NICENESS = 5
"""Of the child on POSIX: the application's window goes first."""
IDLE_SECONDS = 20.0
"""Without a request for so long, what is held open between requests is closed."""
GRACE_SECONDS = 15.0
"""Time to come to the next stop once the application is gone."""

_PACKAGES = {
    "skimage": "scikit-image",
    "PIL": "pillow",
    "nrrd": "pynrrd",
    "gdcm": "python-gdcm",
    "jpeg_ls": "pyjpegls",
}
"""Names to install, where they differ from those imported."""


class Cancelled(BaseException):
    """The request at work was taken back. No Exception: nothing on the way may take it for a failure."""


class Worker:
    """Serves requests until stdin ends."""

    def __init__(self, incoming: "queue.SimpleQueue[Call | ProtocolError | None]", outgoing: BinaryIO, exchange: Path):
        self._incoming = incoming
        self._outgoing = outgoing
        self._waiting: deque[Call] = deque()
        self._at_work: list[int] = []
        self._cancelled: set[int] = set()
        self._ended = False
        self._site = Worksite(exchange)

    def serve(self) -> None:
        """Work until the application closes its end."""
        self._send(greeting_line())
        while True:
            if not self._receive(block=not self._waiting):
                # So that a folder of labels can be moved or removed while nobody works with it.
                self._site.close()
                self._receive(block=True, for_seconds=None)
            if self._ended:
                # A label that was handed over is kept; an export stops at once and leaves nothing half-written.
                for call in [call for call in self._waiting if call.do in LASTING]:
                    self._answer(call)
                self._site.close()
                return
            if self._waiting:
                self._answer(self._waiting.popleft())

    def _receive(self, block: bool, for_seconds: float | None = IDLE_SECONDS) -> bool:
        """Take in what has been sent; with `block` wait for one message, at most so long. Whether there was any."""
        found = False
        while True:
            try:
                message = self._incoming.get(block, for_seconds)
            except queue.Empty:
                return found or not block
            block, found = False, True
            if message is None:
                self._ended = True
            elif isinstance(message, ProtocolError):
                # Which request it was cannot be told: the application ends this process when it reads this.
                self._send(b'{"damaged":true}\n')
            elif message.cancel:
                self._take_back(message.id)
            else:
                self._waiting.append(message)

    def _take_back(self, number: int) -> None:
        if number in self._at_work:
            self._cancelled.add(number)
            return
        for call in list(self._waiting):
            if call.id == number:
                self._waiting.remove(call)
                self._tell(WorkerEvent("cancelled", number))

    def _attend(self) -> None:
        """Between two steps of a long request: see to cancellations, serve what is short.

        Raises:
            Cancelled: the request at work was taken back, or the application is gone.
        """
        self._receive(block=False)
        if self._ended or self._cancelled.intersection(self._at_work[-1:]):
            raise Cancelled
        if len(self._at_work) > 1:
            return
        for call in [call for call in self._waiting if call.do in SHORT]:
            self._waiting.remove(call)
            self._answer(call)

    def _answer(self, call: Call) -> None:
        """Do one request and send what came of it."""
        self._at_work.append(call.id)
        counted_from = started = time.perf_counter()

        def progress(done: int, total: int, message: str) -> None:
            nonlocal counted_from
            now = time.perf_counter()
            result = {"elapsed_ms": round((now - started) * 1000, 1)}
            if done:
                result["left_ms"] = round((now - counted_from) * 1000 / done * (total - done), 1)
            else:
                # What is left is judged by the frames alone, not by the loading before them.
                counted_from = now
            self._tell(WorkerEvent("progress", call.id, done, total, result, message))

        try:
            result = perform(call.do, call.arguments, self._site, progress, self._attend)
            event = WorkerEvent("done", call.id, result=result)
        except Cancelled:
            event = WorkerEvent("cancelled", call.id)
        except Exception as error:
            event = failed_event(call.id, error, self._site.exchange)
        finally:
            self._at_work.pop()
            self._cancelled.discard(call.id)
        self._tell(event)

    def _tell(self, event: WorkerEvent) -> None:
        self._send(event_line(event))

    def _send(self, line: bytes) -> None:
        try:
            self._outgoing.write(line)
            self._outgoing.flush()
        except OSError:
            # Nobody listens any more; the thread that reads stdin sees the same.
            self._ended = True


def run_worker(exchange: Path) -> None:
    """Serve the application on the other end of stdin and stdout; returns, or ends the process, when that is gone.

    The exchange folder goes with it.
    """
    outgoing = _own_stdout()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    incoming: queue.SimpleQueue[Call | ProtocolError | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, incoming, exchange), daemon=True).start()
    Worker(incoming, outgoing, exchange).serve()
    _end(exchange)


def _own_stdout() -> BinaryIO:
    """Stdout for messages alone: what libraries print there goes to stderr from now on."""
    own = os.dup(1)
    os.dup2(2, 1)
    if os.name == "nt":
        import msvcrt

        msvcrt.setmode(own, os.O_BINARY)  # type: ignore[attr-defined]
    return os.fdopen(own, "wb")


def _listen(stdin: BinaryIO, incoming: "queue.SimpleQueue[Call | ProtocolError | None]", exchange: Path) -> None:
    """Read requests until stdin ends; then let the work come to a stop, and end the process if it does not."""
    for line in stdin:
        try:
            incoming.put(parse_call(line))
        except ProtocolError as error:
            incoming.put(error)
    incoming.put(None)
    time.sleep(GRACE_SECONDS)
    _end(exchange)


def _end(exchange: Path) -> None:
    """End now: the interpreter's own shutdown takes long with the networks' libraries loaded, and could hang."""
    if exchange.name.startswith(EXCHANGE_PREFIX):
        shutil.rmtree(exchange, ignore_errors=True)
    os._exit(0)


def failed_event(request: int, error: Exception, exchange: Path) -> WorkerEvent:
    """One sentence for the user; for stderr the place in the code, without words that could quote a patient."""
    name = (error.name or "").split(".")[0] if isinstance(error, ImportError) else ""
    if name and name != __name__.split(".", maxsplit=1)[0]:
        package = _PACKAGES.get(name, name)
        sentence = (
            f"The Python package {package} is missing or does not load; let the module install its packages, or run "
            f"`pip install {package}`."
        )
        return WorkerEvent("error", request, result={"missing": package}, message=sentence)
    if isinstance(error, BreastUSAssistError):
        return WorkerEvent("error", request, message=str(error))
    if isinstance(error, MemoryError):
        sentence = "The memory is not enough; close other programs or analyze fewer frames, then try again."
        return WorkerEvent("error", request, message=sentence)
    if isinstance(error, OSError) and error.filename and str(error.filename).startswith(str(exchange)):
        return WorkerEvent("error", request, message=str(exchange_error(exchange, error)))
    kind = type(error).__name__
    sys.stderr.write("".join(traceback.format_tb(error.__traceback__)) + f"{kind}\n")
    sys.stderr.flush()
    sentence = f"The analysis program failed in an unexpected way ({kind}); try again, and report it if it stays so."
    return WorkerEvent("error", request, message=sentence)
