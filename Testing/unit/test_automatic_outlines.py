"""Automatic outlines as training masks of the reader."""

import numpy as np
from BreastUSAssistLib.learning.automatic_outlines import matched_drafts


def disk(row, column, radius):
    rows, columns = np.mgrid[:80, :80]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def test_each_lesion_gets_its_best_draft_under_its_own_number():
    labels = np.zeros((80, 80), np.uint8)
    labels[disk(20, 20, 10)], labels[disk(60, 60, 8)], labels[disk(20, 60, 6)] = 1, 2, 101
    found = matched_drafts(labels, [disk(61, 60, 9), disk(22, 21, 9), disk(20, 60, 6)])
    assert np.array_equal(found == 1, disk(22, 21, 9)) and np.array_equal(found == 2, disk(61, 60, 9))
    assert set(np.unique(found)) == {0, 1, 2}, "other findings are no lesions"


def test_a_draft_elsewhere_teaches_nothing():
    labels = disk(20, 20, 10).astype(np.uint8)
    assert matched_drafts(labels, [disk(60, 60, 10)]) is None
    assert matched_drafts(labels, []) is None
