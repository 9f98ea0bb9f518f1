"""What scanners draw over or beside the tissue, so that the input gates have something to find."""

import numpy as np

from .frame import Box, PixelSpacing, UltrasoundRegion
from .phantom_spec import PhantomSpec

GAP = 14
"""Black pixels between two panels."""
COLOURED = {"colour_doppler", "elastography", "tint"}


def panel_boxes(spec: PhantomSpec) -> tuple[Box, Box | None]:
    """Boxes of the tissue and of the second panel: another image, an M-mode trace or a spectrum, where there is one."""
    top, left, bottom, right = spec.tissue_box
    if "split_view" in spec.overlays:
        half = (right - left - GAP) // 2
        return (top, left, bottom, left + half), (top, right - half, bottom, right)
    if "m_mode" in spec.overlays or "spectral_doppler" in spec.overlays:
        middle = top + round(0.55 * (bottom - top))
        return (top, left, middle, right), (middle + GAP, left, bottom, right)
    return spec.tissue_box, None


def phantom_regions(spec: PhantomSpec) -> tuple[UltrasoundRegion, ...]:
    """Regions as a scanner would declare them (PS3.3 C.8.5.5.1.1 and C.8.5.5.1.2), the tissue first."""
    spacing = PixelSpacing(spec.spacing_mm, spec.spacing_mm, "ultrasound_region")
    first, second = panel_boxes(spec)
    regions = [UltrasoundRegion(first, 1, 1, 0, spacing)]
    if second is not None:
        if "split_view" in spec.overlays:
            regions.append(UltrasoundRegion(second, 1, 1, 0, spacing))
        elif "m_mode" in spec.overlays:
            regions.append(UltrasoundRegion(second, 2, 1, 0, None))
        else:
            regions.append(UltrasoundRegion(second, 3, 3, 0, None))
    if "colour_doppler" in spec.overlays:
        regions.append(UltrasoundRegion(_window(first), 1, 2, 1, spacing))
    return tuple(regions)


