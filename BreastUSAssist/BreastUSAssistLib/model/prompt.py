"""What a reader pointed at in one frame, checked, and as the maps that the network takes.

Coordinates are (row, column) in pixels of the frame, whole numbers at pixel centres, so that 0, 0 is the middle of the
upper left pixel and a pixel is reached from half a pixel before its number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ..errors import InputError
from ..ultrasound.frame import Box
from .preprocessing import Letterbox

Point = tuple[float, float]
"""Row and column."""
Polyline = tuple[Point, ...]

DISK_RADIUS = 3
"""Of a click in the network's square, pixels (5 in RITM at about twice the size: Sofiiuk et al., ICIP 2022)."""
SCRIBBLE_WIDTH = 3
"""Of a scribble in the network's square, pixels."""
CHANNELS = 4
PREVIOUS = 2
"""Channel of the outline so far."""
MOST_POINTS = 1000
MOST_SCRIBBLES = 200
MOST_SCRIBBLE_POINTS = 5000


@dataclass(frozen=True, eq=False)
class Prompt:
    """Clicks, scribbles, a box and the outline so far, all of one lesion in one frame; any of them may be missing."""

    positive_points: tuple[Point, ...] = ()
    """These pixels belong to the lesion."""
    negative_points: tuple[Point, ...] = ()
    """These pixels do not."""
    positive_scribbles: tuple[Polyline, ...] = ()
    negative_scribbles: tuple[Polyline, ...] = ()
    box: Box | None = None
    """Around the lesion."""
    mask: np.ndarray | None = None
    """The outline so far: bool, (rows, columns) of the frame."""

    @property
    def has_mask(self) -> bool:
        """Whether there is an outline so far, with at least one pixel in it."""
        return self.mask is not None and bool(self.mask.any())

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all."""
        strokes = (self.positive_points, self.negative_points, self.positive_scribbles, self.negative_scribbles)
        return not (any(strokes) or self.box is not None or self.has_mask)

    def marks(self) -> Iterator[tuple[Point, str]]:
        """Every point of every click and scribble, with what it is in words."""
        for points, what in ((self.positive_points, "positive point"), (self.negative_points, "negative point")):
            yield from ((point, what) for point in points)
        for lines, what in (
            (self.positive_scribbles, "positive scribble"),
            (self.negative_scribbles, "negative scribble"),
        ):
            yield from ((point, what) for line in lines for point in line)

    def check(self, shape: tuple[int, int]) -> None:
        """Refuse what cannot be meant in a frame of `shape` (rows, columns).

        Raises:
            InputError: nothing is marked; a mark or the box lies outside the frame; the box has no area; the mask has
                another size; one pixel is marked as lesion and as not; there are too many marks.
        """
        if self.mask is not None and self.mask.shape != shape:
            raise InputError(
                f"The previous mask is {_size(self.mask.shape)} pixels but the image {_size(shape)}; "
                "give the mask of this image."
            )
        if self.is_empty:
            raise InputError("The prompt marks nothing; give a point, a scribble, a box or a previous mask.")
        self._check_numbers()
        for (row, column), what in self.marks():
            # Written so that a coordinate that is no number is refused too.
            if not (-0.5 <= row < shape[0] - 0.5 and -0.5 <= column < shape[1] - 0.5):
                raise InputError(
                    f"The {what} at row {row:g}, column {column:g} lies outside the image of {shape[0]} rows and "
                    f"{shape[1]} columns; place it inside."
                )
        both = {pixel_of(p) for p in self.positive_points} & {pixel_of(p) for p in self.negative_points}
        if both:
            row, column = min(both)
            raise InputError(
                f"The pixel at row {row}, column {column} is marked as lesion and as not; remove one of the two points."
            )
        if self.box is not None:
            _check_box(self.box, shape)

    def _check_numbers(self) -> None:
        points = len(self.positive_points) + len(self.negative_points)
        lines = (*self.positive_scribbles, *self.negative_scribbles)
        if points > MOST_POINTS:
            raise InputError(f"The prompt has {points} points; give at most {MOST_POINTS}.")
        if len(lines) > MOST_SCRIBBLES:
            raise InputError(f"The prompt has {len(lines)} scribbles; give at most {MOST_SCRIBBLES}.")
        if any(not 0 < len(line) <= MOST_SCRIBBLE_POINTS for line in lines):
            raise InputError(f"A scribble needs 1 to {MOST_SCRIBBLE_POINTS} points; draw it again or leave it out.")


def pixel_of(point: Point) -> tuple[int, int]:
    """The pixel, row and column, in which a point lies."""
    return int(np.floor(point[0] + 0.5)), int(np.floor(point[1] + 0.5))


def rasterise(prompt: Prompt, letterbox: Letterbox) -> np.ndarray:
    """The network's prompt channels of one view of the frame; what lies outside the view is not drawn.

    Returns:
        float32 (4, size, size), 0 or 1: disks and lines of positive marks, the same of negative marks, the previous
        mask, the inside of the box.
    """
    channels = np.zeros((CHANNELS, letterbox.size, letterbox.size), np.float32)
    channels[0] = _drawn(prompt.positive_points, prompt.positive_scribbles, letterbox)
    channels[1] = _drawn(prompt.negative_points, prompt.negative_scribbles, letterbox)
    if prompt.mask is not None:
        top, left, bottom, right = letterbox.box
        part = prompt.mask[top:bottom, left:right].astype(np.uint8) * 255
        local = Letterbox((0, 0, bottom - top, right - left), letterbox.size)
        channels[2] = local.apply(part) >= 128
    if prompt.box is not None:
        channels[3] = _inside(prompt.box, letterbox)
    return channels


def in_square(points: Sequence[Point], letterbox: Letterbox) -> np.ndarray:
    """Where points of the frame lie in the network's square: float64 (points, 2), row and column."""
    top, left, bottom, right = letterbox.box
    scale = np.array(letterbox.scaled) / (bottom - top, right - left)
    return (np.asarray(points, np.float64).reshape(-1, 2) + 0.5 - (top, left)) * scale + letterbox.offset - 0.5


