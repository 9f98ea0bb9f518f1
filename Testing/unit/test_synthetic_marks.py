"""Painted calipers and captions: bright, near the lesion, the same for the same seed, and never in place."""

import numpy as np
import pytest
from BreastUSAssistLib.learning.synthetic_marks import paint_marks
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(16, 300), columns=st.integers(16, 300), seed=st.integers(0, 10_000))
def test_any_size_gives_a_painted_copy(rows: int, columns: int, seed: int) -> None:
    image = np.full((rows, columns), 60, np.uint8)
    image.flags.writeable = False
    painted = paint_marks(image, np.random.default_rng(seed))
    assert painted.shape == image.shape
    assert painted.dtype == np.uint8
    assert np.array_equal(painted, paint_marks(image, np.random.default_rng(seed)))


@pytest.mark.parametrize("seed", range(12))
def test_calipers_touch_the_sides_of_the_lesion(seed: int) -> None:
    image = np.full((200, 240), 60, np.uint8)
    near = np.zeros(image.shape, bool)
    near[70:120, 60:180] = True
    changed = paint_marks(image, np.random.default_rng(seed), near) != image
    assert changed[:, 35:85].any()
    assert changed[:, 155:205].any()
    assert changed.mean() < 0.1


def test_an_empty_mask_counts_as_none() -> None:
    image = np.zeros((64, 64), np.uint8)
    empty = paint_marks(image, np.random.default_rng(3), np.zeros(image.shape))
    assert np.array_equal(empty, paint_marks(image, np.random.default_rng(3)))
