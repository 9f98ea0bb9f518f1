"""Segmentations as other programs write them: every type, coding and way to say where a mask lies."""

import contextlib
import random
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.dicom.segmentation_geometry import MADE_UP
from BreastUSAssistLib.dicom.segmentation_pixels import DEFLATED_FRAMES
from BreastUSAssistLib.dicom.segmentation_reading import LABEL_MAP_STORAGE, SegmentationLabels, read_segmentation
from BreastUSAssistLib.errors import InputError
from dicom import drafts, sources
from dicom.test_segmentation_reading import made_by_highdicom
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels import get_encoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)


def ours(headers: list[Dataset], labels: np.ndarray, **options: object) -> Dataset:
    return segmentation_dataset(
        headers, labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED, **options
    )


def label_map(headers: list[Dataset], labels: np.ndarray, bits: int = 8) -> Dataset:
    """A Label Map Segmentation (PS3.3 A.51, Supplement 243): one stored frame a source frame, values are numbers."""
    dataset = ours(headers, labels)
    by_frame = {}
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.SegmentIdentificationSequence
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        by_frame[image.get("ReferencedFrameNumber", 1)] = group
    order = sorted(by_frame)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = LABEL_MAP_STORAGE
    dataset.SegmentationType = "LABELMAP"
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PerFrameFunctionalGroupsSequence = [by_frame[number] for number in order]
    dataset.NumberOfFrames = len(order)
    dataset.PixelData = labels[np.array(order) - 1].astype(np.uint8 if bits == 8 else "<u2").tobytes()
    return dataset


def assert_same(read: SegmentationLabels, labels: np.ndarray) -> None:
    assert np.array_equal(read.labels, labels)
    for number in np.unique(labels[labels > 0]):
        for index, frame in enumerate(labels):
            assert np.array_equal(read.mask(int(number), index), frame == number)


@pytest.mark.parametrize("bits", [8, 16])
def test_label_maps(bits: int, tmp_path: Path) -> None:
    header, labels = sources.cine(5), drafts.two_lesions(5)
    dataset = label_map([header], labels, bits)
    background = Dataset()
    background.SegmentNumber, background.SegmentLabel = 0, "Background"
    dataset.SegmentSequence.insert(0, background)
    dataset.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    read = read_segmentation(tmp_path / "seg.dcm", [header])
    assert_same(read, labels)
    assert read.segmentation_type == "LABELMAP" and [s.number for s in read.segments] == [1, 2]
    assert np.array_equal(read.fraction(1, 1), (labels[1] == 1).astype(np.float32))


def test_a_label_map_by_highdicom() -> None:
    header, labels = sources.still(20, 30), np.zeros((20, 30), np.uint8)
    labels[2:9, 3:12], labels[11:17, 15:28] = 1, 2
    masks = np.stack([labels == 1, labels == 2], axis=-1).astype(np.uint8)
    assert_same(read_segmentation(made_by_highdicom(header, masks, "LABELMAP"), [header]), labels[None])


def test_a_padding_value_is_background_and_other_strange_values_are_damage() -> None:
    header, labels = sources.still(), drafts.two_lesions(1)
    dataset = label_map([header], np.where(labels == 0, 255, labels))
    del dataset.SegmentSequence[2]
    with pytest.raises(InputError, match="pixels of no segment"):
        read_segmentation(dataset, [header])
    dataset.PixelPaddingValue = 255
    assert_same(read_segmentation(dataset, [header]), labels)


def test_numbers_with_gaps_and_beyond_a_byte() -> None:
    header, labels = sources.cine(4), drafts.two_lesions(4)
    dataset = ours([header], labels)
    new = {1: 7, 2: 300}
    for item in dataset.SegmentSequence:
        item.SegmentNumber = new[item.SegmentNumber]
    for group in dataset.PerFrameFunctionalGroupsSequence:
        item = group.SegmentIdentificationSequence[0]
        item.ReferencedSegmentNumber = new[item.ReferencedSegmentNumber]
    read = read_segmentation(dataset, [header])
    assert read.labels.dtype == np.uint16
    assert_same(read, np.choose(labels, [0, 7, 300]).astype(np.uint16))


def test_occupancy_counts_from_half() -> None:
    header, labels = sources.still(), drafts.two_lesions(1)
    probability = np.where(labels > 0, 0.6, 0.3).astype(np.float32)
    dataset = ours([header], labels, probability=probability, fractional=True)
    dataset.SegmentationFractionalType, dataset.MaximumFractionalValue = "OCCUPANCY", 200
    dataset.PixelData = np.minimum(np.frombuffer(dataset.PixelData, np.uint8), 200).tobytes()
    read = read_segmentation(dataset, [header])
    assert_same(read, labels)
    assert read.fractional_type == "OCCUPANCY"
    assert read.fraction(1, 0).max() == pytest.approx(153 / 200)


