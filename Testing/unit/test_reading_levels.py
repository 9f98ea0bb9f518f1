"""Stored values to screen levels: palettes, bit depths, windows."""

import struct

import numpy as np
import pytest
import ultrasound_files as us
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.ultrasound.intensity import range_of
from BreastUSAssistLib.ultrasound.reading import open_clip, read_frame
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

RAMP = np.arange(48 * 64, dtype=np.uint16).reshape(1, 48, 64)


def write_palette(path, indices, tables, descriptor, segmented=False, syntax=ExplicitVRLittleEndian):
    ds = us.header(indices, "PALETTE COLOR")
    for channel, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(ds, f"{channel}PaletteColorLookupTableDescriptor", list(descriptor))
        setattr(ds, f"{'Segmented' * segmented}{channel}PaletteColorLookupTableData", table)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    return us.write(path, ds, indices.astype(indices.dtype.newbyteorder(order)).tobytes(), syntax)


def ramps(count):
    """A red ramp up, a green ramp down, constant blue: levels 0..255."""
    up = np.linspace(0, 255, count).round().astype(int)
    return np.stack([up, up[::-1], np.full(count, 40)], axis=-1)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("how", ["16 bits", "8 bits", "8 bits in 16", "replicated"])
def test_palettes_as_vendors_store_them(tmp_path, how, syntax):
    levels = ramps(256)
    big = syntax == ExplicitVRBigEndian
    wide = np.dtype(">u2" if big else "<u2")
    if how == "8 bits":
        tables = [levels[:, c].astype(np.uint8) for c in range(3)]
        tables = [(t.view(">u2").astype("<u2") if big else t).tobytes() for t in tables]
    else:
        factor = {"16 bits": 256, "8 bits in 16": 1, "replicated": 257}[how]
        tables = [(levels[:, c] * factor).astype(wide).tobytes() for c in range(3)]
    indices = RAMP.astype(np.uint8)
    path = write_palette(tmp_path / "a.dcm", indices, tables, (256, 0, 8 if how == "8 bits" else 16), syntax=syntax)
    assert np.array_equal(read_frame(path).pixels, levels[indices[0]])


def test_palette_of_16_bit_indices_that_starts_above_zero_clips_both_ends(tmp_path):
    levels = ramps(2000)
    tables = [(levels[:, c] << 8).astype("<u2").tobytes() for c in range(3)]
    path = write_palette(tmp_path / "a.dcm", RAMP, tables, (2000, 500, 16))
    assert np.array_equal(read_frame(path).pixels, levels[np.clip(RAMP[0].astype(int) - 500, 0, 1999)])


def test_segmented_palette_with_discrete_linear_and_indirect_parts(tmp_path):
    # 4 discrete entries, a line over 60 to the top, the first segment again, then a line over 188 down to nothing.
    words = [0, 4, 0, 5 << 8, 10 << 8, 20 << 8, 1, 60, 255 << 8, 2, 1, 0, 0, 1, 188, 0]
    table = struct.pack(f"<{len(words)}H", *words)
    indices = RAMP.astype(np.uint8)
    pixels = read_frame(write_palette(tmp_path / "a.dcm", indices, [table] * 3, (256, 0, 16), segmented=True)).pixels
    level = dict(zip(indices[0].ravel().tolist(), pixels[..., 0].ravel().tolist(), strict=True))
    assert [level[i] for i in (0, 1, 2, 3, 63, 64, 65, 66, 67, 255)] == [0, 5, 10, 20, 255, 0, 5, 10, 20, 0]
    assert abs(level[33] - (20 + 235 / 2)) <= 1


@pytest.mark.parametrize("damage", ["missing", "descriptor", "segments"])
def test_broken_palette_is_refused_in_words(tmp_path, damage):
    indices = RAMP.astype(np.uint8)
    table = struct.pack("<4H", 9, 9, 9, 9) if damage == "segments" else b"\0" * 512
    path = write_palette(tmp_path / "a.dcm", indices, [table] * 3, (256, 0, 16), segmented=damage == "segments")
    if damage != "segments":
        name = "RedPaletteColorLookupTableData" if damage == "missing" else "RedPaletteColorLookupTableDescriptor"
        import pydicom

        ds = pydicom.dcmread(path)
        del ds[name]
        ds.save_as(path)
    with pytest.raises(InputError, match=r"a\.dcm has a colour palette that cannot be read"):
        read_frame(path)


