"""Metrics against known values, brute force and the properties that define them."""

import numpy as np
import pytest
from BreastUSAssistLib.learning import metrics
from BreastUSAssistLib.learning.bootstrap import bootstrap_interval, patient_keys
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

MASKS = arrays(bool, (9, 12))


def rectangle(top, left, height, width, shape=(60, 70)):
    mask = np.zeros(shape, dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


@settings(deadline=None)
@given(MASKS, MASKS)
def test_dice_is_symmetric_bounded_and_follows_from_iou(one, other):
    value = metrics.dice(one, other)
    assert value == metrics.dice(other, one)
    assert 0 <= value <= 1
    overlap = metrics.iou(one, other)
    assert value == pytest.approx(2 * overlap / (1 + overlap))


@settings(deadline=None)
@given(MASKS)
def test_a_mask_agrees_with_itself(mask):
    assert metrics.dice(mask, mask) == metrics.iou(mask, mask) == 1
    assert metrics.hd95(mask, mask) == 0


def test_empty_masks():
    empty, some = np.zeros((5, 5), bool), rectangle(1, 1, 2, 2, (5, 5))
    assert (metrics.dice(empty, empty), metrics.dice(empty, some), metrics.iou(some, empty)) == (1, 0, 0)
    assert metrics.hd95(empty, empty) == 0
    assert metrics.hd95(empty, some) == metrics.hd95(some, empty) == float("inf")


def test_dice_and_iou_of_known_overlap():
    one, other = rectangle(0, 0, 4, 4), rectangle(0, 2, 4, 4)
    assert metrics.dice(one, other) == 0.5
    assert metrics.iou(one, other) == pytest.approx(1 / 3)


@settings(deadline=None)
@given(st.integers(0, 9), st.integers(10, 20), st.sampled_from([(1.0, 1.0), (0.05, 0.08), (0.3, 0.1)]))
def test_hd95_of_a_shifted_square_is_the_shift_in_each_direction(shift, size, spacing):
    square = rectangle(5, 5, size, size)
    across, down = rectangle(5, 5 + shift, size, size), rectangle(5 + shift, 5, size, size)
    # A whole side of the square, a quarter of its surface, is exactly the shift away.
    assert metrics.hd95(square, across, spacing) == pytest.approx(shift * spacing[1])
    assert metrics.hd95(square, down, spacing) == pytest.approx(shift * spacing[0])
    assert metrics.hd95(square, across, spacing) == pytest.approx(metrics.hd95(across, square, spacing))


def test_hd95_uses_the_spacing_of_each_direction():
    one, other = rectangle(20, 20, 1, 1), rectangle(23, 24, 1, 1)
    assert metrics.hd95(one, other) == 5
    assert metrics.hd95(one, other, (2.0, 0.5)) == pytest.approx(np.hypot(6, 2))


@settings(deadline=None, max_examples=40)
@given(MASKS, MASKS, st.tuples(st.floats(0.1, 3), st.floats(0.1, 3)))
def test_hd95_equals_brute_force(one, other, spacing):
    if not one.any() or not other.any():
        return
    surfaces = []
    for mask in (one, other):
        points = []
        for row, column in np.argwhere(mask):
            around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
            inside = [0 <= r < mask.shape[0] and 0 <= c < mask.shape[1] and mask[r, c] for r, c in around]
            if not all(inside):
                points.append((row * spacing[0], column * spacing[1]))
        surfaces.append(np.array(points))
    apart = np.hypot(*(surfaces[0][:, None] - surfaces[1][None]).transpose(2, 0, 1))
    expected = max(np.percentile(apart.min(axis=1), 95), np.percentile(apart.min(axis=0), 95))
    assert metrics.hd95(one, other, spacing) == pytest.approx(expected)


def test_lesions_are_matched_once_each_at_half_overlap():
    truth = [rectangle(0, 0, 10, 10), rectangle(30, 30, 10, 10)]
    half = rectangle(0, 0, 10, 5)
    found = metrics.match_lesions(truth, [rectangle(30, 31, 10, 10), half, rectangle(50, 0, 4, 4)])
    assert sorted(found.matches) == [(0, 1), (1, 0)]
    assert (found.lesions, found.found, found.outlines, found.false_outlines) == (2, 2, 3, 1)
    twice = metrics.match_lesions(truth[:1], [truth[0], rectangle(0, 0, 10, 9)])
    assert twice.matches == ((0, 0),)
    assert twice.false_outlines == 1


def test_matching_ignores_empty_masks_and_takes_no_lesion_for_a_match():
    empty = np.zeros((60, 70), bool)
    assert metrics.match_lesions([], [rectangle(0, 0, 3, 3), empty]).false_outlines == 1
    assert metrics.match_lesions([empty], [empty]) == metrics.Detection(0, 0, ())
    assert metrics.match_lesions([rectangle(0, 0, 9, 9)], []).found == 0


SCORED = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40)


