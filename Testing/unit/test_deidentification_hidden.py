"""Places in pixel data and tables that viewers never show and that can hold a name all the same."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.deidentification.files import ReviewChoice, deidentify_files
from BreastUSAssistLib.ultrasound.deidentification.options import DeidentificationOptions
from BreastUSAssistLib.ultrasound.deidentification.review import drop_where_found
from BreastUSAssistLib.ultrasound.deidentification.uids import DeidentificationKey
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit
from ultrasound_files import header, picture

NAME = b"MUELLER^ANNA"


class NoText:
    version = "none"

    def __call__(self, picture: np.ndarray) -> tuple[()]:
        return ()


def result_of(dataset: Dataset, folder: Path) -> tuple[Dataset, bytes]:
    """The de-identified object, read again, and its bytes."""
    folder.mkdir(exist_ok=True)
    dataset.save_as(folder / "in.dcm", implicit_vr=False, little_endian=True, enforce_file_format=True)
    assert NAME in (folder / "in.dcm").read_bytes()
    outcome = deidentify_files(
        [folder / "in.dcm"],
        folder / "out",
        DeidentificationKey(b"k" * 32),
        DeidentificationOptions(),
        ReviewChoice("drop", drop_where_found),
        open_finder=NoText,
        now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert outcome.failures == []
    (path,) = (folder / "out").rglob("*.dcm")
    return dcmread(path), path.read_bytes()


def jpeg_of(frame: np.ndarray) -> bytes:
    import io

    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(frame).save(content, "JPEG")
    return content.getvalue()


def test_comments_and_tails_of_jpeg_frames_are_gone(tmp_path):
    pixels = picture(3)[..., 0]
    dataset = header(pixels, "MONOCHROME2")
    comment = b"\xff\xfe" + (2 + len(NAME)).to_bytes(2, "big") + NAME
    frames = [(coded := jpeg_of(frame))[:2] + comment + coded[2:] + NAME for frame in pixels]
    dataset.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2) for frame in frames])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    done, content = result_of(dataset, tmp_path)
    assert NAME not in content and done.pixel_array.shape == pixels.shape


def test_unused_bits_are_empty(tmp_path):
    values = np.random.default_rng(1).integers(0, 4096, (1, 48, 64), np.uint16)
    letters = np.frombuffer(NAME * 256, np.uint8).reshape(1, 48, 64).astype(np.uint16)
    dataset = header(values | (letters & 15) << 12, "MONOCHROME2")
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.PixelData = (values | (letters & 15) << 12).tobytes() + NAME
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    done, content = result_of(dataset, tmp_path)
    assert NAME not in content and not (np.frombuffer(done.PixelData, np.uint16) >> 12).any()


def test_palettes_and_profiles_hold_colours_alone(tmp_path):
    dataset = header(picture()[..., 0], "PALETTE COLOR")
    dataset.PixelData = picture()[..., 0].tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = np.arange(256, dtype=np.uint16).tobytes()
        setattr(dataset, f"{colour}PaletteColorLookupTableData", table + NAME)
    dataset.ICCProfile = NAME * 12
    _, content = result_of(dataset, tmp_path)
    assert NAME not in content


@pytest.mark.parametrize("text", ["03.02.61", "61.02", "123.456", "0170 1234567"])
def test_figures_in_texts_are_no_versions(tmp_path, text):
    dataset = header(picture()[..., 0], "MONOCHROME2", StudyDescription=text, SoftwareVersions=NAME.decode())
    dataset.PixelData = picture()[..., 0].tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    done, _ = result_of(dataset, tmp_path)
    assert "StudyDescription" not in done and "SoftwareVersions" not in done
