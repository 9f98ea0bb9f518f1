"""One DICOM image file: its header, and where in the file its pixels lie."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import InputError
from .bounded_dicom import BoundedFile, inflated, opened_bounded, parse_bounded
from .encapsulation import Fragment, guessed_syntax, locate_frames, truncated
from .limits import MAX_DEFLATED_BYTES, check_frame_count, check_frame_size
from .quiet import quiet

if TYPE_CHECKING:
    from pydicom import Dataset

_UNDEFINED = 0xFFFFFFFF
_LARGE_ELEMENT = 4 << 20
"""Private elements above this size (raw volumes of some vendors) are left in the file."""
_VIDEO = "1.2.840.10008.1.2.4.10"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_EXPLICIT_BIG = "1.2.840.10008.1.2.2"
_IMPLICIT_LITTLE = "1.2.840.10008.1.2"


class NoPictureError(InputError):
    """A sound DICOM object that is no picture: a report, a segmentation, a directory."""


@dataclass(frozen=True, eq=False)
class DicomSource:
    """A DICOM image whose header has been read and whose pixels have been found but not decoded."""

    path: Path
    label: str
    """The file as sentences name it: its path, or its place in an archive."""
    header: "Dataset"
    """All elements before the pixel data."""
    transfer_syntax: str
    """As the pixel data is really encoded, which the file may misstate."""
    pixel_vr: str
    pixel_offset: int
    """Of the value of the pixel data element, from the start of the (inflated) file."""
    frame_count: int
    fragments: tuple[tuple[Fragment, ...], ...] = ()
    """Of each frame, where the pixel data is encapsulated; else empty."""
    holds_full_chroma: bool = False
    """The uncompressed pixels are tagged YBR_FULL_422 but hold three samples a pixel."""

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, or its inflated copy in memory, open for reading."""
        with open(self.path, "rb") as file:
            yield inflated(file, self.label, MAX_DEFLATED_BYTES) if self.transfer_syntax == _DEFLATED else file


def read_dicom_source(path: Path, label: str | None = None) -> DicomSource:
    """Read the header of a DICOM image and find its pixels, decoding none.

    Raises:
        NoPictureError: the object is sound but is no picture (PS3.3: SR, SEG, presentation states, PDF, DICOMDIR).
        InputError: the file is damaged, encrypted, too large, or coded in a way that is not supported.
    """
    label = label or str(path)
    try:
        with quiet(), opened_bounded(path) as file:
            return _read(path, label, file)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{label} could not be read ({error.strerror or 'input error'}); check the file.") from None
    except Exception:  # pydicom raises many kinds, and their texts can quote the header
        raise InputError(f"{label} is a damaged DICOM file; export it again from its source.") from None


def _read(path: Path, label: str, file: BoundedFile) -> DicomSource:
    from pydicom.uid import UID

    # Deflation is looked for by its UID, which can only stand in the file meta information: no second parse.
    deflated = _DEFLATED.encode() in file.read(2048)
    stream = inflated(file, label, MAX_DEFLATED_BYTES) if deflated else file
    stream.seek(0)
    header = parse_bounded(stream, label, stop_before_pixels=True, force=True, defer_size=_LARGE_ELEMENT)
    if deflated:
        header.file_meta.TransferSyntaxUID = UID(_DEFLATED)
    declared = str(header.file_meta.get("TransferSyntaxUID") or "")
    _check_is_picture(header, label)
    vr, offset, length = _pixel_element(stream, header.original_encoding, label)
    rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    frames = int(header.get("NumberOfFrames") or 1)
    check_frame_size(label, rows, columns)
    check_frame_count(label, frames)
    syntax = _true_syntax(declared, header.original_encoding, length)
    fragments: tuple[tuple[Fragment, ...], ...] = ()
    full_chroma = False
    if length == _UNDEFINED:
        fragments = locate_frames(stream, offset, frames, label)
        syntax = syntax or guessed_syntax(stream, fragments[0][0])
    else:
        full_chroma = _holds_full_chroma(stream, header, (offset, length), frames, label)
    _check_supported(syntax, label)
    return DicomSource(path, label, header, syntax, vr, offset, frames, fragments, full_chroma)


