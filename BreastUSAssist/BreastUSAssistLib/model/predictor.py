"""From a frame to its draft: outline, separate lesions, class probabilities.

Every frame is looked at twice: whole, and then each lesion close up. The outline is the mean of both looks, and the
class of a lesion comes from both, so that lesions of one frame are judged one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
class _Look:
    """What the network said of one part of one frame."""

    frame: int
    letterbox: Letterbox
    outline: np.ndarray
    """Foreground probability, float32 (size, size)."""
    logits: np.ndarray
    """Of normal, benign and malignant; divided by the temperature."""

    @property
    def log_odds(self) -> float:
        """Of malignant against benign."""
        return float(self.logits[2] - self.logits[1])


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
        """Draft several frames, which may differ in shape, `LARGEST_BATCH` looks at a time."""
        settings = self.bundle.settings
        given = tissues if tissues is not None else [None] * len(greys)
        boxes = [box or (0, 0, *grey.shape) for box, grey in zip(given, greys, strict=True)]
        whole = self._look(greys, list(enumerate(boxes)))
        maps = [look.letterbox.invert(look.outline, greys[look.frame].shape) for look in whole]
        wanted = [
            (index, close_up_box(lesion.box, box, settings.close_up_margin))
            for index, box in enumerate(boxes)
            for lesion in separate_lesions(maps[index], box, settings)[: settings.most_close_ups]
        ]
        close_ups = self._look(greys, wanted)
        return [
            _draft(maps[index], look, [close for close in close_ups if close.frame == index], settings)
            for index, look in enumerate(whole)
        ]

    def _look(self, greys: Sequence[np.ndarray], wanted: Sequence[tuple[int, Box]]) -> list[_Look]:
        settings = self.bundle.settings
        looks = []
        for start in range(0, len(wanted), LARGEST_BATCH):
            part = [
                (index, Letterbox(box, settings.input_size)) for index, box in wanted[start : start + LARGEST_BATCH]
            ]
            squares = np.stack([network_input(letterbox.apply(greys[index])) for index, letterbox in part])
            outlines, classes = self.backend.run(squares[:, None])
            for (index, letterbox), outline, logits in zip(part, outlines, classes, strict=True):
                looks.append(_Look(index, letterbox, _sigmoid(outline[0]), logits / settings.temperature))
        return looks


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
        if inside.sum() >= least and confidence >= settings.smallest_confidence:
            mask = np.zeros(probability.shape, bool)
            mask[where] = inside
            lesions.append(LesionMask(mask, "automatic", confidence))
    lesions.sort(key=lambda lesion: -int(lesion.pixels.sum()))
    return tuple(lesions[:LARGEST_LABEL]) if count else ()


def close_up_box(lesion: Box, tissue: Box, margin: float) -> Box:
    """The lesion's box with `margin` of its height and width added on each side, within the tissue."""
    rows, columns = (round(margin * (lesion[i + 2] - lesion[i])) + 8 for i in (0, 1))
    return (
        max(tissue[0], lesion[0] - rows),
        max(tissue[1], lesion[1] - columns),
        min(tissue[2], lesion[2] + rows),
        min(tissue[3], lesion[3] + columns),
    )


def _draft(
    probability: np.ndarray, whole: _Look, close_ups: Sequence[_Look], settings: InferenceSettings
) -> FramePrediction:
    merged = _merged(probability, close_ups)
    lesions = tuple(
        replace(lesion, malignant=_probability(_log_odds(lesion, whole, close_ups)))
        for lesion in separate_lesions(merged, whole.letterbox.box, settings)
    )
    odds = np.exp(whole.logits.astype(np.float64) - whole.logits.max())
    normal = float(odds[0] / odds.sum())
    judged = lesions[0].malignant if lesions else None
    malignant = _probability(whole.log_odds) if judged is None else judged
    return FramePrediction(merged, lesions, normal, (1 - normal) * (1 - malignant), (1 - normal) * malignant)


def _merged(probability: np.ndarray, close_ups: Sequence[_Look]) -> np.ndarray:
    """Mean, pixel by pixel, of all looks that saw the pixel."""
    if not close_ups:
        return probability
    total, looks = probability.copy(), np.ones(probability.shape, np.float32)
    for look in close_ups:
        top, left, bottom, right = look.letterbox.box
        total += look.letterbox.invert(look.outline, probability.shape)
        looks[top:bottom, left:right] += 1
    return total / looks


def _log_odds(lesion: LesionMask, whole: _Look, close_ups: Sequence[_Look]) -> float:
    """Mean log-odds of malignancy of the whole frame and of the close-up that shows most of the lesion."""
    if not close_ups:
        return whole.log_odds

    def shown(look: _Look) -> int:
        top, left, bottom, right = look.letterbox.box
        return int(np.count_nonzero(lesion.pixels[top:bottom, left:right]))

    return (whole.log_odds + max(close_ups, key=shown).log_odds) / 2


def _probability(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30, dtype=np.float32)))
