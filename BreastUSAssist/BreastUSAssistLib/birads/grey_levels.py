"""Grey levels of a lesion against its surroundings: echo level, heterogeneity, margin sharpness, posterior feature.

B-mode grey is log-compressed and depends on gain and on time-gain compensation. Everything here is therefore compared
with tissue nearby in the same frame, and pixels that are no tissue are left out: burnt-in marks, text and colour, and
the black outside of the sector.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..ultrasound.frame import Box, UltrasoundFrame

SATURATED = 250
"""Grey from which a pixel is taken for a caliper mark or text rather than tissue."""
COLOURED = 40
"""Difference between colour channels from which a pixel is taken for an overlay."""
BLACK = 2.0
"""Mean grey of a 7 x 7 neighbourhood up to which it is taken for the outside of the sector."""
FAT_PERCENTILE = 25.0
"""Fat is darker than fibroglandular tissue and fasciae and brighter than shadows: the lower quartile stands for it."""
FLOOR = 4.0
"""Added to both sides of every ratio, so that black over black is 1 and noise near black weighs little."""
FEWEST = 12
"""Fewer pixels than this give no level worth naming."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """One lesion and the tissue around it, cut out of a frame. All arrays are (rows, columns) of the cut."""

    grey: np.ndarray
    """float32, 0..255."""
    mask: np.ndarray
    """bool, the lesion."""
    marked: np.ndarray
    """bool, pixels of burnt-in marks, text or colour."""
    radius: float
    """Of the disc of the same area, in pixels."""
    box: Box
    """Of the lesion within the cut."""

    @cached_property
    def usable(self) -> np.ndarray:
        """bool, pixels that are tissue: neither marked nor in the black outside of the sector."""
        from scipy.ndimage import uniform_filter

        return np.asarray(~self.marked & (uniform_filter(self.grey, 7) > BLACK))

    @cached_property
    def core(self) -> np.ndarray:
        """bool, the lesion without marks and without an eighth of its radius at the rim (if enough is left)."""
        from scipy.ndimage import minimum_filter

        top, left, bottom, right = self.box
        inside = self.mask[top:bottom, left:right] & ~self.marked[top:bottom, left:right]
        size = 2 * max(1, round(self.radius / 8)) + 1
        deep = inside & minimum_filter(self.mask[top:bottom, left:right], size=size, mode="constant", cval=0)
        core = np.zeros_like(self.mask)
        core[top:bottom, left:right] = deep if deep.sum() >= FEWEST else inside
        return core


def cut_out(frame: UltrasoundFrame, mask: np.ndarray, box: Box, tissue: Box) -> Surroundings:
    """Cut the lesion with as much of the tissue around it as the measures need; `box` holds the lesion."""
    radius = float(np.sqrt(mask[box[0] : box[2], box[1] : box[3]].sum() / np.pi))
    around = round(radius) + 12
    down = max(around, (box[2] - box[0]) + 12)
    across = max(around, round(0.6 * (box[3] - box[1])) + 12)
    top, left = max(min(tissue[0], box[0]), box[0] - around), max(min(tissue[1], box[1]), box[1] - across)
    bottom, right = min(max(tissue[2], box[2]), box[2] + down), min(max(tissue[3], box[3]), box[3] + across)
    grey = frame.grey[top:bottom, left:right]
    return Surroundings(
        grey=grey.astype(np.float32),
        mask=mask[top:bottom, left:right],
        marked=_marks(frame.pixels[top:bottom, left:right], grey),
        radius=radius,
        box=(box[0] - top, box[1] - left, box[2] - top, box[3] - left),
    )


def echo_ratio(around: Surroundings) -> float | None:
    """Median grey of the lesion's core over the grey of the surrounding fat; None where there is too little tissue.

    The core is the lesion without an eighth of its equivalent radius at the rim. Fat is not segmented: the lower
    quartile of the tissue above and beside the lesion, from 3 px to one equivalent radius away, stands for it, because
    fat is the darker of the two tissues that surround most lesions. What lies below is left out: it is shadowed or
    enhanced.
    """
    reach = max(4, round(around.radius))
    above = slice(0, around.box[2])
    ring = _grown(around.mask[above], reach) & ~_grown(around.mask[above], 3) & around.usable[above]
    core, fat = around.grey[around.core], around.grey[above][ring]
    if core.size < 1 or fat.size < FEWEST:
        return None
    return float((np.median(core) + FLOOR) / (np.percentile(fat, FAT_PERCENTILE) + FLOOR))


def heterogeneity(around: Surroundings) -> float | None:
    """Coefficient of variation of grey, smoothed over the speckle, in the lesion's core; None below 12 pixels.

    The smoothing grows with the lesion (a twentieth of its equivalent radius, at least 1 px), and only pixels of the
    core enter it, so that the tissue around does not count.
    """
    from scipy.ndimage import gaussian_filter

    top, left, bottom, right = around.box
    inside = around.core[top:bottom, left:right]
    if int(inside.sum()) < FEWEST:
        return None
    sigma = max(1.0, around.radius / 20)
    weight = gaussian_filter(inside.astype(np.float32), sigma)[inside]
    grey = np.where(inside, around.grey[top:bottom, left:right], np.float32(0))
    smooth = gaussian_filter(grey, sigma)[inside] / weight
    return float(smooth.std() / (smooth.mean() + FLOOR))


def sharpness(around: Surroundings, points: np.ndarray, normals: np.ndarray) -> float | None:
    """Size of the median grey step across the outline, over the standard deviation of the speckle beside it.

    The step is the mean grey just outside minus just inside, along the normals and an eighth of the equivalent radius
    (2..10 px) deep. Speckle is what a Gaussian of 2 px takes off. Points (n, 2) and outward normals (n, 2) are in
    pixels of the cut; those near marks or the edge of the tissue are left out, and None is returned where fewer than 12
    remain.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    reach = float(np.clip(around.radius / 8, 2.0, 10.0))
    steps = np.linspace(1.0, reach, max(3, round(reach)))[None, :, None] * normals[:, None]
    outside, inside = ((points[:, None] + side * steps).transpose(2, 0, 1) for side in (1, -1))
    margin = round(reach) + 12
    near = tuple(
        slice(max(0, first - margin), last + margin) for first, last in zip(around.box[:2], around.box[2:], strict=True)
    )
    fine = np.zeros_like(around.grey)
    fine[near] = around.grey[near] - gaussian_filter(around.grey[near], 2.0)
    clear = (~around.marked).astype(np.float32)

    def along(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
        return np.asarray(map_coordinates(picture, where, order=1, mode="constant", cval=0.0))

    known = (along(clear, outside) > 0.5).all(axis=1) & (along(clear, inside) > 0.5).all(axis=1)
    if int(known.sum()) < FEWEST:
        return None
    outside, inside = outside[:, known], inside[:, known]
    step = along(around.grey, outside).mean(axis=1) - along(around.grey, inside).mean(axis=1)
    speckle = np.concatenate([along(fine, outside), along(fine, inside)]).std()
    return float(abs(np.median(step)) / (speckle + 1.0))


def posterior_ratio(around: Surroundings) -> float | None:
    """Mean grey of the strip below the lesion over that of the strips beside it at the same depth; None without room.

    The strip is the middle two thirds of the lesion's width and as high as the lesion (8 px at least), column by column
    from 2 px below its lower outline. The strips beside it are half as wide as the lesion, a tenth of its width away.
    Both end where the tissue ends; there is no room when less than a quarter of either is left.
    """
    top, left, bottom, right = around.box
    width, height = right - left, max(8, bottom - top)
    rows = np.arange(around.mask.shape[0])[:, None]
    lowest = around.mask.shape[0] - 1 - np.argmax(around.mask[::-1], axis=0)
    columns = np.arange(around.mask.shape[1])
    middle = (np.abs(columns - (left + right - 1) / 2) <= width / 3) & around.mask.any(axis=0)
    below = middle & (rows > lowest + 2) & (rows <= lowest + 2 + height)
    strip = below & ~around.marked
    levels = np.flatnonzero(below.any(axis=1))
    if strip.sum() < max(FEWEST, middle.sum() * height / 4):
        return None
    gap, wide = max(2, round(width / 10)), max(6, round(width / 2))
    beside = np.zeros_like(around.mask)
    for start in (left - gap - wide, right + gap):
        beside[levels[0] : levels[-1] + 1, max(0, start) : max(0, start + wide)] = True
    beside &= around.usable & ~around.mask
    if beside.sum() < max(FEWEST, len(levels) * wide / 4):
        return None
    return float((around.grey[strip].mean() + FLOOR) / (around.grey[beside].mean() + FLOOR))


def _marks(pixels: np.ndarray, grey: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_dilation

    marks = grey >= SATURATED
    if pixels.ndim == 3:
        colours = pixels[..., :3]
        marks = marks | (colours.max(axis=2).astype(np.int16) - colours.min(axis=2) >= COLOURED)
    return np.asarray(binary_dilation(marks, np.ones((3, 3), dtype=bool)) if marks.any() else marks)


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(mask.view(np.uint8), size=2 * by + 1, mode="constant")) > 0
