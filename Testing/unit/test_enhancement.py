"""Display filters: harmless by default, quieter speckle, same shape, settings refused out of range."""

import numpy as np
import pytest
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.ultrasound.enhancement import (
    FILTERS,
    MOST_PIXELS,
    Enhancement,
    enhance,
    speckle_reducing_diffusion,
)
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


@pytest.fixture(scope="module")
def phantom():
    return render(standard_cases()["oval-circumscribed"])


def test_nothing_is_changed_by_default_and_the_frame_never_in_place(phantom):
    grey = phantom.frames[0]
    before = grey.copy()
    shown = enhance(grey, Enhancement())
    assert np.array_equal(shown, grey)
    assert not np.shares_memory(shown, grey)
    for name in FILTERS:
        enhance(grey, Enhancement(name, local_contrast=0.5, gamma=0.8))
    assert np.array_equal(grey, before)


@pytest.mark.parametrize("name", ["median", "srad", "nlm"])
def test_speckle_reduction_evens_tissue_out_and_keeps_the_lesion_dark(phantom, name):
    grey, lesion = phantom.frames[0], phantom.masks[0] > 0
    top, left, bottom, right = phantom.tissue_box
    tissue = (slice(top + 40, bottom - 200), slice(left + 20, right - 20))
    shown = enhance(grey, Enhancement(name))
    graininess = [np.abs(np.diff(image[tissue].astype(int), axis=0)).mean() for image in (grey, shown)]
    assert graininess[1] < 0.9 * graininess[0]
    assert abs(shown[tissue].mean() - grey[tissue].mean()) < 6
    around = np.zeros_like(lesion)
    around[tissue] = True
    contrast = [image[around & ~lesion].mean() - image[lesion].mean() for image in (grey, shown)]
    assert contrast[1] > 0.9 * contrast[0]


@pytest.mark.parametrize("name", ["median", "srad", "nlm"])
def test_more_strength_smooths_more(phantom, name):
    tissue = phantom.frames[0][150:350, 200:500]
    weak, strong = (enhance(tissue, Enhancement(name, strength)) for strength in (0.1, 1.0))
    assert np.abs(np.diff(strong.astype(int))).mean() < np.abs(np.diff(weak.astype(int))).mean()


def test_diffusion_keeps_edges_that_a_plain_blur_would_lose():
    random = np.random.default_rng(0)
    step = np.where(np.arange(80) < 40, 60, 180) * np.ones((80, 1)) + random.normal(0, 6, (80, 80))
    shown = speckle_reducing_diffusion(np.clip(step, 0, 255).astype(np.uint8), 40)
    assert shown[:, 42:].mean() - shown[:, :38].mean() > 110
    assert shown[:, 5:35].std() < 5.0


def test_contrast_filters_widen_grey_levels_and_leave_the_black_screen(phantom):
    grey = phantom.frames[0]
    shown = enhance(grey, Enhancement(local_contrast=1.0))
    assert shown.std() > grey.std()
    assert (shown[grey == 0] == 0).all()
    assert enhance(grey, Enhancement(gamma=0.5)).mean() > grey.mean() > enhance(grey, Enhancement(gamma=2.0)).mean()
    assert enhance(grey // 3, Enhancement("clahe")).std() > (grey // 3).std()


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24))),
    st.sampled_from(FILTERS),
    st.floats(0, 1),
    st.floats(0, 2),
    st.floats(0.3, 3),
)
@example(np.array([[25, 1]], np.uint8), "nlm", 0.0, 0.0, 1.0)
@settings(deadline=None, max_examples=80)
def test_any_frame_keeps_shape_and_type(grey, name, strength, contrast, gamma):
    shown = enhance(grey, Enhancement(name, strength, contrast, gamma))
    assert (shown.shape, shown.dtype) == (grey.shape, np.uint8)


@pytest.mark.parametrize("name", ["median", "srad", "nlm"])
def test_large_frames_are_filtered_at_reduced_size(name):
    side = int(MOST_PIXELS**0.5) + 400
    grey = np.tile(np.linspace(20, 200, side).astype(np.uint8), (side, 1))
    shown = enhance(grey, Enhancement(name, 0.0))
    assert shown.shape == grey.shape
    assert np.abs(shown.astype(int) - grey).mean() < 3


@pytest.mark.parametrize(
    "settings",
    [{"filter": "blur"}, {"strength": 1.5}, {"strength": float("nan")}, {"gamma": 0.0}, {"local_contrast": -1.0}],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(UsageError):
        Enhancement(**settings)
