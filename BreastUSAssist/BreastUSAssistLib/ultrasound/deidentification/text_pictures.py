"""Which pictures of a clip are searched for text, so that a cine of any length costs a bounded number of searches.

Up to `ALL` frames are each searched. Of a longer clip two kinds of pictures are: single frames, spread evenly, the
first and the last among them; and of each of as many stretches one picture of what stands still in it. There a pixel
has the largest value that it kept over `STILL` frames in a row: speckle moves and falls to its darkest, a caption stays
as bright as it is, even where it was shown for a moment only. Text shown for fewer than `STILL` frames is found where
a single frame happens to be searched.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

ALL = 12
"""Frames of a clip that are all searched: it costs no more than the pictures of a longer one."""
STRETCHES = 6
STILL = 3


@dataclass(frozen=True, eq=False)
class Picture:
    """A frame, or what stood still in a stretch of frames."""

    pixels: np.ndarray
    """uint8, (rows, columns) or (rows, columns, 3)."""
    frame_number: int | None
    """1-based; None for what stood still."""


def pictures_of(frames: Iterable[np.ndarray], count: int) -> list[Picture]:
    """Pictures of a clip to be searched, taking its `count` frames one at a time."""
    if count <= ALL:
        return [Picture(pixels, number) for number, pixels in enumerate(frames, start=1)]
    alone = set(np.linspace(0, count - 1, STRETCHES).round().astype(int).tolist())
    ends = set(np.linspace(0, count, STRETCHES + 1).round().astype(int)[1:].tolist())
    found: list[Picture] = []
    last: list[np.ndarray] = []
    standing: np.ndarray | None = None
    for index, pixels in enumerate(frames):
        if index in alone:
            found.append(Picture(pixels, index + 1))
        # The frames before stay in view over the end of a stretch: text that is shown across it is found too.
        last = [*last[-(STILL - 1) :], pixels]
        if len(last) == STILL:
            kept = np.minimum.reduce(last)
            standing = kept if standing is None else np.maximum(standing, kept)
        if index + 1 in ends and standing is not None:
            found.append(Picture(standing, None))
            standing = None
    return found
