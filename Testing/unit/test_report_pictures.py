"""Pictures of a report: they leave the tissue readable and are as long and as large as they say."""

import io

import numpy as np
import pytest
from BreastUSAssistLib.service import report_pictures
from BreastUSAssistLib.service.report import draw_overlay
from BreastUSAssistLib.service.report_pictures import encode_within, line_style, measured_axes, overlay_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from report_pages import frame, labels


@pytest.mark.parametrize("colour", [False, True])
def test_an_overlay_is_a_picture_with_a_strip_and_leaves_the_inside_alone(colour):
    drawn = Image.open(io.BytesIO(draw_overlay(frame(colour=colour), labels(), spacing=(0.1, 0.1), axes=False)))
    zoom = report_pictures.LONGEST_SIDE / 300
    assert drawn.size == (880, round(200 * zoom) + report_pictures.STRIP)
    bare = Image.open(io.BytesIO(draw_overlay(frame(colour=colour), np.zeros((200, 300), np.uint8), axes=False)))
    changed = np.asarray(drawn) != np.asarray(bare)
    inside = [slice(round(66 * zoom), round(114 * zoom)), slice(round(86 * zoom), round(174 * zoom))]
    assert not changed[tuple(inside)].any(), "no outline, number or text lies over the lesion"
    assert changed[round(60 * zoom) - 3 : round(60 * zoom) + 4, round(130 * zoom)].any()


def test_lesions_differ_in_colour_and_in_dashes():
    styles = [line_style(number) for number in range(1, 7)]
    assert len({style.colour for style in styles}) == len({style.dashes for style in styles}) == 6


def test_scale_bar_only_with_spacing_and_as_long_as_it_says():
    empty = np.zeros((200, 300), np.uint8)

    def strip(spacing):
        return np.asarray(overlay_picture(frame(), empty, spacing=spacing).convert("L"))[-report_pictures.STRIP :]

    # 300 columns of 0.1 mm are 30 mm over 880 px: the largest round length up to a third of that is 5 mm or 10 mm.
    row = strip((0.1, 0.1))[report_pictures.STRIP // 2] > 240
    longest = max(len(run) for run in "".join("x" if bright else " " for bright in row).split())
    assert min(abs(longest - mm * 10 * 880 / 300) for mm in (5, 10)) <= 4
    row = strip(None)[report_pictures.STRIP // 2] > 240
    assert max((len(run) for run in "".join("x" if b else " " for b in row).split()), default=0) < 20


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 60), st.integers(2, 60), st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)))
def test_measured_axes_of_a_rectangle(rows, columns, spacing):
    mask = np.zeros((70, 70), bool)
    mask[4 : 4 + rows, 5 : 5 + columns] = True
    longest, across = (np.array(ends) * spacing for ends in measured_axes(mask, spacing))
    high, wide = rows * spacing[0], columns * spacing[1]
    assert np.hypot(*(longest[1] - longest[0])) == pytest.approx(np.hypot(high, wide))
    assert (longest[1] - longest[0]) @ (across[1] - across[0]) == pytest.approx(0, abs=1e-6)
    assert np.hypot(*(across[1] - across[0])) == pytest.approx(2 * high * wide / np.hypot(high, wide))


@pytest.mark.parametrize(
    "mask", [np.ones((40, 50), np.uint8), np.eye(40, dtype=np.uint8), np.pad([[1]], 10).astype(np.uint8)]
)
def test_masks_of_every_kind_are_drawn(mask):
    assert draw_overlay(frame(*mask.shape), mask)[:4] == b"\x89PNG"
    assert draw_overlay(frame(*mask.shape), mask, box=(2, 3, 15, 16))[:4] == b"\x89PNG"
    assert measured_axes(np.zeros((5, 5), bool)) == ()


def test_a_full_frame_lesion_gets_no_number_over_it():
    whole = np.ones((40, 50), np.uint8)
    drawn = np.asarray(overlay_picture(np.full((40, 50), 128, np.uint8), whole, axes=False))
    assert (drawn[60:250, 60:300] == 128).all()


def test_encoding_keeps_to_its_limit():
    noise = Image.fromarray(frame(600, 800))
    content, exact = encode_within(noise, 60_000, lossless=True)
    assert len(content) <= 60_000 and not exact
    flat, exact = encode_within(Image.new("RGB", (400, 300), "#336699"), 60_000, lossless=True)
    assert exact and Image.open(io.BytesIO(flat)).convert("RGB").getpixel((5, 5)) == (0x33, 0x66, 0x99)


def test_real_images_with_their_masks(data_root):
    from BreastUSAssistLib.learning.manifest import load_image, mask_of, read_manifest

    rows = read_manifest(data_root / "manifest.csv", data_root)
    for row in [row for row in rows if row.other["lesions"] in ("2", "3")][:2]:
        pixels = load_image(row)
        mask = mask_of(row)
        drawn = Image.open(io.BytesIO(draw_overlay(pixels, np.where(mask <= 100, mask, 0), spacing=row.spacing_mm)))
        assert drawn.width >= pixels.shape[1]
