"""The folder of one `breastusassist pacs` job: ledger, images, results, and what is no ultrasound."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import InputError, OutputError, UsageError
from ...labels.sqlite import sqlite3
from .ledger import LEDGER

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


class WorkFolder:
    """Where a job keeps its files; every name below it is checked, because UIDs come from elsewhere.

    ledger.sqlite, pulled/<study>/<SOP instance UID>.dcm, results/<study>/<case>/ as `breastusassist analyze` writes
    them, aside/ for received objects that are no ultrasound, incoming/ for what is being received.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @property
    def ledger(self) -> Path:
        """File of the work ledger."""
        return self.root / LEDGER

    @property
    def incoming(self) -> Path:
        """Folder of files that the listener has not yet entered into the ledger."""
        return self.root / "incoming"

    def images(self, name: str) -> Path:
        """Folder of an item's images."""
        return self.root / "pulled" / checked_name(name)

    def results(self, name: str) -> Path:
        """Folder of an item's cases; it is there only once it is whole."""
        return self.root / "results" / checked_name(name)

    def aside(self, study_uid: str) -> Path:
        """Folder of received objects of a study that are no ultrasound."""
        return self.root / "aside" / checked_uid(study_uid)

    def relative(self, path: Path) -> str:
        """Path below this folder, with forward slashes, as the ledger keeps it."""
        return path.relative_to(self.root).as_posix()

    @contextmanager
    def alone(self, lock: str = "running") -> Iterator[None]:
        """Keep every other program out of this folder, or out of what `lock` names; ends with the program, however.

        Raises:
            UsageError: another program is in it.
            OutputError: the folder cannot be written.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(self.root / f"{checked_name(lock)}.lock", isolation_level=None, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"{self.root} could not be written; choose another folder for --work.") from error
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            connection.close()
            raise UsageError(f"Another program works in {self.root}; let it end, or choose another --work.") from error
        try:
            yield
        finally:
            connection.close()

    def drop_images(self, name: str) -> None:
        """Remove the images of an item that is done."""
        shutil.rmtree(self.images(name), ignore_errors=True)

    def sweep(self) -> None:
        """Remove what an analysis or a download left half-written when it was killed; only while `alone`."""
        for left in (self.root / "results").glob(".*.part"):
            shutil.rmtree(left, ignore_errors=True)
        for left in (self.root / "pulled").glob("*/.*.part*"):
            left.unlink(missing_ok=True)


def checked_uid(uid: str) -> str:
    """The UID itself.

    Raises:
        InputError: it is no UID (PS3.5 9.1), so it may name no file.
    """
    if len(uid) > 64 or not _UID.fullmatch(uid):
        raise InputError("A study or object is named by something that is no UID; name it as `pacs find` lists it.")
    return uid


def checked_name(name: str) -> str:
    """The name itself.

    Raises:
        UsageError: it cannot name a folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise UsageError(f"{name[:100]!r} cannot name a folder; use letters, digits, dots, dashes and underscores.")
    return name
