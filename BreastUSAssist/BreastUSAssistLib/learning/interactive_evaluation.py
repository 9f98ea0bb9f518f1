"""How much a reader's marks help: a simulated reader corrects every lesion of a manifest.

    python -m BreastUSAssistLib.learning.interactive_evaluation --manifest CSV --root DIR --folds 4 --out clicks.json

Protocol: `click_simulation.next_click` at the image's own resolution, at most 20 clicks a lesion; every click is given
with all clicks before it and the last answer as previous mask (Sofiiuk et al., RITM, ICIP 2022). Once from the
automatic draft's outline that overlaps the lesion most, once from nothing. NoC85 and NoC90 are the clicks until the IoU
is 0.85 and 0.90, counted as 20 where it never is; a draft that is good already needs 0.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import BreastUSAssistError, InputError
from ..model.prediction import FramePrediction
from ..model.prompt import Point, Prompt
from ..model.refiner import RefinementSession, Refiner
from . import metrics
from .click_simulation import next_click
from .interactive_result import InteractiveEvaluation, LesionScore, StartScore, evaluation_of
from .manifest import LAST_LESION_LABEL, ManifestRow, load_image, mask_of, read_manifest

MOST_CLICKS = 20
CLICKS_SHOWN = (0, 1, 3, 5)
TARGET_IOUS = (0.85, 0.90)

Predict = Callable[[np.ndarray], FramePrediction]
Progress = Callable[[int, int], None]


@dataclass
class _Clicking:
    """One lesion being corrected."""

    session: RefinementSession
    truth: np.ndarray
    ignored: np.ndarray
    current: np.ndarray
    positive: list[Point] = field(default_factory=list)
    negative: list[Point] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)
    iou: list[float] = field(default_factory=list)
    cached_ms: list[float] = field(default_factory=list)
    uncached_ms: list[float] = field(default_factory=list)

    def run(self, most_clicks: int) -> StartScore:
        """Click until the last target is reached and all shown numbers are known, or nothing is wrong any more."""
        self._score()
        while len(self.dice) <= most_clicks and not (
            max(self.iou) >= TARGET_IOUS[-1] and len(self.dice) > CLICKS_SHOWN[-1]
        ):
            # What lies on another finding counts neither for nor against.
            click = next_click(self.truth, self.current & ~self.ignored)
            if click is None:
                break
            (self.positive if click.positive else self.negative).append((click.row, click.column))
            step = self.session.step(Prompt(tuple(self.positive), tuple(self.negative), mask=self.current))
            (self.uncached_ms if step.features_ms else self.cached_ms).append(step.total_ms)
            self.current = step.lesion.pixels
            self._score()
        return StartScore(tuple(self.dice), tuple(self.iou), tuple(self.cached_ms), tuple(self.uncached_ms))

    def _score(self) -> None:
        seen = self.current & ~self.ignored
        self.dice.append(metrics.dice(self.truth, seen))
        self.iou.append(metrics.iou(self.truth, seen))


def correct_lesion(
    session: RefinementSession,
    truth: np.ndarray,
    start: np.ndarray,
    most_clicks: int = MOST_CLICKS,
    ignored: np.ndarray | None = None,
) -> StartScore:
    """Let the simulated reader correct one lesion.

    Args:
        session: of the image.
        truth: bool (rows, columns), the lesion.
        start: bool, same shape, the outline that is corrected; all False from nothing.
        most_clicks: that are made.
        ignored: bool, same shape: what lies here counts neither for nor against.
    """
    ignored = np.zeros(truth.shape, bool) if ignored is None else ignored
    return _Clicking(session, truth, ignored, start).run(most_clicks)


def evaluate_interaction(
    rows: Sequence[ManifestRow],
    predict: Predict,
    refiner: Refiner,
    *,
    progress: Progress = lambda done, total: None,
    folds: Iterable[int] | None = None,
    limit: int | None = None,
    seed: int = 0,
    most_clicks: int = MOST_CLICKS,
) -> InteractiveEvaluation:
    """Correct every lesion of the rows that have a mask; a row that cannot be read is left out with its reason.

    Args:
        rows: of a manifest.
        predict: the automatic draft of uint8 (rows, columns).
        refiner: what answers the clicks.
        progress: called with images done and images in all.
        folds: keeps the rows of these folds alone.
        limit: at most that many images, drawn at random by `seed`.
        seed: of the draw and the bootstrap.
        most_clicks: from one start.

    Raises:
        InputError: no lesion could be evaluated.
    """
    kept = None if folds is None else set(folds)
    # A row with a problem has no fold that can be trusted: it is kept, so that it is reported.
    chosen = [r for r in rows if r.problem or (r.mask is not None and (kept is None or r.fold in kept))]
    if limit is not None and limit < len(chosen):
        drawn = np.random.default_rng(seed).choice(len(chosen), size=limit, replace=False)
        chosen = [chosen[index] for index in sorted(drawn)]
    scores: list[LesionScore] = []
    left_out: list[str] = []
    for done, row in enumerate(chosen):
        progress(done, len(chosen))
        try:
            scores += _scores(row, predict, refiner, most_clicks)
        except BreastUSAssistError as error:
            left_out.append(str(error))
    progress(len(chosen), len(chosen))
    if not scores:
        raise InputError(
            left_out[0] if left_out else "No row with a mask is in the chosen folds; choose others or add masks."
        )
    return evaluation_of(
        scores, CLICKS_SHOWN, TARGET_IOUS, most_clicks=most_clicks, seed=seed, left_out=tuple(left_out)
    )


def _scores(row: ManifestRow, predict: Predict, refiner: Refiner, most_clicks: int) -> list[LesionScore]:
    grey = load_image(row)
    labels = mask_of(row, grey.shape)
    numbers = [] if labels is None else [int(n) for n in np.unique(labels) if 0 < n <= LAST_LESION_LABEL]
    if labels is None or not numbers:
        return []
    drafts = [lesion.pixels for lesion in predict(grey).lesions]
    nothing, ignored = np.zeros(grey.shape, bool), labels > LAST_LESION_LABEL
    scores = []
    for number in numbers:
        truth = labels == number

        def corrected(start: np.ndarray, truth: np.ndarray = truth) -> StartScore:
            # A session of its own for each start: features kept from the other would flatter the times.
            return correct_lesion(refiner.open(grey), truth, start, most_clicks, ignored)

        def once(prompt: Prompt, truth: np.ndarray = truth) -> float:
            return metrics.dice(truth, refiner.open(grey).refine(prompt).pixels & ~ignored)

        overlaps = [metrics.iou(truth, draft) for draft in drafts]
        best = drafts[int(np.argmax(overlaps))] if drafts else nothing
        drafted, from_nothing = bool((best & truth).any()), corrected(nothing)
        scores.append(
            LesionScore(
                row.dataset,
                row.patient,
                drafted,
                from_draft=corrected(best) if drafted else from_nothing,
                from_nothing=from_nothing,
                box_dice=once(Prompt(box=_box_of(truth))),
                scribble_dice=once(Prompt(positive_scribbles=(scribble_of(truth),))),
            )
        )
    return scores


def _box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def scribble_of(mask: np.ndarray) -> tuple[Point, ...]:
    """A stroke as a reader would draw it through a lesion: along its medial axis, left to right or top to bottom.

    Of the skeleton (Zhang and Suen, CACM 1984) the pixels that lie at least half as deep as the deepest are kept, one a
    step along the longer side of the lesion.

    Args:
        mask: bool (rows, columns), not empty.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.morphology import skeletonize

    top, left, bottom, right = _box_of(mask)
    part = np.pad(mask[top:bottom, left:right], 1)
    depth = distance_transform_edt(part)
    axis = np.argwhere(skeletonize(part) & (depth >= depth.max() / 2))
    if not len(axis):
        axis = np.argwhere(depth == depth.max())[:1]
    along = int(right - left > bottom - top)
    places: dict[int, np.ndarray] = {}
    for pixel in axis:
        kept = places.get(int(pixel[along]))
        if kept is None or depth[tuple(pixel)] > depth[tuple(kept)]:
            places[int(pixel[along])] = pixel
    return tuple((float(row + top - 1), float(column + left - 1)) for _, (row, column) in sorted(places.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: the table goes to standard output, the figures to --out; 3 on bad input."""
    parser = argparse.ArgumentParser(description="Dice and clicks of a simulated reader who corrects every lesion.")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--folds", type=lambda text: [int(part) for part in text.split(",")], help="such as 1,2,3")
    parser.add_argument("--limit", type=int, help="at most so many images, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="bundle (default: the one that is shipped)")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    try:
        _evaluate(options)
    except BreastUSAssistError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


def _evaluate(options: argparse.Namespace) -> None:
    from ..files import write_text
    from ..model.bundle import load_bundle
    from ..model.predictor import open_predictor
    from ..model.refiner import open_refiner
    from .interactive_result import interaction_table

    bundle = load_bundle(options.model)
    started = time.perf_counter()

    def show(done: int, total: int) -> None:
        if done % 50 == 0 or done == total:
            sys.stderr.write(f"{done}/{total} images, {time.perf_counter() - started:.0f} s\n")

    evaluation = evaluate_interaction(
        read_manifest(options.manifest, options.root),
        open_predictor(bundle, options.backend, options.device).predict,
        open_refiner(bundle, options.backend, options.device),
        progress=show,
        folds=options.folds,
        limit=options.limit,
        seed=options.seed,
    )
    write_text(options.out, evaluation.model_dump_json(indent=2) + "\n")
    sys.stdout.write(interaction_table(evaluation) + "\n")


if __name__ == "__main__":
    sys.exit(main())
