"""DICOM Segmentations: valid for the validator, and the same masks for highdicom and for our own reader."""

import copy
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset, write_segmentation
from BreastUSAssistLib.dicom.segmentation_reading import read_segmentation
from BreastUSAssistLib.dicom.source_frames import source_frames
from BreastUSAssistLib.errors import OutputError, UsageError
from dicom import drafts, sources
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread

KINDS = {
    "still": lambda frames, rows, columns: [sources.still(rows, columns)],
    "colour still": lambda frames, rows, columns: [sources.still(rows, columns, rgb=True)],
    "retired class": lambda frames, rows, columns: [sources.still(rows, columns, sop_class=sources.US_RETIRED)],
    "cine": lambda frames, rows, columns: [sources.cine(frames, rows, columns)],
    "colour cine": lambda frames, rows, columns: [sources.cine(frames, rows, columns, rgb=True)],
    "volume": lambda frames, rows, columns: [sources.enhanced_volume(frames, rows, columns)],
    "stills": sources.stills,
    "captures": sources.captures,
    "automated volume": sources.automated_volume,
    "bare stills": lambda frames, rows, columns: sources.bare(sources.stills(frames, rows, columns)),
    "bare cine": lambda frames, rows, columns: sources.bare([sources.cine(frames, rows, columns)]),
}


def build(headers: list[Dataset], labels: np.ndarray, **options: object) -> Dataset:
    lesions = options.pop("lesions", None) or drafts.lesions_of(labels)
    return segmentation_dataset(headers, labels, lesions, drafts.MODEL, created=drafts.CREATED, **options)


def highdicom_masks(path: Path, headers: list[Dataset]) -> np.ndarray:
    """Pixels as highdicom lays them on the source frames: (frames, rows, columns, segments)."""
    import highdicom

    segmentation = highdicom.seg.segread(path)
    frames = source_frames(headers)
    options = {"assert_missing_frames_are_empty": True, "rescale_fractional": False}
    if frames[0].frame_number is None:
        return segmentation.get_pixels_by_source_instance([frame.sop_instance_uid for frame in frames], **options)
    numbers = [frame.frame_number for frame in frames]
    return segmentation.get_pixels_by_source_frame(frames[0].sop_instance_uid, numbers, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fractional", [False, True])
def test_every_kind_of_source_validates_and_reads_back(kind: str, fractional: bool, tmp_path: Path) -> None:
    headers = KINDS[kind](5, 61, 83)  # odd sizes: frames do not end on a byte
    labels = drafts.two_lesions(len(source_frames(headers)), 61, 83)
    probability = np.where(labels > 0, 0.75, 0.2).astype(np.float32)
    path = tmp_path / "seg.dcm"
    write_segmentation(
        path,
        headers,
        labels,
        drafts.lesions_of(labels),
        drafts.MODEL,
        created=drafts.CREATED,
        probability=probability,
        fractional=fractional,
    )
    assert drafts.validator_errors(path) == []
    masks = highdicom_masks(path, headers)
    ours = read_segmentation(path, headers)
    for number in (1, 2):
        inside = masks[..., number - 1] >= 128 if fractional else masks[..., number - 1]
        assert np.array_equal(inside, labels == number)
        for index in range(len(labels)):
            assert np.array_equal(ours.mask(number, index), labels[index] == number)
    assert np.array_equal(ours.labels, labels)
    assert not ours.overlapping and ours.frames_elsewhere == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_labels_come_back_as_they_were(data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    headers = KINDS[data.draw(st.sampled_from(sorted(KINDS)))](data.draw(st.integers(1, 5)), rows, columns)
    shape = (len(source_frames(headers)), rows, columns)
    size = int(np.prod(shape))
    values = data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size).filter(any))
    labels = np.array(values, data.draw(st.sampled_from([np.uint8, np.uint16]))).reshape(shape)
    lesions = [drafts.lesion(number, labels) for number in (3, 1, 2, 4)]
    dataset = build(headers, labels, lesions=lesions)
    read = read_segmentation(dataset, headers)
    uid_of = {lesion.number: lesion.tracking_uid for lesion in lesions}
    assert [s.number for s in read.segments] == list(range(1, len(set(values) - {0}) + 1))
    restored = np.zeros_like(labels)
    for segment, number in zip(read.segments, sorted(set(values) - {0}), strict=True):
        assert segment.label == f"Lesion {number}"
        assert segment.tracking_uid == uid_of[number]
        restored[read.labels == segment.number] = number
    assert np.array_equal(restored, labels)


