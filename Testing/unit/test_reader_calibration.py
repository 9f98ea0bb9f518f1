"""From kept predictions and a manifest to calibration.json and its figures, as the command does it."""

import csv

import numpy as np
import pytest
from BreastUSAssistLib.learning.reader_calibration import category_probabilities, main, read_predictions
from BreastUSAssistLib.model.calibration import read_calibration
from BreastUSAssistLib.model.reader_outputs import CATEGORIES
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image


@given(arrays.arrays(np.float64, (3, 5), elements=st.floats(-30, 30)))
def test_ordered_logits_become_probabilities(logits):
    ordered = -np.sort(-logits, axis=1)
    p = category_probabilities(ordered)
    assert (p >= 0).all() and p.sum(axis=1) == pytest.approx(1)
    above = 1 / (1 + np.exp(-ordered))
    assert np.cumsum(p, axis=1)[:, :5] == pytest.approx(1 - above, abs=1e-9)


def kept(folder, count=240, seed=0):
    """A manifest of small images, and predictions of each, one fold of them unpredicted."""
    generator = np.random.default_rng(seed)
    malignant = generator.random(count) < 0.4
    age = np.clip(generator.normal(50 + 15 * malignant, 12), 20, 90).astype(int)
    folds = np.arange(count) % 4 + 1
    log_odds = np.where(folds == 4, np.nan, generator.normal(4 * malignant - 2, 2))
    centre = np.where(malignant, 1.5, -1.0) + generator.normal(0, 1.2, count)
    category = np.where((folds == 4)[:, None], np.nan, centre[:, None] - np.linspace(-2.5, 2.5, 5))
    grade = np.clip(np.rint(centre + 2 + generator.normal(0, 0.7, count)), 0, 5).astype(int)
    row, column = np.mgrid[:40, :60]
    Image.fromarray(np.full((40, 60), 90, np.uint8)).save(folder / "image.png")
    Image.fromarray(((row - 20) ** 2 + (column - 30) ** 2 < 200).astype(np.uint8)).save(folder / "mask.png")
    with open(folder / "manifest.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "dataset", "image", "mask", "patient", "fold", "pixel_mm", "age", "signs", "symptoms"])
        for i in range(count):
            signs = "palpable" if generator.random() < 0.3 + 0.4 * malignant[i] else "no"
            mm = "0.5" if i % 10 == 0 else ""
            table.writerow([f"i{i}", "made", "image.png", "mask.png", f"p{i}", folds[i], mm, age[i], signs, ""])
    np.savez(
        folder / "kept.npz",
        ids=np.array([f"i{i}" for i in range(count)]),
        datasets=np.array(["made"] * count),
        folds=folds,
        numbers=np.ones(count, int),
        birads=np.array([CATEGORIES[g] if i % 9 else "" for i, g in enumerate(grade)]),
        malignant_truth=malignant.astype(np.float32),
        malignant=log_odds.astype(np.float32),
        category=category.astype(np.float32),
    )
    return folder / "kept.npz"


def command(folder, *more):
    named = ["--predictions", folder / "kept.npz", "--manifest", folder / "manifest.csv", "--root", folder]
    return main([str(part) for part in (*named, "--out", folder / "calibration.json", *more)])


def test_the_command_writes_a_calibration_and_prints_its_figures(tmp_path, capsys):
    kept(tmp_path)
    assert command(tmp_path) == 0
    calibration = read_calibration(tmp_path / "calibration.json")
    assert calibration.clinical is not None and calibration.category_sets is not None
    assert {term.parameter for term in calibration.clinical.terms} <= {"age_years", "palpable"}
    assert "folds 1, 2, 3" in calibration.provenance and "180 lesion images" in calibration.provenance
    told = capsys.readouterr().out
    for words in ("| as the network gives it | 180 |", "| age below 40 |", "| size 10 to 20 mm |", "| pathology "):
        assert words in told
    first = (tmp_path / "calibration.json").read_bytes()
    assert command(tmp_path) == 0
    assert (tmp_path / "calibration.json").read_bytes() == first, "the same seed gives the same file"


def test_unpredicted_lesions_and_unknown_values_are_left_out(tmp_path):
    found = read_predictions(kept(tmp_path), tmp_path / "manifest.csv", tmp_path)
    assert len(found.predictions.log_odds) == 180 and np.isfinite(found.predictions.log_odds).all()
    assert sum(one is None for one in found.predictions.birads) == sum(
        1 for i in range(240) if i % 9 == 0 and i % 4 != 3
    )
    assert set(found.groups["size"]) == {None, "10 to 20 mm"}


def test_what_cannot_be_read_is_told(tmp_path, capsys):
    kept(tmp_path)
    (tmp_path / "kept.npz").write_bytes(b"PK\x03\x04nothing")
    assert command(tmp_path) == 3
    assert "kept.npz holds no kept predictions" in capsys.readouterr().err
    path = kept(tmp_path)
    arrays_ = dict(np.load(path))
    np.savez(path, **{**arrays_, "ids": np.array(["elsewhere"] * 240)})
    assert command(tmp_path) == 3
    assert "has no image elsewhere" in capsys.readouterr().err
    np.savez(path, **{**arrays_, "folds": np.ones(240, int)})
    assert command(tmp_path) == 2
    assert "two folds" in capsys.readouterr().err
