"""SQLite as Python brings it, and a sentence where Python was built without: not every build of 3D Slicer has it."""

from ..errors import UsageError

try:
    import sqlite3
except ImportError as error:
    raise UsageError(
        "This Python was built without SQLite, which the label store needs; use a Python that has the module sqlite3."
    ) from error

__all__ = ["sqlite3"]
