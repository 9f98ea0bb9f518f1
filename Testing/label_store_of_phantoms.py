"""A label store of small phantoms with known lesions, for the tests of learning from labels."""

from functools import cache
from pathlib import Path

import numpy as np
from BreastUSAssistLib.birads.reading import Reading
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.new_label import NewLabel
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases
from label_samples import DECLARED
from PIL import Image

READER = Reading(case="x", reader="AB", decision="accepted", decided="2026-01-02T03:04:05+00:00")


@cache
def phantom(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Grey, uint8, and label image, uint8, of a standard case, small."""
    made = render(standard_cases()[name])
    size = (96, 80)
    grey = Image.fromarray(made.frame().grey).resize(size)
    labels = Image.fromarray(made.masks[0]).resize(size, Image.Resampling.NEAREST)
    return np.asarray(grey), np.asarray(labels)


def variant(seed: int, name: str = "oval-circumscribed") -> tuple[np.ndarray, np.ndarray]:
    """A phantom moved sideways and dimmed, another for each seed."""
    grey, labels = phantom(name)
    dimmed = (grey.astype(float) * (1 - 0.02 * (seed % 7))).astype(np.uint8)
    return np.roll(dimmed, seed, axis=1), np.roll(labels, seed, axis=1)


def label(seed: int, name: str = "oval-circumscribed", **changes: object) -> NewLabel:
    """An accepted label of a phantom; every two seeds share a patient."""
    grey, labels = variant(seed, name)
    said = {
        "kind": "accepted",
        "image": identity_of([grey], "still"),
        "result": MaskStack.of_labels(labels[None]),
        "reading": READER,
        "frames": {1: grey},
        "deidentified": DECLARED,
        "patient": f"patient {seed // 2}",
    }
    return NewLabel(**{**said, **changes})


def store_of(folder: Path, count: int) -> LabelStore:
    """An open store of `count` labels, every fifth of an image without a lesion."""
    store = LabelStore.create(folder, encrypted=False)
    for seed in range(count):
        store.put(label(seed, "normal" if seed % 5 == 4 else "oval-circumscribed"))
    return store
