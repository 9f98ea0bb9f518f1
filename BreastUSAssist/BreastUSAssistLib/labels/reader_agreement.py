"""Agreement of readers over the cases that they read blind: overlap, distance, and kappa by what they said."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ..birads.kappa import fleiss_kappa, kappa
from ..birads.lesion import Record
from ..errors import InputError
from .case_states import opinions
from .case_table import Progress, case_steps
from .disagreement import STANDARD, Thresholds, difference
from .double_reading import double_reading_of, reader_key
from .reader_results import CATEGORY_ORDER, ReaderResult, matched_lesions, reader_result

if TYPE_CHECKING:
    from .store import LabelStore

DECISION, CATEGORY = "decision", "category"


class KappaValue(Record):
    """Agreement beyond chance about one thing."""

    about: str
    """decision, category, or an attribute of the lexicon."""
    units: int
    """Cases for the decision, lesions for the others, that all these readers gave a value."""
    agreed: int
    """Of those, with the same value."""
    kappa: float | None
    """Cohen's for two readers, Fleiss' for more; None where only one value was ever used."""
    weighted: float | None = None
    """Cohen's with quadratic weights, of the category alone, over lesions whose categories are all in its order."""


class PairAgreement(Record):
    """Two readers."""

    readers: tuple[str, str]
    cases: int
    disputed: int
    """Cases in dispute by these two first decisions."""
    lesions: int
    """That both saw."""
    alone: tuple[int, int]
    """Lesions that one alone saw, in cases that both accepted."""
    dice_mean: float | None
    dice_median: float | None
    hd95_mm_median: float | None
    """Over lesions of cases with a known spacing."""
    hd95_px_median: float | None
    """Over the others."""
    kappas: tuple[KappaValue, ...]


class Agreement(Record):
    """All readers of the share that is read blind, by the first decision of each: made before he saw the others'."""

    share: float
    seed: int
    head: str
    """Of the audit trail when it was computed: the same store up to there gives the same figures."""
    cases: int = Field(ge=0)
    """With at least two decisions."""
    pairs: tuple[PairAgreement, ...]
    raters: int
    """Number of decisions of each unit in `fleiss`; units with fewer or more are left out. 0 where none has three."""
    fleiss: tuple[KappaValue, ...]
    damaged: tuple[str, ...]
    """A sentence for every case that could not be read."""


@dataclass(frozen=True, eq=False)
class _Read:
    """One case with its first decisions, by reader."""

    results: Mapping[str, ReaderResult]


def agreement(
    store: "LabelStore", thresholds: Thresholds = STANDARD, progress: Progress = lambda done, total: None
) -> Agreement:
    """Compute the agreement of all readers of a store.

    Raises:
        InputError: no share of the cases is read blind.
    """
    double = double_reading_of(store)
    if double is None:
        raise InputError("No share of the cases is read by several readers; choose one with --share.")
    head, damaged = store.head(), []
    cases: list[_Read] = []
    names: dict[str, str] = {}
    chosen = [one.case for one in store.list() if double.holds(one.case)]
    for done, case in enumerate(chosen, 1):
        held = opinions(case_steps(store, case), double.of_case(case) or double, first=True)
        if len(held) > 1:
            try:
                results = {reader_key(one.reader): reader_result(store, store.get(case, one.version)) for one in held}
            except InputError as error:
                damaged.append(str(error))
                continue
            names |= {key: one.record.reader for key, one in results.items() if key not in names}
            cases.append(_Read(results))
        progress(done, len(chosen))
    raters, fleiss = _fleiss(cases)
    return Agreement(
        share=double.share,
        seed=double.seed,
        head=head,
        cases=len(cases),
        pairs=tuple(
            _pair(cases, (one, other), (names[one], names[other]), thresholds)
            for one, other in combinations(sorted(names), 2)
            if any({one, other} <= set(case.results) for case in cases)
        ),
        raters=raters,
        fleiss=fleiss,
        damaged=tuple(damaged),
    )


def _pair(
    cases: Sequence[_Read], keys: tuple[str, str], names: tuple[str, str], thresholds: Thresholds
) -> PairAgreement:
    both = [tuple(case.results[key] for key in keys) for case in cases if set(keys) <= set(case.results)]
    found = [difference(one, other, thresholds) for one, other in both]
    lesions = [lesion for one in found for lesion in one.lesions]
    dices = [one.dice for one in lesions]
    measured = [(one.unit, one.hd95) for one in lesions if one.hd95 is not None]
    distances = {unit: [value for own, value in measured if own == unit] for unit in ("mm", "px")}
    return PairAgreement(
        readers=names,
        cases=len(both),
        disputed=sum(bool(one.disputes) for one in found),
        lesions=len(lesions),
        alone=(sum(one.alone[0] for one in found), sum(one.alone[1] for one in found)),
        dice_mean=float(np.mean(dices)) if dices else None,
        dice_median=_median(dices),
        hd95_mm_median=_median(distances["mm"]),
        hd95_px_median=_median(distances["px"]),
        kappas=tuple(_cohen(about, values) for about, values in _by_thing(both)),
    )


def _fleiss(cases: Sequence[_Read]) -> tuple[int, tuple[KappaValue, ...]]:
    raters = max((len(case.results) for case in cases), default=0)
    if raters < 3:
        return 0, ()
    every = [tuple(case.results.values()) for case in cases if len(case.results) == raters]
    return raters, tuple(_fleiss_of(about, values) for about, values in _by_thing(every))


def _by_thing(cases: Sequence[tuple[ReaderResult, ...]]) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Decision, category and each descriptor, with the values of all readers of a unit."""
    yield DECISION, [tuple(one.record.kind for one in results) for results in cases]
    found: dict[str, list[tuple[str, ...]]] = {CATEGORY: []}
    for results in cases:
        for group in matched_lesions(results):
            if len(group) < len(results):
                continue
            lesions = [group[index] for index in range(len(results))]
            categories = [one.category for one in lesions if one.category is not None]
            if len(categories) == len(lesions):
                found[CATEGORY].append(tuple(categories))
            for attribute in sorted(set.intersection(*(set(one.descriptors) for one in lesions))):
                found.setdefault(attribute, []).append(tuple(one.descriptors[attribute] for one in lesions))
    yield from sorted(found.items(), key=lambda item: (item[0] != CATEGORY, item[0]))


def _cohen(about: str, values: Sequence[tuple[str, ...]]) -> KappaValue:
    terms = sorted({term for unit in values for term in unit})
    first, second = (np.array([terms.index(unit[side]) for unit in values], int) for side in (0, 1))
    weighted = None
    if about == CATEGORY:
        placed = [unit for unit in values if set(unit) <= set(CATEGORY_ORDER)]
        one, other = (np.array([CATEGORY_ORDER.index(unit[side]) for unit in placed], int) for side in (0, 1))
        weighted = _known(float(kappa(one, other, len(CATEGORY_ORDER), quadratic=True)[0])) if placed else None
    value = _known(float(kappa(first, second, len(terms))[0])) if values else None
    return KappaValue(about=about, units=len(values), agreed=_agreed(values), kappa=value, weighted=weighted)


def _fleiss_of(about: str, values: Sequence[tuple[str, ...]]) -> KappaValue:
    terms = sorted({term for unit in values for term in unit})
    counts = np.array([[unit.count(term) for term in terms] for unit in values], int)
    value = _known(fleiss_kappa(counts)) if values else None
    return KappaValue(about=about, units=len(values), agreed=_agreed(values), kappa=value)


def _agreed(values: Sequence[tuple[str, ...]]) -> int:
    return sum(len(set(unit)) == 1 for unit in values)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None
