"""Text in a picture as a box, and what every finder of text is to this project."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..frame import Box


@dataclass(frozen=True)
class TextBox:
    """Where text stands. What it says is never read: it may be a patient's name."""

    box: Box
    score: float = field(default=1.0, compare=False)
    """How sure the finder is, 0 to 1."""


class TextFinder(Protocol):
    """Finds text in one picture."""

    @property
    def version(self) -> str:
        """Name and version of the finder and its model, for the record of what was done."""

    def __call__(self, picture: np.ndarray) -> Sequence[TextBox]:
        """Text in `picture`, uint8 (rows, columns) or RGB (rows, columns, 3); boxes lie within it."""


def covered(shape: tuple[int, ...], boxes: Iterable[Box]) -> np.ndarray:
    """Pixels that lie in any of `boxes`: bool (rows, columns)."""
    inside = np.zeros(shape[:2], bool)
    for top, left, bottom, right in boxes:
        inside[top:bottom, left:right] = True
    return inside


def merged(boxes: Iterable[Box]) -> tuple[Box, ...]:
    """Boxes without those that lie in another, in reading order."""
    kept: list[Box] = []
    for box in sorted(set(boxes), key=lambda box: (box[0] - box[2]) * (box[3] - box[1])):
        if not any(_holds(other, box) for other in kept):
            kept.append(box)
    return tuple(sorted(kept))


def _holds(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]
