"""A reader's case that went out as SEG and SR comes back from the DICOM browser as it was."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.reading import open_clip
from dicom import drafts
from pydicom import Dataset
from pydicom.uid import generate_uid

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
from host import clear
from panel.dicom_bench import DicomBench, dicom_bench, written
from panel.dicom_samples import draft_files, exported, image_of, labels_of, opened


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[DicomBench]:
    with dicom_bench(tmp_path) as opened_bench:
        yield opened_bench


def read_case(bench: DicomBench, frames: int) -> Any:
    """A drafted case in which a reader changed an outline, terms and categories, removed a lesion and added one."""
    image = image_of(bench, frames)
    seg, report = draft_files(image, bench.folder, labels_of(frames))
    bench.add(seg, report)
    bench.load(seg)
    case = opened(bench)
    key = case.lesions[0].current.key_frame - 1
    case.set_mask(key, 1, drafts.ellipse(96, 128, (30, 40), (9, 14)))
    case.set_term(1, "shape", "oval")
    case.set_category(1, "4B")
    case.set_note(1, "seen before")
    case.remove_lesion(2)
    added = case.add_lesion()
    case.set_mask(key, added.number, drafts.ellipse(96, 128, (70, 90), (10, 12)))
    lesion = case.lesions[0].current
    own = lesion.model_copy(update={"number": added.number, "tracking_uid": added.tracking_uid, "origin": "manual"})
    case.set_revised(own)
    case.set_revised(lesion.model_copy(update={"origin": "semiautomatic"}))
    case.decide("A. Reader", "accepted", "", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    return case


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("first", ["seg", "sr"])
def test_a_verified_case_comes_back(bench: DicomBench, frames: int, first: str) -> None:
    case = read_case(bench, frames)
    reading, labels = case.reading, case.labels()
    before = case.lesions
    files = exported(bench, case)
    clear()
    bench.add(*files.values())
    other = "sr" if first == "seg" else "seg"
    assert bench.load(files[first]) == []
    assert bench.load(files[other]) == [], "the second finds that it was taken with the first"
    again = opened(bench)
    assert np.array_equal(again.labels(), labels)
    read = again.reading
    assert (read.decision, read.reader, read.decided) == (reading.decision, reading.reader, reading.decided)
    for lesion in reading.lesions:
        back = read.lesion(lesion.tracking_uid)
        assert back is not None
        assert (back.number, back.present, back.category) == (lesion.number, lesion.present, lesion.category)
        assert (back.descriptors, back.note) == (lesion.descriptors, lesion.note)
        assert (back.run is None) == (lesion.run is None)
    for lesion, was in zip(again.lesions, before, strict=True):
        assert (lesion.ai is None) == (was.ai is None)
        if lesion.ai is not None and was.ai is not None:
            assert lesion.ai.measurements.area.px == was.ai.measurements.area.px
            assert terms(lesion.ai) == terms(was.ai)
            assert lesion.ai.assessment.category == was.ai.assessment.category
            assert lesion.ai.assessment.probability_malignant == was.ai.assessment.probability_malignant


def terms(lesion: Any) -> dict[str, str]:
    return {one.attribute: one.term for one in lesion.descriptors}


def report_of_others(header: Dataset, *, person: bool) -> Dataset:
    """A report as highdicom writes it: an ellipse with a term, a point, a term of no lexicon."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    observer = sr.ObserverContext(
        observer_type=codes.DCM.Person if person else codes.DCM.Device,
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(name="Doe^Jane")
        if person
        else sr.DeviceObserverIdentifyingAttributes(uid=generate_uid(), name="other"),
    )
    image = sr.SourceImageForRegion(header.SOPClassUID, header.SOPInstanceUID)
    points = {
        sr.GraphicTypeValues.ELLIPSE: np.array([[20, 30], [50, 30], [35, 20], [35, 40]], float),
        sr.GraphicTypeValues.POINT: np.array([[60, 50]], float),
    }
    groups = [
        sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(uid=generate_uid(), identifier=kind.value.lower()),
            referenced_region=sr.ImageRegion(kind, place, image),
            finding_type=codes.SCT.Mass,
            measurements=[sr.Measurement(codes.SCT.LongAxis, 3.0, codes.UCUM.Millimeter)],
            qualitative_evaluations=[
                sr.QualitativeEvaluation(
                    sr.CodedConcept("111037", "DCM", "Margins"), sr.CodedConcept("129742005", "SCT", "Spiculated")
                ),
                sr.QualitativeEvaluation(
                    sr.CodedConcept("X1", "99OTHER", "Colour"), sr.CodedConcept("X2", "99OTHER", "Blue")
                ),
            ],
        )
        for kind, place in points.items()
    ]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_person_context=observer)
        if person
        else sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
    )
    return sr.ComprehensiveSR(
        evidence=[header],
        content=content[0],
        series_instance_uid=generate_uid(),
        series_number=7,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="other",
    )


