"""Structured Reports: valid for the validator, read back by highdicom, and never more than a draft."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Gate
from BreastUSAssistLib.birads.lesion import Code, Descriptor, SliceExtent, VolumeAxes
from BreastUSAssistLib.dicom import codes
from BreastUSAssistLib.dicom.contours import MOST_POINTS, outline_points
from BreastUSAssistLib.dicom.report_reading import read_report
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.dicom.source_frames import source_frames
from BreastUSAssistLib.dicom.structured_report import report_dataset, write_report
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.files import resource_path
from dicom import drafts, sources
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from skimage.draw import polygon2mask

SOURCES = {
    "still": lambda: [sources.still(rgb=True)],
    "retired class": lambda: [sources.still(sop_class=sources.US_RETIRED)],
    "cine": lambda: [sources.cine(7)],
    "volume": lambda: [sources.enhanced_volume(5)],
    "stills": lambda: sources.stills(4),
    "bare captures": lambda: sources.bare(sources.captures(4)),
    "automated volume": lambda: sources.automated_volume(4),
}


def groups_of(path: Path) -> list[Any]:
    import highdicom

    return list(highdicom.sr.srread(path).content.get_planar_roi_measurement_groups())


def filled(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels whose centre (at one half) lies inside the polygon of (column, row) points."""
    return polygon2mask(shape, points[:, ::-1] - 0.5)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("mm", [True, False])
def test_every_kind_of_source_validates_and_reads_back(kind: str, mm: bool, tmp_path: Path) -> None:
    headers = SOURCES[kind]()
    frames = source_frames(headers)
    labels = drafts.two_lesions(len(frames))
    lesions = drafts.lesions_of(labels, mm=mm)
    path = tmp_path / "sr.dcm"
    write_report(path, headers, drafts.analysis_of(labels, lesions, mm=mm), labels, created=drafts.CREATED)
    assert drafts.validator_errors(path) == []
    groups = groups_of(path)
    assert [group.tracking_uid for group in groups] == [lesion.tracking_uid for lesion in lesions]
    for lesion, group in zip(lesions, groups, strict=True):
        frame = frames[lesion.key_frame - 1]
        reference = group.roi.ContentSequence[0].ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == frame.sop_instance_uid
        assert reference.ReferencedSOPClassUID == frame.sop_class_uid
        assert reference.get("ReferencedFrameNumber") == frame.frame_number
        mask = labels[lesion.key_frame - 1] == lesion.number
        drawn = filled(group.roi.value, mask.shape)
        assert 2 * (drawn & mask).sum() / (drawn.sum() + mask.sum()) > 0.98
        units = {m.name.value: (float(m.value), m.unit.value) for m in group.get_measurements()}
        assert units["103339001"] == ((12.346, "mm") if mm else (123.457, "{pixels}"))
        assert units["42798000"] == ((70.0, "mm2") if mm else (7000.0, "{pixels}"))
        assert units["111047"] == (6.543, "%")


def test_descriptors_and_suggestion(tmp_path: Path) -> None:
    labels = drafts.two_lesions(1)
    path = tmp_path / "sr.dcm"
    analysis = drafts.analysis_of(labels, drafts.lesions_of(labels))
    write_report(path, SOURCES["still"](), analysis, labels, created=drafts.CREATED)
    evaluations = groups_of(path)[0].get_qualitative_evaluations()
    said = {item.name.value: item.value for item in evaluations}
    assert said["107644003"].value == "49608001"
    assert said["111360"].scheme_designator == codes.PRIVATE_SCHEME
    category = said["111005"]
    assert (category.value, category.scheme_designator, category.scheme_version) == ("MA.II.A.5.4A", "BI", "4.0")
    # highdicom gives name and value alone; the remark that qualifies them is read from the tree.
    imaging = next(
        item for item in dcmread(path).ContentSequence if "ContentSequence" in item and item.ValueType == "CONTAINER"
    )
    for group in imaging.ContentSequence:
        (suggestion,) = [i for i in group.ContentSequence if i.ConceptNameCodeSequence[0].get("CodeValue") == "111005"]
        assert "not an assessment" in suggestion.ContentSequence[0].TextValue
        assert suggestion.ContentSequence[0].RelationshipType == "HAS CONCEPT MOD"


@pytest.mark.parametrize("category", [None, "3", "4A", "4B", "4C", "5"])
def test_each_category_that_may_be_suggested_validates(category: str | None, tmp_path: Path) -> None:
    labels = drafts.two_lesions(1)
    path = tmp_path / "sr.dcm"
    analysis = drafts.analysis_of(labels, drafts.lesions_of(labels, category=category))
    write_report(path, SOURCES["still"](), analysis, labels, created=drafts.CREATED)
    assert drafts.validator_errors(path) == []
    names = [item.name.value for item in groups_of(path)[0].get_qualitative_evaluations()]
    assert ("111005" in names) == (category is not None)


