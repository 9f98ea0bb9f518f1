"""What is known of an imported lesion beside outline and descriptors, kept in its note as text a person can read."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .record import PATHOLOGIES, LabelRecord, Pathology

if TYPE_CHECKING:
    from .store import LabelStore

COLUMNS: tuple[str, ...] = (
    "pathology",
    "histology",
    "diagnosis",
    "verification",
    "birads",
    "dataset",
    "fold",
    "device",
    "halo",
    "skin_thickening",
)
"""Columns of a manifest that are kept, and in which order; none of them names a person."""

_LONGEST = 300
_PAIR = re.compile(r"^([a-z_]+): (.+)$")


def known_text(values: Mapping[str, str]) -> str:
    """One line such as "pathology: benign; histology: fibroadenoma" of those values that are in COLUMNS."""
    kept = ((name, " ".join(values.get(name, "").replace(";", ",").split())[:_LONGEST]) for name in COLUMNS)
    return "; ".join(f"{name}: {value}" for name, value in kept if value)


def known_of_note(note: str) -> dict[str, str]:
    """Values of a note that `known_text` wrote, by column; empty for any other note."""
    pairs = [_PAIR.match(part) for part in note.split("; ")] if note else []
    found = {pair[1]: pair[2] for pair in pairs if pair is not None}
    return found if len(found) == len(pairs) and found.keys() <= set(COLUMNS) else {}


def pathology_of(store: "LabelStore", record: LabelRecord) -> Pathology | None:
    """What was proven of a case; of records of format 1.0 as the note of the imported version says. None: not known.

    Raises:
        InputError: an imported version is damaged.
    """
    if record.pathology is not None:
        return record.pathology
    said = known_of(store, record).get("pathology", "").lower()
    return next((one for one in PATHOLOGIES if one == said), None)


def known_of(store: "LabelStore", record: LabelRecord) -> dict[str, str]:
    """What came with the image of a record, by column, though a reader may have judged it since; else nothing.
    The pathology is that of the record, where it has one.

    A normal image has no lesion whose note could say more than just that.

    Raises:
        InputError: an imported version is damaged.
    """
    proven: dict[str, str] = {} if record.pathology is None else {"pathology": record.pathology}
    if record.kind != "imported":
        earlier = [one for one in store.history(record.case) if one.kind == "imported" and one.version < record.version]
        if not earlier:
            return proven
        record = store.get(record.case, earlier[-1].version)
    if record.reading is not None and record.reading.lesions:
        return known_of_note(record.reading.lesions[0].note) | proven
    masks = store.result(record)
    return {"pathology": "normal"} | proven if masks is not None and not masks.planes else proven
