"""The index: one SQLite file whose rows are only ever added, each row an entry of the audit trail."""

import base64
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import InputError, OutputError
from .audit import FIRST_HASH, RECORD_EVENTS, TrailEntry, entry_hash
from .index_errors import told
from .keys import StoreKey
from .record import RecordKind
from .sqlite import sqlite3

INDEX = "index.sqlite"
PAGE_SIZE = 32768
"""Larger than the default: rows of a few kilobytes leave less of a page unused."""
STATEMENTS = (
    "CREATE TABLE trail (id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, event INTEGER NOT NULL, case_id INTEGER, "
    "version INTEGER, parent INTEGER, text BLOB NOT NULL, hash BLOB NOT NULL)",
    "CREATE TABLE cases (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, latest INTEGER NOT NULL, "
    "event INTEGER NOT NULL)",
    "CREATE UNIQUE INDEX trail_by_case ON trail (case_id, version) WHERE case_id IS NOT NULL",
    "CREATE INDEX cases_by_event ON cases (event)",
    "CREATE TRIGGER trail_kept BEFORE DELETE ON trail BEGIN SELECT RAISE(ABORT, 'append only'); END",
    "CREATE TRIGGER trail_unchanged BEFORE UPDATE ON trail BEGIN SELECT RAISE(ABORT, 'append only'); END",
)
_APPLICATION_ID = 0x4255534C
_SETTINGS = (
    "synchronous=FULL",
    "fullfsync=ON",
    "checkpoint_fullfsync=ON",
    "wal_autocheckpoint=256",
    "cell_size_check=ON",
)
_ROW = (
    "SELECT t.id, t.time_ms, t.event, c.name, t.version, t.parent, t.text, t.hash "
    "FROM trail t LEFT JOIN cases c ON c.id = t.case_id "
)
_SUMMARY = "SELECT t.id, t.time_ms, t.event, c.name, t.version, t.parent, x'', x'' FROM cases c JOIN trail t "
_PREFIX = "case-"


@dataclasses.dataclass(frozen=True)
class NewEntry:
    """What an entry is to say; the rest follows from its place in the trail."""

    time_ms: int
    event: int
    text: bytes
    version: int | None = None
    parent: int | None = None


