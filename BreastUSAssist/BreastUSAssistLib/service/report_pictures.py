"""Pictures of a report: outlines with numbers and measured axes over a frame, and the untouched frame."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..ultrasound.frame import Box
from .outline_band import LEVELS, Levels, band_around

Points = Sequence[tuple[float, float]]
Spacing = tuple[float, float]
"""mm between rows, mm between columns."""

LONGEST_SIDE = 880
"""Drawn pictures are enlarged to this, so that outlines are thin beside the tissue."""
LARGEST_ZOOM = 8.0
STRIP = 46
"""Rows below the picture for the key and the scale bar: neither covers any tissue."""
BAND_ALPHA = 88
"""Of the band in which an outline may lie, 0..255: tissue stays readable below it."""
_FINE = 2
"""Lines are drawn this much larger and scaled down, which smooths their edges."""
_BARS_MM = (1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class LineStyle:
    """How the outline of one lesion is drawn: colour and dashes, so that neither carries the meaning alone."""

    colour: str
    dashes: tuple[float, ...]
    """Lengths of dash, gap, dash, ... in picture pixels; empty for a solid line."""


# Okabe and Ito, Color Universal Design, 2008: told apart by colour-blind readers; its dark colours are left out.
LINE_STYLES = (
    LineStyle("#56b4e9", ()),
    LineStyle("#e69f00", (9, 5)),
    LineStyle("#f0e442", (2, 4)),
    LineStyle("#cc79a7", (10, 4, 2, 4)),
    LineStyle("#2bd0a0", (16, 6)),
    LineStyle("#ff8a5c", (5, 3, 2, 3, 2, 3)),
)


@dataclass(frozen=True, eq=False)
class KeyPicture:
    """One frame to show in a report."""

    pixels: np.ndarray
    """uint8, (rows, columns) or (rows, columns, 3)."""
    labels: np.ndarray
    """uint8, (rows, columns): 0 background, n lesion number n."""
    frame_number: int
    """1-based."""
    lesion_numbers: tuple[int, ...] = ()
    """Lesions measured in this frame."""
    box: Box | None = None
    """Part to enlarge; None for the surroundings of each lesion."""
    probability: np.ndarray | None = None
    """Foreground probability in 1/255, uint8 (rows, columns); None where no network outlined."""
    levels: Levels = LEVELS
    """Between these levels of it an outline may lie."""


def line_style(number: int) -> LineStyle:
    """Style of lesion `number`, from 1; styles repeat after six, numbers do not."""
    return LINE_STYLES[(number - 1) % len(LINE_STYLES)]


def draw_overlay(
    pixels: np.ndarray,
    labels: np.ndarray,
    *,
    box: Box | None = None,
    spacing: Spacing | None = None,
    numbers: Sequence[int] | None = None,
    axes: bool = True,
) -> bytes:
    """Picture of a frame, or of `box` of it, with outlines; PNG. See `overlay_picture`."""
    return _encoded(overlay_picture(pixels, labels, box=box, spacing=spacing, numbers=numbers, axes=axes), "PNG")


def overlay_picture(
    pixels: np.ndarray,
    labels: np.ndarray,
    *,
    box: Box | None = None,
    spacing: Spacing | None = None,
    numbers: Sequence[int] | None = None,
    axes: bool = True,
    probability: np.ndarray | None = None,
    levels: Levels = LEVELS,
) -> Image.Image:
    """Frame with the outline, number and measured axes of each lesion, and a strip below with key and scale bar.

    `pixels` is uint8 (rows, columns) or (rows, columns, 3), `labels` uint8 (rows, columns); `numbers` chooses lesions
    (default all). Numbers stand beside the lesions, never on one. Without `spacing` the strip says "not calibrated".
    The longest axis is the longest distance between two points of the outline in mm (in pixels without spacing). With
    `probability`, the foreground's in 1/255, uint8 (rows, columns), a translucent band covers what lies between its two
    `levels` around each outline.
    """
    box = box or (0, 0, labels.shape[0], labels.shape[1])
    zoom = min(LARGEST_ZOOM, max(1.0, LONGEST_SIDE / max(box[2] - box[0], box[3] - box[1])))
    picture = _enlarged(pixels, box, zoom)
    present = [int(n) for n in np.unique(labels[labels > 0])]
    shown = [n for n in present if numbers is None or n in numbers]
    sheet = _Sheet(picture.size, box, zoom)
    if probability is not None:
        for number in shown:
            sheet.band(probability, band_around(probability, labels, number, levels), levels, line_style(number))
    for number in shown:
        sheet.outline(labels == number, line_style(number))
    for number in shown:
        if axes:
            for ends in measured_axes(labels == number, spacing):
                sheet.axis(ends, line_style(number))
    for number in shown:
        sheet.tag(number, labels)
    drawn = Image.alpha_composite(picture, sheet.layer()).convert("RGB")
    return _with_strip(drawn, shown, zoom, spacing)


def measured_axes(mask: np.ndarray, spacing: Spacing | None = None) -> tuple[Points, Points] | tuple[()]:
    """End points (row, column) of the longest axis and of the extent at right angles to it; nothing for an empty mask.

    The second is drawn where the outline reaches farthest on either side, halfway between the two farthest points.
    """
    from scipy.spatial import ConvexHull

    if not mask.any():
        return ()
    scale = np.array(spacing or (1.0, 1.0))
    rows, columns = np.nonzero(_row_ends(mask))
    # A pixel reaches half a pixel to each side of its centre.
    corners = (
        np.concatenate([np.column_stack([rows + r, columns + c]) for r in (-0.5, 0.5) for c in (-0.5, 0.5)]) * scale
    )
    corners = corners[ConvexHull(corners).vertices]
    apart = corners[:, None] - corners[None]
    first, second = np.unravel_index(np.argmax((apart**2).sum(axis=2)), apart.shape[:2])
    along = corners[second] - corners[first]
    along = along / max(np.hypot(*along), 1e-12)
    across = np.array([-along[1], along[0]])
    reach = (corners - corners[first]) @ across
    low, high = int(np.argmin(reach)), int(np.argmax(reach))
    at = ((corners[low] + corners[high]) / 2 - corners[first]) @ along
    foot = corners[first] + at * along
    longest = corners[[first, second]] / scale
    perpendicular = np.array([foot + reach[low] * across, foot + reach[high] * across]) / scale
    return _pairs(longest), _pairs(perpendicular)


def surroundings(box: Box, shape: tuple[int, ...]) -> Box:
    """Window around a lesion's box with a third of its size on every side, at least 24 px, inside the frame."""
    margin = max(24, (box[2] - box[0]) // 3, (box[3] - box[1]) // 3)
    top, left = max(0, box[0] - margin), max(0, box[1] - margin)
    return top, left, min(shape[0], box[2] + margin), min(shape[1], box[3] + margin)


def cropped(pixels: np.ndarray, box: Box) -> Image.Image:
    """Part of a frame, enlarged as `overlay_picture` enlarges it, nothing drawn on it."""
    zoom = min(LARGEST_ZOOM, max(1.0, LONGEST_SIDE / max(box[2] - box[0], box[3] - box[1])))
    return _enlarged(pixels, box, zoom).convert("RGB")


def encode_within(picture: Image.Image, limit: int, *, lossless: bool = False) -> tuple[bytes, bool]:
    """WebP of at most about `limit` bytes, and whether it is lossless: lossless where wanted and small enough."""
    # Speckle takes about 0.4 bytes a pixel without loss: where that is far from fitting, it is not tried.
    if lossless and picture.width * picture.height < 4 * limit:
        content = _encoded(picture, "WEBP", lossless=True, quality=20, method=1)
        if len(content) <= limit:
            return content, True
    while True:
        for quality in (90, 70, 45):
            content = _encoded(picture, "WEBP", quality=quality, method=1)
            if len(content) <= limit:
                return content, False
        if max(picture.size) <= 256:
            return content, False
        picture = picture.resize(
            (max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)), Image.Resampling.BOX
        )


