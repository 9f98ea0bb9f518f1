"""Hostile DICOM: nesting, counts and lengths without end are refused at once, with one sentence, by every reader."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.dicom import reading
from BreastUSAssistLib.dicom.reading import read_dataset
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.dicom.segmentation_reading import read_segmentation
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.ultrasound import bounded_dicom
from BreastUSAssistLib.ultrasound.coded_size import coded_size
from BreastUSAssistLib.ultrasound.dicom_source import read_dicom_source
from BreastUSAssistLib.ultrasound.reading import open_clip
from dicom import drafts, sources
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless

EXPLICIT, IMPLICIT, DEFLATED = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1.99"
ITEM, ITEM_END, ENDLESS = 0xE000FFFE, 0xE00DFFFE, 0xFFFFFFFF
GROUPS = 0x9230_5200
"""PerFrameFunctionalGroupsSequence (5200,9230), as it lies in the file."""


def part10(body: bytes, syntax: bytes = EXPLICIT) -> bytes:
    """A file of Segmentation Storage with this data set."""
    meta = b"".join(
        struct.pack("<HH2sH", 2, element, b"UI", len(value)) + value
        for element, value in ((2, sources.US.encode() + b"\0"), (3, b"1.2.3\0"), (0x10, syntax))
    )
    return b"\0" * 128 + b"DICM" + struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(meta)) + meta + body


def sequence(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<L2sHL", GROUPS, b"SQ", 0, len(content) if length is None else length) + content


def item(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<LL", ITEM, len(content) if length is None else length) + content


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = sequence(item(content))
    return part10(content)


def nested_implicit(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = struct.pack("<LL", GROUPS, len(content) + 8) + item(content)
    return part10(content, IMPLICIT)


def deflated(body: bytes) -> bytes:
    deflator = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return part10(deflator.compress(body) + deflator.flush(), DEFLATED)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nested, lengths known": (lambda: nested(400), "nested more deeply"),
    "nested, implicit": (lambda: nested_implicit(400), "nested more deeply"),
    "nested, without lengths": (lambda: part10((sequence(b"", ENDLESS) + item(b"", ENDLESS)) * 20_000), "nested more"),
    "nested in what is not known": (
        lambda: part10(struct.pack("<L2sHL", GROUPS, b"UN", 0, 8 * 2000) + item(b"") * 2000),
        "more elements",
    ),
    "empty items": (lambda: part10(sequence(item(b"") * 5000)), "more elements"),
    "empty items, without lengths": (
        lambda: part10(sequence((item(b"", ENDLESS) + struct.pack("<LL", ITEM_END, 0)) * 5000, ENDLESS)),
        "more elements",
    ),
    "empty elements": (
        lambda: part10(b"".join(struct.pack("<HH2sH", 9, 0x1000 + n, b"LO", 0) for n in range(5000))),
        "more elements",
    ),
    "deflated items": (lambda: deflated(sequence(item(b"") * 5000)), "more elements"),
    "deflated nothing": (lambda: deflated(bytes(2**22)), "inflates to more"),
}


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds of the readers, a hundredth of what they are: as sharp, and quick to reach."""
    monkeypatch.setattr(bounded_dicom, "MOST_READS", 4000)
    monkeypatch.setattr(bounded_dicom, "LARGEST_VALUE", 2**16)
    monkeypatch.setattr(reading, "LARGEST_INFLATED", 2**20)
    monkeypatch.setattr("BreastUSAssistLib.ultrasound.dicom_source.MAX_DEFLATED_BYTES", 2**20)


@pytest.mark.usefixtures("small_bounds")
@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("read", [read_dataset, read_segmentation, read_dicom_source, open_clip])
def test_files_without_end_are_refused(kind: str, read: Callable[[Path], Any], tmp_path: Path) -> None:
    make, message = HOSTILE[kind]
    path = tmp_path / "hostile.dcm"
    path.write_bytes(make())
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.usefixtures("small_bounds")
def test_a_text_of_millions_of_values_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "values.dcm"
    path.write_bytes(part10(struct.pack("<HH2sHL", 9, 0x1002, b"UC", 0, 2**18) + b"a\\" * 2**17))
    with pytest.raises(InputError, match="holds a value of"):
        read_dataset(path)


def test_a_length_beyond_the_end_reserves_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "length.dcm"
    path.write_bytes(part10(struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFE) + b"\0" * 64))
    with bounded_dicom.opened_bounded(path) as file:
        file.budget = bounded_dicom.ParsingBudget(10)
        assert len(file.read(0xFFFFFFFE)) == path.stat().st_size
    with pytest.raises(InputError):
        read_segmentation(path)


