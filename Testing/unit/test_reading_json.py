"""What an export holds of a reading besides the report: reading.json, and the last columns of the findings table."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from BreastUSAssistLib.birads.findings import COLUMNS, READER_COLUMNS, findings_table, write_findings_csv
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.birads.read_case import ReadCase, beside_lesions
from BreastUSAssistLib.birads.reading import Reading
from BreastUSAssistLib.birads.reading_view import effective_lesions
from BreastUSAssistLib.errors import InputError, OutputError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.service.analysis_file import write_analysis
from BreastUSAssistLib.service.case_files import NOT_DICOM
from BreastUSAssistLib.service.drafts_file import read_drafts
from BreastUSAssistLib.service.reading_export import ExportedReading, export_reading
from BreastUSAssistLib.service.reading_file import parse_reading, read_reading, write_reading
from BreastUSAssistLib.service.worker_clip import WorkerClip
from BreastUSAssistLib.service.worker_export import export
from BreastUSAssistLib.service.worker_requests import Worksite
from BreastUSAssistLib.ultrasound.frame import Clip
from hypothesis import given, settings
from hypothesis import strategies as st
from read_cases import DRAFT, changed_reading, read_case, reading_of
from worker_child import written

SHAPE = (DRAFT.source.rows, DRAFT.source.columns)
OLD_COLUMNS = ("case", "lesion", "key_frame", "frames", "longest_axis_px")


def labels() -> np.ndarray:
    drawn = np.zeros((1, *SHAPE), np.uint8)
    for lesion in DRAFT.lesions:
        top, left, bottom, right = lesion.box
        drawn[0, top:bottom, left:right] = lesion.number
    return drawn


def handed_clip(tmp_path: Path) -> dict[str, Any]:
    frames = np.random.default_rng(0).integers(20, 200, (1, *SHAPE), dtype=np.uint8)
    return WorkerClip(name="one", kind="still", frames=written(tmp_path, frames)).to_json()


def clip_of(tmp_path: Path) -> Clip:
    return WorkerClip.from_json(handed_clip(tmp_path)).clip_and_notes()[0]


def asked(tmp_path: Path, said: Reading | None, /, **arguments: Any) -> dict[str, Any]:
    """Answer of an export as the module asks for it."""
    analysis, read = read_case(said or reading_of())
    path, drawn = tmp_path / "effective.json", tmp_path / "labels.npy"
    write_analysis(path, analysis)
    np.save(drawn, labels())
    request = {
        "clip": handed_clip(tmp_path),
        "analysis": str(path),
        "labels": str(drawn),
        "formats": ["findings.csv", "report.html", "analysis.json"],
        "out": str(tmp_path / "out"),
    }
    if said is not None:
        more = {"reading": said.model_dump_json(), "beside": [one.model_dump(mode="json") for one in read.beside]}
        request.update(json.loads(json.dumps(more)))
    return export({**request, **arguments}, Worksite(tmp_path), lambda: None)


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def row_of(reading: Reading, number: int = 1) -> dict[str, str]:
    return findings_table(*read_case(reading))[number - 1]


def test_the_module_gets_everything_that_the_reader_said(tmp_path):
    reading = changed_reading()
    answer = asked(tmp_path, reading)
    folder = Path(answer["folder"])
    assert {Path(name).name for name in answer["files"]} == {
        "analysis.json",
        "drafts.json",
        "findings.csv",
        "reading.json",
        "report.html",
    }
    schema = json.loads(resource_path("Schema", "reading-1.0.schema.json").read_text("utf-8"))
    content = json.loads((folder / "reading.json").read_text("utf-8"))
    jsonschema.validate(content, schema, cls=jsonschema.Draft202012Validator)
    assert read_reading(folder / "reading.json") == reading
    first, second = table(folder / "findings.csv")
    assert (first["reader"], first["decision"], first["reader_category"]) == ("Dr. M. Example", "accepted", "5")
    assert (first["reader_note"], first["changed_terms"]) == ("Hard. New since March.", "margin posterior_features")
    assert (first["tied_to"], second["tied_to"], first["tied_case"]) == ("2", "1", "")
    assert first["joint_category"] == second["joint_category"] != ""
    assert 0 < float(first["joint_probability"]) < 1
    assert (first["side"], first["clock"], first["nipple_distance_mm"]) == ("right", "10.5", "35.00")
    assert first["decided"] == "2026-03-04T05:06:07+01:00" and first["rejection_reason"] == ""
    assert first["margin"] == "Not circumscribed - spiculated"
    report = (folder / "report.html").read_text("utf-8")
    assert "Accepted by <bdi>Dr. M. Example</bdi>" in report and "Nothing has been checked" not in report


def test_the_drafts_are_kept_with_their_outlines(tmp_path):
    reading = changed_reading()
    path = tmp_path / "drafted.npy"
    np.save(path, np.stack([labels()[0] == one.number for one in DRAFT.lesions]).astype(np.uint8))
    for drafted, count in ((None, 0), (str(path), 2)):
        folder = Path(asked(tmp_path, reading, drafted=drafted)["folder"])
        kept = read_drafts(folder / "drafts.json")
        assert [one.draft for one in kept.lesions] == list(DRAFT.lesions) and kept.case == reading.case
        assert sum(one.outline is not None for one in kept.lesions) == count
    np.save(path, np.zeros((1, *SHAPE), np.uint8))
    with pytest.raises(InputError, match="do not fit"):
        asked(tmp_path, reading, drafted=str(path))


def test_an_export_without_a_reading_has_none(tmp_path):
    folder = Path(asked(tmp_path, None)["folder"])
    assert not (folder / "reading.json").exists() and not (folder / "drafts.json").exists()
    assert all(row[name] == "" for row in table(folder / "findings.csv") for name in READER_COLUMNS)
    assert "Nothing has been checked by a reader." in (folder / "report.html").read_text("utf-8")


def test_a_reading_alone_is_enough(tmp_path):
    folder = Path(asked(tmp_path, changed_reading(), beside=None)["folder"])
    first, second = table(folder / "findings.csv")
    assert first["joint_category"] == second["joint_category"] != "" and first["tied_to"] == "2"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"reading": "{"}, "The reading is damaged"),
        ({"reading": "[]"}, "which version"),
        ({"reading": '{"schema_version": "9.0", "case": "a"}'}, "has format 9.0"),
        ({"reading": '{"schema_version": "1.0", "case": 7}'}, "is not a reading (case"),
        ({"reading": '{"schema_version": "1.0", "case": "a", "seconds_spent": NaN}'}, "damaged"),
        ({"beside": [{"nonsense": 1}]}, "could not be handed"),
        ({"beside": 7}, "could not be handed"),
    ],
)
def test_a_damaged_reading_is_a_sentence_and_nothing_is_written(tmp_path, arguments, words):
    with pytest.raises(InputError) as told:
        asked(tmp_path, changed_reading(), **arguments)
    assert words in str(told.value) and "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_an_export_replaces_an_older_one_with_and_without_a_reading(tmp_path):
    analysis, read = read_case(changed_reading())
    clip, created = clip_of(tmp_path), datetime.now(UTC)
    for said, there in ((read, True), (None, False), (read, True)):
        exported = ExportedReading(clip, analysis, labels(), said)
        done = export_reading(tmp_path / "out", exported, ("findings.csv",), created=created)
        assert {path.name for path in done.folder.iterdir()} == {"findings.csv"} | (
            {"reading.json", "drafts.json"} if there else set()
        )
    done = export_reading(tmp_path / "out", ExportedReading(clip, analysis, labels(), read), NOT_DICOM, created=created)
    assert {path.name for path in done.folder.iterdir()} == {*NOT_DICOM, "reading.json", "drafts.json"}


def test_new_columns_stand_at_the_end_and_the_old_ones_where_they_were():
    assert COLUMNS[: len(OLD_COLUMNS)] == OLD_COLUMNS
    assert COLUMNS[-len(READER_COLUMNS) - 1] == "notice" and COLUMNS[-len(READER_COLUMNS) :] == READER_COLUMNS
    analysis, read = read_case(reading_of())
    for with_reading, without in zip(findings_table(analysis, read), findings_table(analysis), strict=True):
        assert {name: with_reading[name] for name in COLUMNS if name not in READER_COLUMNS} == {
            name: without[name] for name in COLUMNS if name not in READER_COLUMNS
        }
        assert {name: with_reading[name] for name in READER_COLUMNS if with_reading[name]} == {"decision": "open"}


def test_what_the_reader_took_away_has_no_row_and_a_tie_to_it_no_judgement():
    first, second = (one.tracking_uid for one in DRAFT.lesions)
    tied = reading_of(lesions={1: {"tied_to": second}, 2: {"tied_to": first, "present": False}})
    (row,) = findings_table(*read_case(tied))
    assert (row["lesion"], row["tied_to"], row["joint_category"], row["joint_probability"]) == ("1", "2", "", "")


def test_a_lesion_tied_to_another_case_has_its_number_and_name():
    own, other = DRAFT.lesions
    mine, theirs = (DRAFT.model_copy(update={"lesions": (one,)}) for one in (own, other))
    reading = reading_of(mine, {1: {"tied_to": other.tracking_uid}})
    lexicon = load_lexicon()
    views = effective_lesions([theirs], reading_of(theirs, {2: {"tied_to": own.tracking_uid}}), lexicon)
    lesions = effective_lesions([mine], reading, lexicon, other_views=views)
    read = ReadCase(reading=reading, beside=beside_lesions(lesions, {other.tracking_uid: "=view 2"}))
    (row,) = findings_table(mine, read)
    assert (row["tied_to"], row["tied_case"]) == ("2", "'=view 2")
    assert row["joint_category"] and row["joint_probability"]


@pytest.mark.parametrize("words", ["=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r\n=1", "%0A"])
def test_words_of_a_reader_are_not_run_as_formulas(tmp_path, words):
    reading = changed_reading(reader=words, decision="rejected", reason=words)
    reading = reading.with_lesion(reading.lesions[0].model_copy(update={"note": words, "category": words}))
    write_findings_csv(tmp_path / "findings.csv", *read_case(reading))
    first = table(tmp_path / "findings.csv")[0]
    for name in ("reader", "reader_note", "reader_category", "rejection_reason"):
        assert first[name].startswith("'") and "\n" not in first[name]


@settings(deadline=None, max_examples=60)
@given(note=st.text(max_size=80), reader=st.text(max_size=40), seconds=st.floats(0, 1e9))
def test_what_is_written_is_read_back(tmp_path_factory, note, reader, seconds):
    reading = changed_reading(reader=reader, seconds_spent=seconds)
    reading = reading.with_lesion(reading.lesions[0].model_copy(update={"note": note, "revised": DRAFT.lesions[0]}))
    path = tmp_path_factory.getbasetemp() / "reading.json"
    write_reading(path, reading)
    assert read_reading(path) == reading == parse_reading(reading.model_dump_json())


def test_what_json_cannot_hold_and_what_is_no_file_is_a_sentence(tmp_path):
    path = tmp_path / "reading.json"
    with pytest.raises(OutputError, match="not finite"):
        write_reading(path, changed_reading().model_copy(update={"seconds_spent": float("inf")}))
    assert not path.exists()
    for content, words in ((b"\xff\xfe", "damaged"), (b"{}", "which version"), (None, "could not be read")):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_reading(path)


def test_a_reading_names_no_value_in_its_error():
    text = changed_reading().model_dump_json().replace('"accepted"', '"Jane Roe"')
    with pytest.raises(InputError) as told:
        parse_reading(text)
    assert "Jane" not in str(told.value)
