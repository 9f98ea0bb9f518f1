"""Pixels of DICOM files in the codings of many vendors come out with the right colours."""

import io

import numpy as np
import pytest
import ultrasound_files as us
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.ultrasound.reading import open_clip, read_frame
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

RGB = us.picture()[0]
GREY = RGB[..., 0]
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def far_from(pixels, truth):
    return np.abs(pixels.astype(int) - truth).max()


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("planar", [0, 1])
def test_uncompressed_rgb_is_exact(tmp_path, syntax, planar):
    stored = np.moveaxis(RGB, -1, 0) if planar else RGB
    path = us.write(tmp_path / "a", us.header(RGB[None], PlanarConfiguration=planar), stored.tobytes(), syntax)
    assert np.array_equal(read_frame(path).pixels, RGB)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_data_set_without_preamble_and_file_meta_opens(tmp_path, syntax):
    path = us.write(tmp_path / "IM0001", us.header(RGB[None]), RGB.tobytes(), syntax, part_10=False)
    assert np.array_equal(read_frame(path).pixels, RGB)


def test_compressed_data_set_without_file_meta_opens(tmp_path):
    path = us.write_compressed(tmp_path / "a.dcm", RGB[None], "jpeg_2000", "YBR_RCT")
    content = path.read_bytes()
    bare = tmp_path / "bare"
    bare.write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])
    assert np.array_equal(read_frame(bare).pixels, RGB)


@pytest.mark.parametrize("coding", ["jpeg_2000", "jpeg_ls", "rle"])
@pytest.mark.parametrize("frame", [RGB, GREY, (GREY.astype(np.uint16) << 4) + 7], ids=["rgb", "grey", "12 bits"])
def test_lossless_codings_are_exact(tmp_path, coding, frame):
    told = {"BitsStored": 12, "HighBit": 11} if frame.dtype == np.uint16 else {}
    if coding == "jpeg_2000" and frame.dtype == np.uint16:
        frame = frame << 4 >> 4
        told = {}
    colours = "MONOCHROME2" if frame.ndim == 2 else "YBR_RCT" if coding == "jpeg_2000" else "RGB"
    pixels = read_frame(us.write_compressed(tmp_path / "a.dcm", frame[None], coding, colours, **told)).pixels
    expected = frame if frame.dtype == np.uint8 else np.floor(frame / 4095 * 255 + 0.5)
    assert far_from(pixels, expected) == 0


@pytest.mark.parametrize("frame", [RGB, GREY], ids=["rgb", "grey"])
def test_lossless_jpeg_is_exact(tmp_path, frame):
    assert np.array_equal(read_frame(us.write_jpeg_lossless(tmp_path / "a.dcm", frame)).pixels, frame)


def test_ybr_full_uncompressed_and_rle(tmp_path):
    ybr = us.rgb_to_ybr(RGB)
    for syntax in NATIVE:
        path = us.write(tmp_path / "a.dcm", us.header(ybr[None], "YBR_FULL"), ybr.tobytes(), syntax)
        assert far_from(read_frame(path).pixels, RGB) <= 2
    path = us.write_compressed(tmp_path / "b.dcm", ybr[None], "rle", "YBR_FULL")
    assert far_from(read_frame(path).pixels, RGB) <= 2


def test_ybr_full_422_uncompressed_subsampled_or_by_mistake_in_full(tmp_path):
    ybr = us.rgb_to_ybr(RGB)
    packed = np.empty((*ybr.shape[:2], 2), np.uint8)
    packed[..., 0] = ybr[..., 0]
    packed[:, 0::2, 1], packed[:, 1::2, 1] = ybr[:, 0::2, 1], ybr[:, 0::2, 2]
    pairs = packed.reshape(-1, 4)[:, [0, 2, 1, 3]]  # Y Y Cb Cr
    for data in (pairs, ybr):
        path = us.write(tmp_path / "a.dcm", us.header(ybr[None], "YBR_FULL_422"), data.tobytes())
        assert far_from(read_frame(path).pixels, RGB) <= 2


@pytest.mark.parametrize("tag", ["YBR_FULL_422", "YBR_FULL", "RGB"])
@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("markers", [True, False])
def test_jpeg_baseline_shows_true_colours_whatever_the_tag(tmp_path, tag, subsampling, markers):
    stream = us.jpeg(RGB, subsampling=subsampling)
    stream = stream if markers else us.without_app_markers(stream)
    path = us.write(tmp_path / "a.dcm", us.header(RGB[None], tag), encapsulate([stream]), JPEGBaseline8Bit)
    inner = np.s_[10:14, [10, 11, 26, 27, 42, 43]]
    assert far_from(read_frame(path).pixels[inner], RGB[inner]) <= 12


