"""Input gates and the tissue rectangle, on phantoms, on real images and on what is no ultrasound."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from BreastUSAssistLib.ultrasound.frame import SourceReference, UltrasoundFrame, UltrasoundRegion
from BreastUSAssistLib.ultrasound.gates import GATES, check_frame
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases
from BreastUSAssistLib.ultrasound.tissue import inside, tissue_box, tissue_panels
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

SOURCE = SourceReference(Path("frame"))
OVERLAYS = {
    "calipers": "overlay",
    "text": "overlay",
    "colour_doppler": "colour_doppler",
    "elastography": "elastography",
    "split_view": "split_view",
    "m_mode": "m_mode",
    "spectral_doppler": "spectral_doppler",
}
OVAL = standard_cases()["oval-circumscribed"]


def codes(pixels, header=None, regions=()):
    return [gate.code for gate in check_frame(UltrasoundFrame(pixels, SOURCE, regions), header)]


@pytest.mark.parametrize("name", sorted(standard_cases()))
@pytest.mark.parametrize("screen", [True, False])
def test_plain_phantoms_pass(name, screen):
    phantom = render(replace(standard_cases()[name], frame_count=1, screen=screen))
    assert check_frame(phantom.frame()) == ()
    assert codes(phantom.frames[0]) == ["no_spacing"]


@pytest.mark.parametrize("overlay", sorted(OVERLAYS))
@pytest.mark.parametrize("screen", [True, False])
def test_every_overlay_is_seen_with_and_without_regions(overlay, screen):
    phantom = render(replace(OVAL, overlays=(overlay,), screen=screen))
    assert OVERLAYS[overlay] in [gate.code for gate in check_frame(phantom.frame())]
    assert OVERLAYS[overlay] in codes(phantom.frames[0])


@pytest.mark.parametrize("screen", [True, False])
def test_a_tinted_grey_map_is_not_colour_doppler(screen):
    assert codes(render(replace(OVAL, overlays=("tint",), screen=screen)).frames[0]) == ["no_spacing"]


@pytest.mark.parametrize("gap", [3, 40])
def test_two_views_side_by_side(gap):
    halves = [render(replace(OVAL, screen=False, columns=380, seed=seed)).frames[0] for seed in (1, 2)]
    joined = np.hstack([halves[0], np.zeros((600, gap), np.uint8), halves[1]])
    assert "split_view" in codes(joined)


def test_blank_saturated_and_small():
    tissue = render(replace(OVAL, screen=False)).frames[0]
    assert codes(np.zeros((300, 400), np.uint8))[0] == "blank"
    assert codes(np.full((300, 400), 255, np.uint8))[0] == "blank"
    assert codes(tissue[:60, :60])[0] == "too_small"
    assert "saturated" in codes(np.minimum(tissue * 2.4, 255).astype(np.uint8))


def test_noise_paper_and_drawings_are_not_ultrasound():
    random = np.random.default_rng(1)
    page = Image.new("L", (640, 800), 255)
    drawing = Image.new("L", (640, 480), 200)
    for row in range(30, 780, 18):
        ImageDraw.Draw(page).text((30, row), "Mammography of both breasts, two views each. " * 2, fill=0)
    ImageDraw.Draw(drawing).ellipse((100, 100, 500, 400), fill=90)
    for pixels in (random.integers(0, 256, (480, 640)), np.asarray(page), np.asarray(drawing)):
        assert "not_ultrasound" in codes(pixels.astype(np.uint8))


def test_photographs_are_not_ultrasound():
    data = pytest.importorskip("skimage.data")
    assert "not_ultrasound" in codes(data.camera())
    assert "not_ultrasound" in codes(data.astronaut())


def test_the_header_speaks_where_the_pixels_do_not():
    pixels = render(replace(OVAL, screen=False)).frames[0]

    def header(modality, *image_type):
        dataset = pydicom.Dataset()
        dataset.Modality = modality
        dataset.ImageType = list(image_type)
        return dataset

    assert "not_ultrasound" in codes(pixels, header("CT", "ORIGINAL", "PRIMARY"))
    assert "m_mode" in codes(pixels, header("US", "ORIGINAL", "PRIMARY", "BREAST", "0003"))
    assert "spectral_doppler" in codes(pixels, header("US", "ORIGINAL", "PRIMARY", "BREAST", "0009"))
    assert "colour_doppler" in codes(pixels, header("US", "ORIGINAL", "PRIMARY", "BREAST", "0011"))
    assert codes(pixels, header("US", "ORIGINAL", "PRIMARY", "BREAST", "0001")) == ["no_spacing"]
    assert codes(pixels, header("UNKNOWN", "DERIVED", "SECONDARY", "", "ZZZZ")) == ["no_spacing"]
    assert codes(pixels, pydicom.Dataset()) == ["no_spacing"]


def test_one_area_declared_twice_is_not_a_split_view():
    phantom = render(OVAL)
    assert "split_view" not in codes(phantom.frames[0], regions=(*phantom.regions, *phantom.regions))


def test_gates_come_gravest_first_and_say_what_to_do():
    found = check_frame(UltrasoundFrame(render(replace(OVAL, overlays=("m_mode", "calipers"))).frames[0], SOURCE))
    order = {"stop": 0, "warn": 1, "note": 2}
    assert [order[gate.severity] for gate in found] == sorted(order[gate.severity] for gate in found)
    for severity, message in GATES.values():
        assert severity in order
        assert message.endswith(".")
        assert message.count(". ") == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_array_of_pixels_breaks_the_gates(data):
    shape = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    if data.draw(st.booleans()):
        shape = (*shape, 3)
    frame = UltrasoundFrame(data.draw(arrays(np.uint8, shape)), SOURCE)
    top, left, bottom, right = tissue_box(frame)
    assert 0 <= top < bottom <= frame.rows
    assert 0 <= left < right <= frame.columns
    assert check_frame(frame)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(100, 300), columns=st.integers(100, 300), colour=st.booleans())
def test_no_frame_of_random_blocks_breaks_the_gates(seed, rows, columns, colour):
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (5, 6, 3) if colour else (5, 6)) * random.integers(
        0, 2, (5, 6, 1)[: 3 if colour else 2]
    )
    pixels = np.kron(blocks, np.ones((60, 50, 1)[: 3 if colour else 2])).astype(np.uint8)[:rows, :columns]
    assert check_frame(UltrasoundFrame(pixels, SOURCE))


@pytest.mark.parametrize("name", sorted(standard_cases()))
def test_the_tissue_rectangle_of_a_screen_is_found_from_its_pixels(name):
    spec = replace(standard_cases()[name], frame_count=1)
    found = tissue_box(UltrasoundFrame(render(spec).frames[0], SOURCE))
    assert np.abs(np.subtract(found, spec.tissue_box)).max() <= 3
    bare = replace(spec, screen=False)
    assert tissue_box(UltrasoundFrame(render(bare).frames[0], SOURCE)) == (0, 0, bare.rows, bare.columns)


def test_the_largest_tissue_region_wins_over_the_pixels():
    regions = tuple(UltrasoundRegion(box, 1, 1, 0, None) for box in ((0, 0, 20, 20), (50, 60, 250, 300)))
    frame = UltrasoundFrame(np.zeros((300, 400), np.uint8), SOURCE, regions)
    assert tissue_box(frame) == (50, 60, 250, 300)


def test_real_images_raise_few_false_alarms_and_keep_their_lesions_in_the_tissue(data_root):
    share = {}
    for name in ("busbra", "busi", "breast"):
        paths = sorted((data_root / name / "images").glob("*.webp"))[::12]
        found = []
        for path in paths:
            pixels = np.asarray(Image.open(path))
            found.append(set(codes(pixels)))
            mask = np.asarray(Image.open(data_root / name / "masks" / f"{path.stem}.png"))
            panels = tissue_panels(np.asarray(Image.open(path).convert("L")))
            assert np.count_nonzero(inside(mask, panels[0])) == np.count_nonzero(mask), path.name
        alarms = [one - {"no_spacing", "overlay"} for one in found]
        assert sum(map(bool, alarms)) <= 0.02 * len(paths)
        share[name] = np.mean(["overlay" in one for one in found])
    assert share["busbra"] > 0.8
    assert 0.1 < share["busi"] < 0.35
    assert share["breast"] < 0.05


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("US1_UNCR.dcm", "colour_doppler"),
        ("US-RGB-8-epicard.dcm", "colour_doppler"),
        ("US-RGB-8-esopecho.dcm", "colour_doppler"),
        ("examples_rgb_color.dcm", "colour_doppler"),
        ("JPGLosslessP14SV1_1s_1f_8b.dcm", None),
        ("examples_ybr_color.dcm", None),
        ("DIRW0007_ACUSON_JPEGbaseline_YBR_FULL_422_65frames.dcm", None),
    ],
)
def test_other_vendors_files(data_root, name, expected):
    from BreastUSAssistLib.ultrasound.reading import open_clip

    clip = open_clip(data_root / "dicom_us" / name)
    found = {gate.code for gate in check_frame(clip.frame(0), clip.headers[0])} - {"no_spacing", "overlay"}
    assert (expected in found) if expected else not found
