"""Filters that make a frame easier to look at. For display only: models read the original pixels.

Speckle reduction changes little for a network and destroys texture that a reader may want; the filter is therefore off
by default, and whoever stores a picture says which was on. Every filter keeps the size and takes a bounded time: the
costly ones work on large frames at reduced size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..errors import UsageError

FilterName = Literal["none", "median", "srad", "nlm", "clahe"]
FILTERS: tuple[FilterName, ...] = get_args(FilterName)
MOST_PIXELS = 1 << 20
"""Frames with more are reduced to this before median, diffusion and non-local means, and enlarged again."""


@dataclass(frozen=True)
class Enhancement:
    """How to show a frame; as made without arguments it changes nothing."""

    filter: FilterName = "none"
    strength: float = 0.5
    """0..1: window of the median 3 to 7 pixels, 4 to 40 steps of diffusion, bandwidth of non-local means 0.4 to 1.2
    times the speckle, clip limit of CLAHE 0.001 to 0.01."""
    local_contrast: float = 0.0
    """0..2: share of the difference from the surrounds (unsharp masking with a wide window) that is added."""
    gamma: float = 1.0
    """0.3..3: exponent of grey levels; below 1 lightens the dark."""

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        if self.filter not in FILTERS:
            raise UsageError(f"{self.filter!r} is no display filter; choose {', '.join(FILTERS)}.")
        for name, low, high in (("strength", 0.0, 1.0), ("local_contrast", 0.0, 2.0), ("gamma", 0.3, 3.0)):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"The {name.replace('_', ' ')} of a display filter must be from {low:g} to {high:g}.")

    @property
    def is_identity(self) -> bool:
        """Whether pixels are shown as they are."""
        return self == Enhancement(strength=self.strength)


def enhance(grey: np.ndarray, enhancement: Enhancement) -> np.ndarray:
    """Apply the filter, then local contrast, then gamma: uint8 (rows, columns) to a new array of the same kind."""
    shown = np.array(grey, np.uint8)
    if enhancement.is_identity or not shown.size:
        return shown
    if enhancement.filter != "none":
        shown = _APPLIED[enhancement.filter](shown, enhancement.strength)
    if enhancement.local_contrast > 0:
        shown = local_contrast(shown, enhancement.local_contrast)
    if enhancement.gamma != 1.0:
        levels = 255 * (np.arange(256) / 255) ** enhancement.gamma
        shown = np.rint(levels).astype(np.uint8)[shown]
    return shown


def median(grey: np.ndarray, size: int = 3) -> np.ndarray:
    """Median over size x size pixels."""
    from scipy.ndimage import median_filter

    return np.asarray(median_filter(grey, size, mode="nearest"))


def speckle_reducing_diffusion(grey: np.ndarray, iterations: int = 20, step: float = 0.2) -> np.ndarray:
    """Speckle-reducing anisotropic diffusion (Yu and Acton, IEEE Trans Image Process 11:1260, 2002).

    The diffusion coefficient is 1 / (1 + (q^2 - q0^2) / (q0^2 (1 + q0^2))) with the instantaneous coefficient of
    variation q (their eq. 33 and 35). Log-compressed levels are first turned back to intensities, exp(grey / 255 * 4);
    the speckle scale q0 is the median of q over the frame, as no homogeneous region is given.

    Args:
        grey: uint8 (rows, columns).
        iterations: steps of explicit diffusion.
        step: time step, at most 1 for stability (a quarter of it is applied, eq. 61).
    """
    compression = 4.0 / 255.0
    image = np.exp(grey.astype(np.float32) * np.float32(compression))
    for _ in range(iterations):
        padded = np.pad(image, 1, mode="edge")
        north, south = padded[:-2, 1:-1] - image, padded[2:, 1:-1] - image
        west, east = padded[1:-1, :-2] - image, padded[1:-1, 2:] - image
        gradient = (north**2 + south**2 + west**2 + east**2) / image**2
        laplacian = (north + south + west + east) / image
        variation = np.maximum(gradient / 2 - laplacian**2 / 16, 0) / (1 + laplacian / 4) ** 2
        scale = max(float(np.median(variation[::4, ::4])), 1e-6)
        flow = np.clip(1 / (1 + (variation - scale) / (scale * (1 + scale))), 0, 1)
        beside = np.pad(flow, ((0, 1), (0, 1)), mode="edge")
        # Coefficients of the far side of each face, so that what leaves one pixel enters the next (eq. 58).
        image = image + (step / 4) * (beside[1:, :-1] * south + flow * north + beside[:-1, 1:] * east + flow * west)
    return _levels(np.log(np.maximum(image, 1)) / compression)


def non_local_means(grey: np.ndarray, bandwidth: float = 0.8) -> np.ndarray:
    """Non-local means (Buades et al., CVPR 2005; scikit-image, patches of 5, search of 13 pixels).

    `bandwidth` is in standard deviations of the speckle: the median over 5 x 5 pixels where there is any echo.
    """
    from scipy.ndimage import uniform_filter
    from skimage.restoration import denoise_nl_means

    values = grey.astype(np.float32) / 255
    mean = uniform_filter(values, 5)
    variance = uniform_filter(values * values, 5) - mean * mean
    echoes = variance[mean > 0.06]
    if not echoes.size or float(np.median(echoes)) <= 1e-6:
        return grey.copy()
    h = bandwidth * float(np.sqrt(np.median(echoes)))
    cleaned = denoise_nl_means(values, patch_size=5, patch_distance=6, h=h, sigma=0.0, fast_mode=True)
    # scikit-image drops an axis of length 1.
    return _levels(cleaned.reshape(grey.shape) * 255)


def clahe(grey: np.ndarray, clip_limit: float = 0.005) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation in 8 x 8 tiles (Zuiderveld, Graphics Gems IV, 1994)."""
    from skimage.exposure import equalize_adapthist

    if int(grey.max()) == int(grey.min()) or min(grey.shape) < 16:
        return grey.copy()
    return _levels(equalize_adapthist(grey, clip_limit=clip_limit) * 255)