@settings(deadline=None)
@given(SCORED)
def test_auc_equals_the_share_of_pairs_in_order(images):
    score = np.array([s / 6 for s, _ in images])
    malignant = np.array([m for _, m in images])
    pairs = [(p > n) + (p == n) / 2 for p in score[malignant] for n in score[~malignant]]
    value = metrics.auc(score, malignant)[0]
    assert value == pytest.approx(np.mean(pairs)) if pairs else np.isnan(value)


@settings(deadline=None)
@given(SCORED, st.data())
def test_weights_are_repetitions(images, data):
    score = np.array([s / 6 for s, _ in images])
    malignant = np.array([m for _, m in images])
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(score), max_size=len(score))))
    again = np.repeat(np.arange(len(score)), counts)
    for measure in (
        metrics.auc,
        metrics.sensitivity_at_specificity,
        metrics.expected_calibration_error,
        metrics.brier,
    ):
        weighted = measure(score, malignant, counts[None].astype(float))[0]
        assert weighted == pytest.approx(measure(score[again], malignant[again])[0], nan_ok=True)
    middle = metrics.weighted_median(score, counts[None].astype(float))[0]
    assert middle == pytest.approx(np.median(score[again]), nan_ok=True) if len(again) else np.isnan(middle)


@settings(deadline=None)
@given(SCORED)
def test_sensitivity_at_specificity_equals_brute_force(images):
    score = np.array([s / 6 for s, _ in images])
    malignant = np.array([m for _, m in images])
    value = metrics.sensitivity_at_specificity(score, malignant)[0]
    if malignant.all() or not malignant.any():
        assert np.isnan(value)
        return
    best = 0.0
    for threshold in [*np.unique(score), 2]:
        if (score[~malignant] < threshold).mean() >= 0.9 - 1e-12:
            best = max(best, (score[malignant] >= threshold).mean())
    assert value == pytest.approx(best)


def test_calibration_error_and_brier_of_known_scores():
    score = np.array([0.1, 0.1, 0.9, 1.0])
    malignant = np.array([False, True, True, True])
    # Bin of 0.1: half malignant against 0.1; bin of 0.9 and 1.0 (bins 13 and 14): gaps 0.1 and 0.
    assert metrics.expected_calibration_error(score, malignant)[0] == pytest.approx(0.5 * 0.4 + 0.25 * 0.1)
    assert metrics.brier(score, malignant)[0] == pytest.approx((0.01 + 0.81 + 0.01) / 4)


def test_intervals_resample_patients_not_images():
    generator = np.random.default_rng(1)
    per_patient = np.repeat(generator.normal(size=40), 25)

    def width(patients):
        low, high = bootstrap_interval(lambda w: metrics.weighted_mean(per_patient, w), patients, seed=3)
        return high - low

    by_patient = width(patient_keys([index // 25 for index in range(1000)]))
    by_image = width(patient_keys([None] * 1000))
    assert by_patient > 3 * by_image
    assert by_patient == pytest.approx(2 * 1.96 * per_patient[::25].std() / np.sqrt(40), rel=0.15)


def test_intervals_repeat_with_the_seed_and_are_refused_when_undefined():
    values, patients = np.arange(20.0), patient_keys(list(range(20)))
    mean = lambda w: metrics.weighted_mean(values, w)  # noqa: E731
    assert bootstrap_interval(mean, patients, seed=5) == bootstrap_interval(mean, patients, seed=5)
    assert bootstrap_interval(mean, patients, seed=5) != bootstrap_interval(mean, patients, seed=6)
    assert bootstrap_interval(mean, np.zeros(20, int), seed=5) is None
    one_malignant = values == 7
    assert bootstrap_interval(lambda w: metrics.auc(values, one_malignant, w), patients, seed=5) is None
