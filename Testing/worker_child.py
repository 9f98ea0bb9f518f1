"""Help for tests of the analysis process: a real child, waited for without blocking it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from BreastUSAssistLib.service.worker_client import WorkerClient, worker_command
from BreastUSAssistLib.service.worker_clip import WorkerClip, write_frames
from BreastUSAssistLib.service.worker_protocol import WorkerEvent

LONGEST_WAIT = 60.0
"""Seconds after which a test gives up: a child that hangs must not hang the tests."""


def new_client(**options: Any) -> WorkerClient:
    """A client of a real child in this interpreter."""
    return WorkerClient(worker_command(sys.executable), **options)


def poll_until(client: WorkerClient, condition: Callable[[], bool]) -> None:
    """Poll as a timer of an event loop would."""
    last = time.monotonic() + LONGEST_WAIT
    while not condition():
        assert time.monotonic() < last, "no answer within a minute"
        client.poll()
        time.sleep(0.002)


def ask(client: WorkerClient, do: str, arguments: dict[str, Any]) -> list[WorkerEvent]:
    """All events of one request, its answer last."""
    events: list[WorkerEvent] = []
    client.request(do, arguments, events.append)
    poll_until(client, lambda: bool(events) and events[-1].kind != "progress")
    return events


def answer(client: WorkerClient, do: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Result of one request that has to be done."""
    event = ask(client, do, arguments)[-1]
    assert event.kind == "done", event.message
    return event.result


def refusal(client: WorkerClient, do: str, arguments: dict[str, Any]) -> str:
    """Sentence of one request that has to fail."""
    event = ask(client, do, arguments)[-1]
    assert event.kind == "error", event
    assert event.message.endswith(".") and "\n" not in event.message and "Traceback" not in event.message
    return event.message


def written(folder: Path, frames: np.ndarray, name: str = "clip") -> str:
    """Path of a .npy file with frames (frames, rows, columns[, 3])."""
    steps = write_frames(folder, frames, len(frames), name)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return str(end.value)


def handed(client: WorkerClient, frames: np.ndarray, **more: Any) -> dict[str, Any]:
    """A WorkerClip of frames, as JSON."""
    kind = "cine" if len(frames) > 1 else "still"
    return WorkerClip(**{"name": "case", "kind": kind, **more}, frames=written(client.exchange(), frames)).to_json()
