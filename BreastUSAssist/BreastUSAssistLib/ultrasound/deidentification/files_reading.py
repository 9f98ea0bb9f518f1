"""One DICOM object read whole, within bounds."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...errors import InputError
from ..bounded_dicom import BoundedBytes, BoundedFile, inflated, opened_bounded, parse_bounded
from ..limits import MAX_DEFLATED_BYTES
from ..quiet import quiet

if TYPE_CHECKING:
    from pydicom import Dataset

LARGEST_FILE = 4 << 30
"""Bytes; no DICOM element of a known length is larger."""
DIRECTORY = "1.2.840.10008.1.3.10"
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_DELIMITERS = 0xFFFE
_Read = TypeVar("_Read")


def sop_class_of(path: Path, label: str) -> str:
    """SOP class of the object at `path`, keeping no more of it than that; empty where it says none.

    Raises:
        InputError: it cannot be read.
    """

    def read(stream: BoundedFile | BoundedBytes) -> str:
        options = {"force": True, "stop_before_pixels": True, "specific_tags": ["SOPClassUID"]}
        header = parse_bounded(stream, label, **options)
        # A directory names its class in the file meta information alone (PS3.10 8.6).
        meta = getattr(header, "file_meta", {}).get("MediaStorageSOPClassUID")
        return str(header.get("SOPClassUID") or meta or "")

    return _guarded(path, label, read)


def read_object(path: Path, label: str) -> "Dataset":
    """The whole object at `path`, with file meta information.

    Raises:
        InputError: it is too large (also once inflated), hostile or damaged, or cannot be read; the message starts
            with `label`.
    """
    from pydicom.dataset import FileMetaDataset

    def read(stream: BoundedFile | BoundedBytes) -> "Dataset":
        dataset = parse_bounded(stream, label, force=True)
        # A stray delimiter (PS3.5 7.5) is no element; careless software leaves some at the end.
        for tag in [tag for tag in dataset.keys() if tag.group == _DELIMITERS]:  # noqa: SIM118 - values would be parsed
            del dataset[tag]
        if not len(dataset):
            raise ValueError("no element")
        if not hasattr(dataset, "file_meta"):
            dataset.file_meta = FileMetaDataset()
        return dataset

    return _guarded(path, label, read)


def _guarded(path: Path, label: str, read: Callable[[BoundedFile | BoundedBytes], _Read]) -> _Read:
    """What `read` makes of the file, inflated where it is deflated (PS3.5 A.5)."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{label} is larger than 4 GiB; export fewer frames.")
        with quiet(), opened_bounded(path) as file:
            deflated = _DEFLATED in file.read(2048)
            file.seek(0)
            return read(inflated(file, label, MAX_DEFLATED_BYTES) if deflated else file)
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{label} does not fit into memory; close other programs or export fewer frames.") from None
    except OSError as error:
        raise InputError(f"{label} could not be read ({error.strerror or 'input error'}); check the file.") from None
    except Exception:  # pydicom raises many kinds, and their texts can quote the header
        raise InputError(f"{label} is a damaged DICOM file; export it again from its source.") from None
