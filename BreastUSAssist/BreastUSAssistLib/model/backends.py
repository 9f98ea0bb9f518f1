"""Back ends that run a bundle's network: ONNX Runtime on the CPU, PyTorch on the CPU or a CUDA device."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from ..errors import ModelError, UsageError
from .bundle import Bundle

if TYPE_CHECKING:
    from torch import Tensor

BackendName = Literal["auto", "onnxruntime", "torch"]
DeviceName = Literal["auto", "cpu", "cuda"]


class Backend(Protocol):
    """Runs the network on a batch."""

    name: str
    precision: str
    device: str

    def run(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map float32 (batch, 1, size, size) to outline logits of the same shape and class logits (batch, 3)."""
        ...


class OnnxBackend:
    """ONNX Runtime, CPU, float32: the quickest to start and on most CPUs the quickest to run."""

    name = "onnxruntime"
    precision = "float32"
    device = "cpu"

    def __init__(self, weights: Path, threads: int | None = None):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads:
            options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # ONNX Runtime raises many unrelated types for a file that it cannot use.
            raise ModelError(f"{weights} cannot be run by ONNX Runtime; install the model again.") from error

    def run(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See Backend."""
        outline, classes = self._session.run(["outline", "classes"], {"image": inputs})
        return outline, classes


class TorchBackend:
    """PyTorch, float32, on the CPU or a CUDA device."""

    name = "torch"
    precision = "float32"

    def __init__(self, bundle: Bundle, device: str):
        import torch

        from .network import LesionNet

        self.device = device
        network = LesionNet(**bundle.network_arguments())
        network.load_state_dict(stored_state(bundle))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = network.eval().to(device)

    def run(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See Backend."""
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(inputs).to(self.device, memory_format=torch.channels_last)
            outline, classes = self._network(batch)
        return outline.float().cpu().numpy(), classes.float().cpu().numpy()


def stored_state(bundle: Bundle) -> "dict[str, Tensor]":
    """State of a bundle's network in float32. Raises ModelError where the file is not the recorded one."""
    from safetensors.torch import load_file

    return {name: value.float() for name, value in load_file(str(bundle.checked("models/model.safetensors"))).items()}


def open_backend(bundle: Bundle, backend: BackendName = "auto", device: DeviceName = "auto") -> Backend:
    """Open the best back end that is there: PyTorch on CUDA, else ONNX Runtime, else PyTorch on the CPU.

    Raises:
        UsageError: what was asked for is not installed or has no such device.
        ModelError: the bundle is damaged.
    """
    has_torch = find_spec("torch") is not None and find_spec("monai") is not None
    has_onnx = find_spec("onnxruntime") is not None
    wants_cuda = device == "cuda" or (device == "auto" and backend != "onnxruntime")
    if wants_cuda and has_torch and _cuda_is_there(lambda: device == "cuda" or backend == "torch"):
        return TorchBackend(bundle, "cuda")
    if device == "cuda":
        raise UsageError("No CUDA device can be used here; leave out --device or say --device cpu.")
    if backend in ("auto", "onnxruntime") and has_onnx:
        return OnnxBackend(bundle.checked("models/model.onnx"))
    if backend in ("auto", "torch") and has_torch:
        return TorchBackend(bundle, "cpu")
    raise UsageError(
        f"The back end {backend} is not installed; run `pip install onnxruntime` or "
        "`pip install 'breastusassist[torch]'`."
    )


def _cuda_is_there(asked_for: Callable[[], bool]) -> bool:
    """Whether PyTorch can use a GPU. PyTorch takes seconds to import, so a driver is looked for first."""
    driver = any(Path(p).exists() for p in ("/dev/nvidiactl", "/dev/dxg", "C:/Windows/System32/nvcuda.dll"))
    if not (driver or asked_for()):
        return False
    import torch

    return bool(torch.cuda.is_available())
