"""Feature maps of a batch of images, kept where the back end made them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Features(Protocol):
    """Opaque to callers: what `encode` found, for `decode` of the same back end."""

    def __len__(self) -> int:
        """Images of the batch."""
        ...

    def take(self, indices: Sequence[int]) -> "Features":
        """Features of these images, in this order; an image may come more than once (several clicks on it)."""
        ...

    def level(self, index: int) -> np.ndarray:
        """Feature map 0 (stride 2) to 4 (stride 32): float32 (batch, channels, rows, columns)."""
        ...

    def pooled(self) -> np.ndarray:
        """Means of the two coarsest feature maps, float32 (batch, channels of both)."""
        ...


class ArrayFeatures:
    """Features as NumPy arrays, of back ends that run on the CPU."""

    def __init__(self, maps: Sequence[np.ndarray]):
        self.maps = tuple(maps)

    def __len__(self) -> int:
        """See Features."""
        return len(self.maps[0])

    def take(self, indices: Sequence[int]) -> "ArrayFeatures":
        """See Features."""
        return ArrayFeatures([values[list(indices)] for values in self.maps])

    def level(self, index: int) -> np.ndarray:
        """See Features."""
        return self.maps[index]

    def pooled(self) -> np.ndarray:
        """See Features."""
        return np.concatenate([values.mean((2, 3)) for values in self.maps[-2:]], 1)
