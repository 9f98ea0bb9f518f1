"""How far two readers' results of one case lie apart, and from where on they are in dispute."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from pydantic import Field

from ..birads.lesion import Record
from .reader_results import (
    CATEGORY_ORDER,
    LesionResult,
    ReaderResult,
    largest_hd95,
    matched_lesions,
    pooled_dice,
)


class Thresholds(Record):
    """From where on two readers are in dispute. A differing decision, or a lesion that one alone sees, always is."""

    least_dice: float = Field(default=0.7, ge=0, le=1)
    """Dice of a lesion below which its outlines are."""
    largest_hd95_mm: float | None = Field(default=5.0, ge=0)
    """HD95 above which they are, where the spacing is known; None: never."""
    category_steps: int = Field(default=1, ge=0)
    """Steps in 2, 3, 4A, 4B, 4C, 5 above which categories are; and always where only one calls for tissue."""
    descriptors: tuple[str, ...] = ()
    """Attributes of which any difference is one."""


STANDARD = Thresholds()


@dataclass(frozen=True)
class LesionDifference:
    """One lesion that both saw."""

    numbers: tuple[int, int]
    dice: float
    hd95: float | None
    """Of the worst frame; None where no frame has both outlines."""
    unit: str
    """Of `hd95`: mm, or px where the spacing is not known."""
    categories: tuple[str | None, str | None]
    descriptors: dict[str, tuple[str, str]]
    """Terms by attribute, those that both gave, alike or not."""


@dataclass(frozen=True)
class Difference:
    """Two results of one case."""

    readers: tuple[str, str]
    versions: tuple[int, int]
    decisions: tuple[str, str]
    lesions: tuple[LesionDifference, ...]
    alone: tuple[int, int]
    """Lesions that only the first, and only the second saw; none where either rejected."""
    disputes: tuple[str, ...]
    """What is in dispute, in words; empty where nothing is."""
    score: float
    """0 alike; how far apart for ordering: decision 1, each lesion seen by one alone 1, for those of both 1 - mean Dice
    and the largest step between categories over 5."""


def difference(first: ReaderResult, second: ReaderResult, thresholds: Thresholds = STANDARD) -> Difference:
    """Compare two results of one case."""
    decisions = (first.record.kind, second.record.kind)
    groups = matched_lesions((first, second)) if decisions == ("accepted", "accepted") else []
    pairs = [(group[0], group[1]) for group in groups if len(group) == 2]
    lesions = tuple(_lesion_difference(first, one, second, other) for one, other in pairs)
    alone = (sum(set(group) == {0} for group in groups), sum(set(group) == {1} for group in groups))
    words = [] if decisions[0] == decisions[1] else [f"one {decisions[0]}, the other {decisions[1]} the case"]
    words += [f"{sum(alone)} lesions seen by one reader alone"] if sum(alone) else []
    for lesion in lesions:
        words += _disputes(lesion, thresholds)
    score = float(decisions[0] != decisions[1]) + sum(alone)
    if lesions:
        score += 1 - sum(one.dice for one in lesions) / len(lesions)
        score += max(_steps(one.categories) or 0 for one in lesions) / (len(CATEGORY_ORDER) - 1)
    return Difference(
        (first.record.reader, second.record.reader),
        (first.record.version, second.record.version),
        decisions,
        lesions,
        alone,
        tuple(words),
        score,
    )


def differences(results: Sequence[ReaderResult], thresholds: Thresholds = STANDARD) -> tuple[Difference, ...]:
    """Every two of several readers' results of one case."""
    return tuple(difference(one, other, thresholds) for one, other in combinations(results, 2))


def _lesion_difference(
    first: ReaderResult, one: LesionResult, second: ReaderResult, other: LesionResult
) -> LesionDifference:
    distance, unit = largest_hd95(first, one, second, other)
    shared = sorted(set(one.descriptors) & set(other.descriptors))
    return LesionDifference(
        (one.number, other.number),
        pooled_dice(first, one, second, other),
        distance,
        unit,
        (one.category, other.category),
        {name: (one.descriptors[name], other.descriptors[name]) for name in shared},
    )


def _disputes(lesion: LesionDifference, thresholds: Thresholds) -> list[str]:
    name = f"lesion {lesion.numbers[0]}"
    words = []
    if lesion.dice < thresholds.least_dice:
        words.append(f"{name}: Dice {lesion.dice:.2f}")
    limit = thresholds.largest_hd95_mm
    if lesion.hd95 is not None and lesion.unit == "mm" and limit is not None and lesion.hd95 > limit:
        words.append(f"{name}: HD95 {lesion.hd95:.1f} mm")
    one, other = lesion.categories
    if one is not None and other is not None and one != other:
        steps = _steps(lesion.categories)
        far = steps is not None and steps > thresholds.category_steps
        if far or _calls_for_tissue(one) != _calls_for_tissue(other):
            words.append(f"{name}: category {one} and {other}")
    for attribute in thresholds.descriptors:
        terms = lesion.descriptors.get(attribute)
        if terms is not None and terms[0] != terms[1]:
            words.append(f"{name}: {attribute} {terms[0]} and {terms[1]}")
    return words


def _steps(categories: tuple[str | None, str | None]) -> int | None:
    places = [CATEGORY_ORDER.index(one) for one in categories if one in CATEGORY_ORDER]
    return abs(places[0] - places[1]) if len(places) == 2 else None


def _calls_for_tissue(category: str) -> bool:
    """Categories 4 and 5 do (ACR BI-RADS management); of 6 it is there already."""
    return category.startswith(("4", "5"))
