"""DICOM objects of this project's kinds (not images) read from files that may be damaged or hostile."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..ultrasound.bounded_dicom import BoundedFile, inflated, opened_bounded, parse_bounded, too_deep
from ..ultrasound.quiet import quiet

if TYPE_CHECKING:
    from pydicom import Dataset

LARGEST_FILE = 2**32
"""Bytes: no DICOM element of a known length is larger."""
LARGEST_INFLATED = 2**30
"""Bytes of a deflated data set once inflated; deflated masks are a hundredth of it."""
_DEFLATED = b"1.2.840.10008.1.2.1.99"


def read_dataset(path: Path) -> "Dataset":
    """Read the DICOM file at `path` whole, within the bounds of `ultrasound.bounded_dicom`.

    Text in a character set that is not known is read as far as it goes; it never stops the reading.

    Raises:
        InputError: missing, not DICOM, damaged, hostile, or larger than LARGEST_FILE (LARGEST_INFLATED once inflated).
    """
    from pydicom.errors import InvalidDicomError

    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than 4 GiB; export fewer frames.")
        with quiet(), opened_bounded(path) as file:
            dataset = _parsed(path, file)
            # Elements are decoded on first use; a damaged one must show here, not later.
            dataset.walk(lambda _, element: None)
        return dataset
    except InputError:
        raise
    except InvalidDicomError as error:
        raise InputError(f"{path} is not a DICOM file; choose a file of modality SEG or SR.") from error
    except RecursionError:
        raise too_deep(str(path)) from None
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror or 'damaged'}); check the file.") from error
    except Exception as error:  # pydicom raises many types on damaged files (KeyError, struct.error, ValueError, ...)
        raise InputError(f"{path} is damaged and could not be read as DICOM; export it again.") from error


def _parsed(path: Path, file: BoundedFile) -> "Dataset":
    # Deflation is looked for by its UID, which can only stand in the file meta information: no second parse.
    deflated = _DEFLATED in file.read(2048)
    file.seek(0)
    if not deflated:
        return parse_bounded(file, str(path))
    from pydicom.uid import UID

    dataset = parse_bounded(inflated(file, str(path), LARGEST_INFLATED), str(path))
    dataset.buffer = None  # the inflated copy need not stay
    dataset.file_meta.TransferSyntaxUID = UID(_DEFLATED.decode())
    return dataset