def test_the_report_is_a_draft_by_a_device(tmp_path: Path) -> None:
    labels = drafts.two_lesions(1)
    header = sources.still()
    path = tmp_path / "sr.dcm"
    analysis = drafts.analysis_of(labels, drafts.lesions_of(labels))
    write_report(path, [header], analysis, labels, created=drafts.CREATED)
    report = dcmread(path)
    flags = (report.CompletionFlag, report.PreliminaryFlag, report.VerificationFlag)
    assert flags == ("PARTIAL", "PRELIMINARY", "UNVERIFIED")
    assert report.SeriesDescription.startswith("AI draft, research use only")
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "AccessionNumber"):
        assert report[keyword].value == header[keyword].value
    texts = [item.TextValue for item in report.ContentSequence if item.ValueType == "TEXT"]
    assert any("Research use only; AI draft" in text for text in texts)
    assert any("Calipers lie over tissue" in text for text in texts)
    observers = [item for item in report.ContentSequence if item.RelationshipType == "HAS OBS CONTEXT"]
    assert observers[0].ConceptCodeSequence[0].CodeMeaning == "Device"
    assert not any("Person" in item.ConceptNameCodeSequence[0].CodeMeaning for item in observers)


def test_tracking_uids_are_shared_with_the_segmentation(tmp_path: Path) -> None:
    headers, labels = SOURCES["cine"](), drafts.two_lesions(7)
    lesions = drafts.lesions_of(labels)
    segmentation = segmentation_dataset(headers, labels, lesions, drafts.MODEL, created=drafts.CREATED)
    path = tmp_path / "sr.dcm"
    write_report(path, headers, drafts.analysis_of(labels, lesions), labels, created=drafts.CREATED)
    assert [g.tracking_uid for g in groups_of(path)] == [s.TrackingUID for s in segmentation.SegmentSequence]


@pytest.mark.parametrize("kind", SOURCES)
def test_no_lesion_is_said(kind: str, tmp_path: Path) -> None:
    import highdicom

    headers = SOURCES[kind]()
    labels = np.zeros((len(source_frames(headers)), 60, 80), np.uint8)
    path = tmp_path / "sr.dcm"
    write_report(path, headers, drafts.analysis_of(labels, []), labels, created=drafts.CREATED)
    assert drafts.validator_errors(path) == []
    content = highdicom.sr.srread(path).content
    assert content.get_planar_roi_measurement_groups() == []
    (group,) = content.get_image_measurement_groups()
    (said,) = group.get_qualitative_evaluations()
    assert said.value.meaning == "All algorithms succeeded; without findings"


@pytest.mark.parametrize(
    ("frames", "meaning"),
    [
        ((), "No algorithms succeeded; without findings"),
        ((1, 2, 3, 4, 5, 6, 7), "No algorithms succeeded; without findings"),
        ((2, 3), "Not all algorithms succeeded; without findings"),
    ],
)
def test_frames_that_were_not_analysed_are_not_called_clear(
    frames: tuple[int, ...], meaning: str, tmp_path: Path
) -> None:
    import highdicom

    labels = np.zeros((7, 60, 80), np.uint8)
    gate = Gate(code="colour_doppler", severity="stop", message="Colour Doppler covers the tissue.", frames=frames)
    analysis = drafts.analysis_of(labels, []).model_copy(update={"gates": (gate,)})
    path = tmp_path / "sr.dcm"
    write_report(path, SOURCES["cine"](), analysis, labels, created=drafts.CREATED)
    (group,) = highdicom.sr.srread(path).content.get_image_measurement_groups()
    assert [one.value.meaning for one in group.get_qualitative_evaluations()] == [meaning]


@pytest.mark.parametrize("edition", ["birads-us-2013", "birads-us-v2025"])
def test_every_term_of_the_lexicon_validates(edition: str, tmp_path: Path) -> None:
    lexicon = json.loads(resource_path("Lexicon", f"{edition}.json").read_text(encoding="utf-8"))
    descriptors = []
    for attribute, entry in lexicon["attributes"].items():
        name = codes.DESCRIPTOR_NAMES[attribute]
        assert (name.value, name.scheme) == (entry["concept"]["value"], entry["concept"]["scheme"])
        for term, content in entry["terms"].items():
            code = Code.model_validate(content["code"]) if content.get("code") else None
            descriptors.append(
                Descriptor(
                    attribute=attribute, term=term, label=content["label"], code=code, origin="reader", because="-"
                )
            )
    labels = drafts.two_lesions(1)
    path = tmp_path / "sr.dcm"
    analysis = drafts.analysis_of(labels, drafts.lesions_of(labels, descriptors=tuple(descriptors)))
    write_report(path, SOURCES["still"](), analysis, labels, created=drafts.CREATED)
    assert drafts.validator_errors(path) == []
    for category, code in codes.CATEGORIES.items():
        listed = lexicon["categories"][category]
        assert listed["suggested"] or category == "4"
        assert (listed["code"]["value"], listed["code"]["scheme"]) == (code.value, code.scheme)


