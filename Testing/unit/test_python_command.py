"""Which Python the child process runs with, and that it finds the library wherever it is started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from BreastUSAssistLib.panel.python_command import find_python, worker_environment
from BreastUSAssistLib.service.worker_client import worker_command


def nowhere(name: str) -> None:
    """A PATH with nothing on it."""


def slicer_home(tmp_path: Path, name: str = "PythonSlicer") -> str:
    """A folder laid out as Slicer's home."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).touch()
    return str(tmp_path)


def test_outside_slicer_it_is_this_python() -> None:
    assert find_python(None, which=nowhere, executable=sys.executable) == sys.executable


def test_in_slicer_it_is_python_slicer_on_the_path(tmp_path: Path) -> None:
    home = slicer_home(tmp_path)
    found = find_python(home, which=lambda name: f"/opt/Slicer/bin/{name}", executable="/opt/Slicer/bin/SlicerApp-real")
    assert found == "/opt/Slicer/bin/PythonSlicer"


@pytest.mark.parametrize("name", ["PythonSlicer", "PythonSlicer.exe"])
def test_off_the_path_it_is_found_in_slicers_home(tmp_path: Path, name: str) -> None:
    home = slicer_home(tmp_path, name)
    found = find_python(home, which=nowhere, executable="SlicerApp-real", windows=name.endswith(".exe"))
    assert Path(found) == tmp_path / "bin" / name


def test_the_application_itself_is_never_taken_for_a_python(tmp_path: Path) -> None:
    assert find_python(str(tmp_path), which=nowhere, executable="/opt/Slicer/bin/SlicerApp-real") is None


def test_a_host_without_python_slicer_uses_its_own_python(tmp_path: Path) -> None:
    assert find_python(str(tmp_path), which=nowhere, executable="/venv/bin/python3.12") == "/venv/bin/python3.12"


def test_the_environment_keeps_what_was_there() -> None:
    environment = worker_environment({"PYTHONPATH": "/elsewhere", "HOME": "/home/reader"})
    assert environment["PYTHONPATH"].split(os.pathsep)[1:] == ["/elsewhere"]
    assert environment["HOME"] == "/home/reader"
    assert os.pathsep not in worker_environment({})["PYTHONPATH"]


def test_the_worker_is_found_from_any_folder(tmp_path: Path) -> None:
    command = [*worker_command(find_python(None) or sys.executable), "--help"]
    environment = worker_environment({key: value for key, value in os.environ.items() if key != "PYTHONPATH"})
    shown = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "worker" in shown.stdout
