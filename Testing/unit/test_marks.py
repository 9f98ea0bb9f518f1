"""Burnt-in marks: found where they were painted, not in plain tissue, and gone after inpainting."""

from dataclasses import replace

import numpy as np
import pytest
from BreastUSAssistLib.learning.manifest import load_image, read_manifest
from BreastUSAssistLib.ultrasound.gate_marks import drawn_marks
from BreastUSAssistLib.ultrasound.marks import MOST_PIXELS, inpaint, marks_mask, without_marks
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

OVAL = replace(standard_cases()["oval-circumscribed"], screen=False)


@pytest.fixture(scope="module")
def tissue():
    return render(OVAL).frames[0]


def painted(tissue):
    picture = Image.fromarray(tissue)
    draw = ImageDraw.Draw(picture)
    for row, column in ((250, 300), (300, 420)):
        draw.line([column - 6, row, column + 6, row], fill=230)
        draw.line([column, row - 6, column, row + 6], fill=230)
    for column in range(306, 416, 6):
        draw.point([column, 250 + round((column - 300) * 50 / 120)], fill=230)
    draw.text((60, 520), "RT BREAST 9:00 RAD", fill=230)
    return np.asarray(picture)


@pytest.mark.parametrize("name", sorted(standard_cases()))
def test_plain_tissue_holds_no_marks(name):
    plain = render(replace(standard_cases()[name], frame_count=1, screen=False)).frames[0]
    assert marks_mask(plain).mean() < 1e-4


def test_calipers_dots_and_captions_are_found_and_removed(tissue):
    marked = painted(tissue)
    drawn = marked != tissue
    found = marks_mask(marked)
    assert np.mean(found[drawn]) > 0.8
    assert found.mean() < 12 * drawn.mean()
    cleaned = inpaint(marked, found)
    assert drawn_marks(marked)
    assert not drawn_marks(cleaned)
    left = np.abs(cleaned[drawn].astype(int) - tissue[drawn]).mean()
    assert left < 0.35 * np.abs(marked[drawn].astype(int) - tissue[drawn]).mean()
    assert np.array_equal(cleaned[~found], marked[~found])


def test_real_images_lose_their_marks_and_unmarked_ones_stay(data_root):
    rows = [row for row in read_manifest(data_root / "manifest.csv", data_root) if row.fold == 1]
    marked = [load_image(row) for row in rows if row.dataset == "busbra"][:24]
    marked = [grey for grey in marked if drawn_marks(grey)]
    assert len(marked) > 12
    assert np.mean([drawn_marks(without_marks(grey)) for grey in marked]) < 0.4
    plain = [load_image(row) for row in rows if row.dataset == "breast"][:8]
    assert np.mean([marks_mask(grey).mean() for grey in plain if not drawn_marks(grey)]) < 0.002


def test_harmonic_filling_continues_a_slope():
    slope = np.tile(np.linspace(20, 220, 101), (60, 1)).astype(np.uint8)
    mask = np.zeros(slope.shape, bool)
    mask[20:40, 45:56] = True
    broken = np.where(mask, 255, slope).astype(np.uint8)
    assert np.abs(inpaint(broken, mask).astype(int) - slope).max() <= 4


def test_large_frames_are_searched_at_reduced_size(tissue):
    marked = np.kron(painted(tissue), np.ones((3, 3), np.uint8))
    assert marked.size > MOST_PIXELS
    drawn = np.kron(painted(tissue) != tissue, np.ones((3, 3), bool))
    found = marks_mask(marked)
    assert found.shape == marked.shape
    assert np.mean(found[drawn]) > 0.8
    hole = np.zeros(marked.shape, bool)
    hole[100:700, 100:500] = True
    assert np.array_equal(inpaint(marked, hole)[~hole], marked[~hole])


@given(arrays(np.uint8, (12, 15)), arrays(bool, (12, 15)))
@settings(deadline=None, max_examples=100)
def test_filling_stays_between_known_levels_and_touches_the_mask_alone(grey, mask):
    before = grey.copy()
    filled = inpaint(grey, mask)
    assert np.array_equal(grey, before)
    assert filled.dtype == np.uint8
    assert np.array_equal(filled[~mask], grey[~mask])
    if mask.any() and not mask.all():
        assert grey[~mask].min() <= filled.min()
        assert filled.max() <= grey[~mask].max()


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
@settings(deadline=None, max_examples=50)
def test_any_frame_can_be_searched(grey):
    assert without_marks(grey).shape == grey.shape
    assert marks_mask(grey).shape == grey.shape
