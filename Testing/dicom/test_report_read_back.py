"""Reports read back: our own whole, others as far as they go, damaged and hostile ones as a sentence."""

import json
import warnings
from io import BytesIO
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from BreastUSAssistLib.dicom import codes
from BreastUSAssistLib.dicom.report_model import ReportRead, report_read_schema
from BreastUSAssistLib.dicom.report_reading import read_report
from BreastUSAssistLib.dicom.report_tree import DEEPEST, MOST_ITEMS
from BreastUSAssistLib.dicom.source_frames import source_frames
from BreastUSAssistLib.dicom.structured_report import report_dataset, write_report
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.files import resource_path
from dicom import drafts, sources
from dicom.read_reports import ACCEPTED, ReadReport, items_of, named
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

READER = "Zwygart^Ruth"


def accepted() -> ReadReport:
    """A cine of which a reader changed nearly everything."""
    made = ReadReport(7).case(**{**ACCEPTED, "reader": READER})
    made.lesion(1, descriptors={"shape": "oval"}, category="4A", note="Grows.", tied_to="1.2.3", edited_frames=(2,))
    return made.lesion(2, present=False)


def test_everything_that_was_written_is_read(tmp_path: Path) -> None:
    made = accepted()
    read = read_report(made.write(tmp_path / "sr.dcm", organization="Example Hospital"))
    (observer,) = read.verifying_observers
    assert (observer.name, observer.organization) == (READER, "Example Hospital")
    assert observer.at == read.decided == "20260304050607+0100"
    assert (read.verified, read.complete, read.final, read.decision) == (True, True, True, "accepted")
    assert {(one.kind, one.name) for one in read.observers} >= {("person", READER)}
    assert [one.sop_instance_uid for one in read.images] == [made.headers[0].SOPInstanceUID]
    first, second = read.lesions
    assert (first.number, first.name, first.present, first.verdict) == (1, "Lesion 1", True, "changed")
    assert (second.number, second.present, second.verdict, second.reader) == (2, False, "removed", None)
    draft = made.draft.lesions[0]
    assert first.tracking_uid == draft.tracking_uid and first.other_view == "1.2.3"
    assert first.ai is not None and first.reader is not None and second.ai is not None
    assert (first.reader.category, first.reader.suggested_category, first.ai.category) == ("4A", "4A", "4A")
    assert first.reader.note == "Grows." and first.ai.note == ""
    assert first.ai.probability == first.reader.probability == 0.06543
    by = {one.name.meaning: (one.value.meaning, one.by) for one in first.reader.descriptors}
    assert by["Shape"] == ("Ovoid shape (Oval)", "reader") and by["Echo pattern"] == ("Heterogeneous", "algorithm")
    assert [one.value.meaning for one in first.ai.descriptors] == ["Irregular", "Heterogeneous"]
    sizes = {one.name.value: (one.value, one.unit.value) for one in first.ai.measurements if one.unit}
    assert sizes["103339001"] == (12.346, "mm") and sizes["42798000"] == (70.0, "mm2")
    (outline,) = first.reader.outlines
    assert (outline.sop_instance_uid, outline.frame_number) == (made.headers[0].SOPInstanceUID, draft.key_frame)
    assert outline.graphic_type == "POLYLINE" and outline.points[0] == outline.points[-1]
    assert first.ai.outlines == first.reader.outlines


