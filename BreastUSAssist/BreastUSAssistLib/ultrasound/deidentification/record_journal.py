"""What a run has done so far, kept beside its results so that a stopped run goes on where it was."""

import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from ...errors import OutputError
from .record import FileRecord

JOURNAL = ".deidentification-progress.jsonl"


class Journal:
    """One line a file, flushed to disk before the next file is begun; a line cut short by a crash is passed over."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL

    def read(self) -> list[FileRecord]:
        """The records of a run that was stopped; none where the last one ended."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutputError(f"{self._path} could not be read ({error.strerror}); check the folder.") from error
        return list(_valid(lines))

    def add(self, record: FileRecord) -> None:
        """Append one record. Raises OutputError."""
        try:
            with open(self._path, "ab") as file:
                if file.tell():
                    # After a crash the last line may have no end.
                    file.write(b"\n")
                file.write(record.model_dump_json().encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self._path} could not be written ({error.strerror}); free space.") from error

    def remove(self) -> None:
        """End it: the report holds everything now."""
        self._path.unlink(missing_ok=True)


def _valid(lines: Iterable[bytes]) -> Iterable[FileRecord]:
    for line in lines:
        try:
            yield FileRecord.model_validate_json(line)
        except ValidationError:
            continue
