"""Threads of a job may read DICOM at once from the first moment of the process on."""

import subprocess
import sys
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"
CODE = """
import sys, threading
from BreastUSAssistLib.dicom.network.imports import import_before_threads
assert "pydicom" not in sys.modules
import_before_threads()
before = set(sys.modules)
from BreastUSAssistLib.dicom.network.received_files import read_identity
from BreastUSAssistLib.errors import InputError
try:
    read_identity(__import__("pathlib").Path(sys.argv[1]))
except InputError:
    pass
print(*sorted(name for name in set(sys.modules) - before if name.split(".")[0] in ("pydicom", "highdicom")))
"""


def test_no_part_of_pydicom_is_left_to_be_imported_by_a_thread(tmp_path: Path) -> None:
    (tmp_path / "no.dcm").write_bytes(b"\0" * 200)
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "no.dcm")], capture_output=True, text=True, check=True, cwd=LIBRARY
    )
    assert done.stdout.split() == []
