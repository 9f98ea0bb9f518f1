"""Corrections: from a reader's prompt to a new outline of one lesion, at once.

The encoder, which costs most, runs once a view; a click in the same view costs the decoder alone.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..ultrasound.frame import Box
from .bundle import Bundle
from .click_repair import chosen_parts, nudged, obeying, pointed
from .prediction import LesionMask
from .preprocessing import Letterbox, network_input
from .prompt import DISK_RADIUS, PREVIOUS, Point, Prompt, in_square, pixel_of, rasterise

if TYPE_CHECKING:
    from .backends import BackendName, DeviceName, OutlineBackend

MOST_VIEWS = 8
"""Views of one frame whose features are kept: about 2 MB each."""
LEAST_VIEW = 0.15
"""Shortest side of a close-up, as a share of the tissue's longer side: nearer there is only speckle to see."""
LOOSEST_VIEW = 0.5
"""A kept view serves on while the close-up that would be chosen now is at least this share of its side."""


@dataclass(frozen=True, eq=False)
class Refinement:
    """One corrected outline and how it came about."""

    lesion: LesionMask
    view: Box | None
    """Part of the frame that the network looked at last; None where there was nothing to look at."""
    features_ms: float
    """Time for features that were not there yet; 0 where all were."""
    decode_ms: float
    total_ms: float


@dataclass(frozen=True, eq=False)
class Refiner:
    """A loaded outline model that answers prompts."""

    bundle: Bundle
    backend: "OutlineBackend"
    clock: Callable[[], float] = time.perf_counter
    """Seconds."""

    def open(self, grey: np.ndarray, tissue: Box | None = None) -> "RefinementSession":
        """Begin to correct one frame: uint8 (rows, columns), not to be changed while the session is in use.

        `tissue` is the part where lesions are looked for; the whole frame where it is not given.
        """
        if grey.ndim != 2 or grey.dtype != np.uint8 or not grey.size:
            raise InputError("A frame to correct must be grey, 8 bits deep and not empty; convert it first.")
        return RefinementSession(self, grey, tissue or (0, 0, *grey.shape))


def open_refiner(
    bundle: Bundle | None = None, backend: "BackendName" = "auto", device: "DeviceName" = "auto"
) -> Refiner:
    """Load the outline bundle (the shipped one by default) on the best back end that is there."""
    from .backends import open_outline_backend
    from .bundle import load_bundle

    bundle = bundle or load_bundle()
    return Refiner(bundle, open_outline_backend(bundle, backend, device))


