"""Where the pixels of an image may stay: within its ultrasound regions, or where the pixels themselves show tissue."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from ..frame import Box, UltrasoundFrame
from ..tissue import tissue_panels
from .text_boxes import covered, merged

RegionsFrom = Literal["header", "tissue"]
"""Where kept regions come from: SequenceOfUltrasoundRegions, or the tissue found in the pixels."""
_WHOLE = 0.98
"""Share of the frame from which regions tell nothing about where the tissue is: some scanners declare the screen."""
_LOOKED_AT = 8
"""Frames that tissue is looked for in."""


def kept_regions(frame: Callable[[int], UltrasoundFrame], count: int) -> tuple[tuple[Box, ...], RegionsFrom]:
    """Boxes in which the pixels of an image of `count` frames may stay; `frame` decodes one, from 0.

    Regions that cover the whole screen say nothing, and count as none. Raises InputError: a frame cannot be decoded.
    """
    first = frame(0)
    boxes = merged(region.box for region in first.regions)
    if boxes and covered((first.rows, first.columns), boxes).mean() < _WHOLE:
        return boxes, "header"
    brightest = first.grey
    for index in sorted(set(np.linspace(0, count - 1, _LOOKED_AT).round().astype(int).tolist()) - {0}):
        brightest = np.maximum(brightest, frame(index).grey)
    return merged(tissue_panels(brightest)) or ((0, 0, first.rows, first.columns),), "tissue"


def black_outside(pixels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """A frame, uint8 (rows, columns[, 3]), black outside `kept`, bool (rows, columns)."""
    return np.where(kept[..., None] if pixels.ndim == 3 else kept, pixels, np.uint8(0))
