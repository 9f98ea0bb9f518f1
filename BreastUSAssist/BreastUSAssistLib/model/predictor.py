"""From a frame to its draft: outline, separate lesions, class probabilities.

A still is looked at twice: whole, and then each lesion close up. The outline is the mean of both looks, and the class
of a lesion comes from both, so that lesions of one frame are judged one by one. The frames of a clip are looked at
once, which is nearly as good and twice as fast; the frames that matter can be asked for again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..ultrasound.frame import Box
from .backends import BackendName, DeviceName, OutlineBackend, open_outline_backend
from .bundle import Bundle, OutlineSettings, load_bundle
from .familiarity import FEATURE_LEVEL, Familiarity, load_familiarity, pooled_features
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
    embedding: np.ndarray
    """See `familiarity.pooled_features`."""

    @property
    def log_odds(self) -> float:
        """Of malignant against benign."""
        return float(self.logits[2] - self.logits[1])

    @property
    def normal(self) -> float:
        """Probability that no lesion is shown."""
        odds = np.exp(self.logits.astype(np.float64) - self.logits.max())
        return float(odds[0] / odds.sum())


@dataclass(frozen=True, eq=False)
class Predictor:
    """A loaded model; `predict` may be called any number of times."""

    bundle: Bundle
    backend: OutlineBackend
    familiarity: Familiarity | None = None

    @property
    def settings(self) -> OutlineSettings:
        """How the bundle is to be used."""
        return self.bundle.outline_settings

    def predict(self, grey: np.ndarray, tissue: Box | None = None) -> FramePrediction:
        """Draft one frame of uint8 grey (rows, columns), looking at the part `tissue` alone where it is given."""
        return self.predict_batch([grey], [tissue])[0]

    def predict_batch(
        self, greys: Sequence[np.ndarray], tissues: Sequence[Box | None] | None = None, *, close_ups: bool = True
    ) -> list[FramePrediction]:
        """Draft several frames, which may differ in shape, `LARGEST_BATCH` looks at a time.

        `close_ups` False leaves the second look at each lesion out, and the mirrored looks with it.
        """
        settings = self.settings
        given = tissues if tissues is not None else [None] * len(greys)
        boxes = [box or (0, 0, *grey.shape) for box, grey in zip(given, greys, strict=True)]
        whole = self._look(greys, list(enumerate(boxes)), close_ups)
        drafts = [_first_draft(look, greys[look.frame].shape, settings) for look in whole]
        wanted = [
            (index, close_up_box(lesion.box, boxes[index], settings.close_up_margin))
            for index, draft in enumerate(drafts)
            for lesion in draft.lesions[: settings.most_close_ups if close_ups else 0]
        ]
        nearer = self._look(greys, wanted, close_ups)
        return [
            replace(
                _draft(drafts[index], look, [close for close in nearer if close.frame == index], settings),
                unlikeness=self.familiarity.score(look.embedding) if self.familiarity else None,
            )
            for index, look in enumerate(whole)
        ]

    def _look(self, greys: Sequence[np.ndarray], wanted: Sequence[tuple[int, Box]], mirrored: bool) -> list[_Look]:
        settings = self.settings
        looks = []
        for start in range(0, len(wanted), LARGEST_BATCH):
            part = [
                (index, Letterbox(box, settings.input_size)) for index, box in wanted[start : start + LARGEST_BATCH]
            ]
            squares = np.stack([network_input(letterbox.apply(greys[index])) for index, letterbox in part])[:, None]
            features = self.backend.encode(squares)
            outlines, classes = self.backend.decode(features)
            if settings.mirrored and mirrored:
                # The beam comes from the top, so left and right alone may change places.
                other = self.backend.decode(self.backend.encode(np.ascontiguousarray(squares[..., ::-1])))
                outlines, classes = (outlines + other[0][..., ::-1]) / 2, (classes + other[1]) / 2
            maps = features.level(FEATURE_LEVEL)
            for place, (index, letterbox) in enumerate(part):
                logits = classes[place] / settings.temperature
                embedding = pooled_features(maps[place], letterbox)
                looks.append(_Look(index, letterbox, _sigmoid(outlines[place, 0]), logits, embedding))
        return looks


def open_predictor(
    bundle: Bundle | None = None,
    backend: BackendName = "auto",
    device: DeviceName = "auto",
    notice: Callable[[str], None] = lambda sentence: None,
) -> Predictor:
    """Load a bundle (the shipped one by default) on the best back end that is there; see `open_outline_backend`."""
    bundle = bundle or load_bundle()
    return Predictor(bundle, open_outline_backend(bundle, backend, device, notice), load_familiarity(bundle))


@dataclass(frozen=True, eq=False)
class _FirstDraft:
    """What the look at the whole frame found."""

    probability: np.ndarray
    lesions: tuple[LesionMask, ...]
    threshold: float
    """Of the outline; lower than usual where a lesion is surely there but faint."""


def _first_draft(look: _Look, shape: tuple[int, int], settings: OutlineSettings) -> _FirstDraft:
    """Lesions of the whole look. None where the frame is judged normal; the likeliest one where it surely is not."""
    probability = look.letterbox.invert(look.outline, shape)
    box = look.letterbox.box
    if look.normal >= settings.presence_threshold:
        return _FirstDraft(probability, (), settings.outline_threshold)
    lesions = separate_lesions(probability, box, settings)
    if lesions or settings.rescue_threshold >= settings.outline_threshold:
        return _FirstDraft(probability, lesions, settings.outline_threshold)
    lower = settings.model_copy(
        update={"outline_threshold": settings.rescue_threshold, "smallest_confidence": settings.rescue_threshold}
    )
    faint = separate_lesions(probability, box, lower)
    likeliest = sorted(faint, key=lambda lesion: -float(probability[lesion.pixels].sum()))[:1]
    return _FirstDraft(probability, tuple(likeliest), settings.rescue_threshold)


def separate_lesions(probability: np.ndarray, tissue: Box, settings: OutlineSettings) -> tuple[LesionMask, ...]:
    """Split a probability map at the threshold into lesions, holes filled, largest first.

    Parts that are too small or too faint, by the bundle's settings, are left out.
    """
    above = probability >= settings.outline_threshold
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if not rows.size:
        return ()
    # Most of a frame is far below: filling holes and labelling look at the box of what is above alone.
    top, left = int(rows[0]), int(columns[0])
    box = (slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1))
    parts, _ = ndimage.label(ndimage.binary_fill_holes(above[box]))
    least = max(settings.smallest_lesion * (tissue[2] - tissue[0]) * (tissue[3] - tissue[1]), 1)
    lesions = []
    for number, where in enumerate(ndimage.find_objects(parts), start=1):
        inside = parts[where] == number
        confidence = float(probability[box][where][inside].mean())
        if inside.sum() >= least and confidence >= settings.smallest_confidence:
            mask = np.zeros(probability.shape, bool)
            mask[box][where] = inside
            lesions.append(LesionMask(mask, "automatic", confidence))
    lesions.sort(key=lambda lesion: -int(lesion.pixels.sum()))
    return tuple(lesions[:LARGEST_LABEL])


def close_up_box(lesion: Box, tissue: Box, margin: float) -> Box:
    """The lesion's box with `margin` of its height and width added on each side, within the tissue."""
    rows, columns = (round(margin * (lesion[i + 2] - lesion[i])) + 8 for i in (0, 1))
    return (
        max(tissue[0], lesion[0] - rows),
        max(tissue[1], lesion[1] - columns),
        min(tissue[2], lesion[2] + rows),
        min(tissue[3], lesion[3] + columns),
    )


def _draft(first: _FirstDraft, whole: _Look, close_ups: Sequence[_Look], settings: OutlineSettings) -> FramePrediction:
    merged = _merged(first.probability, close_ups)
    found = separate_lesions(merged, whole.letterbox.box, settings) if first.lesions else ()
    if first.lesions and not found:
        # A faint lesion stays on the map that it was found on.
        found = first.lesions
    lesions = tuple(replace(lesion, malignant=_probability(_log_odds(lesion, whole, close_ups))) for lesion in found)
    normal = whole.normal
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
