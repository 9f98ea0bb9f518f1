"""Judgements of the lesion reader put together: malignancy, descriptors, category, conformal sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..birads.kappa import kappa
from ..birads.risk import category_opinion
from ..model.reader_outputs import CATEGORIES
from . import metrics
from .conformal import covered
from .descriptor_agreement import COMPARED, TermPair, found_levels, mean_kappa, pairs_of, term_kappa
from .evaluation_result import (
    CategoryAgreement,
    DescriptorAgreement,
    Estimate,
    SetCoverage,
    TermAgreement,
)
from .judgement import Judgement

FOUR_LEVELS = ("2", "3", "4", "5")
EstimateBy = Callable[[Sequence[int], Callable[[np.ndarray | None], np.ndarray]], Estimate | None]
"""Takes which lesions and a statistic of the weights; value and interval, None where it is undefined."""


@dataclass(frozen=True)
class JudgedTruth:
    """One lesion: what the reader said, and what is known."""

    judgement: Judgement
    birads: str | None
    letters: bool
    """Whether its data set tells 4A, 4B and 4C apart."""
    descriptors: Mapping[str, int]
    """True levels as in descriptor_agreement."""


def descriptor_agreement(lesions: Sequence[JudgedTruth], estimate: EstimateBy) -> DescriptorAgreement | None:
    """Descriptors over the lesions whose truth is known; None where there are none."""
    pairs = [pairs_of(found_levels(lesion.judgement), lesion.descriptors) for lesion in lesions]
    known = [index for index, one in enumerate(pairs) if one]
    if not known:
        return None
    described = [pairs[index] for index in known]
    return DescriptorAgreement(
        lesions=len(known),
        mean_kappa=estimate(known, lambda weights: mean_kappa(described, weights)),
        terms=tuple(
            _term(key, told, pairs, estimate) for key in COMPARED if (told := [i for i in known if key in pairs[i]])
        ),
    )


def _term(key: str, told: Sequence[int], pairs: Sequence[dict[str, TermPair]], estimate: EstimateBy) -> TermAgreement:
    kept = [pairs[index] for index in told]
    truth = np.array([one[key].truth for one in kept])
    return TermAgreement(
        descriptor=COMPARED[key].name,
        lesions=len(kept),
        kappa=estimate(told, lambda weights: term_kappa(key, kept, weights)),
        accuracy=float(np.mean([one[key].found == one[key].truth for one in kept])),
        majority=float(np.bincount(truth).max() / len(truth)),
    )


def category_agreement(
    lesions: Sequence[JudgedTruth], levels: tuple[str, ...], estimate: EstimateBy
) -> CategoryAgreement | None:
    """Category at the levels FOUR_LEVELS or CATEGORIES over the lesions that have one; None where there are none.

    What is predicted is the middle of the reader's ordered probabilities, as it is shown; with four levels 4A, 4B and
    4C are all 4. With six, only data sets that tell them apart take part.
    """
    six = levels == CATEGORIES
    known = [
        index
        for index, lesion in enumerate(lesions)
        if lesion.judgement.category_probabilities
        and (lesion.birads in CATEGORIES or lesion.birads in FOUR_LEVELS)
        and (lesion.letters or not six)
    ]
    if not known:
        return None
    found = np.array([_level(middle_category(lesions[i].judgement), levels) for i in known])
    truth = np.array([_level(str(lesions[i].birads), levels) for i in known])
    table = np.zeros((len(levels), len(levels)), int)
    np.add.at(table, (truth, found), 1)
    return CategoryAgreement(
        levels=levels,
        lesions=len(known),
        kappa=estimate(known, lambda weights: kappa(found, truth, len(levels), weights, quadratic=True)),
        accuracy=float((found == truth).mean()),
        within_one=float((np.abs(found - truth) <= 1).mean()),
        table=tuple(tuple(int(count) for count in row) for row in table),
    )


def middle_category(judgement: Judgement) -> str:
    """The middle of the reader's ordered category probabilities."""
    return category_opinion(judgement.category_probabilities).likeliest


def set_coverage(lesions: Sequence[JudgedTruth], estimate: EstimateBy) -> SetCoverage | None:
    """Coverage of the conformal sets over the lesions that have a set and a category; None where there are none."""
    known = [
        index
        for index, lesion in enumerate(lesions)
        if lesion.judgement.category_set and (lesion.birads in CATEGORIES or lesion.birads in FOUR_LEVELS)
    ]
    if not known:
        return None
    sets = [lesions[index].judgement.category_set for index in known]
    inside = np.array([[category in one for category in CATEGORIES] for one in sets])
    hits = covered(inside, [str(lesions[index].birads) for index in known]).astype(float)
    share = estimate(known, lambda weights: metrics.weighted_mean(hits, weights))
    assert share is not None, "the mean of at least one lesion is defined"
    return SetCoverage(lesions=len(known), covered=share, mean_size=float(inside.sum(axis=1).mean()))


def _level(category: str, levels: tuple[str, ...]) -> int:
    return levels.index(category if category in levels else category[0])