SOURCES = {
    "still": lambda: [sources.still(rgb=True)],
    "retired class": lambda: [sources.still(sop_class=sources.US_RETIRED)],
    "stills": lambda: sources.stills(4),
    "volume": lambda: [sources.enhanced_volume(5)],
    "bare captures": lambda: sources.bare(sources.captures(4)),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_draft_of_every_kind_of_source_is_the_ais(kind: str) -> None:
    headers = SOURCES[kind]()
    frames = source_frames(headers)
    labels = drafts.two_lesions(len(frames))
    analysis = drafts.analysis_of(labels, drafts.lesions_of(labels))
    read = read_report(report_dataset(headers, analysis, labels, created=drafts.CREATED))
    assert not (read.verified or read.complete or read.final) and read.decision is None
    assert len(read.lesions) == 2
    for lesion, found in zip(analysis.lesions, read.lesions, strict=True):
        frame = frames[lesion.key_frame - 1]
        assert found.reader is None and found.ai is not None and found.ai.category == lesion.assessment.category
        (outline,) = found.ai.outlines
        assert (outline.sop_instance_uid, outline.frame_number) == (frame.sop_instance_uid, frame.frame_number)
        assert outline.sop_class_uid == frame.sop_class_uid
        assert (found.ai.origin, found.verdict, found.present) == ("automatic", None, True)
        rows, columns = np.nonzero(labels[lesion.key_frame - 1] == lesion.number)
        points = np.array(outline.points)
        assert points.min(axis=0).tolist() == [columns.min(), rows.min()]
        assert points.max(axis=0).tolist() == [columns.max() + 1, rows.max() + 1]


def test_no_lesion_is_read_as_none() -> None:
    labels = np.zeros((1, 60, 80), np.uint8)
    made = report_dataset([sources.still()], drafts.analysis_of(labels, []), labels, created=drafts.CREATED)
    read = read_report(made)
    assert read.lesions == () and read.summary == codes.ALL_WITHOUT_FINDINGS


def test_the_schema_is_the_published_one_and_holds_what_is_read(tmp_path: Path) -> None:
    published = resource_path("Schema", "report-1.0.schema.json").read_text("utf-8")
    assert published == report_read_schema()
    read = read_report(accepted().write(tmp_path / "sr.dcm"))
    content = json.loads(read.model_dump_json())
    jsonschema.validate(content, json.loads(published), cls=jsonschema.Draft202012Validator)
    assert ReportRead.model_validate_json(read.model_dump_json()) == read


def others_report(headers: list[Dataset]) -> Dataset:
    """A report as highdicom's users write it: a circle by a person, a segment, a volume of regions, an image alone."""
    import highdicom
    from highdicom import sr
    from pydicom.sr.codedict import codes as dictionary

    def tracked(name: str) -> dict[str, object]:
        return {
            "tracking_identifier": sr.TrackingIdentifier(uid=generate_uid(), identifier=name),
            "finding_type": dictionary.SCT.Mass,
        }

    cine = headers[0]
    source = sr.SourceImageForRegion(cine.SOPClassUID, cine.SOPInstanceUID, [3])
    circle = sr.ImageRegion("CIRCLE", np.array([[10.0, 20.0], [15.0, 20.0]]), source)
    segment = sr.ReferencedSegmentationFrame(
        headers[1].SOPClassUID,
        headers[1].SOPInstanceUID,
        2,
        1,
        sr.SourceImageForSegmentation(cine.SOPClassUID, cine.SOPInstanceUID, [2]),
    )
    slices = [
        sr.ImageRegion(
            "POLYLINE",
            np.array([[1.0, 1.0], [9.0, 1.0], [9.0, 9.0], [1.0, 1.0]]),
            sr.SourceImageForRegion(cine.SOPClassUID, cine.SOPInstanceUID, [number]),
        )
        for number in (4, 5)
    ]
    length = sr.Measurement(dictionary.SCT.Length, 12.5, dictionary.UCUM.Millimeter)
    person = sr.ObserverContext(
        observer_type=dictionary.DCM.Person,
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(name="Doe^John"),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_person_context=person),
        procedure_reported=dictionary.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[
            sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                referenced_region=circle, measurements=[length], **tracked("Mass left")
            ),
            sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_segment=segment, **tracked("Lesion 7")),
            sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_regions=slices, **tracked("Volume")),
            sr.MeasurementsAndQualitativeEvaluations(
                source_images=[sr.SourceImageForMeasurementGroup(cine.SOPClassUID, cine.SOPInstanceUID)],
                **tracked("Whole"),
            ),
        ],
    )
    return highdicom.sr.ComprehensiveSR(
        evidence=headers,
        content=content,
        series_number=1,
        series_instance_uid=generate_uid(),
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Other",
        is_complete=True,
        is_verified=True,
        verifying_observer_name="Doe^John",
        verifying_organization="Elsewhere",
        record_evidence=False,
    )


def test_a_report_of_other_software_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    header, segmentation = sources.cine(7), sources.still(sop_class="1.2.840.10008.5.1.4.1.1.66.4")
    segmentation.StudyInstanceUID = header.StudyInstanceUID
    path = tmp_path / "other.dcm"
    others_report([header, segmentation]).save_as(path)
    read = read_report(path)
    assert read.verified and read.complete and read.verifying_observers[0].name == "Doe^John"
    assert [one.name for one in read.observers] == ["Doe^John"] and read.decision is None
    circle, segment, volume, whole = read.lesions
    for lesion in read.lesions:
        assert lesion.reader is not None and lesion.ai is None and lesion.reader.finding is not None
        assert lesion.reader.finding.meaning == "Mass"
    assert circle.reader is not None and circle.reader.outlines[0].graphic_type == "CIRCLE"
    assert circle.reader.outlines[0].points == ((10, 20), (15, 20)) and circle.reader.outlines[0].frame_number == 3
    assert circle.number is None and circle.reader.measurements[0].value == 12.5
    assert segment.number == 7 and segment.reader is not None
    (reference,) = segment.reader.segments
    assert (reference.sop_instance_uid, reference.segment_numbers) == (segmentation.SOPInstanceUID, (1,))
    assert volume.reader is not None and [one.frame_number for one in volume.reader.outlines] == [4, 5]
    assert whole.reader is not None and whole.reader.images[0].sop_instance_uid == header.SOPInstanceUID


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return accepted().write(tmp_path_factory.mktemp("sr") / "sr.dcm").read_bytes()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_are_read_or_refused_in_a_sentence(data: st.DataObject, written: bytes, tmp_path: Path) -> None:
    damaged = bytearray(written)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(132, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(140, len(damaged) - 1)) :]
    path = tmp_path / "sr.dcm"
    path.write_bytes(damaged)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            read = read_report(path)
        except InputError as error:
            assert "Zwygart" not in str(error) and "\n" not in str(error) and str(path) in str(error)
        else:
            assert ReportRead.model_validate_json(read.model_dump_json()) == read
    assert not [one for one in said if "Zwygart" in str(one.message)]


