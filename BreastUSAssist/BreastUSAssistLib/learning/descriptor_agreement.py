"""How well descriptors of a lesion agree with a reader's, beyond chance, on any manifest with descriptor columns.

Shape, echo pattern and posterior features are compared term by term. A margin that is not circumscribed may be several
things at once, so each of its terms is compared as present or absent, as are a halo and calcifications. The mean kappa
is that of the attributes; the margin's is the mean of its terms. A kappa that is undefined, because neither side ever
names more than one term, takes no part in the mean.

The rules that work without a network are compared in birads.agreement, with the same kappa.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..birads.kappa import kappa
from ..model.reader_outputs import ANY_OF, ONE_OF
from .judgement import Judgement
from .manifest import ManifestRow
from .reader_data import reader_descriptors


@dataclass(frozen=True)
class ComparedTerm:
    """One line of the comparison."""

    attribute: str
    name: str
    """The attribute in words, with the term where each is compared by itself."""
    levels: int
    term: str | None = None
    """The term that is present or absent; None where one of several holds."""


@dataclass(frozen=True)
class TermPair:
    """Level of a descriptor by the draft and by the truth, for one lesion."""

    found: int
    truth: int


def _lines() -> dict[str, ComparedTerm]:
    lines = {name: ComparedTerm(name, name.replace("_", " "), len(terms)) for name, terms in ONE_OF.items()}
    for name, terms in ANY_OF.items():
        for term in terms:
            words = name if len(terms) == 1 else f"{name} {term}"
            lines[words] = ComparedTerm(name, words, 2, term)
    return lines


COMPARED = _lines()
"""By key: the attribute for those of which one term holds, else attribute and term."""


def true_levels(row: ManifestRow) -> dict[str, int]:
    """Level of each line of COMPARED that the manifest row tells.

    Raises:
        UsageError: the row has a term that is not known.
    """
    levels: dict[str, int] = {}
    for attribute, told in reader_descriptors(row).items():
        if attribute in ONE_OF:
            levels[attribute] = int(told)
        else:
            levels.update(zip(_keys(attribute), (int(value) for value in np.ravel(told)), strict=True))
    return {key: level for key, level in levels.items() if level >= 0}


def found_levels(judgement: Judgement) -> dict[str, int]:
    """Level of each line of COMPARED that the judgement tells."""
    levels: dict[str, int] = {}
    for attribute, chosen in judgement.terms.items():
        if attribute in ONE_OF and len(chosen) == 1 and chosen[0] in ONE_OF[attribute]:
            levels[attribute] = ONE_OF[attribute].index(chosen[0])
        elif attribute in ANY_OF:
            # The only term of an attribute goes by its own name or by "present".
            named = {attribute if term == "present" else term for term in chosen}
            levels.update((key, int(COMPARED[key].term in named)) for key in _keys(attribute))
    return levels


def pairs_of(found: Mapping[str, int], truth: Mapping[str, int]) -> dict[str, TermPair]:
    """The lines that both tell."""
    return {key: TermPair(found[key], truth[key]) for key in COMPARED if key in found and key in truth}


def mean_kappa(lesions: list[dict[str, TermPair]], weights: np.ndarray | None = None) -> np.ndarray:
    """Mean kappa over the attributes, see above: float (replicates,), or (1,) without weights."""
    weights = np.ones((1, len(lesions))) if weights is None else weights
    by_attribute: dict[str, list[np.ndarray]] = {}
    for key, line in COMPARED.items():
        value = term_kappa(key, lesions, weights)
        by_attribute.setdefault(line.attribute, []).append(value)
    return _mean([_mean(values) for values in by_attribute.values()])


def term_kappa(key: str, lesions: list[dict[str, TermPair]], weights: np.ndarray | None = None) -> np.ndarray:
    """Kappa of one line over the lesions for which both tell it."""
    told = [index for index, pairs in enumerate(lesions) if key in pairs]
    chosen = None if weights is None else weights[:, told]
    found, truth = (np.array([getattr(lesions[i][key], side) for i in told], int) for side in ("found", "truth"))
    return kappa(found, truth, COMPARED[key].levels, chosen)


def _keys(attribute: str) -> list[str]:
    return [key for key, line in COMPARED.items() if line.attribute == attribute]


def _mean(values: list[np.ndarray]) -> np.ndarray:
    """Mean of those that are defined; NaN where none is."""
    stacked = np.stack(values)
    defined = np.isfinite(stacked)
    total = np.where(defined, stacked, 0).sum(axis=0)
    count = defined.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