def local_contrast(grey: np.ndarray, amount: float) -> np.ndarray:
    """Add `amount` times the difference from the mean of the surrounds, a twentieth of the shorter side around."""
    from scipy.ndimage import uniform_filter

    values = grey.astype(np.float32)
    side = max(3, min(grey.shape) // 20 * 2 + 1)
    surrounds = uniform_filter(uniform_filter(values, side, mode="nearest"), side, mode="nearest")
    # Black stays black: the screen around the tissue is no tissue.
    return np.where(grey > 0, _levels(values + amount * (values - surrounds)), 0).astype(np.uint8)


def _median(grey: np.ndarray, strength: float) -> np.ndarray:
    size = 3 if strength <= 0.5 else 5 if strength <= 0.8 else 7
    return _reduced(grey, lambda small: median(small, size))


def _srad(grey: np.ndarray, strength: float) -> np.ndarray:
    return _reduced(grey, lambda small: speckle_reducing_diffusion(small, round(4 + 36 * strength)))


def _nlm(grey: np.ndarray, strength: float) -> np.ndarray:
    return _reduced(grey, lambda small: non_local_means(small, 0.4 + 0.8 * strength))


def _clahe(grey: np.ndarray, strength: float) -> np.ndarray:
    return clahe(grey, 0.001 + 0.009 * strength)


_APPLIED: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "median": _median,
    "srad": _srad,
    "nlm": _nlm,
    "clahe": _clahe,
}


def _reduced(grey: np.ndarray, applied: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    if grey.size <= MOST_PIXELS:
        return applied(grey)
    from PIL import Image

    rows, columns = grey.shape
    scale = (MOST_PIXELS / grey.size) ** 0.5
    small = Image.fromarray(grey).resize(
        (max(1, int(columns * scale)), max(1, int(rows * scale))), Image.Resampling.BOX
    )
    filtered = Image.fromarray(applied(np.asarray(small)))
    return np.asarray(filtered.resize((columns, rows), Image.Resampling.BICUBIC))


def _levels(values: np.ndarray) -> np.ndarray:
    levels: np.ndarray = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return levels