@pytest.mark.parametrize("interpretation", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_monochrome_of_every_depth_fills_the_screen(tmp_path, interpretation, bits):
    stored = np.linspace(0, (1 << bits) - 1, 48 * 64).astype(np.uint16).reshape(1, 48, 64)
    ds = us.header(stored, interpretation, BitsStored=bits, HighBit=bits - 1)
    pixels = read_frame(us.write(tmp_path / "a.dcm", ds, stored.tobytes())).pixels
    expected = stored[0] / ((1 << bits) - 1) * 255
    expected = 255 - expected if interpretation == "MONOCHROME1" else expected
    assert pixels.dtype == np.uint8
    assert np.abs(pixels - expected).max() <= 0.51


def test_unused_and_shifted_bits_are_ignored(tmp_path):
    levels = (RAMP % 4096).astype(np.uint16)
    for high, junk in ((11, 0xF000), (15, 0x000F)):
        stored = (levels << (high - 11)) | junk
        ds = us.header(stored, "MONOCHROME2", BitsStored=12, HighBit=high)
        pixels = read_frame(us.write(tmp_path / "a.dcm", ds, stored.astype("<u2").tobytes())).pixels
        assert np.abs(pixels - levels[0] / 4095 * 255).max() <= 0.51


def test_16_bit_without_window_means_the_same_in_every_frame(tmp_path):
    frames = np.stack([np.full((48, 64), value, np.uint16) for value in (100, 4000, 1000)])
    path = us.write(tmp_path / "a.dcm", us.header(frames, "MONOCHROME2"), frames.tobytes())
    means = [frame.pixels.mean() for frame in open_clip(path)]
    assert means == [round(value / 4095 * 255) for value in (100, 4000, 1000)]


def test_signed_values_with_rescale_and_window(tmp_path):
    stored = np.linspace(-1000, 1000, 48 * 64).astype(np.int16).reshape(1, 48, 64)
    told = {"RescaleSlope": 2, "RescaleIntercept": 100, "WindowCenter": [300, 5], "WindowWidth": [401, 9]}
    pixels = read_frame(us.write(tmp_path / "a.dcm", us.header(stored, "MONOCHROME2", **told), stored.tobytes())).pixels
    # PS3.3 C.11.2.1.2.1: from c - 0.5 - (w-1)/2 = 99.5 to 499.5
    expected = np.clip((stored[0] * 2 + 100 - 99.5) / 400 * 255, 0, 255)
    assert np.abs(pixels - expected).max() <= 0.51


@pytest.mark.parametrize("told", [{"WindowCenter": "", "WindowWidth": ""}, {"WindowCenter": 0, "WindowWidth": 0}])
def test_useless_window_leaves_8_bit_levels_alone(tmp_path, told):
    path = us.write_grey(tmp_path / "a.dcm", **told)
    assert np.array_equal(read_frame(path).pixels, us.picture()[0, ..., 0])


def test_voi_lookup_table(tmp_path):
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [256, 0, 8], bytes(range(255, -1, -1))
    lut["LUTData"].VR = "OW"
    path = us.write_grey(tmp_path / "a.dcm", VOILUTSequence=[lut])
    assert np.array_equal(read_frame(path).pixels, 255 - us.picture()[0, ..., 0])


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_integer_ranges_keep_order_and_8_bit_levels(one, other):
    values = np.array([one, other], np.uint16)
    low, high = range_of("x", np.sort(values)).to_uint8(np.sort(values)).tolist()
    assert low <= high
    if max(one, other) <= 255:
        assert [low, high] == sorted((one, other))


@given(st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=20))
def test_float_ranges_stay_on_the_screen_in_order(values):
    array = np.sort(np.array(values))
    levels = range_of("x", array).to_uint8(array).astype(int)
    assert (np.diff(levels) >= 0).all()


@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 9))
def test_values_that_are_no_numbers_are_refused(bad, place):
    values = np.linspace(0, 1, 10)
    values[place] = bad
    with pytest.raises(InputError, match=r"scan\.nrrd holds values that are not numbers"):
        range_of("scan.nrrd", values)
