"""What is known of an imported lesion beside outline and descriptors, kept in its note as text a person can read."""

import re
from collections.abc import Mapping

from .record import LabelRecord

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


def known_of(record: LabelRecord) -> dict[int, dict[str, str]]:
    """Known values of each lesion of an imported record, by its number; of other records nothing."""
    if record.kind != "imported" or record.reading is None:
        return {}
    return {lesion.number: known_of_note(lesion.note) for lesion in record.reading.lesions}


def tells_normal(record: LabelRecord, lesions: int) -> bool:
    """Whether an imported record with masks of `lesions` lesions says that the image shows none."""
    return record.kind == "imported" and record.result is not None and lesions == 0