class LabelIndex:
    """Connection to a store's index. Use from one thread at a time."""

    def __init__(self, folder: Path, *, read_only: bool = False, alone: bool = False, wait_s: float = 30.0) -> None:
        """Open the index of a store.

        `alone` keeps every other process out while it is open, as folders on a network need.

        Raises:
            InputError: the index is missing or damaged.
            OutputError: another process holds it, or it cannot be opened.
        """
        self._path = folder / INDEX
        self._identity = _identity(self._path)
        self.read_only = read_only
        if self._identity is None:
            raise InputError(f"{self._path} is missing; bring it back from a backup of the store.")
        with told(self._path):
            self._connection = self._connect(alone, wait_s)

    @classmethod
    def create(cls, folder: Path) -> None:
        """Make an empty index.

        Raises:
            OutputError: there is one already, or the folder cannot be written.
        """
        path = folder / INDEX
        words = "choose an empty folder that can be written, or free space."
        try:
            path.open("xb").close()
        except OSError as error:
            raise OutputError(f"{path} could not be made ({error.strerror}); {words}") from error
        try:
            connection = sqlite3.connect(path, isolation_level=None)
            try:
                connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
                connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("BEGIN IMMEDIATE")
                for statement in STATEMENTS:
                    connection.execute(statement)
                connection.execute("COMMIT")
            finally:
                connection.close()
        except sqlite3.Error as error:
            for left in folder.glob(f"{INDEX}*"):
                left.unlink(missing_ok=True)
            raise OutputError(f"{path} could not be made ({error}); {words}") from error

    def close(self) -> None:
        """Close; what was written is in the one file then, unless others have it open."""
        self._connection.close()

    def append(
        self,
        case: str | None,
        make: Callable[[int, TrailEntry | None], NewEntry | None],
        key: StoreKey,
    ) -> TrailEntry | None:
        """Add one entry in one transaction; return once it is on the disk.

        `make` gets the id of the new entry and the latest record of `case`, inside the transaction, and gives the
        entry, or None to add nothing.

        Raises:
            OutputError: not stored: the disk is full, the folder read-only or gone, or another process kept it busy.
            InputError: the index is damaged.
        """
        with told(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                head = self.head()
                new = make(head[0] + 1, self.latest(case) if case is not None else None)
                if new is None:
                    self._connection.execute("ROLLBACK")
                    return None
                entry = self._added(head, case, new, key)
                self._still_there()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return entry

    def head(self) -> tuple[int, bytes]:
        """Id and hash of the last entry; 0 and FIRST_HASH before the first."""
        with told(self._path):
            row = self._connection.execute("SELECT id, hash FROM trail ORDER BY id DESC LIMIT 1").fetchone()
        return (row[0], row[1]) if row else (0, FIRST_HASH)

    def entry(self, entry_id: int) -> TrailEntry | None:
        """One entry, or None."""
        return self._one("WHERE t.id = ?", (entry_id,))

    def version(self, case: str, version: int) -> TrailEntry | None:
        """One version of a case, or None."""
        return self._one("WHERE c.name = ? AND t.case_id = c.id AND t.version = ?", (_packed(case), version))

    def latest(self, case: str) -> TrailEntry | None:
        """The last version of a case, or None."""
        return self._one("WHERE c.name = ? AND t.id = c.latest", (_packed(case),))

    def history(self, case: str) -> list[TrailEntry]:
        """All versions of a case without text and hash, the first first."""
        return self._summaries("ON t.case_id = c.id WHERE c.name = ? ORDER BY t.version", (_packed(case),))

    def latest_of_all(self, kinds: Sequence[RecordKind] | None = None) -> list[TrailEntry]:
        """The last version of each case without text and hash, in the order in which the cases came.

        `kinds`: of these alone.
        """
        events = [int(RECORD_EVENTS[kind]) for kind in (RECORD_EVENTS if kinds is None else kinds)]
        marks = ", ".join("?" * len(events))
        return self._summaries(f"ON t.id = c.latest WHERE c.event IN ({marks}) ORDER BY c.id", events)

    def since(self, entry_id: int) -> list[TrailEntry]:
        """Records behind an entry of the trail, without text and hash, the first first."""
        return self._summaries("ON t.case_id = c.id WHERE t.id > ? ORDER BY t.id", (entry_id,))

    def records(self, after: int, case: str | None = None, most: int = 500) -> list[TrailEntry]:
        """The first `most` records behind an entry of the trail, of one case where it is named, with text and hash."""
        named, values = ("", []) if case is None else ("AND c.name = ? ", [_packed(case)])
        where = f"WHERE t.id > ? AND t.case_id IS NOT NULL {named}ORDER BY t.id LIMIT ?"
        with told(self._path):
            rows = self._connection.execute(_ROW + where, (after, *values, most)).fetchall()
        return [entry_of(row) for row in rows]

    def next_case(self, after: str | None, kinds: Sequence[RecordKind]) -> str | None:
        """The first case behind `after` (None: of all), in the order in which they came, whose last record is of
        one of `kinds`.
        """
        with told(self._path):
            start = 0
            if after is not None:
                row = self._connection.execute("SELECT id FROM cases WHERE name = ?", (_packed(after),)).fetchone()
                start = row[0] if row else 0
            found = []
            for kind in set(kinds):
                row = self._connection.execute(
                    "SELECT id, name FROM cases WHERE event = ? AND id > ? ORDER BY id LIMIT 1",
                    (int(RECORD_EVENTS[kind]), start),
                ).fetchone()
                found += [row] if row else []
        return unpacked(min(found)[1]) if found else None

    def counts(self) -> dict[RecordKind, int]:
        """Number of cases by the kind of their last record."""
        with told(self._path):
            rows = dict(self._connection.execute("SELECT event, count(*) FROM cases GROUP BY event").fetchall())
        return {kind: rows.get(int(event), 0) for kind, event in RECORD_EVENTS.items()}

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """The connection, in one read transaction; for verification and sealing."""
        with told(self._path):
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _connect(self, alone: bool, wait_s: float) -> sqlite3.Connection:
        uri = _uri(self._path)
        if not self.read_only:
            return _opened(f"{uri}?mode=rw", wait_s, alone)
        try:
            return _opened(f"{uri}?mode=ro", wait_s, alone)
        except sqlite3.OperationalError:
            log = self._path.with_name(INDEX + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            # A folder that cannot be written has no room for SQLite's shared memory, and needs none.
            return _opened(f"{uri}?mode=ro&immutable=1", wait_s, alone)

    def _added(self, head: tuple[int, bytes], case: str | None, new: NewEntry, key: StoreKey) -> TrailEntry:
        last, previous = head
        case_id = None
        if case is not None:
            row = self._connection.execute("SELECT id FROM cases WHERE name = ?", (_packed(case),)).fetchone()
            if row:
                case_id = row[0]
                self._connection.execute(
                    "UPDATE cases SET latest = ?, event = ? WHERE id = ?", (last + 1, new.event, case_id)
                )
            else:
                case_id = self._connection.execute(
                    "INSERT INTO cases (name, latest, event) VALUES (?, ?, ?)", (_packed(case), last + 1, new.event)
                ).lastrowid
        entry = TrailEntry(last + 1, new.time_ms, new.event, case, new.version, new.parent, new.text, b"")
        entry = dataclasses.replace(entry, hash=entry_hash(key, previous, entry))
        self._connection.execute(
            "INSERT INTO trail VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (entry.id, entry.time_ms, entry.event, case_id, entry.version, entry.parent, entry.text, entry.hash),
        )
        return entry

    def _one(self, where: str, values: Sequence[object]) -> TrailEntry | None:
        with told(self._path):
            row = self._connection.execute(_ROW + where, values).fetchone()
        return entry_of(row) if row else None

    def _summaries(self, where: str, values: Sequence[object]) -> list[TrailEntry]:
        with told(self._path):
            rows = self._connection.execute(_SUMMARY + where, values).fetchall()
        return [entry_of(row) for row in rows]

    @property
    def in_place(self) -> bool:
        """Whether the file that lies there is still the one that was opened."""
        return _identity(self._path) == self._identity

    def _still_there(self) -> None:
        """A folder taken away (a network drive, a renamed folder) leaves SQLite writing where nobody will look."""
        if not self.in_place:
            raise OutputError(f"The label store {self._path.parent} is gone; put the folder back, then try again.")


def entry_of(row: Sequence[Any]) -> TrailEntry:
    """Entry from a row: id, time, event, name of the case, version, parent, text, hash."""
    entry_id, time_ms, event, name, version, parent, text, hashed = row
    return TrailEntry(entry_id, time_ms, event, None if name is None else unpacked(name), version, parent, text, hashed)


def unpacked(name: bytes) -> str:
    """Name of a case from its 10 bytes in the index."""
    return _PREFIX + base64.b32encode(name).decode().lower()


def _packed(case: str) -> bytes:
    return base64.b32decode(case.removeprefix(_PREFIX).upper())


def _uri(path: Path) -> str:
    """URI as SQLite reads it; `Path.as_uri` puts the server of a Windows share where SQLite wants none."""
    place = path.resolve().as_posix()
    return "file://" + quote(place if place.startswith("/") else f"/{place}", safe="/:")


def _opened(uri: str, wait_s: float, alone: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=wait_s, check_same_thread=False)
    try:
        if alone:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
