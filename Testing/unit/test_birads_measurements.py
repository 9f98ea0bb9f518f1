"""Measurements of lesions whose size and shape are known."""

from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.measurements import measure
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.ultrasound.frame import PixelSpacing, SourceReference, UltrasoundFrame, UltrasoundRegion
from hypothesis import given, settings
from hypothesis import strategies as st

QUICK = settings(max_examples=40, deadline=None, derandomize=True)


def frame_of(grey: np.ndarray, row_mm: float | None = None, column_mm: float | None = None) -> UltrasoundFrame:
    spacing = PixelSpacing(row_mm, column_mm or row_mm, "user") if row_mm else None
    return UltrasoundFrame(grey, SourceReference(Path("made.png")), pixel_spacing=spacing)


def blank(mask: np.ndarray, *spacing: float) -> UltrasoundFrame:
    return frame_of(np.full(mask.shape, 80, np.uint8), *spacing)


def ellipse(a: float, b: float, degrees: float, shape=(220, 240), centre=(110.0, 120.0), size=(1.0, 1.0)) -> np.ndarray:
    """Half axes a and b, in the unit of `size` (row, column); degrees from the horizontal."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    y, x = (rows - centre[0]) * size[0], (columns - centre[1]) * size[1]
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return ((x * c + y * s) / a) ** 2 + ((y * c - x * s) / b) ** 2 <= 1


def star(points: int, depth: float, radius: float = 60.0, shape=(220, 240)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    y, x = rows - shape[0] / 2, columns - shape[1] / 2
    wave = np.abs((np.arctan2(y, x) * points / np.pi + 2 * points) % 2 - 1)
    return np.hypot(y, x) <= radius * (1 - depth * (1 - wave))


@QUICK
@given(a=st.floats(20, 90), ratio=st.floats(0.3, 0.95), degrees=st.floats(0, 180))
def test_axes_and_area_of_an_ellipse(a, ratio, degrees):
    mask = ellipse(a, a * ratio, degrees)
    found = measure(mask, blank(mask))
    assert found.longest_axis.px == pytest.approx(2 * a, abs=2.0)
    if ratio < 0.8:
        assert found.perpendicular_axis.px == pytest.approx(2 * a * ratio, abs=3.0)
    assert found.area.px == mask.sum()
    assert found.elongation == pytest.approx(1 / ratio, rel=0.06)
    assert found.ellipse_fit > 0.95
    assert found.solidity > 0.97
    assert found.lobulations == 0


@QUICK
@given(
    a=st.floats(8, 20),
    ratio=st.floats(0.4, 0.8),
    degrees=st.floats(0, 90),
    row=st.floats(0.1, 0.3),
    column=st.floats(0.1, 0.3),
)
def test_lengths_in_mm_do_not_depend_on_the_pixels(a, ratio, degrees, row, column):
    shape = (int(44 / row), int(44 / column))
    mask = ellipse(a, a * ratio, degrees, shape, (shape[0] / 2, shape[1] / 2), (row, column))
    found = measure(mask, blank(mask, row, column))
    slack = 3 * max(row, column)
    assert found.longest_axis.mm == pytest.approx(2 * a, abs=slack)
    assert found.perpendicular_axis.mm == pytest.approx(2 * a * ratio, abs=2 * slack)
    assert found.area.mm2 == pytest.approx(np.pi * a * a * ratio, rel=0.02)
    assert found.axis_angle_deg == pytest.approx(degrees, abs=10)
    assert found.elongation == pytest.approx(1 / ratio, rel=0.06)
    perimeter = np.pi * (3 * (a + a * ratio) - np.sqrt((3 * a + a * ratio) * (a + 3 * a * ratio)))  # Ramanujan 1914
    assert found.circularity == pytest.approx(4 * np.pi * np.pi * a * a * ratio / perimeter**2, abs=0.03)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 30), (30, 1), (7, 19), (40, 25)])
def test_a_rectangle_measures_its_pixels(rows, columns):
    mask = np.zeros((60, 60), bool)
    mask[5 : 5 + rows, 9 : 9 + columns] = True
    found = measure(mask, blank(mask, 0.1, 0.2))
    assert (found.antero_posterior.px, found.transverse.px) == (rows, columns)
    assert found.antero_posterior.mm == pytest.approx(rows * 0.1)
    assert found.transverse.mm == pytest.approx(columns * 0.2)
    assert found.longest_axis.px == pytest.approx(np.hypot(rows, columns))
    assert found.longest_axis.mm == pytest.approx(np.hypot(rows * 0.1, columns * 0.2))
    assert found.area.mm2 == pytest.approx(rows * columns * 0.02)
    assert found.depth.px == 5
    assert found.depth_to_width == pytest.approx(rows * 0.1 / (columns * 0.2))


@pytest.mark.parametrize("radius", [4, 10, 35, 90])
def test_a_disc_is_round_and_smooth(radius):
    mask = ellipse(radius, radius, 0)
    found = measure(mask, blank(mask))
    assert found.circularity > 0.98
    assert found.margin_roughness < 0.02
    assert found.notches == 0
    assert found.sharpest_corner_deg == pytest.approx(18, abs=8)


@QUICK
@given(points=st.integers(5, 12), depth=st.floats(0.35, 0.6))
def test_a_star_has_as_many_notches_as_points(points, depth):
    mask = star(points, depth)
    found = measure(mask, blank(mask))
    assert found.notches == points
    assert found.solidity < 0.95
    assert found.circularity < 0.75
    assert found.margin_roughness > 0.03


def blob(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A random lesion and a random picture."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    noise = gaussian_filter(random.standard_normal((150, 170)), 9)
    rows, columns = np.mgrid[:150, :170]
    mask = noise * 12 - ((rows - 75) / 35) ** 2 - ((columns - 85) / 45) ** 2 > -0.7
    grey = np.clip(random.normal(90, 25, mask.shape), 0, 240)
    return (mask if mask.any() else ellipse(20, 10, 0, (150, 170), (75, 85))), np.where(mask, grey / 2, grey).astype(
        np.uint8
    )


def flat(measured: dict) -> dict[str, float]:
    """Numbers by name; NaN-free, unknown as -1."""
    values = {}
    for key, value in measured.items():
        for unit, number in (value if isinstance(value, dict) else {"": value}).items():
            values[f"{key} {unit}"] = -1.0 if number is None else float(number)
    return values


@QUICK
@given(seed=st.integers(0, 10_000))
def test_a_mirrored_lesion_measures_the_same(seed):
    mask, grey = blob(seed)
    straight = measure(mask, frame_of(grey, 0.1, 0.13)).model_dump()
    mirrored = measure(mask[:, ::-1], frame_of(grey[:, ::-1].copy(), 0.1, 0.13)).model_dump()
    assert flat(mirrored) == pytest.approx(flat(straight), rel=2e-2, abs=2e-2)


@QUICK
@given(seed=st.integers(0, 10_000), down=st.integers(-20, 30), right=st.integers(-20, 40))
def test_a_moved_lesion_measures_the_same_but_for_its_depth(seed, down, right):
    mask, grey = blob(seed)
    wide = np.zeros((320, 340), bool)
    picture = np.full((320, 340), 90, np.uint8)
    there, moved = wide.copy(), wide.copy()
    there[80:230, 80:250] = mask
    moved[80 + down : 230 + down, 80 + right : 250 + right] = mask
    first, second = picture.copy(), picture.copy()
    first[80:230, 80:250] = grey
    second[80 + down : 230 + down, 80 + right : 250 + right] = grey
    still, shifted = measure(there, frame_of(first)).model_dump(), measure(moved, frame_of(second)).model_dump()
    assert shifted.pop("depth")["px"] == still.pop("depth")["px"] + down
    assert flat(shifted) == pytest.approx(flat(still), rel=1e-4, abs=1e-4)


def test_twice_the_spacing_is_twice_the_length_and_four_times_the_area():
    mask, grey = blob(3)
    one, two = measure(mask, frame_of(grey, 0.1)), measure(mask, frame_of(grey, 0.2))
    assert two.longest_axis.mm == pytest.approx(2 * one.longest_axis.mm)
    assert two.area.mm2 == pytest.approx(4 * one.area.mm2)
    assert two.longest_axis.px == one.longest_axis.px
    assert two.circularity == pytest.approx(one.circularity)


def test_no_millimetres_without_spacing_and_where_the_region_has_none():
    mask = ellipse(30, 20, 0)
    unknown = blank(mask)
    region = UltrasoundRegion((0, 0, 220, 240), 1, 1, 0, None)
    uncalibrated = UltrasoundFrame(unknown.pixels, unknown.source, (region,))
    for frame in (unknown, uncalibrated):
        found = measure(mask, frame)
        lengths = (found.longest_axis, found.perpendicular_axis, found.antero_posterior, found.transverse, found.depth)
        assert all(length.mm is None for length in lengths)
        assert found.area.mm2 is None


def test_spacing_and_depth_are_those_of_the_region_that_holds_the_lesion():
    mask = ellipse(20, 12, 0, (220, 240), (150.0, 180.0))
    left = UltrasoundRegion((10, 0, 220, 120), 1, 1, 0, PixelSpacing(0.5, 0.5, "ultrasound_region"))
    right = UltrasoundRegion((40, 120, 220, 240), 1, 1, 0, PixelSpacing(0.1, 0.1, "ultrasound_region"))
    frame = UltrasoundFrame(np.full(mask.shape, 80, np.uint8), SourceReference(Path("dual.dcm")), (left, right))
    found = measure(mask, frame)
    assert found.transverse.mm == pytest.approx(found.transverse.px * 0.1)
    assert found.depth.px == np.flatnonzero(mask.any(axis=1))[0] - 40
    assert measure(mask, frame, tissue=(100, 0, 220, 240)).depth.px == np.flatnonzero(mask.any(axis=1))[0] - 100


@pytest.mark.parametrize("centre", [(0, 0), (219, 239), (0, 120), (219, 120), (110, 0)])
def test_a_lesion_at_the_border_is_measured(centre):
    mask = ellipse(40, 25, 20, centre=centre)
    found = measure(mask, blank(mask, 0.1))
    assert found.area.px == mask.sum()
    assert 0 < found.circularity <= 1
    if centre[0] == 219:
        assert found.posterior_ratio is None


def test_a_lesion_that_fills_the_frame_has_no_surroundings():
    mask = np.ones((50, 60), bool)
    found = measure(mask, blank(mask))
    assert (found.echo_ratio, found.posterior_ratio, found.margin_sharpness) == (None, None, None)


def test_fragments_count_for_extents_and_not_for_shape():
    mask = ellipse(40, 25, 0)
    whole = measure(mask, blank(mask))
    mask[5, 5] = True
    found = measure(mask, blank(mask))
    assert found.depth.px == 5
    assert found.area.px == whole.area.px + 1
    assert found.circularity == pytest.approx(whole.circularity)


def tissue_with(mask: np.ndarray, inside: float, below: float = 1.0) -> np.ndarray:
    random = np.random.default_rng(5)
    grey = np.full(mask.shape, 100.0)
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    grey[rows[-1] + 1 :, columns[0] : columns[-1] + 1] *= below
    grey[mask] = inside
    return np.clip(grey * random.uniform(0.9, 1.1, mask.shape), 0, 245).astype(np.uint8)


@pytest.mark.parametrize(("inside", "expected"), [(0, 0.04), (50, 0.56), (100, 1.05), (160, 1.66)])
def test_echo_ratio_follows_the_grey_of_the_lesion(inside, expected):
    mask = ellipse(40, 25, 0)
    assert measure(mask, frame_of(tissue_with(mask, inside))).echo_ratio == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("below", [0.4, 1.0, 1.8])
def test_posterior_ratio_follows_the_strip_below(below):
    mask = ellipse(40, 25, 0)
    assert measure(mask, frame_of(tissue_with(mask, 40, below))).posterior_ratio == pytest.approx(below, abs=0.08)


def test_caliper_marks_and_coloured_overlays_do_not_change_the_grey_levels():
    mask = ellipse(40, 25, 0)
    grey = tissue_with(mask, 50)
    clean = measure(mask, frame_of(grey))
    marked = np.repeat(grey[..., None], 3, axis=2)
    marked[108:112, 76:84] = marked[108:112, 156:164] = 255
    marked[90:100, 100:130] = (250, 230, 20)
    found = measure(mask, frame_of(marked))
    for key in ("echo_ratio", "echo_heterogeneity", "posterior_ratio"):
        assert getattr(found, key) == pytest.approx(getattr(clean, key), rel=0.05), key


def test_a_blurred_margin_is_less_sharp():
    from scipy.ndimage import gaussian_filter

    mask = ellipse(50, 35, 0)
    grey = np.where(mask, 40.0, 110.0)
    noise = np.random.default_rng(1).normal(0, 8, grey.shape)
    values = [
        measure(mask, frame_of(np.clip((gaussian_filter(grey, s) if s else grey) + noise, 0, 240).astype(np.uint8)))
        for s in (0, 6, 20)
    ]
    sharp, soft, gone = (value.margin_sharpness for value in values)
    assert sharp > 1.1 * soft > 2 * gone


def test_an_empty_mask_and_one_of_another_size_are_refused():
    with pytest.raises(UsageError, match="empty"):
        measure(np.zeros((20, 20), bool), frame_of(np.zeros((20, 20), np.uint8)))
    with pytest.raises(UsageError, match="outline this frame"):
        measure(np.ones((20, 21), bool), frame_of(np.zeros((20, 20), np.uint8)))
