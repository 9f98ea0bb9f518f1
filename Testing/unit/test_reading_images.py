"""PNG, JPEG, TIFF, BMP, WebP, NRRD and NIfTI files as frames."""

import gzip
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import ultrasound_files as us
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.ultrasound.frame import PixelSpacing
from BreastUSAssistLib.ultrasound.reading import open_clip, read_frame
from PIL import Image

RGB = us.picture()[0]
GREY = RGB[..., 0].copy()
VOLUME = us.picture(5)[..., 0].copy()  # (slices, rows, columns)


@pytest.mark.parametrize("extension", ["png", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("pixels", [RGB, GREY], ids=["rgb", "grey"])
def test_lossless_formats_are_exact_and_have_no_spacing(tmp_path, extension, pixels):
    path = tmp_path / f"a.{extension}"
    options = {"lossless": True} if extension == "webp" else {"dpi": (300, 300)}
    Image.fromarray(pixels).save(path, **options)
    clip = open_clip(path)
    frame = clip.frame(0)
    assert (clip.name, clip.kind, clip.headers) == ("a", "still", ())
    assert np.array_equal(frame.grey, Image.fromarray(pixels).convert("L")) or np.array_equal(frame.pixels, pixels)
    assert frame.spacing_in((0, 0, 5, 5)) is None
    assert frame.source.path == path


def test_jpeg_orientation_tag_turns_nothing(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / "a.jpg", quality=95, exif=exif)
    pixels = read_frame(tmp_path / "a.jpg").pixels
    assert pixels.shape == GREY.shape
    assert np.abs(pixels.astype(int) - GREY).mean() < 3


def test_palette_bilevel_and_alpha(tmp_path):
    Image.fromarray(RGB).quantize(256).save(tmp_path / "p.png")
    assert np.abs(read_frame(tmp_path / "p.png").pixels.astype(int) - RGB).mean() < 3
    Image.fromarray(GREY > 60).save(tmp_path / "b.png")
    assert np.array_equal(read_frame(tmp_path / "b.png").pixels, np.where(GREY > 60, 255, 0))
    alpha = np.full(GREY.shape, 255, np.uint8)
    Image.fromarray(np.dstack([RGB, alpha])).save(tmp_path / "o.png")
    assert np.array_equal(read_frame(tmp_path / "o.png").pixels, RGB)
    alpha[:10] = 0
    Image.fromarray(np.dstack([RGB, alpha])).save(tmp_path / "t.png")
    shown = read_frame(tmp_path / "t.png").pixels
    assert not shown[:10].any()
    assert np.array_equal(shown[10:], RGB[10:])
    Image.fromarray(np.dstack([GREY, alpha]), "LA").save(tmp_path / "la.png")
    assert read_frame(tmp_path / "la.png").pixels.shape == GREY.shape


@pytest.mark.parametrize("factor", [1, 16, 257])
def test_16_bit_grey_keeps_its_levels(tmp_path, factor):
    Image.fromarray(GREY.astype(np.uint16) * factor).save(tmp_path / "a.png")
    full = 255 if factor == 1 else (1 << (int(GREY.max()) * factor).bit_length()) - 1
    assert np.abs(read_frame(tmp_path / "a.png").pixels - GREY * float(factor) / full * 255).max() <= 0.51


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_pages_are_a_cine_and_its_thumbnail_is_no_frame(tmp_path, compression):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in VOLUME:
            file.write(page, compression=compression)
        file.write(VOLUME[0, ::4, ::4])
    clip = open_clip(tmp_path / "a.tif")
    assert (clip.kind, clip.frame_count, clip.times_ms) == ("cine", 5, None)
    assert np.array_equal(clip.frame(4).pixels, VOLUME[4])


def test_tiff_depths_that_pillow_lacks(tmp_path):
    for dtype, factor in ((np.uint16, 257), (np.float64, 1 / 255), (np.float32, 1)):
        tifffile.imwrite(tmp_path / "a.tif", (RGB.astype(float) * factor).astype(dtype), photometric="rgb")
        assert np.abs(read_frame(tmp_path / "a.tif").pixels.astype(int) - RGB).max() <= 1
        tifffile.imwrite(tmp_path / "b.tif", (GREY.astype(float) * factor).astype(dtype))
        assert np.abs(read_frame(tmp_path / "b.tif").pixels.astype(int) - GREY).max() <= 1


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("dtype", [np.uint8, ">i2", np.float32])
def test_nrrd_volume_slice_by_slice(tmp_path, encoding, dtype):
    told = {
        "encoding": encoding,
        "space": "left-posterior-superior",
        "space directions": np.diag([0.1, 0.2, 0.5]),
        "kinds": ["domain"] * 3,
    }
    stored = VOLUME.astype(dtype)
    nrrd.write(str(tmp_path / "a.nrrd"), stored, told, index_order="C")
    clip = open_clip(tmp_path / "a.nrrd")
    assert (clip.kind, clip.frame_count, clip.slice_mm) == ("volume", 5, 0.5)
    for index in (4, 0):
        frame = clip.frame(index)
        assert np.array_equal(frame.pixels, VOLUME[index])
        assert frame.pixel_spacing == PixelSpacing(0.2, 0.1, "image_header")


def test_nrrd_frame_colours_and_time_axis(tmp_path):
    path = str(tmp_path / "a.nrrd")
    nrrd.write(path, GREY, {"spacings": [0.1, 0.2], "units": ["mm", "cm"]}, index_order="C")
    frame = read_frame(tmp_path / "a.nrrd")
    assert np.array_equal(frame.pixels, GREY)
    assert frame.pixel_spacing.row_mm == pytest.approx(2.0)
    for kind in ("vector", "RGB-color"):
        nrrd.write(path, RGB[None], {"kinds": [kind, "domain", "domain", "domain"]}, index_order="C")
        clip = open_clip(tmp_path / "a.nrrd")
        assert clip.kind == "still"
        assert np.array_equal(clip.frame(0).pixels, RGB)
    stack = np.moveaxis(VOLUME, 0, -1)[None]
    nrrd.write(path, np.ascontiguousarray(stack), {"kinds": ["list", "domain", "domain", "domain"]}, index_order="C")
    clip = open_clip(tmp_path / "a.nrrd")
    assert (clip.kind, clip.frame_count) == ("cine", 5)
    assert np.array_equal(clip.frame(3).pixels, VOLUME[3])


def test_unit_spacing_of_a_converter_is_unknown(tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), GREY, {"spacings": [1, 1]}, index_order="C")
    assert read_frame(tmp_path / "a.nrrd").pixel_spacing is None


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_volume_slice_by_slice(tmp_path, name, kind):
    image = kind(VOLUME.transpose(2, 1, 0), np.diag([-0.1, -0.2, 0.5, 1]))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / name)
    clip = open_clip(tmp_path / name)
    assert (clip.name, clip.kind, clip.frame_count) == ("a", "volume", 5)
    assert clip.slice_mm == pytest.approx(0.5)
    assert np.array_equal(clip.frame(3).pixels, VOLUME[3])
    assert clip.frame(0).pixel_spacing == PixelSpacing(pytest.approx(0.2), pytest.approx(0.1), "image_header")


