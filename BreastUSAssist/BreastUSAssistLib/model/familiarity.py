"""How unlike the training images a frame is, by the outline network's own features.

The score is the Mahalanobis distance of pooled encoder features to the training images (Lee et al., NeurIPS 2018), in
the space of their principal components: mean and spread over the tissue of the map at stride 16. On development images
this told photographs, noise, screens, X-ray-like pictures and ultrasound of other organs from held-out breast images
better than the coarsest map, and as well as distances to nearest neighbours (Sun et al., ICML 2022) at a third of the
size. It says nothing of how well a familiar image is read.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelError
from .preprocessing import Letterbox

if TYPE_CHECKING:
    from .bundle import Bundle

FEATURE_LEVEL = 3
"""Place, among the encoder's five maps, of the one that is pooled: stride 16, 112 channels."""
FAMILIARITY_FILE = "models/familiarity.safetensors"
ENCODER_FILE = "models/model.safetensors"
FORMAT = "familiarity 1.0"
UNUSUAL_PERCENTILE = 99.0
"""Above this percentile of held-out training images, an image is doubtful."""
FAR_FACTOR = 1.4
"""Times the distance at `UNUSUAL_PERCENTILE`, from which an image is far from all. Images of a data set that was left
out of the fit stayed below 1.5; photographs, noise and X-ray-like pictures lie above 1.4."""
_LARGEST_FILE = 16 << 20


@dataclass(frozen=True)
class Unlikeness:
    """One frame's distance to the training images."""

    distance: float
    """Root mean square deviation along the principal components, in standard deviations; about 1 when familiar."""
    percentile: float
    """Share of held-out training images that are less unlike, in per cent, 0..100."""
    is_unusual: bool
    """Beyond `UNUSUAL_PERCENTILE`."""
    is_far: bool
    """Where no breast image of the training data lies."""


@dataclass(frozen=True, eq=False)
class Familiarity:
    """The training images as a point and a spread; made by `learning.familiarity_fitting`."""

    mean: np.ndarray
    """float32 (features,)."""
    axes: np.ndarray
    """Principal components, each divided by its standard deviation: float32 (axes, features)."""
    held_out: np.ndarray
    """Distances of images that took no part in a fit, float32, ascending: their 0th to 100th percentile."""
    encoder: str = ""
    """SHA-256 of the weights whose features were used; the score means nothing with others."""

    @property
    def unusual_from(self) -> float:
        """Distance at `UNUSUAL_PERCENTILE`."""
        return float(np.interp(UNUSUAL_PERCENTILE, np.linspace(0, 100, len(self.held_out)), self.held_out))

    @property
    def far_from(self) -> float:
        """Distance from which an image is far; never within the held-out images."""
        return max(FAR_FACTOR * self.unusual_from, float(self.held_out[-1]))

    def distances(self, pooled: np.ndarray) -> np.ndarray:
        """Distances of float32 (n, features), float64 (n,); infinite where a feature is not finite."""
        deviations = (pooled.astype(np.float64) - self.mean) @ self.axes.T.astype(np.float64)
        distances: np.ndarray = np.sqrt(np.square(deviations).mean(axis=1))
        return np.where(np.isfinite(distances), distances, np.inf)

    def score(self, pooled: np.ndarray) -> Unlikeness:
        """How unlike the training images one frame is, from its `pooled_features`, float32 (features,).

        Raises:
            ModelError: the features are not as many as those of the fit.
        """
        if pooled.shape != self.mean.shape:
            raise ModelError(
                f"The familiarity model takes {self.mean.size} features, not {pooled.size}; use an unchanged bundle."
            )
        distance = float(self.distances(pooled[None])[0])
        percentile = float(np.interp(distance, self.held_out, np.linspace(0, 100, len(self.held_out))))
        return Unlikeness(distance, percentile, distance > self.unusual_from, distance > self.far_from)


def pooled_features(feature: np.ndarray, letterbox: Letterbox) -> np.ndarray:
    """Mean and standard deviation of each channel over the tissue, float32 (2 * channels,).

    Args:
        feature: the encoder's map at `FEATURE_LEVEL` of one frame, (channels, rows, columns).
        letterbox: how the tissue lay in the square that was encoded; the black beside it takes no part.
    """
    weights = _cover(letterbox, feature.shape[-1])
    values = feature.reshape(len(feature), -1).astype(np.float64)
    mean = values @ weights
    spread = np.sqrt(np.maximum(np.square(values - mean[:, None]) @ weights, 0))
    return np.concatenate([mean, spread]).astype(np.float32)


def load_familiarity(bundle: "Bundle") -> Familiarity | None:
    """The bundle's familiarity model; None in a bundle without one.

    Raises:
        ModelError: it is damaged, or was fitted to the features of other weights.
    """
    if FAMILIARITY_FILE not in bundle.files:
        return None
    path = bundle.checked(FAMILIARITY_FILE)
    model = read_familiarity(path)
    if model.encoder != bundle.files.get(ENCODER_FILE):
        raise ModelError(f"{path} was fitted to other weights; fit it again to {bundle.folder / ENCODER_FILE}.")
    return model


def read_familiarity(path: Path) -> Familiarity:
    """Read a familiarity model from a safetensors file.

    The format is an 8-byte length, a JSON header and raw values (github.com/huggingface/safetensors); it is read here
    so that analysing needs no package for it.

    Raises:
        ModelError: the file is missing, damaged, or of another version.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError("too large")
        content = path.read_bytes()
        start = 8 + struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8:start])
        told = header["__metadata__"]
        if told["format"] != FORMAT:
            raise ModelError(f"{path} is not of this version ({FORMAT}); use the bundle that belongs to it.")
        found = Familiarity(
            **{name: _tensor(content[start:], header[name]) for name in ("mean", "axes", "held_out")},
            encoder=told["encoder"],
        )
        _check(found)
        return found
    except OSError as error:
        raise ModelError(f"{path} cannot be read; install the model again.") from error
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ModelError(f"{path} is no familiarity model or is damaged; install the model again.") from error


def familiarity_bytes(model: Familiarity) -> bytes:
    """Content of the file that `read_familiarity` reads."""
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(getattr(model, name), np.float32) for name in ("mean", "axes", "held_out")}
    return save(tensors, {"format": FORMAT, "encoder": model.encoder})


def _tensor(values: bytes, entry: Mapping) -> np.ndarray:
    first, last = entry["data_offsets"]
    if entry["dtype"] != "F32" or not 0 <= first <= last <= len(values):
        raise ValueError("not float32, or beyond the end")
    return np.frombuffer(values[first:last], "<f4").reshape(entry["shape"])


def _check(model: Familiarity) -> None:
    if model.mean.ndim != 1 or model.axes.ndim != 2 or model.axes.shape[1] != model.mean.size or not model.axes.size:
        raise ValueError("shapes do not fit")
    rises = model.held_out.ndim == 1 and model.held_out.size > 1 and bool((np.diff(model.held_out) >= 0).all())
    if not rises or not all(np.isfinite(part).all() for part in (model.mean, model.axes, model.held_out)):
        raise ValueError("values do not fit")


def _cover(letterbox: Letterbox, grid: int) -> np.ndarray:
    """Share of the tissue that each cell of a feature map covers, float64 (grid * grid,); adds up to 1."""
    sides = []
    for start, length in zip(letterbox.offset, letterbox.scaled, strict=True):
        edges = np.arange(grid + 1) * letterbox.size / grid
        sides.append(np.diff(np.clip(edges, start, start + length)))
    cover = np.outer(*sides).ravel()
    weights: np.ndarray = cover / cover.sum()
    return weights
