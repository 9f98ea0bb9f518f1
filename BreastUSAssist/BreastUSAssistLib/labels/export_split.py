"""Which patients are held back and which fold the others fall into: the same for the same seed, never across one."""

import hashlib
from collections.abc import Mapping

from .export_query import ExportQuery, Part


def parts_of(cases: Mapping[str, str], query: ExportQuery) -> dict[str, tuple[Part, int | None]]:
    """Part and fold of each case.

    A patient is held back by a hash of its pseudonym and the seed alone: labels that come later never move a patient
    from one side to the other, and the share is met only on average. Folds are filled evenly, in the order of that
    hash, and so may change with every label that comes.

    Args:
        cases: patient by case; cases of one patient stay together.
        query: share, number of folds, seed.
    """
    sizes: dict[str, int] = {}
    for patient in cases.values():
        sizes[patient] = sizes.get(patient, 0) + 1
    ranks = {patient: _rank(patient, query.seed) for patient in sizes}
    filled = [0] * query.folds
    found: dict[str, tuple[Part, int | None]] = {}
    for patient in sorted(sizes, key=lambda one: (ranks[one], one)):
        if ranks[patient] < query.split:
            found[patient] = ("test", None)
            continue
        fold = filled.index(min(filled))
        filled[fold] += sizes[patient]
        found[patient] = ("train", fold)
    return {case: found[patient] for case, patient in cases.items()}


def _rank(patient: str, seed: int) -> float:
    """A number in [0, 1) that follows from patient and seed."""
    # Named, so that it falls otherwise than whatever else is chosen by such a hash (double_reading).
    digest = hashlib.sha256(f"export split {seed} {patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
