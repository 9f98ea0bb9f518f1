"""The phantom: true sizes, physics that a reader would look for, determinism, and DICOM that validates."""

import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pydicom
import pytest
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.ultrasound.phantom import (
    LesionSpec,
    PhantomSpec,
    render,
    save_dicom,
    save_dicom_frames,
    save_png,
    standard_cases,
)
from BreastUSAssistLib.ultrasound.phantom_lesion import lesion_outline
from BreastUSAssistLib.ultrasound.phantom_spec import EchoPattern, Margin, Overlay, Shape
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

SMALL = PhantomSpec(320, 400, 0.11, seed=3, lesions=(LesionSpec(depth_mm=14, width_mm=12, height_mm=8),))


@settings(max_examples=40, deadline=None)
@given(
    shape=st.sampled_from(get_args(Shape)),
    margin=st.sampled_from(get_args(Margin)),
    width=st.floats(3, 25),
    height=st.floats(3, 25),
    seed=st.integers(0, 10_000),
)
def test_outline_is_exactly_as_large_as_asked(shape, margin, width, height, seed):
    lesion = LesionSpec(shape, margin, depth_mm=20, lateral_mm=3, width_mm=width, height_mm=height)
    step = 0.1
    depth, lateral = np.arange(0, 40, step)[:, None], np.arange(-20, 25, step)[None, :]
    distance = lesion_outline(lesion, np.random.default_rng(seed)).distance_mm(depth, lateral)
    rows, columns = np.nonzero(distance <= 0)
    # A spicule's tip may fall between two pixels, so one side may come out short by a few steps of the grid.
    assert np.ptp(columns) * step == pytest.approx(width, abs=0.09 * width + 2 * step)
    assert np.ptp(rows) * step == pytest.approx(height, abs=0.09 * height + 2 * step)
    assert np.ptp(columns) * step <= width + step
    assert np.ptp(rows) * step <= height + step


def test_the_same_spec_gives_the_same_pixels_and_another_seed_does_not():
    first, again, other = render(SMALL), render(SMALL), render(replace(SMALL, seed=4))
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.masks, again.masks)
    assert not np.array_equal(first.frames, other.frames)


def test_anechoic_is_darker_than_hypoechoic_is_darker_than_isoechoic_is_darker_than_hyperechoic():
    def level(pattern):
        phantom = render(replace(SMALL, lesions=(replace(SMALL.lesions[0], echo_pattern=pattern),)))
        return phantom.frames[0][phantom.masks[0] == 1].mean()

    levels = [level(pattern) for pattern in ("anechoic", "hypoechoic", "isoechoic", "hyperechoic")]
    assert all(brighter > darker + 10 for darker, brighter in pairwise(levels))
    assert set(get_args(EchoPattern)) > {"anechoic", "hypoechoic"}


def test_posterior_features_brighten_and_darken_what_lies_below():
    def below(posterior):
        phantom = render(replace(SMALL, lesions=(replace(SMALL.lesions[0], posterior=posterior),)))
        rows, columns = np.nonzero(phantom.masks[0])
        middle = slice(columns.min() + 15, columns.max() - 15)
        return phantom.frames[0][rows.max() + 5 : rows.max() + 40, middle].mean()

    plain = below("none")
    assert below("enhancement") > plain + 15
    assert below("shadowing") < plain - 40


def test_a_cine_slides_over_its_lesion_and_the_speckle_changes_coherently():
    spec = replace(SMALL, frame_count=13, sweep_mm=16)
    phantom = render(spec)
    areas = (phantom.masks > 0).sum(axis=(1, 2))
    assert areas[0] == areas[-1] == 0
    assert areas.argmax() == 6
    assert all(np.diff(areas[:7]) >= 0)
    assert all(np.diff(areas[6:]) <= 0)
    top, left, bottom, right = phantom.tissue_box
    flat = phantom.frames[:, top:bottom, left:right].reshape(13, -1).astype(float)
    assert np.corrcoef(flat[5], flat[6])[0, 1] > np.corrcoef(flat[5], flat[12])[0, 1] + 0.1
    assert phantom.frame(4).time_ms == pytest.approx(200)


