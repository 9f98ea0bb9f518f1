"""The record of a case: exact, small, readable later, and honest where it cannot be read."""

import json
import time
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from BreastUSAssistLib.birads.reading import LesionReading, Reading
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.service.case_content import as_json, case_schema, read_case, reading_schema
from BreastUSAssistLib.service.label_packing import pack_labels, unpack_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import cases
from scene.cases import slicer

from scene import drafted  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.case import open_case  # isort: skip
from BreastUSAssistLib.mrml.case_record import CASE, SOURCE, CaseRecord, record_nodes  # isort: skip

STORED = Path(__file__).parent / "data" / "case-1.0.json"
"""As the first version of the format wrote it."""


@pytest.fixture
def scene() -> Any:
    return cases.empty_scene()


@settings(max_examples=80, deadline=None)
@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 999), share=st.floats(0, 1))
def test_packed_labels_are_exact(rows: int, columns: int, seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    labels = (random.integers(0, 256, (rows, columns)) * (random.random((rows, columns)) < share)).astype(np.uint8)
    assert np.array_equal(unpack_labels(pack_labels(labels), rows, columns), labels)
    assert pack_labels(labels * 0) == ""


def packed(content: bytes) -> str:
    return b64encode(zlib.compress(content)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "!",
        "AAAA",
        pack_labels(np.ones((9, 9), np.uint8)),
        pack_labels(np.ones((4, 4), np.uint8))[:-8],
        packed(b"\x00"),
        packed(bytes(8) + b"\x01"),
        packed(b"\x03\x00\x00\x00\x02\x00\x01\x00\x01\x01"),
        packed(b"\x00\x00\x00\x00\x04\x00\x05\x00" + bytes(10**6)),
        "ä",
    ],
)
def test_damaged_labels_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="outline is damaged"):
        unpack_labels(text, 4, 5)


def test_a_long_cine_stays_small(scene: Any) -> None:
    rows, columns, count = 600, 800, 300
    row, column = np.mgrid[:rows, :columns]
    random = np.random.default_rng(5)
    sizes = []
    for index in range(0, count, 10):
        wave = 1 + 0.1 * np.sin(7 * np.arctan2(row - 300, column - 400) + index)
        labels = (((row - 300) / 120) ** 2 + ((column - 400 - index / 5) / 180) ** 2 <= wave).astype(np.uint8)
        labels[random.random(labels.shape) < 0.0005] = 0
        sizes.append(len(pack_labels(labels)))
    assert sum(sizes) / len(sizes) * count < 2**21


def test_the_text_is_plain_ascii_on_one_line(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.cine())
    case.set_note(1, 'größer\r\n\u2028"漢" \x1a\x00 ]]> & </x>')
    text = case.record.node.GetText()
    assert text.isascii() and text.isprintable()
    assert json.loads(text)["reading"]["lesions"][0]["note"] == case.reading.lesions[0].note
    assert read_case(text).reading == case.reading
    assert json.loads(text)["notice"].startswith("Research use only")


@settings(max_examples=40, deadline=None)
@given(note=st.text(max_size=200), reader=st.text(max_size=50))
def test_any_text_of_the_reader_is_stored_exactly(note: str, reader: str) -> None:
    lesion = LesionReading.model_construct(**{**dict(LesionReading(tracking_uid="1.1", number=1)), "note": note})
    reading = Reading.model_construct(**{**dict(Reading(case="ä")), "reader": reader, "lesions": (lesion,)})
    again = Reading.model_validate_json(as_json(reading))
    assert (again.reader, again.lesions[0].note) == (reader, note)


def test_every_change_is_in_the_text_at_once(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.cine())
    heard: list[str] = []
    case.record.node.AddObserver(slicer.vtkMRMLTextNode.TextModifiedEvent, lambda *_: heard.append("text"))
    case.set_mask(1, 1, drafted.box(3, 3), "click")
    case.set_category(1, "4A")
    assert len(heard) == 2
    again = CaseRecord.find(scene, case.source)
    assert again is not None and again is not case.record
    assert again.reading == case.reading and np.array_equal(again.mask(1, 1), drafted.box(3, 3))
    assert again.reader_mask(1, 0) is None


def test_a_storage_node_is_made_when_the_scene_is_saved(scene: Any, tmp_path: Path) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    text = case.record.node.GetText()
    again = cases.saved_and_opened_again(tmp_path)
    (node,) = record_nodes(again)
    assert node.GetStorageNode() is not None and node.GetText() == text


def test_copies_and_new_names(scene: Any, tmp_path: Path) -> None:
    case, labels = drafted.drafted_case(cases.cine())
    copy = scene.AddNewNodeByClass("vtkMRMLTextNode", "copy")
    copy.Copy(case.record.node)
    case.record.node.SetName("renamed")
    case.source.volume.SetName("also renamed")
    case.set_note(1, "in the first")
    found = CaseRecord.find(scene, case.source)
    assert found is not None and found.node is case.record.node
    again = drafted.opened_again(tmp_path)
    assert again.record.node.GetName() == "renamed" and again.record.lesion(1).note == "in the first"
    assert np.array_equal(again.labels(), labels)


