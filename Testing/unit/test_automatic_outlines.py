"""Drafts that stand in for true outlines: which of them match, and the manifest that names them."""

import csv
from pathlib import Path

import numpy as np
from BreastUSAssistLib.learning.automatic_outlines import matched_drafts, write_automatic_outlines
from BreastUSAssistLib.learning.manifest import mask_of, read_manifest
from BreastUSAssistLib.model.prediction import FramePrediction, LesionMask
from PIL import Image


def square(top: int, left: int, side: int = 10) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_each_lesion_gets_its_best_draft_and_its_own_number() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[square(5, 5)], labels[square(20, 40)], labels[square(20, 5, 5)] = 1, 2, 101
    found = matched_drafts(labels, [square(5, 8), square(5, 6), square(21, 41), square(20, 5, 5)])
    assert found is not None and np.array_equal(found == 1, square(5, 6)) and np.array_equal(found == 2, square(21, 41))
    assert set(np.unique(found)) == {0, 1, 2}, "what is no lesion is not drafted"
    assert matched_drafts(labels, [square(5, 20)]) is None and matched_drafts(labels, []) is None


class Shifted:
    """Drafts the bright square of a frame one pixel too far right, and nothing where there is none."""

    def predict_batch(self, greys: list[np.ndarray], *, close_ups: bool) -> list[FramePrediction]:
        masks = [np.roll(grey > 128, 1, axis=1) for grey in greys]
        return [
            FramePrediction(mask.astype(np.float32), (LesionMask(mask, "automatic", 0.9),) * bool(mask.any()), 0, 1, 0)
            for mask in masks
        ]


def test_the_manifest_names_the_drafts_and_keeps_its_other_columns(tmp_path: Path) -> None:
    lines = ["image,mask,fold,note"]
    for index, shown in enumerate((True, False)):
        Image.fromarray(square(5, 5).astype(np.uint8) * 200 * shown).save(tmp_path / f"{index}.png")
        Image.fromarray(square(5, 5).astype(np.uint8)).save(tmp_path / f"{index}_mask.png")
        lines.append(f'{index}.png,{index}_mask.png,1,"a, b {index}"')
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    with open(tmp_path / "manifest.csv", newline="") as file:
        cells = list(csv.DictReader(file))
    rows = read_manifest(tmp_path / "manifest.csv", tmp_path)
    told: list[str] = []
    out = tmp_path / "out"
    assert write_automatic_outlines(rows, cells, Shifted(), out, told.append) == 1  # type: ignore[arg-type]
    (row,) = read_manifest(out / "manifest.csv", tmp_path)
    assert row.image == (tmp_path / "0.png").resolve() and row.fold == 1
    assert np.array_equal(mask_of(row), square(5, 6).astype(np.uint8))
    assert "a, b 0" in (out / "manifest.csv").read_text()