class _Sheet:
    """Transparent layer over an enlarged part of a frame; takes points as (row, column) of pixel centres."""

    def __init__(self, size: tuple[int, int], box: Box, zoom: float):
        self._size, self._box, self._zoom = size, box, zoom
        self._image = Image.new("RGBA", (size[0] * _FINE, size[1] * _FINE))
        self._draw = ImageDraw.Draw(self._image)

    def layer(self) -> Image.Image:
        return self._image.resize(self._size, Image.Resampling.BOX)

    def outline(self, mask: np.ndarray, style: LineStyle) -> None:
        for contour in _contours(mask):
            path = self._placed(contour)
            self._line(path, "#000000a0", 4.6)
            for dash in _dashed(path, tuple(length * _FINE for length in style.dashes)):
                self._line(dash, style.colour, 2.5)

    def band(self, probability: np.ndarray, near: np.ndarray, levels: Levels, style: LineStyle) -> None:
        """Tint what lies between two level lines of the probability (uint8, 1/255), within a pixel of `near`."""
        from scipy.ndimage import binary_dilation

        top, left, bottom, right = self._box
        fine = Image.fromarray(probability[top:bottom, left:right].astype(np.float32) / 255)
        fine = fine.resize(self._image.size, Image.Resampling.BILINEAR)
        where = Image.fromarray(binary_dilation(near, iterations=1)[top:bottom, left:right].astype(np.uint8) * 255)
        level = np.asarray(fine)
        between = (level >= levels[0]) & (level < levels[1])
        between &= np.asarray(where.resize(self._image.size, Image.Resampling.BILINEAR)) >= 128
        tint = Image.new("RGBA", self._image.size, style.colour)
        tint.putalpha(Image.fromarray(np.where(between, BAND_ALPHA, 0).astype(np.uint8)))
        self._image.alpha_composite(tint)

    def axis(self, ends: Points, style: LineStyle) -> None:
        path = self._placed(np.array(ends))
        for dot in _dashed(path, (2.5 * _FINE, 7.5 * _FINE)):
            self._line(dot, "#00000080", 3.2)
            self._line(dot, style.colour, 2.0)
        for x, y in path:
            arm = 7 * _FINE
            for colour, width in (("#000000a0", 4.0), ("#ffffff", 2.0)):
                self._line([(x - arm, y), (x + arm, y)], colour, width)
                self._line([(x, y - arm), (x, y + arm)], colour, width)

    def tag(self, number: int, labels: np.ndarray) -> None:
        """Number beside the lesion, above or at its sides first: the strip below it is read for posterior features."""
        rows, columns = np.nonzero(labels == number)
        lesion = np.array([[rows.min() - 0.5, columns.min() - 0.5], [rows.max() + 0.5, columns.max() + 0.5]])
        (left, top), (right, bottom) = self._placed(lesion)
        high = 34 * _FINE
        wide = high if number < 10 else int(high * 1.5)
        gap = 9 * _FINE
        spots = [
            (right + gap, top - high),
            (left - gap - wide, top - high),
            ((left + right - wide) / 2, top - gap - high),
            (right + gap, (top + bottom - high) / 2),
            (left - gap - wide, (top + bottom - high) / 2),
            (right + gap, bottom),
            (left - gap - wide, bottom),
            ((left + right - wide) / 2, bottom + gap),
        ]
        for x, y in spots:
            if self._free((x, y, x + wide, y + high), labels):
                self._pill((x, y, x + wide, y + high), number)
                return
        # No free place: the strip below the picture names the lesion by its line.

    def _free(self, spot: tuple[float, float, float, float], labels: np.ndarray) -> bool:
        x0, y0, x1, y1 = spot
        if x0 < 0 or y0 < 0 or x1 > self._image.width or y1 > self._image.height:
            return False
        scale = self._zoom * _FINE
        top, left = self._box[0] + int(y0 / scale), self._box[1] + int(x0 / scale)
        bottom, right = self._box[0] + int(y1 / scale) + 1, self._box[1] + int(x1 / scale) + 1
        return not labels[top:bottom, left:right].any()

    def _pill(self, spot: tuple[float, float, float, float], number: int) -> None:
        colour = line_style(number).colour
        self._draw.rounded_rectangle(spot, radius=8 * _FINE, fill="#0b0f14e6", outline=colour, width=2 * _FINE)
        middle = ((spot[0] + spot[2]) / 2, (spot[1] + spot[3]) / 2)
        self._draw.text(middle, str(number), fill="#ffffff", font=ImageFont.load_default(22 * _FINE), anchor="mm")

    def _line(self, path: Points, colour: str, width: float) -> None:
        self._draw.line(list(path), fill=colour, width=max(1, round(width * _FINE)), joint="curve")

    def _placed(self, points: np.ndarray) -> list[tuple[float, float]]:
        scale = self._zoom * _FINE
        x = (points[:, 1] + 0.5 - self._box[1]) * scale
        y = (points[:, 0] + 0.5 - self._box[0]) * scale
        return list(zip(x.tolist(), y.tolist(), strict=True))


