"""A breast phantom that the project makes itself: speckle, layers and lesions of known outline, no patient involved."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import written_whole
from .frame import Box, PixelSpacing, SourceReference, UltrasoundFrame, UltrasoundRegion
from .phantom_anatomy import FAT_DB, GLAND_DB, BreastAnatomy
from .phantom_lesion import LesionOutline, lesion_outline
from .phantom_screen import draw_screen
from .phantom_spec import LesionSpec, PhantomSpec, standard_cases
from .phantom_speckle import ScattererVolume, echo_envelope, log_compress

__all__ = ["LesionSpec", "Phantom", "PhantomSpec", "render", "save_png", "standard_cases"]

ECHO_DB = {
    "anechoic": -66.0,
    "hypoechoic": FAT_DB - 11.0,
    "isoechoic": FAT_DB,
    "hyperechoic": GLAND_DB + 4.0,
    "heterogeneous": FAT_DB - 8.0,
    "complex": -66.0,
}
POSTERIOR_DB = {"none": 0.0, "enhancement": 8.0, "shadowing": -20.0, "combined": -14.0}
SOFTNESS_MM = {"circumscribed": 0.08, "indistinct": 0.7, "angular": 0.18, "microlobulated": 0.12, "spiculated": 0.2}


@dataclass(frozen=True, eq=False)
class Phantom:
    """Frames of a phantom and what is truly in them."""

    spec: PhantomSpec
    frames: np.ndarray
    """uint8, (frames, rows, columns), or (frames, rows, columns, 3) RGB where an overlay is coloured."""
    masks: np.ndarray
    """uint8, (frames, rows, columns): 0 background, 1..n the lesion's place in `spec.lesions`."""
    regions: tuple[UltrasoundRegion, ...]

    @property
    def tissue_box(self) -> Box:
        """The rectangle of tissue."""
        return self.regions[0].box

    def frame(self, index: int = 0) -> UltrasoundFrame:
        """Frame `index` as the rest of the project sees frames, with its regions."""
        source = SourceReference(Path(f"phantom-{self.spec.seed}"), index + 1)
        time = index * self.spec.frame_time_ms if self.spec.frame_count > 1 else None
        return UltrasoundFrame(self.frames[index], source, self.regions, None, time)


def render(spec: PhantomSpec) -> Phantom:
    """Render every frame of `spec`; about a third of a second a frame of 600 x 800."""
    top, left, bottom, right = box = spec.tissue_box
    frames = np.zeros((spec.frame_count, spec.rows, spec.columns), np.uint8)
    masks = np.zeros_like(frames)
    breast = _Breast(spec, bottom - top, right - left)
    for index, elevation in enumerate(spec.elevations_mm):
        tissue, labels = breast.image(elevation)
        frames[index, top:bottom, left:right] = tissue
        masks[index, top:bottom, left:right] = labels
        if spec.screen:
            draw_screen(frames[index], box, spec.spacing_mm)
    spacing = PixelSpacing(spec.spacing_mm, spec.spacing_mm, "ultrasound_region")
    return Phantom(spec, frames, masks, (UltrasoundRegion(box, 1, 1, 0, spacing),))


def save_png(phantom: Phantom, folder: Path) -> list[Path]:
    """Write images/<n>.png and masks/<n>.png (label images) under `folder`, frames numbered from 1; return the images.

    Raises:
        OutputError: the folder cannot be written.
    """
    from PIL import Image

    written = []
    for index, (pixels, labels) in enumerate(zip(phantom.frames, phantom.masks, strict=True), start=1):
        image_path, mask_path = (Path(folder) / kind / f"{index:04d}.png" for kind in ("images", "masks"))
        for path, array in ((image_path, pixels), (mask_path, labels)):
            with written_whole(path) as beside:
                Image.fromarray(array).save(beside, format="PNG")
        written.append(image_path)
    return written


