"""A breast phantom that the project makes itself: speckle, layers and lesions of known outline, no patient involved."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..files import written_whole
from .frame import Box, SourceReference, UltrasoundFrame, UltrasoundRegion
from .phantom_anatomy import FAT_DB, GLAND_DB, BreastAnatomy
from .phantom_dicom import save_dicom, save_dicom_frames
from .phantom_lesion import LesionOutline, lesion_outline
from .phantom_overlays import doppler_spectrum, draw_overlays, m_mode_trace, panel_boxes, phantom_regions
from .phantom_screen import draw_screen
from .phantom_spec import LesionSpec, PhantomSpec, standard_cases
from .phantom_speckle import ScattererVolume, echo_envelope, log_compress, receiver_noise

__all__ = [
    "LesionSpec",
    "Phantom",
    "PhantomSpec",
    "render",
    "save_dicom",
    "save_dicom_frames",
    "save_png",
    "standard_cases",
]

ECHO_DB = {
    "anechoic": -66.0,
    "hypoechoic": FAT_DB - 10.0,
    "isoechoic": FAT_DB,
    "hyperechoic": GLAND_DB + 4.0,
    "heterogeneous": FAT_DB - 8.0,
    "complex": -66.0,
}
POSTERIOR_DB = {"none": 0.0, "enhancement": 8.0, "shadowing": -20.0, "combined": -14.0}
NOISE_DB = -64.0
SOFTNESS_MM = {"circumscribed": 0.08, "indistinct": 0.7, "angular": 0.25, "microlobulated": 0.12, "spiculated": 0.32}


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
    first, second = panel_boxes(spec)
    breast = _Breast(spec, first)
    other = _Breast(replace(spec, seed=spec.seed + 1, lesions=()), second) if "split_view" in spec.overlays else None
    frames, masks = [], []
    for elevation in spec.elevations_mm:
        grey = np.zeros((spec.rows, spec.columns), np.uint8)
        labels = np.zeros_like(grey)
        grey[_slices(first)], labels[_slices(first)] = breast.image(elevation)
        if other is not None and second is not None:
            grey[_slices(second)] = other.image(elevation)[0]
        elif second is not None:
            grey[_slices(second)] = _trace(spec, grey[_slices(first)], second)
        if spec.screen:
            draw_screen(grey, spec.tissue_box, spec.spacing_mm)
        frames.append(draw_overlays(grey, labels, spec))
        masks.append(labels)
    return Phantom(spec, np.stack(frames), np.stack(masks), phantom_regions(spec))


def _slices(box: Box) -> tuple[slice, slice]:
    return slice(box[0], box[2]), slice(box[1], box[3])


def _trace(spec: PhantomSpec, tissue: np.ndarray, box: Box) -> np.ndarray:
    random = np.random.default_rng((spec.seed, 5))
    if "m_mode" in spec.overlays:
        return m_mode_trace(tissue, box[2] - box[0], random)
    return doppler_spectrum(box[2] - box[0], box[3] - box[1], random)


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

    def __init__(self, spec: PhantomSpec, box: Box | None) -> None:
        top, left, bottom, right = box or spec.tissue_box
        rows, columns = bottom - top, right - left
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
        random = np.random.default_rng((self.spec.seed, 4, round(1000 * elevation_mm) + 1_000_000))
        # The time gain compensation lifts the noise with the echoes that it makes up for.
        noise = receiver_noise(level.shape, NOISE_DB + 0.35 * depth, random)
        grey = log_compress(envelope, gain, noise)
        return gaussian_filter(grey, (0.6, 0.85)), labels

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
        echo += 1.6 * patches
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
