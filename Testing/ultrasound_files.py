"""Ultrasound DICOM files in the codings of many vendors, written for the tests."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

PATIENT = "SECRET^PERSON"


def picture(frames: int = 1, rows: int = 48, columns: int = 64) -> np.ndarray:
    """Grey speckle with a red, a green and a blue block: uint8 (frames, rows, columns, 3), smooth enough for JPEG."""
    grey = np.random.default_rng(5).integers(0, 120, (frames, rows // 8, columns // 8))
    grey = grey.repeat(8, axis=1).repeat(8, axis=2)
    rgb = np.stack([grey] * 3, axis=-1).astype(np.uint8)
    for block, colour in enumerate(((230, 20, 10), (10, 200, 30), (20, 30, 220))):
        rgb[:, 8:16, 8 + 16 * block : 16 + 16 * block] = colour
    rgb[:, :8, :8] = (20 + 30 * np.arange(frames))[:, None, None, None]
    return rgb


def rgb_to_ybr(rgb: np.ndarray) -> np.ndarray:
    """RGB to YBR_FULL by the matrix of PS3.3 C.7.6.3.1.2, uint8."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    return np.clip(np.rint(rgb @ matrix.T + (0, 128, 128)), 0, 255).astype(np.uint8)


def header(pixels: np.ndarray, interpretation: str = "RGB", **attributes: Any) -> Dataset:
    """Header of an ultrasound image of `pixels`, (frames, rows, columns) or (frames, rows, columns, samples)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    frames = len(pixels)
    ds.SOPClassUID = UltrasoundMultiFrameImageStorage if frames > 1 else UltrasoundImageStorage
    ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID = generate_uid(), generate_uid(), generate_uid()
    ds.Modality, ds.PatientName, ds.PatientID, ds.InstanceNumber = "US", PATIENT, "SECRET-ID", 1
    ds.Rows, ds.Columns = pixels.shape[1:3]
    ds.SamplesPerPixel = pixels.shape[3] if pixels.ndim == 4 else 1
    ds.PhotometricInterpretation = interpretation
    bits = pixels.dtype.itemsize * 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    if ds.SamplesPerPixel > 1:
        ds.PlanarConfiguration = 0
    if frames > 1:
        ds.NumberOfFrames = frames
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def write(path: Path, ds: Dataset, data: bytes, syntax: str = ExplicitVRLittleEndian, *, part_10: bool = True) -> Path:
    """Write a data set with these pixel bytes; `part_10` False leaves out preamble and file meta information."""
    from pydicom.uid import UID

    syntax = UID(syntax)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if syntax.is_encapsulated or ds.BitsAllocated == 8 else "OW"
    if syntax.is_encapsulated:
        ds["PixelData"].is_undefined_length = True
    if part_10:
        dcmwrite(path, ds, enforce_file_format=True)
        return path
    del ds.file_meta
    with open(path, "wb") as file:
        ds.save_as(file, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return path


def jpeg(frame: np.ndarray, **options: Any) -> bytes:
    """Baseline JPEG of one frame at quality 95, uint8 grey or RGB; Pillow writes a JFIF marker and YCbCr."""
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


def without_app_markers(stream: bytes) -> bytes:
    """A JPEG without its APPn segments (JFIF, Adobe), which is how several scanners write it."""
    kept, at = stream[:2], 2
    while stream[at + 1] != 0xDA:
        length = 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if not 0xE0 <= stream[at + 1] <= 0xEF:
            kept += stream[at : at + length]
        at += length
    return kept + stream[at:]


def jpeg_2000(frame: np.ndarray, *, mct: bool = True) -> bytes:
    """Lossless JPEG 2000 codestream of one frame."""
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG2000", irreversible=False, no_jp2=True, mct=int(mct and frame.ndim == 3))
    return stream.getvalue()


def jpeg_ls(frame: np.ndarray) -> bytes:
    """Lossless JPEG-LS of one frame."""
    import jpeg_ls as codec

    return bytes(codec.encode_array(frame, interleave_mode=2 if frame.ndim == 3 else 0))


def rle(frame: np.ndarray) -> bytes:
    """DICOM RLE of one frame, bytes of wide samples most significant first (PS3.5 G.2)."""
    from pydicom.pixels.encoders.native import _encode_frame

    ds = header(frame[np.newaxis], "RGB" if frame.ndim == 3 else "MONOCHROME2")
    runner = SimpleNamespace(
        bits_allocated=ds.BitsAllocated,
        columns=ds.Columns,
        rows=ds.Rows,
        samples_per_pixel=ds.SamplesPerPixel,
        get_option=lambda *_: "<",
    )
    return bytes(_encode_frame(frame.tobytes(), runner))


def write_compressed(path: Path, frames: np.ndarray, coding: str, interpretation: str, **attributes: Any) -> Path:
    """Write frames in one of the codings "jpeg", "jpeg_2000", "jpeg_ls", "rle"."""
    encode = {"jpeg": jpeg, "jpeg_2000": jpeg_2000, "jpeg_ls": jpeg_ls, "rle": rle}[coding]
    syntaxes = {
        "jpeg": JPEGBaseline8Bit,
        "jpeg_2000": JPEG2000Lossless,
        "jpeg_ls": JPEGLSLossless,
        "rle": RLELossless,
    }
    ds = header(frames, interpretation, **attributes)
    return write(path, ds, encapsulate([encode(frame) for frame in frames]), syntaxes[coding])


def write_jpeg_lossless(path: Path, frame: np.ndarray) -> Path:
    """Write a grey or RGB frame as lossless JPEG (process 14, selection value 1), encoded by GDCM."""
    import gdcm

    plain = path.with_suffix(".plain")
    write(plain, header(frame[np.newaxis], "RGB" if frame.ndim == 3 else "MONOCHROME2"), frame.tobytes())
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    assert JPEGLosslessSV1
    plain.unlink()
    return path


def region(box: tuple[int, int, int, int], **attributes: Any) -> Dataset:
    """Item of SequenceOfUltrasoundRegions for top, left, last row, last column; tissue at 0.1 mm unless told."""
    item = Dataset()
    item.RegionLocationMinY0, item.RegionLocationMinX0, item.RegionLocationMaxY1, item.RegionLocationMaxX1 = box
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.RegionFlags = 0
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = 0.01
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def write_grey(path: Path, **attributes: Any) -> Path:
    """Write an uncompressed 8-bit still, 48 x 64, with these attributes in its header."""
    pixels = picture()[..., 0]
    return write(path, header(pixels, "MONOCHROME2", **attributes), pixels.tobytes())


def write_series(folder: Path, count: int, **attributes: Any) -> list[np.ndarray]:
    """Write a sweep as one-frame Secondary Captures whose names and InstanceNumbers run against each other."""
    uid = generate_uid()
    frames = picture(count)[..., 0]
    for number, pixels in enumerate(frames):
        ds = header(pixels[np.newaxis], "MONOCHROME2", SeriesInstanceUID=uid, InstanceNumber=number + 1, **attributes)
        ds.SOPClassUID = SecondaryCaptureImageStorage
        write(folder / f"IM{count - number:04d}", ds, pixels.tobytes())
    return list(frames)