def test_nifti_scaled_cine_and_colours(tmp_path):
    stack = VOLUME.transpose(2, 1, 0)[:, :, None, :].astype(np.int16)
    image = nibabel.Nifti1Image(stack, np.diag([0.1, 0.1, 1, 1]))
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 40
    image.header.set_slope_inter(2, -10)
    nibabel.save(image, tmp_path / "a.nii")
    clip = open_clip(tmp_path / "a.nii")
    assert (clip.kind, clip.times_ms) == ("cine", (0, 40, 80, 120, 160))
    colours = np.zeros((*GREY.T.shape, 1), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for channel, name in enumerate("RGB"):
        colours[name][..., 0] = RGB[..., channel].T
    nibabel.save(nibabel.Nifti1Image(colours, np.eye(4)), tmp_path / "b.nii")
    assert np.array_equal(read_frame(tmp_path / "b.nii").pixels, RGB)


def test_a_mapped_volume_reads_only_the_slice_asked_for(tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), VOLUME, {"encoding": "raw"}, index_order="C")
    clip = open_clip(tmp_path / "a.nrrd")
    clip.frame(2)
    assert isinstance(clip.decode.stack.base, np.memmap) or isinstance(clip.decode.stack, np.memmap)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nii.gz", "a.tif"])
def test_one_value_that_is_no_number_is_refused_by_name(tmp_path, name, bad):
    values = VOLUME.astype(np.float32)
    values[2, 3, 3] = bad
    if name == "a.nrrd":
        nrrd.write(str(tmp_path / name), values)
    elif name == "a.tif":
        tifffile.imwrite(tmp_path / name, values[2])
    else:
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / name)
    with pytest.raises(InputError, match=rf"{name} holds values that are not numbers"):
        read_frame(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nrrd", "b.nrrd", "a.nii", "a.nii.gz"])
def test_truncated_volumes(tmp_path, name):
    path = tmp_path / name
    if name.endswith("nrrd"):
        nrrd.write(str(path), VOLUME, {"encoding": "raw" if name == "a.nrrd" else "gzip"})
    else:
        nibabel.save(nibabel.Nifti1Image(VOLUME, np.eye(4)), path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(InputError, match=name):
        open_clip(path).frame(4)


def test_small_file_cannot_unpack_to_more_than_it_declares(tmp_path):
    header = b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 64 48\nencoding: gzip\n\n"
    (tmp_path / "a.nrrd").write_bytes(header + gzip.compress(b"\x07" * (8 << 20)))
    assert (read_frame(tmp_path / "a.nrrd").pixels == 7).all()
    huge = header.replace(b"dimension: 2", b"dimension: 3").replace(b"64 48", b"7000 7000 1000")
    (tmp_path / "b.nrrd").write_bytes(huge + gzip.compress(b"\x07"))
    with pytest.raises(InputError, match=r"b\.nrrd unpacks to 45 GB"):
        read_frame(tmp_path / "b.nrrd")


def test_detached_header_is_refused_in_words(tmp_path):
    header = b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 4 4\nencoding: raw\ndata file: /etc/passwd\n\n"
    (tmp_path / "a.nrrd").write_bytes(header)
    with pytest.raises(InputError, match="keeps its pixels in another file"):
        open_clip(tmp_path / "a.nrrd")


@pytest.mark.parametrize("extension", ["png", "jpeg", "tiff", "bmp", "webp"])
def test_the_format_is_that_of_the_content(tmp_path: Path, extension: str) -> None:
    Image.fromarray(np.full((40, 50), 90, np.uint8)).save(tmp_path / f"x.{extension}")
    (tmp_path / f"x.{extension}").rename(tmp_path / "named.dcm")
    assert open_clip(tmp_path / "named.dcm").format == extension
