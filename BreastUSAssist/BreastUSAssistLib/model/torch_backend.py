"""PyTorch on a CUDA device or the CPU; a GPU that runs out of memory is given less, then nothing."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelError
from .bundle import WEIGHTS, Bundle
from .features import Features
from .onnx_parts import check_prompts

if TYPE_CHECKING:
    from torch import Tensor, nn

Notice = Callable[[str], None]


class TorchFeatures:
    """Feature maps on the device that made them."""

    def __init__(self, maps: "Sequence[Tensor]"):
        self.maps = tuple(maps)

    def __len__(self) -> int:
        """See Features."""
        return len(self.maps[0])

    def take(self, indices: Sequence[int]) -> "TorchFeatures":
        """See Features."""
        return TorchFeatures([values[list(indices)] for values in self.maps])

    def level(self, index: int) -> np.ndarray:
        """See Features."""
        return _array(self.maps[index])

    def pooled(self) -> np.ndarray:
        """See Features."""
        import torch

        return _array(torch.cat([values.mean((2, 3)) for values in self.maps[-2:]], 1))


class _TorchRunner:
    """A network on a device, in parts that fit into its memory."""

    name = "torch"

    def __init__(self, network: "nn.Module", device: str, notice: Notice):
        self._network = network.eval()
        self._notice = notice
        self._largest: int | None = None
        self.device = "cpu"
        self._place(device)

    @property
    def version(self) -> str:
        """See Backend."""
        import torch

        return str(torch.__version__)

    @property
    def precision(self) -> str:
        """See Backend. GPUs from compute capability 8 on round the inputs of convolutions to TensorFloat-32."""
        import torch

        rounds = self.device.startswith("cuda") and torch.backends.cudnn.allow_tf32
        return "tf32" if rounds and torch.cuda.get_device_capability()[0] >= 8 else "float32"

    def _place(self, device: str) -> None:
        import torch

        try:
            self._network = self._network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.device = device
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self._network = self._network.to("cpu")
            self._notice(_CPU_INSTEAD)

    def _tensor(self, values: "np.ndarray | Tensor") -> "Tensor":
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(values)) if isinstance(values, np.ndarray) else values
        if tensor.ndim != 4:
            return tensor.to(self.device)
        return tensor.to(self.device, memory_format=torch.channels_last)

    def _in_parts(self, count: int, part: "Callable[[slice], Sequence[Tensor]]") -> "list[Tensor]":
        """Columns of what `part` gives for slices of a batch of `count`, as large as the memory allows.

        Raises:
            ModelError: the memory does not suffice for one image on the CPU.
        """
        import torch

        before = self.device, self._largest
        while True:
            size = max(1, min(self._largest or count, count))
            try:
                with torch.inference_mode():
                    parts = [part(slice(start, start + size)) for start in range(0, count, size)]
                    columns = [
                        torch.cat(column) if len(parts) > 1 else column[0] for column in zip(*parts, strict=True)
                    ]
                break
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # Outside of the except block nothing holds on to the tensors of the failed try any more.
            self._give_way(size)
        if before != (self.device, self._largest):
            self._notice(_CPU_INSTEAD if before[0] != self.device else _SMALLER_BATCHES.format(self._largest))
        return columns

    def _give_way(self, size: int) -> None:
        import torch

        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        if size > 1:
            self._largest = size // 2
        elif self.device != "cpu":
            self._largest = None
            self._network = self._network.to("cpu")
            self.device = "cpu"
        else:
            raise ModelError("There is too little memory to run the model on one image; close other programs.")


_CPU_INSTEAD = "The GPU has too little free memory for this model; from here on the CPU is used, which takes longer."
_SMALLER_BATCHES = "The memory does not suffice for batches of this size; from here on they have {} image(s)."


class TorchOutline(_TorchRunner):
    """An OutlineBackend that runs a network with LesionNet's `encode` and `decode`."""

    def __init__(self, network: "nn.Module", device: str = "cpu", notice: Notice = lambda sentence: None):
        super().__init__(network, device, notice)

    def encode(self, images: np.ndarray) -> TorchFeatures:
        """See OutlineBackend."""
        return TorchFeatures(self._in_parts(len(images), lambda part: self._run("encode", self._tensor(images[part]))))

    def decode(self, features: Features, prompts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """See OutlineBackend."""
        if not isinstance(features, TorchFeatures):
            raise TypeError("features of another back end")
        if prompts is not None:
            check_prompts(features, prompts)

        def decoded(part: slice) -> "Sequence[Tensor]":
            maps = [self._tensor(values[part]) for values in features.maps]
            given = None if prompts is None else self._tensor(prompts[part])
            return self._run("decode", maps, given)

        outline, classes = self._in_parts(len(features), decoded)
        return _array(outline), _array(classes)

    def _run(self, method: str, *given: Any) -> "Sequence[Tensor]":
        found: Sequence[Tensor] = getattr(self._network, method)(*given)
        return found


class TorchReader(_TorchRunner):
    """A ReaderBackend that runs a network with ReaderNet's `forward`."""

    def __init__(self, network: "nn.Module", device: str = "cpu", notice: Notice = lambda sentence: None):
        super().__init__(network, device, notice)

    def read(self, images: np.ndarray, measures: np.ndarray) -> dict[str, np.ndarray]:
        """See ReaderBackend."""
        names: list[str] = []

        def answered(part: slice) -> "list[Tensor]":
            found: dict[str, Tensor] = self._network(self._tensor(images[part]), self._tensor(measures[part]))
            names[:] = found
            return list(found.values())

        columns = self._in_parts(len(images), answered)
        return {name: _array(column) for name, column in zip(names, columns, strict=True)}


def open_torch_outline(bundle: Bundle, device: str, notice: Notice) -> TorchOutline:
    """Open an outline bundle. Raises ModelError where it is damaged or does not fit the network."""
    from .network import LesionNet

    bundle.outline_settings  # noqa: B018 - raises for another kind of bundle
    return TorchOutline(_built(LesionNet, bundle), device, notice)


def open_torch_reader(bundle: Bundle, device: str, notice: Notice) -> TorchReader:
    """Open a reader bundle. Raises ModelError where it is damaged or does not fit the network."""
    from .reader_network import ReaderNet

    bundle.reader_settings  # noqa: B018 - raises for another kind of bundle
    return TorchReader(_built(ReaderNet, bundle), device, notice)


def stored_state(bundle: Bundle) -> "dict[str, Tensor]":
    """State of a bundle's network in float32. Raises ModelError where the file is not the recorded one."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return {name: _float32(value) for name, value in load(bundle.read(WEIGHTS)).items()}
    except SafetensorError as error:
        raise ModelError(f"{bundle.folder / WEIGHTS} cannot be read; install the model again.") from error


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of PyTorch means that memory ran out, on the GPU or the CPU."""
    import torch

    words = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in words or "can't allocate memory" in words


def _built(network_type: "Callable[..., nn.Module]", bundle: Bundle) -> "nn.Module":
    arguments = bundle.network_arguments()
    try:
        network = network_type(**arguments)
        network.load_state_dict(stored_state(bundle))
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"{bundle.folder / WEIGHTS} does not fit its network; use a bundle of this version."
        ) from error
    return network


def _float32(value: "Tensor") -> "Tensor":
    return value.float() if value.is_floating_point() else value


def _array(tensor: "Tensor") -> np.ndarray:
    values: np.ndarray = tensor.float().cpu().numpy()
    return values
