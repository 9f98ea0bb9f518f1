"""One DICOM object read whole, within bounds."""

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ...errors import InputError
from ..limits import MAX_DEFLATED_BYTES
from ..quiet import quiet

if TYPE_CHECKING:
    from pydicom import Dataset

LARGEST_FILE = 4 << 30
"""Bytes; no DICOM element of a known length is larger."""
DIRECTORY = "1.2.840.10008.1.3.10"
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_CHUNK = 1 << 20
_DELIMITERS = 0xFFFE


def sop_class_of(path: Path, label: str) -> str:
    """SOP class of the object at `path`, reading no further than needed; empty where it says none.

    Raises:
        InputError: it cannot be read.
    """
    from pydicom import dcmread

    def read(file: BinaryIO) -> str:
        header = dcmread(file, force=True, stop_before_pixels=True, specific_tags=["SOPClassUID"])
        meta = getattr(header, "file_meta", {}).get("MediaStorageSOPClassUID")
        return str(header.get("SOPClassUID") or meta or "")

    return _guarded(path, label, read)


def read_object(path: Path, label: str) -> "Dataset":
    """The whole object at `path`, with file meta information.

    Raises:
        InputError: it is too large (also once inflated), damaged, or cannot be read; the message starts with `label`.
    """
    from pydicom import dcmread
    from pydicom.dataset import FileMetaDataset

    def read(file: BinaryIO) -> "Dataset":
        dataset = dcmread(file, force=True)
        # A stray delimiter (PS3.5 7.5) is no element; careless software leaves some at the end.
        for tag in [tag for tag in dataset.keys() if tag.group == _DELIMITERS]:  # noqa: SIM118 - values would be parsed
            del dataset[tag]
        if not len(dataset):
            raise ValueError("no element")
        if not hasattr(dataset, "file_meta"):
            dataset.file_meta = FileMetaDataset()
        return dataset

    return _guarded(path, label, read)


def _guarded(path: Path, label: str, read):  # type: ignore[no-untyped-def]
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{label} is larger than 4 GiB; export fewer frames.")
        with quiet(), open(path, "rb") as file:
            _check_inflated(file, label)
            return read(file)
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{label} does not fit into memory; close other programs or export fewer frames.") from None
    except OSError as error:
        raise InputError(f"{label} could not be read ({error.strerror or 'input error'}); check the file.") from None
    except Exception:  # pydicom raises many kinds, and their texts can quote the header
        raise InputError(f"{label} is a damaged DICOM file; export it again from its source.") from None


def _check_inflated(file: BinaryIO, label: str) -> None:
    """Refuse a deflated data set (PS3.5 A.5) that would fill the memory."""
    head = file.read(2048)
    if _DEFLATED in head and head[128:132] == b"DICM":
        # The data set follows the file meta information, whose first element says how long it is (PS3.10 7.1).
        file.seek(144 + struct.unpack("<L", head[140:144])[0])
        inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while (chunk := inflater.unconsumed_tail or file.read(_CHUNK)) and not inflater.eof:
            total += len(inflater.decompress(chunk, 16 * _CHUNK))
            if total > MAX_DEFLATED_BYTES:
                raise InputError(f"{label} unpacks to more than {MAX_DEFLATED_BYTES >> 30} GB, so it was not read.")
    file.seek(0)
