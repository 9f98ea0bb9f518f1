"""Random variations of lesion regions: how they lie, were outlined, and are shown by a scanner; and its marks."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .reader_data import CONTEXT
from .synthetic_marks import paint_marks

MARKED = 0.3
"""Share of regions on which calipers are painted."""


def varied(regions: np.ndarray, distances: np.ndarray, size: int, generator: torch.Generator) -> Tensor:
    """Network inputs of stored regions, each varied at random; float32 (batch, 2, size, size).

    Args:
        regions: uint8 (batch, stored, stored), as in `ReaderLesions`.
        distances: int8, the same: signed distance to the outline in half pixels.
        size: side of the network's input.
        generator: source of everything random.
    """
    grey = torch.from_numpy(_marked(regions, distances, generator))[:, None].float() / 255
    outline = torch.from_numpy(_redrawn(distances, generator))[:, None]
    grid = functional.affine_grid(_placement(len(grey), generator), [len(grey), 1, size, size], align_corners=False)
    moved = functional.grid_sample(torch.cat([grey, outline], 1), grid, align_corners=False, padding_mode="border")
    within = (grid.abs() <= 1).all(-1)[:, None]
    grey = _rescanned(moved[:, :1] * within, generator)
    mask = ((moved[:, 1:] > 0) & within).float()
    return torch.cat([(grey * 255 - 127) / 128, mask], 1)


def _uniform(generator: torch.Generator, count: int, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _marked(regions: np.ndarray, distances: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Paint marks on some of the regions."""
    painter = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
    painted = regions.copy()
    for index in np.flatnonzero(painter.random(len(regions)) < MARKED):
        painted[index] = paint_marks(regions[index], painter, distances[index] > 0)
    return painted


def _redrawn(distances: np.ndarray, generator: torch.Generator) -> Tensor | np.ndarray:
    """Signed distances of outlines that were grown or shrunk and made wavy, float32 (batch, stored, stored)."""
    distance = torch.from_numpy(distances).float() / 2
    count, stored = distance.shape[:2]
    radius = ((distance > 0).flatten(1).sum(1) / torch.pi).sqrt().reshape(-1, 1, 1)
    size = (count, 1, 6, 6)
    waves = functional.interpolate(torch.randn(size, generator=generator), (stored, stored), mode="bicubic")[:, 0]
    height = _uniform(generator, count, 0, 0.06).reshape(-1, 1, 1)
    offset = (0.05 * torch.randn(count, generator=generator)).reshape(-1, 1, 1)
    return (distance + radius * (waves * height + offset)).numpy()


def _placement(count: int, generator: torch.Generator) -> Tensor:
    """Affine maps (batch, 2, 3): mirrored left to right, turned up to 12 degrees, scaled, stretched and shifted.

    Never upside down: the beam comes from the top, and shadowing and enhancement lie below a lesion.
    """
    angle = _uniform(generator, count, -12, 12).deg2rad()
    scale = _uniform(generator, count, -0.16, 0.2).exp() / CONTEXT
    stretch = _uniform(generator, count, -0.08, 0.08).exp()
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = mirror * scale * stretch * angle.cos()
    theta[:, 0, 1] = -scale * stretch * angle.sin()
    theta[:, 1, 0] = mirror * scale / stretch * angle.sin()
    theta[:, 1, 1] = scale / stretch * angle.cos()
    theta[:, 0, 2] = _uniform(generator, count, -0.08, 0.08)
    theta[:, 1, 2] = _uniform(generator, count, -0.08, 0.08)
    return theta


def _rescanned(grey: Tensor, generator: torch.Generator) -> Tensor:
    """Gain, dynamic range, time gain over the depth, blur and speckle as scanners and presets differ; all in 0..1."""
    count, size = len(grey), grey.shape[-1]
    shape = (count, 1, 1, 1)
    tissue = grey > 0.01
    grey = grey.clamp(1e-4, 1) ** _uniform(generator, count, -0.4, 0.4).exp().reshape(shape)
    slope = _uniform(generator, count, -0.25, 0.25).reshape(shape)
    depth = torch.linspace(-1, 1, size).reshape(1, 1, size, 1)
    grey = grey * _uniform(generator, count, 0.75, 1.25).reshape(shape) * (1 + slope * depth)
    grey = grey + _uniform(generator, count, -0.06, 0.06).reshape(shape) * tissue
    blurred = functional.avg_pool2d(grey, 3, 1, 1, count_include_pad=False)
    share = _uniform(generator, count, -1, 1).clamp(min=0).reshape(shape)
    grey = grey * (1 - share) + blurred * share
    coarse = functional.interpolate(torch.randn(count, 1, size // 2, size // 2, generator=generator), size)
    speckle = _uniform(generator, count, -0.12, 0.12).clamp(min=0).reshape(shape)
    sigma = _uniform(generator, count, -0.03, 0.03).clamp(min=0).reshape(shape)
    grey = grey * (1 + speckle * coarse) + sigma * torch.randn(grey.shape, generator=generator)
    return grey.clamp(0, 1) * tissue
