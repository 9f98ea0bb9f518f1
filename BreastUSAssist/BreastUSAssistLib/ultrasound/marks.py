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
_MOST_SWEEPS = 60
_MOST_UPDATES = 40_000_000
"""Pixel updates of the diffusion in all, which bounds its time."""


def marks_mask(grey: np.ndarray) -> np.ndarray:
    """Pixels of burnt-in marks and their soft rims: bool (rows, columns) from uint8 (rows, columns)."""
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


def inpaint(grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill `mask`, bool (rows, columns), by harmonic diffusion from its rim; uint8 as `grey`, which stays as it is.

    The mask is peeled from outside in, then the filled pixels are relaxed towards the mean of their four neighbours
    (Laplace's equation; Bertalmio et al., SIGGRAPH 2000, section 1, call it the simplest inpainting). The work is
    bounded by a number of pixel updates, so a frame of 4096 x 4096 that is half masked ends, coarsely filled, in time.
    A frame that is masked all over is returned unchanged.
    """
    if not mask.any() or mask.all():
        return grey.copy()
    columns = grey.shape[1] + 2
    values = np.pad(grey.astype(np.float32), 1, mode="edge").ravel()
    # Pixels outside the frame repeat its edge: they are as unknown as the edge is.
    unknown = np.pad(mask, 1, mode="edge").ravel()
    inner = np.pad(mask, 1).ravel()
    offsets = np.array([-columns, -1, 1, columns])
    places = np.flatnonzero(inner)
    around = places[:, None] + offsets
    waiting = np.arange(len(places))
    while len(waiting):
        known = ~unknown[around[waiting]]
        count = known.sum(axis=1)
        ready = count > 0
        if not ready.any():
            break
        chosen = waiting[ready]
        values[places[chosen]] = (values[around[chosen]] * known[ready]).sum(axis=1) / count[ready]
        unknown[places[chosen]] = False
        waiting = waiting[~ready]
    usable = ~unknown[around] & _within(around, grey.shape)
    weights = usable / np.maximum(usable.sum(axis=1, keepdims=True), 1)
    for _ in range(min(_MOST_SWEEPS, _MOST_UPDATES // len(places))):
        values[places] = (values[around] * weights).sum(axis=1)
    filled = np.rint(values).reshape(grey.shape[0] + 2, columns)[1:-1, 1:-1]
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


def _within(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Whether flat indices of a frame padded by one pixel lie in the frame itself."""
    row, column = np.divmod(places, shape[1] + 2)
    inside: np.ndarray = (row > 0) & (row <= shape[0]) & (column > 0) & (column <= shape[1])
    return inside