@pytest.mark.parametrize("person", [False, True])
def test_a_report_of_other_software_is_shown_as_far_as_it_goes(bench: DicomBench, person: bool) -> None:
    image = image_of(bench, 1)
    report = written(report_of_others(open_clip(image).headers[0], person=person), bench.folder / "sr.dcm")
    bench.add(report)
    assert bench.load(report) == []
    case = opened(bench)
    (lesion,) = case.lesions
    rows, columns = np.mgrid[:96, :128]
    inside = ((columns + 0.5 - 35) / 15) ** 2 + ((rows + 0.5 - 30) / 10) ** 2 <= 1
    assert np.array_equal(case.mask(0, 1), inside)
    assert (lesion.ai is None) == person
    assert lesion.current is not None
    assert "spiculated" in terms(lesion.current).values()
    assert case.reading.decision == "open"
    (points,) = bench.slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    assert points.GetNthControlPointLabel(0) == "point"
    place = np.zeros(3)
    points.GetNthControlPointPositionWorld(0, place)
    assert place == pytest.approx([-59.5 * 0.4, -49.5 * 0.4, 0])
    cells = cells_of(bench, report)
    assert ["point", "Reader" if person else "AI", "Colour", "Blue", ""] in cells
    assert ["ellipse", "Reader" if person else "AI", "Long axis", "3", "mm"] in cells


def cells_of(bench: DicomBench, report: Path) -> list[list[str]]:
    """Rows of the table that shows a report."""
    uid = bench.database.fileValue(str(report), "0008,0018")
    nodes = bench.slicer.util.getNodesByClass("vtkMRMLTableNode")
    (node,) = [one for one in nodes if one.GetAttribute("DICOM.instanceUIDs") == uid]
    assert bench.item(node)
    table = node.GetTable()
    return [
        [table.GetValue(row, column).ToString() for column in range(table.GetNumberOfColumns())]
        for row in range(table.GetNumberOfRows())
    ]


def test_a_report_whose_image_is_missing_shows_its_findings(bench: DicomBench) -> None:
    case = read_case(bench, 1)
    files = exported(bench, case)
    clear()
    bench.add(files["sr"])
    image = bench.folder / "image.dcm"
    bench.database.removeSeries(bench.database.fileValue(str(image), "0020,000E"))
    assert bench.load(files["sr"]) == []
    assert bench.sources() == []
    assert len(bench.asked) == 1
    cells = cells_of(bench, files["sr"])
    assert ["Lesion 1", "Reader", "Category", "4B", ""] in cells
    assert ["Lesion 1", "AI", "Category", "4A", ""] in cells
    assert ["Lesion 1", "Reader", "Shape", "Ovoid shape (Oval)", ""] in cells
    assert ["Lesion 1", "AI", "Shape", "Irregular", ""] in cells
    assert ["Lesion 1", "Reader", "Remark", "seen before", ""] in cells
    assert any(row[1:3] == ["A. Reader", "Verified at"] for row in cells)


def test_work_on_a_case_is_not_overwritten(bench: DicomBench) -> None:
    case = read_case(bench, 1)
    item = bench.item(case.source.volume)
    files = exported(bench, case)
    case = opened(bench)
    case.set_note(1, "later work")
    before = case.reading
    case.close()
    bench.add(*files.values())
    assert len(bench.load(files["seg"])) == 1
    assert "worked on" in bench.asked[0]
    assert opened(bench).reading == before
    assert item == bench.item(opened(bench).source.volume)


def test_a_draft_that_nobody_read_comes_back_as_a_draft(bench: DicomBench) -> None:
    image = image_of(bench, 1)
    labels = labels_of(1)
    _seg, report = draft_files(image, bench.folder, labels)
    bench.add(report)
    assert bench.load(report) == []
    case = opened(bench)
    assert [lesion.ai is not None for lesion in case.lesions] == [True, True]
    assert case.reading.reader == "" and case.reading.decision == "open"
    assert np.array_equal(case.labels(), labels), "outlines of a report hold every pixel of a lesion in one piece"
    for lesion in case.lesions:
        assert lesion.ai is not None
        assert lesion.ai.assessment.category == "4A"
        assert lesion.ai.assessment.probability_malignant == pytest.approx(0.0654321, abs=1e-5)
        assert terms(lesion.ai)["shape"] == "irregular"
    from BreastUSAssistLib.mrml.case_restoring import is_untouched

    assert is_untouched(case)
