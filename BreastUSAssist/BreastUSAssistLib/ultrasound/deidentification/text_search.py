"""Pictures searched for text within what stays of them."""

from collections.abc import Callable, Iterable

import numpy as np

from ..frame import Box
from ..marks import inpaint
from .text_boxes import TextBox, TextFinder
from .text_pictures import Picture

_RIM = 12
"""Pixels around a box from which it is filled."""


def found_in(
    picture: Picture,
    kept: np.ndarray,
    finder: TextFinder,
    attend: Callable[[], None] = lambda: None,
) -> tuple[TextBox, ...]:
    """Text in the box around `kept`, bool (rows, columns): with all the black around it, tissue looks like a sign."""
    attend()
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    if not rows.size:
        return ()
    top, left = int(rows[0]), int(columns[0])
    found = finder(picture.pixels[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1])
    return tuple(
        TextBox((one.box[0] + top, one.box[1] + left, one.box[2] + top, one.box[3] + left), one.score) for one in found
    )


def filled(pixels: np.ndarray, boxes: Iterable[Box]) -> np.ndarray:
    """A frame, uint8 (rows, columns[, 3]), with boxes filled from their rims, of which nothing within is left."""
    result = pixels.copy()
    for top, left, bottom, right in boxes:
        around = slice(max(top - _RIM, 0), bottom + _RIM), slice(max(left - _RIM, 0), right + _RIM)
        mask = np.zeros(result[around].shape[:2], bool)
        mask[top - around[0].start : bottom - around[0].start, left - around[1].start : right - around[1].start] = True
        if mask.all():
            result[around] = 0
        elif result.ndim == 2:
            result[around] = inpaint(result[around], mask)
        else:
            channels = [inpaint(result[around][..., channel], mask) for channel in range(3)]
            result[around] = np.stack(channels, axis=-1)
    return result
