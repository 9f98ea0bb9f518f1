"""DICOM files written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import written_whole

if TYPE_CHECKING:
    from pydicom import Dataset


def write_dataset(path: Path, dataset: "Dataset") -> None:
    """Write `dataset` to `path` as a DICOM file (PS3.10), explicit VR little endian.

    Raises:
        OutputError: the folder is not writable, or the disk is full; nothing is left behind.
    """
    with written_whole(path) as beside, _pixels_as_stream(dataset):
        dataset.save_as(beside, enforce_file_format=True)


def set_file_meta(dataset: "Dataset") -> None:
    """Add the file meta information of an uncompressed object (PS3.10 7.1) to `dataset`."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = "BREASTUSASSIST"
    dataset.file_meta = meta


@contextmanager
def _pixels_as_stream(dataset: "Dataset") -> Iterator[None]:
    """Hold the pixels of one byte a value as a stream, which pydicom writes without a copy of them in memory."""
    element = dataset.get("PixelData") and dataset["PixelData"]
    if not element or not isinstance(element.value, bytes) or int(dataset.get("BitsAllocated") or 16) > 8:
        yield
        return
    from pydicom import DataElement

    streamed = DataElement(element.tag, "OB", BytesIO(element.value))
    streamed.is_undefined_length = element.is_undefined_length
    dataset[element.tag] = streamed
    try:
        yield
    finally:
        dataset[element.tag] = element
