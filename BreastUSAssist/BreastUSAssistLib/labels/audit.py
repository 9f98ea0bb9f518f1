"""The audit trail: every entry carries a hash over itself and the hash before it, so that none changes unseen.

In an encrypted store the hashes are keyed (HMAC): without the key nobody can remake the chain. Entries cut off at the
end leave no trace in the chain itself; whoever noted its head (`labels verify` prints it) can tell.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import get_args

from .keys import StoreKey
from .record import RecordKind

FIRST_HASH = bytes(32)
"""What stands before the first entry."""


class Event(IntEnum):
    """What an entry of the trail tells of. Numbers are stored: never renumber. Below 16: a record."""

    ACCEPTED = 1
    REJECTED = 2
    AUTOSAVED = 3
    IMPORTED = 4
    CREATED = 16
    """The store; its text is store.json."""
    NOTED = 17
    """Something done with the store, such as an export; its text says what, as JSON."""


RECORD_EVENTS: dict[RecordKind, Event] = {kind: Event[kind.upper()] for kind in get_args(RecordKind)}


@dataclass(frozen=True)
class TrailEntry:
    """One row of the index: a record, or an event."""

    id: int
    """1, 2, 3, ... without a gap."""
    time_ms: int
    """Since 1970 in UTC, by the clock of the machine that wrote it."""
    event: int
    case: str | None
    version: int | None
    parent: int | None
    text: bytes
    """Sealed, see StoreKey.seal; bound to the id."""
    hash: bytes


def entry_hash(key: StoreKey, previous: bytes, entry: TrailEntry) -> bytes:
    """Hash of an entry from its content and the hash before it; `entry.hash` is not looked at."""
    case = b"" if entry.case is None else entry.case.encode()
    numbers = struct.pack("<qqqqq", entry.id, entry.time_ms, entry.event, entry.version or 0, entry.parent or 0)
    return key.chained(previous, numbers + case + hashlib.sha256(entry.text).digest())


def text_bound(entry_id: int) -> bytes:
    """What the text of an entry is sealed with, so that it fits no other."""
    return b"BreastUSAssist trail" + struct.pack("<q", entry_id)
