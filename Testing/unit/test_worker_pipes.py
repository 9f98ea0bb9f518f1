"""The analysis process and its pipes: garbage, closed ends, what libraries print, and the words of its errors."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.service.worker import failed_event
from BreastUSAssistLib.service.worker_client import worker_command
from BreastUSAssistLib.service.worker_protocol import (
    Call,
    ProtocolError,
    WorkerEvent,
    call_line,
    event_line,
    parse_call,
    parse_event,
)
from hypothesis import given
from hypothesis import strategies as st
from worker_child import new_client, refusal

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"


def bare(*lines: bytes, folder: Path) -> tuple[list[dict[str, Any]], int]:
    """Answers of a child to lines on stdin that is closed then, and how it ended."""
    done = subprocess.run(
        [*worker_command(sys.executable), "--exchange", str(folder)],
        input=b"".join(lines),
        capture_output=True,
        timeout=60,
        cwd=LIBRARY,
        check=False,
    )
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


def test_closed_stdin_ends_it_and_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "breastusassist-worker-x"
    folder.mkdir()
    (greeting,), code = bare(folder=folder)
    assert code == 0 and greeting["hello"] == "BreastUSAssist worker" and not folder.exists()


def test_it_removes_no_folder_that_it_was_only_given(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    assert bare(folder=tmp_path)[1] == 0 and (tmp_path / "mine").exists()


def test_garbage_on_stdin_is_told_and_the_next_request_answered(tmp_path: Path) -> None:
    command = [*worker_command(sys.executable), "--exchange", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=LIBRARY) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdout.readline()
        for garbage in (b"\x00\xff\n", b"[]\n", b'{"id": true, "do": "x", "arguments": {}}\n', b"[" * 9999 + b"\n"):
            child.stdin.write(garbage)
            assert json.loads(child.stdout.readline()) == {"damaged": True}
        child.stdin.write(call_line(Call(5, "dance", {})))
        told = json.loads(child.stdout.readline())
        assert told["id"] == 5 and told["kind"] == "error"
        child.stdin.close()
    assert child.returncode == 0


def test_what_libraries_print_is_no_message(tmp_path: Path) -> None:
    text = """
        import os
        nice = os.nice
        print("a launcher's noise before the greeting", flush=True)

        def loud(by):
            print("a library's noise", flush=True)
            os.write(1, b"and noise of C\\n")
            return nice(by)

        os.nice = loud
    """
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(text))
    client = new_client(environment={"PYTHONPATH": str(tmp_path)})
    try:
        assert "not open" in refusal(client, "refine", {"key": "x"})
    finally:
        client.close()


@given(
    st.integers(0, 2**40),
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=3),
)
def test_messages_survive_the_line(number: int, text: str, content: dict[str, Any]) -> None:
    call = Call(number, text, content)
    event = WorkerEvent("error", number, 1, 2, content, text)
    for line in (call_line(call), event_line(event)):
        assert line.isascii() and line.count(b"\n") == 1 and line.endswith(b"\n")
    assert parse_call(call_line(call)) == call and parse_event(event_line(event)) == event
    assert parse_call(call_line(Call(number, cancel=True))) == Call(number, cancel=True)


@given(st.binary(max_size=60) | st.sampled_from([b"[" * 100_000, b'{"id":NaN}', b'{"cancel":"1"}', b'{"id":1,"do":3}']))
def test_damaged_lines_are_refused(line: bytes) -> None:
    for parse in (parse_call, parse_event):
        with pytest.raises(ProtocolError):
            parse(line)


def test_the_command_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    from BreastUSAssistLib.command_line import main

    with pytest.raises(SystemExit):
        main(["worker", "--help"])
    assert "Slicer module" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "words", "result"),
    [
        (MemoryError("Doe^Jane"), "memory is not enough", {}),
        (OSError(28, "No space left on device", "/tmp/breastusassist-worker-x/labels.npy"), "No space left", {}),
        (OSError(13, "Permission denied", "/home/Doe^Jane"), "unexpected way (PermissionError)", {}),
        (ModuleNotFoundError("Doe^Jane", name="nrrd.reader"), "pip install pynrrd", {"missing": "pynrrd"}),
        (ImportError("DLL load failed: Doe^Jane"), "unexpected way (ImportError)", {}),
        (ImportError("Doe^Jane", name="BreastUSAssistLib.model"), "unexpected way (ImportError)", {}),
        (KeyError("Doe^Jane"), "unexpected way (KeyError)", {}),
        (InputError("One sentence."), "One sentence.", {}),
    ],
)
def test_what_goes_wrong_is_one_sentence_without_a_patient(
    error: Exception, words: str, result: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    event = failed_event(7, error, Path("/tmp/breastusassist-worker-x"))
    assert event.kind == "error" and event.request == 7 and event.result == result
    assert words in event.message and event.message.endswith(".")
    assert "Doe" not in event.message + capsys.readouterr().err
