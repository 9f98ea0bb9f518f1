"""Files are written whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from BreastUSAssistLib.errors import OutputError
from BreastUSAssistLib.files import write_text, written_whole
from BreastUSAssistLib.service.case_files import folder_written_whole

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "findings.csv"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), written_whole(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "case"
    for content in ("first", "second"):
        with folder_written_whole(target) as folder:
            (folder / content).write_text(content)
    assert [p.name for p in target.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_sentence_and_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "case"
    with folder_written_whole(target) as folder:
        (folder / "kept").write_text("kept")
    told = r"case could not be written \(No space left on device\); free space"
    with pytest.raises(OutputError, match=told), folder_written_whole(target) as folder:
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert [p.name for p in target.iterdir()] == ["kept"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's file size limit stands in for a full disk on Linux")
def test_a_write_that_the_kernel_refuses_leaves_nothing(tmp_path: Path) -> None:
    told = in_small_files(
        "from BreastUSAssistLib.files import write_bytes\n"
        "try: write_bytes(Path(sys.argv[1]), bytes(100_000))\n"
        "except OutputError as error: print(error)",
        tmp_path / "big.bin",
    )
    sentence = "could not be written (File too large); free space or choose another folder with --out."
    assert told == f"{tmp_path / 'big.bin'} {sentence}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's file size limit stands in for a full disk on Linux")
def test_a_disk_that_fills_up_in_a_case_names_the_case(tmp_path: Path) -> None:
    told = in_small_files(
        "from BreastUSAssistLib.files import write_bytes\n"
        "from BreastUSAssistLib.service.case_files import folder_written_whole\n"
        "try:\n"
        "    with folder_written_whole(Path(sys.argv[1])) as folder:\n"
        "        write_bytes(folder / 'small', bytes(100))\n"
        "        write_bytes(folder / 'big', bytes(100_000))\n"
        "except OutputError as error: print(error)",
        tmp_path / "case",
    )
    assert told == f"{tmp_path / 'case'} could not be written (File too large); free space or choose another --out."
    assert list(tmp_path.iterdir()) == []


def in_small_files(code: str, path: Path) -> str:
    """Run a piece of Python in a process that can write no file over 4 kB; what it printed."""
    start = (
        "import resource, signal, sys; from pathlib import Path; from BreastUSAssistLib.errors import OutputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    )
    command = [sys.executable, "-B", "-c", start + code, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=LIBRARY).stdout.strip()


def test_written_files_have_the_usual_permissions(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "x")
    (tmp_path / "usual").write_text("x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode
