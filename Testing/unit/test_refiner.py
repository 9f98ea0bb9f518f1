"""The refiner: what it keeps, that marks are obeyed, which view it looks at, and odd frames.

Most tests use a back end that takes bright pixels for lesion: what the refiner does with an answer is then known.
"""

from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.model.bundle import Bundle, OutlineSettings
from BreastUSAssistLib.model.click_repair import nudged, pointed
from BreastUSAssistLib.model.prompt import Prompt, pixel_of
from BreastUSAssistLib.model.refiner import MOST_VIEWS, Refiner
from hypothesis import given, settings
from hypothesis import strategies as st

SETTINGS = OutlineSettings(
    input_size=128,
    outline_threshold=0.5,
    smallest_lesion=0.001,
    smallest_confidence=0.5,
    close_up_margin=0.3,
    most_close_ups=4,
    temperature=1.0,
    calibrated_on="nothing",
    presence_threshold=0.5,
    rescue_threshold=0.3,
    band=(0.25, 0.75),
)


class BrightnessBackend:
    """Takes pixels above mid grey for lesion, whatever the prompt says, and counts its work."""

    name, precision, device = "brightness", "float32", "cpu"

    def __init__(self):
        self.encoded, self.decoded = 0, 0

    def encode(self, images):
        self.encoded += len(images)
        return images

    def decode(self, features, prompts):
        assert prompts.shape == (1, 4, SETTINGS.input_size, SETTINGS.input_size) and prompts.dtype == np.float32
        self.decoded += len(prompts)
        return (features * 20).astype(np.float32), np.zeros((1, 3), np.float32)


class NoiseBackend(BrightnessBackend):
    """Answers at random."""

    def __init__(self, seed: int):
        super().__init__()
        self.chance = np.random.default_rng(seed)

    def decode(self, features, prompts):
        return self.chance.normal(size=features.shape).astype(np.float32), np.zeros((1, 3), np.float32)


def bundle() -> Bundle:
    return Bundle.model_construct(folder=Path(), name="test", version="0", settings=SETTINGS, files={})


def refiner(backend=None) -> Refiner:
    return Refiner(bundle(), backend or BrightnessBackend())


def disk(shape, row, column, radius):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def frame_with(*disks, shape=(300, 400)):
    grey = np.full(shape, 20, np.uint8)
    for one in disks:
        grey[disk(shape, *one)] = 230
    return grey


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_a_first_click_outlines_the_lesion_that_it_hits_and_no_other():
    grey = frame_with((100, 100, 30), (200, 300, 40))
    lesion = refiner().open(grey).refine(Prompt(((100.0, 100.0),)))
    assert lesion.origin == "semiautomatic" and lesion.pixels.dtype == bool and lesion.pixels.shape == grey.shape
    assert overlap(lesion.pixels, disk(grey.shape, 100, 100, 30)) > 0.95
    assert lesion.confidence > 0.9


def test_two_positive_points_keep_two_parts():
    grey = frame_with((100, 100, 30), (200, 300, 40))
    both = refiner().open(grey).refine(Prompt(((100.0, 100.0), (200.0, 300.0)))).pixels
    assert overlap(both, grey > 128) > 0.9


def test_a_previous_mask_keeps_its_part_without_a_click_on_it():
    grey = frame_with((100, 100, 30), (140, 150, 10))
    previous = disk(grey.shape, 95, 100, 20)
    kept = refiner().open(grey).refine(Prompt(negative_points=((20.0, 20.0),), mask=previous)).pixels
    assert overlap(kept, disk(grey.shape, 100, 100, 30)) > 0.95


@pytest.mark.parametrize("prompt", [{"box": (155, 250, 245, 350)}, {"positive_scribbles": (((200, 270), (200, 330)),)}])
def test_a_box_or_a_scribble_means_the_lesion_in_it(prompt):
    grey = frame_with((100, 220, 30), (200, 300, 40))
    found = refiner().open(grey).refine(Prompt(**prompt)).pixels
    assert overlap(found, disk(grey.shape, 200, 300, 40)) > 0.95


def test_a_positive_point_that_the_network_denies_bends_the_outline_about_it_alone():
    grey = frame_with((100, 100, 30))
    lesion = refiner().open(grey).refine(Prompt(((100.0, 100.0), (100.0, 160.0))))
    added = lesion.pixels & ~disk(grey.shape, 100, 100, 32)
    assert lesion.pixels[100, 160] and not (added & ~disk(grey.shape, 100, 160, 30)).any()


def test_a_click_reaches_about_as_far_as_the_outline_is_away():
    unsure = np.full((128, 128), -1.0, np.float32)
    unsure[64:] = 4.0
    for row in (40, 56):
        bent = nudged(unsure, [(row, 64)], [])
        added = (bent > 0) & (unsure < 0)
        assert bent[row, 64] > 0 and 64 - row < added.any(axis=0).sum() < 6 * (64 - row)
        assert np.array_equal(nudged(-unsure, [], [(row, 64)]), -bent)


def test_a_click_that_the_network_follows_changes_nothing():
    chance = np.random.default_rng(0)
    logits = chance.normal(size=(64, 64)).astype(np.float32)
    inside, outside = np.argwhere(logits > 0)[:5], np.argwhere(logits < 0)[:5]
    followed = nudged(logits, [tuple(p) for p in inside], [tuple(p) for p in outside])
    assert np.array_equal(followed, logits) and followed.dtype == np.float32
    assert np.array_equal(nudged(logits, [(-3, 2), (64, 0)], [(0, 64)]), logits)


def test_a_negative_point_is_taken_out_even_in_a_hole_that_was_filled():
    grey = frame_with((100, 100, 30))
    plain = refiner().open(grey).refine(Prompt(((100.0, 85.0),))).pixels
    lesion = refiner().open(grey).refine(Prompt(((100.0, 85.0),), ((100.0, 115.0),))).pixels
    assert not lesion[100, 115] and 0 < (plain & ~lesion).sum() < plain.sum() / 3


def test_holes_are_filled_unless_a_negative_point_made_them():
    grey = frame_with((100, 100, 40))
    grey[disk(grey.shape, 100, 100, 12)] = 20
    assert refiner().open(grey).refine(Prompt(((100.0, 70.0),))).pixels[100, 100]
    hollow = refiner().open(grey).refine(Prompt(((100.0, 70.0),), ((104.0, 100.0),))).pixels
    assert not hollow[disk(grey.shape, 100, 100, 9)].any()


def test_negative_points_alone_outline_nothing():
    assert not refiner().open(frame_with((100, 100, 30))).refine(Prompt(negative_points=((100.0, 100.0),))).pixels.any()


def test_a_click_in_the_same_view_costs_the_decoder_alone():
    backend = BrightnessBackend()
    session = refiner(backend).open(frame_with((100, 100, 30)))
    first = session.step(Prompt(((100.0, 100.0),)))
    assert (backend.encoded, backend.decoded) == (2, 2) and first.features_ms > 0
    second = session.step(Prompt(((100.0, 100.0),), ((100.0, 128.0),), mask=first.lesion.pixels))
    assert (backend.encoded, backend.decoded) == (2, 3)
    assert second.features_ms == 0 and second.view == first.view


def test_features_can_be_prepared_before_the_first_click():
    backend = BrightnessBackend()
    session = refiner(backend).open(frame_with((100, 100, 30)))
    draft = disk((300, 400), 100, 100, 28)
    session.prepare(Prompt(mask=draft))
    assert backend.encoded == 1
    assert session.step(Prompt(((100.0, 129.0),), mask=draft)).features_ms == 0 and backend.encoded == 1


def test_a_click_outside_the_view_moves_it():
    session = refiner().open(frame_with((100, 100, 30), (200, 300, 40)))
    first = session.step(Prompt(((100.0, 100.0),)))
    second = session.step(Prompt(((100.0, 100.0), (200.0, 300.0)), mask=first.lesion.pixels))
    assert second.view != first.view
    assert second.view[2] > 240 and second.view[3] > 340


def test_undoing_a_click_gives_the_answer_before_it():
    session = refiner().open(frame_with((100, 100, 30)))
    first = session.refine(Prompt(((100.0, 100.0),)))
    one = Prompt(((100.0, 100.0),), ((100.0, 120.0),), mask=first.pixels)
    two = Prompt(((100.0, 100.0),), ((100.0, 120.0), (80.0, 100.0)), mask=first.pixels)
    before = session.refine(one).pixels
    session.refine(two)
    assert np.array_equal(session.refine(one).pixels, before)


def test_kept_views_are_bounded():
    backend = BrightnessBackend()
    session = refiner(backend).open(
        frame_with(*[(row, column, 8) for row in (50, 250) for column in range(20, 400, 40)])
    )
    for row in (50.0, 250.0):
        for column in range(20, 400, 40):
            session.refine(Prompt(((row, float(column)),)))
    assert len(session._features) <= MOST_VIEWS


def test_a_mark_outside_the_tissue_is_seen():
    grey = frame_with((100, 350, 25))
    found = refiner().open(grey, tissue=(0, 0, 300, 200)).refine(Prompt(((100.0, 350.0),))).pixels
    assert overlap(found, disk(grey.shape, 100, 350, 25)) > 0.9


@pytest.mark.parametrize("level", [0, 20, 255])
def test_a_blank_frame_gives_the_previous_mask_back(level):
    session = refiner(NoiseBackend(0)).open(np.full((90, 120), level, np.uint8))
    previous = disk((90, 120), 40, 50, 11)
    step = session.step(Prompt(((10.0, 10.0),), mask=previous))
    assert np.array_equal(step.lesion.pixels, previous) and step.view is None
    assert not session.refine(Prompt(((10.0, 10.0),))).pixels.any()
    assert not session.refine(Prompt(box=(0, 0, 30, 30))).pixels.any()
    session.prepare(Prompt(mask=previous))


def test_what_cannot_be_meant_is_refused():
    session = refiner().open(frame_with((100, 100, 30)))
    for prompt in (Prompt(), Prompt(((300.0, 0.0),)), Prompt(mask=np.ones((4, 4), bool))):
        with pytest.raises(InputError):
            session.refine(prompt)
        with pytest.raises(InputError):
            session.prepare(prompt)


def test_a_frame_in_colour_is_refused():
    with pytest.raises(InputError, match="grey"):
        refiner().open(np.zeros((50, 50, 3), np.uint8))


@pytest.mark.parametrize("shape", [(1, 1), (32, 32), (33, 4096), (4096, 40), (4096, 4096)])
def test_every_frame_is_answered_at_its_own_resolution(shape):
    row, column = shape[0] // 2, shape[1] // 2
    grey = frame_with((row, column, max(min(shape) // 6, 1)), shape=shape)
    session = refiner().open(grey)
    first = session.refine(Prompt(((row, column),)))
    second = session.refine(Prompt(((row, column),), mask=first.pixels))
    assert first.pixels.shape == second.pixels.shape == shape
    assert first.pixels[row, column] or shape == (1, 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 70), st.integers(2, 70), st.integers(0, 2**32 - 1))
def test_the_answer_obeys_every_click_whatever_the_network_says(rows, columns, seed):
    chance = np.random.default_rng(seed)
    grey = chance.integers(0, 256, (rows, columns)).astype(np.uint8)
    places = chance.permutation(rows * columns)[: min(8, rows * columns)]
    points = [tuple(float(x) for x in np.unravel_index(place, grey.shape)) for place in places]
    half = len(points) // 2
    previous = chance.random(grey.shape) > 0.7 if seed % 2 else None
    prompt = Prompt(tuple(points[:half]), tuple(points[half:]), mask=previous)
    answer = refiner(NoiseBackend(seed)).open(grey).refine(prompt).pixels
    if grey.min() < grey.max():
        assert all(answer[pixel_of(point)] for point in prompt.positive_points)
        assert not any(answer[pixel_of(point)] for point in prompt.negative_points)


def test_the_real_network_answers_a_real_frame(data_root):
    torch = pytest.importorskip("torch")
    pytest.importorskip("monai")
    from BreastUSAssistLib.learning.manifest import load_image, mask_of, read_manifest
    from BreastUSAssistLib.model.network import LesionNet

    class TorchBackend:
        name, precision, device = "torch", "float32", "cpu"
        network = LesionNet().eval()

        def encode(self, images):
            with torch.inference_mode():
                return self.network.encode(torch.from_numpy(images))

        def decode(self, features, prompts):
            with torch.inference_mode():
                return [part.numpy() for part in self.network.decode(features, torch.from_numpy(prompts))]

    row = next(r for r in read_manifest(data_root / "manifest.csv", data_root) if r.mask is not None)
    grey = load_image(row)
    truth = mask_of(row, grey.shape) == 1
    point = tuple(float(x) for x in np.argwhere(truth)[truth.sum() // 2])
    session = refiner(TorchBackend()).open(grey)
    lesion = session.refine(Prompt((point,)))
    assert lesion.pixels[pixel_of(point)]
    assert session.refine(Prompt((point,), mask=lesion.pixels)).pixels.shape == grey.shape


def test_a_new_click_moves_the_answer_about_as_far_as_the_previous_outline_is_away():
    previous = np.zeros((64, 64), bool)
    previous[20:40, 10:30] = True
    unsure = np.where(previous, 1.0, -1.0).astype(np.float32)
    leaning = pointed(unsure, previous, [(30, 40)], [])
    changed = (leaning > 0) & ~previous
    rows, columns = np.nonzero(changed)
    reached = np.hypot(rows - 30, columns - 40).max()
    assert changed[30, 40] and 8 <= reached <= 18, "about the 11 pixels to the previous outline"
    sure = np.where(previous, 9.0, -9.0).astype(np.float32)
    assert not ((pointed(sure, previous, [(30, 40)], []) > 0) & ~previous).any(), "where it is sure it keeps its say"


def test_clicks_that_the_previous_outline_agrees_with_change_nothing():
    previous = np.zeros((32, 32), bool)
    previous[8:24, 8:24] = True
    logits = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    assert np.array_equal(pointed(logits, previous, [(16, 16), (-3, 50)], [(2, 2)]), logits)
    assert np.array_equal(pointed(logits, np.zeros_like(previous), [(16, 16)], []), logits), "nothing before, no lean"
