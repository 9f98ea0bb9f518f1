"""Paired comparison of changed images, with predictors whose behaviour is known."""

from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.learning.manifest import ManifestRow
from BreastUSAssistLib.learning.perturbations import (
    ENHANCEMENTS,
    SHORTCUTS,
    captions_added,
    marks_added,
    mirror_inpainted,
    surrounds_blacked,
)
from BreastUSAssistLib.learning.shortcuts import Comparison, compare, comparison_table
from BreastUSAssistLib.model.prediction import FramePrediction, LesionMask
from BreastUSAssistLib.ultrasound.phantom import PhantomSpec, render, standard_cases
from PIL import Image

SHAPE = (120, 160)


def speckle(random):
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(random.normal(0, 1, SHAPE), (1.0, 2.5))
    return np.clip(90 + 25 * noise / noise.std(), 0, 170).astype(np.uint8)


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> list[ManifestRow]:
    """Twelve malignant images with a cross, twelve benign without; two normal ones. Two images a patient."""
    folder = tmp_path_factory.mktemp("shortcuts")
    made = []
    random = np.random.default_rng(5)
    for index in range(26):
        grey = speckle(random)
        pathology = "normal" if index >= 24 else "malignant" if index % 4 < 2 else "benign"
        lesion = np.zeros(SHAPE, np.uint8)
        if pathology != "normal":
            lesion[40:80, 50:100] = 1
            grey[40:80, 50:100] //= 2
        if pathology == "malignant":
            grey[60, 98:109] = grey[55:66, 103] = 250
        Image.fromarray(grey).save(folder / f"{index}.png")
        Image.fromarray(lesion).save(folder / f"{index}-mask.png")
        made.append(
            ManifestRow(
                index + 2,
                f"{index}.png",
                folder / f"{index}.png",
                folder / f"{index}-mask.png",
                dataset="made",
                patient=str(index // 2),
                fold=1 + index // 2 % 2,
                pathology=pathology,
            )
        )
    return made


def answer(grey: np.ndarray, malignant: float) -> FramePrediction:
    box = np.zeros(SHAPE, bool)
    box[40:80, 50:100] = True
    lesions = (LesionMask(box, "automatic", 0.9, malignant),)
    return FramePrediction(box.astype(np.float32), lesions, 0.0, 1 - malignant, malignant)


def reads_marks(grey: np.ndarray) -> FramePrediction:
    """A model that learned the caliper: malignant where anything is nearly white."""
    return answer(grey, 0.9 if grey.max() > 225 else 0.1)


def reads_nothing(grey: np.ndarray) -> FramePrediction:
    return answer(grey, 0.3)


def effect(comparison: Comparison, change: str, group: str = "all"):
    (found,) = (one for one in comparison.effects if (one.change, one.group) == (change, group))
    return found


def test_a_model_that_reads_marks_is_found_out(rows):
    comparison = compare(rows, reads_marks, SHORTCUTS, replicates=200)
    base = {one.group: one for one in comparison.baseline}
    assert (base["all"].images, base["all"].benign, base["all"].malignant) == (26, 12, 12)
    assert base["all"].auc.value == 1.0
    assert base["with marks"].images == base["with marks"].malignant == 12
    removed = effect(comparison, "marks removed")
    assert removed.altered == 12
    assert removed.auc.value == pytest.approx(-0.5)
    assert removed.malignant_probability.value == pytest.approx(-0.8)
    assert removed.benign_probability.value == 0
    assert removed.absolute_probability.value == pytest.approx(0.4)
    assert removed.auc.interval[1] < -0.4
    assert removed.dice.value == 0
    assert effect(comparison, "control: mirror of marks inpainted").auc.value == 0
    assert effect(comparison, "marks removed", "with marks").auc is None
    assert effect(comparison, "surrounds blacked").altered == 0


def test_a_model_that_ignores_the_pixels_shows_no_effect(rows):
    comparison = compare(rows, reads_nothing, SHORTCUTS, replicates=50)
    for one in comparison.effects:
        assert one.absolute_probability.value == 0
        assert one.normal_with_outline is None or one.normal_with_outline.value == 0
    assert effect(comparison, "marks added").altered == 26


def test_the_same_seed_gives_the_same_figures_whatever_else_is_evaluated(rows):
    def mean_grey(grey):
        return answer(grey, float(grey.mean()) / 255)

    first, again = (compare(rows, mean_grey, SHORTCUTS, replicates=50, seed=3) for _ in range(2))
    assert first == again
    assert Comparison.model_validate_json(first.model_dump_json()) == first
    fold = compare(rows, mean_grey, SHORTCUTS, folds=(1,), replicates=50)
    assert fold.baseline[0].images == 14
    assert compare(rows, mean_grey, SHORTCUTS, limit=5, replicates=50).baseline[0].images == 5


def test_filters_are_compared_by_the_same_means(rows):
    comparison = compare(rows[:8], reads_marks, ENHANCEMENTS, replicates=50)
    assert {one.change for one in comparison.effects} == {"median", "srad", "nlm", "clahe"}
    text = comparison_table(comparison)
    assert "median, all (8 of 8 altered)" in text
    assert "ECE" in text


def test_unreadable_images_are_left_out_and_told_and_none_at_all_is_an_error(rows):
    gone = ManifestRow(99, "gone.png", Path("gone.png"), pathology="benign")
    comparison = compare([*rows[:4], gone], reads_marks, SHORTCUTS, replicates=20)
    assert comparison.baseline[0].images == 4
    assert "gone.png" in comparison.left_out[0]
    with pytest.raises(InputError, match=r"gone\.png"):
        compare([gone], reads_marks, SHORTCUTS)
    with pytest.raises(InputError, match="folds"):
        compare(rows, reads_marks, SHORTCUTS, folds=(9,))


def test_changes_stay_away_from_what_they_must_not_touch():
    phantom = render(standard_cases()["oval-circumscribed"])
    grey, lesion = phantom.frames[0], phantom.masks[0] > 0
    top, left, bottom, right = phantom.tissue_box
    random = np.random.default_rng(0)
    blacked = surrounds_blacked(grey, lesion, random)
    middle = (slice(top + 10, bottom - 10), slice(left + 10, right - 10))
    assert np.array_equal(blacked[middle], grey[middle])
    assert blacked[: top - 8].max() == 0
    assert grey[: top - 8].max() > 0
    captioned = captions_added(grey, lesion, random)
    assert np.array_equal(captioned[middle], grey[middle])
    assert not np.array_equal(captioned, grey)
    assert not np.array_equal(marks_added(grey, lesion, random)[middle], grey[middle])
    plain = render(PhantomSpec(seed=15, screen=False)).frames[0]
    assert np.array_equal(mirror_inpainted(plain, plain > 255, random), plain)
    everywhere = np.ones(SHAPE, bool)
    full = speckle(random)
    assert np.array_equal(captions_added(full, everywhere, random), full)
