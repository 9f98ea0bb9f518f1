"""Exports of a label store: repeatable, without a name, whole or not at all, and divided by patient."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.labels.export_query import FORMATS, ExportQuery, export_schema, read_query
from BreastUSAssistLib.labels.export_split import parts_of
from BreastUSAssistLib.labels.exporting import export_labels
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.learning.manifest import read_manifest
from BreastUSAssistLib.service.label_export import WRITERS
from BreastUSAssistLib.service.label_import import import_manifest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_exports import (
    dividing,
    every_file,
    export,
    fill,
    filled_store,
)
from label_samples import GATE, KEY, NAME, label, picture
from PIL import Image

PIXELS = tuple(name for name in FORMATS if name != "csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return filled_store(tmp_path_factory.mktemp("labels") / "store")


@pytest.fixture
def store(folder):
    with LabelStore.open(folder, secret=KEY, read_only=True) as store:
        yield store


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
