"""The blobs of records: masks, analyses and pixels, and what is kept beside them."""

import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import write_bytes
from .blobs import BlobFolder
from .keys import StoreKey
from .masks import MaskStack
from .pixel_content import frame_from_bytes
from .record import LabelRecord
from .stored_record import frame_addresses

if TYPE_CHECKING:
    import numpy as np

BESIDE = "beside"
"""Folder of what is kept beside the labels."""


class RecordContents:
    """Reads what records refer to."""

    def __init__(self, folder: Path, key: StoreKey) -> None:
        self.folder = folder
        self._key = key
        self._blobs = BlobFolder(folder, key)

    def result(self, record: LabelRecord) -> MaskStack | None:
        """Masks as the reader left them. Raises InputError: damaged."""
        return None if record.result is None else MaskStack.from_bytes(self._blobs.get(record.result))

    def drafts(self, record: LabelRecord) -> tuple[MaskStack | None, ...]:
        """The AI's masks, one stack a run. Raises InputError: damaged."""
        return tuple(
            None if run.masks is None else MaskStack.from_bytes(self._blobs.get(run.masks)) for run in record.runs
        )

    def analyses(self, record: LabelRecord) -> tuple[dict[str, Any], ...]:
        """The AI's analyses as JSON values, in the version of the format in which they were made.

        Raises:
            InputError: damaged.
        """
        return tuple(json.loads(content) for content in self.stored([run.analysis for run in record.runs]))

    def frame_numbers(self, record: LabelRecord) -> tuple[int, ...]:
        """1-based numbers of the frames whose pixels are stored. Raises InputError: damaged."""
        return tuple(self._frame_addresses(record))

    def frame(self, record: LabelRecord, number: int) -> "np.ndarray":
        """Pixels of a stored frame, uint8, (rows, columns[, 3]), read-only.

        Raises:
            InputError: it is not stored, or damaged.
        """
        address = self._frame_addresses(record).get(number)
        if address is None:
            raise InputError(f"Frame {number} of {record.name} is not stored; open the image itself.")
        return frame_from_bytes(self._blobs.get(address))

    def stored(self, addresses: Sequence[str]) -> Iterator[bytes]:
        """Contents of blobs as they are stored. Raises InputError: damaged."""
        return map(self._blobs.get, addresses)

    def kept_beside(self, name: str) -> bytes | None:
        """What LabelStore.keep_beside kept; None where there is none, or it is damaged."""
        try:
            return zlib.decompress(self._key.open(self._beside(name).read_bytes(), name.encode()))
        except (OSError, InputError, zlib.error):
            return None

    def has_beside(self, name: str) -> bool:
        """Whether something is kept under `name`, readable or not."""
        return self._beside(name).exists()

    def _write_beside(self, name: str, content: bytes) -> None:
        write_bytes(self._beside(name), self._key.seal(zlib.compress(content, 1), name.encode()))

    def _frame_addresses(self, record: LabelRecord) -> dict[int, str]:
        return {} if record.frames is None else frame_addresses(self._blobs.get(record.frames))

    def _beside(self, name: str) -> Path:
        return self.folder / BESIDE / self._key.pseudonym("file", name)