def test_a_copied_image_is_a_case_of_its_own(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    copy = slicer.vtkSlicerVolumesLogic.CloneVolume(scene, case.source.volume, "copy")
    assert open_case(scene, copy).lesions == ()


def test_a_scene_is_imported_into_another_one(scene: Any, tmp_path: Path) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    first = case.labels()
    cases.give_cache(scene)
    bundle = tmp_path / "a.mrb"
    assert scene.WriteToMRB(str(bundle))
    import zipfile

    zipfile.ZipFile(bundle).extractall(tmp_path / "a")
    case.set_mask(0, 1, drafted.box(0, 0), "click")
    second = case.labels()
    scene.SetURL(str(next((tmp_path / "a").rglob("*.mrml"))))
    assert scene.Import(None)
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert len(volumes) == 2
    assert np.array_equal(case.labels(), second)
    (other,) = [one for one in volumes if one is not case.source.volume]
    assert np.array_equal(open_case(scene, other).labels(), first)


def changed(text: str, **changes: Any) -> str:
    return json.dumps({**json.loads(text), **changes})


def test_damaged_records_are_told_in_a_sentence(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    node, text, source = case.record.node, case.record.node.GetText(), case.source
    case.close()
    wrong_run = json.loads(text)["runs"][0] | {"labels": 3}
    for broken, match in [
        ("", "not JSON"),
        (text[:-9], "not JSON"),
        ("[" * 100000, "not JSON"),
        (text.replace("0.0654321", "NaN"), "not JSON"),
        ("[]", "no version"),
        (changed(text, schema_version="one"), "no version"),
        (changed(text, schema_version="1.7"), "update BreastUSAssist"),
        (changed(text, schema_version="0.9"), "schema_version"),
        (changed(text, runs=3), "runs"),
        (changed(text, runs=[1]), "runs/0"),
        (changed(text, runs=[wrong_run]), "runs/0/labels"),
        (changed(text, name="Jane Doe"), "name"),
        (changed(text, rows=21), "choose the images that it was made from"),
    ]:
        node.SetText(broken)
        with pytest.raises(InputError, match=match) as told:
            open_case(scene, source.volume)
        assert "Jane" not in str(told.value) and str(told.value).count(".") <= 3
    copy = scene.AddNewNodeByClass("vtkMRMLTextNode", "copy")
    copy.Copy(node)
    copy.SetText(text)
    assert len(open_case(scene, source.volume).lesions) == 2, "a copy that can be read counts"


def test_a_damaged_outline_is_told_when_it_is_needed(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    content = json.loads(case.record.node.GetText())
    content["runs"][0]["labels"] = ["AAAA"]
    case.record.node.SetText(json.dumps(content))
    with pytest.raises(InputError, match="outline is damaged"):
        case.labels()


def test_labels_of_another_size_are_refused(scene: Any) -> None:
    source = cases.still()
    record = CaseRecord.create(scene, source)
    labels = drafted.two_boxes(1)
    with pytest.raises(InputError, match="30 x 19 pixels"):
        record.add_run(drafted.analysis_of(labels), labels[:, 1:], 1)
    assert record.node is None and record.runs == ()


def test_a_number_that_json_lacks_is_refused(scene: Any) -> None:
    case, labels = drafted.drafted_case(cases.still())
    before = case.record.node.GetText()
    analysis = drafted.analysis_of(labels).model_copy(update={"timings_ms": {"predict": float("nan")}})
    with pytest.raises(InputError, match="not finite"):
        for _step in case.apply_run(analysis, labels):
            pass
    assert case.record.node.GetText() == before
    drafted.assert_scene_shows_record(case)


@pytest.mark.parametrize(("name", "schema"), [("case", case_schema), ("reading", reading_schema)])
def test_the_published_schemas_are_the_generated_ones(name: str, schema: Any) -> None:
    path = resource_path("Schema", f"{name}-1.0.schema.json")
    assert path.read_text("utf-8") == schema(), f"write {name}_schema() to {path.name}"
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))


def test_what_is_stored_follows_the_schemas(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.cine())
    case.set_mask(0, 1, drafted.box(3, 3), "click")
    case.set_term(2, "margin", "spiculated")
    content = json.loads(case.record.node.GetText())
    for name, part in [("case", content), ("reading", content["reading"])]:
        schema = json.loads(resource_path("Schema", f"{name}-1.0.schema.json").read_text("utf-8"))
        jsonschema.validate(part, schema, cls=jsonschema.Draft202012Validator)


def test_a_stored_case_of_the_first_version_still_opens(scene: Any) -> None:
    source = cases.cine()
    node = scene.AddNewNodeByClass("vtkMRMLTextNode", "old")
    node.SetAttribute(CASE, "1.0")
    node.SetText(STORED.read_text("utf-8"))
    node.SetNodeReferenceID(SOURCE, source.sequence.GetID())
    case = open_case(scene, source.volume)
    labels = drafted.two_boxes(4)
    assert np.array_equal(case.drafts()[0][1], labels)
    labels[labels == 2] = 0
    labels[1][labels[1] == 1] = 0
    labels[1][drafted.box(4, 4)] = 1
    assert np.array_equal(case.labels(), labels)
    first, second = case.lesions
    assert first.changed == {"shape"} and first.note == "größer" and first.category == "4B"
    assert not second.present and case.reading.place.clock == 3.5
    assert case.runs[0].schema_version > "1.0"
    drafted.assert_scene_shows_record(case)


def test_changes_stay_quick_with_a_long_record(scene: Any) -> None:
    """Runs are put into words once: the work of a change does not grow with them."""
    from BreastUSAssistLib.service import case_content

    case, _labels = drafted.drafted_case(cases.cine())
    written: list[str] = []
    original = case_content.as_json

    def counted(part: Any) -> str:
        written.append(type(part).__name__)
        return original(part)

    case_content.as_json = counted
    try:
        case.set_note(1, time.strftime("%c"))
        case.set_mask(0, 1, drafted.box(1, 1), "click")
    finally:
        case_content.as_json = original
    assert written == ["CaseContent", "CaseContent", "StoredMask"]
