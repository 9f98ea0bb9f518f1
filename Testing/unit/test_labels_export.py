"""Exports of a label store, each read back by another program's reader, or by hand, and compared with the store."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from BreastUSAssistLib.birads.analysis import Spacing
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.labels.export_coco import run_lengths
from BreastUSAssistLib.labels.export_query import FORMATS, ExportQuery, export_schema, read_query
from BreastUSAssistLib.labels.export_split import parts_of
from BreastUSAssistLib.labels.exporting import export_labels
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.new_label import NewLabel
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.learning.manifest import read_manifest
from BreastUSAssistLib.service.label_export import WRITERS
from BreastUSAssistLib.service.label_import import import_manifest
from BreastUSAssistLib.ultrasound.reading import open_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_samples import DECLARED, GATE, KEY, NAME, drafted, label, outlines, picture, reading
from PIL import Image

PIXELS = tuple(name for name in FORMATS if name != "csv")


def fill(store: LabelStore) -> None:
    """Seven cases: corrected ones of three patients, a cine, colour, an overlap, one without lesion."""
    for seed in range(3):
        store.put(label(seed, edit=seed + 10, frames={1: picture(seed)}, patient=f"{NAME} {seed // 2}"))
    cine = [picture(seed, 40, 50) for seed in (20, 21, 22)]
    labels = outlines(5, 3, 40, 50)
    store.put(
        NewLabel(
            "imported",
            identity_of(cine, "cine"),
            MaskStack.of_labels(labels, spoken=[1, 3]),
            frames={1: cine[0], 2: cine[1]},
            deidentified=DECLARED,
            spacing=Spacing(row_mm=0.1, column_mm=0.2, source="user"),
        )
    )
    colour = np.stack([picture(seed, 40, 50) for seed in (30, 31, 32)], axis=-1)
    store.put(
        NewLabel(
            "imported",
            identity_of([colour], "still"),
            MaskStack.of_labels(labels[:1]),
            frames={1: colour},
            deidentified=DECLARED,
        )
    )
    one, other = np.zeros((2, 48, 65), bool)
    one[4:20, 4:20] = other[10:30, 10:30] = True
    both = MaskStack.of((1, 48, 65), {(1, 1): one, (1, 2): other})
    store.put(
        NewLabel("imported", identity_of([picture(40)], "still"), both, frames={1: picture(40)}, deidentified=DECLARED)
    )
    none = MaskStack.of((1, 48, 65), {})
    store.put(
        NewLabel("imported", identity_of([picture(50)], "still"), none, frames={1: picture(50)}, deidentified=DECLARED)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("labels") / "store"
    with LabelStore.create(folder, secret=KEY) as store:
        fill(store)
        store.put(label(60, "autosaved", frames={1: picture(60)}))
        store.put(label(61, "rejected", reading=reading(decision="rejected"), frames={1: picture(61)}))
        store.put(
            NewLabel("imported", identity_of([picture(70)], "still"), frames={1: picture(70)}, deidentified=DECLARED)
        )
    return folder


@pytest.fixture
def store(folder):
    with LabelStore.open(folder, secret=KEY, read_only=True) as store:
        yield store


def export(store: LabelStore, out: Path, form: str, replace: bool = False, **asked: object):
    query = ExportQuery.model_validate({"format": form, **asked})
    return export_labels(store, out, query, WRITERS[query.format], replace=replace)


def dividing(store: LabelStore) -> dict[str, float]:
    """A split that leaves cases on both sides: pseudonyms, and with them the sides, differ from store to store."""
    patients = {}
    for summary in store.list(("accepted", "imported")):
        record = store.get(summary.case)
        if record.result is not None:
            patients[record.case] = record.patient or record.case
    for seed in range(1000):
        parts = parts_of(patients, ExportQuery(format="csv", split=0.4, seed=seed))
        held_back = {patients[case] for case, (part, _) in parts.items() if part == "test"}
        if held_back and len(set(patients.values()) - held_back) > 1:
            return {"split": 0.4, "seed": seed}
    raise AssertionError("no seed divides the patients")


def truth(store: LabelStore, name: str) -> tuple[np.ndarray, MaskStack, int]:
    """Pixels, masks and number of the frame that a file is called after."""
    case, _, number = name.partition("_")
    record = store.get(case)
    masks = store.result(record)
    assert masks is not None
    return store.frame(record, int(number or 1)), masks, int(number or 1)


def lesion_anywhere(masks: MaskStack, number: int) -> np.ndarray:
    return np.any([masks.mask(number, lesion) for lesion in (0, *masks.numbers)], axis=0)


def check_pair(store: LabelStore, image: Path, mask: Path, name: str, grey: bool = False) -> None:
    pixels, masks, number = truth(store, name)
    if not (grey and pixels.ndim == 3):
        assert np.array_equal(np.asarray(Image.open(image)), pixels)
    found = np.asarray(Image.open(mask))
    assert found.dtype == np.uint8 and set(np.unique(found)) <= {0, 1}
    assert np.array_equal(found.astype(bool), lesion_anywhere(masks, number))


def every_file(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def expected_names(store: LabelStore) -> set[str]:
    names = set()
    for summary in store.list(("accepted", "imported")):
        record = store.get(summary.case)
        masks = store.result(record)
        if masks is not None:
            several = record.image.frame_count > 1
            frames = set(masks.spoken) & set(store.frame_numbers(record))
            names |= {f"{record.case}_{number:04d}" if several else record.case for number in frames}
    return names


@pytest.mark.parametrize("form", FORMATS)
def test_a_second_export_is_the_same_to_the_byte(store, tmp_path, form):
    done = export(store, tmp_path / "a", form, **dividing(store))
    export(store, tmp_path / "b", form, **dividing(store))
    first = every_file(tmp_path / "a")
    assert first == every_file(tmp_path / "b") and "query.json" in first
    assert done.record.counts.cases == 7 and done.damaged == ()
    assert done.record.counts.test > 0 and read_query(tmp_path / "a") == done.record.query


@pytest.mark.parametrize("form", FORMATS)
def test_no_export_names_a_patient_or_an_original(store, tmp_path, form):
    export(store, tmp_path / "a", form)
    for name, content in every_file(tmp_path / "a").items():
        for word in (NAME, "Doe", "Jane", *(f"1.2.826.0.1.{seed}" for seed in range(3))):
            assert word.encode() not in content and word not in name
        assert b"seen with the colleague" not in content


@pytest.mark.parametrize("form", PIXELS)
def test_what_is_left_out_is_told(store, tmp_path, form):
    record = export(store, tmp_path / "a", form).record
    assert record.counts.left_out == 1 and record.counts.frames == 8
    assert any("1 cases have no masks" in note for note in record.notes)
    assert any("1 frames (0 whole cases)" in note for note in record.notes)
    assert any("declared to be de-identified" in note for note in record.notes)


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


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(0, 300).map(str), st.integers(0, 40).map(str), min_size=1, max_size=80),
    st.floats(0, 0.9),
    st.integers(1, 7),
    st.integers(0, 5),
)
def test_no_patient_is_on_both_sides_of_a_split_or_in_two_folds(cases, split, folds, seed):
    query = ExportQuery(format="csv", split=split, folds=folds, seed=seed)
    parts = parts_of(cases, query)
    assert parts.keys() == cases.keys() and parts == parts_of(dict(reversed(cases.items())), query)
    of_patient: dict[str, set] = {}
    for case, patient in cases.items():
        of_patient.setdefault(patient, set()).add(parts[case])
    assert all(len(places) == 1 for places in of_patient.values())
    # More labels never move a patient across the split.
    more = parts_of({**cases, "new": "another patient"}, query)
    assert all(more[case][0] == parts[case][0] for case in cases)


def test_the_split_is_near_what_was_asked_for_and_folds_are_even():
    query = ExportQuery(format="csv", split=0.2, seed=1)
    parts = parts_of({str(case): f"patient {case // 2}" for case in range(2000)}, query)
    held_back = sum(part == "test" for part, _ in parts.values())
    assert 320 < held_back < 480
    sizes = np.bincount([fold for _, fold in parts.values() if fold is not None])
    assert len(sizes) == 5 and np.ptp(sizes) <= 2


def test_a_recorded_query_gives_the_same_export_after_more_labels_came(tmp_path):
    with LabelStore.create(tmp_path / "s", secret=KEY) as store:
        fill(store)
        first = export(store, tmp_path / "a", "datalist", split=0.4).record
        store.put(label(0, edit=30, patient=f"{NAME} 0"))
        store.put(label(80, frames={1: picture(80)}))
        store.note("something")
        query = read_query(tmp_path / "a" / "query.json")
        export_labels(store, tmp_path / "b", query, WRITERS["datalist"])
        assert every_file(tmp_path / "a") == every_file(tmp_path / "b")
        now = export(store, tmp_path / "c", "datalist", split=0.4).record
    assert now.counts.cases == first.counts.cases + 1 and now.query.head != first.query.head
    before = {one.record.partition("/")[0]: one.part for one in first.records}
    assert {one.record.partition("/")[0]: one.part for one in now.records}.items() >= before.items()


def test_a_damaged_record_is_named_and_the_good_ones_exported(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BREASTUS_KEY", KEY)
    with LabelStore.create(tmp_path / "s") as store:
        fill(store)
        record = store.get(store.list()[1].case)
        blob = tmp_path / "s" / "blobs" / record.result[:2] / record.result
    content = bytearray(blob.read_bytes())
    content[-5] ^= 1
    blob.write_bytes(content)
    call = ["labels", "export", "--store", str(tmp_path / "s"), "--format", "csv", "--out", str(tmp_path / "o")]
    assert main(call) == 3
    assert record.result in capsys.readouterr().err
    assert len(read_rows(tmp_path / "o")) == 6
    assert json.loads((tmp_path / "o" / "query.json").read_text())["counts"]["left_out"] == 1


def read_rows(out: Path) -> set[str]:
    with (out / "labels.csv").open(newline="", encoding="utf-8") as file:
        return {row["case"] for row in csv.DictReader(file)}


def test_nothing_that_is_no_export_is_replaced(store, tmp_path):
    out = tmp_path / "a"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    for replace in (False, True):
        with pytest.raises(UsageError):
            export(store, out, "csv", replace=replace)
    assert every_file(out) == {"mine.txt": b"mine"}
    with pytest.raises(UsageError, match="in the label store"):
        export(store, store.folder / "blobs" / "new", "csv")
    export(store, tmp_path / "b", "csv")
    with pytest.raises(UsageError, match="--replace"):
        export(store, tmp_path / "b", "coco")
    export(store, tmp_path / "b", "coco", replace=True)
    assert not (tmp_path / "b" / "labels.csv").exists() and not list(tmp_path.glob(".*"))


def test_an_export_that_fails_leaves_nothing(store, tmp_path):
    def fail(folder, content):
        (folder / "half").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(Exception, match="No space left"):
        export_labels(store, tmp_path / "a", ExportQuery(format="csv"), fail)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="can be exported"):
        export(store, tmp_path / "a", "csv", kinds=("rejected",), head="1:" + "0" * 64)


def test_real_images_go_in_and_come_out_again(data_root, tmp_path):
    manifest = tmp_path / "m.csv"
    lines = (data_root / "manifest.csv").read_text("utf-8").splitlines()
    manifest.write_text("\n".join([lines[0], *lines[1:3], *lines[1600:1602], *lines[-2:]]) + "\n")
    rows = read_manifest(manifest, data_root)
    with LabelStore.create(tmp_path / "s", encrypted=False) as store:
        import_manifest(store, manifest, data_root, gate=GATE)
        export(store, tmp_path / "n", "nnunet")
        names = [summary.case for summary in store.list()]
    for name, row in zip(names, rows, strict=True):
        image = np.asarray(Image.open(tmp_path / "n" / "imagesTr" / f"{name}_0000.png"))
        assert np.array_equal(image, np.asarray(Image.open(row.image).convert("L")))
        mask, truth_mask = Image.open(tmp_path / "n" / "labelsTr" / f"{name}.png"), np.asarray(Image.open(row.mask))
        assert np.array_equal(np.asarray(mask) > 0, (truth_mask > 0) & (truth_mask <= 100))


def test_the_command_exports_and_repeats_an_export(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BREASTUS_KEY", KEY)
    call = ["labels", "export", "--store", str(folder), "--out", str(tmp_path / "a"), "--json"]
    assert main([*call, "--format", "coco", "--split", "0.4", "--seed", "3", "--kinds", "accepted"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["counts"]["cases"] == 3 and said["query"]["kinds"] == ["accepted"] and "records" not in said
    again = ["labels", "export", "--store", str(folder), "--out", str(tmp_path / "b")]
    assert main([*again, "--query", str(tmp_path / "a")]) == 0
    assert every_file(tmp_path / "a") == every_file(tmp_path / "b")
    out, err = capsys.readouterr()
    assert "3 cases of 2 patients" in out and "note: " in err
    assert main([*again, "--replace", "--format", "csv", "--head", "999:" + "0" * 64]) == 3
    assert "no such entry" in capsys.readouterr().err
    LabelStore.create(tmp_path / "other").close()
    other = ["labels", "export", "--store", str(tmp_path / "other"), "--out", str(tmp_path / "c")]
    assert main([*other, "--query", str(tmp_path / "a")]) == 2 and "another" in capsys.readouterr().err
    assert main([*again, "--format", "csv", "--head", "nonsense"]) == 2
    assert "--head" in capsys.readouterr().err
    for wrong in (["--format", "csv", "--split", "1"], ["--format", "csv", "--kinds", "best"], ["--format", "xml"], []):
        with pytest.raises(SystemExit):
            main([*again, *wrong])


def test_the_published_schema_is_that_of_the_code():
    assert resource_path("Schema", "label-export-1.1.schema.json").read_text("utf-8") == export_schema()


def test_an_export_of_the_first_version_is_made_again_with_its_disputes(store, tmp_path):
    export(store, tmp_path / "a", "csv")
    path = tmp_path / "a" / "query.json"
    content = json.loads(path.read_text("utf-8"))
    assert content["query"].pop("include_disputed") is False
    path.write_text(json.dumps({**content, "schema_version": "1.0"}), "utf-8")
    query = read_query(tmp_path / "a")
    assert query == ExportQuery(format="csv", include_disputed=True, head=store.head())


def test_a_query_of_another_version_or_a_torn_one_is_refused(tmp_path):
    (tmp_path / "query.json").write_text('{"schema_version": "9.0"}')
    with pytest.raises(InputError, match="update"):
        read_query(tmp_path)
    (tmp_path / "query.json").write_text('{"schema_version": "1.0", ')
    with pytest.raises(InputError, match="no query"):
        read_query(tmp_path)
    with pytest.raises(InputError, match="could not be read"):
        read_query(tmp_path / "gone")
