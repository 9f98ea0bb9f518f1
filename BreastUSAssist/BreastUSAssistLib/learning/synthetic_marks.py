"""Caliper marks, dotted lines and captions as scanners burn them in, painted at random.

Most images of the public data sets carry such marks, and whoever marked a lesion knew something about it. Painting
them on benign and malignant lesions alike, during training, keeps a network from reading the mark in place of the
lesion; painting them on one copy of an image and comparing measures how much it does.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]

_LETTERS = np.array(list("ABCDEILMNOPQRSTUX0123456789"))
_WORDS = ("RT BREAST", "LT BREAST", "MAMA DIR", "MAMA ESQ", "QSE", "AXILLA", "TRV", "LONG", "RAD", "DIST", "L1", "mm")


def paint_marks(image: np.ndarray, generator: np.random.Generator, near: np.ndarray | None = None) -> np.ndarray:
    """Return a copy of an image with one or two pairs of calipers and, at times, dotted lines and captions.

    Args:
        image: uint8 (rows, columns); a whole frame or a close-up.
        generator: source of everything random; the same state paints the same marks.
        near: mask of the lesion (rows, columns), any type, above 0 inside. Calipers then lie on opposite sides of it,
            as a reader sets them; else anywhere. An empty mask counts as none.
    """
    rows, columns = image.shape
    picture = Image.fromarray(np.ascontiguousarray(image))
    draw = ImageDraw.Draw(picture)
    grey = int(generator.integers(140, 256))
    arm = max(2.0, max(rows, columns) * generator.uniform(0.01, 0.035))
    style = _Style(grey, arm, max(1, round(arm / generator.uniform(3.0, 8.0))), generator.random() < 0.4)
    kind = str(generator.choice(["plus", "plus", "gap", "cross", "dots"]))
    pairs = _ends(image.shape, near, generator)
    numbered, dotted = generator.random() < 0.4, generator.random() < 0.35
    for number, ends in enumerate(pairs, 1):
        if dotted:
            _dotted_line(draw, ends, style, generator.uniform(2.5, 7.0))
        for end in ends:
            _caliper(draw, end, kind, style)
        if numbered:
            _text(draw, (ends[0][0] - 1.5 * arm, ends[0][1] - 1.8 * arm), str(number), style)
    for _ in range(int(generator.choice([0, 0, 0, 1, 2]))):
        _caption(draw, image.shape, style, generator)
    return np.asarray(picture)


class _Style:
    """Grey, size and line width shared by the marks of one image."""

    def __init__(self, grey: int, arm: float, width: int, outlined: bool):
        self.grey, self.arm, self.width, self.outlined = grey, arm, width, outlined

    def strokes(self) -> list[tuple[int, int]]:
        """(grey, width) of each pass: a black rim first where there is one."""
        rim = [(0, self.width + 2)] if self.outlined else []
        return [*rim, (self.grey, self.width)]


def _ends(shape: tuple[int, ...], near: np.ndarray | None, generator: np.random.Generator) -> list[tuple[Point, Point]]:
    """One or two pairs of (column, row) points: on opposite sides of the lesion, at right angles to each other."""
    rows, columns = shape
    inside = np.argwhere(near > 0)[:, ::-1] if near is not None else np.empty((0, 2))
    count = 1 + int(generator.random() < 0.6)
    if not len(inside):
        points = generator.uniform((0, 0), (columns, rows), (count, 2, 2))
        return [(_point(first), _point(second)) for first, second in points]
    first_angle = np.deg2rad(generator.normal(0, 15))
    slack = max(2.0, 0.05 * float(np.sqrt(len(inside))))
    pairs = []
    for angle in (first_angle, first_angle + np.pi / 2)[:count]:
        along = inside @ np.array([np.cos(angle), np.sin(angle)])
        ends = inside[[int(along.argmin()), int(along.argmax())]] + generator.normal(0, slack, (2, 2))
        pairs.append((_point(ends[0]), _point(ends[1])))
    return pairs


def _point(values: np.ndarray) -> Point:
    return float(values[0]), float(values[1])


def _caliper(draw: ImageDraw.ImageDraw, at: Point, kind: str, style: _Style) -> None:
    x, y = at
    arm = style.arm
    if kind == "dots":
        for side, down in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            _dot(draw, (x + side * arm, y + down * arm), style)
        return
    start = 0.35 * arm if kind == "gap" else 0.0
    turns: tuple[Point, ...] = ((1, 0), (-1, 0), (0, 1), (0, -1))
    if kind == "cross":
        turns = ((0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7))
    for grey, width in style.strokes():
        for dx, dy in turns:
            draw.line([x + dx * start, y + dy * start, x + dx * arm, y + dy * arm], fill=grey, width=width)


def _dot(draw: ImageDraw.ImageDraw, at: Point, style: _Style) -> None:
    x, y = at
    half = style.width / 2
    draw.rectangle([x - half, y - half, x + half, y + half], fill=style.grey)


def _dotted_line(draw: ImageDraw.ImageDraw, ends: tuple[Point, Point], style: _Style, spacing: float) -> None:
    start, stop = np.asarray(ends)
    count = max(2, int(np.hypot(*(stop - start)) / (spacing * max(1.0, style.width))))
    for share in np.linspace(0, 1, count):
        x, y = _point(start + share * (stop - start))
        if style.width == 1:
            draw.point([x, y], fill=style.grey)
        else:
            _dot(draw, (x, y), style)


def _caption(draw: ImageDraw.ImageDraw, shape: tuple[int, ...], style: _Style, generator: np.random.Generator) -> None:
    """A word or a number with a unit, near the frame's edge."""
    rows, columns = shape
    across, down = generator.random(2)
    if generator.random() < 0.7:
        down = (0.02 + 0.1 * down) if generator.random() < 0.4 else (0.82 + 0.14 * down)
    words = [str(generator.choice(_WORDS)), f"{generator.uniform(2, 40):.1f}mm", "".join(generator.choice(_LETTERS, 5))]
    _text(draw, (across * columns * 0.8, down * rows), words[int(generator.integers(3))], style)


def _text(draw: ImageDraw.ImageDraw, at: Point, text: str, style: _Style) -> None:
    draw.text(at, text, fill=style.grey, font=ImageFont.load_default_imagefont())
