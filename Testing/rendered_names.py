"""Phantom frames with names, numbers and dates burnt into the tissue, as scanners and readers write them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from BreastUSAssistLib.ultrasound.frame import Box
from BreastUSAssistLib.ultrasound.phantom import render
from BreastUSAssistLib.ultrasound.phantom_spec import LesionSpec, PhantomSpec

FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral")
"""Of those that matplotlib brings along."""
SIZES = (12, 14, 17, 21, 26)
"""Heights of a line in pixels, as scanners write them on screens of 480 to 768 rows."""
COLOURS = {"white": (255, 255, 255), "grey": (185, 185, 185), "yellow": (250, 220, 60)}
FIRST = ("JANE", "Maria", "ANNA", "Fatima", "Li", "SOFIA", "Olga", "MARGARET", "Aiko", "Nia")
LAST = ("DOE", "Rossi", "SCHMIDT", "Okafor", "WANG", "Petrova", "JOHNSON", "Tanaka", "GARCIA", "Nowak")


@dataclass(frozen=True, eq=False)
class NamedFrame:
    """A frame and what is burnt into it."""

    pixels: np.ndarray
    """uint8, (rows, columns, 3)."""
    texts: tuple[tuple[str, Box], ...]
    """Each with the bounds of its ink."""


def named_frames(count: int, seed: int = 0) -> Iterator[NamedFrame]:
    """`count` frames, each with four texts of another font, size and colour, over speckle and beside bright tissue."""
    for number in range(count):
        random = np.random.default_rng((seed, number))
        rows, columns = ((480, 640), (600, 800), (768, 1024))[number % 3]
        lesion = LesionSpec(depth_mm=float(random.uniform(10, 18)), lateral_mm=float(random.uniform(-8, 8)))
        spec = PhantomSpec(rows, columns, 33 / rows, seed=int(random.integers(1, 10_000)), lesions=(lesion,))
        tissue = spec.tissue_box
        frame = np.repeat(render(spec).frames[0][..., None], 3, axis=2)
        frame[: tissue[0]], frame[tissue[2] :] = 0, 0
        frame[:, : tissue[1]], frame[:, tissue[3] :] = 0, 0
        yield _written(frame, tissue, random, number)


def found_share(box: Box, found: np.ndarray) -> float:
    """Share of a box that bool (rows, columns) covers."""
    return float(found[box[0] : box[2], box[1] : box[3]].mean())


def _written(frame: np.ndarray, tissue: Box, random: np.random.Generator, number: int) -> NamedFrame:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(frame)
    draw = ImageDraw.Draw(picture)
    texts = []
    heights = np.linspace(tissue[0] + 8, tissue[2] - 44, 4)
    for place, top in enumerate(heights):
        turn = number * 4 + place
        size = SIZES[(turn + turn // 5) % len(SIZES)]
        font = ImageFont.truetype(_font(FONTS[turn % len(FONTS)]), size)
        text = _text(random, place)
        width = draw.textlength(text, font=font)
        left = random.uniform(tissue[1] + 4, max(tissue[3] - width - 4, tissue[1] + 5))
        colour = list(COLOURS.values())[(turn // 2) % len(COLOURS)]
        draw.text((left, top), text, fill=colour, font=font)
        x0, y0, x1, y1 = draw.textbbox((left, top), text, font=font)
        texts.append((text, (int(y0), int(x0), int(np.ceil(y1)), int(np.ceil(x1)))))
    return NamedFrame(np.asarray(picture), tuple(texts))


def _text(random: np.random.Generator, place: int) -> str:
    first, last = random.choice(FIRST), random.choice(LAST)
    return (
        f"{last}, {first}",
        f"ID {random.integers(10_000, 10_000_000)}",
        f"{random.integers(1, 29):02d}.{random.integers(1, 13):02d}.{random.integers(1930, 2005)}",
        f"{first} {last}",
    )[(place + int(random.integers(0, 4))) % 4]


def _font(name: str) -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf"))
