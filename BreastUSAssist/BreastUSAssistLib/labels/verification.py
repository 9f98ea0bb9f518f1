"""Verification of a label store: every damaged record by its name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ..errors import BreastUSAssistError, InputError, UsageError
from .audit import FIRST_HASH, Event, TrailEntry, entry_hash
from .blobs import BlobFolder, DamagedBlobError
from .index import STATEMENTS, LabelIndex, entry_of, unpacked
from .keys import StoreKey
from .record import LabelRecord, record_name
from .record_text import record_from_text
from .seal import seal_damage
from .sqlite import sqlite3
from .store_header import HEADER, DamagedHeaderError, key_of, read_header
from .stored_record import entry_text, frame_addresses
from .write_ahead_log import log_damage

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was written."""

    record: str | None
    """Name of the record that it belongs to; None where it belongs to no record, or to all."""
    words: str
    """What is damaged."""


@dataclass(frozen=True)
class Uses:
    """A record and the blobs that it needs: all that is kept of it, so that a large store fits into memory."""

    name: str
    blobs: tuple[str, ...]
    frames: str | None
    """The blob that lists those of the frames."""

    @classmethod
    def of(cls, record: LabelRecord) -> Self:
        """What a record uses."""
        parts = [part for run in record.runs for part in (run.analysis, run.masks)]
        return cls(record.name, tuple(part for part in (*parts, record.result) if part is not None), record.frames)


