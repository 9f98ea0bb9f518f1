"""What a simulated reader's corrections came to, put together with intervals by patient, as JSON and as a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from ..birads.lesion import Record
from . import metrics
from .bootstrap import REPLICATES, bootstrap_interval, patient_keys
from .evaluation_result import Estimate

INTERACTION_VERSION: Final = "1.0"
NO_NAME = "unnamed"


@dataclass(frozen=True)
class StartScore:
    """One lesion corrected from one start; index n is after n clicks, fewer than the most where it ended before."""

    dice: tuple[float, ...]
    iou: tuple[float, ...]
    cached_ms: tuple[float, ...]
    """Of clicks whose view's features were there."""
    uncached_ms: tuple[float, ...]

    def dice_after(self, clicks: int) -> float:
        """Dice after so many clicks, or at the end where it came before."""
        return self.dice[min(clicks, len(self.dice) - 1)]

    def clicks_to(self, target: float, most: int) -> int:
        """Fewest clicks after which the IoU is at least `target`; `most` where it never is."""
        return next((clicks for clicks, value in enumerate(self.iou) if value >= target), most)


@dataclass(frozen=True)
class LesionScore:
    """One lesion, all ways of correcting it."""

    dataset: str | None
    patient: str | None
    drafted: bool
    """Whether the automatic draft had an outline that overlaps it."""
    from_draft: StartScore
    """From nothing where there was no such outline."""
    from_nothing: StartScore
    box_dice: float
    scribble_dice: float


class ClickTime(Record):
    """Time of one click, all of it, in ms."""

    clicks: int
    median_ms: float
    p95_ms: float


class ClickResult(Record):
    """Corrections from one start."""

    dice: dict[int, Estimate]
    """Mean by number of clicks."""
    clicks_to_iou: dict[str, Estimate]
    """Mean number of clicks to reach an IoU, by that IoU; counted as the most where it was never reached."""
    failures: dict[str, int]
    """Lesions that did not reach it with the most clicks."""
    cached: ClickTime | None
    """Clicks in a view whose features were there."""
    uncached: ClickTime | None


class InteractiveGroup(Record):
    """Of one data set, or of all."""

    name: str
    lesions: int
    patients: int | None
    drafted: int
    """Lesions that an outline of the draft overlaps."""
    from_draft: ClickResult
    from_nothing: ClickResult
    box_dice: Estimate
    """Mean, one step from the lesion's own box."""
    scribble_dice: Estimate
    """Mean, one step from one stroke along the medial axis."""


class InteractiveEvaluation(Record):
    """A model's answers to a simulated reader."""

    schema_version: Literal["1.0"] = INTERACTION_VERSION
    most_clicks: int
    seed: int
    replicates: int
    left_out: tuple[str, ...]
    """Reasons for images that could not be evaluated."""
    overall: InteractiveGroup
    datasets: tuple[InteractiveGroup, ...]


@dataclass(frozen=True)
class _Group:
    scores: Sequence[LesionScore]
    clicks_shown: tuple[int, ...]
    targets: tuple[float, ...]
    most_clicks: int
    seed: int
    replicates: int

    def mean(self, values: Sequence[float]) -> Estimate:
        array = np.asarray(values, float)
        # A patient number is unique within its data set only.
        keys = patient_keys([None if s.patient is None else (s.dataset, s.patient) for s in self.scores])
        interval = bootstrap_interval(
            lambda weights: metrics.weighted_mean(array, weights), keys, seed=self.seed, replicates=self.replicates
        )
        return Estimate(value=float(array.mean()), interval=interval)

    def clicks(self, start: Callable[[LesionScore], StartScore]) -> ClickResult:
        starts = [start(score) for score in self.scores]
        return ClickResult(
            dice={n: self.mean([one.dice_after(n) for one in starts]) for n in self.clicks_shown},
            clicks_to_iou={
                f"{t:.2f}": self.mean([one.clicks_to(t, self.most_clicks) for one in starts]) for t in self.targets
            },
            failures={f"{t:.2f}": sum(max(one.iou) < t for one in starts) for t in self.targets},
            cached=_time([ms for one in starts for ms in one.cached_ms]),
            uncached=_time([ms for one in starts for ms in one.uncached_ms]),
        )

    def result(self, name: str) -> InteractiveGroup:
        patients = {(score.dataset, score.patient) for score in self.scores if score.patient is not None}
        return InteractiveGroup(
            name=name,
            lesions=len(self.scores),
            patients=len(patients) or None,
            drafted=sum(score.drafted for score in self.scores),
            from_draft=self.clicks(lambda score: score.from_draft),
            from_nothing=self.clicks(lambda score: score.from_nothing),
            box_dice=self.mean([score.box_dice for score in self.scores]),
            scribble_dice=self.mean([score.scribble_dice for score in self.scores]),
        )


