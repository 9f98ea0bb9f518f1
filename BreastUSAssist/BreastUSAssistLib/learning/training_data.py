"""Training images in memory: letterboxed frames, lesion masks and classes, drawn by weight and varied at random."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..model.preprocessing import Letterbox
from .augmentation import Views, move, recolour
from .manifest import ManifestRow, load_image, mask_of
from .synthetic_marks import paint_marks

CLASSES = ("normal", "benign", "malignant")
NORMAL = CLASSES.index("normal")


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Letterboxed images (n, size, size) uint8, masks the same (0, 1), classes (n,) int64, -1 where unknown, and data
    sets (n,) str."""

    images: np.ndarray
    masks: np.ndarray
    classes: np.ndarray
    datasets: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Variation:
    """How training images are drawn and varied."""

    views: Views
    marks: float
    """Share of the images that get burnt-in marks painted on, benign and malignant alike, so that none can be read off
    them."""
    normal_weight: float
    """How much more often a normal image is drawn than one with a lesion."""
    balance: float
    """0 draws every image alike; 1 draws every data set alike."""


def load_training_images(rows: Sequence[ManifestRow], size: int) -> TrainingImages:
    """Read and letterbox all rows that have a mask, or are normal and need none.

    Raises:
        InputError: no row can be used, or an image cannot be read.
    """
    images, masks, classes, datasets = [], [], [], []
    for row in rows:
        image, labels = load_image(row), mask_of(row)
        if labels is None and row.pathology != "normal":
            continue
        lesion = np.zeros(image.shape, np.uint8) if labels is None else (labels > 0) & (labels <= 100)
        letterbox = Letterbox((0, 0, *image.shape), size)
        images.append(letterbox.apply(image))
        masks.append(letterbox.apply(lesion.astype(np.uint8), nearest=True))
        classes.append(CLASSES.index(row.pathology) if row.pathology in CLASSES else -1)
        datasets.append(row.dataset or "")
    if not images:
        raise InputError("No image with a mask was found; check the manifest, its root folder and the folds asked for.")
    return TrainingImages(np.stack(images), np.stack(masks), np.array(classes, np.int64), np.array(datasets))


def batches(
    data: TrainingImages, batch_size: int, size: int, variation: Variation, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield one epoch of drawn, varied batches: as many images as there are, less an incomplete last batch.

    Yields:
        Inputs (batch, 1, size, size) float32 as the network takes them, masks the same shape in 0..1, classes (batch,).
    """
    order = torch.multinomial(_weights(data, variation), len(data), replacement=True, generator=generator)
    painter = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
    for start in range(0, len(order) - batch_size + 1, batch_size):
        chosen = order[start : start + batch_size].numpy()
        pixels = data.images[chosen]
        for index in np.flatnonzero(painter.random(batch_size) < variation.marks):
            # Marks at the lesion alone would tell where it is.
            near = data.masks[chosen[index]].astype(bool) if painter.random() < 0.6 else None
            pixels[index] = paint_marks(pixels[index], painter, near)
        images = torch.from_numpy(pixels)[:, None].float() / 255
        masks = torch.from_numpy(data.masks[chosen])[:, None].float()
        images, masks = move(images, masks, size, variation.views, generator)
        classes = torch.from_numpy(data.classes[chosen])
        shows_lesion = masks.flatten(1).amax(1) > 0.5
        classes = torch.where(shows_lesion | (classes < 0), classes, NORMAL)
        yield (recolour(images, generator) * 255 - 127) / 128, masks, classes


def _weights(data: TrainingImages, variation: Variation) -> Tensor:
    """How often each image is drawn, relative to the others."""
    names, sizes = np.unique(data.datasets, return_counts=True)
    by_dataset = dict(zip(names.tolist(), (sizes / sizes.max()) ** -variation.balance, strict=True))
    weights = np.array([by_dataset[name] for name in data.datasets.tolist()])
    return torch.from_numpy(np.where(data.classes == NORMAL, variation.normal_weight, 1.0) * weights)
