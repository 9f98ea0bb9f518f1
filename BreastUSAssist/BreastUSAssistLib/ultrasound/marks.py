"""Calipers, crosses, dotted lines and captions burnt into a frame: where they are, and the frame without them.

Marks are drawn with thin strokes of one light grey; speckle is smeared sideways by the beam and is neither that thin
nor that even. A stroke or cross that `gate_marks` would tell is the seed of a mark; thin light pixels that hang
together with a seed, or lie near one and have its grey level, belong to it too.
"""

import numpy as np

from .gate_marks import CROSS_STEP, STROKE_STEP

STROKE_WIDTH = 7
"""What is lighter than its surrounds over less than this, in pixels, is thin."""
LEAST_STEP = 40
"""Grey levels by which a thin pixel stands out of the darkest opening of its surrounds."""
LEAST_GREY = 110
"""Marks are drawn light, to be seen."""
SAME_GREY = 10
"""Marks of one frame differ in grey by no more than this, after compression."""
LETTER_STEP = 120
"""Step out of its surrounds from which a part may differ more in grey from the mark beside it, by `LETTER_GREY`."""
LETTER_GREY = 60
REACH = (10, 28)
"""Rows and columns from one part of a mark within which the next dot or letter is looked for."""
ROUNDS = 4
"""Times that dots and letters are looked for around those found last: a word grows from one letter."""
LARGEST_LETTER = 160
"""Pixels of one dot or letter."""
LARGEST_PART = 0.004
"""Share of the frame that one mark may fill; a larger bright part is tissue or the edge of a window."""
MOST_PIXELS = 1 << 21
"""Frames with more are searched at reduced size: their strokes are as much thicker."""
_MOST_SWEEPS = 30
_MOST_UPDATES = 20_000_000
"""Pixel updates of the diffusion at one level, which bounds its time."""


def marks_mask(grey: np.ndarray) -> np.ndarray:
    """Pixels of burnt-in marks and their soft rims: bool (rows, columns) from uint8 (rows, columns)."""
    if grey.size > MOST_PIXELS:
        return _enlarged_marks(grey)
    from scipy import ndimage

    found = np.zeros(grey.shape, bool)
    if min(grey.shape) < 2 * STROKE_WIDTH:
        return found
    opened = ndimage.grey_opening(grey, (STROKE_WIDTH, STROKE_WIDTH))
    step = grey - np.minimum(opened, grey)
    thin = (grey >= LEAST_GREY) & (step >= LEAST_STEP)
    seeds = _seeds(grey) & thin
    if not seeds.any():
        return found
    labels, count = ndimage.label(thin, np.ones((3, 3)))
    seeded, sizes = np.zeros(count + 1, bool), np.bincount(labels.ravel(), minlength=count + 1)
    seeded[np.unique(labels[seeds])] = True
    seeded[0] = False
    seeded &= sizes <= max(LARGEST_PART * grey.size, 64)
    found = seeded[labels]
    found = _with_letters(grey, step, labels, found)
    return ndimage.binary_dilation(found, np.ones((3, 3)), iterations=2) if found.any() else found


def _enlarged_marks(grey: np.ndarray) -> np.ndarray:
    from PIL import Image

    rows, columns = grey.shape
    factor = int(np.ceil((grey.size / MOST_PIXELS) ** 0.5))
    small = Image.fromarray(np.ascontiguousarray(grey)).reduce(factor)
    found = Image.fromarray(marks_mask(np.asarray(small)))
    return np.asarray(found.resize((columns, rows), Image.Resampling.NEAREST))


