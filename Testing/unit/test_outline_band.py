"""The band in which an outline may lie: nothing for a sharp step, wide where the network hesitates."""

import numpy as np
import pytest
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.service.outline_band import band_around, measure_band
from BreastUSAssistLib.service.report_pictures import overlay_picture
from hypothesis import given, settings
from hypothesis import strategies as st

SHAPE = (120, 160)
ROW, COLUMN = np.mgrid[: SHAPE[0], : SHAPE[1]]


def slope(width: float, radius: float = 30, centre=(60, 80)) -> tuple[np.ndarray, np.ndarray]:
    """Probability that falls from 1 to 0 over `width` px around a disc, and the disc."""
    distance = np.hypot(ROW - centre[0], COLUMN - centre[1]) - radius
    probability = np.clip(0.5 - distance / max(width, 1e-9), 0, 1)
    return np.rint(255 * probability).astype(np.uint8), probability >= 0.5


def test_a_sharp_outline_has_no_band():
    mask = slope(0)[1]
    probability = mask.astype(np.uint8) * 255
    assert (measure_band(probability, mask).half_width_px, measure_band(probability, mask).uncertain_share) == (0, 0)
    assert not band_around(probability, mask.astype(np.uint8), 1).any()


@settings(deadline=None, max_examples=25)
@given(width=st.floats(4, 40), radius=st.floats(12, 40))
def test_the_half_width_is_that_of_the_slope(width, radius):
    probability, mask = slope(width, radius)
    found = measure_band(probability, mask)
    # Between 25 and 75 % lies half of the slope; the inner part ends at the middle of a small lesion.
    assert found.half_width_px == pytest.approx(width / 4, abs=0.8) or width > radius
    assert 0 <= found.uncertain_share <= 1


def test_only_the_uncertain_side_counts():
    probability, mask = slope(0)
    hesitant, _ = slope(50)
    probability[:, 80:] = hesitant[:, 80:]
    assert measure_band(probability, mask).uncertain_share == pytest.approx(0.5, abs=0.1)


def test_a_lesion_of_which_nothing_is_sure_is_uncertain_all_around():
    mask = slope(0)[1]
    found = measure_band(np.where(mask, 150, 0).astype(np.uint8), mask)
    assert found.uncertain_share == 1 and found.half_width_px == pytest.approx(15, abs=0.5)
    assert band_around(np.where(mask, 150, 0).astype(np.uint8), mask.astype(np.uint8), 1).sum() == mask.sum()


def test_another_lesion_and_a_faint_spot_elsewhere_are_no_part_of_the_band():
    labels = np.zeros(SHAPE, np.uint8)
    one, other = slope(20, 20, (60, 50)), slope(20, 20, (60, 94))
    labels[one[1]], labels[other[1]] = 1, 2
    probability = np.maximum(one[0], other[0])
    probability[5:15, 5:15] = 100
    band = band_around(probability, labels, 1)
    assert band.any() and not band[labels == 2].any() and not band[:20, :20].any()


@pytest.mark.parametrize("where", [(0, 0), (119, 159), (60, 80)])
def test_one_pixel_and_a_full_frame_are_measured(where):
    mask = np.zeros(SHAPE, bool)
    mask[where] = True
    for one in (mask, ~np.zeros(SHAPE, bool)):
        for level in (0, 128, 255):
            found = measure_band(np.full(SHAPE, level, np.uint8), one)
            assert np.isfinite(found.half_width_px) and 0 <= found.uncertain_share <= 1


def test_an_empty_mask_is_refused():
    with pytest.raises(UsageError, match="empty"):
        measure_band(np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, bool))


def test_the_band_tints_what_it_covers_and_nothing_else():
    probability, mask = slope(24)
    grey = np.full(SHAPE, 90, np.uint8)
    labels = mask.astype(np.uint8)
    plain = np.asarray(overlay_picture(grey, labels, axes=False)).astype(int)
    tinted = np.asarray(overlay_picture(grey, labels, axes=False, probability=probability)).astype(int)
    changed = np.abs(tinted - plain).max(axis=2) > 3
    zoom = plain.shape[1] / SHAPE[1]
    for row, column, expected in ((60, 80, False), (60, 106, True), (60, 114, True), (60, 130, False), (5, 5, False)):
        assert changed[int((row + 0.5) * zoom), int((column + 0.5) * zoom)] == expected, (row, column)
    assert (tinted[int(60.5 * zoom), int(114.5 * zoom)] < 200).all(), "the tissue below stays readable"