def evaluation_of(
    scores: Sequence[LesionScore],
    clicks_shown: tuple[int, ...],
    targets: tuple[float, ...],
    *,
    most_clicks: int,
    seed: int = 0,
    replicates: int = REPLICATES,
    left_out: tuple[str, ...] = (),
) -> InteractiveEvaluation:
    """Put the scores of at least one lesion together, by data set and over all; the same seed, the same intervals."""

    def result(name: str, part: Sequence[LesionScore]) -> InteractiveGroup:
        return _Group(part, clicks_shown, targets, most_clicks, seed, replicates).result(name)

    names = sorted({score.dataset or NO_NAME for score in scores})
    return InteractiveEvaluation(
        most_clicks=most_clicks,
        seed=seed,
        replicates=replicates,
        left_out=left_out,
        overall=result("all", scores),
        datasets=tuple(result(name, [s for s in scores if (s.dataset or NO_NAME) == name]) for name in names),
    )


def interaction_table(evaluation: InteractiveEvaluation) -> str:
    """Results a data set and over all, one column each, for a terminal of fixed-width letters."""
    several = len(evaluation.datasets) > 1
    columns = [_column(group) for group in ([*evaluation.datasets] if several else []) + [evaluation.overall]]
    lines = [[label, *(column[row][1] for column in columns)] for row, (label, _) in enumerate(columns[0])]
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.append(
        f"\nBrackets: 95 % bootstrap intervals, patients resampled. At most {evaluation.most_clicks} clicks a lesion; "
        "a lesion that never reaches an IoU counts with the most."
    )
    if evaluation.left_out:
        text.append(f"{len(evaluation.left_out)} images left out; the reasons are in the JSON file.")
    return "\n".join(text)


def _column(group: InteractiveGroup) -> list[tuple[str, str]]:
    cells = [("", group.name), ("lesions (drafted)", f"{group.lesions} ({group.drafted})")]
    for words, result in (("from the draft", group.from_draft), ("from nothing", group.from_nothing)):
        cells += [(f"{words}: Dice, {n} clicks", _estimate(one)) for n, one in result.dice.items()]
        cells += [(f"  clicks to IoU {target}", _estimate(one, 2)) for target, one in result.clicks_to_iou.items()]
        cells += [(f"  never IoU {target}", str(count)) for target, count in result.failures.items()]
        cells += [
            ("  ms a click, features there", _ms(result.cached)),
            ("  ms a click, new view", _ms(result.uncached)),
        ]
    return [*cells, ("box: Dice", _estimate(group.box_dice)), ("scribble: Dice", _estimate(group.scribble_dice))]


def _time(values: Sequence[float]) -> ClickTime | None:
    if not values:
        return None
    return ClickTime(clicks=len(values), median_ms=float(np.median(values)), p95_ms=float(np.percentile(values, 95)))


def _ms(time: ClickTime | None) -> str:
    return "–" if time is None else f"{time.median_ms:.0f} (95th {time.p95_ms:.0f})"


def _estimate(estimate: Estimate, digits: int = 3) -> str:
    value = f"{estimate.value:.{digits}f}"
    if estimate.interval is None:
        return value
    low, high = estimate.interval
    return f"{value} [{low:.{digits}f}, {high:.{digits}f}]"
