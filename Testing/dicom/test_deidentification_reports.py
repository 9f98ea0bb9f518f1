"""De-identified segmentations and reports say what they said, of the same images, without the people in it."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.dicom.known_terms import known_terms
from BreastUSAssistLib.dicom.report_reading import read_report
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.dicom.segmentation_geometry import is_made_up
from BreastUSAssistLib.dicom.segmentation_reading import read_segmentation
from BreastUSAssistLib.dicom.writing import set_file_meta
from BreastUSAssistLib.ultrasound.deidentification.dates import DateShift
from BreastUSAssistLib.ultrasound.deidentification.files import ReviewChoice, deidentify_files
from BreastUSAssistLib.ultrasound.deidentification.header import deidentify_dataset
from BreastUSAssistLib.ultrasound.deidentification.options import DeidentificationOptions
from BreastUSAssistLib.ultrasound.deidentification.review import drop_where_found
from BreastUSAssistLib.ultrasound.deidentification.uids import DeidentificationKey
from dicom.drafts import CREATED, MODEL, lesions_of, two_lesions, validator_errors
from dicom.read_reports import ACCEPTED, ReadReport
from dicom.sources import cine, still
from pydicom import Dataset, dcmread
from pydicom.uid import RLELossless

KEY = DeidentificationKey(b"k" * 32)
OPTIONS = DeidentificationOptions(terms=known_terms())
READER, NOTE, REASON = "Zwygart^Ruth", "Grows since she saw Dr. Zwygart.", "Frau Zwygart moved."


def clean(dataset: Dataset) -> Dataset:
    return deidentify_dataset(dataset, KEY, OPTIONS).dataset


def with_pixels(header: Dataset) -> Dataset:
    """highdicom takes images alone."""
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit, header.PixelRepresentation = 7, 0
    header.PixelData = bytes(header.Rows * header.Columns)
    set_file_meta(header)
    return header


def written(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_a_verified_report_stays_verified_by_nobody_in_particular(tmp_path: Path) -> None:
    made = ReadReport(7).case(**{**ACCEPTED, "reader": READER})
    made.lesion(1, descriptors={"shape": "oval"}, category="4A", note=NOTE, tied_to="1.2.3").lesion(2, present=False)
    original = dcmread(made.write(tmp_path / "sr.dcm", organization="Zwygart Hospital"))
    path = written(clean(original), tmp_path / "clean.dcm")
    assert b"zwygart" not in path.read_bytes().lower() and validator_errors(path) == []
    before, after = read_report(original), read_report(path)
    assert (after.verified, after.complete, after.final, after.decision) == (True, True, True, "accepted")
    (observer,) = after.verifying_observers
    assert observer.name.startswith("PERSON-") and observer.organization == "REMOVED"
    assert {one.name for one in after.observers if one.kind == "person"} == {observer.name}
    shift = DateShift.of_patient(KEY, f"id {original.PatientID}")
    assert observer.at == after.decided == shift.datetime(before.decided)
    for old, new in zip(before.lesions, after.lesions, strict=True):
        assert (old.number, old.name, old.present, old.verdict) == (new.number, new.name, new.present, new.verdict)
        assert new.tracking_uid == KEY.uid(str(old.tracking_uid))
        for mine, its in ((old.ai, new.ai), (old.reader, new.reader)):
            assert (mine is None) == (its is None)
            if mine is None or its is None:
                continue
            assert [one.points for one in mine.outlines] == [one.points for one in its.outlines]
            assert (mine.category, mine.probability, mine.interval) == (its.category, its.probability, its.interval)
            assert [(one.name, one.value) for one in mine.descriptors] == [
                (one.name, one.value) for one in its.descriptors
            ]
    assert after.lesions[0].other_view == KEY.uid("1.2.3")


def test_a_rejected_report_keeps_its_state_and_loses_its_reason(tmp_path: Path) -> None:
    made = ReadReport().case(reader=READER, decision="rejected", decided=ACCEPTED["decided"], reason=REASON)
    path = written(clean(dcmread(made.write(tmp_path / "sr.dcm"))), tmp_path / "clean.dcm")
    assert validator_errors(path) == [] and b"zwygart" not in path.read_bytes().lower()
    after = read_report(path)
    assert (after.verified, after.decision, after.reason) == (False, "rejected", "REMOVED")


@pytest.mark.parametrize("fractional", [False, True])
def test_compressed_masks_are_written_uncompressed_and_stay_the_same(fractional: bool, tmp_path: Path) -> None:
    header = cine(5)
    labels = two_lesions(5)
    made = segmentation_dataset(
        [header],
        labels,
        lesions_of(labels),
        MODEL,
        created=CREATED,
        probability=(labels > 0).astype(np.float32) if fractional else None,
        fractional=fractional,
    )
    if fractional:
        made.compress(RLELossless)
    path = written(clean(made), tmp_path / "clean.dcm")
    after = read_segmentation(path, [clean(header)])
    assert np.array_equal(after.labels, labels) and not dcmread(path).file_meta.TransferSyntaxUID.is_compressed
    assert validator_errors(path) == []


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_segmentations_of_others_keep_their_masks_and_lose_their_texts(kind: str, tmp_path: Path) -> None:
    import highdicom
    from pydicom.sr.codedict import codes

    header = with_pixels(still())
    described = highdicom.seg.SegmentDescription(
        1,
        "Zwygart's lesion",
        codes.SCT.Tissue,
        codes.SCT.Breast,
        highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        highdicom.AlgorithmIdentificationSequence("ZwygartNet", codes.DCM.ArtificialIntelligence, "1 Zwygart"),
        tracking_uid=highdicom.UID(),
        tracking_id="Zwygart 1",
    )
    made = highdicom.seg.Segmentation(
        [header],
        (two_lesions(1) == 1).astype(np.uint8),
        kind,
        [described],
        highdicom.UID(),
        1,
        highdicom.UID(),
        1,
        "Zwygart Inc",
        "ZwygartSeg",
        "1 Zwygart",
        "SN-Zwygart",
        content_creator_name="Zwygart^R",
    )
    path = written(clean(made), tmp_path / "clean.dcm")
    after = read_segmentation(path, [clean(header)])
    assert np.array_equal(after.labels > 0, two_lesions(1) == 1)
    assert b"zwygart" not in path.read_bytes().lower()
    assert dcmread(path).SOPClassUID == made.SOPClassUID


def test_made_up_geometry_stays_marked(tmp_path: Path) -> None:
    labels = two_lesions(1)
    made = segmentation_dataset([still()], labels, lesions_of(labels), MODEL, created=CREATED, geometry="made_up")
    after = clean(made)
    assert is_made_up(made) and is_made_up(after)
    assert after.ContentDescription == made.ContentDescription and after.SeriesDescription == made.SeriesDescription


def test_objects_without_their_image_are_told(tmp_path: Path) -> None:
    labels = two_lesions(1)
    made = segmentation_dataset([still()], labels, lesions_of(labels), MODEL, created=CREATED)
    outcome = deidentify_files(
        [written(made, tmp_path / "seg.dcm")],
        tmp_path / "out",
        KEY,
        OPTIONS,
        ReviewChoice("drop", drop_where_found),
        open_finder=lambda: pytest.fail("there is no image to look at"),
        now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
    )
    (record,) = outcome.report.files
    assert (record.state, record.kind, record.references_elsewhere, record.pixels) == ("done", "segmentation", 1, None)
