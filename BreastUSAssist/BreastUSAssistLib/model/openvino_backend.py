"""OpenVINO on the CPU, float32: the quickest to run on the CPUs measured so far."""

import importlib
import io
import sys
from collections.abc import Mapping
from threading import Lock
from types import ModuleType

import numpy as np

from ..errors import ModelError
from .bundle import Bundle
from .onnx_parts import OnnxParts, OnnxReading, Part

_SETTINGS = {
    "PERFORMANCE_HINT": "LATENCY",
    # Without this OpenVINO computes in bfloat16 where the CPU can, and back ends no longer agree.
    "INFERENCE_PRECISION_HINT": "f32",
}


_TELEMETRY = "openvino_telemetry"
_importing = Lock()


def import_openvino() -> ModuleType:
    """OpenVINO, imported so that it reports nothing to anyone.

    OpenVINO 2026.4 sends an event to Google Analytics when it is imported, unless the user opted out
    (openvino/tools/ovc/__init__.py); where its telemetry package cannot be imported it uses a stub of its own.
    """
    with _importing:
        if "openvino" in sys.modules:
            return sys.modules["openvino"]
        hidden = {name: module for name, module in sys.modules.items() if name.split(".")[0] == _TELEMETRY}
        for name in hidden:
            del sys.modules[name]
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
        try:
            return importlib.import_module("openvino")
        finally:
            del sys.modules[_TELEMETRY]
            sys.modules.update(hidden)


class _OpenVino:
    name = "openvino"
    precision = "float32"
    device = "cpu"

    @property
    def version(self) -> str:
        """See Backend."""
        return str(import_openvino().__version__).split("-", maxsplit=1)[0]


class OpenVinoOutline(_OpenVino, OnnxParts):
    """An OutlineBackend."""

    def __init__(self, bundle: Bundle):
        super().__init__(bundle, _open_part)


class OpenVinoReader(_OpenVino, OnnxReading):
    """A ReaderBackend."""

    def __init__(self, bundle: Bundle):
        super().__init__(bundle, _open_part)


def _open_part(bundle: Bundle, relative: str) -> Part:
    openvino = import_openvino()
    content = bundle.read(relative)
    try:
        core = openvino.Core()
        request = core.compile_model(core.read_model(io.BytesIO(content)), "CPU", _SETTINGS).create_infer_request()
    except Exception as error:
        # OpenVINO raises RuntimeError and its own types for a file that it cannot use.
        raise ModelError(f"{bundle.folder / relative} cannot be run by OpenVINO; install the model again.") from error
    names = [output.any_name for output in request.model_outputs]
    # One request answers one caller at a time; ONNX Runtime and PyTorch see to that themselves.
    lock = Lock()

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with lock:
            found = request.infer(dict(inputs), share_inputs=True, share_outputs=False)
            return {name: found[index] for index, name in enumerate(names)}

    return run
