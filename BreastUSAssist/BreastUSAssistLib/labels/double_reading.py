"""Which cases several readers read without seeing each other's results."""

import hashlib
import json
from contextlib import suppress
from typing import Literal

from pydantic import Field, ValidationError

from ..birads.lesion import Record
from ..errors import InputError, UsageError
from .store import LabelStore

_KEPT_AS = "double reading"


class DoubleReading(Record):
    """A chosen share of the cases. Which cases it holds follows from share, seed and the case's pseudonym alone."""

    schema_version: Literal["1.0"] = "1.0"
    share: float = Field(ge=0, le=1)
    seed: int = 0
    readers: int = Field(default=2, ge=2, le=20)
    """Named readers who decide each case of it."""
    from_entry: int = Field(default=0, ge=0)
    """Last entry of the audit trail before it was chosen: what was decided up to there was not read blind."""
    earlier: "DoubleReading | None" = None
    """The one that it took the place of; cases that it held as well are read blind since then."""

    def holds(self, case: str) -> bool:
        """Whether the case is of the share. Cases that come later never move one in or out."""
        digest = hashlib.sha256(f"{self.seed} {case}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64 < self.share

    def of_case(self, case: str) -> "DoubleReading | None":
        """This one with the `from_entry` of the case; None where the case is not of the share."""
        if not self.holds(case):
            return None
        first = self
        while first.earlier is not None and first.earlier.holds(case):
            first = first.earlier
        return self if first is self else self.model_copy(update={"from_entry": first.from_entry})


def reader_key(name: str) -> str:
    """What tells readers apart: their name without case and superfluous blanks."""
    return " ".join(name.split()).casefold()


def choose_double_reading(store: LabelStore, share: float, seed: int = 0, readers: int = 2) -> DoubleReading:
    """Have a share of the cases read blind by several readers from now on; noted in the audit trail.

    The same share, seed and number as before change nothing.

    Raises:
        UsageError: no share from 0 to 1, or no number of readers from 2 to 20.
        OutputError: the store cannot be written.
    """
    before = None
    # One that is damaged is what this call is to replace.
    with suppress(InputError):
        before = double_reading_of(store)
    if before is not None and (before.share, before.seed, before.readers) == (share, seed, readers):
        return before
    try:
        entry = int(store.head().partition(":")[0])
        chosen = DoubleReading(share=share, seed=seed, readers=readers, from_entry=entry, earlier=before)
    except ValidationError as error:
        raise UsageError("Choose a share from 0 to 1 and 2 to 20 readers for cases that are read blind.") from error
    store.note("double reading", **chosen.model_dump(exclude={"schema_version", "earlier"}))
    store.keep_beside(_KEPT_AS, chosen.model_dump_json().encode())
    return chosen


def double_reading_of(store: LabelStore) -> DoubleReading | None:
    """The share chosen last; None where none was, or a share of nothing.

    Raises:
        InputError: what was chosen cannot be read; guessing would show readers each other's results.
    """
    if not store.has_beside(_KEPT_AS):
        return None
    content = store.kept_beside(_KEPT_AS)
    try:
        return DoubleReading.model_validate(json.loads(content or b""))
    except (ValueError, ValidationError) as error:
        raise InputError(
            "Which cases are read blind cannot be told: that file is damaged; choose --share and --seed again "
            "(`labels verify` and the audit trail tell what they were)."
        ) from error
