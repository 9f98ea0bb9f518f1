"""The work ledger: which study is how far, in one SQLite file that outlives the program.

It holds UIDs, file names and hashes, never a patient attribute. States move forward only; each move is one transaction
that is on the disk when the call returns.
"""

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import InputError, OutputError, UsageError
from ...labels.sqlite import sqlite3
from .ledger_schema import bring_up_to_date
from .work_item import ORDER, Arrival, NewItem, State, StoredObject, WorkItem

LEDGER = "ledger.sqlite"
_PUT_BACK_S = 60.0
"""Less than that is a clock being corrected."""
_SETTINGS = ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON", "foreign_keys=ON")
_ITEM = "SELECT id, name, study_uid, origin, source, destination, hold, state, attempts, next_try, note FROM item "


class Ledger:
    """Connection to a ledger, made where it is missing. May be used from several threads and several processes."""

    def __init__(self, path: Path, *, wait_s: float = 30.0) -> None:
        """Open the ledger at `path`.

        Raises:
            OutputError: it cannot be written, or another program holds it.
            InputError: it is damaged, another program's, or of a newer version.
        """
        self._path = Path(path)
        self._lock = threading.RLock()
        try:
            # Beside it lie images and results of patients.
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path.parent} could not be made ({error.strerror}); choose another folder.") from error
        with self._told():
            self._connection = sqlite3.connect(
                self._path, isolation_level=None, timeout=wait_s, check_same_thread=False
            )
            try:
                for setting in _SETTINGS:
                    self._connection.execute(f"PRAGMA {setting}")
                bring_up_to_date(self._connection, str(self._path))
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close; what was written stays."""
        with self._lock:
            self._connection.close()

    def add(self, new: NewItem, objects: Sequence[StoredObject] = (), *, now: float) -> bool:
        """Enter a study with its objects; False, and nothing changed, where an item of that name is there."""
        name = new.name or new.study_uid
        row = (name, new.study_uid, new.origin, new.source, new.destination, new.hold, new.state)
        with self._changing() as connection:
            added = connection.execute(
                "INSERT INTO item (name, study_uid, origin, source, destination, hold, state, next_try, added, changed)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                (*row, new.next_try, now, now),
            )
            if added.rowcount:
                self._put_objects(connection, added.lastrowid or 0, objects)
        return bool(added.rowcount)

    def claim(
        self, state: State, owner: str, *, now: float, lease_s: float, resting: Sequence[str] = ()
    ) -> WorkItem | None:
        """Take the item of that state that is due longest, for `owner` alone until its lease ends; None: there is none.

        Items whose next step needs a node named in `resting` are left alone. One that was changed in what is the future
        now is due: the clock was put back, and it could be far until its time comes again.
        """
        node = "source" if state == "found" else "destination"
        marks = ", ".join("?" * len(resting))
        due = self.next_due((state,), now=now)
        if due is None or due > now:
            # Looking takes no lock of the file: a program that only waits keeps no other from writing.
            return None
        with self._changing() as connection:
            row = connection.execute(
                f"{_ITEM} WHERE state = ? AND (next_try <= ? OR changed > ?) "
                f"AND (lease_until IS NULL OR lease_until <= ?) "
                f"AND coalesce({node}, '') NOT IN ({marks}) ORDER BY next_try, id LIMIT 1",
                (state, now, now + _PUT_BACK_S, now, *resting),
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE item SET lease_owner = ?, lease_until = ? WHERE id = ?", (owner, now + lease_s, row[0])
            )
        return _item(row)

    def claim_named(self, name: str, state: State, owner: str, *, now: float, lease_s: float) -> WorkItem | None:
        """Take the item of that name, due or not, as `claim` does; None where it is in another state or taken."""
        with self._changing() as connection:
            row = connection.execute(
                f"{_ITEM} WHERE name = ? AND state = ? AND (lease_until IS NULL OR lease_until <= ?)",
                (name, state, now),
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE item SET lease_owner = ?, lease_until = ? WHERE id = ?", (owner, now + lease_s, row[0])
            )
        return _item(row)

    def remove(self, name: str) -> None:
        """Take an item out of the ledger, with its objects and images; nothing where there is none."""
        with self._changing() as connection:
            for table in ("object", "image"):
                connection.execute(
                    f"DELETE FROM {table} WHERE item_id IN (SELECT id FROM item WHERE name = ?)", (name,)
                )
            connection.execute("DELETE FROM item WHERE name = ?", (name,))

    def renew(self, item: WorkItem, owner: str, *, now: float, lease_s: float) -> None:
        """Keep the item longer.

        Raises:
            UsageError: another owner has taken it.
        """
        with self._changing() as connection:
            kept = connection.execute(
                "UPDATE item SET lease_until = ? WHERE id = ? AND lease_owner = ?", (now + lease_s, item.id, owner)
            )
            self._check_kept(item, kept.rowcount)

    def advance(
        self,
        item: WorkItem,
        state: State,
        owner: str,
        *,
        now: float,
        objects: Sequence[StoredObject] = (),
        note: str = "",
    ) -> WorkItem:
        """Move an item forward and give its lease back; `objects` are what it has to push from now on.

        Raises:
            UsageError: the move would be backward, or another owner has taken the item.
        """
        if ORDER.index(state) <= ORDER.index(item.state):
            raise UsageError(f"Study {item.name} is {item.state} and cannot become {state}; please report this.")
        with self._changing() as connection:
            self._put_objects(connection, item.id, objects)
            changed = connection.execute(
                "UPDATE item SET state = ?, attempts = 0, next_try = ?, note = ?, changed = ?, lease_owner = NULL, "
                "lease_until = NULL WHERE id = ? AND state = ? AND lease_owner = ?",
                (state, now, note, now, item.id, item.state, owner),
            )
            self._check_kept(item, changed.rowcount)
        return self.item(item.name) or item

    def postpone(self, item: WorkItem, owner: str, *, until: float, note: str, counted: bool, now: float) -> None:
        """Give an item back to be tried again; `counted`: as one of its own failed tries.

        Raises:
            UsageError: another owner has taken the item.
        """
        with self._changing() as connection:
            changed = connection.execute(
                "UPDATE item SET attempts = attempts + ?, next_try = ?, note = ?, changed = ?, lease_owner = NULL, "
                "lease_until = NULL WHERE id = ? AND lease_owner = ?",
                (int(counted), until, note, now, item.id, owner),
            )
            self._check_kept(item, changed.rowcount)

    def set_outcome(self, item: WorkItem, outcomes: Iterable[tuple[str, str]]) -> None:
        """Note what became of objects, by SOP instance UID."""
        with self._changing() as connection:
            connection.executemany(
                "UPDATE object SET outcome = ? WHERE item_id = ? AND sop_instance_uid = ?",
                [(outcome, item.id, uid) for uid, outcome in outcomes],
            )

    def free_leases(self, name: str | None = None) -> int:
        """Give back what a program held that was killed, or one item of it; only while no other can hold it."""
        with self._changing() as connection:
            return connection.execute(
                "UPDATE item SET lease_owner = NULL, lease_until = NULL "
                "WHERE lease_owner IS NOT NULL AND name = coalesce(?, name)",
                (name,),
            ).rowcount

    def try_now(self, states: Sequence[State], *, now: float) -> int:
        """Make all items of these states due."""
        marks = ", ".join("?" * len(states))
        with self._changing() as connection:
            return connection.execute(
                f"UPDATE item SET next_try = ? WHERE next_try > ? AND state IN ({marks})", (now, now, *states)
            ).rowcount

    def release_held(self, destination: str, *, now: float) -> int:
        """Let all drafts that are held back go to the node of that name; how many."""
        with self._changing() as connection:
            return connection.execute(
                "UPDATE item SET state = 'analyzed', destination = ?, hold = 0, next_try = ?, changed = ? "
                "WHERE state = 'waiting'",
                (destination, now, now),
            ).rowcount

    def retry_failed(self, *, now: float) -> int:
        """Put failed items back to the step that their files allow; how many. A person asks for it.

        Objects that were made are kept, so that a second try pushes the same ones.
        """
        with self._changing() as connection:
            return connection.execute(
                "UPDATE item SET state = CASE WHEN EXISTS (SELECT 1 FROM object WHERE item_id = id) THEN 'analyzed' "
                "ELSE 'found' END, attempts = 0, note = '', next_try = ?, changed = ? WHERE state = 'failed'",
                (now, now),
            ).rowcount

    def arrived(self, new: NewItem, sop_instance_uid: str, sha256: str, *, now: float) -> Arrival:
        """Note an image that was received.

        Its study's open item takes it, and is due at `new.next_try` at the earliest; where all items of the study are
        past receiving, a further part is begun.
        """
        with self._changing() as connection:
            known = connection.execute(
                "SELECT name, sha256, state FROM image JOIN item ON item.id = item_id WHERE sop_instance_uid = ?",
                (sop_instance_uid,),
            ).fetchone()
            if known is not None:
                return Arrival(known[0], known[2] == "found", known[1] == sha256)
            row = connection.execute(
                "SELECT id, name FROM item WHERE study_uid = ? AND origin = 'received' AND state = 'found' "
                "AND lease_owner IS NULL",
                (new.study_uid,),
            ).fetchone()
            if row is None:
                row = self._next_part(connection, new, now)
            else:
                connection.execute(
                    "UPDATE item SET next_try = ?, changed = ? WHERE id = ?", (new.next_try, now, row[0])
                )
            connection.execute("INSERT INTO image VALUES (?, ?, ?)", (sop_instance_uid, row[0], sha256))
        return Arrival(str(row[1]), True, True)

    def not_kept(self, sop_instance_uid: str) -> None:
        """Forget an image that `arrived` and could not be kept, so that it is new when it is sent again."""
        with self._changing() as connection:
            row = connection.execute(
                "DELETE FROM image WHERE sop_instance_uid = ? RETURNING item_id", (sop_instance_uid,)
            ).fetchone()
            if row is not None:
                connection.execute(
                    "DELETE FROM item WHERE id = ? AND state = 'found' AND lease_owner IS NULL "
                    "AND NOT EXISTS (SELECT 1 FROM image WHERE item_id = item.id)",
                    row,
                )

    def item(self, name: str) -> WorkItem | None:
        """The item of that name, or None."""
        with self._reading() as connection:
            row = connection.execute(f"{_ITEM} WHERE name = ?", (name,)).fetchone()
        return _item(row) if row else None

    def items(self, states: Sequence[State] = ORDER) -> list[WorkItem]:
        """All items of these states, in the order in which they came."""
        marks = ", ".join("?" * len(states))
        with self._reading() as connection:
            rows = connection.execute(f"{_ITEM} WHERE state IN ({marks}) ORDER BY id", tuple(states)).fetchall()
        return [_item(row) for row in rows]

    def objects(self, item: WorkItem) -> list[StoredObject]:
        """What the item has to push, or has pushed."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT path, sop_instance_uid, sha256, outcome FROM object WHERE item_id = ? ORDER BY path", (item.id,)
            ).fetchall()
        return [StoredObject(*row) for row in rows]

    def counts(self) -> dict[State, int]:
        """Number of items by state."""
        with self._reading() as connection:
            found = dict(connection.execute("SELECT state, count(*) FROM item GROUP BY state").fetchall())
        return {state: found.get(state, 0) for state in ORDER}

    def next_due(self, states: Sequence[State], *, now: float = math.inf) -> float | None:
        """When the next free item of these states is due; None where there is none, whether leased or not.

        With `now` as `claim` has it where the clock was put back.
        """
        marks = ", ".join("?" * len(states))
        with self._reading() as connection:
            row = connection.execute(
                "SELECT min(max(CASE WHEN changed > ? THEN 0 ELSE next_try END, coalesce(lease_until, 0))) "
                f"FROM item WHERE state IN ({marks})",
                (now + _PUT_BACK_S, *states),
            ).fetchone()
        return None if row[0] is None else float(row[0])

    def _next_part(self, connection: sqlite3.Connection, new: NewItem, now: float) -> tuple[int, str]:
        count = connection.execute(
            "SELECT count(*) FROM item WHERE study_uid = ? AND origin <> 'given'", (new.study_uid,)
        ).fetchone()[0]
        name = new.study_uid if count == 0 else f"{new.study_uid}-{count + 1}"
        row = (name, new.study_uid, new.origin, new.source, new.destination, new.hold, "found", new.next_try, now, now)
        added = connection.execute(
            "INSERT INTO item (name, study_uid, origin, source, destination, hold, state, next_try, added, changed) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        return added.lastrowid or 0, name

    @staticmethod
    def _put_objects(connection: sqlite3.Connection, item_id: int, objects: Sequence[StoredObject]) -> None:
        connection.executemany(
            "INSERT INTO object VALUES (?, ?, ?, ?, ?)",
            [(item_id, one.path, one.sop_instance_uid, one.sha256, one.outcome) for one in objects],
        )

    @staticmethod
    def _check_kept(item: WorkItem, changed: int) -> None:
        if not changed:
            raise UsageError(f"Study {item.name} was taken over by another program; let one run at a time.")

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._told():
            yield self._connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT):
                raise InputError(f"{self._path} is damaged; bring it back from a backup.") from error
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise OutputError(f"{self._path} is held by another program; close it there or try again.") from error
            raise OutputError(f"{self._path} could not be used ({error}); free space or check the folder.") from error


def _item(row: Sequence) -> WorkItem:
    number, name, study_uid, origin, source, destination, hold, *rest = row
    return WorkItem(number, name, study_uid, origin, source, destination, bool(hold), *rest)
