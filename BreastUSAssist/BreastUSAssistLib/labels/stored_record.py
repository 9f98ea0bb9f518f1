"""From an entry of the trail back to the record in it."""

import json
import re
import zlib

from ..errors import InputError
from .audit import TrailEntry, text_bound
from .keys import StoreKey
from .record import CASE_NAME, LabelRecord, record_name
from .record_text import record_from_text


def record_of(entry: TrailEntry, key: StoreKey) -> LabelRecord:
    """Record of an entry.

    Raises:
        InputError: the entry is damaged, or its columns are not those of the record.
    """
    name = record_name(entry.case or "?", entry.version or 0)
    record = record_from_text(entry_text(entry, key, name), name)
    if (record.case, record.version, record.parent) != (entry.case, entry.version, entry.parent):
        raise InputError(f"{name} is damaged: the index says otherwise; bring the store back from a backup.")
    return record


def entry_text(entry: TrailEntry, key: StoreKey, name: str) -> bytes:
    """Text of an entry. Raises InputError: damaged; says `name`."""
    try:
        return zlib.decompress(key.open(entry.text, text_bound(entry.id)))
    except (InputError, zlib.error) as error:
        raise InputError(f"{name} is damaged; bring it back from a backup of the store.") from error


def frame_addresses(content: bytes) -> dict[int, str]:
    """Addresses of stored frames by 1-based number, from the blob that lists them."""
    return {int(number): address for number, address in json.loads(content).items()}


def check_case_name(case: str) -> None:
    """Raises InputError: no name that a case could have."""
    if not re.fullmatch(CASE_NAME, case):
        raise InputError("That is no name of a case; `breastusassist labels list` names those that are there.")
