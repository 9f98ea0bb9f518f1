"""The report of a case folder, as the export of a reading wrote it; and the AI's drafts beside it."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from BreastUSAssistLib.birads.read_case import BesideLesion
from BreastUSAssistLib.dicom.report_reading import read_report
from BreastUSAssistLib.errors import InputError, OutputError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.service.case_files import DRAFTS
from BreastUSAssistLib.service.drafts_file import Drafts, drafts_schema, read_drafts, with_outlines, write_drafts
from BreastUSAssistLib.service.reading_export import ExportedReading, export_reading
from BreastUSAssistLib.service.reading_file import write_reading
from BreastUSAssistLib.service.report_folder import report_of_folder
from BreastUSAssistLib.ultrasound.frame import Clip, SourceReference, UltrasoundFrame
from dicom import drafts
from dicom.read_reports import ACCEPTED, ReadReport
from pydicom import Dataset, dcmread


def clip_of(made: ReadReport) -> Clip:
    count = len(made.labels)
    frame = UltrasoundFrame(np.zeros(made.labels.shape[1:], np.uint8), SourceReference(Path("a.dcm")))
    return Clip("case", "still" if count == 1 else "cine", count, lambda _: frame, headers=tuple(made.headers))


def exported(made: ReadReport, out: Path, labels: np.ndarray | None = None) -> Path:
    analysis, read = made.effective()
    reading = ExportedReading(clip_of(made), analysis, made.labels if labels is None else labels, read)
    written = export_reading(out, reading, created=drafts.CREATED)
    assert written.notes == ()
    return written.folder


def said(report: "Path | Dataset") -> object:
    return read_report(report).model_copy(update={"sop_instance_uid": ""})


@pytest.fixture
def made() -> ReadReport:
    return ReadReport(7).case(**ACCEPTED).lesion(1, category="5", edited_frames=(2,)).lesion(2, present=False)


def test_the_report_of_the_folder_is_that_of_the_export(made: ReadReport, tmp_path: Path) -> None:
    folder = exported(made, tmp_path, (made.labels == 1).astype(np.uint8))
    report = report_of_folder(folder / "analysis.json", made.headers, drafts.CREATED)
    assert report.VerificationFlag == "VERIFIED"
    assert said(report) == said(folder / "sr.dcm")
    assert all(one.ai is not None and one.ai.outlines for one in read_report(report).lesions)
    assert read_drafts(folder / DRAFTS).lesions == made.effective()[1].beside
    report.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    assert drafts.validator_errors(tmp_path / "sr.dcm") == []


def test_the_outlines_say_who_drew_them(made: ReadReport, tmp_path: Path) -> None:
    labels = made.labels.copy()
    labels[:, 2:8, 60:70] = 3
    added = drafts.lesion(3, labels, origin="automatic")
    made.lesion(2, present=True).added(added, tools=("added",))
    folder = exported(made, tmp_path, labels)
    kinds = [item.SegmentAlgorithmType for item in dcmread(folder / "seg.dcm").SegmentSequence]
    assert kinds == ["SEMIAUTOMATIC", "AUTOMATIC", "MANUAL"]
    origins = [one.reader.origin for one in read_report(folder / "sr.dcm").lesions if one.reader]
    assert origins == ["semiautomatic", "automatic", "manual"]
    tracked = [item.TrackingUID for item in dcmread(folder / "seg.dcm").SegmentSequence]
    assert tracked == [one.tracking_uid for one in read_report(folder / "sr.dcm").lesions]


def test_the_segmentation_of_an_accepted_case_is_no_draft(tmp_path: Path) -> None:
    for case, is_draft in ((ACCEPTED, False), ({**ACCEPTED, "decision": "rejected"}, True)):
        segmentation = dcmread(exported(ReadReport().case(**case), tmp_path) / "seg.dcm")
        assert ("AI draft" in segmentation.SeriesDescription) == is_draft
        assert "esearch use only" in segmentation.SeriesDescription


def test_without_drafts_the_report_is_verified_all_the_same(made: ReadReport, tmp_path: Path) -> None:
    folder = exported(made, tmp_path, (made.labels == 1).astype(np.uint8))
    (folder / DRAFTS).unlink()
    read = read_report(report_of_folder(folder, made.headers, drafts.CREATED))
    assert read.verified and [one.ai for one in read.lesions] == [None]
    assert "The reader says that lesion 2 is none." in read.remarks


def test_without_drafts_what_the_reader_left_is_known_all_the_same(tmp_path: Path) -> None:
    made = ReadReport(7).case(**ACCEPTED).lesion(1, descriptors={"shape": "oval"}).lesion(2, category="3")
    folder = exported(made, tmp_path)
    whole = read_report(folder / "sr.dcm")
    (folder / DRAFTS).unlink()
    first, second = read_report(report_of_folder(folder, made.headers, drafts.CREATED)).lesions
    assert first.ai is None and first.verdict is None
    assert second == whole.lesions[1] and second.ai is not None and second.verdict == "kept"


@pytest.mark.parametrize("change", [{"present": False}, {"descriptors": {"shape": "oval"}}])
def test_a_draft_beside_a_reading_that_changed_it_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    made = ReadReport().case(**ACCEPTED)
    folder = exported(made, tmp_path)
    write_reading(folder / "reading.json", made.lesion(1, **change).reading)
    with pytest.raises(InputError, match="a draft beside a reading that changed it"):
        report_of_folder(folder, made.headers, drafts.CREATED)


def test_drafts_of_another_case_are_refused(made: ReadReport, tmp_path: Path) -> None:
    folder = exported(made, tmp_path, (made.labels == 1).astype(np.uint8))
    write_drafts(folder / DRAFTS, Drafts(case="other"))
    with pytest.raises(InputError, match="another case"):
        report_of_folder(folder, made.headers, drafts.CREATED)


def test_a_folder_that_nobody_has_read_gives_a_draft(made: ReadReport, tmp_path: Path) -> None:
    reading = ExportedReading(clip_of(made), made.draft, made.labels)
    folder = export_reading(tmp_path, reading, created=drafts.CREATED).folder
    read = read_report(report_of_folder(folder, made.headers, drafts.CREATED))
    assert not read.verified and read.decision is None and not (folder / DRAFTS).exists()
    assert all(one.reader is None for one in read.lesions)


def test_the_schema_of_the_drafts_is_the_published_one(made: ReadReport, tmp_path: Path) -> None:
    published = resource_path("Schema", "drafts-1.0.schema.json").read_text("utf-8")
    assert published == drafts_schema()
    write_drafts(tmp_path / DRAFTS, Drafts(case="case", lesions=made.effective()[1].beside))
    content = json.loads((tmp_path / DRAFTS).read_text("utf-8"))
    jsonschema.validate(content, json.loads(published), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"[]", "not of format"),
        (b'{"schema_version": "9.0"}', "not of format"),
        (b'{"schema_version": "1.0", "case": 7, "lesions": "Jane Roe"}', "no drafts"),
        (b"[" * 100_000, "damaged"),
        (None, "could not be read"),
    ],
)
def test_damaged_drafts_are_a_sentence(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / DRAFTS
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as told:
        read_drafts(path)
    assert "Jane" not in str(told.value) and "\n" not in str(told.value)


def test_outlines_that_do_not_fit_and_numbers_without_a_form_are_refused(made: ReadReport, tmp_path: Path) -> None:
    beside = made.effective()[1].beside
    with pytest.raises(InputError, match="do not fit"):
        with_outlines(beside, np.zeros((1, 60, 80), np.uint8))
    assert all(one.outline is None for one in with_outlines(beside, np.zeros((2, 60, 80), np.uint8)))
    endless = BesideLesion(tracking_uid="1.2", outline=((float("inf"), 0.0),))
    with pytest.raises(OutputError, match="not finite"):
        write_drafts(tmp_path / DRAFTS, Drafts(case="case", lesions=(endless,)))