class _Breast:
    """Everything about one phantom that does not change along the sweep."""

    def __init__(self, spec: PhantomSpec, rows: int, columns: int) -> None:
        self.spec = spec
        self.anatomy = BreastAnatomy(rows, columns, spec.spacing_mm, spec.seed)
        self.scatterers = ScattererVolume((rows, columns), spec.seed)
        self.outlines = [
            lesion_outline(lesion, np.random.default_rng((spec.seed, 2, number)))
            for number, lesion in enumerate(spec.lesions)
        ]
        self.texture = np.random.default_rng((spec.seed, 3)).standard_normal((rows, columns), dtype=np.float32)

    def image(self, elevation_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Tissue and labels, uint8 (rows, columns) each, at one place of the sweep."""
        from scipy.ndimage import gaussian_filter, gaussian_filter1d

        level, reflectors = self.anatomy.at(elevation_mm)
        labels = np.zeros(level.shape, np.uint8)
        through = np.zeros_like(level)
        for number, outline in enumerate(self.outlines, start=1):
            distance = outline.distance_mm(self.anatomy.depth_mm, self.anatomy.lateral_mm, elevation_mm)
            if distance is None:
                continue
            labels[distance <= 0] = number
            level, reflectors = _with_lesion(level, reflectors, outline, distance, self._patches())
            through += _posterior(outline, distance, self.anatomy.lateral_mm)
        # Sound pays for a lesion on its way down: what lies below is brighter or darker by what it lost or kept.
        gain = gaussian_filter1d(np.cumsum(through, axis=0), 0.5 / self.spec.spacing_mm, axis=1)
        depth = self.anatomy.depth_mm
        gain = gain - 0.16 * depth - 0.005 * depth**2 * (depth > 0) + 1.0
        focus = 0.4 * self.anatomy.total_mm
        envelope = echo_envelope(self.scatterers.at(elevation_mm), level, reflectors, self.spec.spacing_mm, focus)
        noise = 10 ** (-61 / 20) * 10 ** (depth / 60) * np.ones_like(envelope)
        grey = log_compress(envelope, gain, noise)
        return gaussian_filter(grey, 0.55), labels

    def _patches(self) -> np.ndarray:
        from scipy.ndimage import gaussian_filter

        smooth = gaussian_filter(self.texture, 0.9 / self.spec.spacing_mm, mode="wrap")
        patches: np.ndarray = smooth / smooth.std()
        return patches


def _with_lesion(
    level: np.ndarray, reflectors: np.ndarray, outline: LesionOutline, distance: np.ndarray, patches: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lay a lesion into the maps of echo level and reflectors."""
    spec = outline.spec
    inside = 1 / (1 + np.exp(np.clip(distance / SOFTNESS_MM[spec.margin], -40, 40)))
    echo = np.full_like(level, ECHO_DB[spec.echo_pattern])
    if spec.echo_pattern == "heterogeneous":
        echo += 6.0 * np.clip(patches, -1.5, 1.5)
    elif spec.echo_pattern == "complex":
        echo = np.where(patches > 0.35, np.float32(FAT_DB - 6.0), echo)
    elif spec.echo_pattern != "anechoic":
        echo += 1.2 * patches
    if spec.shape == "irregular":
        # Echogenic halo: the tissue that a growing cancer has drawn in.
        level = level + 3.5 * np.exp(-0.5 * ((distance - 1.0) / 0.7) ** 2)
    level = level + (echo - level) * inside
    reflectors = reflectors * (1 - inside)
    if spec.margin == "circumscribed":
        down = np.abs(np.gradient(distance, axis=0)) / (np.hypot(*np.gradient(distance)) + 1e-6)
        reflectors = reflectors + 0.05 * np.exp(-0.5 * ((distance - 0.12) / 0.13) ** 2) * down**4
    return level.astype(np.float32), reflectors.astype(np.float32)


def _posterior(outline: LesionOutline, distance: np.ndarray, lateral_mm: np.ndarray) -> np.ndarray:
    """Decibels gained or lost in each pixel; the whole way through the middle adds up to POSTERIOR_DB."""
    inside = distance <= 0
    path = max(int(inside.sum(axis=0).max()), 1)
    total = np.float32(POSTERIOR_DB[outline.spec.posterior])
    change = np.where(inside, total / path, np.float32(0))
    if outline.spec.posterior == "combined":
        change = np.where(lateral_mm < outline.spec.lateral_mm, change, -0.5 * change)
    return change.astype(np.float32)
