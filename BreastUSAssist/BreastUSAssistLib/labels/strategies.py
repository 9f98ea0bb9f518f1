"""In which order cases come, as ranks over arrays of one value a case: pure, and the same for the same values."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from .draft_scores import CLASSES

Strategy = Literal["in-order", "most-uncertain", "most-disagreeing", "most-unlike", "balanced"]
STRATEGIES: tuple[Strategy, ...] = ("in-order", "most-uncertain", "most-disagreeing", "most-unlike", "balanced")
UNKNOWN_CLASS = len(CLASSES)
"""Index of cases without a predicted class."""


def highest_first(scores: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Candidates by falling score, equal ones in the order in which the cases came, those without a score last.

    Args:
        scores: float (cases,); NaN where unknown.
        candidates: int (n,), ascending places of cases.

    Returns:
        int (n,): the candidates in the order in which they are due.
    """
    values = np.nan_to_num(scores[candidates], nan=-np.inf)
    return candidates[np.argsort(-values, kind="stable")]


def balanced_order(classes: np.ndarray, done: Sequence[int], candidates: np.ndarray) -> np.ndarray:
    """Candidates such that the classes of what is decided stay as even as they can, cases of no known class last.

    The next case is always of the class with the fewest cases so far, of those that have a candidate left; of equal
    ones in the order of CLASSES, and within a class in the order in which the cases came.

    Args:
        classes: int (cases,), index in CLASSES, or UNKNOWN_CLASS.
        done: (len(CLASSES),) cases of each class that are decided.
        candidates: int (n,), ascending places of cases.

    Returns:
        int (n,): the candidates in the order in which they are due.
    """
    own = classes[candidates]
    levels = np.zeros(len(candidates))
    for index, count in enumerate(done):
        mine = own == index
        # The k-th case of a class is due when every class has as many: its level is the count before it.
        levels[mine] = count + np.arange(np.count_nonzero(mine))
    levels[own == UNKNOWN_CLASS] = np.inf
    return candidates[np.lexsort((candidates, own, levels))]


def first_highest(scores: np.ndarray, candidates: np.ndarray) -> int:
    """The first of `highest_first` without sorting; `candidates` must not be empty."""
    values = np.nan_to_num(scores[candidates], nan=-np.inf)
    return int(candidates[int(np.argmax(values))])
