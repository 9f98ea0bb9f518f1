"""The lesion reader: malignancy, ordered category and descriptors of one outlined lesion, in one network."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .network import EfficientNetLite0Encoder
from .reader_outputs import OUTPUTS

_LARGEST_MEASURE = 4.0
"""Standardised measures are held within this many standard deviations, so that one odd outline decides nothing."""


class OrderedHead(nn.Module):
    """Cumulative-link model (McCullagh, J R Stat Soc B 1980): one score against thresholds that stay in order."""

    def __init__(self, inputs: int, thresholds: int):
        super().__init__()
        self.score = nn.Linear(inputs, 1)
        self.first = nn.Parameter(torch.tensor(-1.0))
        self.gaps = nn.Parameter(torch.zeros(thresholds - 1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, thresholds) of lying above each threshold; they never rise along the row."""
        steps = functional.softplus(self.gaps)
        thresholds = self.first + torch.cat([torch.zeros_like(steps[:1]), torch.cumsum(steps, 0)])
        return self.score(x) - thresholds


class ReaderNet(nn.Module):
    """EfficientNet-Lite0 on grey levels and mask of one lesion, with its measures beside.

    The two coarsest feature maps are pooled over the region and over the mask, so that heads see what lies in the
    lesion and what surrounds it.
    """

    measure_mean: Tensor
    measure_std: Tensor

    def __init__(self, measures: int, dropout: float = 0.4, mask_channel: bool = True):
        super().__init__()
        self.mask_channel = mask_channel
        self.encoder = EfficientNetLite0Encoder(in_channels=2)
        self.register_buffer("measure_mean", torch.zeros(measures))
        self.register_buffer("measure_std", torch.ones(measures))
        pooled = 2 * sum(self.encoder.num_channels_per_output()[0][-2:])
        embedded = OUTPUTS["embedding"]
        self.embed = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(pooled, embedded), nn.BatchNorm1d(embedded), nn.ReLU()
        )
        self.drop = nn.Dropout(dropout / 2)
        heads: dict[str, nn.Module] = {}
        for name, columns in OUTPUTS.items():
            if name == "category":
                heads[name] = OrderedHead(embedded + measures, columns)
            elif name != "embedding":
                heads[name] = nn.Linear(embedded + measures, columns)
        self.heads = nn.ModuleDict(heads)

    def forward(self, image: Tensor, measures: Tensor) -> dict[str, Tensor]:
        """Read lesions.

        Args:
            image: float32 (batch, 2, size, size), size a multiple of 32, as `lesion_roi` gives it.
            measures: float32 (batch, measures); NaN where a measure is missing.

        Returns:
            Logits by name in the order of `OUTPUTS`: malignant (batch,), all others (batch, columns); `category` are
            the logits of lying above each category but the last. And the embedding (batch, 64).
        """
        embedding = self.embed(self.pooled(image))
        joined = torch.cat([self.drop(embedding), self.standardised(measures)], 1)
        outputs = {name: head(joined) for name, head in self.heads.items()}
        outputs["malignant"] = outputs["malignant"].squeeze(1)
        outputs["embedding"] = embedding
        return outputs

    def pooled(self, image: Tensor) -> Tensor:
        """Feature maps averaged over the region and over the mask, (batch, 864)."""
        mask = image[:, 1:]
        seen = image if self.mask_channel else torch.cat([image[:, :1], torch.zeros_like(mask)], 1)
        parts = []
        for feature, stride in zip(self.encoder(seen)[-2:], (16, 32), strict=True):
            weight = functional.avg_pool2d(mask, stride)
            parts.append(feature.mean((2, 3)))
            parts.append((feature * weight).sum((2, 3)) / (weight.sum((2, 3)) + 1e-3))
        return torch.cat(parts, 1)

    def standardised(self, measures: Tensor) -> Tensor:
        """Measures in standard deviations from the training mean, 0 where missing."""
        scaled = ((measures - self.measure_mean) / self.measure_std).clamp(-_LARGEST_MEASURE, _LARGEST_MEASURE)
        return torch.where(torch.isnan(measures), torch.zeros_like(scaled), scaled)

    def set_measure_scale(self, measures: Tensor) -> None:
        """Take mean and standard deviation of each column of (lesions, measures), NaN left out."""
        known = ~torch.isnan(measures)
        count = known.sum(0).clamp(min=1)
        filled = torch.where(known, measures, torch.zeros_like(measures))
        mean = filled.sum(0) / count
        variance = (torch.where(known, measures - mean, torch.zeros_like(measures)) ** 2).sum(0) / count
        self.measure_mean.copy_(mean)
        self.measure_std.copy_(variance.sqrt().clamp(min=1e-3))

    def load_imagenet_weights(self, state: dict[str, Tensor]) -> None:
        """Take the encoder's ImageNet weights: colours added up for the grey channel, nothing yet for the mask's.

        Raises:
            ModelError: the checkpoint is not an EfficientNet-Lite0.
        """
        grey = EfficientNetLite0Encoder(in_channels=1)
        grey.load_imagenet_weights(state)
        weights = grey.state_dict()
        stem = weights["stem.0.weight"]
        weights["stem.0.weight"] = torch.cat([stem, torch.zeros_like(stem)], 1)
        self.encoder.load_state_dict(weights)
