#!/usr/bin/env python3
"""Draw the extension's icon, the panel's line icons and the pictures of the phantoms in Sample Data.

    python Resources/draw_icons.py      (with BreastUSAssistLib installed, or its folder on PYTHONPATH)

The panel's icons are drawn on a grid of 20 units with the origin at the top left: dark lines for a light theme and,
under the same name with `-dark`, light lines for a dark one.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CHECKOUT = Path(__file__).resolve().parents[1]
MODULE_ICONS = CHECKOUT / "BreastUSAssist" / "Resources" / "Icons"
PIXELS = 64
OVERSAMPLING = 8
STROKE = 2.0
COLOURS = {"": (48, 52, 58, 255), "-dark": (232, 234, 237, 255)}
Point = tuple[float, float]


class Pen:
    """Draws lines with round ends on the grid of 20 units."""

    def __init__(self, colour: tuple[int, int, int, int]) -> None:
        self.colour = colour
        self.scale = PIXELS * OVERSAMPLING / 20
        # The colour is there where nothing is drawn too, with no opacity: edges blend into nothing but themselves.
        self.image = Image.new("RGBA", (PIXELS * OVERSAMPLING,) * 2, (*colour[:3], 0))
        self.draw = ImageDraw.Draw(self.image)

    def line(self, *points: Point, stroke: float = STROKE) -> None:
        """A line through `points`."""
        scaled = [(x * self.scale, y * self.scale) for x, y in points]
        self.draw.line(scaled, fill=self.colour, width=round(stroke * self.scale), joint="curve")
        for point in points:
            self.dot(point, stroke / 2)

    def dot(self, centre: Point, radius: float) -> None:
        """A filled circle."""
        x, y = (value * self.scale for value in centre)
        r = radius * self.scale
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=self.colour)

    def shape(self, *points: Point) -> None:
        """A filled shape with rounded corners."""
        self.draw.polygon([(x * self.scale, y * self.scale) for x, y in points], fill=self.colour)
        self.line(*points, points[0], stroke=1.2)

    def arc(self, centre: Point, radius: float, start: float, end: float) -> None:
        """Part of a circle from `start` to `end` in degrees, clockwise from the right."""
        steps = max(2, round(abs(end - start) / 4))
        self.line(*(on_circle(centre, radius, start + (end - start) * step / steps) for step in range(steps + 1)))

    def done(self) -> Image.Image:
        """The icon at its own size."""
        return self.image.resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)


def on_circle(centre: Point, radius: float, degrees: float) -> Point:
    """Point of a circle, clockwise from the right."""
    return centre[0] + radius * math.cos(math.radians(degrees)), centre[1] + radius * math.sin(math.radians(degrees))


def draw_run(pen: Pen) -> None:
    """A triangle that points right."""
    pen.shape((6, 4), (16, 10), (6, 16))


def draw_cancel(pen: Pen) -> None:
    """A square: stop."""
    pen.shape((5, 5), (15, 5), (15, 15), (5, 15))


def draw_add_click(pen: Pen) -> None:
    """A plus in a ring."""
    pen.arc((10, 10), 7.4, 0, 360)
    pen.line((6.4, 10), (13.6, 10))
    pen.line((10, 6.4), (10, 13.6))


def draw_remove_click(pen: Pen) -> None:
    """A minus in a ring."""
    pen.arc((10, 10), 7.4, 0, 360)
    pen.line((6.4, 10), (13.6, 10))


def draw_box(pen: Pen) -> None:
    """A rectangle with handles at its corners."""
    corners = ((4, 5), (16, 5), (16, 15), (4, 15))
    pen.line(*corners, corners[0], stroke=1.5)
    for corner in corners:
        pen.dot(corner, 2.2)


def draw_scribble(pen: Pen) -> None:
    """A wavy stroke."""
    waves = (math.sin(x / 15 * math.pi) * (0.6 + x / 150) for x in range(61))
    pen.line(*((2.5 + x / 4, 10 + 4.6 * wave) for x, wave in enumerate(waves)), stroke=2.4)


def draw_accept(pen: Pen) -> None:
    """A tick."""
    pen.line((3.5, 10.5), (8, 15), (16.5, 5), stroke=2.6)


def draw_reject(pen: Pen) -> None:
    """A cross."""
    pen.line((4.5, 4.5), (15.5, 15.5), stroke=2.6)
    pen.line((15.5, 4.5), (4.5, 15.5), stroke=2.6)


def draw_next(pen: Pen) -> None:
    """An arrow to a bar."""
    pen.line((3, 10), (12.5, 10), stroke=2.2)
    pen.line((8, 5), (13, 10), (8, 15), stroke=2.2)
    pen.line((16.8, 4.5), (16.8, 15.5), stroke=2.2)


def draw_undo(pen: Pen) -> None:
    """An arrow that turns back to the left."""
    pen.arc((10.5, 11.5), 5.4, -100, 110)
    pen.line((10, 6.1), (4, 6.1))
    pen.line((7.2, 2.8), (3.6, 6.1), (7.2, 9.4))


def draw_redo(pen: Pen) -> None:
    """An arrow that turns on to the right."""
    pen.arc((9.5, 11.5), 5.4, -80, -290)
    pen.line((10, 6.1), (16, 6.1))
    pen.line((12.8, 2.8), (16.4, 6.1), (12.8, 9.4))


def draw_put_back(pen: Pen) -> None:
    """An arrow back around a dot: as it was."""
    pen.arc((10.4, 10.4), 6.8, -158, 135)
    pen.line((2.8, 3.4), (3.4, 8.4), (8.4, 7.8))
    pen.dot((10.4, 10.4), 2.0)


ICONS: dict[str, Callable[[Pen], None]] = {
    "run": draw_run,
    "cancel": draw_cancel,
    "add-click": draw_add_click,
    "remove-click": draw_remove_click,
    "box": draw_box,
    "scribble": draw_scribble,
    "accept": draw_accept,
    "reject": draw_reject,
    "next": draw_next,
    "undo": draw_undo,
    "redo": draw_redo,
    "put-back": draw_put_back,
}


def extension_icon(pixels: int = 128) -> Image.Image:
    """A sector of ultrasound with an outlined lesion, on a dark rounded square."""
    size = pixels * OVERSAMPLING
    unit = size / 128
    speckle = np.random.default_rng(7).normal(120, 34, (64, 64)).clip(40, 210).astype(np.uint8)
    tissue = Image.fromarray(speckle).resize((size, size), Image.Resampling.BICUBIC).convert("RGBA")
    sector = Image.new("L", (size, size), 0)
    draw = ImageDraw.Draw(sector)
    apex, start, end = (64 * unit, -8 * unit), 54, 126
    for radius, fill in ((102, 255), (28, 0)):
        r = radius * unit
        draw.pieslice((apex[0] - r, apex[1] - r, apex[0] + r, apex[1] + r), start, end, fill=fill)
    lesion = (44 * unit, 56 * unit, 86 * unit, 84 * unit)
    draw = ImageDraw.Draw(tissue)
    draw.ellipse(lesion, fill=(30, 32, 38, 255))
    tissue = tissue.filter(ImageFilter.GaussianBlur(1.2 * unit))
    image = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((2 * unit, 2 * unit, 126 * unit, 126 * unit), 22 * unit, fill=(18, 34, 52, 255))
    image.paste(tissue, (0, 0), sector)
    draw = ImageDraw.Draw(image)
    grown = (lesion[0] - 3 * unit, lesion[1] - 3 * unit, lesion[2] + 3 * unit, lesion[3] + 3 * unit)
    for begin in range(0, 360, 30):
        draw.arc(grown, begin, begin + 19, fill=(255, 205, 64, 255), width=round(4 * unit))
    return image.resize((pixels, pixels), Image.Resampling.LANCZOS)


def phantom_picture(name: str) -> Image.Image:
    """A small picture of a phantom, for its button in Sample Data; a cine's shows three frames."""
    from BreastUSAssistLib.ultrasound.phantom import render, standard_cases

    frames = render(standard_cases()[name]).frames
    width, height = 160, 120
    if len(frames) == 1:
        return Image.fromarray(frames[0]).resize((width, height), Image.Resampling.LANCZOS)
    picture = Image.new("L", (width, height), 255)
    for place, index in enumerate((0, len(frames) // 2, len(frames) - 1)):
        frame = Image.fromarray(frames[index]).resize((128, 96), Image.Resampling.LANCZOS)
        picture.paste(frame, (16 * place, 12 * place))
    return picture


def main() -> None:
    """Write every icon."""
    MODULE_ICONS.mkdir(parents=True, exist_ok=True)
    icon = extension_icon()
    icon.save(CHECKOUT / "Resources" / "BreastUSAssist.png", optimize=True)
    icon.save(MODULE_ICONS / "BreastUSAssist.png", optimize=True)
    for name, draw in ICONS.items():
        for suffix, colour in COLOURS.items():
            pen = Pen(colour)
            draw(pen)
            pen.done().save(MODULE_ICONS / f"{name}{suffix}.png", optimize=True)
    phantom_picture("irregular-spiculated").save(MODULE_ICONS / "phantom-still.png", optimize=True)
    phantom_picture("cine").save(MODULE_ICONS / "phantom-cine.png", optimize=True)


if __name__ == "__main__":
    main()
