"""What a back end does, and the choice of one: OpenVINO or ONNX Runtime on the CPU, PyTorch on CUDA or the CPU."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from ..errors import UsageError
from .features import Features

if TYPE_CHECKING:
    from .bundle import Bundle

BackendName = Literal["auto", "openvino", "onnxruntime", "torch"]
DeviceName = Literal["auto", "cpu", "cuda"]
BACKENDS: tuple[BackendName, ...] = ("openvino", "onnxruntime", "torch")
"""Fastest on a CPU first."""

_PACKAGES: dict[BackendName, tuple[str, ...]] = {
    "openvino": ("openvino",),
    "onnxruntime": ("onnxruntime",),
    "torch": ("torch", "monai", "safetensors"),
}
_INSTALL: dict[BackendName, str] = {
    "openvino": "pip install openvino",
    "onnxruntime": "pip install onnxruntime",
    "torch": "pip install 'breastusassist[torch]'",
}
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "C:/Windows/System32/nvcuda.dll")


class Backend(Protocol):
    """How a network is run; recorded in every result."""

    @property
    def name(self) -> str:
        """The back end's name, as in BackendName."""
        ...

    @property
    def version(self) -> str:
        """Version of the package that runs the network."""
        ...

    @property
    def precision(self) -> str:
        """Of the arithmetic: float32, or tf32 for convolutions on a GPU that rounds their inputs."""
        ...

    @property
    def device(self) -> str:
        """cpu or cuda, at the time of asking: a GPU out of memory falls back to the CPU."""
        ...


class OutlineBackend(Backend, Protocol):
    """Runs an outline network: an image once, then as many decodings as there are prompts."""

    def encode(self, images: np.ndarray) -> Features:
        """Features of float32 images (batch, 1, size, size); they stay on the device."""
        ...

    def decode(self, features: Features, prompts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Decode features of this back end, with prompts float32 (batch, 4, size, size) where there are any.

        Returns:
            Outline logits float32 (batch, 1, size, size), class logits float32 (batch, 3): normal, benign, malignant.
        """
        ...


class ReaderBackend(Backend, Protocol):
    """Runs a lesion reader."""

    def read(self, images: np.ndarray, measures: np.ndarray) -> dict[str, np.ndarray]:
        """Map float32 images (batch, 2, size, size) and measures (batch, measures) to the network's named outputs."""
        ...


def installed_backends() -> tuple[BackendName, ...]:
    """Back ends whose packages are there, fastest on a CPU first; nothing is imported to find out."""
    return tuple(name for name in BACKENDS if all(find_spec(package) for package in _PACKAGES[name]))


def choose_backend(backend: BackendName = "auto", device: DeviceName = "auto") -> tuple[BackendName, str]:
    """Choose the fastest back end and device that are there: PyTorch on CUDA, else OpenVINO, ONNX Runtime, PyTorch.

    OpenVINO takes about half a second longer to start than ONNX Runtime, which some twenty frames make up for.

    Raises:
        UsageError: what was asked for is not installed or has no such device.
    """
    installed = installed_backends()
    asked = device == "cuda" or backend == "torch"
    if device != "cpu" and backend in ("auto", "torch") and "torch" in installed and _cuda_is_there(asked):
        return "torch", "cuda"
    if device == "cuda":
        raise UsageError("No CUDA device can be used here with PyTorch; leave out --device or say --device cpu.")
    for name in installed:
        if backend in ("auto", name):
            return name, "cpu"
    missing = "onnxruntime" if backend == "auto" else backend
    raise UsageError(f"The back end {missing} is not installed; run `{_INSTALL[missing]}` or choose another.")


def open_outline_backend(
    bundle: "Bundle",
    backend: BackendName = "auto",
    device: DeviceName = "auto",
    notice: Callable[[str], None] = lambda sentence: None,
) -> OutlineBackend:
    """Open an outline bundle on the best back end that is there, or on the one asked for.

    Args:
        bundle: of kind outline.
        backend: auto or one by name.
        device: auto, cpu or cuda.
        notice: given a sentence when a GPU runs out of memory and the work goes on in another way.

    Raises:
        UsageError: what was asked for is not installed or has no such device.
        ModelError: the bundle is damaged or of another kind.
    """
    name, where = choose_backend(backend, device)
    if name == "torch":
        from .torch_backend import open_torch_outline

        return open_torch_outline(bundle, where, notice)
    if name == "openvino":
        from .openvino_backend import OpenVinoOutline

        return OpenVinoOutline(bundle)
    from .onnx_backend import OnnxOutline

    return OnnxOutline(bundle)


def open_reader_backend(
    bundle: "Bundle",
    backend: BackendName = "auto",
    device: DeviceName = "auto",
    notice: Callable[[str], None] = lambda sentence: None,
) -> ReaderBackend:
    """Open a reader bundle; see `open_outline_backend`."""
    name, where = choose_backend(backend, device)
    if name == "torch":
        from .torch_backend import open_torch_reader

        return open_torch_reader(bundle, where, notice)
    if name == "openvino":
        from .openvino_backend import OpenVinoReader

        return OpenVinoReader(bundle)
    from .onnx_backend import OnnxReader

    return OnnxReader(bundle)


def _cuda_is_there(asked_for: bool) -> bool:
    """Whether PyTorch can use a GPU. PyTorch takes seconds to import, so a driver is looked for first."""
    if not (asked_for or any(Path(driver).exists() for driver in _DRIVERS)):
        return False
    import torch

    return bool(torch.cuda.is_available())
