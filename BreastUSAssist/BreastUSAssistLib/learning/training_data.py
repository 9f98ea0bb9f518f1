"""Training images in memory: letterboxed frames, lesion masks and classes, and their random variations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..errors import InputError
from ..model.preprocessing import Letterbox
from .manifest import ManifestRow, load_image, mask_of

CLASSES = ("normal", "benign", "malignant")


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Letterboxed images (n, size, size) uint8, masks the same (0, 1), and classes (n,) int64, -1 where unknown."""

    images: np.ndarray
    masks: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def load_training_images(rows: Sequence[ManifestRow], size: int) -> TrainingImages:
    """Read and letterbox all rows that have a mask, or are normal and need none.

    Raises:
        InputError: no row can be used, or an image cannot be read.
    """
    images, masks, classes = [], [], []
    for row in rows:
        image, labels = load_image(row), mask_of(row)
        if labels is None and row.pathology != "normal":
            continue
        lesion = np.zeros(image.shape, np.uint8) if labels is None else (labels > 0) & (labels <= 100)
        letterbox = Letterbox((0, 0, *image.shape), size)
        images.append(letterbox.apply(image))
        masks.append(letterbox.apply(lesion.astype(np.uint8), nearest=True))
        classes.append(CLASSES.index(row.pathology) if row.pathology in CLASSES else -1)
    if not images:
        raise InputError("No image with a mask was found; check the manifest, its root folder and the folds asked for.")
    return TrainingImages(np.stack(images), np.stack(masks), np.array(classes, np.int64))


def batches(
    data: TrainingImages, batch_size: int, size: int, close_ups: float, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield one epoch of shuffled, varied batches; the last, incomplete batch is left out.

    A share `close_ups` of the images that have a lesion is shown as inference looks at a lesion the second time.

    Yields:
        Inputs (batch, 1, size, size) float32 as the network takes them, masks the same shape in 0..1, classes (batch,).
    """
    order = torch.randperm(len(data), generator=generator)
    for start in range(0, len(order) - batch_size + 1, batch_size):
        chosen = order[start : start + batch_size].numpy()
        images = torch.from_numpy(data.images[chosen])[:, None].float() / 255
        masks = torch.from_numpy(data.masks[chosen])[:, None].float()
        images, masks = _move(images, masks, size, close_ups, generator)
        yield (_recolour(images, generator) * 255 - 127) / 128, masks, torch.from_numpy(data.classes[chosen])


def _uniform(generator: torch.Generator, count: int, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _move(
    images: Tensor, masks: Tensor, size: int, close_ups: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mirror left to right, zoom, stretch a little, rotate up to 10 degrees and shift.

    Never upside down: the beam comes from the top, and shadowing and enhancement lie below a lesion.
    """
    count = len(images)
    angle = _uniform(generator, count, -10, 10).deg2rad()
    zoom = _uniform(generator, count, -0.22, 0.2).exp()
    stretch = _uniform(generator, count, -0.1, 0.1).exp()
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = mirror * zoom * stretch * angle.cos()
    theta[:, 0, 1] = -zoom * stretch * angle.sin()
    theta[:, 1, 0] = mirror * zoom / stretch * angle.sin()
    theta[:, 1, 1] = zoom / stretch * angle.cos()
    theta[:, 0, 2] = _uniform(generator, count, -0.12, 0.12)
    theta[:, 1, 2] = _uniform(generator, count, -0.12, 0.12)
    _show_close_up(theta, masks, close_ups, generator)
    grid = functional.affine_grid(theta, [count, 1, size, size], align_corners=False)
    both = functional.grid_sample(torch.cat([images, masks], 1), grid, align_corners=False)
    return both[:, :1], both[:, 1:]


def _show_close_up(theta: Tensor, masks: Tensor, share: float, generator: torch.Generator) -> None:
    """Aim some of the affine maps (batch, 2, 3) at the lesion, in place, so that it fills much of the square."""
    chosen = torch.rand(len(masks), generator=generator) < share
    scale = _uniform(generator, len(masks), 1.5, 3.0)
    for index in torch.nonzero(chosen & (masks.flatten(1).amax(1) > 0)).flatten().tolist():
        rows, columns = (torch.nonzero(masks[index, 0].amax(axis)).flatten() for axis in (1, 0))
        size = masks.shape[-1]
        extent = float(max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1) / size
        zoom = min(max(extent * float(scale[index]), 0.25), 1.0)
        shift = theta[index, :, 2].clone()
        centre = torch.stack([columns[0] + columns[-1] + 1, rows[0] + rows[-1] + 1]).float() / size - 1
        theta[index] *= zoom
        theta[index, :, 2] = centre + shift * zoom


def _recolour(images: Tensor, generator: torch.Generator) -> Tensor:
    """Gain, offset and dynamic range as scanners and presets differ; some blur; some noise."""
    count = len(images)
    shape = (count, 1, 1, 1)
    images = images.clamp(1e-4, 1) ** _uniform(generator, count, -0.35, 0.35).exp().reshape(shape)
    images = images * _uniform(generator, count, 0.8, 1.2).reshape(shape)
    images = images + _uniform(generator, count, -0.06, 0.06).reshape(shape) * (images > 0.02)
    blurred = functional.avg_pool2d(images, 3, 1, 1)
    share = (_uniform(generator, count, -1, 1).clamp(min=0)).reshape(shape)
    images = images * (1 - share) + blurred * share
    sigma = _uniform(generator, count, -0.03, 0.04).clamp(min=0).reshape(shape)
    return (images + sigma * torch.randn(images.shape, generator=generator)).clamp(0, 1)
