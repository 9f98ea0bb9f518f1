"""Bad files: each gives one sentence that names it, the others are still opened, and no patient is named."""

import io
import logging
import os
import pickle
import threading
import warnings
import zlib

import nibabel
import nrrd
import numpy as np
import pydicom
import pytest
import ultrasound_files as us
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.ultrasound.frame import Clip
from BreastUSAssistLib.ultrasound.quiet import quiet
from BreastUSAssistLib.ultrasound.reading import open_clip, open_clips, read_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate

GREY = us.picture()[0, ..., 0]


def opened(*inputs, workspace):
    found = list(open_clips(inputs, workspace))
    return [x for x in found if isinstance(x, Clip)], [str(x) for x in found if isinstance(x, InputError)]


def refusal(path):
    """The sentence for a file that must not open (or, where only the pixels tell, decode)."""
    with pytest.raises(InputError) as caught:
        read_frame(path)
    sentence = str(caught.value)
    assert path.name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "SECRET" not in sentence
    assert caught.value.__cause__ is None
    return sentence


def png_header(columns, rows):
    """A PNG that declares a size and holds no pixels."""
    chunk = b"IHDR" + columns.to_bytes(4, "big") + rows.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    parts = [len(c[4:]).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in (chunk, data, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("name", ["a.dcm", "a.png", "a", "a.nii.gz", "a.nrrd", "a.zip"])
def test_empty_files(tmp_path, name):
    (tmp_path / name).touch()
    assert "is empty" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.dcm", "a.png", "a.jpg", "a.nrrd"])
def test_text_and_random_bytes_under_an_image_name(tmp_path, name):
    (tmp_path / name).write_text("Dear colleague, enclosed please find\n")
    assert "is a text file" in refusal(tmp_path / name)
    (tmp_path / name).write_bytes(os.urandom(5000))
    refusal(tmp_path / name)


@pytest.mark.parametrize("magic", [b"\0" * 128 + b"DICM", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"BM"])
def test_random_bytes_behind_a_true_magic(tmp_path, magic):
    path = tmp_path / "a.bin"
    for seed in range(20):
        path.write_bytes(magic + np.random.default_rng(seed).bytes(3000))
        refusal(path)


def test_wrong_extensions_are_no_matter(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.dcm")
    us.write_grey(tmp_path / "b.png")
    for name in ("a.dcm", "b.png"):
        assert np.array_equal(read_frame(tmp_path / name).pixels, GREY)


@pytest.mark.parametrize("size", [(20_000, 20_000), (9000, 9000), (1, 70_000_000)])
def test_huge_images_are_refused_before_decoding(tmp_path, size):
    (tmp_path / "a.png").write_bytes(png_header(*size))
    assert "too large" in refusal(tmp_path / "a.png")


def test_huge_dicom_is_refused_before_decoding(tmp_path):
    ds = us.header(GREY[None], "MONOCHROME2", Rows=20_000, Columns=20_000)
    us.write(tmp_path / "a.dcm", ds, GREY.tobytes())
    assert "too large (20000 x 20000 pixels)" in refusal(tmp_path / "a.dcm")


@pytest.mark.parametrize("level", [0, 255])
def test_tiny_black_and_white_images_open(tmp_path, level):
    for shape in ((1, 1), (40, 40)):
        pixels = np.full(shape, level, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "a.png")
        us.write(tmp_path / "a.dcm", us.header(pixels[None], "MONOCHROME2"), pixels.tobytes())
        for name in ("a.png", "a.dcm"):
            assert np.array_equal(read_frame(tmp_path / name).pixels, pixels)


@pytest.mark.parametrize("coding", ["native", "jpeg", "jpeg_2000", "jpeg_ls", "rle"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_truncated_dicom(tmp_path, coding, kept):
    path = tmp_path / "a.dcm"
    frames = us.picture(2)
    if coding == "native":
        us.write(path, us.header(frames), frames.tobytes())
    else:
        us.write_compressed(path, frames, coding, "RGB")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    refusal(path)


@pytest.mark.parametrize("extension", ["png", "jpg", "tif", "bmp", "webp"])
def test_truncated_images(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    Image.fromarray(us.picture(1, 200, 200)[0]).save(path)
    content = path.read_bytes()
    for kept in (0.9, 0.5):
        path.write_bytes(content[: int(len(content) * kept)])
        refusal(path)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"SamplesPerPixel": 4, "PhotometricInterpretation": "ARGB"}, "4 channels"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "32 bits"),
        ({"PhotometricInterpretation": "YBR_PARTIAL_420"}, "colours that are not read"),
        ({"NumberOfFrames": 7}, "ends before its pixels"),
        ({"NumberOfFrames": -7}, "-7 frames"),
        ({"Rows": 0}, "64 x 0 pixels"),
    ],
)
def test_dicom_that_no_scanner_writes(tmp_path, told, words):
    pixels = us.picture()
    data = pixels.tobytes() * (3 if "SamplesPerPixel" in told or "BitsAllocated" in told else 1) * 2
    data = data[: pixels.size] if "NumberOfFrames" in told else data
    us.write(tmp_path / "a.dcm", us.header(pixels, **told), data)
    assert words in refusal(tmp_path / "a.dcm")


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.201"])
def test_codings_without_a_decoder_are_named_in_words(tmp_path, syntax):
    us.write(tmp_path / "a.dcm", us.header(us.picture()), encapsulate([b"\0" * 64]), syntax)
    assert "video" in refusal(tmp_path / "a.dcm") or "transfer syntax" in refusal(tmp_path / "a.dcm")


def not_pictures(folder):
    ds = us.header(us.picture(), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Modality="SR")
    for keyword in ("Rows", "Columns"):
        delattr(ds, keyword)
    us.write(folder / "report.dcm", ds, b"")
    ds = us.header(us.picture(), SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG")
    us.write(folder / "seg.dcm", ds, us.picture().tobytes())
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2"
    ds.FileSetID = "X"
    ds.save_as(folder / "DICOMDIR", enforce_file_format=True)


def test_dicom_without_a_picture_is_refused_by_name_and_passed_over_in_a_folder(tmp_path):
    not_pictures(tmp_path)
    for name in ("report.dcm", "seg.dcm", "DICOMDIR"):
        refusal(tmp_path / name)
    us.write_grey(tmp_path / "still.dcm")
    (tmp_path / "readme.txt").write_text("notes")
    (tmp_path / "table.csv").write_text("a,b")
    clips, errors = opened(tmp_path, workspace=tmp_path)
    assert [clip.name for clip in clips] == ["still"]
    assert errors == []


def test_bad_files_in_a_folder_are_each_named_and_the_good_ones_open(tmp_path):
    folder = tmp_path / "Füße 乳房 scans"
    folder.mkdir()
    us.write_grey(folder / "gut 乳.dcm")
    (folder / "a.png").write_text("text")
    (folder / "b.dcm").touch()
    (folder / "IM0003").write_bytes(os.urandom(3000))
    us.write_compressed(folder / "c.dcm", us.picture(), "jpeg", "YBR_FULL_422")
    (folder / "c.dcm").write_bytes((folder / "c.dcm").read_bytes()[:-300])
    clips, errors = opened(folder, tmp_path / "missing.png", workspace=tmp_path)
    assert [clip.name for clip in clips] == ["gut_乳"]
    named = ["IM0003", "a.png", "b.dcm", "c.dcm", "missing.png"]
    assert all(name in sentence for name, sentence in zip(named, errors, strict=True))
    assert clips[0].frame(0).source.path == folder / "gut 乳.dcm"


def test_folders_without_images_and_unreadable_ones(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    assert "holds no ultrasound image" in opened(tmp_path / "a", workspace=tmp_path)[1][0]
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    (tmp_path / "a" / "closed").mkdir()
    us.write_grey(tmp_path / "a" / "still.dcm")
    monkeypatch.setattr(os, "scandir", scandir)
    clips, errors = opened(tmp_path / "a", workspace=tmp_path)
    assert len(clips) == 1
    assert len(errors) == 1
    assert "closed could not be opened" in errors[0]


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.dcm")
    assert "not a regular file" in refusal(tmp_path / "pipe.dcm")


def test_malformed_optional_attributes_do_not_keep_an_image_from_opening(tmp_path):
    numbers = {"PixelSpacing": ["0.11", "0.12"], "FrameTime": "41.25", "WindowCenter": "123.5", "WindowWidth": "231.5"}
    path = us.write_grey(tmp_path / "a.dcm", **numbers)
    content = path.read_bytes()
    for number in ("0.11", "41.25", "123.5", "231.5"):
        content = content.replace(number.encode(), b"x" * len(number))
    path.write_bytes(content)
    frame = read_frame(path)
    assert np.array_equal(frame.pixels, GREY)
    assert frame.pixel_spacing is None


def test_clips_travel_between_processes(tmp_path):
    us.write_grey(tmp_path / "a.dcm")
    Image.fromarray(GREY).save(tmp_path / "b.png")
    nrrd.write(str(tmp_path / "c.nrrd"), GREY, index_order="C")
    nibabel.save(nibabel.Nifti1Image(GREY.T, np.eye(4)), tmp_path / "d.nii.gz")
    for clip in opened(tmp_path, workspace=tmp_path)[0]:
        assert np.array_equal(pickle.loads(pickle.dumps(clip)).frame(0).pixels, GREY)


def test_other_modalities_open(tmp_path):
    assert open_clip(us.write_grey(tmp_path / "a.dcm", Modality="MR")).headers[0].Modality == "MR"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), coding=st.sampled_from(["native", "jpeg", "rle"]))
def test_damaged_bytes_never_escape_as_other_errors(tmp_path, data, coding):
    path = tmp_path / "a.dcm"
    told = {
        "SequenceOfUltrasoundRegions": [us.region((0, 0, 20, 20))],
        "FrameTime": "33.3",
        "PixelSpacing": [0.1, 0.1],
        "ImagePositionPatient": [0, 0, 0],
        "AcquisitionTime": "101500",
    }
    if coding == "native":
        us.write(path, us.header(us.picture(), **told), us.picture().tobytes())
    else:
        us.write_compressed(path, us.picture(), coding, "RGB", **told)
    content = bytearray(path.read_bytes())
    for at in data.draw(st.lists(st.integers(0, 2000), min_size=1, max_size=30)):
        content[at % len(content)] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        pixels = read_frame(path).pixels
        list(open_clips([tmp_path], tmp_path))
    except InputError as error:
        assert "a.dcm" in str(error)
        assert "SECRET" not in str(error)
    else:
        assert pixels.dtype == np.uint8


def test_libraries_say_nothing_of_a_patient(tmp_path, caplog, capfd):
    ds = us.header(us.picture(), "YBR_FULL_422")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ds.PatientID = "SECRET" * 20  # longer than LO allows: pydicom quotes it in a warning
    stream = us.jpeg(us.picture()[0])[:-400]
    us.write(tmp_path / "a.dcm", ds, encapsulate([stream]), "1.2.840.10008.1.2.4.50")
    caplog.clear()
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        refusal(tmp_path / "a.dcm")
    assert not said
    assert not caplog.records
    assert capfd.readouterr().err == ""


def test_quiet_ends_when_it_ends_and_leaves_other_threads_their_voice():
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    logger = logging.getLogger("pydicom")
    logger.addHandler(handler)
    before = list(warnings.filters)
    try:
        with quiet():
            logger.warning("inside")
            other = threading.Thread(target=logger.warning, args=("other thread",))
            other.start()
            other.join()
        logger.warning("after")
    finally:
        logger.removeHandler(handler)
    assert heard.getvalue().split("\n")[:2] == ["other thread", "after"]
    assert list(warnings.filters) == before
