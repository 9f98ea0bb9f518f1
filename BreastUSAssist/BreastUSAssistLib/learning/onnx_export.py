"""Networks as ONNX files: float16 weights that are cast when a runtime loads them, nothing of the exporting machine."""

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..files import written_whole
from ..model.network import PROMPT_CHANNELS, LesionNet
from ..model.onnx_parts import LEVELS

LARGEST_BATCH = 64
_HALVED = (nn.Conv2d, nn.Linear)
Network = TypeVar("Network", bound=nn.Module)


def round_weights(network: nn.Module) -> dict[str, Tensor]:
    """Round the weights of convolutions and linear layers to float16, in the network itself, and return its state.

    Every back end then runs the same numbers. Norms, biases and everything else stay in float32, as does arithmetic.
    """
    halved = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, _HALVED)}
    state = {
        name: (value.half() if name in halved else value).contiguous() for name, value in network.state_dict().items()
    }
    network.load_state_dict({name: value.float() if name in halved else value for name, value in state.items()})
    return state


def export_outline(network: LesionNet, folder: Path, size: int = 256) -> None:
    """Write encoder.onnx, prompts.onnx and decoder.onnx; see `model.onnx_parts` for their inputs and outputs.

    The parts are apart so that clicks leave the encoder out and automatic drafts the prompts.

    Args:
        network: whose weights `round_weights` has rounded.
        folder: written into.
        size: of the square image, a multiple of 32.
    """
    halved = _with_halved_weights(network)
    image, prompts = torch.zeros(2, 1, size, size), torch.zeros(2, PROMPT_CHANNELS, size, size)
    with torch.inference_mode():
        features = [value.clone() for value in network.eval().encode(image)]
    names, prompted = ([f"{letter}{level}" for level in range(LEVELS)] for letter in "fg")
    _export(_Encoder(halved), (image,), ["image"], names, folder / "encoder.onnx")
    _export(_Prompts(halved), (*features, prompts), [*names, "prompts"], prompted, folder / "prompts.onnx")
    # Copies, because the exporter takes an input that is given twice for one.
    coarse = [value.clone() for value in features[-2:]]
    takes = [*prompted, *names[-2:]]
    _export(_Decoder(halved), (*features, *coarse), takes, ["outline", "classes"], folder / "decoder.onnx")


def export_reader(network: nn.Module, folder: Path, roi_size: int, measures: int) -> None:
    """Write model.onnx: image (batch, 2, roi_size, roi_size), measures (batch, measures) -> the network's outputs.

    Args:
        network: `forward(image, measures)` gives named tensors in a fixed order; its weights are rounded.
        folder: written into.
        roi_size: of the region of interest, a multiple of 32.
        measures: how many.
    """
    inputs = torch.zeros(2, 2, roi_size, roi_size), torch.zeros(2, measures)
    with torch.inference_mode():
        names = list(network.eval()(*inputs))
    _export(_Reader(_with_halved_weights(network)), inputs, ["image", "measures"], names, folder / "model.onnx")


class _Float32(nn.Module):
    """Parametrisation of a float16 weight: exported as a Cast, which runtimes do once, when they load the file."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight.float()


class _Encoder(nn.Module):
    def __init__(self, network: LesionNet):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.encode(image))


class _Prompts(nn.Module):
    def __init__(self, network: LesionNet):
        super().__init__()
        self.encoder = network.prompt_encoder

    def forward(
        self, f0: Tensor, f1: Tensor, f2: Tensor, f3: Tensor, f4: Tensor, prompts: Tensor
    ) -> tuple[Tensor, ...]:
        return tuple(self.encoder([f0, f1, f2, f3, f4], prompts))


class _Given(nn.Module):
    """Stands for the prompt encoder where its result is given."""

    def forward(self, features: Sequence[Tensor], prompted: Sequence[Tensor]) -> list[Tensor]:
        return list(prompted)


class _Decoder(nn.Module):
    def __init__(self, network: LesionNet):
        super().__init__()
        self.network = copy.deepcopy(network)
        self.network.prompt_encoder = _Given()  # type: ignore[assignment]

    def forward(
        self, g0: Tensor, g1: Tensor, g2: Tensor, g3: Tensor, g4: Tensor, f3: Tensor, f4: Tensor
    ) -> tuple[Tensor, Tensor]:
        # Of the image's own features the class head takes the two coarsest alone.
        return self.network.decode([g0, g1, g2, f3, f4], [g0, g1, g2, g3, g4])  # type: ignore[arg-type]


class _Reader(nn.Module):
    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, measures: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(image, measures).values())


def _with_halved_weights(network: Network) -> Network:
    halved = copy.deepcopy(network).cpu().eval()
    for module in list(halved.modules()):
        if isinstance(module, _HALVED):
            parametrize.register_parametrization(module, "weight", _Float32(), unsafe=True)
            stored: Any = module.parametrizations
            stored.weight.original = nn.Parameter(stored.weight.original.detach().half(), requires_grad=False)
    return halved


def _export(
    part: nn.Module, inputs: tuple[Tensor, ...], takes: Sequence[str], gives: Sequence[str], path: Path
) -> None:
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with _quiet_exporter():
        program = torch.onnx.export(
            part.eval(),
            inputs,
            input_names=list(takes),
            output_names=list(gives),
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None, "the dynamo exporter returns a program"
    model = program.model_proto
    # The exporter writes the call stack of every node, with the paths of the machine, into its metadata.
    for piece in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        piece.ClearField("metadata_props")
        piece.ClearField("doc_string")
    with written_whole(path) as beside:
        beside.write_bytes(model.SerializeToString())


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep back what the exporter says of packages that are not needed and of its own deprecated calls."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.filterwarnings("ignore", "# The axis name")
            yield
    finally:
        logger.setLevel(level)
