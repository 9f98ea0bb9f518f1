"""What was proven of a case: from imports, from readers, in records of the first format, and in exports."""

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.labels.export_query import ExportQuery
from BreastUSAssistLib.labels.exporting import export_labels
from BreastUSAssistLib.labels.known_values import known_of, pathology_of
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.service.label_export import WRITERS
from BreastUSAssistLib.service.label_import import import_manifest
from label_samples import GATE, KEY, label, outlines, picture, reading
from PIL import Image

OLD = Path(__file__).parent / "data" / "label-store-imported-1.0.zip"
"""Written by the release of record format 1.0: a malignant, a normal and an unknown image imported, the first of them
accepted by a reader afterwards. Encrypted with KEY."""


@pytest.fixture
def store(tmp_path):
    with LabelStore.create(tmp_path / "store", encrypted=False) as made:
        yield made


def imported(store, root, *pathologies):
    root.mkdir(exist_ok=True)
    lines = ["image,mask,pathology"]
    for seed, pathology in enumerate(pathologies):
        Image.fromarray(picture(seed)).save(root / f"{seed}.png")
        Image.fromarray(outlines(seed)[0]).save(root / f"{seed}-mask.png")
        lines.append(f"{seed}.png,{'' if pathology == 'normal' else f'{seed}-mask.png'},{pathology}")
    (root / "m.csv").write_text("\n".join(lines), "utf-8")
    return import_manifest(store, root / "m.csv", root, gate=GATE)


def test_an_import_says_it_and_a_reader_keeps_or_changes_it(store, tmp_path):
    imported(store, tmp_path / "root", "malignant", "normal", "")
    records = [store.get(one.case) for one in store.list()]
    assert [record.pathology for record in records] == ["malignant", "normal", None]
    kept = store.put(label(0))
    assert kept.case == records[0].case and kept.pathology == "malignant" and kept.kind == "accepted"
    assert store.put(label(0, pathology="benign")).pathology == "benign"
    assert store.put(label(0)).version == 3, "the same again, and nothing else is known of it"
    assert store.restore(kept.case, 2).pathology == "malignant"
    assert [pathology_of(store, store.get(record.case)) for record in records] == ["malignant", "normal", None]
    assert known_of(store, store.get(kept.case))["pathology"] == "malignant"


def test_a_changed_pathology_in_a_manifest_is_a_new_version(store, tmp_path):
    assert imported(store, tmp_path / "root", "", "normal").added == 2
    assert imported(store, tmp_path / "root", "benign", "normal").added == 1
    again = imported(store, tmp_path / "root", "benign", "normal")
    assert (again.added, again.there) == (0, 2)
    assert imported(store, tmp_path / "root", "", "normal").there == 2, "an empty cell means unknown, never another"
    assert [store.get(one.case).pathology for one in store.list()] == ["benign", "normal"]


def test_exports_say_what_a_reader_said_of_it(store, tmp_path):
    store.put(label(0, pathology="malignant", frames={1: picture(0)}))
    export_labels(store, tmp_path / "csv", ExportQuery(format="csv"), WRITERS["csv"])
    with (tmp_path / "csv" / "labels.csv").open(newline="", encoding="utf-8") as file:
        assert {row["known_pathology"] for row in csv.DictReader(file)} == {"malignant"}
    export_labels(store, tmp_path / "list", ExportQuery(format="datalist"), WRITERS["datalist"])
    (item,) = json.loads((tmp_path / "list" / "datalist.json").read_text("utf-8"))["training"]
    assert item["pathology"] == "malignant"


def test_records_of_the_first_format_tell_it_by_their_notes(tmp_path):
    with zipfile.ZipFile(OLD) as archive:
        archive.extractall(tmp_path / "store")
    with LabelStore.open(tmp_path / "store", secret=KEY) as store:
        records = [store.get(one.case) for one in store.list()]
        assert [record.kind for record in records] == ["accepted", "imported", "imported"]
        assert all(record.pathology is None for record in records)
        assert [pathology_of(store, record) for record in records] == ["malignant", "normal", None]
        assert store.latest(records[1].case).deidentified is None
        again = imported(store, tmp_path / "root", "malignant", "normal", "")
        assert (again.added, again.kept) == (2, 1), "pictures of these are now known to show no patient data"
        new = store.put(label(0, edit=9, pathology="benign"))
        assert pathology_of(store, new) == "benign" and new.version == 3
        assert np.array_equal(store.result(new).labels(), outlines(9))
        assert not store.verify().damages
    assert reading().reader == records[0].reader
