"""Segmentations by other programs, and damaged or hostile ones."""

import copy
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.dicom import reading
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.dicom.segmentation_reading import read_segmentation
from BreastUSAssistLib.dicom.writing import write_dataset
from BreastUSAssistLib.errors import BreastUSAssistError, InputError
from dicom import drafts, sources
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless


def made_by_highdicom(header: Dataset, masks: np.ndarray, kind: str) -> Dataset:
    """A segmentation of a still by highdicom; masks (rows, columns, segments) may overlap."""
    import highdicom
    from pydicom.sr.codedict import codes

    segments = [
        highdicom.seg.SegmentDescription(
            number,
            f"Area {number}",
            codes.SCT.MorphologicallyAbnormalStructure,
            codes.SCT.Lesion,
            highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number in range(1, masks.shape[-1] + 1)
    ]
    return highdicom.seg.Segmentation(
        [header],
        masks[None],
        kind,
        segments,
        series_instance_uid="1.2.3",
        series_number=1,
        sop_instance_uid="1.2.4",
        instance_number=1,
        manufacturer="Somebody",
        manufacturer_model_name="Else",
        software_versions="1",
        device_serial_number="1",
    )


@pytest.fixture
def ours() -> tuple[Dataset, Dataset, np.ndarray]:
    header, labels = sources.cine(4), drafts.two_lesions(4)
    dataset = segmentation_dataset([header], labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    return dataset, header, labels


def test_overlapping_segments_of_another_program() -> None:
    header = sources.still(20, 30)
    masks = np.zeros((20, 30, 2), np.uint8)
    masks[2:10, 2:10, 0] = masks[6:15, 6:20, 1] = 1
    read = read_segmentation(made_by_highdicom(header, masks, "BINARY"), [header])
    assert read.overlapping
    assert np.array_equal(read.mask(1, 0), masks[..., 0])
    assert np.array_equal(read.mask(2, 0), masks[..., 1])
    assert read.labels[0, 7, 7] == 2
    assert read.segments[0].algorithm_type == "MANUAL" and read.segments[0].tracking_uid is None
    assert read.segments[1].type is not None and read.segments[1].type.meaning == "Lesion"


def test_fractions_of_another_program() -> None:
    header = sources.still(20, 30)
    values = np.random.default_rng(1).random((20, 30, 1))
    read = read_segmentation(made_by_highdicom(header, values, "FRACTIONAL"), [header])
    assert np.abs(read.fraction(1, 0) - values[..., 0]).max() < 0.003
    assert read.fractional_type == "PROBABILITY"


def test_a_volume_placed_by_position_alone() -> None:
    headers = sources.automated_volume(5)
    labels = drafts.two_lesions(5)
    dataset = segmentation_dataset(headers, labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    assert np.array_equal(read_segmentation(dataset, headers).labels, labels)
    with pytest.raises(InputError, match="does not say which images"):
        read_segmentation(dataset)


def test_compressed_and_deflated_files(tmp_path: Path) -> None:
    header, labels = sources.cine(4), drafts.two_lesions(4)
    probability = np.where(labels > 0, 0.9, 0.1).astype(np.float32)
    dataset = segmentation_dataset(
        [header],
        labels,
        drafts.lesions_of(labels),
        drafts.MODEL,
        created=drafts.CREATED,
        probability=probability,
        fractional=True,
    )
    deflated = copy.deepcopy(dataset)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    write_dataset(tmp_path / "deflated.dcm", deflated)
    dataset.compress(RLELossless)
    write_dataset(tmp_path / "rle.dcm", dataset)
    for name in ("deflated.dcm", "rle.dcm"):
        assert np.array_equal(read_segmentation(tmp_path / name, [header]).labels, labels)


def test_frames_of_other_images_are_counted() -> None:
    headers, labels = sources.stills(5), drafts.two_lesions(5)
    dataset = segmentation_dataset(headers, labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    read = read_segmentation(dataset, headers[1:2])
    assert np.array_equal(read.labels, labels[1:2])
    assert read.frames_elsewhere == dataset.NumberOfFrames - 2
    assert set(read.missing) == {headers[2].SOPInstanceUID, headers[4].SOPInstanceUID}
    with pytest.raises(InputError, match=r"lies on images that are not given: .*; give them too"):
        read_segmentation(dataset, [sources.still()])
    with pytest.raises(InputError, match="60 x 80 pixels, the images 61 x 80"):
        read_segmentation(dataset, [sources.still(61, 80)])


def test_a_reference_without_frame_number_is_not_guessed(ours: tuple[Dataset, Dataset, np.ndarray]) -> None:
    dataset, header, _ = ours
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
    with pytest.raises(InputError, match="on which frame"):
        read_segmentation(dataset, [header])


def _cut_pixels(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:100]


def _no_segment(dataset: Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence


def _twice(dataset: Dataset) -> None:
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups[1] = copy.deepcopy(groups[0])


def _far_frame(dataset: Dataset) -> None:
    image = dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    image.ReferencedFrameNumber = 2**31 - 1


def _huge(dataset: Dataset) -> None:
    dataset.Rows = dataset.Columns = 65535


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_cut_pixels, "cut short"),
        (_no_segment, "of no segment"),
        (_twice, "two frames of segment 1"),
        (_far_frame, "too many"),
        (_huge, "too many|cut short"),
        (lambda ds: ds.__delattr__("Rows"), "Rows is missing"),
        (lambda ds: ds.__delattr__("PixelData"), "no pixels"),
        (lambda ds: ds.__setattr__("SegmentSequence", []), "0 segments"),
        (lambda ds: ds.PerFrameFunctionalGroupsSequence.pop(), "describes 2 of its 3 frames"),
        (lambda ds: ds.__setattr__("SegmentationType", "SOMETHING"), "unknown type"),
        (lambda ds: ds.__setattr__("SOPClassUID", sources.US), "not a DICOM Segmentation"),
    ],
)
def test_damage_is_named(ours: tuple[Dataset, Dataset, np.ndarray], change: object, message: str) -> None:
    dataset = ours[0]
    change(dataset)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        read_segmentation(dataset)


def test_files_that_are_no_segmentation(tmp_path: Path) -> None:
    text, missing = tmp_path / "a b ü.dcm", tmp_path / "missing.dcm"
    text.write_text("not DICOM")
    for path in (text, missing, tmp_path):
        with pytest.raises(InputError, match=path.name):
            read_segmentation(path)


def test_a_small_file_that_inflates_without_end_is_refused(
    tmp_path: Path, ours: tuple[Dataset, Dataset, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ours[0]
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = tmp_path / "bomb.dcm"
    write_dataset(path, dataset)
    content = path.read_bytes()
    deflator = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    start = 144 + int.from_bytes(content[140:144], "little")
    path.write_bytes(content[:start] + deflator.compress(bytes(2**23)) + deflator.flush())
    monkeypatch.setattr(reading, "LARGEST_INFLATED", 2**22)
    with pytest.raises(InputError, match="inflates"):
        read_segmentation(path)


@pytest.fixture(scope="module")
def small_file() -> bytes:
    labels = np.zeros((2, 8, 8), np.uint8)
    labels[:, 2:5, 3:7] = 1
    dataset = segmentation_dataset(
        [sources.cine(2, 8, 8)], labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED
    )
    content = BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()


def test_a_uid_that_is_no_transfer_syntax_is_told(small_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "syntax.dcm"
    path.write_bytes(small_file.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.1\0\0\0", 1))
    with pytest.raises(InputError, match=str(path)):
        read_segmentation(path)


@settings(max_examples=60, deadline=None)
@given(
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_flipped_bytes_raise_nothing_but_our_errors(
    small_file: bytes, tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[float, int]], kept: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.dcm"
    content = bytearray(small_file)
    for position, value in flips:
        content[128 + int(position * (len(content) - 129))] = value
    path.write_bytes(content[: int(kept * len(content))])
    try:
        read_segmentation(path)
    except BreastUSAssistError as error:
        assert str(path) in str(error)
