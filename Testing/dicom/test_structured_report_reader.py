"""Reports of a case that a reader has read: verified where a named reader accepted, and who said what is told apart."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.birads.reading import READER_CATEGORIES, Place
from BreastUSAssistLib.birads.reading_view import NO_MODEL
from BreastUSAssistLib.dicom import codes
from BreastUSAssistLib.dicom.report_observers import person_name
from BreastUSAssistLib.dicom.report_reading import read_report
from BreastUSAssistLib.dicom.source_frames import source_frames
from BreastUSAssistLib.dicom.structured_report import report_dataset, write_report
from BreastUSAssistLib.files import resource_path
from dicom import drafts, sources
from dicom.read_reports import ACCEPTED, MOMENT, ReadReport, items_of, named
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread


def state_of(report: Dataset) -> tuple[str, str, str]:
    return report.VerificationFlag, report.CompletionFlag, report.PreliminaryFlag


def standing_groups(report: Dataset) -> list[Dataset]:
    (container,) = named(report.ContentSequence, codes.MEASUREMENTS.value)
    return list(container.ContentSequence)


def draft_groups(report: Dataset) -> list[Dataset]:
    containers = named(report.ContentSequence, codes.AI_DRAFTS.value)
    return [group for one in containers for group in one.ContentSequence]


def value_of(group: Dataset, name: codes.Code) -> str | None:
    found = named(group.ContentSequence, name.value)
    return found[0].ConceptCodeSequence[0].CodeMeaning if found else None


def is_the_persons(item: Dataset) -> bool:
    said = named(item.get("ContentSequence") or [], codes.OBSERVER_TYPE.value)
    return [one.ConceptCodeSequence[0].CodeMeaning for one in said] == ["Person"]


def test_a_named_reader_who_accepts_verifies(tmp_path: Path) -> None:
    path = ReadReport().case(**ACCEPTED).write(tmp_path / "sr.dcm", organization="Example Hospital")
    assert drafts.validator_errors(path) == []
    report = dcmread(path)
    assert state_of(report) == ("VERIFIED", "COMPLETE", "FINAL")
    (observer,) = report.VerifyingObserverSequence
    assert str(observer.VerifyingObserverName) == "Dr. M. Example^"
    assert str(observer.VerificationDateTime) == "20260304050607+0100"
    assert observer.VerifyingOrganization == "Example Hospital"
    assert "AI draft" not in report.SeriesDescription + report.CompletionFlagDescription
    assert report.SeriesDescription.startswith("BreastUSAssist, research use only")
    texts = [item.TextValue for item in report.ContentSequence if item.ValueType == "TEXT"]
    assert any("not for diagnosis" in text and "named reader accepted" in text for text in texts)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"decision": "open", "place": Place(side="left")}, "changed by a reader, not decided"),
        ({**ACCEPTED, "decision": "rejected", "reason": "Not a breast."}, "rejected by a reader"),
        ({**ACCEPTED, "reader": " "}, "accepted, but no name or no time"),
        ({**ACCEPTED, "reader": "=\\^"}, "accepted, but no name or no time"),
        ({**ACCEPTED, "decided": None}, "accepted, but no name or no time"),
        ({**ACCEPTED, "decided": "2026-03-04T05:06:07"}, "accepted, but no name or no time"),
        ({"decision": "open"}, "not read by anyone"),
    ],
)
def test_nothing_else_does(case: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = ReadReport().case(**case).write(tmp_path / "sr.dcm")
    assert drafts.validator_errors(path) == []
    report = dcmread(path)
    assert state_of(report) == ("UNVERIFIED", "PARTIAL", "PRELIMINARY")
    assert words in report.CompletionFlagDescription and "VerifyingObserverSequence" not in report
    assert report.SeriesDescription.startswith("AI draft, research use only")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([sources.still(rgb=True)], id="still"),
        pytest.param([sources.still(sop_class=sources.US_RETIRED)], id="retired class"),
        pytest.param([sources.enhanced_volume(5)], id="volume"),
        pytest.param(sources.stills(4), id="stills"),
        pytest.param(sources.bare(sources.captures(4)), id="bare captures"),
        pytest.param(sources.automated_volume(4), id="automated volume"),
    ],
)
@pytest.mark.parametrize("mm", [True, False])
def test_every_kind_of_source(headers: list[Dataset], mm: bool, tmp_path: Path) -> None:
    import highdicom

    made = ReadReport(headers=headers, mm=mm).case(**ACCEPTED).lesion(1, category="4A", edited_frames=(1,))
    path = made.lesion(2, present=False).write(tmp_path / "sr.dcm")
    assert drafts.validator_errors(path) == []
    assert len(highdicom.sr.srread(path).content.get_planar_roi_measurement_groups()) == 1
    first, second = read_report(path).lesions
    for lesion, draft in zip((first, second), made.draft.lesions, strict=True):
        assert lesion.tracking_uid == draft.tracking_uid and lesion.ai is not None
        frame = source_frames(made.headers)[draft.key_frame - 1]
        (outline,) = lesion.ai.outlines
        assert (outline.sop_instance_uid, outline.frame_number) == (frame.sop_instance_uid, frame.frame_number)
    assert first.reader is not None and second.reader is None


@pytest.mark.parametrize("category", READER_CATEGORIES)
def test_each_category_of_a_reader_is_an_assessment(category: str, tmp_path: Path) -> None:
    path = ReadReport().lesion(1, category=category).case(**ACCEPTED).write(tmp_path / "sr.dcm")
    assert drafts.validator_errors(path) == []
    first, second = standing_groups(dcmread(path))
    (assessment,) = named(first.ContentSequence, codes.ASSESSMENT_CATEGORY.value)
    assert assessment.ConceptCodeSequence[0].CodeMeaning == f"BI-RADS Category {category}"
    assert is_the_persons(assessment) and "not an assessment" not in str(assessment)
    # The AI's suggestion has a name of its own, so that nobody takes it for the reader's.
    (suggestion,) = named(first.ContentSequence, codes.SUGGESTED_CATEGORY.value)
    assert "not an assessment" in suggestion.ContentSequence[0].TextValue and not is_the_persons(suggestion)
    assert named(second.ContentSequence, codes.ASSESSMENT_CATEGORY.value) == []
    assert "The reader gave no assessment category." in [item.get("TextValue") for item in second.ContentSequence]


def test_the_categories_are_those_of_the_lexicon() -> None:
    import json

    for edition in ("birads-us-2013", "birads-us-v2025"):
        listed = json.loads(resource_path("Lexicon", f"{edition}.json").read_text("utf-8"))["categories"]
        assert set(listed) == set(READER_CATEGORIES) == set(codes.READER_CATEGORIES)
        for key, code in codes.READER_CATEGORIES.items():
            given = listed[key]["code"]
            assert (given["value"], given["scheme"]) == (code.value, code.scheme)
            assert given.get("scheme_version") == code.scheme_version


def test_what_was_edited_is_told_apart_from_what_the_ai_said(tmp_path: Path) -> None:
    made = ReadReport().case(**ACCEPTED)
    made.lesion(1, descriptors={"shape": "oval"}, edited_frames=(1,), tools=("click",), note="Hard.", category="4B")
    moved = np.where(made.labels == 2, 2, np.roll(made.labels == 1, 3, axis=2)).astype(np.uint8)
    path = made.write(tmp_path / "sr.dcm", moved)
    assert drafts.validator_errors(path) == []
    report = dcmread(path)
    (first, second), (draft, other) = standing_groups(report), draft_groups(report)
    shape = codes.DESCRIPTOR_NAMES["shape"]
    assert value_of(first, shape) != value_of(draft, shape) == "Irregular"
    (changed,), (drafted,) = (named(group.ContentSequence, shape.value) for group in (first, draft))
    assert is_the_persons(changed) and not is_the_persons(drafted)
    (kept,) = named(first.ContentSequence, codes.DESCRIPTOR_NAMES["echo_pattern"].value)
    assert not is_the_persons(kept) and named(kept.ContentSequence, codes.ALGORITHM_NAME.value)
    outlines = [named(group.ContentSequence, "111030")[0].GraphicData for group in (first, draft)]
    assert outlines[0] != outlines[1]
    assert is_the_persons(first) and not is_the_persons(second)
    (note,) = [item for item in first.ContentSequence if item.get("TextValue") == "Hard."]
    assert is_the_persons(note)
    assert [value_of(one, codes.READER_VERDICT) for one in (draft, other)] == ["Changed", "Kept as it was drafted"]
    tracked = [named(one.ContentSequence, codes.TRACKING_UID.value)[0].UID for one in (first, draft, second, other)]
    assert tracked[0] == tracked[1] != tracked[2] == tracked[3]


def test_a_removed_lesion_is_said_and_its_draft_stays(tmp_path: Path) -> None:
    import highdicom

    path = ReadReport(7).case(**ACCEPTED).lesion(2, present=False).write(tmp_path / "sr.dcm")
    assert drafts.validator_errors(path) == []
    report = dcmread(path)
    assert len(standing_groups(report)) == 1
    _, removed = draft_groups(report)
    assert value_of(removed, codes.READER_VERDICT) == "Removed: no lesion"
    assert "Not for Presentation" in (value_of(removed, codes.RENDERING_INTENT) or "")
    assert "The reader says that lesion 2 is none." in [item.get("TextValue") for item in report.ContentSequence]
    # Viewers list what is under Imaging Measurements alone.
    assert len(highdicom.sr.srread(path).content.get_planar_roi_measurement_groups()) == 1


def test_when_no_lesion_is_left_the_report_does_not_say_that_none_was_found(tmp_path: Path) -> None:
    import highdicom

    made = ReadReport().case(**ACCEPTED).lesion(1, present=False).lesion(2, present=False)
    path = made.write(tmp_path / "sr.dcm")
    assert drafts.validator_errors(path) == []
    (group,) = highdicom.sr.srread(path).content.get_image_measurement_groups()
    (said,) = group.get_qualitative_evaluations()
    assert said.value.meaning == "All algorithms succeeded; with findings"
    assert len(draft_groups(dcmread(path))) == 2


def test_an_added_lesion_is_a_persons_and_no_algorithms(tmp_path: Path) -> None:
    made = ReadReport().case(**ACCEPTED)
    labels = made.labels.copy()
    labels[0, 2:8, 60:70] = 3
    added = drafts.lesion(3, labels, origin="manual")
    path = made.added(added, tools=("added",)).write(tmp_path / "sr.dcm", labels)
    assert drafts.validator_errors(path) == []
    report = dcmread(path)
    group = standing_groups(report)[2]
    assert is_the_persons(group) and named(group.ContentSequence, codes.ALGORITHM_NAME.value) == []
    assert value_of(group, codes.OUTLINE_ORIGIN) == "Manual" and len(draft_groups(report)) == 2


def test_a_case_that_no_network_saw(tmp_path: Path) -> None:
    made = ReadReport().case(**ACCEPTED)
    labels = (made.labels == 1).astype(np.uint8)
    added = drafts.lesion(1, labels, origin="manual")
    empty = made.draft.model_copy(update={"model": NO_MODEL, "models": (), "lesions": ()})
    made.draft, made.reading = empty, made.reading.model_copy(update={"lesions": ()})
    _, read = ReadReport().effective()
    read = read.model_copy(update={"reading": made.added(added).reading, "beside": ()})
    for lesions, drawn in (((added,), labels), ((), np.zeros_like(labels))):
        path = tmp_path / "sr.dcm"
        analysis = empty.model_copy(update={"lesions": lesions})
        write_report(path, made.headers, analysis, drawn, created=drafts.CREATED, read=read)
        assert drafts.validator_errors(path) == []
        report = dcmread(path)
        assert report.ManufacturerModelName == "BreastUSAssist" and "none" not in str(report.SoftwareVersions)
        assert draft_groups(report) == []
    assert read_report(path).summary == codes.NONE_WITHOUT_FINDINGS


def test_a_lesion_that_the_reading_does_not_know_has_no_assessment() -> None:
    made = ReadReport().case(**ACCEPTED)
    analysis, read = made.effective()
    known = read.reading.model_copy(update={"lesions": read.reading.lesions[:1]})
    report = report_dataset(
        made.headers, analysis, made.labels, created=drafts.CREATED, read=read.model_copy(update={"reading": known})
    )
    _, unknown = standing_groups(report)
    assert value_of(unknown, codes.ASSESSMENT_CATEGORY) is None
    assert value_of(unknown, codes.SUGGESTED_CATEGORY) == "BI-RADS Category 4A"


def test_the_lesion_reader_and_its_interval_are_named(tmp_path: Path) -> None:
    made = ReadReport()
    network = drafts.MODEL.model_copy(update={"name": "lesion-reader", "sha256": "cd" * 32})
    lesions = []
    for lesion in made.draft.lesions:
        said = {"image_probability": 0.1, "interval": (0.0211, 0.2), "probability_malignant": 0.0654321}
        terms = tuple(one.model_copy(update={"origin": "model"}) for one in lesion.descriptors)
        assessment = lesion.assessment.model_copy(update=said)
        lesions.append(lesion.model_copy(update={"assessment": assessment, "descriptors": terms}))
    analysis = made.draft.model_copy(update={"models": (drafts.MODEL, network), "lesions": tuple(lesions)})
    path = tmp_path / "sr.dcm"
    write_report(path, made.headers, analysis, made.labels, created=drafts.CREATED)
    assert drafts.validator_errors(path) == []
    lesion = read_report(path).lesions[0]
    assert lesion.ai is not None and lesion.reader is None
    assert (lesion.ai.probability, lesion.ai.interval) == (0.06543, (0.0211, 0.2))
    assert lesion.ai.algorithm is not None and lesion.ai.algorithm.name == "breast-lesions"
    assert {one.algorithm.name for one in lesion.ai.descriptors if one.algorithm} == {"lesion-reader"}
    probability = named(items_of(dcmread(path)), codes.PROBABILITY_OF_CANCER.value)[0]
    parameters = named(probability.ContentSequence, codes.ALGORITHM_PARAMETERS.value)
    assert "cd" * 32 in parameters[0].TextValue


def test_the_side_that_the_reader_gives_stands_above_the_header(tmp_path: Path) -> None:
    made = ReadReport().case(**ACCEPTED, place=Place(side="right", clock=10, distance_mm=35))
    made.headers[0].ImageLaterality = "L"
    found = read_report(made.write(tmp_path / "sr.dcm"))
    (first, _) = found.lesions
    assert first.reader is not None and first.reader.laterality == codes.LATERALITY["R"]
    assert first.ai is not None and (first.ai.laterality, first.ai.place) == (codes.LATERALITY["L"], None)
    assert first.reader.place == codes.CLOCK_FACE[10] and found.distance_from_nipple_mm == 35
    made.case(place=Place(clock=10.5))
    assert "Clock face: half past 10." in read_report(made.write(tmp_path / "sr.dcm")).remarks


def test_highdicom_tells_the_observers_apart_and_does_not_complain_of_the_name(tmp_path: Path) -> None:
    import highdicom

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = ReadReport().case(**ACCEPTED).lesion(1, category="5").write(tmp_path / "sr.dcm")
    content = highdicom.sr.srread(path).content
    kinds = [one.observer_type.meaning for one in content.get_observer_contexts()]
    assert sorted(kinds) == ["Device", "Person"]
    assert MOMENT[:4] in str(dcmread(path).VerifyingObserverSequence[0].VerificationDateTime)


@given(text=st.text(max_size=200))
def test_any_name_is_a_valid_person_name(text: str) -> None:
    from pydicom.valuerep import validate_value

    name = person_name(text)
    validate_value("PN", name, 2)
    assert name.strip("^ ") and len(name) <= 64 and "=" not in name and name.count("^") <= 4


def test_a_draft_without_its_outline_is_told_by_its_frame(tmp_path: Path) -> None:
    made = ReadReport(7).case(**ACCEPTED).lesion(1, category="3")
    analysis, read = made.effective()
    bare = tuple(one.model_copy(update={"outline": None}) for one in read.beside)
    path = tmp_path / "sr.dcm"
    without = read.model_copy(update={"beside": bare})
    write_report(path, made.headers, analysis, made.labels, created=drafts.CREATED, read=without)
    assert drafts.validator_errors(path) == []
    lesion = read_report(path).lesions[0]
    assert lesion.ai is not None and lesion.ai.outlines == ()
    assert lesion.ai.images[0].frame_numbers == (made.draft.lesions[0].key_frame,)
    assert made.headers[0].SOPClassUID == sources.US_MULTI_FRAME == lesion.ai.images[0].sop_class_uid
