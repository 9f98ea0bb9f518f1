"""Conformal prediction sets for the ordered category, and how well they cover, by subgroup.

Split conformal prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005) with the entry
mass of model.calibration as score; thresholds from out-of-fold predictions pooled over the folds (cross-conformal:
Vovk, Ann Math Artif Intell 2015;74:9). Lesions exchangeable with these are covered at the level asked for; pooling over
folds guarantees less in theory (1 - 2 alpha) and keeps it in practice.

BUS-BRA gives a plain "4" without a letter: a set that holds any of 4A, 4B and 4C counts as covering it.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import UsageError
from ..model.calibration import CategorySets, contiguous_set, entry_masses
from ..model.reader_outputs import CATEGORIES

LEVEL = 0.9
SUFFICIENT = 20
"""Lesions of a category below which it gets no threshold of its own."""
_MEANT: dict[str, tuple[int, ...]] = {
    **{category: (index,) for index, category in enumerate(CATEGORIES)},
    "4": tuple(index for index, category in enumerate(CATEGORIES) if category.startswith("4")),
}


class CoverageRow(NamedTuple):
    """Coverage in one subgroup."""

    group: str
    """As in "dataset busbra"; "all" for everything."""
    lesions: int
    covered: float
    """Share whose set holds the category given."""
    low: float
    high: float
    """95 % Wilson score interval of `covered`, lesions taken as independent."""
    mean_size: float
    """Categories a set."""


@dataclass(frozen=True, eq=False)
class CategoryTruth:
    """Lesions whose category is known, with what the reader network said of them out of fold."""

    probabilities: np.ndarray
    """float (lesions, 6), of CATEGORIES."""
    given: tuple[str, ...]
    """The radiologist's: one of CATEGORIES, or "4"."""
    folds: np.ndarray
    """int (lesions,), the fold that was held out when it was predicted."""

    def __post_init__(self) -> None:
        if len({len(self.probabilities), len(self.given), len(self.folds)}) != 1:
            raise UsageError("Category probabilities, categories and folds have to be equally many.")
        if unknown := set(self.given) - set(_MEANT):
            raise UsageError(f"Categories {sorted(unknown)} are not among 2, 3, 4, 4A, 4B, 4C and 5; leave them out.")

    def __len__(self) -> int:
        return len(self.given)

    def chosen(self, which: np.ndarray) -> "CategoryTruth":
        """The lesions at `which`: bool (lesions,)."""
        kept = tuple(category for category, wanted in zip(self.given, which, strict=True) if wanted)
        return CategoryTruth(self.probabilities[which], kept, self.folds[which])


def true_scores(truth: CategoryTruth) -> np.ndarray:
    """Entry mass of the category given, float (lesions,); of a plain "4" the least of 4A, 4B and 4C."""
    return np.array(
        [entry_masses(p)[list(_MEANT[given])].min() for p, given in zip(truth.probabilities, truth.given, strict=True)]
    )


def threshold(scores: np.ndarray, level: float = LEVEL) -> float:
    """The ceil((n + 1) level)-th smallest of n scores; 1, which lets everything in, where n is too small for it."""
    rank = math.ceil((len(scores) + 1) * level)
    return 1.0 if rank > len(scores) else float(np.sort(scores)[rank - 1])


def fit_category_sets(
    truth: CategoryTruth, level: float = LEVEL, *, by_category: bool = False, provenance: str = ""
) -> CategorySets:
    """Thresholds such that sets cover at `level`: on average, or with `by_category` within each category given too.

    By category (label-conditional: Vovk, ACML 2012) sets are larger where the reader confuses a rare category. All of
    category 4 shares one threshold, since most of it has no letter; a category of fewer than SUFFICIENT lesions has
    that of all lesions or, where that is larger, its own.

    Raises:
        UsageError: there is no lesion, or the level is not between 0 and 1.
    """
    if not len(truth) or not 0 < level < 1:
        raise UsageError("Category sets need lesions of known category and a level between 0 and 1, such as 0.9.")
    scores = true_scores(truth)
    overall = threshold(scores, level)
    thresholds = dict.fromkeys(CATEGORIES, overall)
    if by_category:
        grades = np.array([given[0] for given in truth.given])
        for category in CATEGORIES:
            of_grade = scores[grades == category[0]]
            if len(of_grade):
                own = threshold(of_grade, level)
                thresholds[category] = own if len(of_grade) >= SUFFICIENT else max(own, overall)
    words = provenance or f"{len(truth)} lesions"
    kind = "within each category" if by_category else "on average"
    return CategorySets(
        level=level,
        # Rounded up: a lesion exactly at the threshold is inside.
        thresholds={category: math.ceil(value * 1e9) / 1e9 for category, value in thresholds.items()},
        provenance=f"{words}; covers {kind}; a plain 4 counts as covered by any of 4A, 4B and 4C",
    )


