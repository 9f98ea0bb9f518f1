"""Networks as parts in ONNX, whatever runtime runs a part: encoder, prompts, decoder of the outline; the reader."""

from collections.abc import Callable, Mapping

import numpy as np

from ..errors import UsageError
from .bundle import ONNX_FILES, Bundle
from .features import ArrayFeatures, Features

LEVELS = 5
Part = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
"""Runs one ONNX file: arrays by input name to arrays by output name."""


class OnnxParts:
    """An outline network in three ONNX files.

    encoder: image -> f0 to f4. prompts: f0 to f4 and prompts -> g0 to g4. decoder: g0 to g4 (f0 to f4 themselves where
    there is no prompt, which spares that part) and the two coarsest of f -> outline, classes.
    """

    def __init__(self, bundle: Bundle, open_part: Callable[[Bundle, str], Part]):
        bundle.outline_settings  # noqa: B018 - raises for another kind of bundle
        self._encoder, self._prompts, self._decoder = (open_part(bundle, name) for name in ONNX_FILES["outline"])

    def encode(self, images: np.ndarray) -> ArrayFeatures:
        """See OutlineBackend."""
        found = self._encoder({"image": np.ascontiguousarray(images, np.float32)})
        return ArrayFeatures([found[f"f{level}"] for level in range(LEVELS)])

    def decode(self, features: Features, prompts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """See OutlineBackend."""
        maps = {f"f{level}": features.level(level) for level in range(LEVELS)}
        if prompts is None:
            prompted = {f"g{level}": maps[f"f{level}"] for level in range(LEVELS)}
        else:
            check_prompts(features, prompts)
            prompted = self._prompts({**maps, "prompts": np.ascontiguousarray(prompts, np.float32)})
        found = self._decoder({**prompted, "f3": maps["f3"], "f4": maps["f4"]})
        return found["outline"], found["classes"]


class OnnxReading:
    """A lesion reader in one ONNX file."""

    def __init__(self, bundle: Bundle, open_part: Callable[[Bundle, str], Part]):
        bundle.reader_settings  # noqa: B018 - raises for another kind of bundle
        self._network = open_part(bundle, ONNX_FILES["reader"][0])

    def read(self, images: np.ndarray, measures: np.ndarray) -> dict[str, np.ndarray]:
        """See ReaderBackend."""
        return self._network(
            {
                "image": np.ascontiguousarray(images, np.float32),
                "measures": np.ascontiguousarray(measures, np.float32),
            }
        )


def check_prompts(features: Features, prompts: np.ndarray) -> None:
    """Raise UsageError unless there is one prompt for each image."""
    if len(prompts) != len(features):
        raise UsageError(f"{len(prompts)} prompts were given for {len(features)} images; give one for each image.")