@dataclass
class Verification:
    """What a verification found."""

    records: int = 0
    blobs: int = 0
    unused_blobs: int = 0
    """Blobs that no record uses: a writer was killed between the blob and its record. Harmless."""
    head: str = ""
    """Number and hash of the last entry of the audit trail."""
    damages: list[Damage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What could not be checked, and why."""
    _known: set[Damage] = field(default_factory=set, repr=False)

    @property
    def damaged_records(self) -> tuple[str, ...]:
        """Names of damaged records, each once."""
        return tuple(dict.fromkeys(one.record for one in self.damages if one.record is not None))

    def add(self, record: str | None, words: str) -> None:
        """Add a damage, once."""
        damage = Damage(record, words)
        if damage not in self._known:
            self._known.add(damage)
            self.damages.append(damage)


def verify_store(
    folder: Path, *, secret: str | None = None, progress: Progress | None = None, head: str | None = None
) -> Verification:
    """Verify a store that this process does not have open; changes nothing in it.

    `head` is number and hash of an entry, noted from an earlier verification, that must still be in the audit trail.

    Raises:
        InputError: the folder is no label store, or one of a newer version.
        UsageError: the key is missing, or is not that of this store.
    """
    folder = Path(folder)
    found = Verification()
    try:
        header = read_header(folder)
    except DamagedHeaderError as error:
        found.add(None, str(error))
        return found
    key = key_of(folder, header, secret)
    for words in log_damage(folder):
        found.add(None, words)
    blobs = BlobFolder(folder, key)
    try:
        index = LabelIndex(folder, read_only=True)
    except InputError as error:
        found.add(None, str(error))
        _check_unused(found, blobs, set())
        return found
    try:
        checked = verify_open_store(folder, index, blobs, key, progress)
        if head is not None:
            _check_head(checked, index, head)
    finally:
        index.close()
    checked.damages[:0] = found.damages
    return checked


def verify_open_store(
    folder: Path, index: LabelIndex, blobs: BlobFolder, key: StoreKey, progress: Progress | None = None
) -> Verification:
    """Verify a store by its open index."""
    found = Verification()
    try:
        header = read_header(folder).text().encode()
    except InputError as error:
        header = None
        found.add(None, str(error))
    records = _check_trail(found, index, key, header, progress or (lambda done, total: None))
    _check_blobs(found, records, blobs, progress or (lambda done, total: None))
    try:
        words, note = seal_damage(folder, index)
    except BreastUSAssistError:
        words, note = [], ""
    for one in words:
        found.add(None, one)
    if note:
        found.notes.append(note)
    return found


def _check_head(found: Verification, index: LabelIndex, head: str) -> None:
    number, _, hashed = head.partition(":")
    if not number.isdecimal():
        raise UsageError("--head takes NUMBER:HASH as `labels verify` prints it; give it unchanged.")
    try:
        entry = index.entry(int(number))
    except InputError:
        entry = None
    if entry is None or entry.hash.hex() != hashed.strip().lower():
        found.add(None, f"entry {int(number)} of the audit trail is not the one that was noted: entries were cut off")


def _check_trail(
    found: Verification, index: LabelIndex, key: StoreKey, header: bytes | None, progress: Progress
) -> list[Uses]:
    """Check the index and the chain; the records that can be read."""
    records: list[Uses] = []
    try:
        with index.snapshot() as connection:
            _check_structure(found, connection)
            last = _last_id(connection)
            names: dict[int, str] | None = None
            chain = _Chain(key)
            latest: dict[str, tuple[int, int]] = {}
            for entry_id, entry in _entries(connection, last):
                if entry is None:
                    names = _names(connection) if names is None else names
                    record = names.get(entry_id)
                    found.add(record, f"entry {entry_id} of the audit trail is missing or cannot be read")
                    chain.broken()
                    continue
                _check_entry(found, entry, chain, records, key, header)
                if entry.case is not None:
                    latest[entry.case] = (entry.id, entry.event)
                progress(entry_id, last)
            found.head = f"{last}:{chain.previous.hex()}"
            _check_cases(found, connection, latest)
    except (BreastUSAssistError, sqlite3.Error) as error:
        found.add(None, f"index.sqlite cannot be read to its end ({error})")
    found.records = len(records)
    return records


class _Chain:
    """Follows the chain; tells a changed entry from a changed hash, so that only that one entry is named."""

    def __init__(self, key: StoreKey) -> None:
        self._key = key
        self.previous = FIRST_HASH
        self._other: bytes | None = FIRST_HASH

    def holds(self, entry: TrailEntry) -> bool:
        """Whether the entry is as it was written, and follow it."""
        if self._other is None:
            # The entry before cannot be read: the chain starts anew behind it.
            self.previous = self._other = entry.hash
            return True
        expected = entry_hash(self._key, self.previous, entry)
        if expected != entry.hash and self._other != self.previous:
            expected = entry_hash(self._key, self._other, entry)
        self.previous, self._other = entry.hash, expected
        return expected == entry.hash

    def broken(self) -> None:
        """An entry cannot be read."""
        self._other = None


def _check_entry(
    found: Verification,
    entry: TrailEntry,
    chain: _Chain,
    records: list[Uses],
    key: StoreKey,
    header: bytes | None,
) -> None:
    name = None
    is_record = entry.event < Event.CREATED
    try:
        if is_record:
            shown = record_name(entry.case or "?", entry.version or 0)
            record = record_from_text(entry_text(entry, key, shown), shown)
            # Named after its text, which is bound to its place: the columns may be what is damaged.
            name = record.name
            records.append(Uses.of(record))
        else:
            text = entry_text(entry, key, f"Entry {entry.id}")
            if entry.event == Event.CREATED and header is not None and text != header:
                found.add(None, f"{HEADER} is not the one that the store was made with")
    except InputError:
        name = record_name(entry.case, entry.version or 0) if entry.case is not None else None
        found.add(name, f"the text of entry {entry.id} of the audit trail is damaged")
    if not chain.holds(entry):
        found.add(name, f"entry {entry.id} of the audit trail is not as it was written")


def _check_structure(found: Verification, connection: sqlite3.Connection) -> None:
    try:
        problems = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
        made = {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    except sqlite3.Error as error:
        problems, made = [str(error)], set(STATEMENTS)
    for problem in problems:
        if problem != "ok":
            found.add(None, f"index.sqlite is damaged ({problem})")
    if made != set(STATEMENTS):
        found.add(None, "index.sqlite is damaged (its tables are not those that were made)")


def _check_cases(found: Verification, connection: sqlite3.Connection, latest: dict[str, tuple[int, int]]) -> None:
    """The table of cases says only what follows from the trail."""
    said: dict[str, tuple[int, int]] = {}
    for name, entry_id, event in connection.execute("SELECT name, latest, event FROM cases"):
        if isinstance(name, bytes) and len(name) == 10:
            said[unpacked(name)] = (entry_id, event)
        else:
            found.add(None, "index.sqlite is damaged (a name in the table of cases)")
    for case in said.keys() | latest.keys():
        if said.get(case) != latest.get(case):
            found.add(None, f"index.sqlite is damaged (what it says of {case} is not what the audit trail says)")


def _last_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT max(id) FROM trail").fetchone()[0] or 0)


def _entries(connection: sqlite3.Connection, last: int) -> Iterator[tuple[int, TrailEntry | None]]:
    """All entries in order; None where one cannot be read."""
    step = 256
    query = (
        "SELECT t.id, t.time_ms, t.event, c.name, t.version, t.parent, t.text, t.hash, t.case_id "
        "FROM trail t LEFT JOIN cases c ON c.id = t.case_id WHERE t.id BETWEEN ? AND ? ORDER BY t.id"
    )
    for start in range(1, last + 1, step):
        wanted = range(start, min(start + step, last + 1))
        try:
            rows = connection.execute(query, (wanted[0], wanted[-1])).fetchall()
        except sqlite3.Error:
            rows = []
            for one in wanted:
                try:
                    rows += connection.execute(query, (one, one)).fetchall()
                except sqlite3.Error:
                    continue
        by_id = {row[0]: row for row in rows if _sound(row)}
        for one in wanted:
            yield one, entry_of(by_id[one][:8]) if one in by_id else None


def _sound(row: tuple[object, ...]) -> bool:
    """Whether a row holds values of the kinds that were written."""
    _, time_ms, event, name, version, parent, text, hashed, case_id = row
    whole = all(one is None or isinstance(one, int) for one in (version, parent, case_id))
    named = (isinstance(name, bytes) and len(name) == 10) if case_id is not None else name is None
    return (
        isinstance(time_ms, int)
        and isinstance(event, int)
        and isinstance(text, bytes)
        and isinstance(hashed, bytes)
        and whole
        and named
    )


def _names(connection: sqlite3.Connection) -> dict[int, str]:
    """Names of records by the id of their entry, from the index by case: it can be whole where the table is not."""
    try:
        cases = dict(connection.execute("SELECT id, name FROM cases"))
        rows = connection.execute(
            "SELECT id, case_id, version FROM trail INDEXED BY trail_by_case WHERE case_id IS NOT NULL"
        ).fetchall()
    except sqlite3.Error:
        return {}
    return {
        entry_id: record_name(unpacked(cases[case_id]), version)
        for entry_id, case_id, version in rows
        if isinstance(cases.get(case_id), bytes)
    }


def _check_blobs(found: Verification, records: list[Uses], blobs: BlobFolder, progress: Progress) -> None:
    checked: dict[str, str | None] = {}
    frames: dict[str, list[str]] = {}

    def damage_of(address: str) -> str | None:
        if address not in checked:
            try:
                blobs.get(address)
                checked[address] = None
            except DamagedBlobError as error:
                checked[address] = str(error)
        return checked[address]

    def frames_in(listed: str) -> list[str]:
        if listed not in frames:
            whole = damage_of(listed) is None
            frames[listed] = list(frame_addresses(blobs.get(listed)).values()) if whole else []
        return frames[listed]

    for done, record in enumerate(records, 1):
        listed = [] if record.frames is None else [record.frames, *frames_in(record.frames)]
        for address in (*record.blobs, *listed):
            words = damage_of(address)
            if words is not None:
                found.add(record.name, words)
        progress(done, len(records))
    found.blobs = len(checked)
    _check_unused(found, blobs, set(checked))


def _check_unused(found: Verification, blobs: BlobFolder, used: set[str]) -> None:
    for address in blobs.addresses():
        if address in used:
            continue
        found.unused_blobs += 1
        try:
            blobs.get(address)
        except DamagedBlobError as error:
            found.add(None, f"{error} No record that can be read uses it.")
