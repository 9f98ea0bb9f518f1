"""The square around a lesion: margins, aspect, frame edges, and the mask that stays where the picture is."""

import numpy as np
import pytest
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.model.lesion_roi import lesion_region, lesion_roi
from hypothesis import given, settings
from hypothesis import strategies as st


def _rectangle(shape: tuple[int, int], top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_a_tall_lesion_has_more_room_below_than_above() -> None:
    region = lesion_region(_rectangle((400, 400), 100, 150, 120, 60))
    assert region.side == pytest.approx(120 * 1.35)
    assert region.top == pytest.approx(100 - 12)
    assert region.left == pytest.approx(180 - region.side / 2)


def test_a_wide_lesion_is_centred_with_a_tenth_on_either_side() -> None:
    region = lesion_region(_rectangle((400, 400), 100, 100, 50, 200))
    assert region.side == pytest.approx(240)
    assert region.left == pytest.approx(80)
    above, below = 100 - region.top, region.top + region.side - 150
    assert 0 < above < below


def test_past_the_frame_is_black_and_the_lesion_keeps_its_aspect() -> None:
    grey = np.full((90, 300), 200, np.uint8)
    mask = _rectangle(grey.shape, 0, 0, 40, 80)
    roi = lesion_roi(grey, mask, 160)
    assert roi.shape == (2, 160, 160)
    assert roi.dtype == np.float32
    assert roi[0, 0, 0] == pytest.approx(-127 / 128)
    assert roi[0, 80, 100] == pytest.approx(73 / 128)
    rows, columns = np.flatnonzero(roi[1].any(1)), np.flatnonzero(roi[1].any(0))
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(2, rel=0.05)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(32, 200),
    columns=st.integers(32, 200),
    box=st.tuples(*[st.floats(0, 1)] * 4),
    size=st.sampled_from([64, 160]),
)
def test_any_lesion_gives_its_share_of_the_square(
    rows: int, columns: int, box: tuple[float, float, float, float], size: int
) -> None:
    height, width = 6 + int(box[0] * (rows - 6)), 6 + int(box[1] * (columns - 6))
    top, left = int(box[2] * (rows - height)), int(box[3] * (columns - width))
    mask = _rectangle((rows, columns), top, left, height, width)
    roi = lesion_roi(np.where(mask, 255, 0).astype(np.uint8), mask, size)
    side = lesion_region(mask).side
    assert roi[1].mean() == pytest.approx(height * width / side**2, abs=4 / size)
    assert np.isin(roi[1], (0, 1)).all()
    assert ((roi[0] > 0) == (roi[1] > 0)).mean() > 0.98


def test_mirroring_frame_and_mask_mirrors_the_region() -> None:
    generator = np.random.default_rng(1)
    grey = generator.integers(0, 255, (120, 150)).astype(np.uint8)
    mask = _rectangle(grey.shape, 30, 40, 20, 45)
    plain, mirrored = lesion_roi(grey, mask, 96), lesion_roi(grey[:, ::-1], mask[:, ::-1], 96)
    assert np.abs(plain - mirrored[..., ::-1]).max() < 0.02


def test_empty_or_other_size_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        lesion_roi(np.zeros((50, 50), np.uint8), np.zeros((50, 50), bool), 64)
    with pytest.raises(UsageError, match="outline this frame"):
        lesion_roi(np.zeros((50, 50), np.uint8), np.ones((40, 50), bool), 64)
