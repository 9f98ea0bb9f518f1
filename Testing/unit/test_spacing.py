"""Millimetres only where the file gives them for those very pixels."""

import numpy as np
import pytest
import ultrasound_files as us
from BreastUSAssistLib.ultrasound.frame import PixelSpacing
from BreastUSAssistLib.ultrasound.reading import open_clip, read_frame
from BreastUSAssistLib.ultrasound.spacing import pixel_spacing_of, regions_of
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

ROWS, COLUMNS = 48, 64


def regions(*items):
    ds = Dataset()
    ds.SequenceOfUltrasoundRegions = list(items)
    return regions_of(ds, ROWS, COLUMNS)


def test_region_in_centimetres_gives_positive_millimetres():
    (found,) = regions(us.region((4, 6, 40, 50), PhysicalDeltaX=-0.02, PhysicalDeltaY=0.01, RegionFlags=3))
    assert found.box == (4, 6, 41, 51)
    assert found.spacing == PixelSpacing(pytest.approx(0.1), pytest.approx(0.2), "ultrasound_region")
    assert found.flags == 3
    assert found.is_tissue


@pytest.mark.parametrize(
    "told",
    [
        {"PhysicalUnitsXDirection": 4},
        {"PhysicalUnitsYDirection": 0},
        {"PhysicalDeltaX": 0.0},
        {"PhysicalDeltaY": float("nan")},
        {"PhysicalDeltaX": 1.0, "PhysicalDeltaY": 1.0},
    ],
)
def test_other_units_and_impossible_deltas_give_none(told):
    assert regions(us.region((0, 0, 40, 50), **told))[0].spacing is None


def test_dual_view_and_time_axis_each_have_their_own_spacing(tmp_path):
    items = [
        us.region((0, 0, 39, 31), PhysicalDeltaX=0.01, PhysicalDeltaY=0.01),
        us.region((0, 32, 39, 63), PhysicalDeltaX=0.03, PhysicalDeltaY=0.03),
        us.region((40, 0, 47, 63), RegionSpatialFormat=2, RegionDataType=1, PhysicalUnitsXDirection=4),
    ]
    path = us.write_grey(tmp_path / "a.dcm", SequenceOfUltrasoundRegions=items, PixelSpacing=[0.7, 0.7])
    frame = read_frame(path)
    assert frame.spacing_in((5, 5, 20, 20)).row_mm == pytest.approx(0.1)
    assert frame.spacing_in((5, 40, 20, 60)).row_mm == pytest.approx(0.3)
    assert not frame.regions[2].is_tissue


def test_regions_outside_are_dropped_and_those_over_the_edge_clipped():
    found = regions(
        us.region((100, 0, 140, 50)),
        us.region((0, 0, 47, COLUMNS)),
        us.region((10, 10, 400, 60)),
    )
    assert [region.box for region in found] == [(0, 0, 48, 64), (10, 10, 48, 61)]
    assert all(region.spacing for region in found)


def test_region_of_a_larger_frame_has_no_spacing_after_shrinking():
    (found,) = regions(us.region((20, 30, 90, 120)))
    assert found.box == (20, 30, 48, 64)
    assert found.spacing is None


def test_swapped_corners_and_missing_bounds():
    broken = us.region((0, 0, 9, 9))
    del broken.RegionLocationMaxX1
    assert [region.box for region in regions(us.region((40, 50, 4, 6)), broken)] == [(4, 6, 41, 51)]


@given(st.tuples(*[st.integers(0, 5000)] * 4), st.floats(-1, 1), st.floats(-1, 1))
def test_boxes_lie_in_the_frame_and_spacing_is_positive(corners, delta_x, delta_y):
    for found in regions(us.region(corners, PhysicalDeltaX=delta_x, PhysicalDeltaY=delta_y)):
        top, left, bottom, right = found.box
        assert 0 <= top < bottom <= ROWS
        assert 0 <= left < right <= COLUMNS
        assert found.spacing is None or min(found.spacing.row_mm, found.spacing.column_mm) > 0


def test_pixel_spacing_is_row_then_column(tmp_path):
    frame = read_frame(us.write_grey(tmp_path / "a.dcm", PixelSpacing=[0.2, 0.1]))
    assert frame.spacing_in((0, 0, 5, 5)) == PixelSpacing(0.2, 0.1, "pixel_spacing")


@pytest.mark.parametrize(
    "told",
    [
        {"PixelSpacing": [1, 1]},
        {"PixelSpacing": [0, 0.1]},
        {"PixelSpacing": None},
        {"ImagerPixelSpacing": [0.1, 0.1]},
        {"NominalScannedPixelSpacing": [0.1, 0.1]},
        {},
    ],
)
def test_placeholders_and_spacings_of_film_or_detector_are_no_spacing(tmp_path, told):
    assert read_frame(us.write_grey(tmp_path / "a.dcm", **told)).spacing_in((0, 0, 5, 5)) is None


def test_enhanced_volume_by_its_functional_groups(tmp_path):
    measures, shared, frames = Dataset(), Dataset(), []
    measures.PixelSpacing, measures.SliceThickness = [0.2, 0.3], 0.5
    shared.PixelMeasuresSequence = [measures]
    for number in range(3):
        position, group = Dataset(), Dataset()
        position.ImagePositionVolume = [0, 0, 0.5 * number]
        group.PlanePositionVolumeSequence = [position]
        frames.append(group)
    pixels = us.picture(3)[..., 0]
    ds = us.header(
        pixels,
        "MONOCHROME2",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.6.2",
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )
    clip = open_clip(us.write(tmp_path / "volume.dcm", ds, pixels.tobytes()))
    assert (clip.kind, clip.frame_count, clip.slice_mm) == ("volume", 3, pytest.approx(0.5))
    assert clip.frame(2).spacing_in((0, 0, 9, 9)) == PixelSpacing(0.2, 0.3, "pixel_spacing")
    assert np.array_equal(clip.frame(2).pixels, pixels[2])


def test_nothing_said_gives_none():
    assert pixel_spacing_of(Dataset()) is None
    assert regions_of(Dataset(), 10, 10) == ()


def test_real_files(data_root):
    folder = data_root / "dicom_us"
    acuson = read_frame(folder / "DIRW0007_ACUSON_JPEGbaseline_YBR_FULL_422_65frames.dcm")
    assert acuson.spacing_in((100, 100, 200, 200)).column_mm == pytest.approx(0.5248, abs=1e-4)
    assert acuson.spacing_in((33, 1, 40, 10)) is None
    cropped = read_frame(folder / "examples_palette.dcm")
    assert [region.box for region in cropped.regions] == [(60, 120, 350, 800)]
    assert cropped.spacing_in((100, 200, 200, 300)).row_mm == pytest.approx(0.2623, abs=1e-4)
    # The depth scale in the picture shows 1.0 mm a pixel, the region of the original size 0.51.
    assert read_frame(folder / "examples_ybr_color.dcm").spacing_in((100, 120, 150, 200)) is None
    assert read_frame(folder / "SC_ybr_full_422_uncompressed.dcm").spacing_in((0, 0, 50, 50)) is None