def nested(depth: int) -> Dataset:
    report = accepted_dataset()
    item = Dataset()
    for _ in range(depth):
        outer = Dataset()
        outer.ValueType, outer.RelationshipType, outer.ContentSequence = "CONTAINER", "CONTAINS", [item]
        item = outer
    report.ContentSequence.append(item)
    return report


def accepted_dataset() -> Dataset:
    made = accepted()
    analysis, read = made.effective()
    report = report_dataset(made.headers, analysis, made.labels, created=drafts.CREATED, read=read)
    # As it is read from a file: the writer's own sequences do not take what is no valid item.
    file = BytesIO()
    report.save_as(file, enforce_file_format=True)
    return dcmread(BytesIO(file.getvalue()))


def test_hostile_trees_are_refused() -> None:
    with pytest.raises(InputError, match=f"more than {DEEPEST} levels"):
        read_report(nested(DEEPEST + 5))
    with pytest.raises(InputError, match=r"levels|damaged"):
        read_report(nested(3000))
    wide = accepted_dataset()
    item = Dataset()
    item.ValueType = "TEXT"
    wide.ContentSequence.extend([item] * (MOST_ITEMS + 1))
    with pytest.raises(InputError, match=f"more than {MOST_ITEMS} items"):
        read_report(wide)


def test_damaged_outlines_and_numbers() -> None:
    report = accepted_dataset()
    (group, *_) = named(items_of(report), codes.MEASUREMENT_GROUP.value)
    (region,) = named(group.ContentSequence, "111030")
    (axis,) = named(group.ContentSequence, codes.LONG_AXIS.value)
    del axis.MeasuredValueSequence
    read = read_report(report)
    assert read.lesions[0].reader is not None
    assert codes.LONG_AXIS.value not in [one.name.value for one in read.lesions[0].reader.measurements]
    for data in ([1.0, 2.0, 3.0], [1.0, float("nan")], []):
        region.GraphicData = data
        with pytest.raises(InputError, match="damaged outline"):
            read_report(report)


def test_what_is_no_measurement_report_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no structured report"):
        read_report(sources.still())
    report = accepted_dataset()
    report.ContentTemplateSequence[0].TemplateIdentifier = "2000"
    report.ConceptNameCodeSequence[0].CodeValue = "126001"
    with pytest.raises(InputError, match="another template"):
        read_report(report)
    path = tmp_path / "no.dcm"
    with pytest.raises(InputError, match=r"no\.dcm"):
        read_report(path)
    path.write_bytes(b"not DICOM")
    with pytest.raises(InputError, match=r"no\.dcm"):
        read_report(path)


def test_a_report_of_an_unknown_character_set_is_read(tmp_path: Path) -> None:
    report = accepted_dataset()
    path = tmp_path / "sr.dcm"
    report.save_as(path, enforce_file_format=True)
    content = path.read_bytes().replace(b"ISO_IR 192", b"ISO_IR 999")
    path.write_bytes(content)
    assert len(read_report(path).lesions) == 2


def test_older_snomed_designators_are_understood(tmp_path: Path) -> None:
    labels = drafts.two_lesions(1)
    analysis = drafts.analysis_of(labels, drafts.lesions_of(labels, category="3"))
    path = tmp_path / "sr.dcm"
    write_report(path, [sources.still()], analysis, labels, created=drafts.CREATED)
    report = dcmread(path)
    for item in items_of(report):
        for sequence in ("ConceptNameCodeSequence", "ConceptCodeSequence"):
            for code in item.get(sequence) or []:
                if code.CodingSchemeDesignator == "SCT":
                    code.CodingSchemeDesignator = "99SDM"
    found = read_report(report).lesions[0].ai
    assert found is not None and found.category == "3" and found.origin == "automatic"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_report_that_lost_or_swapped_parts_is_read_or_refused(data: st.DataObject, written: bytes) -> None:
    report = dcmread(BytesIO(written))
    for _ in range(data.draw(st.integers(1, 8))):
        items = [report, *items_of(report)]
        item = items[data.draw(st.integers(0, len(items) - 1))]
        tags = sorted(item.keys())
        if not tags:
            continue
        element = item[tags[data.draw(st.integers(0, len(tags) - 1))]]
        change = data.draw(st.sampled_from(["gone", "empty", "another kind", "twice"]))
        if change == "gone":
            del item[element.tag]
        elif change == "empty":
            element.value = [] if element.VR == "SQ" else None
        elif change == "another kind" and "ValueType" in item:
            item.ValueType = data.draw(
                st.sampled_from(["NUM", "SCOORD", "IMAGE", "CODE", "TEXT", "CONTAINER", "PNAME"])
            )
        elif element.VR == "SQ" and len(element.value):
            element.value.append(element.value[0])
    try:
        read = read_report(report)
    except InputError as error:
        assert "Zwygart" not in str(error)
    else:
        assert ReportRead.model_validate_json(read.model_dump_json()) == read
