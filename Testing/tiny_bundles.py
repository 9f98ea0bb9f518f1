"""Bundles of tiny networks, structured enough to outline something, written once for all tests of a run."""

import copy
import shutil
import tempfile
from atexit import register
from functools import cache
from pathlib import Path

import torch
from BreastUSAssistLib.learning.bundle_writing import write_outline_bundle, write_reader_bundle
from BreastUSAssistLib.model.bundle import OutlineSettings, ReaderSettings
from BreastUSAssistLib.model.network import LesionNet
from monai.networks.blocks import BaseEncoder
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import Tensor, nn

TINY = "tiny-for-tests"
CHANNELS = (8, 8, 12, 12, 16)
OUTLINE_SETTINGS = OutlineSettings(
    input_size=64,
    outline_threshold=0.5,
    smallest_lesion=0.002,
    smallest_confidence=0.5,
    close_up_margin=0.5,
    most_close_ups=3,
    temperature=1.0,
    calibrated_on="nothing",
    presence_threshold=1.0,
    rescue_threshold=0.3,
    band=(0.2, 0.8),
)
READER_SETTINGS = ReaderSettings(
    input_size=64,
    margin=0.1,
    margin_below=0.25,
    measures=("height_px", "width_px", "area_px"),
    outputs={"malignant": ("malignant",), "shape": ("oval", "round", "irregular")},
    offsets={"malignant": (0.4,)},
)

CARD = "# Tiny\n\nResearch use only.\n\n## Figures\n\n| Dice |\n| --- |\n| 0.1 |\n\n## Limits\n\nAll.\n"


class TinyEncoder(nn.Module, BaseEncoder):
    """Five strided convolutions with norms, as FlexibleUNet asks for an encoder."""

    def __init__(self, spatial_dims: int = 2, in_channels: int = 1, pretrained: bool = False):
        super().__init__()
        before = (in_channels, *CHANNELS[:-1])
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU6())
            for a, b in zip(before, CHANNELS, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for step in self.steps:
            x = step(x)
            found.append(x)
        return found

    @classmethod
    def get_encoder_parameters(cls) -> list[dict]:
        return [{"spatial_dims": 2, "in_channels": 1, "pretrained": False}]

    @classmethod
    def num_channels_per_output(cls) -> list[tuple[int, ...]]:
        return [CHANNELS]

    @classmethod
    def num_outputs(cls) -> list[int]:
        return [len(CHANNELS)]

    @classmethod
    def get_encoder_names(cls) -> list[str]:
        return [TINY]


if TINY not in FLEXUNET_BACKBONE.register_dict:
    FLEXUNET_BACKBONE.register_class(TinyEncoder)


class TinyReader(nn.Module):
    """Stands for a lesion reader: named outputs of a region and its measures."""

    def __init__(self, measures: int):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.heads = nn.ModuleDict(
            {name: nn.Linear(8 + measures, count) for name, count in (("malignant", 1), ("shape", 3))}
        )

    def forward(self, image: Tensor, measures: Tensor) -> dict[str, Tensor]:
        known = torch.where(torch.isnan(measures), torch.zeros_like(measures), measures)
        joined = torch.cat([self.body(image).mean((2, 3)), known], 1)
        return {name: head(joined) for name, head in self.heads.items()}


def tiny_network() -> LesionNet:
    """A LesionNet with random weights, whose norms are settled on noise and whose outline crosses its threshold."""
    return copy.deepcopy(_settled())


@cache
def _settled() -> LesionNet:
    torch.manual_seed(7)
    network = LesionNet(backbone=TINY, decoder_channels=(48, 16, 8, 8, 8))
    with torch.no_grad():
        for _ in range(20):
            network(torch.randn(8, 1, 64, 64))
        network.eval()
        head = network.segmentation_head[0]
        outline = network(torch.randn(8, 1, 64, 64))[0]
        head.weight.mul_(4 / outline.std())
        head.bias.copy_((head.bias - outline.mean()) * 4 / outline.std())
    return network


@cache
def tiny_outline_bundle() -> Path:
    """Folder of an outline bundle; copy it before changing it."""
    folder = _folder() / "tiny-outline"
    write_outline_bundle(folder, "tiny-outline", "0.0.1", tiny_network(), OUTLINE_SETTINGS, card=CARD)
    return folder


@cache
def tiny_reader_bundle() -> Path:
    """Folder of a reader bundle; copy it before changing it."""
    folder = _folder() / "tiny-reader"
    torch.manual_seed(8)
    write_reader_bundle(folder, "tiny-reader", "0.0.1", TinyReader(3), READER_SETTINGS, card="# Tiny reader\n")
    return folder


def copied(folder: Path, to: Path) -> Path:
    """Copy of a bundle that may be changed."""
    return Path(shutil.copytree(folder, to / folder.name))


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tiny-bundles-"))
    register(shutil.rmtree, folder, ignore_errors=True)
    return folder