def category_sets(probabilities: np.ndarray, sets: CategorySets) -> np.ndarray:
    """Bool (lesions, 6): which of CATEGORIES are in each lesion's set."""
    limits = list(sets.thresholds.values())
    chosen = [contiguous_set(one, limits) for one in probabilities]
    return np.array([[category in one for category in CATEGORIES] for one in chosen]).reshape(-1, len(CATEGORIES))


def cross_conformal_sets(truth: CategoryTruth, level: float = LEVEL, *, by_category: bool = False) -> np.ndarray:
    """Sets of each fold with thresholds from the other folds: bool (lesions, 6). For honest coverage figures.

    Raises:
        UsageError: all lesions are of one fold.
    """
    if len(np.unique(truth.folds)) < 2:
        raise UsageError("Coverage needs predictions of at least two folds.")
    inside = np.zeros((len(truth), len(CATEGORIES)), bool)
    for fold in np.unique(truth.folds):
        held_out = truth.folds == fold
        fitted = fit_category_sets(truth.chosen(~held_out), level, by_category=by_category)
        inside[held_out] = category_sets(truth.probabilities[held_out], fitted)
    return inside


def covered(inside: np.ndarray, given: Sequence[str]) -> np.ndarray:
    """Whether each set, bool (lesions, 6), holds the category given; bool (lesions,)."""
    return np.array([inside[index, list(_MEANT[one])].any() for index, one in enumerate(given)], dtype=bool)


def coverage_by_subgroup(
    inside: np.ndarray, given: Sequence[str], groups: Mapping[str, Sequence[Hashable | None]]
) -> list[CoverageRow]:
    """Coverage of all lesions and of each subgroup.

    Args:
        inside: bool (lesions, 6), the sets.
        given: the radiologist's categories.
        groups: by name, each lesion's subgroup, None where it is unknown; see `age_group` and `size_group`.
    """
    hits, sizes = covered(inside, given), inside.sum(axis=1)
    rows = [_row("all", hits, sizes)] if len(hits) else []
    for name, of_lesion in groups.items():
        for value in sorted({value for value in of_lesion if value is not None}, key=str):
            which = np.array([one == value for one in of_lesion], dtype=bool)
            rows.append(_row(f"{name} {value}", hits[which], sizes[which]))
    return rows


def coverage_table(rows: Sequence[CoverageRow]) -> str:
    """The rows as a Markdown table."""
    lines = ["| subgroup | lesions | covered | 95 % interval | categories a set |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.group} | {row.lesions} | {row.covered:.1%} | {row.low:.1%} to {row.high:.1%} | {row.mean_size:.2f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def age_group(age: float | None) -> str | None:
    """Below 40, 40 to 60, above 60; None where the age is unknown."""
    if age is None or not math.isfinite(age):
        return None
    return "below 40" if age < 40 else "40 to 60" if age <= 60 else "above 60"


def size_group(longest_axis_mm: float | None) -> str | None:
    """Below 10 mm, 10 to 20 mm, above 20 mm; None where the size in mm is unknown."""
    if longest_axis_mm is None or not math.isfinite(longest_axis_mm):
        return None
    return "below 10 mm" if longest_axis_mm < 10 else "10 to 20 mm" if longest_axis_mm <= 20 else "above 20 mm"


def _row(group: str, hits: np.ndarray, sizes: np.ndarray) -> CoverageRow:
    count, share = len(hits), float(hits.mean())
    low, high = wilson_interval(int(hits.sum()), count)
    return CoverageRow(group, count, share, low, high, float(sizes.mean()))


def wilson_interval(hits: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % score interval of a share (Wilson, JASA 1927;22:209); (0, 1) for nothing."""
    if not count:
        return 0.0, 1.0
    share = hits / count
    middle = share + z**2 / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, (middle - half) / (1 + z**2 / count)), min(1.0, (middle + half) / (1 + z**2 / count))
