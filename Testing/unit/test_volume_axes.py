"""Lesions of volumes: linked over the slices, three axes, the volume, and where they are told."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.findings import findings_table
from BreastUSAssistLib.birads.lesion import VolumeAxes
from BreastUSAssistLib.birads.volume_axes import measure_volume
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.model.prediction import LesionMask
from BreastUSAssistLib.service.analysis_file import read_analysis, write_analysis
from BreastUSAssistLib.service.report_lesion import lesion_words
from BreastUSAssistLib.service.tracking import LinkRules, link_lesions, rules_for
from BreastUSAssistLib.ultrasound.frame import PixelSpacing
from hypothesis import example, given, settings
from hypothesis import strategies as st

STORED = read_analysis(Path(__file__).parent / "data" / "analysis-1.1-phantom.json")


def ellipsoid(axes_mm, voxel_mm, angle_deg=0.0):
    """Voxelised ellipsoid, bool (slices, rows, columns); axes along slices, rows, columns, turned in the plane."""
    reach = max(axes_mm[1:])
    half = [int(np.ceil(r / v)) + 3 for r, v in zip((axes_mm[0], reach, reach), voxel_mm, strict=True)]
    z, y, x = (np.arange(-n, n + 1) * v for n, v in zip(half, voxel_mm, strict=True))
    angle = np.radians(angle_deg)
    down = y[:, None] * np.cos(angle) - x[None] * np.sin(angle)
    across = y[:, None] * np.sin(angle) + x[None] * np.cos(angle)
    in_plane = (down / axes_mm[1]) ** 2 + (across / axes_mm[2]) ** 2
    return (z / axes_mm[0])[:, None, None] ** 2 + in_plane[None] <= 1


def by_slice(volume):
    return {index + 1: mask for index, mask in enumerate(volume)}


def outlines(volume, confidence=0.9):
    return [[LesionMask(mask, "automatic", confidence)] if mask.any() else [] for mask in volume]


@settings(max_examples=60, deadline=None)
@given(
    axes=st.tuples(*[st.floats(3, 12)] * 3),
    voxel=st.tuples(st.sampled_from([0.3, 0.5, 1.0]), st.sampled_from([0.15, 0.3, 0.5]), st.sampled_from([0.2, 0.4])),
)
@example(axes=(6.0, 4.0, 9.0), voxel=(0.5, 0.2, 0.2))
def test_axes_and_volume_of_an_ellipsoid_are_exact_to_a_voxel(axes, voxel):
    measured = measure_volume(by_slice(ellipsoid(axes, voxel)), PixelSpacing(voxel[1], voxel[2], "user"), voxel[0])
    long, short = max(axes[1:]), min(axes[1:])
    in_plane = float(np.hypot(voxel[1], voxel[2])) + 1e-9
    assert measured.longest_axis.mm == pytest.approx(2 * long, abs=in_plane)
    if long - short > 2 * in_plane:
        assert measured.perpendicular_axis.mm == pytest.approx(2 * short, abs=1.5 * in_plane)
    assert measured.across_slices.mm == pytest.approx(2 * axes[0], abs=voxel[0] + 1e-9)
    assert measured.volume_ml == pytest.approx(4 / 3 * np.pi * np.prod(axes) / 1000, rel=0.1)


@pytest.mark.parametrize("angle", [0, 30, 60, 90])
def test_axes_do_not_depend_on_how_the_lesion_lies_in_the_plane(angle):
    volume = ellipsoid((5, 4, 10), (0.5, 0.1, 0.1), angle)
    measured = measure_volume(by_slice(volume), PixelSpacing(0.1, 0.1, "user"), 0.5)
    assert measured.longest_axis.mm == pytest.approx(20, abs=0.2)
    assert measured.perpendicular_axis.mm == pytest.approx(8, abs=0.2)
    assert measured.axis_frame == len(volume) // 2 + 1


@pytest.mark.parametrize(("spacing", "slice_mm"), [(None, 0.5), (PixelSpacing(0.1, 0.1, "user"), None), (None, None)])
def test_without_both_distances_there_is_no_millimetre(spacing, slice_mm):
    volume = ellipsoid((2, 4, 6), (0.5, 0.5, 0.5))
    measured = measure_volume(by_slice(volume), spacing, slice_mm)
    assert measured.longest_axis.mm is measured.perpendicular_axis.mm is measured.across_slices.mm is None
    assert measured.volume_ml is None
    assert (measured.voxels, measured.across_slices.slices) == (volume.sum(), 9)
    assert measured.longest_axis.px == pytest.approx(25, abs=1)


def test_a_missed_slice_counts_for_the_extent_and_not_for_the_volume():
    volume = ellipsoid((3, 4, 6), (1, 0.5, 0.5))
    whole = measure_volume(by_slice(volume), PixelSpacing(0.5, 0.5, "user"), 1.0)
    masks = by_slice(volume)
    middle = len(volume) // 2 + 1
    missed = masks.pop(middle - 1)
    measured = measure_volume(masks, PixelSpacing(0.5, 0.5, "user"), 1.0)
    assert measured.across_slices == whole.across_slices and measured.voxels == whole.voxels - missed.sum()
    with pytest.raises(UsageError, match="empty in every slice"):
        measure_volume({1: np.zeros((4, 4), bool)})


@pytest.mark.parametrize("slice_mm", [0.3, 1.0, 2.0])
def test_an_ellipsoid_is_one_lesion_up_to_its_poles(slice_mm):
    volume = ellipsoid((7.05, 5, 8), (slice_mm, 0.25, 0.25))
    outlined = sum(bool(mask.any()) for mask in volume)
    (track,) = link_lesions(outlines(volume), rules_for("volume", slice_mm))
    assert len(track.masks) == outlined, "also the small outlines at the poles"
    assert track.key == len(volume) // 2


def test_a_cine_keeps_its_rules():
    assert rules_for("cine", None) == rules_for("still", 3.0) == LinkRules()
    pole = ellipsoid((7.05, 5, 8), (2.0, 0.25, 0.25))
    assert len(link_lesions(outlines(pole))) >= 1


@pytest.mark.parametrize(
    ("slice_mm", "gap", "fewest"), [(0.2, 3, 3), (0.5, 3, 3), (0.75, 2, 2), (1.0, 1, 2), (1.5, 1, 1), (3.0, 0, 1)]
)
def test_gap_and_fewest_slices_follow_from_the_distance_of_the_slices(slice_mm, gap, fewest):
    rules = rules_for("volume", slice_mm)
    assert (rules.longest_gap, rules.fewest_frames, rules.slices) == (gap, fewest, True)


def square(top, left, size):
    pixels = np.zeros((60, 80), bool)
    pixels[top : top + size, left : left + size] = True
    return LesionMask(pixels, "automatic", 0.9)


def test_thick_slices_keep_two_lesions_at_one_place_apart_and_drop_no_small_one():
    stack = [[square(20, 20, 20)] if 2 <= i <= 6 else [] for i in range(14)]
    stack[9] = [square(22, 22, 14)]
    assert [sorted(track.masks) for track in link_lesions(stack, rules_for("volume", 3.0))] == [[2, 3, 4, 5, 6], [9]]
    assert [len(track.masks) for track in link_lesions(stack, rules_for("volume", 0.5))] == [6], "a gap of 1 mm"


def test_a_flicker_in_thin_slices_is_no_lesion():
    stack = [[square(20, 20, 20)] + ([square(2, 60, 8)] if i == 5 else []) for i in range(12)]
    assert len(link_lesions(stack, rules_for("volume", 0.5))) == 1
    assert len(link_lesions(stack, rules_for("volume", 2.0))) == 2


def test_a_lesion_that_splits_towards_its_pole_is_one():
    trunk = [[square(15, 15, 30)] for _ in range(6)]
    horns = [[square(16, 16, 10), square(34, 34, 9)] for _ in range(5)]
    for stack in (trunk + horns, horns + trunk):
        (track,) = link_lesions(stack, rules_for("volume", 0.5))
        assert len(track.masks) == 11
        forked = 8 if stack[0] is trunk[0] else 2
        assert track.masks[forked].pixels.sum() == 181


def test_two_lesions_that_one_slice_joins_stay_two():
    apart = [[square(15, 10, 20), square(15, 40, 18)] for _ in range(12)]
    joined = square(15, 10, 20).pixels | square(15, 40, 18).pixels
    joined[20:25, 10:58] = True
    apart[5] = [LesionMask(joined, "automatic", 0.9)]
    tracks = link_lesions(apart, rules_for("volume", 0.5))
    assert sorted(len(track.masks) for track in tracks) == [11, 12]


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 70), st.integers(3, 10)), max_size=4), max_size=9)
)
def test_no_outlined_pixel_of_a_volume_is_lost(slices):
    masks = [[square(*lesion) for lesion in lesions] for lesions in slices]
    tracks = link_lesions(masks, LinkRules(slices=True, longest_gap=1))
    for index, outlined in enumerate(masks):
        wanted = np.zeros((60, 80), bool)
        for mask in outlined:
            wanted |= mask.pixels
        found = np.zeros((60, 80), bool)
        for track in tracks:
            if index in track.masks:
                found |= track.masks[index].pixels
        assert np.array_equal(found, wanted)


def with_axes(spacing=True):
    axes = measure_volume(
        by_slice(ellipsoid((6, 4, 9), (0.5, 0.2, 0.2))), PixelSpacing(0.2, 0.2, "user") if spacing else None, 0.5
    )
    lesion = STORED.lesions[0].model_copy(update={"volume_axes": axes})
    return STORED.model_copy(update={"lesions": (lesion, STORED.lesions[1])})


def test_axes_are_stored_and_read_back(tmp_path):
    write_analysis(tmp_path / "a.json", with_axes())
    again = read_analysis(tmp_path / "a.json")
    assert again == with_axes() and isinstance(again.lesions[0].volume_axes, VolumeAxes)


def test_the_table_holds_the_axes_and_nothing_where_there_are_none():
    first, second = findings_table(with_axes())
    assert (first["volume_longest_axis_mm"], first["volume_slices"], first["volume_slices_mm"]) == (
        "18.20",
        "25",
        "12.50",
    )
    assert float(first["volume_ml"]) == pytest.approx(4 / 3 * np.pi * 6 * 4 * 9 / 1000, rel=0.02)
    assert not any(value for key, value in second.items() if key.startswith("volume_"))
    columns = list(first)
    order = ["depth_mm", "volume_longest_axis_px", "volume_ml", "area_px"]
    assert all(columns.index(one) < columns.index(other) for one, other in pairwise(order))


def test_the_report_tells_three_axes_of_a_volume_alone():
    lesions = with_axes().lesions
    words = lesion_words(lesions[0])
    assert "Lesion 1 in three dimensions" in words and "0.90 ml" in words and "25 slices" in words
    assert "in three dimensions" not in lesion_words(lesions[1])
    unknown = lesion_words(with_axes(spacing=False).lesions[0])
    assert "no millimetres" in unknown and " ml" not in unknown
