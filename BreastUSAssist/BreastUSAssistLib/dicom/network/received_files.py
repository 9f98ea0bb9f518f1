"""Objects that come from a node: checked to be what was asked for, and on the disk whole or not at all."""

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError, OutputError
from ...files import written_whole
from ...labels.durable import sync_folders
from ...ultrasound.quiet import quiet

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

_DEFLATED = "1.2.840.10008.1.2.1.99"
_HEADER = 2**22
"""Bytes of a deflated object that are inflated to find its UIDs, which stand near its start."""
_SERIES_UID = 0x0020000E


@dataclass(frozen=True)
class Identity:
    """Which object a file holds."""

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    study_uid: str
    transfer_syntax_uid: str
    modality: str = ""


def is_uid(text: object) -> bool:
    """Whether `text` can be a UID (PS3.5 9.1, leading zeros let pass): safe as the name of a file, too."""
    return isinstance(text, str) and re.fullmatch(r"(?=.{1,64}\Z)\d+(\.\d+)*", text, re.ASCII) is not None


def read_identity(path: Path) -> Identity:
    """UIDs of the DICOM file at `path`; only its first elements are read, whatever follows.

    Raises:
        InputError: not a DICOM file, damaged, or without the UIDs of an object; names the file.
    """
    from pydicom.errors import InvalidDicomError

    try:
        with quiet():
            found = _identity(path)
    except InvalidDicomError as error:
        raise InputError(f"{path} is not a DICOM file; choose another.") from error
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror or 'damaged'}); check the file.") from error
    except Exception as error:  # pydicom raises many types on damaged files (KeyError, struct.error, ValueError, ...)
        raise InputError(f"{path} is damaged and could not be read as DICOM; export it again.") from error
    uids = (found.sop_class_uid, found.sop_instance_uid, found.series_uid, found.study_uid)
    if not all(map(is_uid, uids)):
        raise InputError(f"{path} lacks the UIDs of a DICOM object (class, instance, series, study); export it again.")
    return found


@contextmanager
def kept_as(folder: Path, sop_instance_uid: str) -> Iterator[Path]:
    """Yield a hidden file to write to; at the end it is on the disk as `<SOP instance UID>.dcm`, or gone on a failure.

    Raises:
        OutputError: the disk is full or not writable.
    """
    assert is_uid(sop_instance_uid)
    with written_whole(folder / f"{sop_instance_uid}.dcm") as beside:
        yield beside
    sync_folders([folder])


def make_folder(folder: Path) -> None:
    """Make the folder, or remove what a killed transfer left half-written in it.

    Only one transfer may use a folder at a time.

    Raises:
        OutputError: the folder cannot be made or changed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(".*.part.dcm"):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} could not be made ({error.strerror}); choose another folder.") from error


def whole_file(folder: Path, sop_instance_uid: str, study_uid: str) -> Path | None:
    """The file of this object, if it lies in the folder; one that is not this object does not count."""
    path = folder / f"{sop_instance_uid}.dcm"
    try:
        found = read_identity(path)
    except InputError:
        return None
    return path if (found.sop_instance_uid, found.study_uid) == (sop_instance_uid, study_uid) else None


def _identity(path: Path) -> Identity:
    header, syntax = _first_elements(path)
    return Identity(
        sop_class_uid=str(header.get("SOPClassUID", "")),
        sop_instance_uid=str(header.get("SOPInstanceUID", "")),
        series_uid=str(header.get("SeriesInstanceUID", "")),
        study_uid=str(header.get("StudyInstanceUID", "")),
        transfer_syntax_uid=syntax,
        modality=str(header.get("Modality", "")),
    )


def _first_elements(path: Path) -> tuple["Dataset", str]:
    """Elements up to the series UID, and the transfer syntax."""
    from pydicom.filereader import read_dataset, read_file_meta_info, read_partial

    syntax = str(read_file_meta_info(path).get("TransferSyntaxUID", ""))
    with open(path, "rb") as file:
        if syntax != _DEFLATED:
            return read_partial(file, _behind_uids, defer_size=2**16), syntax
        # All of the data set is compressed as one; pydicom would inflate it whole, however large it becomes.
        start = file.read(_HEADER)
    # The meta information: preamble, prefix, then (0002,0000) with the length of the rest (PS3.10 7.1).
    compressed = start[144 + int.from_bytes(start[140:144], "little") :]
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(compressed, _HEADER)
    return read_dataset(BytesIO(inflated), False, True, stop_when=_behind_uids), syntax


def _behind_uids(tag: "BaseTag", _vr: str | None, _length: int) -> bool:
    return tag > _SERIES_UID