def _row_ends(mask: np.ndarray) -> np.ndarray:
    """Pixels of a bool mask without a neighbour in it to the left or to the right: enough for the convex hull."""
    padded = np.pad(mask, ((0, 0), (1, 1)))
    return mask & ~(padded[:, :-2] & padded[:, 2:])


def _contours(mask: np.ndarray) -> list[np.ndarray]:
    """Closed outlines (points, 2) of every part and hole, smoothed by less than half a pixel."""
    from scipy.ndimage import gaussian_filter1d
    from skimage.measure import find_contours

    found = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    return [_closed(gaussian_filter1d(points[:-1] - 1, 1.2, axis=0, mode="wrap")) for points in found]


def _closed(points: np.ndarray) -> np.ndarray:
    return np.vstack([points, points[:2]])


def _dashed(path: Points, lengths: tuple[float, ...]) -> list[list[tuple[float, float]]]:
    """Pieces of a path that are drawn, by lengths of dash and gap in turn; the whole path without lengths."""
    if not lengths:
        return [list(path)]
    points = np.array(path)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    pieces, start, turn = [], 0.0, 0
    while start < along[-1]:
        end = min(start + lengths[turn % len(lengths)], along[-1])
        if turn % 2 == 0:
            at = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
            x, y = np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])
            pieces.append(list(zip(x.tolist(), y.tolist(), strict=True)))
        start, turn = end, turn + 1
    return pieces


