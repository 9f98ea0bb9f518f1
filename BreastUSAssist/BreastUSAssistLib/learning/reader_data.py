"""Lesions in memory for training the reader: their regions, outlines, measures and everything a reader said of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from ..birads.measurements import measure
from ..birads.reader_measures import reader_measures
from ..errors import InputError, UsageError
from ..model.lesion_roi import lesion_region
from ..model.reader_outputs import ANY_OF, CATEGORIES, ONE_OF
from ..ultrasound.frame import SourceReference, UltrasoundFrame
from .manifest import LAST_LESION_LABEL, ManifestRow, load_image, mask_of

CONTEXT = 1.4
"""Stored regions are wider than what the network sees by this factor, so that they can be turned and shifted."""
MEASURED_OUTLINES = 3
"""The measures of each lesion are taken on its outline and on two that were disturbed."""
SMALLEST_LESION = 40
"""Lesions of fewer pixels are left out: their measures say nothing."""
_DISTANCE_SCALE = 2
_ECHO = {"complex cystic/solid": "complex_cystic_and_solid"}
_POSTERIOR = {"no": "none"}
_UNKNOWN = -1.0


@dataclass(frozen=True, eq=False)
class ReaderLesions:
    """One row a lesion. Truth is float32 and -1 where unknown."""

    regions: np.ndarray
    """uint8 (n, stored, stored), `CONTEXT` times as wide as the network's region."""
    distances: np.ndarray
    """int8, the same: signed distance to the outline in half pixels, above 0 inside, held within +-127."""
    measures: np.ndarray
    """float32 (n, MEASURED_OUTLINES, m); the first are those of the true outline."""
    malignant: np.ndarray
    """(n,): 0 or 1."""
    category: np.ndarray
    """(n, 5): whether the category lies above 2, 3, 4A, 4B and 4C."""
    descriptors: dict[str, np.ndarray]
    """By output: (n,) index of the term for those of which one holds, (n, terms) 0 or 1 for the others."""
    ids: np.ndarray
    datasets: np.ndarray
    folds: np.ndarray
    numbers: np.ndarray
    """Label of the lesion in its mask."""
    birads: np.ndarray
    """As the manifest writes it, "" where unknown."""

    def __len__(self) -> int:
        return len(self.regions)

    def chosen(self, which: np.ndarray) -> "ReaderLesions":
        """The lesions at these indices, or where a bool array holds."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        descriptors = {name: value[which] for name, value in values.pop("descriptors").items()}
        return ReaderLesions(**{name: value[which] for name, value in values.items()}, descriptors=descriptors)


def load_reader_lesions(
    rows: Sequence[ManifestRow], size: int, seed: int, progress: Callable[[str], None]
) -> ReaderLesions:
    """Read every lesion of the rows that have a mask; `size` is the side of the network's input.

    Raises:
        InputError: no row has a lesion, or an image cannot be read.
    """
    generator = np.random.default_rng(seed)
    kept: dict[str, list] = {item.name: [] for item in fields(ReaderLesions)}
    for number, row in enumerate(rows):
        labels = mask_of(row)
        if labels is None:
            continue
        frame = UltrasoundFrame(load_image(row), SourceReference(row.image))
        for label in np.unique(labels[(labels > 0) & (labels <= LAST_LESION_LABEL)]):
            mask = labels == label
            if mask.sum() < SMALLEST_LESION:
                continue
            for name, value in {**_pictures(frame, mask, size, generator), **_truth(row)}.items():
                kept[name].append(value)
            kept["numbers"].append(int(label))
        if (number + 1) % 200 == 0:
            progress(f"read {number + 1} of {len(rows)} images")
    if not kept["regions"]:
        raise InputError("No lesion was found; check the manifest, its root folder and the folds asked for.")
    told = kept.pop("descriptors")
    descriptors = {name: np.array([one[name] for one in told], np.float32) for name in told[0]}
    return ReaderLesions(**{name: np.array(value) for name, value in kept.items()}, descriptors=descriptors)


def _pictures(frame: UltrasoundFrame, mask: np.ndarray, size: int, generator: np.random.Generator) -> dict:
    region = lesion_region(mask).grown(CONTEXT)
    stored = round(size * CONTEXT)
    distance = signed_distance(region.cut_mask(mask, stored)) * _DISTANCE_SCALE
    outlines = [mask] + [disturbed(mask, generator) for _ in range(MEASURED_OUTLINES - 1)]
    return {
        "regions": region.cut(frame.grey, stored),
        "distances": np.clip(distance, -127, 127).round().astype(np.int8),
        "measures": np.stack([reader_measures(measure(outline, frame)) for outline in outlines]),
    }


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the outline of a bool mask, in pixels, above 0 inside; float32, same shape."""
    from scipy.ndimage import distance_transform_edt

    if not mask.any():
        return np.full(mask.shape, -float(max(mask.shape)), np.float32)
    inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
    return np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)


