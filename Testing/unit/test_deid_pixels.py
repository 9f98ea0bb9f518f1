"""Cleaned pixels: nothing outside the ultrasound regions, no text without a decision, everything else as it was."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.ultrasound.deidentification.header import deidentify_dataset
from BreastUSAssistLib.ultrasound.deidentification.pixels import clean_pixels
from BreastUSAssistLib.ultrasound.deidentification.review import (
    ReviewAnswer,
    ReviewQuestion,
    blank_all_found,
    drop_where_found,
)
from BreastUSAssistLib.ultrasound.deidentification.text_boxes import TextBox, covered, merged
from BreastUSAssistLib.ultrasound.deidentification.uids import DeidentificationKey
from BreastUSAssistLib.ultrasound.phantom import render
from BreastUSAssistLib.ultrasound.phantom_dicom import save_dicom
from BreastUSAssistLib.ultrasound.phantom_spec import PhantomSpec
from BreastUSAssistLib.ultrasound.reading import open_clip
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, RLELossless

SMALL = PhantomSpec(240, 320, 0.14, seed=3)
LOSSY = "1.2.840.10008.1.2.4.50"


class White:
    """Finds what is pure white: it stands for text, and costs nothing."""

    version = "white 1"

    def __call__(self, picture: np.ndarray) -> list[TextBox]:
        grey = picture if picture.ndim == 2 else picture.min(axis=2)
        rows, columns = np.nonzero(grey == 255)
        if not rows.size:
            return []
        return [TextBox((int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1))]


def never(question: ReviewQuestion) -> ReviewAnswer:
    raise AssertionError("nobody is asked where no text is found")


def phantom(folder: Path, spec: PhantomSpec = SMALL, **more: object) -> Dataset:
    return pydicom.dcmread(save_dicom(render(spec), folder / "phantom.dcm", **more))


def frames_of(dataset: Dataset, folder: Path) -> np.ndarray:
    path = folder / "written.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return np.stack([frame.pixels for frame in open_clip(path)])


def with_name(dataset: Dataset, shown: range = range(1), place: tuple[int, int] = (150, 120)) -> Dataset:
    """The data set with a white name on its tissue in some frames, and none that white elsewhere."""
    pixels = np.minimum(dataset.pixel_array, 250).copy()
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    for index in shown:
        picture = Image.fromarray(pixels[index])
        ImageDraw.Draw(picture).text(place[::-1], "DOE, JANE", fill=255, font=ImageFont.load_default(size=14))
        pixels[index] = np.asarray(picture)
    dataset.PixelData = pixels.tobytes()
    return dataset


@pytest.mark.parametrize(
    "name",
    [
        "ExplVR_BigEnd",
        "JPGLosslessP14SV1_1s_1f_8b",
        "OBXXXX1A_2frame",
        "SC_ybr_full_422_uncompressed",
        "US-RGB-8-epicard",
        "US-YBR_FULL_422-EVRLE",
        "US1_J2KR",
        "US1_RLE",
        "examples_palette",
        "examples_ybr_color",
    ],
)
def test_every_coding_keeps_its_regions_to_the_pixel_and_nothing_else(name, data_root, tmp_path):
    path = data_root / "dicom_us" / f"{name}.dcm"
    dataset = pydicom.dcmread(path)
    before = dataset.PhotometricInterpretation, bytes(dataset.PixelData)
    cleaned = clean_pixels(dataset, finder=lambda picture: (), review=never)
    assert cleaned.state == "clean" and cleaned.dataset.BurnedInAnnotation == "NO"
    assert (dataset.PhotometricInterpretation, bytes(dataset.PixelData)) == before
    cleaned.dataset.save_as(tmp_path / "cleaned.dcm", enforce_file_format=True)
    old, new = open_clip(path), open_clip(tmp_path / "cleaned.dcm")
    assert len(old) == len(new) and new.frame(0).regions == old.frame(0).regions
    for index in (0, len(old) - 1):
        was, now = old.frame(index).pixels, new.frame(index).pixels
        kept = covered(was.shape, cleaned.kept_regions)
        assert np.array_equal(was[kept], now[kept]) and not now[~kept].any()
    lossy = str(dataset.file_meta.TransferSyntaxUID) == LOSSY
    assert not lossy or cleaned.dataset.LossyImageCompression == "01"


def test_compressed_stays_compressed_without_loss(tmp_path):
    cleaned = clean_pixels(phantom(tmp_path, coding="rle"), finder=White(), review=blank_all_found)
    assert cleaned.dataset.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert cleaned.dataset["PixelData"].is_undefined_length


def test_surrounds_are_found_where_there_are_no_regions_or_they_are_the_screen(tmp_path):
    spec = PhantomSpec(480, 640, 0.085, seed=3)
    dataset = phantom(tmp_path, spec, regions=False)
    cleaned = clean_pixels(dataset, finder=lambda picture: (), review=never)
    assert cleaned.regions_from == "tissue" and len(cleaned.kept_regions) == 1
    assert np.abs(np.subtract(cleaned.kept_regions[0], spec.tissue_box)).max() <= 4
    item = Dataset()
    item.RegionLocationMinX0 = item.RegionLocationMinY0 = 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = 639, 479
    dataset.SequenceOfUltrasoundRegions = [item]
    assert clean_pixels(dataset, finder=lambda picture: (), review=never).kept_regions == cleaned.kept_regions


def test_what_is_found_is_blanked_in_every_frame(tmp_path):
    spec = PhantomSpec(240, 320, 0.14, seed=4, frame_count=3)
    dataset = with_name(phantom(tmp_path, spec), range(1, 2))
    cleaned = clean_pixels(dataset, finder=White(), review=blank_all_found)
    assert cleaned.state == "blanked" and cleaned.blanked == cleaned.found != ()
    frames = frames_of(cleaned.dataset, tmp_path)
    blanked = covered(frames.shape[1:], cleaned.blanked)
    assert not frames[:, blanked].any() and (frames < 255).all()
    kept = covered(frames.shape[1:], cleaned.kept_regions) & ~blanked
    assert np.array_equal(frames[:, kept], dataset.pixel_array[:, kept])
    assert cleaned.blanked_share == pytest.approx(1 - kept.mean())


def test_a_person_blanks_more_accepts_or_drops(tmp_path):
    asked: list[ReviewQuestion] = []
    answers = iter([ReviewAnswer("blank", ((-5, 0, 40, 9999),)), ReviewAnswer("accept")])

    def person(question: ReviewQuestion) -> ReviewAnswer:
        asked.append(question)
        return next(answers)

    cleaned = clean_pixels(with_name(phantom(tmp_path)), finder=White(), review=person)
    assert cleaned.state == "accepted" and cleaned.blanked == ((0, 0, 40, 320),)
    assert [one.found for one in asked] == [cleaned.found] * 2 and len(asked[0].pictures) == 1
    assert asked[0].pictures[0].pixels[:40].any() and not asked[1].pictures[0].pixels[:40].any()
    frames = frames_of(cleaned.dataset, tmp_path)
    assert (frames == 255).any() and not frames[:, :40].any()
    dropped = clean_pixels(with_name(phantom(tmp_path)), finder=White(), review=drop_where_found)
    assert dropped.dataset is None and dropped.state == "dropped"


def test_blanking_without_end_drops_the_image(tmp_path):
    elsewhere = ReviewAnswer("blank", ((0, 0, 2, 2),))
    cleaned = clean_pixels(with_name(phantom(tmp_path)), finder=White(), review=lambda question: elsewhere)
    assert cleaned.state == "dropped"
    outside = ReviewAnswer("blank", ((900, 900, 901, 901),))
    with pytest.raises(InputError, match="no box lies in it"):
        clean_pixels(with_name(phantom(tmp_path)), finder=White(), review=lambda question: outside)


def test_text_that_stands_for_three_frames_of_a_long_cine_is_found(tmp_path):
    spec = PhantomSpec(120, 160, 0.3, seed=5, frame_count=40)
    dataset = with_name(phantom(tmp_path, spec), range(17, 20), (70, 40))
    searches = []

    class Counting(White):
        def __call__(self, picture: np.ndarray) -> list[TextBox]:
            searches.append(picture)
            return super().__call__(picture)

    cleaned = clean_pixels(dataset, finder=Counting(), review=blank_all_found)
    assert cleaned.state == "blanked" and (frames_of(cleaned.dataset, tmp_path) < 255).all()
    assert len(searches) == 15, (
        "the border twice, twelve pictures of the cine, and the one with text again once blanked"
    )


@pytest.mark.parametrize(("frames", "shown"), [(5, range(3, 4)), (20, range(9, 13))])
def test_text_across_the_border_of_a_region_goes_whole_whichever_frame_shows_it(frames, shown, tmp_path):
    dataset = phantom(tmp_path, PhantomSpec(120, 160, 0.3, seed=5, frame_count=frames))
    (region, *_) = dataset.SequenceOfUltrasoundRegions
    top, left = int(region.RegionLocationMinY0), int(region.RegionLocationMinX0) + 20
    pixels = np.minimum(dataset.pixel_array, 250).copy()
    pixels[:, : top + 12] = 0
    pixels[shown.start : shown.stop, top - 6 : top + 6, left : left + 60] = 255
    dataset.PixelData = pixels.tobytes()
    cleaned = clean_pixels(dataset, finder=White(), review=drop_where_found)
    assert cleaned.state == "clean"
    assert not frames_of(cleaned.dataset, tmp_path)[shown.start, top : top + 6, left : left + 60].any()


def test_palette_signed_and_inverted_values_are_blanked_black(data_root, tmp_path):
    dataset = phantom(tmp_path)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    inverted = clean_pixels(dataset, finder=lambda picture: (), review=never)
    assert inverted.dataset.pixel_array[0, 0] == 255 and frames_of(inverted.dataset, tmp_path)[0, 0, 0] == 0
    dataset = phantom(tmp_path)
    values = dataset.pixel_array.astype(np.int16) - 100
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 1
    # Bits above the stored ones held overlays once: they could hold a name.
    dataset.PixelData = (values.view(np.uint16) & 0x0FFF | 0x5000).tobytes()
    dataset["PixelData"].VR = "OW"
    before = np.stack([frame.pixels for frame in _clip(dataset, tmp_path)])
    for compressed in (False, True):
        if compressed:
            dataset.PixelData = (values.view(np.uint16)).tobytes()
            dataset.compress(RLELossless, generate_instance_uid=False)
        cleaned = clean_pixels(dataset, finder=lambda picture: (), review=never)
        assert cleaned.dataset.pixel_array[0, 0] == -2048 and cleaned.dataset.pixel_array.max() <= 155
        assert compressed or not (np.frombuffer(cleaned.dataset.PixelData, np.int16) >= 2048).any()
        kept = covered(before.shape[1:], cleaned.kept_regions)
        assert np.array_equal(frames_of(cleaned.dataset, tmp_path)[:, kept], before[:, kept])


def test_a_palette_in_segments_keeps_its_colours(data_root, tmp_path):
    source = data_root / "dicom_us" / "examples_palette.dcm"
    dataset = pydicom.dcmread(source)
    for channel in ("Red", "Green", "Blue"):
        levels = np.frombuffer(dataset[f"{channel}PaletteColorLookupTableData"].value, "<u2")
        # One discrete segment holds them all (PS3.3 C.7.9.2.1).
        segment = np.array([0, len(levels), *levels], "<u2").tobytes()
        dataset.add_new(f"Segmented{channel}PaletteColorLookupTableData", "OW", segment)
        del dataset[f"{channel}PaletteColorLookupTableData"]
    cleaned = clean_pixels(dataset, finder=lambda picture: (), review=never)
    written = deidentify_dataset(cleaned.dataset, DeidentificationKey(b"k" * 32), pixels_clean=True).dataset
    before = open_clip(source).frame(0).pixels
    kept = covered(before.shape, cleaned.kept_regions)
    assert before[kept].any() and np.array_equal(frames_of(written, tmp_path)[0][kept], before[kept])


def test_icons_overlays_and_padding_go(tmp_path):
    dataset = phantom(tmp_path)
    icon = Dataset()
    icon.PixelData = b"\0\0"
    dataset.IconImageSequence = [icon]
    dataset.add_new(0x60003000, "OW", b"\xff\xff")
    dataset.add_new(0xFFFCFFFC, "OB", b"JANE")
    dataset.LargestImagePixelValue = 255
    cleaned = clean_pixels(dataset, finder=lambda picture: (), review=never).dataset
    left = {"IconImageSequence", "LargestImagePixelValue", "DataSetTrailingPadding"} & set(cleaned.dir())
    assert not left and (0x6000, 0x3000) not in cleaned
    assert "IconImageSequence" in dataset


@pytest.mark.parametrize("damage", ["no pixels", "cut off", "no syntax", "no rows"])
def test_damage_is_one_sentence_that_names_the_image(damage, tmp_path):
    dataset = phantom(tmp_path)
    if damage == "no pixels":
        del dataset.PixelData
    elif damage == "cut off":
        dataset.PixelData = dataset.PixelData[:100]
    elif damage == "no syntax":
        del dataset.file_meta.TransferSyntaxUID
    else:
        del dataset.Rows
    with pytest.raises(InputError, match=r"^a\.dcm [^.]*[;.].*\.$"):
        clean_pixels(dataset, finder=White(), review=never, label="a.dcm")


def test_boxes_within_others_are_left_out():
    assert merged([(0, 0, 9, 9), (1, 1, 5, 5), (0, 0, 9, 9), (5, 5, 12, 12)]) == ((0, 0, 9, 9), (5, 5, 12, 12))


def _clip(dataset: Dataset, folder: Path):
    dataset.save_as(folder / "source.dcm", enforce_file_format=True)
    return open_clip(folder / "source.dcm")


@pytest.mark.parametrize("interpretation", ["MONOCHROME2", "MONOCHROME1"])
def test_grey_levels_of_16_bits_stay_though_the_lightest_pixel_is_blanked(interpretation, tmp_path):
    dataset = phantom(tmp_path)
    values = dataset.pixel_array.astype(np.uint16) * 8
    values[0, 0] = 60_000
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PhotometricInterpretation = 15, interpretation
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OW"
    before = np.stack([frame.pixels for frame in _clip(dataset, tmp_path)])
    cleaned = clean_pixels(dataset, finder=lambda picture: (), review=never)
    kept = covered(before.shape[1:], cleaned.kept_regions)
    assert np.array_equal(frames_of(cleaned.dataset, tmp_path)[:, kept], before[:, kept])


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_flipped_bytes_of_compressed_pixels_are_a_sentence_or_a_picture(syntax, tmp_path):
    dataset = phantom(tmp_path, PhantomSpec(96, 96, 0.3, seed=2, screen=False))
    dataset.compress(syntax, generate_instance_uid=False)
    sound = bytes(dataset.PixelData)
    for seed in range(25):
        random = np.random.default_rng(seed)
        damaged = np.frombuffer(sound, np.uint8).copy()
        damaged[random.integers(0, len(damaged), 4)] ^= random.integers(1, 256, 4, np.uint8)
        dataset.PixelData = damaged.tobytes()
        try:
            cleaned = clean_pixels(dataset, finder=lambda picture: (), review=never, label="a.dcm")
        except InputError as error:
            assert str(error).startswith("a.dcm") and str(error).endswith(".")
        else:
            assert cleaned.dataset.BurnedInAnnotation == "NO"