def test_ordinary_files_stay_far_within_the_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cine of 300 frames with two lesions takes a fortieth of the reads, and every sequence of it is there."""
    labels = np.zeros((300, 8, 8), np.uint8)
    labels[:, 1:3, 1:3], labels[:, 5:7, 5:7] = 1, 2
    dataset = segmentation_dataset(
        [sources.cine(300, 8, 8)], labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED
    )
    path = tmp_path / "seg.dcm"
    dataset.save_as(path, enforce_file_format=True)
    monkeypatch.setattr(bounded_dicom, "MOST_READS", 45_000)
    assert read_dataset(path) == dcmread(path)


def test_a_damaged_private_sequence_does_not_keep_an_image_from_opening(tmp_path: Path) -> None:
    header = sources.still(8, 8)
    header.BitsAllocated = header.BitsStored = 8
    header.PixelData = bytes(64)
    path = tmp_path / "still.dcm"
    header.save_as(path, implicit_vr=False, little_endian=True)
    body = path.read_bytes()
    damaged = struct.pack("<HH2sHL", 9, 0x1001, b"SQ", 0, 20) + b"not a sequence at all"[:20]
    at = body.index(struct.pack("<HH", 0x10, 0x10))
    path.write_bytes(part10(body[:at] + damaged + body[at:]))
    assert open_clip(path).frame(0).pixels.shape == (8, 8)


@pytest.fixture
def compressed() -> tuple[Dataset, Dataset]:
    header, labels = sources.cine(2, 16, 16), np.zeros((2, 16, 16), np.uint8)
    labels[:, 2:9, 3:12] = 1
    dataset = segmentation_dataset(
        [header],
        labels,
        drafts.lesions_of(labels),
        drafts.MODEL,
        created=drafts.CREATED,
        probability=labels.astype(np.float32),
        fractional=True,
    )
    return dataset, header


def _jpeg_2000(rows: int, columns: int) -> bytes:
    from io import BytesIO

    from PIL import Image

    content = BytesIO()
    Image.fromarray(np.zeros((rows, columns), np.uint8)).save(content, "JPEG2000", no_jp2=True, irreversible=False)
    return content.getvalue()


def test_a_coded_frame_larger_than_its_header_says_is_not_decoded(compressed: tuple[Dataset, Dataset]) -> None:
    dataset, header = compressed
    assert coded_size(_jpeg_2000(40, 30)) == (40, 30)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = encapsulate([_jpeg_2000(4000, 4000)] * 2)
    with pytest.raises(InputError, match="cannot be decoded"):
        read_segmentation(dataset, [header])


def test_an_image_that_is_coded_larger_than_its_header_says_is_not_decoded(tmp_path: Path) -> None:
    header = sources.still(16, 16)
    header.BitsAllocated = header.BitsStored = 8
    header.PixelData = encapsulate([_jpeg_2000(3000, 3000)])
    header["PixelData"].VR, header["PixelData"].is_undefined_length = "OB", True
    header.ensure_file_meta()
    header.file_meta.TransferSyntaxUID = JPEG2000Lossless
    header.save_as(tmp_path / "still.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match="could not be decoded"):
        open_clip(tmp_path / "still.dcm").frame(0)


def test_fragments_by_the_million_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("BreastUSAssistLib.ultrasound.encapsulation._MOST_FRAGMENTS", 1000)
    monkeypatch.setattr("BreastUSAssistLib.dicom.segmentation_pixels._MOST_FRAGMENTS", 1000)
    header = sources.still(16, 16)
    header.BitsAllocated = header.BitsStored = 8
    header.PixelData = struct.pack("<LL", ITEM, 0) * 2000
    header["PixelData"].VR, header["PixelData"].is_undefined_length = "OB", True
    header.ensure_file_meta()
    header.file_meta.TransferSyntaxUID = RLELossless
    header.save_as(tmp_path / "still.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match="truncated or damaged"):
        open_clip(tmp_path / "still.dcm")


@pytest.mark.parametrize(
    "pixels",
    [
        encapsulate([b"\0" * 64] * 2)[:-20],
        b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * 10,
        b"\xfe\xff\x00\xe0\0\0\0\0" * 10,
        encapsulate([struct.pack("<16L", 15, *([0xFFFFFFFF] * 15)) + b"\x81\0" * 50] * 2),
    ],
)
def test_damaged_fragments_are_named(pixels: bytes, compressed: tuple[Dataset, Dataset]) -> None:
    dataset, header = compressed
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = pixels
    with pytest.raises(InputError, match=r"damaged pixels|cannot be decoded|cut short"):
        read_segmentation(dataset, [header])
