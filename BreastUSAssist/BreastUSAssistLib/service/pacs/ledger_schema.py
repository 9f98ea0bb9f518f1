"""Tables of the work ledger and their versions; SQLite's user_version says which one a file has."""

from ...errors import InputError
from ...labels.sqlite import sqlite3

APPLICATION_ID = 0x42555357
VERSIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, study_uid TEXT NOT NULL, "
        "origin TEXT NOT NULL, source TEXT, destination TEXT, hold INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL, "
        "attempts INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL, note TEXT NOT NULL DEFAULT '', "
        "lease_owner TEXT, lease_until REAL, added REAL NOT NULL, changed REAL NOT NULL)",
        "CREATE INDEX item_by_state ON item (state, next_try)",
        "CREATE INDEX item_by_study ON item (study_uid)",
        "CREATE TABLE image (sop_instance_uid TEXT PRIMARY KEY, item_id INTEGER NOT NULL REFERENCES item (id), "
        "sha256 TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE object (item_id INTEGER NOT NULL REFERENCES item (id), path TEXT NOT NULL, "
        "sop_instance_uid TEXT NOT NULL, sha256 TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '', "
        "PRIMARY KEY (item_id, sop_instance_uid)) WITHOUT ROWID",
    ),
)
"""Statements that lead from each version to the next, from an empty file on."""
NEWEST = len(VERSIONS)


def bring_up_to_date(connection: sqlite3.Connection, name: str) -> None:
    """Make the tables, or bring those of an older version to this one, in one transaction.

    Raises:
        InputError: the file is another program's, or of a newer version.
    """
    version = _version(connection)
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise InputError(f"{name} is no work ledger; choose another folder.")
    if version > NEWEST:
        raise InputError(f"{name} has version {version} but this one reads up to {NEWEST}; update BreastUSAssist.")
    if version and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise InputError(f"{name} is no work ledger; choose another folder.")
    if version == NEWEST:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it while this one waited.
        for statements in VERSIONS[_version(connection) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={NEWEST}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
