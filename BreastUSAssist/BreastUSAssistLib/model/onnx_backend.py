"""ONNX Runtime on the CPU, float32: the quickest to start."""

from collections.abc import Mapping

import numpy as np

from ..errors import ModelError
from ..onnx_import import import_onnxruntime
from .bundle import Bundle
from .onnx_parts import OnnxParts, OnnxReading, Part


class _OnnxRuntime:
    name = "onnxruntime"
    precision = "float32"
    device = "cpu"

    @property
    def version(self) -> str:
        """See Backend."""
        return str(import_onnxruntime().__version__)


class OnnxOutline(_OnnxRuntime, OnnxParts):
    """An OutlineBackend."""

    def __init__(self, bundle: Bundle):
        super().__init__(bundle, _open_part)


class OnnxReader(_OnnxRuntime, OnnxReading):
    """A ReaderBackend."""

    def __init__(self, bundle: Bundle):
        super().__init__(bundle, _open_part)


def _open_part(bundle: Bundle, relative: str) -> Part:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    content = bundle.read(relative)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime raises many unrelated types for a file that it cannot use.
        raise ModelError(
            f"{bundle.folder / relative} cannot be run by ONNX Runtime; install the model again."
        ) from error
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run
