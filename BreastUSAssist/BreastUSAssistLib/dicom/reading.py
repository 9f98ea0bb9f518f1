"""DICOM objects of this project's kinds (not images) read from files that may be damaged or hostile."""

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

LARGEST_FILE = 2**32
"""Bytes, also after inflating: no DICOM element of a known length is larger."""
_DEFLATED = "1.2.840.10008.1.2.1.99"


def read_dataset(path: Path) -> "Dataset":
    """Read the DICOM file at `path` whole.

    Raises:
        InputError: missing, not DICOM, damaged, or larger than LARGEST_FILE (also once inflated).
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than 4 GiB; export fewer frames.")
        if read_file_meta_info(path).get("TransferSyntaxUID") == _DEFLATED:
            _check_inflated_size(path)
        dataset = dcmread(path)
        # Elements are decoded on first use; a damaged one must show here, not later.
        dataset.walk(lambda _, element: None)
        return dataset
    except InputError:
        raise
    except InvalidDicomError as error:
        raise InputError(f"{path} is not a DICOM file; choose a file of modality SEG or SR.") from error
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror or 'damaged'}); check the file.") from error
    except Exception as error:  # pydicom raises many types on damaged files (KeyError, struct.error, ValueError, ...)
        raise InputError(f"{path} is damaged and could not be read as DICOM; export it again.") from error


def _check_inflated_size(path: Path) -> None:
    """Inflate in small pieces, and refuse a file that would fill the memory."""
    content = path.read_bytes()
    inflator, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    piece = content[_end_of_meta(content) :]
    while piece and not inflator.eof:
        total += len(inflator.decompress(piece, 2**24))
        if total > LARGEST_FILE:
            raise InputError(f"{path} inflates to more than 4 GiB; export it without compression.")
        piece = inflator.unconsumed_tail


def _end_of_meta(content: bytes) -> int:
    """Offset of the data set: preamble, prefix, then (0002,0000) with the length of the rest (PS3.10 7.1)."""
    return 144 + int.from_bytes(content[140:144], "little")
