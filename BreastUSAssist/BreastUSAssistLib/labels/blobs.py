"""Blobs: contents under their own hash, written once, checked whenever they are read."""

import re
import struct
import uuid
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import InputError, OutputError
from .durable import sync_folders, write_durably
from .keys import StoreKey

_MAGIC = b"BULB"
_HEAD = struct.Struct("<4sBB")
"""Magic, version of the form, stride of the differences (0: none)."""
_LEVEL = 3
_PART = 2**19
"""Bytes of pixels that are compressed by one core."""
_ABANDONED_S = 3600.0


@dataclass(frozen=True)
class Content:
    """What a blob holds."""

    data: bytes
    stride: int = 0
    """Where not 0, each byte is stored as its difference from the one so many before it: pixels compress better."""


class DamagedBlobError(InputError):
    """A blob that is missing, or whose bytes are not those that were written."""


class BlobFolder:
    """`blobs/ab/<address>`: compressed, encrypted with the address as associated data (in a store with a key)."""

    def __init__(self, folder: Path, key: StoreKey) -> None:
        self._blobs = folder / "blobs"
        self._place = str(self._blobs)
        self._temporary = folder / "temporary"
        self._key = key
        self._good: set[str] = set()

    def create(self) -> None:
        """Make the folders, so that hardly a later put needs to. A copy of a store may lack those that were empty."""
        for first in range(256):
            (self._blobs / f"{first:02x}").mkdir(parents=True, exist_ok=True)
        self.make_missing()
        sync_folders((self._blobs, self._blobs.parent))

    def make_missing(self) -> None:
        """Make the folder of temporary files and that of blobs where they are missing; those in it come with a put.

        Raises:
            OSError: as from the system.
        """
        for folder in (self._temporary, self._blobs):
            folder.mkdir(exist_ok=True)

    def address(self, content: Content) -> str:
        """Address that a content has, stored or not."""
        return self._key.address(content.data)

    def put(self, contents: Mapping[str, Content]) -> None:
        """Write contents, given by their addresses, that are not there yet; on return all are on the disk.

        A blob that is there but damaged is written anew.

        Raises:
            OutputError: the disk is full or the folder cannot be written; no blob is left half-written.
        """
        waiting: dict[str, Path] = {}
        try:
            for address in contents:
                if not self._has(address):
                    waiting[address] = self._temporary / f"{uuid.uuid4().hex}.part"
            # The largest first: the others are written meanwhile.
            order = sorted(waiting, key=lambda address: -len(contents[address].data))
            write_durably({waiting[one]: partial(self._encoded, one, contents[one]) for one in order})
            for address, beside in waiting.items():
                self._make_folder(address)
                beside.replace(self.path(address))
            # Of those found there too: whoever wrote them may have been killed before this step.
            sync_folders(sorted({self.path(address).parent for address in contents.keys() - self._good}))
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(
                f"The label was not stored in {self._blobs.parent} ({reason}); free space or make the folder writable, "
                "then try again."
            ) from error
        finally:
            for beside in waiting.values():
                _remove(beside)
        self._good.update(contents)

    def get(self, address: str) -> bytes:
        """Content of a blob.

        Raises:
            DamagedBlobError: it is missing or damaged.
        """
        try:
            # Not by pathlib, which takes longer than reading a small file.
            with open(f"{self._place}/{address[:2]}/{address}", "rb", buffering=0) as file:
                stored = file.read()
        except FileNotFoundError as error:
            raise DamagedBlobError(f"Blob {address} is missing; bring it back from a backup of the store.") from error
        except OSError as error:
            raise DamagedBlobError(
                f"Blob {address} could not be read ({error.strerror}); check the disk or bring it back from a backup."
            ) from error
        try:
            content = self._decoded(address, stored)
        except (InputError, ValueError, struct.error, zlib.error) as error:
            raise DamagedBlobError(f"Blob {address} is damaged; bring it back from a backup of the store.") from error
        return content

    def path(self, address: str) -> Path:
        """Where the blob of an address is."""
        return self._blobs / address[:2] / address

    def addresses(self) -> Iterator[str]:
        """Addresses of all blobs that are there, in no order."""
        for path in self._blobs.glob("*/*"):
            if re.fullmatch(r"[0-9a-f]{64}", path.name) and path.parent.name == path.name[:2]:
                yield path.name

    def sweep(self) -> int:
        """Remove temporary files that a killed writer left; their number. Those of the last hour may be in use."""
        files = list(self._temporary.glob("*.part"))
        if not files:
            return 0
        # The file system's own clock: this computer's may be another, or may have been set back.
        probe = self._temporary / f"{uuid.uuid4().hex}.clock"
        try:
            probe.touch()
            now = probe.stat().st_mtime
            abandoned = [file for file in files if _age_s(file, now) > _ABANDONED_S]
        except OSError:
            return 0
        finally:
            _remove(probe)
        return sum(_remove(file) for file in abandoned)

    def _has(self, address: str) -> bool:
        if address in self._good and self.path(address).exists():
            return True
        self._good.discard(address)
        try:
            self.get(address)
        except DamagedBlobError:
            return False
        return True

    def _make_folder(self, address: str) -> None:
        folder = self.path(address).parent
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            sync_folders((self._blobs,))

    def _encoded(self, address: str, content: Content) -> bytes:
        head = _HEAD.pack(_MAGIC, 1, content.stride)
        packed = _packed_pixels(content) if content.stride else zlib.compress(content.data, _LEVEL)
        return head + self._key.seal(packed, head + bytes.fromhex(address))

    def _decoded(self, address: str, stored: bytes) -> bytes:
        magic, version, stride = _HEAD.unpack_from(stored)
        if magic != _MAGIC or version != 1:
            raise ValueError("other content")
        head, sealed = stored[: _HEAD.size], stored[_HEAD.size :]
        content = _summed(zlib.decompress(self._key.open(sealed, head + bytes.fromhex(address))), stride)
        if self._key.address(content) != address:
            raise ValueError("other content")
        return content


def _packed_pixels(content: Content) -> bytes:
    """A zlib stream (RFC 1950) of the differences, its parts made at the same time.

    Differences of pixels repeat no byte strings, so that none are looked for: half the time of zlib's level 1, and
    smaller for most ultrasound images.
    """
    given = np.frombuffer(content.data, np.uint8)
    values = given.copy()
    values[content.stride :] -= given[: -content.stride]
    differences = values.data
    starts = range(0, max(1, len(differences)), _PART)

    def packed(start: int) -> bytes:
        packing = zlib.compressobj(wbits=-zlib.MAX_WBITS, strategy=zlib.Z_HUFFMAN_ONLY)
        head = packing.compress(differences[start : start + _PART])
        # All parts but the last end on a whole byte, so that they follow each other.
        return head + packing.flush(zlib.Z_FINISH if start == starts[-1] else zlib.Z_SYNC_FLUSH)

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(packed, start) for start in starts[1:]]
        parts = [packed(0), *(other.result() for other in others)]
    return b"".join((b"\x78\x01", *parts, zlib.adler32(differences).to_bytes(4, "big")))


def _summed(data: bytes, stride: int) -> bytes:
    if not stride:
        return data
    padded = np.zeros(-(-len(data) // stride) * stride, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    return np.cumsum(padded.reshape(-1, stride), axis=0, dtype=np.uint8).tobytes()[: len(data)]


def _age_s(file: Path, now: float) -> float:
    try:
        return now - file.stat().st_mtime
    except OSError:
        return 0.0


def _remove(file: Path) -> bool:
    try:
        file.unlink()
    except OSError:
        return False
    return True
