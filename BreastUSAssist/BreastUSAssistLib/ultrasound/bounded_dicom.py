"""DICOM parsed within bounds: a hostile file can neither fill the memory nor keep the parser busy for long.

pydicom parses whatever a file declares: sequences nested without end, millions of empty items, lengths far beyond the
end of the file. Here every read of its parser is counted, sequences of a defined length are parsed at once under the
same count instead of on first use, and nesting is limited.
"""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataelem import RawDataElement

MOST_READS = 2_000_000
"""Reads of the parser in one file: two to three for an element, so some 30,000 outlined frames of a Segmentation."""
DEEPEST = 64
"""Sequences within sequences; the deepest that any template of PS3.16 asks for is below 20."""
LARGEST_VALUE = 8 << 20
"""Bytes of one value that is no bulk data; millions of short texts in one would take minutes to part."""
_BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_LARGE_READ = 1 << 20
_PIECE = 1 << 24
_META_AT = 132
"""Offset of the first element of the file meta information, behind preamble and prefix (PS3.10 7.1)."""


class ParsingBudget:
    """Reads that are left."""

    def __init__(self, reads: int) -> None:
        self.left = reads

    def spend(self) -> None:
        """Count one read. Raises ValueError beyond the last."""
        self.left -= 1
        if self.left < 0:
            raise ValueError("too many reads")


class _Bounded:
    """Mixin of binary streams: counts reads while a budget is set, and allocates nothing beyond the end."""

    budget: ParsingBudget | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if self.budget is not None:
            self.budget.spend()
            if size is not None and size > _LARGE_READ:
                size = min(size, self._rest())
        return super().read(size)  # type: ignore[misc]

    def _rest(self) -> int:
        stream: Any = self
        at = stream.tell()
        end = stream.seek(0, io.SEEK_END)
        stream.seek(at)
        return max(int(end - at), 0)


class BoundedFile(_Bounded, io.BufferedReader):
    """A file open for reading, as open(path, "rb") gives it."""


class BoundedBytes(_Bounded, io.BytesIO):
    """Bytes in memory, read like a file."""


@contextmanager
def opened_bounded(path: Path) -> Iterator[BoundedFile]:
    """The file at `path`, open for `parse_bounded`. Raises OSError."""
    with BoundedFile(io.FileIO(path)) as file:
        yield file


def parse_bounded(stream: BoundedFile | BoundedBytes, label: str, **options: Any) -> "Dataset":
    """Parse a DICOM data set as pydicom's dcmread does with `options`, within MOST_READS and DEEPEST.

    A deflated data set must be inflated before (see `inflated`). All sequences are parsed when it returns, but for
    private ones that were deferred; a sequence that cannot be parsed stays raw, so that its fault shows on use.

    Raises:
        InputError: the bounds are passed.
        Exception: whatever pydicom raises on a damaged file.
    """
    from pydicom import dcmread

    budget = ParsingBudget(MOST_READS)
    stream.budget = budget
    try:
        dataset = dcmread(stream, **options)
        at = stream.tell()
        _parse_sequences(dataset, budget, stream, label)
        stream.seek(at)
        return dataset
    except RecursionError:
        raise too_deep(label) from None
    except Exception:
        if budget.left < 0:
            raise InputError(
                f"{label} holds more elements than any image or report of ultrasound; it was not read."
            ) from None
        raise
    finally:
        stream.budget = None


def too_deep(label: str) -> InputError:
    """The error for sequences within sequences without end."""
    return InputError(f"{label} is nested more deeply than any DICOM object; it was not read.")


def inflated(file: BinaryIO, label: str, largest: int) -> BoundedBytes:
    """Copy in memory of a deflated file (PS3.5 A.5) with its data set inflated, marked Explicit VR Little Endian.

    Raises:
        InputError: it is cut short, or would be larger than `largest` bytes; no more than that is ever held.
    """
    from pydicom.dataset import FileMetaDataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filereader import read_file_meta_info
    from pydicom.filewriter import write_file_meta_info
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset(read_file_meta_info(file.name))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta_bytes = DicomBytesIO()
    write_file_meta_info(meta_bytes, meta, enforce_standard=False)
    stream = BoundedBytes(b"\0" * 128 + b"DICM" + meta_bytes.getvalue())
    stream.seek(0, io.SEEK_END)
    file.seek(_META_AT)
    group_length = int.from_bytes(file.read(12)[8:], "little")
    file.seek(_META_AT + 12 + group_length)
    inflator, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflator.eof and (piece := inflator.unconsumed_tail or file.read(_PIECE)):
        content = inflator.decompress(piece, _PIECE)
        total += len(content)
        if total > largest:
            raise InputError(f"{label} inflates to more than {largest >> 30} GB, so it was not read.")
        stream.write(content)
    if not inflator.eof:
        raise InputError(f"{label} ends before its data do (truncated or damaged); copy or export it again.")
    stream.seek(0)
    return stream


def _parse_sequences(dataset: "Dataset", budget: ParsingBudget, stream: Any, label: str) -> None:
    """Parse every sequence below `dataset`, each once."""
    from pydicom import DataElement, Dataset
    from pydicom.dataelem import RawDataElement

    waiting: list[tuple[Dataset, int]] = [(dataset, 0)]
    while waiting:
        holder, depth = waiting.pop()
        if depth > DEEPEST:
            raise too_deep(label)
        for element in list(holder.values()):
            value: Any = None
            if isinstance(element, RawDataElement):
                kind = _representation(element, holder)
                if kind == "SQ":
                    value = _parsed(element, holder, budget, stream)
                    if value is not None:
                        holder[element.tag] = DataElement(element.tag, "SQ", value, element.value_tell)
                elif kind not in _BULK and len(element.value or b"") > LARGEST_VALUE:
                    raise InputError(f"{label} holds a value of {element.length >> 20} MB; it was not read.")
            elif element.VR == "SQ":
                value = element.value
            waiting += [(item, depth + 1) for item in value or ()]


def _representation(element: "RawDataElement", holder: "Dataset") -> str:
    """Value representation that pydicom will take a raw element for."""
    if element.VR not in (None, "UN"):
        return str(element.VR)
    from pydicom.hooks import raw_element_vr

    found: dict[str, Any] = {}
    raw_element_vr(element, found, ds=holder)
    return str(found["VR"])


def _parsed(element: "RawDataElement", holder: "Dataset", budget: ParsingBudget, stream: Any) -> Any:
    """Value of a raw sequence as pydicom converts it; None where it is damaged, or private and left in the file."""
    from pydicom.filereader import read_sequence

    content = element.value
    if content is None:
        if element.tag.is_private or not element.length:
            return None
        stream.seek(element.value_tell)
        content = stream.read(element.length)
    encoding = holder.original_character_set or "iso8859"
    nested = BoundedBytes(content)
    nested.budget = budget
    try:
        return read_sequence(
            nested, element.is_implicit_VR, element.is_little_endian, len(content), encoding, element.value_tell
        )
    except RecursionError:
        raise
    except Exception:
        if budget.left < 0:
            raise
        return None
