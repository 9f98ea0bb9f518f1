"""From scatterers to a B-mode image: point spread function, envelope, noise, log compression.

The model is the usual one of fully developed speckle (Wagner, Smith, Sandrik and Lopez, IEEE Trans. Sonics Ultrason.
30:156, 1983): complex Gaussian scatterers, weighted by the local echo amplitude, convolved at base band with a
separable point spread function whose lateral width grows away from the focus.
"""

import numpy as np

DYNAMIC_RANGE_DB = 60.0
AXIAL_SIGMA_MM = 0.085
FOCUS_SIGMA_MM = 0.15
ELEVATION_SIGMA_MM = 0.8
LATERAL_STEPS = 4


class ScattererVolume:
    """Complex Gaussian noise that changes coherently along the sweep: planes mixed by the elevational beam."""

    def __init__(self, shape: tuple[int, int], seed: int) -> None:
        self.shape = shape
        self.seed = seed
        self._planes: dict[int, np.ndarray] = {}

    def at(self, elevation_mm: float) -> np.ndarray:
        """Scatterers that the beam sees at `elevation_mm`: complex64 (rows, columns), unit variance."""
        middle = round(elevation_mm / ELEVATION_SIGMA_MM)
        indices = range(middle - 2, middle + 3)
        weights = np.exp(-0.5 * (np.array(indices) - elevation_mm / ELEVATION_SIGMA_MM) ** 2)
        weights /= np.sqrt(np.sum(weights**2))
        self._planes = {index: plane for index, plane in self._planes.items() if index in indices}
        field = np.zeros(self.shape, np.complex64)
        for index, weight in zip(indices, weights, strict=True):
            if index not in self._planes:
                self._planes[index] = _complex_noise(self.shape, np.random.default_rng((self.seed, 7, index + 10_000)))
            field += np.complex64(weight) * self._planes[index]
        return field


def echo_envelope(
    scatterers: np.ndarray, echo_db: np.ndarray, coherent: np.ndarray, spacing_mm: float, focus_mm: float
) -> np.ndarray:
    """Amplitude after the point spread function: float32 (rows, columns), 1 where the echo level is 0 dB.

    Args:
        scatterers: complex64, unit variance.
        echo_db: level of the diffuse echo, dB.
        coherent: amplitude of smooth reflectors (fascia, skin), same unit as the result.
        spacing_mm: of rows and of columns.
        focus_mm: depth at which the beam is narrowest.
    """
    from scipy.ndimage import gaussian_filter1d

    axial = AXIAL_SIGMA_MM / spacing_mm
    field = scatterers * np.power(10, echo_db / 20, dtype=np.float32)
    parts = np.stack([field.real, field.imag])
    parts = gaussian_filter1d(parts, axial, axis=1, truncate=3) * np.float32(np.sqrt(_gain(axial)))
    depth = np.arange(field.shape[0], dtype=np.float32) * spacing_mm
    widths = FOCUS_SIGMA_MM * np.sqrt(1 + ((depth - focus_mm) / 18.0) ** 2) / spacing_mm
    steps = np.linspace(widths.min(), widths.max() + 1e-3, LATERAL_STEPS)
    out = np.zeros_like(parts)
    for step in steps:
        share = np.clip(1 - np.abs(widths - step) / (steps[1] - steps[0]), 0, 1).astype(np.float32)
        rows = np.flatnonzero(share)
        if rows.size:
            block = slice(rows[0], rows[-1] + 1)
            blurred = gaussian_filter1d(parts[:, block], step, axis=2, truncate=3) * np.float32(np.sqrt(_gain(step)))
            out[:, block] += share[block, None] * blurred
    reflected = gaussian_filter1d(gaussian_filter1d(coherent, axial * 0.7, axis=0), steps[0], axis=1)
    # A reflector interferes with the speckle in part only, so that fascia look grainy, not painted.
    envelope: np.ndarray = np.hypot(out[0] + 0.8 * reflected, out[1] + 0.6 * reflected)
    return envelope


def receiver_noise(shape: tuple[int, int], level_db: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Amplitude of the receiver's own noise, new in each frame: Rayleigh distributed, float32 (rows, columns)."""
    from scipy.ndimage import gaussian_filter

    parts = random.standard_normal((2, *shape), dtype=np.float32)
    parts = gaussian_filter(parts, (0, 1.0, 1.4)) * np.float32(4.2 / np.sqrt(2))
    noise: np.ndarray = np.hypot(parts[0], parts[1]) * np.power(10, level_db / 20, dtype=np.float32)
    return noise


def log_compress(envelope: np.ndarray, gain_db: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Grey levels, uint8: 0 dB is white, -DYNAMIC_RANGE_DB black. `noise` comes before the gain, as the echoes do."""
    amplitude = np.hypot(envelope, noise)
    level = 20 * np.log10(np.maximum(amplitude, 1e-6)) + gain_db
    grey: np.ndarray = np.clip(255 * (1 + level / DYNAMIC_RANGE_DB), 0, 255).round().astype(np.uint8)
    return grey


def _complex_noise(shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    parts = random.standard_normal((2, *shape), dtype=np.float32)
    noise: np.ndarray = ((parts[0] + 1j * parts[1]) / np.sqrt(2)).astype(np.complex64)
    return noise


def _gain(sigma: float) -> float:
    """What a Gaussian filter of `sigma` pixels divides the variance of white noise by."""
    reach = np.arange(-max(int(3 * sigma + 0.5), 1), max(int(3 * sigma + 0.5), 1) + 1)
    kernel = np.exp(-0.5 * (reach / sigma) ** 2)
    return float(kernel.sum() ** 2 / (kernel**2).sum())
