"""What a network says of one frame."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from .familiarity import Unlikeness

MaskOrigin = Literal["automatic", "semiautomatic", "manual", "truth"]


@dataclass(frozen=True, eq=False)
class LesionMask:
    """One lesion's outline in one frame and where it came from."""

    pixels: np.ndarray
    """bool, (rows, columns) of the frame."""
    origin: MaskOrigin
    confidence: float | None = None
    """Mean foreground probability inside the mask, 0..1, of the network; None for a mask drawn by hand."""
    malignant: float | None = None
    """P(malignant | this is a lesion), 0..1; None where no network judged it."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right; bottom and right just outside. Raises ValueError for an empty mask."""
        rows = np.flatnonzero(self.pixels.any(axis=1))
        columns = np.flatnonzero(self.pixels.any(axis=0))
        if not rows.size:
            raise ValueError("an empty mask has no box")
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


@dataclass(frozen=True, eq=False)
class FramePrediction:
    """Draft of one frame: probability map, separate lesions, and the frame's class probabilities."""

    probability: np.ndarray
    """Foreground probability, float32 0..1, (rows, columns) of the frame."""
    lesions: tuple[LesionMask, ...]
    """Largest first."""
    normal: float
    benign: float
    malignant: float
    """Probabilities of the frame's class, by its largest lesion where it has one; they add up to 1."""
    unlikeness: "Unlikeness | None" = None
    """How unlike the training images the frame is; None where the model does not tell."""

    @property
    def malignant_given_lesion(self) -> float:
        """P(malignant | a lesion is there) = malignant / (benign + malignant)."""
        return self.malignant / max(self.benign + self.malignant, 1e-9)
