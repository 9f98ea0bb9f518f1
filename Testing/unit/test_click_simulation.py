"""The simulated reader: where it clicks, and that it never clicks where nothing is wrong."""

import numpy as np
import pytest
from BreastUSAssistLib.learning.click_simulation import next_click, random_click
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays


def two_masks(rows: int = 24, columns: int = 17) -> st.SearchStrategy:
    mask = arrays.arrays(bool, (rows, columns))
    return st.tuples(mask, mask)


def disk(shape: tuple[int, int], row: int, column: int, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def test_a_missed_lesion_is_clicked_in_its_middle():
    truth = disk((128, 128), 40, 70, 15)
    assert next_click(truth, np.zeros_like(truth)) == (40, 70, True)


def test_too_much_is_clicked_away_and_the_larger_error_comes_first():
    truth = disk((128, 128), 40, 70, 15)
    large, small = disk((128, 128), 100, 30, 12), disk((128, 128), 100, 100, 6)
    assert next_click(truth, truth | large | small) == (100, 30, False)
    assert next_click(truth | large, truth | small) == (100, 30, True)


def test_the_border_of_the_frame_counts_as_outside():
    truth = np.zeros((41, 41), bool)
    truth[:21, :21] = True
    assert next_click(truth, np.zeros_like(truth)) == (10, 10, True)


@settings(max_examples=60, deadline=None)
@given(two_masks(), st.integers(0, 2**32 - 1))
def test_a_click_lies_on_an_error_of_its_sign(masks, seed):
    truth, current = masks
    for click in (next_click(truth, current), random_click(truth, current, np.random.default_rng(seed))):
        if np.array_equal(truth, current):
            assert click is None
        else:
            assert truth[click.row, click.column] == click.positive
            assert current[click.row, click.column] != click.positive


def test_the_same_errors_give_the_same_click():
    chance = np.random.default_rng(3)
    truth, current = chance.random((2, 60, 60)) > 0.6
    assert next_click(truth, current) == next_click(truth.copy(), current.copy())
    drawn = [random_click(truth, current, np.random.default_rng(7)) for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_random_clicks_vary_but_stay_well_inside():
    truth = disk((128, 128), 64, 64, 30)
    chance = np.random.default_rng(0)
    clicks = [random_click(truth, np.zeros_like(truth), chance) for _ in range(200)]
    distances = np.hypot([c.row - 64 for c in clicks], [c.column - 64 for c in clicks])
    assert distances.max() <= 19 and distances.std() > 3


def test_random_clicks_favour_the_larger_error():
    truth = disk((128, 128), 30, 30, 20) | disk((128, 128), 100, 100, 5)
    chance = np.random.default_rng(0)
    upper = [random_click(truth, np.zeros_like(truth), chance).row < 60 for _ in range(300)]
    assert 0.85 < np.mean(upper) < 0.99


def test_arrays_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        next_click(np.zeros((3, 3), bool), np.zeros((3, 4), bool))
