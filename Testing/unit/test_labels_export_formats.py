"""Each form of export read by the program it is for, or by hand, and compared with the store."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from BreastUSAssistLib.labels.export_coco import run_lengths
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.new_label import NewLabel
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.ultrasound.reading import open_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_exports import (
    check_pair,
    dividing,
    expected_names,
    export,
    filled_store,
    lesion_anywhere,
    truth,
)
from label_samples import DECLARED, KEY, drafted, outlines, picture
from PIL import Image


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return filled_store(tmp_path_factory.mktemp("labels") / "store")


@pytest.fixture
def store(folder):
    with LabelStore.open(folder, secret=KEY, read_only=True) as store:
        yield store


def test_a_datalist_is_read_by_monai(store, tmp_path):
    from monai.data import load_decathlon_datalist

    out = tmp_path / "a"
    export(store, out, "datalist", folds=2, **dividing(store))
    training = load_decathlon_datalist(str(out / "datalist.json"), True, "training")
    held_back = load_decathlon_datalist(str(out / "datalist.json"), True, "test")
    assert {Path(item["image"]).stem for item in (*training, *held_back)} == expected_names(store)
    for item in (*training, *held_back):
        assert Path(item["image"]).parent.name == "images" and Path(item["label"]).parent.name == "labels"
        check_pair(store, Path(item["image"]), Path(item["label"]), Path(item["image"]).stem)
    assert {item["fold"] for item in training} == {0, 1} and held_back and all("fold" not in one for one in held_back)


def test_monai_label_finds_images_labels_and_drafts(store, tmp_path):
    out = tmp_path / "a"
    export(store, out, "monai-label")
    images = {path.stem for path in out.glob("*.png")}
    assert images == expected_names(store) == {path.stem for path in (out / "labels" / "final").glob("*.png")}
    for name in images:
        check_pair(store, out / f"{name}.png", out / "labels" / "final" / f"{name}.png", name)
    drafts = {path.stem: path for path in (out / "labels" / "original").glob("*.png")}
    assert len(drafts) == 3
    for name, path in drafts.items():
        (draft,) = store.drafts(store.get(name))
        assert np.array_equal(np.asarray(Image.open(path)).astype(bool), lesion_anywhere(draft, 1))
    assert not (out / "held_back").exists()
    export(store, tmp_path / "b", "monai-label", **dividing(store))
    kept = {path.stem for path in (tmp_path / "b").glob("*.png")}
    held_back = {path.stem for path in (tmp_path / "b" / "held_back").glob("*.png")}
    assert kept | held_back == images and kept and held_back and not kept & held_back


def test_nnunet_finds_a_data_set_of_version_2(store, tmp_path):
    out = tmp_path / "Dataset101_BreastUS"
    record = export(store, out, "nnunet", folds=2, **dividing(store)).record
    described = json.loads((out / "dataset.json").read_text())
    assert described["channel_names"] == {"0": "ultrasound"} and described["file_ending"] == ".png"
    assert described["labels"] == {"background": 0, "lesion": 1}
    names = {}
    for images, labels in (("imagesTr", "labelsTr"), ("imagesTs", "labelsTs")):
        names[images] = {path.name.removesuffix("_0000.png") for path in (out / images).glob("*_0000.png")}
        assert names[images] == {path.stem for path in (out / labels).glob("*.png")}
        for name in names[images]:
            path = out / images / f"{name}_0000.png"
            assert Image.open(path).mode == "L"
            check_pair(store, path, out / labels / f"{name}.png", name, grey=True)
    assert names["imagesTr"] | names["imagesTs"] == expected_names(store)
    assert described["numTraining"] == len(names["imagesTr"]) and record.counts.test > 0
    splits = json.loads((out / "splits_final.json").read_text())
    assert len(splits) == 2 and sorted(name for one in splits for name in one["val"]) == sorted(names["imagesTr"])
    for one in splits:
        assert set(one["train"]) == names["imagesTr"] - set(one["val"])


def decoded(segmentation: dict) -> np.ndarray:
    """Mask of COCO's run lengths, by the definition: runs of 0 and 1 in turn, down the columns."""
    rows, columns = segmentation["size"]
    values = np.concatenate([np.full(run, place % 2, bool) for place, run in enumerate(segmentation["counts"])])
    return values.reshape(columns, rows).T


def test_coco_masks_are_those_of_the_store_lesion_by_lesion(store, tmp_path):
    out = tmp_path / "a"
    export(store, out, "coco", **dividing(store))
    found = {}
    for part in ("train", "test"):
        content = json.loads((out / "annotations" / f"{part}.json").read_text())
        assert [one["name"] for one in content["categories"]] == ["lesion"]
        images = {one["id"]: one for one in content["images"]}
        assert len(images) == len(content["images"])
        for image in images.values():
            assert np.asarray(Image.open(out / "images" / image["file_name"])).shape[:2] == (
                image["height"],
                image["width"],
            )
        for one in content["annotations"]:
            name = Path(images[one["image_id"]]["file_name"]).stem
            mask = decoded(one["segmentation"])
            found[name, one["attributes"]["lesion"]] = mask
            left, top, width, height = one["bbox"]
            inside = mask[top : top + height, left : left + width]
            assert one["area"] == mask.sum() == inside.sum()
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
        assert len({one["id"] for one in content["annotations"]}) == len(content["annotations"])
    expected = {}
    for name in expected_names(store):
        _, masks, number = truth(store, name)
        expected |= {(name, lesion): masks.mask(number, lesion) for frame, lesion in masks.planes if frame == number}
    assert found.keys() == expected.keys()
    for key, mask in expected.items():
        assert np.array_equal(found[key], mask)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_run_lengths_come_back_exactly(mask):
    assert np.array_equal(decoded({"size": mask.shape, "counts": run_lengths(mask)}), mask)


