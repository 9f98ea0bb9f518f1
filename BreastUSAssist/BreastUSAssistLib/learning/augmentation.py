"""Random variations of training images: geometry, close-ups, parts without a lesion, looks of other scanners."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Views:
    """Which part of an image a training sample shows."""

    close_ups: float
    """Share of the images with a lesion that are shown as inference looks at a lesion the second time."""
    lesion_free: float
    """Share of the images with a lesion of which only a part without it is shown, as a normal image."""


def uniform(generator: torch.Generator, count: int, low: float, high: float) -> Tensor:
    """Draw `count` numbers between `low` and `high`."""
    return low + (high - low) * torch.rand(count, generator=generator)


def move(images: Tensor, masks: Tensor, size: int, views: Views, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror left to right, zoom, stretch a little, rotate up to 10 degrees and shift.

    Never upside down: the beam comes from the top, and shadowing and enhancement lie below a lesion.

    Args:
        images: (batch, 1, rows, columns) in 0..1.
        masks: the same shape, 0 or 1.
        size: rows and columns of the result.
        views: shares of close-ups and of parts without a lesion.
        generator: source of all chance.
    """
    count = len(images)
    angle = uniform(generator, count, -10, 10).deg2rad()
    zoom = uniform(generator, count, -0.22, 0.2).exp()
    stretch = uniform(generator, count, -0.15, 0.15).exp()
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = mirror * zoom * stretch * angle.cos()
    theta[:, 0, 1] = -zoom * stretch * angle.sin()
    theta[:, 1, 0] = mirror * zoom / stretch * angle.sin()
    theta[:, 1, 1] = zoom / stretch * angle.cos()
    theta[:, 0, 2] = uniform(generator, count, -0.12, 0.12)
    theta[:, 1, 2] = uniform(generator, count, -0.12, 0.12)
    _aim(theta, images, masks, views, generator)
    grid = functional.affine_grid(theta, [count, 1, size, size], align_corners=False)
    both = functional.grid_sample(torch.cat([images, masks], 1), grid, align_corners=False)
    return both[:, :1], both[:, 1:]


def _aim(theta: Tensor, images: Tensor, masks: Tensor, views: Views, generator: torch.Generator) -> None:
    """Aim some of the affine maps (batch, 2, 3), in place, at the lesion or at tissue without it."""
    size = masks.shape[-1]
    drawn = torch.rand(len(masks), generator=generator)
    scale = uniform(generator, len(masks), 1.5, 3.0)
    places = torch.rand(len(masks), 8, 3, generator=generator)
    for index in torch.nonzero(masks.flatten(1).amax(1) > 0).flatten().tolist():
        rows, columns = (torch.nonzero(masks[index, 0].amax(axis)).flatten() for axis in (1, 0))
        box = tuple(float(edge) / size for edge in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1))
        shift = theta[index, :, 2].clone()
        if drawn[index] < views.close_ups:
            zoom = min(max(max(box[2] - box[0], box[3] - box[1]) * float(scale[index]), 0.25), 1.0)
            centre = torch.tensor([box[1] + box[3] - 1, box[0] + box[2] - 1])
        elif drawn[index] < views.close_ups + views.lesion_free:
            found = _elsewhere(images[index, 0], box, places[index])
            if found is None:
                continue
            zoom, centre, shift = found[0], found[1], torch.zeros(2)
        else:
            continue
        theta[index] *= zoom
        theta[index, :, 2] = centre + shift * zoom


def _elsewhere(image: Tensor, box: tuple[float, ...], places: Tensor) -> tuple[float, Tensor] | None:
    """Share of the side and centre (x, y in -1..1) of a square of tissue clear of the lesion; None if none fits."""
    size = image.shape[-1]
    for place in places.tolist():
        side = 0.3 + 0.35 * place[0]
        # A rotated square reaches further than its side.
        reach = side * 1.3
        top, left = place[1] * (1 - side), place[2] * (1 - side)
        spare = (reach - side) / 2
        clear = (
            top + side + spare <= box[0]
            or top - spare >= box[2]
            or left + side + spare <= box[1]
            or left - spare >= box[3]
        )
        part = image[int(top * size) : int((top + side) * size), int(left * size) : int((left + side) * size)]
        if clear and float((part > 0.04).float().mean()) > 0.7:
            return side, torch.tensor([2 * left + side - 1, 2 * top + side - 1])
    return None


def recolour(images: Tensor, generator: torch.Generator) -> Tensor:
    """Gain, offset, dynamic range and depth gain as scanners and presets differ; some shadow, blur, speckle and noise.

    Args:
        images: (batch, 1, rows, columns) in 0..1.
        generator: source of all chance.
    """
    count, rows = len(images), images.shape[2]
    shape = (count, 1, 1, 1)
    images = images.clamp(1e-4, 1) ** uniform(generator, count, -0.4, 0.4).exp().reshape(shape)
    depth = torch.linspace(-0.5, 0.5, rows).reshape(1, 1, rows, 1)
    gain = uniform(generator, count, -0.22, 0.22).reshape(shape) + depth * uniform(generator, count, -0.5, 0.5).reshape(
        shape
    )
    images = images * gain.exp() * _shadows(images, generator)
    images = images + uniform(generator, count, -0.06, 0.06).reshape(shape) * (images > 0.02)
    blurred = functional.avg_pool2d(images, 3, 1, 1)
    share = uniform(generator, count, -1, 1).clamp(min=0).reshape(shape)
    images = images * (1 - share) + blurred * share
    speckle = uniform(generator, count, -0.15, 0.12).clamp(min=0).reshape(shape)
    grain = functional.avg_pool2d(torch.randn(images.shape, generator=generator), 3, 1, 1) * 2
    images = images * (1 + speckle * grain)
    sigma = uniform(generator, count, -0.03, 0.04).clamp(min=0).reshape(shape)
    return (images + sigma * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def _shadows(images: Tensor, generator: torch.Generator) -> Tensor:
    """Factor that darkens a soft vertical band of one image in eight from the top down, as poor contact does."""
    count, columns = len(images), images.shape[3]
    centre = uniform(generator, count, 0, 1).reshape(-1, 1)
    width = uniform(generator, count, 0.03, 0.12).reshape(-1, 1)
    strength = uniform(generator, count, 0.2, 0.8) * (torch.rand(count, generator=generator) < 0.125)
    across = torch.linspace(0, 1, columns).reshape(1, -1)
    band = torch.exp(-(((across - centre) / width) ** 2)) * strength.reshape(-1, 1)
    return (1 - band).reshape(count, 1, 1, columns)
