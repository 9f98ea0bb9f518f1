"""ONNX Runtime sends nothing home: the text finder and the models run without a trace of its telemetry."""

import os
import subprocess
import sys
from pathlib import Path

import BreastUSAssistLib
import pytest

FIND_TEXT = """
import numpy
from BreastUSAssistLib.ultrasound.deidentification.text_finding import open_text_finder
open_text_finder(1)(numpy.zeros((64, 96), numpy.uint8))
"""
RUN_MODEL = "from BreastUSAssistLib.model.onnx_backend import OnnxOutline; print(OnnxOutline.version.fget(None))"


@pytest.mark.parametrize("program", [FIND_TEXT, RUN_MODEL], ids=["text finder", "models"])
def test_nothing_is_kept_for_telemetry(program: str, tmp_path: Path) -> None:
    package = Path(BreastUSAssistLib.__file__).resolve().parents[1]
    kept_out = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    places = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    environment = {**kept_out, **places, "PYTHONPATH": str(package)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=120)
    names = {path.name for path in tmp_path.rglob("*")}
    assert not names & {".ses", "onnxruntime.db", "deviceid"}