@pytest.mark.parametrize("tag", ["YBR_FULL_422", "RGB"])
@pytest.mark.parametrize("keep_rgb", [True, False])
def test_jpeg_with_adobe_marker_is_not_converted_twice(tmp_path, tag, keep_rgb):
    stream = us.jpeg(RGB, subsampling=0, keep_rgb=keep_rgb)
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + (b"\x00" if keep_rgb else b"\x01")
    stream = b"\xff\xd8" + adobe + us.without_app_markers(stream)[2:]
    path = us.write(tmp_path / "a.dcm", us.header(RGB[None], tag), encapsulate([stream]), JPEGBaseline8Bit)
    assert far_from(read_frame(path).pixels, RGB) <= 16


@pytest.mark.parametrize("tag", ["YBR_FULL_422", "RGB"])
def test_jpeg_of_rgb_components_by_their_names(tmp_path, tag):
    stream = us.jpeg(RGB, keep_rgb=True)
    path = us.write(tmp_path / "a.dcm", us.header(RGB[None], tag), encapsulate([stream]), JPEGBaseline8Bit)
    assert far_from(read_frame(path).pixels, RGB) <= 16


@pytest.mark.parametrize("tag", ["RGB", "YBR_FULL", "YBR_RCT"])
@pytest.mark.parametrize("mct", [True, False])
def test_jpeg_2000_of_rgb_whatever_the_tag(tmp_path, tag, mct):
    data = encapsulate([us.jpeg_2000(RGB, mct=mct)])
    path = us.write(tmp_path / "a.dcm", us.header(RGB[None], tag), data, "1.2.840.10008.1.2.4.90")
    assert np.array_equal(read_frame(path).pixels, RGB)


@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize("table", [True, False])
def test_one_frame_of_a_cine_is_decoded_alone(tmp_path, fragments, table):
    frames = us.picture(4)
    coded = [us.jpeg(frame) for frame in frames]
    # The second frame is spoilt: all others must still decode, so nothing but the frame asked for is touched.
    coded[1] = coded[1][:2] + bytes(180) + coded[1][182:]
    data = encapsulate(coded, fragments_per_frame=fragments, has_bot=table)
    path = us.write(tmp_path / "a.dcm", us.header(frames, "YBR_FULL_422"), data, JPEGBaseline8Bit)
    clip = open_clip(path)
    assert (clip.kind, clip.frame_count) == ("cine", 4)
    for index in (3, 0, 2):
        frame = clip.frame(index)
        assert abs(frame.pixels[1:7, 1:7].mean() - frames[index, 0, 0, 0]) < 4
        assert frame.source.frame_number == index + 1
    with pytest.raises(InputError, match="frame 2 could not be decoded"):
        clip.frame(1)


def test_frames_of_uncompressed_big_endian_cine_with_odd_length(tmp_path):
    frames = us.picture(3, 24, 24)[:, :23, :23, 0].copy()
    path = us.write(tmp_path / "a.dcm", us.header(frames, "MONOCHROME2"), frames.tobytes(), ExplicitVRBigEndian)
    for index, frame in enumerate(open_clip(path)):
        assert np.array_equal(frame.pixels, frames[index])


def test_every_real_file_opens_with_its_colours(data_root):
    clips = {path.stem: open_clip(path) for path in sorted((data_root / "dicom_us").glob("*.dcm"))}
    assert len(clips) == 17
    pixels = {name: clip.frame(clip.frame_count - 1).pixels for name, clip in clips.items()}
    for same in (("US1_RLE", "US1_UNCR"), ("US1_J2KR", "US1_UNCR"), ("color-px", "color-pl")):
        assert np.array_equal(pixels[same[0]], pixels[same[1]])
    bars = pixels["SC_ybr_full_422_uncompressed"][::10, 50].astype(int)
    named = [[255, 0, 0], [255, 128, 128], [0, 255, 0], [128, 255, 128], [0, 0, 255], [128, 128, 255]]
    assert np.abs(bars - [*named, [0] * 3, [64] * 3, [192] * 3, [255] * 3]).max() <= 8
    # Scanner displays are grey but for markers: wrong colours would tint every pixel.
    for name in ("DIRW0007_ACUSON_JPEGbaseline_YBR_FULL_422_65frames", "examples_ybr_color", "OBXXXX1A"):
        spread = np.ptp(pixels[name].astype(int), axis=-1)
        assert np.mean(spread < 30) > 0.9
    assert clips["DIRW0007_ACUSON_JPEGbaseline_YBR_FULL_422_65frames"].frame_count == 65


def test_real_sweep_opens_as_a_cine(data_root):
    clip = open_clip(data_root / "cine")
    assert (clip.name, clip.kind, clip.frame_count) == ("cine", "cine", 31)
    assert clip.frame(30).pixels.shape == (670, 670)
    assert all("PixelData" not in header for header in clip.headers)


def test_jpeg_in_a_wrapper_of_another_size_is_refused(tmp_path):
    stream = io.BytesIO()
    Image.new("L", (8000, 8000)).save(stream, "JPEG")
    ds = us.header(GREY[None], "MONOCHROME2")
    path = us.write(tmp_path / "a.dcm", ds, encapsulate([stream.getvalue()]), JPEGBaseline8Bit)
    with pytest.raises(InputError, match=r"a\.dcm"):
        read_frame(path)
