"""The real text finder on rendered names: what it sees, what it leaves alone, and what a cleaned image still shows."""

import numpy as np
import pydicom
import pytest
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.ultrasound.deidentification import text_finding
from BreastUSAssistLib.ultrasound.deidentification.pixels import clean_pixels
from BreastUSAssistLib.ultrasound.deidentification.review import blank_all_found
from BreastUSAssistLib.ultrasound.deidentification.text_boxes import covered
from BreastUSAssistLib.ultrasound.deidentification.text_finding import open_text_finder
from BreastUSAssistLib.ultrasound.deidentification.text_pictures import pictures_of
from BreastUSAssistLib.ultrasound.deidentification.text_strokes import strokes_of
from BreastUSAssistLib.ultrasound.phantom import render
from BreastUSAssistLib.ultrasound.phantom_dicom import save_dicom
from BreastUSAssistLib.ultrasound.phantom_spec import PhantomSpec
from PIL import Image, ImageDraw, ImageFont
from rendered_names import COLOURS, FONTS, SIZES, found_share, named_frames


@pytest.fixture(scope="module")
def finder():
    return open_text_finder()


def test_names_numbers_and_dates_are_found_in_five_fonts_and_sizes(finder):
    """Ten of the fifty frames of Testing/benchmarks/text_finding.py, which has the figure for all."""
    assert len(FONTS) == len(SIZES) == 5 and len(COLOURS) == 3
    found = []
    for named in named_frames(10):
        inside = covered(named.pixels.shape, [text.box for text in finder(named.pixels)])
        found += [found_share(box, inside) >= 0.9 for _, box in named.texts]
    assert len(found) == 40 and sum(found) >= 0.95 * len(found)


def test_tissue_without_text_is_no_text(finder, tmp_path):
    for seed in (21, 22):
        path = save_dicom(render(PhantomSpec(480, 640, 0.085, seed=seed)), tmp_path / f"{seed}.dcm")
        cleaned = clean_pixels(pydicom.dcmread(path), finder=finder, review=blank_all_found)
        assert cleaned.state == "clean" and cleaned.found == ()


def test_a_name_on_a_cine_is_gone_from_every_frame(finder, tmp_path):
    spec = PhantomSpec(360, 480, 0.1, seed=6, frame_count=4)
    dataset = pydicom.dcmread(save_dicom(render(spec), tmp_path / "cine.dcm"))
    frames = dataset.pixel_array.copy()
    ink = np.zeros(frames.shape[1:], bool)
    for index in range(1, 3):
        picture = Image.fromarray(frames[index])
        ImageDraw.Draw(picture).text((150, 200), "ROSSI, MARIA", fill=255, font=ImageFont.load_default(size=18))
        ink |= np.asarray(picture) != frames[index]
        frames[index] = np.asarray(picture)
    dataset.PixelData = frames.tobytes()
    cleaned = clean_pixels(dataset, finder=finder, review=blank_all_found)
    assert cleaned.state == "blanked" and not cleaned.dataset.pixel_array[:, ink].any()
    assert cleaned.blanked_share < 0.5


def test_drawn_strokes_stand_out_of_speckle():
    grey = render(PhantomSpec(240, 320, 0.14, seed=8, screen=False)).frames[0]
    picture = Image.fromarray(grey)
    ImageDraw.Draw(picture).text((60, 60), "SCHMIDT", fill=190, font=ImageFont.load_default(size=20))
    drawn = np.asarray(picture)
    strokes = strokes_of(drawn)
    assert strokes.shape == grey.shape and strokes.dtype == np.uint8
    ink = (drawn == 190) & (grey != 190)
    assert strokes[ink].mean() > 4 * strokes[~ink].mean()
    assert np.array_equal(strokes, strokes_of(np.repeat(drawn[..., None], 3, axis=2)))
    assert not strokes_of(np.zeros((20, 30), np.uint8)).any()


def test_a_cine_of_any_length_costs_twelve_pictures_and_keeps_what_stands():
    frames = np.zeros((50, 8, 9), np.uint8)
    frames[20:23, 2, 3] = 200
    frames[30:32, 5, 5] = 200
    pictures = pictures_of(iter(frames), len(frames))
    assert len(pictures) == 12 and sum(one.frame_number is None for one in pictures) == 6
    assert [one.frame_number for one in pictures if one.frame_number] == [1, 11, 21, 30, 40, 50]
    standing = np.maximum.reduce([one.pixels for one in pictures if one.frame_number is None])
    assert standing[2, 3] == 200 and standing[5, 5] == 0
    assert [one.frame_number for one in pictures_of(frames[:12], 12)] == list(range(1, 13))


def test_a_missing_finder_is_a_sentence_that_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(UsageError, match=r"breastusassist\[deidentify\]"):
        text_finding.open_text_finder()


def test_a_name_cut_by_the_border_of_the_region_leaves_no_stump(finder, tmp_path):
    dataset = pydicom.dcmread(save_dicom(render(PhantomSpec(360, 480, 0.1, seed=6)), tmp_path / "still.dcm"))
    region = dataset.SequenceOfUltrasoundRegions[0]
    top, left = region.RegionLocationMinY0 + 60, region.RegionLocationMinX0 + 40
    region.RegionLocationMinY0 = top
    grey = dataset.pixel_array.copy()
    picture = Image.fromarray(grey)
    # Its lower third lies in the region: too little for any finder, enough for a person.
    ImageDraw.Draw(picture).text((left, top - 14), "ROSSI, MARIA", fill=255, font=ImageFont.load_default(size=20))
    drawn = np.asarray(picture)
    stump = (drawn != grey) & (np.arange(len(grey)) >= top)[:, None]
    assert stump.any()
    dataset.PixelData = drawn.tobytes()
    cleaned = clean_pixels(dataset, finder=finder, review=blank_all_found)
    assert not cleaned.dataset.pixel_array[stump].any() and cleaned.blanked_share < 0.5