def inpaint(grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill `mask`, bool (rows, columns), by harmonic diffusion from its rim; uint8 as `grey`, which stays as it is.

    Solves Laplace's equation roughly, from coarse to fine (each level half the size of the one above, relaxed by Jacobi
    sweeps), so that time grows with the pixels and not with the width of the hole. A frame that is masked all over is
    returned unchanged.
    """
    if not mask.any() or mask.all():
        return grey.copy()
    filled = np.rint(_filled(grey.astype(np.float32), mask))
    return np.where(mask, np.clip(filled, 0, 255).astype(np.uint8), grey)


def without_marks(grey: np.ndarray) -> np.ndarray:
    """The frame with its burnt-in marks inpainted; uint8 (rows, columns), the same pixels where none were found."""
    return inpaint(grey, marks_mask(grey))


def _seeds(grey: np.ndarray) -> np.ndarray:
    """Pixels of surely drawn strokes: upright over five pixels, or the middle of a cross, upright or slanted."""
    padded = np.pad(grey, 4, mode="edge").astype(np.int16)

    def at(down: int, right: int) -> np.ndarray:
        return padded[4 + down : 4 + down + grey.shape[0], 4 + right : 4 + right + grey.shape[1]]

    upright = at(0, 0) - np.maximum(at(0, -3), at(0, 3))
    for down in (-2, -1, 1, 2):
        np.minimum(upright, at(down, 0) - np.maximum(at(down, -3), at(down, 3)), out=upright)
    seeds = upright >= STROKE_STEP
    for straight, slanted in ((_STRAIGHT, _SLANTED), (_SLANTED, _STRAIGHT)):
        arms, between = at(0, 0).copy(), np.zeros(grey.shape, np.int16)
        for reach in (1, 2, 3):
            for down, right in straight:
                np.minimum(arms, at(reach * down, reach * right), out=arms)
        for reach in (2, 3):
            for down, right in slanted:
                np.maximum(between, at(reach * down, reach * right), out=between)
        seeds |= arms - between >= CROSS_STEP
    return seeds


_STRAIGHT = ((0, 1), (0, -1), (1, 0), (-1, 0))
_SLANTED = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def _with_letters(grey: np.ndarray, step: np.ndarray, labels: np.ndarray, found: np.ndarray) -> np.ndarray:
    """`found` and the small thin parts near it of like grey level: dots of a line, letters of a word."""
    from scipy import ndimage

    sizes = np.bincount(labels.ravel())
    lightest, highest = np.zeros(len(sizes), np.uint8), np.zeros(len(sizes), np.uint8)
    thin = labels > 0
    np.maximum.at(lightest, labels[thin], grey[thin])
    np.maximum.at(highest, labels[thin], step[thin])
    # Smooth letters differ in grey among themselves, but stand out of the dark as speckle hardly does.
    slack = np.where(highest >= LETTER_STEP, LETTER_GREY, SAME_GREY)
    small = sizes <= LARGEST_LETTER
    small[0] = False
    near = (2 * REACH[0] + 1, 2 * REACH[1] + 1)
    for _ in range(ROUNDS):
        # Of the marks that are near: one frame can hold a bright caption and darker calipers.
        level = ndimage.maximum_filter(np.where(found, lightest[labels], 0).astype(np.uint8), near)
        alike = small[labels] & (level > 0) & ~found
        alike &= np.abs(level - lightest[labels].astype(np.int16)) <= slack[labels]
        added = np.zeros(len(sizes), bool)
        added[np.unique(labels[alike])] = True
        added[0] = False
        if not added.any():
            break
        found = found | added[labels]
    return found


def _filled(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values with `mask` filled, float32; at least one pixel is known."""
    if not mask.any():
        return values
    rows, columns = values.shape
    even = ((0, rows % 2), (0, columns % 2))
    known = np.pad((~mask).astype(np.float32), even)
    totals, counts = (_in_fours(part) for part in (np.pad(values, even) * known, known))
    coarse = _filled(totals / np.maximum(counts, 1), counts == 0)
    found = np.where(mask, np.repeat(np.repeat(coarse, 2, 0), 2, 1)[:rows, :columns], values)
    row, column = np.nonzero(mask)
    sweeps = min(_MOST_SWEEPS, _MOST_UPDATES // len(row))
    # A neighbour outside the frame is the pixel itself: nothing flows over the edge.
    beside = [(np.clip(row + down, 0, rows - 1), np.clip(column + right, 0, columns - 1)) for down, right in _STRAIGHT]
    for _ in range(sweeps):
        found[row, column] = sum(found[place] for place in beside) / np.float32(4)
    return found


def _in_fours(values: np.ndarray) -> np.ndarray:
    """Sums of 2 x 2 pixels."""
    sums: np.ndarray = values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]
    return sums