def _check_is_picture(header: "Dataset", label: str) -> None:
    from pydicom.uid import UID

    uid = UID(str(header.get("SOPClassUID") or getattr(header, "file_meta", {}).get("MediaStorageSOPClassUID") or ""))
    known = uid.name if uid and uid.name != uid else ""
    modality = str(header.get("Modality") or "")
    if modality == "SEG" or "Segmentation Storage" in known or "Surface" in known:
        raise NoPictureError(f"{label} is a DICOM segmentation, not an ultrasound image; give the image itself.")
    if "Rows" in header and "Columns" in header:
        return
    if not len(header) or not (uid or modality or "Rows" in header):
        raise InputError(f"{label} is not a readable DICOM file (damaged or encrypted); export it again.")
    if "Image Storage" in known or modality == "US":
        raise InputError(f"{label} holds no image size, so it is damaged or incomplete; export it again.")
    what = known.removesuffix(" Storage") or "object without pixels"
    raise NoPictureError(f"{label} is DICOM but holds no image ({what}); give the ultrasound image itself.")


def _pixel_element(stream: BinaryIO, encoding: tuple[Any, Any], label: str) -> tuple[str, int, int]:
    """VR, offset of the value and length of the pixel data element that `stream` stands before."""
    order = ">" if encoding[1] is False else "<"
    head = stream.read(12)
    if len(head) < 8:
        raise InputError(f"{label} holds a header but no pixels (truncated or anonymised away); export it again.")
    group, element = struct.unpack(order + "HH", head[:4])
    if group != 0x7FE0 or element != 0x0010:
        raise InputError(f"{label} holds no integer pixel data, which ultrasound images have; export it again.")
    vr = head[4:6].decode("ascii", "replace")
    if vr in ("OB", "OW", "UN") and len(head) == 12:
        return vr, stream.tell(), struct.unpack(order + "L", head[8:])[0]
    stream.seek(8 - len(head), io.SEEK_CUR)
    return "OW", stream.tell(), struct.unpack(order + "L", head[4:8])[0]


def _true_syntax(declared: str, encoding: tuple[Any, Any], length: int) -> str:
    """Transfer syntax by what the file holds, where that contradicts the declared one; "" when still unknown."""
    from pydicom.uid import UID

    encapsulated = bool(declared) and not UID(declared).is_private and UID(declared).is_transfer_syntax
    encapsulated = encapsulated and UID(declared).is_encapsulated
    if length == _UNDEFINED:
        return declared if encapsulated else ""
    if declared == _DEFLATED:
        return declared
    if encoding[1] is False:
        return _EXPLICIT_BIG
    return _IMPLICIT_LITTLE if encoding[0] else _EXPLICIT_LITTLE


def _holds_full_chroma(stream: BinaryIO, header: "Dataset", place: tuple[int, int], frames: int, label: str) -> bool:
    """Check that uncompressed pixels are all there; whether chroma is stored in full though tagged as subsampled."""
    offset, length = place
    samples = int(header.get("SamplesPerPixel") or 1)
    values = int(header.Rows) * int(header.Columns) * frames * int(header.get("BitsAllocated") or 0) // 8
    subsampled = str(header.get("PhotometricInterpretation")) == "YBR_FULL_422"
    full = subsampled and length >= values * samples
    needed = values * (2 if subsampled and not full else samples)
    if length < needed or stream.seek(0, io.SEEK_END) < offset + needed:
        raise truncated(label)
    return full


def _check_supported(syntax: str, label: str) -> None:
    from pydicom.pixels import get_decoder

    if syntax.startswith(_VIDEO) and len(syntax) >= len(_VIDEO) + 1:
        raise InputError(
            f"{label} is coded as MPEG or HEVC video, which is not read; export it as JPEG or uncompressed."
        )
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise InputError(
            f"{label} is compressed in a way that is not read here (transfer syntax {syntax or 'unknown'}); "
            "export it uncompressed."
        )