@dataclass(frozen=True, eq=False)
class RefinementSession:
    """One frame under correction.

    An answer depends on the prompt and on the views that are kept, nothing else: to undo a click, ask again without it.
    """

    refiner: Refiner
    grey: np.ndarray
    tissue: Box
    _features: "OrderedDict[Box, Any]" = field(default_factory=OrderedDict, repr=False)
    """By view, the one used last at the end."""

    def refine(self, prompt: Prompt) -> LesionMask:
        """The corrected outline, see `step`."""
        return self.step(prompt).lesion

    def prepare(self, prompt: Prompt) -> None:
        """Compute the features that `prompt` would need, so that the first click on that outline is as quick as any."""
        prompt.check(self._shape)
        view = self._view(prompt)
        if not _is_flat(self.grey, view):
            self._encoded(view)

    def step(self, prompt: Prompt) -> Refinement:
        """Outline what the prompt means: one lesion, bool (rows, columns) of the frame, origin "semiautomatic".

        The answer obeys the reader. Parts without a positive mark are dropped unless the previous mask was there; where
        the network goes against a mark, the outline is changed around that mark alone, see `click_repair.obeying`. A
        frame or view without any contrast gives the previous mask back as it was, or an empty one.

        Raises:
            InputError: the prompt cannot be meant, see `Prompt.check`.
        """
        started = self.refiner.clock()
        prompt.check(self._shape)
        spent = _Spent(self.refiner.clock)
        view = self._view(prompt)
        if _is_flat(self.grey, view):
            return Refinement(_unchanged(prompt, self._shape), None, 0.0, 0.0, (self.refiner.clock() - started) * 1000)
        probability = self._decoded(view, prompt, spent)
        if _is_point_only(prompt) and view == self._bounds(prompt):
            # The whole frame shows where the lesion is; its outline is drawn close up, as in the automatic draft.
            found = self._answer(view, probability, prompt)
            near = self._close_up(_extent(prompt, found.pixels), view) if found.pixels.any() else view
            if near != view and not _is_flat(self.grey, near):
                view, probability = near, self._decoded(near, prompt, spent)
        lesion = self._answer(view, probability, prompt)
        return Refinement(lesion, view, spent.features_ms, spent.decode_ms, (self.refiner.clock() - started) * 1000)

    @property
    def _shape(self) -> tuple[int, int]:
        return int(self.grey.shape[0]), int(self.grey.shape[1])

    def _bounds(self, prompt: Prompt) -> Box:
        """The tissue, or the whole frame where the reader marked something outside it."""
        extent = _extent(prompt, prompt.mask)
        inside = extent is None or _holds(self.tissue, extent)
        return self.tissue if inside else (0, 0, *self._shape)

    def _view(self, prompt: Prompt) -> Box:
        bounds = self._bounds(prompt)
        if _is_point_only(prompt):
            return bounds
        extent = _extent(prompt, prompt.mask)
        wanted = self._close_up(extent, bounds)
        for view in reversed(self._features):
            if _still_serves(view, wanted, extent, bounds):
                return view
        return wanted

    def _close_up(self, extent: Box | None, bounds: Box) -> Box:
        """A square around `extent` with the bundle's margin, moved to lie within `bounds` and cut where it cannot."""
        if extent is None:
            return bounds
        margin = self.refiner.bundle.outline_settings.close_up_margin
        longest = max(extent[2] - extent[0], extent[3] - extent[1])
        least = LEAST_VIEW * max(bounds[2] - bounds[0], bounds[3] - bounds[1])
        side = max(round(longest * (1 + 2 * margin)) + 16, round(least))
        top, bottom = _span(extent[0], extent[2], side, bounds[0], bounds[2])
        left, right = _span(extent[1], extent[3], side, bounds[1], bounds[3])
        return top, left, bottom, right

    def _decoded(self, view: Box, prompt: Prompt, spent: "_Spent") -> np.ndarray:
        """Foreground probability of the view: float32, (rows, columns) of the view."""
        features = self._encoded(view, spent)
        letterbox = Letterbox(view, self.refiner.bundle.outline_settings.input_size)
        with spent.on("decode_ms"):
            channels = rasterise(prompt, letterbox)
            outline, _ = self.refiner.backend.decode(features, channels[None])
            positive, negative = (
                [(int(row), int(column)) for row, column in np.floor(in_square(points, letterbox) + 0.5)]
                for points in (prompt.positive_points, prompt.negative_points)
            )
            threshold = self.refiner.bundle.outline_settings.outline_threshold
            logits = pointed(outline[0, 0], channels[PREVIOUS] > 0.5, positive, negative)
            logits = nudged(logits, positive, negative, float(np.log(threshold / (1 - threshold))))
            square = 1 / (1 + np.exp(-np.clip(logits, -30, 30, dtype=np.float32)))
            rows, columns = view[2] - view[0], view[3] - view[1]
            return Letterbox((0, 0, rows, columns), letterbox.size).invert(square, (rows, columns))

    def _encoded(self, view: Box, spent: "_Spent | None" = None) -> Any:
        if view in self._features:
            self._features.move_to_end(view)
            return self._features[view]
        with (spent or _Spent(self.refiner.clock)).on("features_ms"):
            square = network_input(Letterbox(view, self.refiner.bundle.outline_settings.input_size).apply(self.grey))
            self._features[view] = self.refiner.backend.encode(square[None, None])
        while len(self._features) > MOST_VIEWS:
            self._features.popitem(last=False)
        return self._features[view]

    def _answer(self, view: Box, probability: np.ndarray, prompt: Prompt) -> LesionMask:
        top, left, bottom, right = view
        local = _moved(prompt, view)
        inside = probability >= self.refiner.bundle.outline_settings.outline_threshold
        radius = DISK_RADIUS * _longest(view) / self.refiner.bundle.outline_settings.input_size
        inside = obeying(chosen_parts(inside, local), local, radius)
        pixels = np.zeros(self._shape, bool)
        pixels[top:bottom, left:right] = inside
        confidence = float(probability[inside].mean()) if inside.any() else None
        return LesionMask(pixels, "semiautomatic", confidence)