def disturbed(mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A mask as another reader or a network may draw it: grown or shrunk, wavy, shifted by a few per cent of its size.

    bool, same shape; the mask itself where nothing would be left of it.
    """
    from scipy.ndimage import shift, zoom

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    radius = float(np.sqrt(mask.sum() / np.pi))
    reach = round(0.3 * radius) + 4
    window = (
        slice(max(0, rows[0] - reach), rows[-1] + reach + 1),
        slice(max(0, columns[0] - reach), columns[-1] + reach + 1),
    )
    distance = signed_distance(mask[window])
    knots = int(generator.integers(4, 9))
    field = generator.standard_normal((knots, knots)) * generator.uniform(0, 0.06) * radius
    waves = zoom(field, np.array(distance.shape) / knots, order=3, mode="nearest", grid_mode=True)
    moved = shift(distance, generator.normal(0, 0.04 * radius, 2), order=1, mode="nearest")
    outline = moved + waves + generator.normal(0, 0.05) * radius > 0
    if outline.sum() < max(SMALLEST_LESION, 0.3 * mask.sum()):
        return mask
    whole = np.zeros_like(mask)
    whole[window] = outline
    return whole


def _truth(row: ManifestRow) -> dict:
    malignant = {"benign": 0.0, "malignant": 1.0}.get(row.pathology or "", _UNKNOWN)
    return {
        "malignant": np.float32(malignant),
        "category": ordered_category(row.birads),
        "descriptors": reader_descriptors(row),
        "ids": row.id or row.name,
        "datasets": row.dataset or "",
        "folds": row.fold or 0,
        "birads": row.birads or "",
    }


def ordered_category(birads: str | None) -> np.ndarray:
    """Whether a category lies above 2, 3, 4A, 4B, 4C: float32 (5,), 0, 1, or -1 where the label does not tell.

    A plain 4 (BUS-BRA) tells only that it lies above 3 and not above 4C.
    """
    told = (birads or "").strip().upper()
    if told == "4":
        return np.array([1, 1, _UNKNOWN, _UNKNOWN, 0], np.float32)
    if told not in CATEGORIES:
        return np.full(5, _UNKNOWN, np.float32)
    return (np.arange(5) < CATEGORIES.index(told)).astype(np.float32)


def reader_descriptors(row: ManifestRow) -> dict[str, np.ndarray]:
    """Truth of each descriptor output as in `ReaderLesions.descriptors`, from BrEaST's columns; -1 where unknown.

    Raises:
        UsageError: a term is not one of the outputs'.
    """
    cells = row.other
    shape, posterior = cells.get("shape"), cells.get("posterior_features")
    echo = cells.get("echogenicity")
    margin = cells.get("margin", "")
    named = set(margin.removeprefix("not circumscribed - ").split("&"))
    found: dict[str, np.ndarray] = {
        "shape": _index("shape", shape),
        "echo_pattern": _index("echo_pattern", _ECHO.get(echo or "", echo)),
        "posterior_features": _index("posterior_features", _POSTERIOR.get(posterior or "", posterior)),
        "margin": np.array([float(term in named) for term in ANY_OF["margin"]], np.float32),
        "halo": _yes(cells.get("halo"), "yes"),
        "calcifications": _yes(cells.get("calcifications"), "in a mass", "intraductal", "indefinable"),
    }
    if not margin or margin == "not applicable":
        found["margin"][:] = _UNKNOWN
    return found


def _index(name: str, term: str | None) -> np.ndarray:
    if term in (None, "", "not applicable", "not available"):
        return np.float32(_UNKNOWN)  # type: ignore[return-value]
    if term not in ONE_OF[name]:
        raise UsageError(
            f"The manifest has the {name.replace('_', ' ')} {term!r}; use one of {', '.join(ONE_OF[name])}."
        )
    return np.float32(ONE_OF[name].index(term))  # type: ignore[return-value]


def _yes(cell: str | None, *meaning_yes: str) -> np.ndarray:
    known = cell == "no" or cell in meaning_yes
    return np.array([float(cell in meaning_yes) if known else _UNKNOWN], np.float32)
