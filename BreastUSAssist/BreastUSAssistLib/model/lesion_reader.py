"""What the reader network says of outlined lesions, in words and probabilities. A draft: a named reader decides."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError
from .backends import BackendName, DeviceName, ReaderBackend, open_reader_backend
from .bundle import Bundle, load_bundle
from .calibration import load_calibration
from .lesion_roi import BELOW_MARGIN, SIDE_MARGIN, lesion_roi
from .reader_outputs import ANY_OF, CATEGORIES, ONE_OF, OUTPUTS


@dataclass(frozen=True, eq=False)
class LesionOpinion:
    """The network's opinion of one lesion."""

    malignant_log_odds: float
    """Uncalibrated: see the bundle's calibration."""
    category: Mapping[str, float]
    """Probability of each ordered category, 2 to 5; together 1."""
    descriptors: Mapping[str, Mapping[str, float]]
    """Probability of each term by attribute. Margin terms hold independently of each other; halo and calcifications
    have one term, which says that there is one."""
    terms: Mapping[str, tuple[str, ...]]
    """Terms chosen for each attribute; none for halo and calcifications where there is none."""
    embedding: np.ndarray
    """float32 (64,): how the lesion looks to the network, for a score of how familiar it is."""


class LesionReader:
    """Reads outlined lesions of a frame with one back end."""

    def __init__(
        self,
        backend: ReaderBackend,
        roi_size: int,
        offsets: Mapping[str, Sequence[float]] | None = None,
        mirrored: bool = True,
        bundle: Bundle | None = None,
    ):
        """Take what a bundle says of its reader.

        Args:
            backend: runs the network.
            roi_size: side of the network's input.
            offsets: added to an output's logits before terms are chosen (probabilities stay as they are): rare terms
                need less than one half. Outputs that are not named have none.
            mirrored: read the mirrored region too and take the mean.
            bundle: where all that comes from, and the calibration with it.

        Raises:
            ModelError: the offsets do not fit the network's outputs.
        """
        self.backend, self.roi_size, self.mirrored = backend, roi_size, mirrored
        self.bundle = bundle
        self.calibration = load_calibration(bundle) if bundle is not None else None
        self.offsets = {name: np.zeros(columns, np.float32) for name, columns in OUTPUTS.items()}
        for name, values in (offsets or {}).items():
            if name not in OUTPUTS or len(values) != OUTPUTS[name]:
                raise ModelError(f"The reader's offsets do not fit its output {name}; install the models again.")
            self.offsets[name] = np.asarray(values, np.float32)

    def read(self, grey: np.ndarray, masks: Sequence[np.ndarray], measures: np.ndarray) -> list[LesionOpinion]:
        """Read the lesions of one frame.

        Args:
            grey: uint8 (rows, columns).
            masks: bool (rows, columns), one a lesion.
            measures: float32 (lesions, measures) as `birads.reader_measures` gives them, NaN where unknown.

        Raises:
            UsageError: a mask is empty or not of the frame's size.
        """
        if not len(masks):
            return []
        images = np.stack([lesion_roi(grey, mask, self.roi_size) for mask in masks])
        measures = np.asarray(measures, np.float32)
        if self.mirrored:
            images, measures = np.concatenate([images, images[..., ::-1]]), np.concatenate([measures, measures])
        outputs = self.backend.read(np.ascontiguousarray(images), measures)
        views = 2 if self.mirrored else 1
        mean = {name: values.reshape(views, len(masks), -1).mean(axis=0) for name, values in outputs.items()}
        return [self._opinion({name: values[index] for name, values in mean.items()}) for index in range(len(masks))]

    def _opinion(self, logits: dict[str, np.ndarray]) -> LesionOpinion:
        descriptors: dict[str, dict[str, float]] = {}
        for name, names in ONE_OF.items():
            descriptors[name] = _named(names, _softmax(logits[name]))
        for name, names in ANY_OF.items():
            descriptors[name] = _named(names, _sigmoid(logits[name]))
        shifted = {name: logits[name] + self.offsets[name] for name in (*ONE_OF, *ANY_OF)}
        return LesionOpinion(
            malignant_log_odds=float(logits["malignant"][0]),
            category=_named(CATEGORIES, category_probabilities(logits["category"])),
            descriptors=descriptors,
            terms=chosen_terms(shifted),
            embedding=logits["embedding"].astype(np.float32),
        )


def open_lesion_reader(
    bundle: Bundle | None = None,
    backend: BackendName = "auto",
    device: DeviceName = "auto",
    notice: Callable[[str], None] = lambda sentence: None,
) -> LesionReader:
    """Load a reader bundle (the shipped one by default) on the best back end that is there.

    Raises:
        ModelError: the bundle is damaged, of another kind, or made for another network or region of interest.
        UsageError: the back end or device asked for is not there.
    """
    bundle = bundle or load_bundle(kind="reader")
    settings = bundle.reader_settings
    if (settings.margin, settings.margin_below) != (SIDE_MARGIN, BELOW_MARGIN):
        raise ModelError(f"{bundle.folder} was trained with other margins; use a bundle made by this version.")
    opened = open_reader_backend(bundle, backend, device, notice)
    return LesionReader(opened, settings.input_size, settings.offsets, settings.mirrored, bundle)


def category_probabilities(logits: np.ndarray) -> np.ndarray:
    """Probability of each category from the logits of lying above each but the last: (..., 5) to (..., 6)."""
    above = _sigmoid(logits)
    ends = np.ones_like(above[..., :1])
    return -np.diff(np.concatenate([ends, above, 0 * ends], axis=-1), axis=-1)


def chosen_terms(shifted: Mapping[str, np.ndarray]) -> dict[str, tuple[str, ...]]:
    """Terms for one lesion from its logits with the offsets added.

    A margin that is not circumscribed has at least one sub-type; one that is has none.
    """
    found: dict[str, tuple[str, ...]] = {
        name: (names[int(np.argmax(shifted[name]))],) for name, names in ONE_OF.items()
    }
    for name, names in ANY_OF.items():
        found[name] = tuple(term for term, logit in zip(names, shifted[name], strict=True) if logit > 0)
    margin = shifted["margin"]
    first, *sub_types = ANY_OF["margin"]
    if first in found["margin"]:
        found["margin"] = (first,)
    elif not found["margin"]:
        found["margin"] = (sub_types[int(np.argmax(margin[1:]))],)
    return found


def _named(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -60, 60)))


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponent = np.exp(logits.astype(np.float64) - logits.max())
    return exponent / exponent.sum()