@dataclass
class _Spent:
    """Adds up milliseconds by step."""

    clock: Callable[[], float]
    features_ms: float = 0.0
    decode_ms: float = 0.0

    @contextmanager
    def on(self, step: str) -> Iterator[None]:
        """Add the time inside the block to `step`."""
        started = self.clock()
        yield
        setattr(self, step, getattr(self, step) + (self.clock() - started) * 1000)


def _is_point_only(prompt: Prompt) -> bool:
    """Whether nothing in it says how large the lesion is."""
    return not (prompt.has_mask or prompt.box is not None or prompt.positive_scribbles)


def _extent(prompt: Prompt, mask: np.ndarray | None) -> Box | None:
    """Box around the mask, the box and the positive marks; None without any.

    Negative marks do not count: one in the mask lies in its box, and one far away is obeyed by not looking there.
    """
    boxes = [] if prompt.box is None else [prompt.box]
    if mask is not None and mask.any():
        boxes.append(LesionMask(mask, "semiautomatic").box)
    marked = [*prompt.positive_points, *(point for line in prompt.positive_scribbles for point in line)]
    boxes += [(row, column, row + 1, column + 1) for row, column in map(pixel_of, marked)]
    if not boxes:
        return None
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return min(tops), min(lefts), max(bottoms), max(rights)


def _span(low: int, high: int, side: int, least: int, most: int) -> tuple[int, int]:
    """Start and end of a stretch of `side` about `low`..`high`, within `least`..`most`."""
    side = min(side, most - least)
    start = min(max(round((low + high - side) / 2), least), most - side)
    return start, start + side


def _holds(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def _still_serves(view: Box, wanted: Box, extent: Box | None, bounds: Box) -> bool:
    """Whether a kept view shows all that is marked, not cut off by its border, and not much too small."""
    if extent is None or not _holds(view, extent):
        return False
    cut = (
        (extent[0] == view[0] > bounds[0])
        or (extent[1] == view[1] > bounds[1])
        or (extent[2] == view[2] < bounds[2])
        or (extent[3] == view[3] < bounds[3])
    )
    return not cut and _longest(wanted) >= LOOSEST_VIEW * _longest(view)


def _longest(box: Box) -> int:
    return max(box[2] - box[0], box[3] - box[1])


def _is_flat(grey: np.ndarray, view: Box) -> bool:
    part = grey[view[0] : view[2], view[1] : view[3]]
    return bool(part.min() == part.max())


def _unchanged(prompt: Prompt, shape: tuple[int, int]) -> LesionMask:
    pixels = np.zeros(shape, bool) if prompt.mask is None else prompt.mask.astype(bool, copy=True)
    return LesionMask(pixels, "semiautomatic")


def _moved(prompt: Prompt, view: Box) -> Prompt:
    """The prompt in pixels of the view; clicks and lines outside it stay outside."""
    top, left, bottom, right = view

    def moved(points: Iterable[Point]) -> tuple[Point, ...]:
        return tuple((row - top, column - left) for row, column in points)

    box = prompt.box
    return Prompt(
        moved(prompt.positive_points),
        moved(prompt.negative_points),
        tuple(moved(line) for line in prompt.positive_scribbles),
        tuple(moved(line) for line in prompt.negative_scribbles),
        None if box is None else (box[0] - top, box[1] - left, box[2] - top, box[3] - left),
        None if prompt.mask is None else prompt.mask[top:bottom, left:right],
    )