def coded(frame: np.ndarray, syntax: UID) -> bytes:
    content = BytesIO()
    if syntax == JPEG2000Lossless:
        Image.fromarray(frame).save(content, "JPEG2000", no_jp2=True, irreversible=False)
        return content.getvalue()
    if syntax == JPEGLSLossless:
        import jpeg_ls

        return bytes(jpeg_ls.encode_array(frame))
    if syntax == RLELossless:
        options = {"samples_per_pixel": 1, "bits_allocated": 8, "bits_stored": 8, "pixel_representation": 0}
        options |= {"rows": frame.shape[0], "columns": frame.shape[1], "number_of_frames": 1}
        options |= {"photometric_interpretation": "MONOCHROME2", "encoding_plugin": "pydicom"}
        return get_encoder(RLELossless).encode(frame, **options)
    deflator = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflator.compress(frame.tobytes()) + deflator.flush()


CODINGS = (RLELossless, JPEG2000Lossless, JPEGLSLossless, UID(DEFLATED_FRAMES))


def compressed(header: Dataset, labels: np.ndarray, syntax: UID, kind: str, extended: bool) -> Dataset:
    """A Segmentation of 8 bits (mask, fractions or label map) whose frames are coded one by one."""
    if kind == "label map":
        dataset = label_map([header], labels)
    else:
        dataset = ours([header], labels, probability=labels > 0, fractional=True)
    stored = np.frombuffer(dataset.PixelData, np.uint8)
    if kind == "mask":
        dataset.SegmentationType, stored = "BINARY", stored // 255
        del dataset.SegmentationFractionalType, dataset.MaximumFractionalValue
    frames = stored[: dataset.NumberOfFrames * labels[0].size].reshape(-1, *labels.shape[1:])
    encoded = [coded(frame, syntax) for frame in frames]
    if extended:
        dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(
            [frame + b"\0" * (len(frame) % 2) for frame in encoded]
        )
    else:
        dataset.PixelData = encapsulate(encoded)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    dataset.preamble = bytes(128)
    return dataset


@pytest.mark.parametrize("syntax", CODINGS)
@pytest.mark.parametrize("kind", ["mask", "fractions", "label map"])
@pytest.mark.parametrize("extended", [False, True])
def test_compressed_frames(syntax: UID, kind: str, extended: bool, tmp_path: Path) -> None:
    header, labels = sources.cine(5, 24, 32), drafts.two_lesions(5)[:, 14:38, 10:42]
    dataset = compressed(header, labels, syntax, kind, extended)
    dataset.save_as(tmp_path / "seg.dcm", implicit_vr=False, little_endian=True, force_encoding=True)
    assert_same(read_segmentation(tmp_path / "seg.dcm", [header]), labels)


@pytest.mark.parametrize("syntax", CODINGS)
@pytest.mark.parametrize("kind", ["fractions", "label map"])
def test_damaged_frames_raise_nothing_but_our_errors(syntax: UID, kind: str, tmp_path: Path) -> None:
    header, labels = sources.cine(5, 24, 32), drafts.two_lesions(5)[:, 14:38, 10:42]
    content = BytesIO()
    compressed(header, labels, syntax, kind, False).save_as(
        content, implicit_vr=False, little_endian=True, force_encoding=True
    )
    whole, chance = content.getvalue(), random.Random(1)
    path = tmp_path / "seg.dcm"
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged) - 1500, len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.choice((len(damaged), chance.randrange(200, len(damaged))))])
        with contextlib.suppress(InputError):
            read_segmentation(path, [header])


def test_deflated_frames_of_bits() -> None:
    """Each frame is packed and deflated by itself (PS3.5 A.4.13)."""
    header, labels = sources.cine(4, 21, 33), drafts.two_lesions(4)[:, 14:35, 10:43]
    dataset = ours([header], labels)
    values = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    frames = values[: dataset.NumberOfFrames * 21 * 33].reshape(-1, 21 * 33)
    dataset.file_meta.TransferSyntaxUID = UID(DEFLATED_FRAMES)
    packed = [np.packbits(frame, bitorder="little") for frame in frames]
    dataset.PixelData = encapsulate([coded(frame, UID(DEFLATED_FRAMES)) for frame in packed])
    assert_same(read_segmentation(dataset, [header]), labels)


@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_transfer_syntaxes(syntax: UID, fractional: bool, tmp_path: Path) -> None:
    header, labels = sources.cine(5, 61, 83), drafts.two_lesions(5, 61, 83)
    dataset = ours([header], labels, probability=labels > 0, fractional=fractional)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset["PixelData"].VR = "OB" if syntax != ImplicitVRLittleEndian else "OW"
    dataset.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    assert_same(read_segmentation(tmp_path / "seg.dcm", [header]), labels)


def test_words_of_big_endian_files() -> None:
    header, labels = sources.still(10, 16), drafts.two_lesions(1)[:, 12:22, 16:32]
    dataset = ours([header], labels)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").byteswap().tobytes()
    dataset["PixelData"].VR = "OW"
    assert_same(read_segmentation(dataset, [header]), labels)


def only_positions(dataset: Dataset) -> Dataset:
    """As ITK-based programs write: where each frame lies, and which images there are, but not which frame is which."""
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    return dataset