def _with_strip(picture: Image.Image, numbers: Sequence[int], zoom: float, spacing: Spacing | None) -> Image.Image:
    sheet = Image.new("RGB", (picture.width * _FINE, STRIP * _FINE), "#0b0f14")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(20 * _FINE)
    middle = STRIP * _FINE / 2
    right = _scale_bar(draw, font, sheet.width - 12 * _FINE, zoom, spacing)
    x = 12.0 * _FINE
    for number in numbers:
        words = f"Lesion {number}"
        end = x + 48 * _FINE + draw.textlength(words, font=font)
        if end > right - 12 * _FINE:
            draw.text((x, middle), "…", fill="#c8d0d8", font=font, anchor="lm")
            break
        style = line_style(number)
        for dash in _dashed([(x, middle), (x + 38 * _FINE, middle)], tuple(length * _FINE for length in style.dashes)):
            draw.line(dash, fill=style.colour, width=3 * _FINE)
        draw.text((x + 48 * _FINE, middle), words, fill="#e8edf2", font=font, anchor="lm")
        x = end + 26 * _FINE
    sheet = sheet.resize((picture.width, STRIP), Image.Resampling.BOX)
    whole = Image.new("RGB", (picture.width, picture.height + STRIP))
    whole.paste(picture, (0, 0))
    whole.paste(sheet, (0, picture.height))
    return whole


def _scale_bar(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    right: float,
    zoom: float,
    spacing: Spacing | None,
) -> float:
    """Draw the bar so that it ends at `right`; where it begins."""
    middle = STRIP * _FINE / 2
    if spacing is None:
        draw.text((right, middle), "not calibrated", fill="#c8d0d8", font=font, anchor="rm")
        return right - draw.textlength("not calibrated", font=font)
    per_mm = zoom * _FINE / spacing[1]
    fitting = [mm for mm in _BARS_MM if mm * per_mm <= right / 3]
    if not fitting:
        return right
    words = f"{fitting[-1]} mm" + ("" if abs(spacing[0] / spacing[1] - 1) < 0.01 else " across")
    left = right - draw.textlength(words, font=font)
    draw.text((right, middle), words, fill="#e8edf2", font=font, anchor="rm")
    ends = left - 8 * _FINE
    begins = ends - fitting[-1] * per_mm
    tick = 7 * _FINE
    draw.line([(begins, middle), (ends, middle)], fill="#ffffff", width=2 * _FINE)
    for x in (begins, ends):
        draw.line([(x, middle - tick), (x, middle + tick)], fill="#ffffff", width=2 * _FINE)
    return begins


def _enlarged(pixels: np.ndarray, box: Box, zoom: float) -> Image.Image:
    part = Image.fromarray(np.ascontiguousarray(pixels[box[0] : box[2], box[1] : box[3]]))
    size = max(1, round(part.width * zoom)), max(1, round(part.height * zoom))
    return part.resize(size, Image.Resampling.BICUBIC).convert("RGBA")


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _pairs(points: np.ndarray) -> list[tuple[float, float]]:
    return [(float(row), float(column)) for row, column in points]
