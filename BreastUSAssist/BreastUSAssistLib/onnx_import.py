"""ONNX Runtime, imported so that it reports nothing to anyone."""

import importlib
import os
from types import ModuleType


def import_onnxruntime() -> ModuleType:
    """ONNX Runtime. Import this before a package that imports it on its own.

    On Linux ONNX Runtime 1.31 sends events to Microsoft from its import on, and keeps a number of the device for them;
    disable_telemetry_events() comes too late, only this variable keeps it silent. Raises ImportError.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return importlib.import_module("onnxruntime")