@pytest.mark.parametrize("kind", ["files", "volume"])
def test_frames_found_by_position_alone(kind: str) -> None:
    headers = sources.automated_volume(5) if kind == "files" else [sources.patient_volume(5)]
    labels = drafts.two_lesions(5)
    dataset = only_positions(ours(headers, labels))
    assert_same(read_segmentation(dataset, headers), labels)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PixelMeasuresSequence[0].PixelSpacing = [0.1, 0.1]
    with pytest.raises(InputError, match="lies on no frame"):
        read_segmentation(dataset, headers)
    del shared.PixelMeasuresSequence
    assert_same(read_segmentation(dataset, headers), labels)
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    with pytest.raises(InputError, match="lies on no frame"):
        read_segmentation(dataset, headers)
    del shared.PlaneOrientationSequence
    dataset.FrameOfReferenceUID = generate_uid()
    with pytest.raises(InputError, match="lies on no frame"):
        read_segmentation(dataset, headers)


def test_made_up_positions_place_nothing() -> None:
    header, labels = sources.cine(4), drafts.two_lesions(4)
    dataset = ours([header], labels, geometry="made_up")
    read = read_segmentation(dataset, [header])
    assert_same(read, labels)
    assert read.made_up_geometry and dataset.ContentLabel == MADE_UP
    # Even on images that claim the same places.
    headers = sources.automated_volume(4)
    for index, one in enumerate(headers):
        one.FrameOfReferenceUID = dataset.FrameOfReferenceUID
        one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, index], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing = [0.1, 0.1]
    with pytest.raises(InputError, match="lies on no frame"):
        read_segmentation(only_positions(dataset), headers)


def test_one_image_that_all_frames_lie_on() -> None:
    header, labels = sources.still(), drafts.two_lesions(1)
    dataset = only_positions(ours([header], labels))
    assert_same(read_segmentation(dataset, [header]), labels)
    assert_same(read_segmentation(dataset), labels)
    cine = sources.cine(1)
    cine.NumberOfFrames = 3
    cine.SOPInstanceUID = header.SOPInstanceUID
    with pytest.raises(InputError, match="lies on no frame"):
        read_segmentation(dataset, [cine])


def test_a_frame_that_lies_on_several_source_frames() -> None:
    header, labels = sources.cine(3), np.repeat(drafts.two_lesions(1), 3, axis=0)
    dataset = ours([header], labels[:1])
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = [1, 2, 3]
    assert_same(read_segmentation(dataset, [header]), labels)


def test_frames_told_apart_by_another_dimension_are_joined() -> None:
    header, labels = sources.still(), drafts.two_lesions(1)
    dataset = ours([header], labels)
    groups = dataset.PerFrameFunctionalGroupsSequence
    del dataset.SegmentSequence[1]
    for number, group in enumerate(groups, start=1):
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 1
        group.FrameContentSequence[0].DimensionIndexValues = [1, 1, number]
    assert_same(read_segmentation(dataset, [header]), (labels > 0).astype(np.uint8))


def test_resampled_masks_are_refused() -> None:
    header, labels = sources.cine(3), drafts.two_lesions(3)
    dataset = ours([header], labels)
    image = dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    image.SpatialLocationsPreserved = "NO"
    with pytest.raises(InputError, match="resampled"):
        read_segmentation(dataset, [header])


def test_images_that_changed_since_are_told() -> None:
    header, labels = sources.cine(6), drafts.two_lesions(6)
    dataset = ours([header], labels)
    header.NumberOfFrames = 4
    with pytest.raises(InputError, match="lies on frame 6, which its image does not have; they were changed"):
        read_segmentation(dataset, [header])
    header.NumberOfFrames, header.Columns = 6, 90
    with pytest.raises(InputError, match="the images 60 x 90; they were changed since"):
        read_segmentation(dataset, [header])


@pytest.mark.parametrize("character_set", [b"ISO_IR 999", b"ISO 2022 IR 999\\ISO_IR 6", b"\xff\xfe", b"utf8"])
def test_unknown_character_sets_do_not_stop_the_reading(character_set: bytes, tmp_path: Path) -> None:
    header, labels = sources.still(), drafts.two_lesions(1)
    path = tmp_path / "seg.dcm"
    ours([header], labels).save_as(path, enforce_file_format=True)
    value = character_set + b" " * (len(character_set) % 2)
    content = path.read_bytes().replace("Müller".encode(), b"M\xff\xfe\x1b$ller"[:7])
    old = b"\x08\0\x05\0CS" + (10).to_bytes(2, "little") + b"ISO_IR 192"
    assert old in content
    path.write_bytes(content.replace(old, old[:6] + len(value).to_bytes(2, "little") + value))
    assert_same(read_segmentation(path, [header]), labels)
    # The same set in the header of the source.
    header.PatientName = "Roe^Jane"
    header.save_as(path, implicit_vr=False, little_endian=True)
    content = path.read_bytes()
    old = b"\x08\0\x05\0CS" + (10).to_bytes(2, "little") + b"ISO_IR 100"
    path.write_bytes(content.replace(old, old[:6] + len(value).to_bytes(2, "little") + value))
    strange = dcmread(path, force=True)
    written = ours([strange], labels)
    assert_same(read_segmentation(written, [strange]), labels)
    assert written.PatientName == "Roe^Jane"