def drawn_lines(lines: Sequence[np.ndarray], shape: tuple[int, int], width: int) -> np.ndarray:
    """Polylines, each float (points, 2) of rows and columns, drawn `width` pixels wide: bool of `shape`."""
    canvas = Image.new("1", (shape[1], shape[0]))
    pen = ImageDraw.Draw(canvas)
    for line in lines:
        pixels = [(float(column), float(row)) for row, column in np.floor(line + 0.5)]
        # A line of one point, or one that stays in one pixel, is a dot: Pillow would draw nothing.
        half = (width - 1) / 2
        column, row = pixels[0]
        pen.rectangle((column - half, row - half, column + half, row + half), fill=1)
        pen.line(pixels, fill=1, width=width, joint="curve" if width > 1 else None)
    return np.asarray(canvas, bool)


def _drawn(points: Sequence[Point], lines: Sequence[Polyline], letterbox: Letterbox) -> np.ndarray:
    size = letterbox.size
    drawn = drawn_lines([in_square(line, letterbox) for line in lines], (size, size), SCRIBBLE_WIDTH)
    drawn = drawn.copy()
    for row, column in np.floor(in_square(points, letterbox) + 0.5).astype(int):
        top, left = max(row - DISK_RADIUS, 0), max(column - DISK_RADIUS, 0)
        rows, columns = np.ogrid[top : min(row + DISK_RADIUS + 1, size), left : min(column + DISK_RADIUS + 1, size)]
        disk = (rows - row) ** 2 + (columns - column) ** 2 <= DISK_RADIUS**2
        drawn[top : top + disk.shape[0], left : left + disk.shape[1]] |= disk
    return drawn


def _inside(box: Box, letterbox: Letterbox) -> np.ndarray:
    (top, left), (bottom, right) = in_square([(box[0] - 0.5, box[1] - 0.5), (box[2] - 0.5, box[3] - 0.5)], letterbox)
    rows, columns = np.ogrid[: letterbox.size, : letterbox.size]
    return (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)


def _check_box(box: Box, shape: tuple[int, int]) -> None:
    top, left, bottom, right = box
    if top >= bottom or left >= right:
        raise InputError(f"The box {_box(box)} has no area; draw it from its upper left to its lower right corner.")
    if top < 0 or left < 0 or bottom > shape[0] or right > shape[1]:
        raise InputError(
            f"The box {_box(box)} reaches outside the image of {shape[0]} rows and {shape[1]} columns; draw it inside."
        )


def _box(box: Box) -> str:
    return f"from row {box[0]}, column {box[1]} to row {box[2]}, column {box[3]}"


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in reversed(shape))
