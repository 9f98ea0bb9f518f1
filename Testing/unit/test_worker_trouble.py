"""Children of the client that lie, cannot start or lack packages: one sentence each, and the next request works."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib import __version__
from BreastUSAssistLib.service.worker_client import WorkerClient
from BreastUSAssistLib.service.worker_ending import ending_sentence
from BreastUSAssistLib.service.worker_protocol import PROTOCOL
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases
from worker_child import ask, handed, new_client, refusal

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals that stop and kill a process are POSIX")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return render(standard_cases()["irregular-spiculated"]).frames


def quick(**more: Any) -> dict[str, Any]:
    """Arguments with what starts soonest: the shipped outline model alone, on ONNX Runtime."""
    return {"backend": "onnxruntime", "reader": False, **more}


GREETING = f'{{"hello":"BreastUSAssist worker","protocol":{PROTOCOL},"software":"{__version__}"}}'


def misbehaving(tmp_path: Path, first: str) -> WorkerClient:
    """A client whose first child runs `first`, and the later ones as they should."""
    marker = tmp_path / "was-here"
    script = f"""
        import os, sys, time
        if os.path.exists({str(marker)!r}):
            os.execv(sys.executable, [sys.executable, "-m", "BreastUSAssistLib", "worker", *sys.argv[1:]])
        open({str(marker)!r}, "w").close()
        {first}
        time.sleep(60)
    """
    return WorkerClient([sys.executable, "-c", textwrap.dedent(script)])


@POSIX
@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("print('Welcome\\n' * 200, flush=True)", "did not answer as expected"),
        (f"print({GREETING.replace(__version__, '0.0.0')!r}, flush=True)", "version 0.0.0 but the module"),
        (f"print({GREETING!r}); print('\\x00\\xff{{', flush=True)", "damaged"),
        (f"print({GREETING!r}); print('[1]', flush=True)", "damaged"),
        (f'print({GREETING!r}); print(\'{{"id": 1, "kind": "joy"}}\', flush=True)', "not understood"),
        (f'print({GREETING!r}); print(\'{{"id": -1, "kind": "done"}}\', flush=True)', "damaged"),
        (f"print({GREETING!r}); print('x' * 17_000_000, end='', flush=True)", "too long"),
        ("sys.exit(3)", "exit code 3"),
        ("raise MemoryError", "ran out of memory"),
        ("raise ValueError('Doe^Jane')", "exit code 1, ValueError"),
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("os.abort()", "SIGABRT"),
        ("os.close(0); os.close(1); os._exit(0)", "exit code 0"),
    ],
)
def test_a_child_that_lies_or_dies_is_a_sentence_and_the_next_request_works(
    tmp_path: Path, first: str, words: str
) -> None:
    client = misbehaving(tmp_path, first)
    try:
        sentence = refusal(client, "describe", {"clip": {}})
        assert words in sentence and "Doe" not in sentence
        assert "could not be handed" in refusal(client, "describe", {"clip": {}}), "that is the real child's answer"
    finally:
        client.close()


def test_a_child_that_cannot_be_started_is_a_sentence(tmp_path: Path) -> None:
    client = WorkerClient([str(tmp_path / "no-such-python"), "-m", "BreastUSAssistLib", "worker"])
    assert "could not be started" in refusal(client, "describe", {"clip": {}})
    client.close()


BLOCKER = """
    import importlib.util, os, sys

    class Blocker:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in {blocked!r} and not os.path.exists({marker!r}):
                raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
            return None

    sys.meta_path.insert(0, Blocker())
    find = importlib.util.find_spec
    importlib.util.find_spec = lambda name: None if name.split(".")[0] in {blocked!r} else find(name)
"""


@pytest.fixture
def lacking(tmp_path: Path) -> Iterator[Callable[..., WorkerClient]]:
    """A client whose child cannot import some packages until the file `installed` is there."""
    made: list[WorkerClient] = []

    def client(*blocked: str) -> WorkerClient:
        text = textwrap.dedent(BLOCKER).format(blocked=set(blocked), marker=str(tmp_path / "installed"))
        (tmp_path / "sitecustomize.py").write_text(text)
        made.append(new_client(environment={**os.environ, "PYTHONPATH": str(tmp_path)}))
        return made[0]

    yield client
    made[0].close()


@pytest.mark.parametrize(
    ("blocked", "package"),
    [("pydantic", "pydantic"), ("PIL", "pillow")],
)
def test_a_package_that_is_missing_is_named_and_found_once_installed(
    lacking: Callable[..., WorkerClient], tmp_path: Path, frames: np.ndarray, blocked: str, package: str
) -> None:
    client = lacking(blocked)
    event = ask(client, "analyze", quick(clip=handed(client, frames[:1])))[-1]
    assert event.kind == "error" and event.result == {"missing": package}
    assert f"package {package} is missing" in event.message
    assert not client.running, "a new child sees what is installed now"
    (tmp_path / "installed").touch()
    assert ask(client, "analyze", quick(clip=handed(client, frames[:1])))[-1].kind == "done"


def test_without_any_back_end_the_sentence_says_what_to_install(
    lacking: Callable[..., WorkerClient], frames: np.ndarray
) -> None:
    client = lacking("onnxruntime", "openvino", "torch")
    event = ask(client, "analyze", quick(clip=handed(client, frames[:1]), backend="auto"))[-1]
    assert event.kind == "error" and event.result == {"missing": "onnxruntime"} and "onnxruntime" in event.message


def test_the_client_needs_nothing_installed() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import BreastUSAssistLib.service.worker_client, BreastUSAssistLib.service.worker_clip\n"
        "third = {m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "print(*sorted(name for name in third if not name.startswith('_')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=LIBRARY)
    assert loaded.stdout.split() == ["BreastUSAssistLib", "numpy"]


@pytest.mark.parametrize(
    ("returncode", "stderr", "words"),
    [
        (-9, b"", "memory ran out"),
        (-11, b"Fatal: patient Doe", "SIGSEGV"),
        (1, b"Traceback\n  File x\nDoe^Jane\n", "(exit code 1)"),
        (1, b"pkg.mod.OddError: Doe^Jane at /home/doe\n", "(exit code 1, OddError)"),
        (1, b"ModuleNotFoundError: No module named 'numpy'", "No module named 'numpy'"),
        (-250, b"", "signal 250"),
        (None, b"\xff\xfe", "stopped unexpectedly"),
    ],
)
def test_why_a_child_ended_is_told_without_what_it_worked_on(returncode: int | None, stderr: bytes, words: str) -> None:
    sentence = ending_sentence(returncode, stderr)
    assert words in sentence and "Doe" not in sentence and sentence.endswith(".")
