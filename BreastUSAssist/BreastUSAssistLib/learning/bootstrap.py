"""95 % intervals by resampling patients, not images: images of one patient are alike."""

from collections.abc import Callable, Hashable, Sequence

import numpy as np

REPLICATES = 2000
_CELLS = 4_000_000
"""Weights held at a time, so that a large evaluation does not need a large memory."""

Statistic = Callable[[np.ndarray], np.ndarray]
"""Takes weights (replicates, images), gives one value a replicate; NaN where it is not defined."""


def patient_keys(patients: Sequence[Hashable | None]) -> np.ndarray:
    """Number the patients: int, (images,), from 0. An image of an unknown patient (None) is a patient of its own."""
    numbers: dict[Hashable, int] = {}
    keys = [
        numbers.setdefault(("image", i) if p is None else ("patient", p), len(numbers)) for i, p in enumerate(patients)
    ]
    return np.array(keys, dtype=int)


def bootstrap_interval(
    statistic: Statistic, patients: np.ndarray, *, seed: int, replicates: int = REPLICATES
) -> tuple[float, float] | None:
    """Percentile interval of 95 % (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, 13.3).

    Patients are drawn with replacement, each with all of its images (cluster bootstrap: Field and Welsh, JRSS B 2007).
    `patients` is int, (images,), as `patient_keys` gives it. None with fewer than two patients, or where the
    statistic is undefined in more than one replicate in twenty (a class that hardly occurs): an interval of the rest
    would flatter. The same `seed` gives the same interval.
    """
    count = int(patients.max()) + 1 if patients.size else 0
    if count < 2:
        return None
    generator = np.random.default_rng(seed)
    chunk = max(1, min(replicates, _CELLS // patients.size))
    values = np.empty(0)
    while len(values) < replicates:
        size = min(chunk, replicates - len(values))
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=size)
        values = np.append(values, statistic(drawn[:, patients].astype(float)))
    defined = values[np.isfinite(values)]
    if len(defined) < 0.95 * replicates:
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
