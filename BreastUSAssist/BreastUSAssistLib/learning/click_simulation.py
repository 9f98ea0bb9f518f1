"""A simulated reader who corrects an outline click by click.

`next_click` is the simulator by which click-driven segmentation is usually compared (Xu et al., CVPR 2016; Sofiiuk et
al., "Reviving iterative training with mask guidance", ICIP 2022): the click lies in the middle of the largest region
that is wrong. `random_click` is its training variant, which does not always hit the middle.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

RANDOM_CLICK_DEPTH = 0.4
"""A random click lies at least this fraction of the region's greatest depth away from the region's border."""


class Click(NamedTuple):
    """One click, in pixels of the arrays that it was made for."""

    row: int
    column: int
    positive: bool
    """True: this belongs to the lesion. False: it does not."""


class _Region(NamedTuple):
    """One connected part of the error; `box` is its place and `inside` bool of the box's shape."""

    box: tuple[slice, slice]
    inside: np.ndarray
    area: int
    positive: bool


def next_click(truth: np.ndarray, current: np.ndarray) -> Click | None:
    """The click that a reader would make next: the deepest point of the largest connected error.

    Deterministic: of equally large regions a missed one comes first, then the upper left one; likewise for points.

    Args:
        truth: bool (rows, columns), the reader's idea of the lesion.
        current: bool, same shape, the outline so far.

    Returns:
        A positive click on what is missing or a negative one on what is too much; None where both are equal.

    Raises:
        ValueError: the arrays differ in shape.
    """
    regions = _wrong_regions(truth, current)
    if not regions:
        return None
    region = max(regions, key=lambda one: one.area)
    return _click(region, int(np.argmax(_depth(region))))


def random_click(truth: np.ndarray, current: np.ndarray, rng: np.random.Generator) -> Click | None:
    """A click for training: any wrong region, likelier where it is larger, and any point well inside it.

    Same arguments, result and errors as `next_click`; all chance comes from `rng`.
    """
    regions = _wrong_regions(truth, current)
    if not regions:
        return None
    areas = np.array([region.area for region in regions], np.float64)
    region = regions[int(rng.choice(len(regions), p=areas / areas.sum()))]
    depth = _depth(region)
    inside = np.flatnonzero(depth >= RANDOM_CLICK_DEPTH * depth.max())
    return _click(region, int(rng.choice(inside)))


def _wrong_regions(truth: np.ndarray, current: np.ndarray) -> list[_Region]:
    """Connected parts (4-neighbours) of what is missing and then of what is too much."""
    truth, current = np.asarray(truth, bool), np.asarray(current, bool)
    if truth.shape != current.shape:
        raise ValueError(f"truth is {truth.shape} and the current outline {current.shape}")
    wrong = truth ^ current
    # Most of a frame is right: everything after this looks at the smallest box that holds all errors.
    rows, columns = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
    if not rows.size:
        return []
    top, left = int(rows[0]), int(columns[0])
    box = (slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1))
    wrong, lesion = wrong[box], truth[box]
    return [*_parts(wrong & lesion, top, left, True), *_parts(wrong & ~lesion, top, left, False)]


def _parts(wrong: np.ndarray, top: int, left: int, positive: bool) -> list[_Region]:
    numbered, count = ndimage.label(wrong)
    if not count:
        return []
    areas = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    parts = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(numbered), start=1):
        box = (slice(rows.start + top, rows.stop + top), slice(columns.start + left, columns.stop + left))
        parts.append(_Region(box, numbered[rows, columns] == number, int(areas[number - 1]), positive))
    return parts


def _depth(region: _Region) -> np.ndarray:
    """Euclidean distance of the region's pixels to the nearest pixel outside it; the frame's border is outside."""
    return ndimage.distance_transform_edt(np.pad(region.inside, 1))[1:-1, 1:-1]


def _click(region: _Region, flat_index: int) -> Click:
    row, column = divmod(flat_index, region.inside.shape[1])
    return Click(row + region.box[0].start, column + region.box[1].start, region.positive)