def test_real_headers(data_root: Path, tmp_path: Path) -> None:
    cases: list[list[Dataset]] = [
        [dcmread(path, stop_before_pixels=True)] for path in sorted((data_root / "dicom_us").glob("*.dcm"))[::3]
    ]
    cases.append([dcmread(path, stop_before_pixels=True) for path in sorted((data_root / "cine").glob("*.dcm"))])
    for headers in cases:
        frames = source_frames(headers)
        labels = np.zeros((len(frames), headers[0].Rows, headers[0].Columns), np.uint8)
        labels[-1, 11:39, 15:42] = 1
        path = tmp_path / "sr.dcm"
        analysis = drafts.analysis_of(labels, drafts.lesions_of(labels))
        write_report(path, headers, analysis, labels, created=drafts.CREATED)
        # Faults of the source that cannot be mended: see test_segmentation.test_real_headers.
        faults = [line for line in drafts.validator_errors(path) if "Illegal root for UID = <999.999" not in line]
        if frames[0].frame_number is not None and headers[0].SOPClassUID == sources.US:
            faults = [line for line in faults if "Referenced SOP Class that is not multi-frame" not in line]
        assert faults == []
        assert len(groups_of(path)) == 1


def test_a_lesion_in_pieces_says_that_one_is_outlined() -> None:
    labels = drafts.two_lesions(1)
    labels[0, 50:56, 2:8] = 1
    analysis = drafts.analysis_of(labels, drafts.lesions_of(labels))
    first, second = read_report(report_dataset([sources.still()], analysis, labels, created=drafts.CREATED)).lesions
    assert first.ai is not None and second.ai is not None
    assert [text for text in first.ai.remarks if text.startswith("The lesion is in 2 pieces; the largest one")]
    assert not [text for text in second.ai.remarks if "pieces" in text]


def test_the_volume_of_a_lesion_is_measured_where_it_is_known(tmp_path: Path) -> None:
    labels = drafts.two_lesions(5)
    axes = VolumeAxes(
        axis_frame=2,
        longest_axis=drafts.length(30, True),
        perpendicular_axis=drafts.length(20, True),
        across_slices=SliceExtent(slices=3, mm=1.5),
        voxels=900,
        volume_ml=0.4567,
    )
    lesions = drafts.lesions_of(labels, volume_axes=axes)
    path, analysis = tmp_path / "sr.dcm", drafts.analysis_of(labels, lesions)
    write_report(path, [sources.enhanced_volume(5)], analysis, labels, created=drafts.CREATED)
    assert drafts.validator_errors(path) == []
    units = {m.name.value: (float(m.value), m.unit.value) for m in groups_of(path)[0].get_measurements()}
    assert units["118565006"] == (0.457, "ml")


def test_lesions_must_be_outlined_in_their_key_frame() -> None:
    labels = drafts.two_lesions(4)
    lesions = drafts.lesions_of(labels, key_frame=1)
    with pytest.raises(UsageError, match="Lesion 1 is not outlined in its key frame 1"):
        report_dataset([sources.cine(4)], drafts.analysis_of(labels, lesions), labels, created=drafts.CREATED)
    with pytest.raises(UsageError, match="do not fit"):
        report_dataset([sources.cine(3)], drafts.analysis_of(labels, []), labels, created=drafts.CREATED)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_outline_encloses_its_mask(data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(3, 60)), data.draw(st.integers(3, 60))
    center = (data.draw(st.floats(0, rows)), data.draw(st.floats(0, columns)))
    mask = drafts.ellipse(rows, columns, center, (data.draw(st.floats(1, 40)), data.draw(st.floats(1, 40))))
    if not mask.any():
        mask[rows // 2, columns // 2] = True
    points = outline_points(mask)
    assert np.array_equal(points[0], points[-1])
    assert points.min() >= 0 and points[:, 0].max() <= columns and points[:, 1].max() <= rows
    area = abs(np.sum(points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1])) / 2
    # Each convex corner of the pixel outline loses an eighth of a pixel.
    assert mask.sum() * 0.5 <= area <= mask.sum()
    rows_of, columns_of = np.nonzero(mask)
    assert points[:, 0].min() == max(columns_of.min(), 0) and points[:, 1].max() == rows_of.max() + 1


def test_a_ragged_outline_stays_within_the_element() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((400, 400)) < 0.7
    points = outline_points(mask)
    assert 3 < len(points) <= MOST_POINTS