def test_every_overlay_keeps_to_its_declared_regions():
    for overlay in get_args(Overlay):
        phantom = render(replace(SMALL, overlays=(overlay,)))
        assert phantom.frames.dtype == np.uint8
        assert phantom.frames.shape[:3] == phantom.masks.shape
        assert (phantom.frames.ndim == 4) == (overlay in {"colour_doppler", "elastography", "tint"})
        top, left, bottom, right = phantom.tissue_box
        outside = phantom.masks[0].copy()
        outside[top:bottom, left:right] = 0
        assert not outside.any()


@pytest.mark.parametrize("wrong", [{"shape": "square"}, {"margin": "fuzzy"}, {"width_mm": 0}, {"height_mm": -1}])
def test_a_lesion_outside_the_lexicon_is_refused(wrong):
    with pytest.raises(UsageError):
        LesionSpec(**wrong)


def test_a_phantom_too_small_to_hold_tissue_is_refused():
    with pytest.raises(UsageError):
        PhantomSpec(rows=10)


def test_png_files_read_back_identical(tmp_path):
    phantom = render(replace(SMALL, frame_count=2))
    images = save_png(phantom, tmp_path)
    assert [path.name for path in images] == ["0001.png", "0002.png"]
    for index, path in enumerate(images):
        assert np.array_equal(np.asarray(Image.open(path)), phantom.frames[index])
        mask = Image.open(tmp_path / "masks" / path.name)
        assert mask.mode == "L"
        assert np.array_equal(np.asarray(mask), phantom.masks[index])


@pytest.mark.parametrize("coding", ["uncompressed", "rle"])
@pytest.mark.parametrize("frame_count", [1, 3])
@pytest.mark.parametrize("overlay", [(), ("colour_doppler",), ("m_mode",)])
def test_dicom_reads_back_identical_and_validates(tmp_path, coding, frame_count, overlay):
    phantom = render(replace(SMALL, frame_count=frame_count, overlays=overlay))
    path = save_dicom(phantom, tmp_path / "phantom.dcm", coding)
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array if frame_count > 1 else dataset.pixel_array[None]
    assert np.array_equal(pixels, phantom.frames)
    region = dataset.SequenceOfUltrasoundRegions[0]
    top, left, bottom, right = phantom.tissue_box
    assert (region.RegionLocationMinY0, region.RegionLocationMinX0) == (top, left)
    assert (region.RegionLocationMaxY1, region.RegionLocationMaxX1) == (bottom - 1, right - 1)
    assert region.PhysicalDeltaX == pytest.approx(0.011)
    assert dataset.PatientID == "PHANTOM-3"
    _validate(path)


def test_frames_as_single_files_share_a_series_and_validate(tmp_path):
    phantom = render(replace(SMALL, frame_count=3))
    paths = save_dicom_frames(phantom, tmp_path)
    datasets = [pydicom.dcmread(path) for path in paths]
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == 3
    assert len({dataset.SeriesInstanceUID for dataset in datasets}) == 1
    assert [int(dataset.InstanceNumber) for dataset in datasets] == [1, 2, 3]
    for path in paths:
        _validate(path)


def test_uids_follow_from_the_spec_alone(tmp_path):
    phantom, other = render(SMALL), render(replace(SMALL, seed=9))
    uids = [
        pydicom.dcmread(save_dicom(p, tmp_path / f"{i}.dcm")).SOPInstanceUID
        for i, p in enumerate((phantom, phantom, other))
    ]
    assert uids[0] == uids[1] != uids[2]
    assert all(uid.is_valid for uid in uids)


def test_standard_cases_hold_the_lesions_that_they_name():
    cases = standard_cases()
    assert {"oval-circumscribed", "irregular-spiculated", "cyst", "two-lesions", "normal", "cine"} <= set(cases)
    for name, lesions in (("two-lesions", 2), ("normal", 0), ("irregular-spiculated", 1)):
        phantom = render(cases[name])
        assert sorted(set(np.unique(phantom.masks)) - {0}) == list(range(1, lesions + 1))
    assert cases["cine"].frame_count == 31


def _validate(path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in said.stderr + said.stdout, said.stderr
