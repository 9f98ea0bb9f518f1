"""Changes to an image that must not change what a model says of it, and display filters, which it should not need."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from ..ultrasound.enhancement import FILTERS, Enhancement, enhance
from ..ultrasound.marks import inpaint, marks_mask, without_marks
from ..ultrasound.tissue import inside, tissue_panels
from .synthetic_marks import paint_marks

Perturb = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""Takes uint8 grey, the lesions (bool, both (rows, columns)) and a generator; gives uint8 of the same shape."""


def marks_removed(grey: np.ndarray, lesion: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Burnt-in calipers, dots and captions inpainted."""
    return without_marks(grey)


def mirror_inpainted(grey: np.ndarray, lesion: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A control for `marks_removed`: as much inpainted at the same depths, mirrored, where no mark is."""
    marks = marks_mask(grey)
    return inpaint(grey, marks[:, ::-1] & ~marks)


def marks_added(grey: np.ndarray, lesion: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Calipers set on the lesion, at times with dotted lines and captions."""
    return paint_marks(grey, generator, near=lesion)


def captions_added(grey: np.ndarray, lesion: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Two captions outside the tissue, or at the frame's very edge where tissue fills it; never over a lesion."""
    from PIL import Image, ImageDraw

    rows, columns = grey.shape
    picture = Image.fromarray(np.ascontiguousarray(grey))
    draw = ImageDraw.Draw(picture)
    top, _, bottom, _ = _tissue(grey)
    bands = [top - 14 if top >= 14 else 1, bottom + 2 if rows - bottom >= 14 else rows - 13]
    for row, text in zip(bands, ("MALIGNANT?  BIRADS 5", "L 12.4 mm   RT BREAST 3H"), strict=True):
        draw.text((generator.uniform(0.02, 0.4) * columns, row), text, fill=int(generator.integers(150, 256)))
    captioned = np.asarray(picture)
    return np.where(lesion, grey, captioned)


def surrounds_blacked(grey: np.ndarray, lesion: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Everything outside the tissue's rectangle black; an image that is cropped to its tissue stays as it is."""
    box = _tissue(grey)
    blacked = np.zeros_like(grey)
    inside(blacked, box)[...] = inside(grey, box)
    return blacked


def enhanced(
    grey: np.ndarray, lesion: np.ndarray, generator: np.random.Generator, enhancement: Enhancement
) -> np.ndarray:
    """A display filter before the model."""
    return enhance(grey, enhancement)


SHORTCUTS: Mapping[str, Perturb] = {
    "marks removed": marks_removed,
    "control: mirror of marks inpainted": mirror_inpainted,
    "marks added": marks_added,
    "captions added": captions_added,
    "surrounds blacked": surrounds_blacked,
}
ENHANCEMENTS: Mapping[str, Perturb] = {
    name: partial(enhanced, enhancement=Enhancement(name)) for name in FILTERS if name != "none"
}


def _tissue(grey: np.ndarray) -> tuple[int, int, int, int]:
    panels = tissue_panels(grey)
    return panels[0] if panels else (0, 0, *grey.shape)