def m_mode_trace(tissue: np.ndarray, rows: int, random: np.random.Generator) -> np.ndarray:
    """Echoes of one line of `tissue` over time, uint8 (rows, columns): level bands that heave a little."""
    columns = tissue.shape[1]
    line = tissue[:, columns // 2 - 2 : columns // 2 + 3].mean(axis=1)
    depth = np.linspace(0, tissue.shape[0] - 1, rows)[:, None]
    time = np.arange(columns)[None, :]
    heave = 0.02 * tissue.shape[0] * np.sin(time / 38.0 + 0.4 * np.sin(time / 17.0))
    trace = np.interp(depth + heave, np.arange(tissue.shape[0]), line)
    grey: np.ndarray = np.clip(trace + random.normal(0, 6, trace.shape), 0, 255).astype(np.uint8)
    return grey


def doppler_spectrum(rows: int, columns: int, random: np.random.Generator) -> np.ndarray:
    """Arterial flow velocity over time, uint8 (rows, columns): black but for a pulsing band above its base line."""
    time = np.arange(columns)
    beat = (time % max(columns // 5, 20)) / max(columns // 5, 20)
    envelope = rows * (0.14 + 0.5 * np.exp(-(((beat - 0.15) / 0.08) ** 2)) + 0.18 * np.exp(-beat * 2.5))
    base = round(0.78 * rows)
    above = base - np.arange(rows)[:, None]
    inside = (above > 0) & (above < envelope) & (above > 0.25 * envelope)
    grey = np.where(inside, random.rayleigh(75, (rows, columns)), random.rayleigh(5, (rows, columns)))
    grey[base : base + 2] = 180
    spectrum: np.ndarray = np.clip(grey, 0, 255).astype(np.uint8)
    return spectrum


def draw_overlays(grey: np.ndarray, labels: np.ndarray, spec: PhantomSpec) -> np.ndarray:
    """Draw calipers, text and colour over one frame; uint8 (rows, columns), or (rows, columns, 3) where coloured."""
    box = panel_boxes(spec)[0]
    if "calipers" in spec.overlays:
        grey = _with_calipers(grey, labels, box)
    if "text" in spec.overlays:
        grey = _with_text(grey, box)
    if not COLOURED & set(spec.overlays):
        return grey
    rgb = np.repeat(grey[..., None], 3, axis=2)
    if "tint" in spec.overlays:
        rgb = np.clip(rgb * np.array([1.05, 0.93, 0.72]), 0, 255).astype(np.uint8)
    random = np.random.default_rng((spec.seed, 6))
    if "colour_doppler" in spec.overlays:
        _draw_flow(rgb, _window(box), random)
    if "elastography" in spec.overlays:
        _draw_stiffness(rgb, _window(box), random)
    return rgb


def _window(box: Box) -> Box:
    """The part of the tissue that a colour window covers."""
    top, left, bottom, right = box
    rows, columns = bottom - top, right - left
    return top + rows // 8, left + columns // 5, top + 2 * rows // 3, right - columns // 5


def _with_calipers(grey: np.ndarray, labels: np.ndarray, box: Box) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    rows, columns = np.nonzero(labels == 1)
    if not rows.size:
        top, left, bottom, right = _window(box)
    else:
        top, left, bottom, right = rows.min(), columns.min(), rows.max(), columns.max()
    middle_row, middle_column = (top + bottom) // 2, (left + right) // 2
    picture = Image.fromarray(grey)
    draw = ImageDraw.Draw(picture)
    for number, (start, end) in enumerate(
        (((middle_row, left), (middle_row, right)), ((top, middle_column), (bottom, middle_column))), start=1
    ):
        for row, column in (start, end):
            draw.line((column - 6, row, column + 6, row), fill=255)
            draw.line((column, row - 6, column, row + 6), fill=255)
        for share in np.linspace(0, 1, max(abs(end[0] - start[0]) + abs(end[1] - start[1]), 5) // 5):
            draw.point((start[1] + share * (end[1] - start[1]), start[0] + share * (end[0] - start[0])), fill=230)
        draw.text((end[1] + 8, end[0] - 4), str(number), fill=255, font=ImageFont.load_default(size=13))
    return np.array(picture)


def _with_text(grey: np.ndarray, box: Box) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(grey)
    place = (box[1] + box[3]) // 2 - 60, box[0] + round(0.8 * (box[2] - box[0]))
    ImageDraw.Draw(picture).text(place, "R BREAST 10:00", fill=240, font=ImageFont.load_default(size=16))
    return np.array(picture)


def _draw_flow(rgb: np.ndarray, window: Box, random: np.random.Generator) -> None:
    """Vessels: red to yellow towards the probe, blue to cyan away from it, in a thin-lined window."""
    from scipy.ndimage import gaussian_filter

    top, left, bottom, right = window
    shape = bottom - top, right - left
    flow = gaussian_filter(random.standard_normal(shape), (9, 16))
    flow /= flow.std()
    speed = np.clip((np.abs(flow) - 1.1) / 1.2, 0, 1)[..., None]
    towards = np.array([200.0, 20.0, 10.0]) + speed * np.array([55.0, 190.0, 40.0])
    away = np.array([10.0, 30.0, 190.0]) + speed * np.array([60.0, 190.0, 65.0])
    colour = np.where(flow[..., None] > 0, towards, away)
    patch = rgb[top:bottom, left:right]
    patch[:] = np.where(speed > 0, colour, patch).astype(np.uint8)
    for edge in (patch[0], patch[-1], patch[:, 0], patch[:, -1]):
        edge[:] = (230, 200, 60)


def _draw_stiffness(rgb: np.ndarray, window: Box, random: np.random.Generator) -> None:
    """A see-through rainbow, blue (stiff) over green to red (soft), in the whole window."""
    from scipy.ndimage import gaussian_filter

    top, left, bottom, right = window
    soft = gaussian_filter(random.standard_normal((bottom - top, right - left)), 22)
    soft = np.clip(0.5 + 0.22 * soft / soft.std(), 0, 1)
    hue = np.stack([np.clip(1.5 - np.abs(4 * soft - centre), 0, 1) for centre in (3, 2, 1)], axis=-1)
    patch = rgb[top:bottom, left:right]
    patch[:] = (0.5 * patch + 0.5 * 255 * hue).astype(np.uint8)