def test_dicom_segmentations_lie_on_images_of_their_own(store, tmp_path):
    import highdicom

    out = tmp_path / "a"
    record = export(store, out, "seg").record
    for one in record.records:
        case = store.get(one.record.partition("/")[0])
        masks = store.result(case)
        place = out / case.case
        clip = open_clip(place / "image.dcm")
        image = pydicom.dcmread(place / "image.dcm")
        assert image.Modality == "US" and image.PatientID in (case.patient, case.case)
        for index, number in enumerate(one.frames):
            assert np.array_equal(np.squeeze(clip.frame(index).pixels), store.frame(case, number))
        shown = [number for number in masks.numbers if any((frame, number) in masks.planes for frame in one.frames)]
        assert (place / "seg.dcm").exists() == bool(shown)
        if not shown:
            continue
        seg = highdicom.seg.segread(place / "seg.dcm")
        assert seg.StudyInstanceUID == image.StudyInstanceUID and seg.number_of_segments == len(shown)
        read = seg.get_pixels_by_source_instance([image.SOPInstanceUID]) if len(one.frames) == 1 else None
        if read is None:
            read = seg.get_pixels_by_source_frame(image.SOPInstanceUID, list(range(1, len(one.frames) + 1)))
        expected = masks.labels()[[number - 1 for number in one.frames]]
        for place_of, number in enumerate(shown):
            assert np.array_equal(read[..., place_of].astype(bool), expected == number)
        if case.kind == "imported":
            assert seg.SegmentSequence[0].SegmentAlgorithmType == "MANUAL"
        else:
            assert seg.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
        assert "draft" not in seg.SeriesDescription
    assert any("1 cases show no lesion" in note for note in record.notes)
    assert any("1 cases have lesions that overlap" in note for note in record.notes)


def test_exported_dicom_passes_a_validator(store, tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    colour = [np.stack([picture(seed + n, 40, 50) for n in range(3)], axis=-1) for seed in (90, 91)]
    with LabelStore.create(tmp_path / "s", secret=KEY) as more:
        masks = MaskStack.of_labels(outlines(5, 2, 40, 50))
        more.put(
            NewLabel(
                "imported", identity_of(colour, "cine"), masks, frames=dict(enumerate(colour, 1)), deidentified=DECLARED
            )
        )
        export(more, tmp_path / "more", "seg")
    export(store, tmp_path / "a", "seg")
    for path in (*tmp_path.glob("more/*/*.dcm"), *tmp_path.glob("a/*/*.dcm")):
        said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        assert [line for line in said.stderr.splitlines() if line.startswith("Error")] == [], path
    # Which frames of a cine these are, as some may not be stored.
    images = [pydicom.dcmread(path) for path in tmp_path.glob("a/*/image.dcm")]
    (cine,) = [image for image in images if "NumberOfFrames" in image]
    assert list(cine.PageNumberVector) == [1, 2]


def test_the_table_says_what_the_reader_and_the_ai_said(store, tmp_path):
    export(store, tmp_path / "a", "csv", kinds=("accepted", "imported", "rejected"))
    with (tmp_path / "a" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows[0]) == len(set(rows[0]))
    by_case: dict[str, list] = {}
    for row in rows:
        by_case.setdefault(row["case"], []).append(row)
    for case, own in by_case.items():
        record = store.get(case)
        masks = store.result(record)
        assert {row["kind"] for row in own} == {record.kind}
        for row in own:
            if not row["lesion"]:
                continue
            areas = {f: int(masks.mask(f, n).sum()) for f, n in masks.planes if n == int(row["lesion"])}
            assert row["area_px"] == (str(max(areas.values())) if areas else "")
    accepted = next(row for row in rows if row["kind"] == "accepted" and row["lesion"] == "1")
    assert (accepted["reader"], accepted["category"], accepted["shape"]) == ("AB", "4C", "irregular")
    draft = drafted().lesions[0]
    assert accepted["ai_category"] == draft.assessment.category
    assert accepted["ai_shape"] == next(one.term for one in draft.descriptors if one.attribute == "shape")
    (drafts,) = store.drafts(store.get(accepted["case"]))
    first, second = drafts.mask(1, 1), store.result(store.get(accepted["case"])).mask(1, 1)
    assert float(accepted["ai_dice"]) == pytest.approx(2 * (first & second).sum() / (first.sum() + second.sum()), 1e-4)
    removed = next(row for row in rows if row["kind"] == "accepted" and row["lesion"] == "2")
    assert removed["present"] == "no"
    normal = [row for row in rows if not row["lesion"]]
    assert [row["known_pathology"] for row in normal] == ["normal"]
    assert any(row["kind"] == "rejected" and row["decision"] == "rejected" for row in rows)
