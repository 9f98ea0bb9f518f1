"""The client of the analysis process against children that hang or die: the window never waits."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from BreastUSAssistLib.birads.reading import Reading
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.service import worker_client
from BreastUSAssistLib.service.worker_client import CANCEL_SECONDS, WorkerClient, worker_command
from BreastUSAssistLib.service.worker_protocol import WorkerEvent, take_array, write_array
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases
from worker_child import answer, ask, handed, new_client, poll_until, refusal

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals that stop and kill a process are POSIX")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.repeat(render(standard_cases()["irregular-spiculated"]).frames, 62, axis=0)


@pytest.fixture
def client() -> Iterator[WorkerClient]:
    made = new_client()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[WorkerClient]:
    """A client whose child keeps its models from test to test; for tests that leave the child alive and idle."""
    made = new_client()
    yield made
    made.close()


def quick(**more: Any) -> dict[str, Any]:
    """Arguments with what starts soonest: the shipped outline model alone, on ONNX Runtime."""
    return {"backend": "onnxruntime", "reader": False, **more}


def process_of(client: WorkerClient) -> "subprocess.Popen[bytes]":
    assert client._child is not None
    return client._child.process


def open_frame(client: WorkerClient, frame: np.ndarray) -> WorkerEvent:
    path = write_array(client.exchange(), "frame", frame)
    return ask(client, "open_frame", quick(frame=str(path)))[-1]


def started(client: WorkerClient, clip: dict[str, Any], count: int = 1) -> tuple[int, list[WorkerEvent]]:
    """An analysis that has told of `count` frames."""
    events: list[WorkerEvent] = []
    number = client.request("analyze", quick(clip=clip), events.append)
    poll_until(client, lambda: any(event.done >= count or event.kind != "progress" for event in events))
    assert events[-1].kind == "progress", events[-1].message
    return number, events


def test_one_child_serves_all_requests(shared: WorkerClient, frames: np.ndarray) -> None:
    assert open_frame(shared, frames[0]).kind == "done"
    first = process_of(shared).pid
    assert open_frame(shared, frames[1]).kind == "done"
    assert process_of(shared).pid == first and not shared.busy


def test_a_second_analysis_is_refused_and_the_first_goes_on(shared: WorkerClient, frames: np.ndarray) -> None:
    events: list[WorkerEvent] = []
    shared.request("analyze", quick(clip=handed(shared, frames[:1])), events.append)
    assert "already running" in refusal(shared, "analyze", quick(clip=handed(shared, frames[:1])))
    poll_until(shared, lambda: bool(events) and events[-1].kind != "progress")
    assert events[-1].kind == "done"


def test_corrections_are_served_between_the_frames(shared: WorkerClient, frames: np.ndarray) -> None:
    key = open_frame(shared, frames[3]).result["key"]
    order: list[tuple[str, WorkerEvent]] = []
    shared.request("analyze", quick(clip=handed(shared, frames[:4])), lambda event: order.append(("analyze", event)))
    marks = quick(key=key, positive=[[200, 300]])
    shared.request("refine", marks, lambda event: order.append(("refine", event)))
    poll_until(shared, lambda: not shared.busy)
    assert [(what, event.kind) for what, event in order if event.kind != "progress"] == [
        ("refine", "done"),
        ("analyze", "done"),
    ]


def test_cancelling_ends_the_analysis_and_keeps_the_child(shared: WorkerClient, frames: np.ndarray) -> None:
    number, events = started(shared, handed(shared, frames))
    pid = process_of(shared).pid
    shared.cancel(number)
    shared.cancel(number)
    told = len(events)
    poll_until(shared, lambda: events[-1].kind != "progress")
    assert [event.kind for event in events[told:]] == ["cancelled"] and events[-1].message == ""
    assert open_frame(shared, frames[0]).kind == "done" and process_of(shared).pid == pid
    shared.cancel(number)
    shared.cancel(12345)
    assert not shared.busy


def test_a_request_that_waits_can_be_cancelled(shared: WorkerClient, frames: np.ndarray) -> None:
    events: list[WorkerEvent] = []
    shared.request("analyze", quick(clip=handed(shared, frames[:2])), events.append)
    waiting: list[WorkerEvent] = []
    number = shared.request("export", {"clip": {}, "out": "nowhere"}, waiting.append)
    shared.cancel(number)
    poll_until(shared, lambda: not shared.busy)
    assert events[-1].kind == "done"
    assert waiting[0].kind == "cancelled" and waiting[0].request == number


@POSIX
def test_polling_never_waits_for_a_child_that_hangs(shared: WorkerClient, frames: np.ndarray) -> None:
    open_frame(shared, frames[0])
    child = process_of(shared)
    for pipe in (child.stdin, child.stdout, child.stderr):
        assert pipe is not None and not os.get_blocking(pipe.fileno())
    child.send_signal(signal.SIGSTOP)
    events: list[WorkerEvent] = []
    far = [[200.0, 300.0]] * 200_000
    shared.request("refine", {"key": "0" * 32, "positive": far}, events.append)
    assert shared._child is not None and shared._child.unsent > 2_000_000, "more than any pipe holds"
    for _ in range(200):
        shared.poll()
    assert not events and shared.busy
    child.send_signal(signal.SIGCONT)
    poll_until(shared, lambda: bool(events))
    assert events[0].kind == "error" and "not open" in events[0].message


@POSIX
def test_a_child_that_does_not_stop_is_ended_and_others_are_served_anew(frames: np.ndarray) -> None:
    now = [0.0]
    client = new_client(clock=lambda: now[0])
    try:
        key = open_frame(client, frames[3]).result["key"]
        number, events = started(client, handed(client, frames))
        hung = process_of(client)
        hung.send_signal(signal.SIGSTOP)
        corrected: list[WorkerEvent] = []
        client.request("refine", quick(key=key, positive=[[200, 300]]), corrected.append)
        client.cancel(number)
        now[0] = CANCEL_SECONDS - 0.1
        client.poll()
        assert events[-1].kind == "progress"
        now[0] = CANCEL_SECONDS
        client.poll()
        assert events[-1].kind == "cancelled"
        poll_until(client, lambda: bool(corrected))
        assert corrected[0].kind == "done", "a new child knows the frame again"
        assert process_of(client) is not hung and hung.wait(10) == -signal.SIGKILL
    finally:
        client.close()


@POSIX
@pytest.mark.parametrize("frames_done", [0, 3])
def test_a_child_that_is_killed_is_a_sentence_and_the_next_request_works(
    client: WorkerClient, frames: np.ndarray, frames_done: int
) -> None:
    events: list[WorkerEvent] = []
    if frames_done:
        _, events = started(client, handed(client, frames), frames_done)
    else:
        client.request("analyze", quick(clip=handed(client, frames)), events.append)
    waiting: list[WorkerEvent] = []
    client.request("describe", {"clip": {}}, waiting.append)
    process_of(client).kill()
    poll_until(client, lambda: not client.busy)
    assert [event.kind for event in waiting] == ["error"]
    assert events[-1].kind == "error" and "ended by the system" in events[-1].message
    assert not client.running
    assert open_frame(client, frames[0]).kind == "done"


@POSIX
def test_killing_at_random_moments_loses_no_answer(frames: np.ndarray) -> None:
    chance = np.random.default_rng(4)
    client = new_client()
    try:
        for _ in range(5):
            events: list[WorkerEvent] = []
            client.request(
                "open_frame", quick(frame=str(write_array(client.exchange(), "f", frames[0]))), events.append
            )
            end = time.monotonic() + chance.uniform(0, 0.3)
            while time.monotonic() < end:
                client.poll()
                time.sleep(0.002)
            if client.running:
                process_of(client).kill()
            poll_until(client, lambda: not client.busy)
            assert [event.kind for event in events] in (["done"], ["error"])
        assert open_frame(client, frames[0]).kind == "done"
    finally:
        client.close()


def test_files_of_a_request_go_when_it_is_answered(shared: WorkerClient, frames: np.ndarray) -> None:
    for _ in range(2):
        events = ask(shared, "analyze", quick(clip=handed(shared, frames[:2])))
        assert take_array(events[-1].result["labels"]).shape == frames[:2].shape
    left = sorted(path.name.split("-")[0] for path in shared.exchange().iterdir())
    kept = [name for name in left if name not in ("open", "mask")]
    assert kept == ["analysis", "probability"], "of the latest alone, no frames"


@POSIX
def test_a_label_on_its_way_is_kept_when_the_application_closes(
    tmp_path: Path, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_client()
    folder, store = client.exchange(), tmp_path / "store"
    reading = Reading(case="case", reader="R", decision="rejected", decided="2026-01-01T00:00:00Z")

    def request(reason: str) -> dict[str, Any]:
        return {
            "clip": handed(client, frames[:1]),
            "reading": reading.model_copy(update={"reason": reason}).model_dump_json(),
            "runs": [],
            "labels": str(write_array(folder, "result", np.zeros(frames[:1].shape, np.uint8))),
            "store": str(store),
            "encrypted": False,
        }

    kept = answer(client, "keep_label", request("blurred"))
    client.request("keep_label", request("dark"), lambda event: None)
    monkeypatch.setattr(worker_client, "SAVE_SECONDS", 60)
    client.close()
    assert not folder.exists()
    with LabelStore.open(store) as opened:
        assert len(opened.history(kept["case"])) == 2


def test_one_handler_that_fails_costs_the_others_nothing(shared: WorkerClient, frames: np.ndarray) -> None:
    answered: list[WorkerEvent] = []

    def fail(event: WorkerEvent) -> None:
        raise RuntimeError("in a handler")

    shared.request("describe", {"clip": {}}, fail)
    shared.request("describe", {"clip": {}}, answered.append)
    with pytest.raises(RuntimeError, match="in a handler"):
        poll_until(shared, lambda: bool(answered))
    poll_until(shared, lambda: bool(answered))
    assert answered[0].kind == "error"


def test_closing_ends_the_child_and_removes_the_folder(frames: np.ndarray) -> None:
    client = new_client()
    folder = client.exchange()
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    started(client, handed(client, frames))
    child = process_of(client)
    client.close()
    poll_until(client, lambda: child.poll() is not None)
    assert not folder.exists() and not client.busy and not client.running
    assert "could not be handed" in refusal(client, "describe", {"clip": {}}), "a closed client can be used again"
    client.close()


@POSIX
def test_closing_removes_the_folder_of_a_killed_child() -> None:
    client = new_client()
    folder = client.exchange()
    refusal(client, "describe", {"clip": {}})
    process_of(client).kill()
    client.close()
    assert not folder.exists()


@POSIX
def test_a_child_whose_application_dies_ends_and_cleans_up(tmp_path: Path) -> None:
    code = """
        import sys, time
        from BreastUSAssistLib.service.worker_client import WorkerClient, worker_command
        client = WorkerClient(worker_command(sys.executable))
        client.request("describe", {"clip": {}}, print)
        while client.busy:
            client.poll()
            time.sleep(0.01)
        print(client._child.process.pid, client.exchange(), flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, cwd=LIBRARY
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    pid, folder = parent.stdout.readline().split(maxsplit=1)
    assert psutil.pid_exists(int(pid)) and Path(folder.strip()).is_dir()
    parent.kill()
    parent.wait()
    last = time.monotonic() + 30
    while time.monotonic() < last and (Path(folder.strip()).exists() or _alive(int(pid))):
        time.sleep(0.02)
    assert not _alive(int(pid)) and not Path(folder.strip()).exists()


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_json_cannot_say_is_refused(shared: WorkerClient) -> None:
    assert "could not be put into words" in refusal(shared, "describe", {"clip": object()})


def test_events_of_strangers_are_passed_over(shared: WorkerClient) -> None:
    shared._take(WorkerEvent("done", 99))
    shared.poll()


def test_the_command_of_the_child() -> None:
    assert worker_command("python") == ["python", "-m", "BreastUSAssistLib", "worker"]
    assert worker_client.CLOSE_SECONDS < 1


def test_a_folder_that_was_cleaned_up_is_made_again(shared: WorkerClient, frames: np.ndarray) -> None:
    open_frame(shared, frames[0])
    folder = shared.exchange()
    shutil.rmtree(folder)
    assert shared.exchange() == folder and folder.is_dir()
    assert open_frame(shared, frames[0]).kind == "done"


def test_a_child_that_is_let_go_leaves_the_folder_in_use(client: WorkerClient) -> None:
    for _ in range(5):
        assert "could not be handed" in refusal(client, "describe", {"clip": {}})
        kept = write_array(client.exchange(), "kept", np.zeros(3))
        ended = process_of(client)
        client.restart()
        ended.wait(30)
        assert kept.exists() and not client.running