@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_fractions_are_the_probabilities_near_each_lesion(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    labels = drafts.two_lesions(3, 50, 70)
    probability = rng.random(labels.shape, dtype=np.float32)
    headers = [sources.cine(3, 50, 70)]
    read = read_segmentation(build(headers, labels, probability=probability, fractional=True), headers)
    assert (read.segmentation_type, read.fractional_type) == ("FRACTIONAL", "PROBABILITY")
    for number in (1, 2):
        for index in range(3):
            fraction, mask = read.fraction(number, index), labels[index] == number
            assert np.abs(fraction[mask] - probability[index][mask]).max(initial=0) <= 0.5 / 255 + 1e-6
            other = (labels[index] > 0) & ~mask
            assert not fraction[other].any()
            if mask.any():
                rows, columns = np.nonzero(fraction)
                inside = np.argwhere(mask)
                far = [np.hypot(*(inside - [r, c]).T).min() for r, c in zip(rows, columns, strict=True)]
                assert max(far) <= 8


def test_frames_and_segments_without_pixels_are_left_out() -> None:
    labels = drafts.two_lesions(7)
    lesions = [*drafts.lesions_of(labels), drafts.lesion(3, labels)]
    dataset = build([sources.cine(7)], labels, lesions=lesions)
    outlined = sum(int((frame == n).any()) for frame in labels for n in (1, 2))
    assert dataset.NumberOfFrames == outlined < 2 * 7
    assert [item.SegmentLabel for item in dataset.SegmentSequence] == ["Lesion 1", "Lesion 2"]
    assert len(dataset.PixelData) == -(-outlined * 60 * 80 // 8 // 2) * 2


def test_a_volume_with_positions_keeps_its_geometry(tmp_path: Path) -> None:
    import highdicom

    headers = sources.automated_volume(6)
    labels = np.zeros((6, 60, 80), np.uint8)
    labels[1:5, 10:30, 20:40] = 1
    path = tmp_path / "seg.dcm"
    dataset = write_segmentation(path, headers, labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    assert dataset.FrameOfReferenceUID == headers[0].FrameOfReferenceUID
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    assert volume.spacing == pytest.approx((0.5, 0.073, 0.2))
    assert int((volume.array > 0).sum()) == 4 * 20 * 20
    side = dataset.SegmentSequence[0].AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0]
    assert side.CodeMeaning == "Left"


@pytest.mark.parametrize("fault", ["one without", "repeated", "not numbers", "two frames of reference"])
def test_doubtful_positions_are_not_copied(fault: str) -> None:
    headers = sources.automated_volume(4)
    if fault == "one without":
        del headers[2].ImagePositionPatient
    elif fault == "repeated":
        headers[2].ImagePositionPatient = headers[1].ImagePositionPatient
    elif fault == "not numbers":
        headers[2].ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
    else:
        headers[2].FrameOfReferenceUID = "1.2.3"
    dataset = build(headers, drafts.two_lesions(4))
    assert "FrameOfReferenceUID" not in dataset
    assert all("PlanePositionSequence" not in group for group in dataset.PerFrameFunctionalGroupsSequence)
    assert "PatientOrientation" in dataset


def test_patient_and_study_are_those_of_the_source_and_the_rest_is_ours(tmp_path: Path) -> None:
    header = sources.still()
    path = tmp_path / "seg.dcm"
    labels = drafts.two_lesions(1)
    write_segmentation(path, [header], labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    written = dcmread(path)
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "AccessionNumber", "StudyID"):
        assert written[keyword].value == header[keyword].value
    assert written.SeriesInstanceUID != header.SeriesInstanceUID
    assert written.SeriesDescription.startswith("AI draft, research use only")
    assert "Müller" not in str(written.ContentCreatorName)
    assert (written.ContentDate, written.ContentTime) == ("20260304", "050607.089000")
    algorithm = written.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("breast-lesions", "0.3.1")
    again = segmentation_dataset([header], labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    assert {again.SOPInstanceUID, again.SeriesInstanceUID}.isdisjoint(
        {written.SOPInstanceUID, written.SeriesInstanceUID}
    )


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Änne"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 192", "李^四"),
    ],
)
def test_names_keep_their_characters(character_set: str, name: str, tmp_path: Path) -> None:
    header = sources.still()
    header.SpecificCharacterSet, header.PatientName = character_set, name
    header.save_as(tmp_path / "source.dcm", implicit_vr=False, little_endian=True)
    labels = drafts.two_lesions(1)
    path = tmp_path / "seg.dcm"
    headers = [dcmread(tmp_path / "source.dcm", force=True)]
    write_segmentation(path, headers, labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    assert str(dcmread(path).PatientName) == name
    assert drafts.validator_errors(path) == []


def test_a_cine_cut_short_may_have_fewer_labels_than_frames() -> None:
    headers, labels = [sources.cine(9)], drafts.two_lesions(5)
    read = read_segmentation(build(headers, labels), headers)
    assert np.array_equal(read.labels[:5], labels) and not read.labels[5:].any()


def test_faults_of_the_source_are_not_passed_on(tmp_path: Path) -> None:
    header = sources.still()
    with pytest.warns(UserWarning, match="Invalid value for VR"):
        header.PatientBirthDate, header.StudyDate, header.StudyTime = "1961-02-03", "20251399", "99"
        header.PatientSex, header.PatientAge, header.StudyID = "X", "45", "longer than sixteen characters"
    header.LossyImageCompression = "01"
    labels = drafts.two_lesions(1)
    path = tmp_path / "seg.dcm"
    write_segmentation(path, [header], labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    assert drafts.validator_errors(path) == []
    assert dcmread(path).PatientID == "P-0815"


def test_a_mask_of_a_lossy_source_says_so(tmp_path: Path) -> None:
    header = sources.cine(2)
    header.LossyImageCompression, header.LossyImageCompressionRatio = "01", [12.5]
    header.LossyImageCompressionMethod = ["ISO_10918_1"]
    labels = drafts.two_lesions(2)
    path = tmp_path / "seg.dcm"
    write_segmentation(path, [header], labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    assert dcmread(path).LossyImageCompression == "01"
    assert drafts.validator_errors(path) == []


def test_requests_that_cannot_be_met() -> None:
    labels = drafts.two_lesions(4)
    headers = [sources.cine(4)]
    with pytest.raises(UsageError, match="No lesion"):
        build(headers, np.zeros_like(labels), lesions=[drafts.lesion(1, labels)])
    with pytest.raises(UsageError, match="Label 2 belongs to no lesion"):
        build(headers, labels, lesions=[drafts.lesion(1, labels)])
    with pytest.raises(UsageError, match="same number"):
        build(headers, labels, lesions=[drafts.lesion(1, labels), drafts.lesion(1, labels), drafts.lesion(2, labels)])
    with pytest.raises(UsageError, match="the source has 3"):
        build([sources.cine(3)], labels)
    with pytest.raises(UsageError, match="probability"):
        build(headers, labels, fractional=True)
    with pytest.raises(UsageError, match="unsigned"):
        build(headers, labels.astype(np.int64))
    with pytest.raises(UsageError, match="not DICOM"):
        build([], labels)
    with pytest.raises(UsageError, match="different studies"):
        build([sources.still(), sources.still()], labels[:2])
    nameless = sources.still()
    del nameless.SOPInstanceUID
    with pytest.raises(UsageError, match="no SOPInstanceUID"):
        build([nameless], labels[:1])


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    labels = drafts.two_lesions(1)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        write_segmentation(
            tmp_path / "file" / "seg.dcm",
            [sources.still()],
            labels,
            drafts.lesions_of(labels),
            drafts.MODEL,
            created=drafts.CREATED,
        )
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_real_headers(data_root: Path, tmp_path: Path) -> None:
    paths = sorted((data_root / "dicom_us").glob("*.dcm"))
    cases = [[dcmread(path, stop_before_pixels=True)] for path in paths]
    cases.append([dcmread(path, stop_before_pixels=True) for path in sorted((data_root / "cine").glob("*.dcm"))])
    assert len(cases) == 18
    for headers in cases:
        before = copy.deepcopy(headers[0])
        frames = source_frames(headers)
        labels = np.zeros((len(frames), headers[0].Rows, headers[0].Columns), np.uint8)
        labels[-3:, 11:39, 15:42] = 1
        labels[len(frames) // 2, 20:50, 43:77] = 2
        path = tmp_path / "seg.dcm"
        write_segmentation(path, headers, labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
        # Two kinds of fault lie in the source and cannot be mended: UIDs that are none, and a file of two frames in a
        # class for one.
        faults = [line for line in drafts.validator_errors(path) if "Illegal root for UID = <999.999" not in line]
        if frames[0].frame_number is not None and headers[0].SOPClassUID == sources.US:
            faults = [line for line in faults if "Referenced SOP Class that is not multi-frame" not in line]
        assert faults == []
        masks = highdicom_masks(path, headers)
        assert all(np.array_equal(masks[..., n - 1], labels == n) for n in (1, 2))
        assert np.array_equal(read_segmentation(path, headers).labels, labels)
        assert headers[0] == before
