"""From a frame to its draft: outline, separate lesions, class probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..ultrasound.frame import Box
from .backends import Backend, BackendName, DeviceName, open_backend
from .bundle import Bundle, InferenceSettings, load_bundle
from .prediction import FramePrediction, LesionMask
from .preprocessing import Letterbox, network_input

LARGEST_BATCH = 8
LARGEST_LABEL = 100


@dataclass(frozen=True, eq=False)
class Predictor:
    """A loaded model; `predict` may be called any number of times."""

    bundle: Bundle
    backend: Backend

    def predict(self, grey: np.ndarray, tissue: Box | None = None) -> FramePrediction:
        """Draft one frame of uint8 grey (rows, columns), looking at the part `tissue` alone where it is given."""
        return self.predict_batch([grey], [tissue])[0]

    def predict_batch(
        self, greys: Sequence[np.ndarray], tissues: Sequence[Box | None] | None = None
    ) -> list[FramePrediction]:
        """Draft several frames, which may differ in shape, `LARGEST_BATCH` at a time."""
        settings = self.bundle.settings
        boxes = tissues if tissues is not None else [None] * len(greys)
        letterboxes = [
            Letterbox(box or (0, 0, *grey.shape), settings.input_size) for grey, box in zip(greys, boxes, strict=True)
        ]
        predictions = []
        for start in range(0, len(greys), LARGEST_BATCH):
            part = slice(start, start + LARGEST_BATCH)
            squares = [network_input(box.apply(grey)) for box, grey in zip(letterboxes[part], greys[part], strict=True)]
            outlines, classes = self.backend.run(np.stack(squares)[:, None])
            for box, grey, outline, logits in zip(letterboxes[part], greys[part], outlines, classes, strict=True):
                probability = box.invert(_sigmoid(outline[0]), grey.shape)
                predictions.append(_draft(probability, logits, box.box, settings))
        return predictions


def open_predictor(
    bundle: Bundle | None = None, backend: BackendName = "auto", device: DeviceName = "auto"
) -> Predictor:
    """Load a bundle (the shipped one by default) on the best back end that is there."""
    bundle = bundle or load_bundle()
    return Predictor(bundle, open_backend(bundle, backend, device))


def separate_lesions(probability: np.ndarray, tissue: Box, settings: InferenceSettings) -> tuple[LesionMask, ...]:
    """Split a probability map at the threshold into lesions, holes filled, largest first.

    Parts that are too small or too faint, by the bundle's settings, are left out.
    """
    parts, count = ndimage.label(ndimage.binary_fill_holes(probability >= settings.outline_threshold))
    least = max(settings.smallest_lesion * (tissue[2] - tissue[0]) * (tissue[3] - tissue[1]), 1)
    lesions = []
    for number, where in enumerate(ndimage.find_objects(parts), start=1):
        inside = parts[where] == number
        confidence = float(probability[where][inside].mean())
        if inside.sum() >= least and confidence >= settings.smallest_peak:
            mask = np.zeros(probability.shape, bool)
            mask[where] = inside
            lesions.append(LesionMask(mask, "automatic", confidence))
    lesions.sort(key=lambda lesion: -int(lesion.pixels.sum()))
    return tuple(lesions[:LARGEST_LABEL]) if count else ()


def _draft(probability: np.ndarray, logits: np.ndarray, tissue: Box, settings: InferenceSettings) -> FramePrediction:
    scaled = logits.astype(np.float64) / settings.temperature
    odds = np.exp(scaled - scaled.max())
    normal, benign, malignant = (float(value) for value in odds / odds.sum())
    return FramePrediction(probability, separate_lesions(probability, tissue, settings), normal, benign, malignant)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30, dtype=np.float32)))
