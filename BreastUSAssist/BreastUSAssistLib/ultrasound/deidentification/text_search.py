"""Pictures searched for text within what stays of them."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..frame import Box
from ..marks import inpaint
from .text_boxes import TextBox, TextFinder, covered
from .text_pictures import Picture

_BEYOND = 64
"""Pixels around what stays in which text that reaches into it begins."""
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


def texts_across(
    pictures: Sequence[Picture],
    kept: np.ndarray,
    finder: TextFinder,
    attend: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Where text stands across the border of what stays in any picture of a clip, bool (rows, columns).

    The first is searched, and one that is everywhere as bright as the brightest of all: text is brighter than the
    black around the tissue, whenever it is shown.
    """
    attend()
    across = text_across(pictures[0].pixels, kept, finder)
    if len(pictures) > 1:
        attend()
        brightest = _grey(pictures[0])
        for picture in pictures[1:]:
            brightest = np.maximum(brightest, _grey(picture))
        across |= text_across(brightest, kept, finder)
    return across


def text_across(pixels: np.ndarray, kept: np.ndarray, finder: TextFinder) -> np.ndarray:
    """Where text stands across the border of what stays, bool (rows, columns).

    Black outside `kept`, half of such a text would be left: a person still reads it, and no finder sees it.

    Args:
        pixels: a frame as it was, uint8 (rows, columns[, 3]).
        kept: bool (rows, columns).
        finder: of text.
    """
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    if not rows.size or kept.all():
        return np.zeros(kept.shape, bool)
    top, left = max(int(rows[0]) - _BEYOND, 0), max(int(columns[0]) - _BEYOND, 0)
    found = finder(pixels[top : int(rows[-1]) + 1 + _BEYOND, left : int(columns[-1]) + 1 + _BEYOND])
    boxes = [(one.box[0] + top, one.box[1] + left, one.box[2] + top, one.box[3] + left) for one in found]
    return covered(kept.shape, [box for box in boxes if 0 < _share_of(kept, box) < 1])


def _grey(picture: Picture) -> np.ndarray:
    return picture.pixels if picture.pixels.ndim == 2 else picture.pixels.max(axis=2)


def _share_of(kept: np.ndarray, box: Box) -> float:
    top, left, bottom, right = box
    return float(kept[top:bottom, left:right].mean())


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
