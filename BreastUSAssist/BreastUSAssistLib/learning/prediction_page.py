"""A page of predictions to look at: the worst, the best and some random ones, with true and predicted outline.

It shows images of the data set and belongs nowhere but where the user asked for it.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import BreastUSAssistError, UsageError
from ..files import write_bytes, write_text
from ..model.prediction import FramePrediction
from .manifest import LAST_LESION_LABEL, ManifestRow, load_image, mask_of
from .scoring import ImageScore

WORST, BEST, RANDOM = 24, 8, 16
TILE = 300
"""Side of the square that an image is fitted into, in pixels."""
_CAPTION, _HEADING, _COLUMNS, _GAP = 34, 34, 8, 8
_TRUE, _DRAFT = (86, 180, 233), (230, 159, 0)
"""Okabe and Ito's sky blue and orange, which no common colour blindness confuses."""
_LEGEND = "thin blue: truth; thick orange: draft; P: probability of malignant"
_FORMATS = (".png", ".html")


@dataclass(frozen=True)
class Section:
    """Images shown under one heading."""

    heading: str
    scores: tuple[ImageScore, ...]


def chosen_sections(
    scores: Sequence[ImageScore], seed: int, worst: int = WORST, best: int = BEST, random: int = RANDOM
) -> list[Section]:
    """The worst and the best by Dice, and random ones among the others; images without a lesion are not among them."""
    ranked = sorted((s for s in scores if s.dice is not None), key=lambda s: (s.dice or 0.0, s.line))
    lowest, rest = ranked[:worst], ranked[worst:]
    highest = rest[max(len(rest) - best, 0) :][::-1]
    middle = rest[: max(len(rest) - best, 0)]
    drawn = np.random.default_rng(seed).permutation(len(middle))[:random]
    parts = (("Worst", lowest), ("Best", highest), ("Random", [middle[index] for index in sorted(drawn)]))
    return [Section(f"{name} {len(part)} of {len(ranked)} by Dice", tuple(part)) for name, part in parts if part]


def write_page(
    path: Path,
    sections: Sequence[Section],
    rows: Sequence[ManifestRow],
    predict: Callable[[np.ndarray], FramePrediction],
) -> None:
    """Write the page as .png or .html; the images are predicted once more.

    Raises:
        UsageError: the name ends in neither, or there is nothing to show.
        OutputError: the file cannot be written.
    """
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{path} is no page that can be written; end its name in .png or .html.")
    if not sections:
        raise UsageError("No image has a true outline, so there is no page of predictions; leave --page out.")
    by_line = {row.line: row for row in rows}
    tiles = {score.line: tile(by_line[score.line], score, predict) for section in sections for score in section.scores}
    if path.suffix.lower() == ".html":
        write_text(path, _html(sections, tiles))
    else:
        write_bytes(path, _png(_sheet(sections, tiles)))


def tile(row: ManifestRow, score: ImageScore, predict: Callable[[np.ndarray], FramePrediction]) -> Image.Image:
    """One image with both outlines and a caption, RGB, TILE wide."""
    picture = Image.new("RGB", (TILE, TILE + _CAPTION), "white")
    try:
        pixels = load_image(row)
        labels, prediction = mask_of(row, pixels.shape), predict(pixels)
    except BreastUSAssistError as error:
        # It was read a moment ago; the page is still worth having without it.
        ImageDraw.Draw(picture).text((4, 4), f"{error}"[:60], fill="black")
        return picture
    scale = TILE / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    corner = ((TILE - size[0]) // 2, (TILE - size[1]) // 2)
    picture.paste(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), corner)
    draw = ImageDraw.Draw(picture)
    for lesion in prediction.lesions:
        _outline(draw, lesion.pixels, scale, corner, _DRAFT, 3)
    truth = np.zeros(pixels.shape, np.uint8) if labels is None else labels
    for number in np.unique(truth[(truth > 0) & (truth <= LAST_LESION_LABEL)]):
        _outline(draw, truth == number, scale, corner, _TRUE, 1)
    for line, words in enumerate(caption(score)):
        draw.text((3, TILE + 1 + 15 * line), words, fill="black", font=_font(13))
    return picture


def caption(score: ImageScore) -> tuple[str, str]:
    """Two lines: which image, and its scores."""
    dice = "no Dice" if score.dice is None else f"Dice {score.dice:.2f}"
    truth = ", ".join(filter(None, (score.pathology, score.birads and f"BI-RADS {score.birads}")))
    return f"{score.id or Path(score.image).stem}"[:42], f"{dice}  P {score.malignant_shown:.2f}  {truth}"


def _outline(
    draw: ImageDraw.ImageDraw,
    mask: np.ndarray,
    scale: float,
    corner: tuple[int, int],
    colour: tuple[int, int, int],
    width: int,
) -> None:
    from skimage.measure import find_contours

    for contour in find_contours(np.pad(mask, 1).astype(np.float32), 0.5):
        # The middle of pixel 0 lies half a pixel from the edge of the image; the padding is one pixel.
        points = (contour[:, ::-1] - 0.5) * scale + corner
        draw.line([tuple(point) for point in points], fill=colour, width=width, joint="curve")


def _sheet(sections: Sequence[Section], tiles: Mapping[int, Image.Image]) -> Image.Image:
    heights = [_HEADING + -(-len(section.scores) // _COLUMNS) * (TILE + _CAPTION + _GAP) for section in sections]
    sheet = Image.new("RGB", (_COLUMNS * (TILE + _GAP) + _GAP, sum(heights) + _GAP), "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for section, height in zip(sections, heights, strict=True):
        draw.text((_GAP, top + 6), f"{section.heading} ({_LEGEND})", fill="black", font=_font(20))
        for index, score in enumerate(section.scores):
            row, column = divmod(index, _COLUMNS)
            place = (_GAP + column * (TILE + _GAP), top + _HEADING + row * (TILE + _CAPTION + _GAP))
            sheet.paste(tiles[score.line], place)
        top += height
    return sheet


def _html(sections: Sequence[Section], tiles: Mapping[int, Image.Image]) -> str:
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Predictions</title>'
        "<style>body{font:15px sans-serif}img{margin:3px}</style><h1>Predictions</h1>"
        f"<p>{escape(_LEGEND)}. Research use only.</p>"
    ]
    for section in sections:
        parts.append(f"<h2>{escape(section.heading)}</h2><div>")
        for score in section.scores:
            data = base64.b64encode(_png(tiles[score.line])).decode()
            parts.append(f'<img alt="{escape(", ".join(caption(score)))}" src="data:image/png;base64,{data}">')
        parts.append("</div>")
    return "\n".join([*parts, "</html>"]) + "\n"


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _font(size: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    return ImageFont.load_default(size)
