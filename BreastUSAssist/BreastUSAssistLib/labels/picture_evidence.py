"""Which stored pictures are known to show no patient data; only those leave the store as pictures."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .record import Evidence, LabelRecord

if TYPE_CHECKING:
    from .store import LabelStore

HOW_TO = "run `breastusassist labels deidentify`, which cleans them or notes who declares that they are"


def has_pictures(store: "LabelStore", record: LabelRecord) -> bool:
    """Whether a version has all frames of its image, with evidence. Raises InputError: damaged."""
    return record.deidentified is not None and len(store.frame_numbers(record)) == record.image.frame_count


def with_evidence(store: "LabelStore", record: LabelRecord) -> LabelRecord:
    """A version as its pictures may be used: those without evidence give way to what was cleaned or declared since.

    Pictures belong to the case, so evidence that came with a later version of it holds for all. Where there is none the
    record is returned without pictures. Raises InputError: the latest version is damaged.
    """
    if record.frames is None or record.deidentified is not None:
        return record
    latest = store.latest(record.case)
    if latest is None or latest.deidentified is None:
        return record.model_copy(update={"frames": None})
    return record.model_copy(update={"frames": latest.frames, "deidentified": latest.deidentified})


def told_evidence(records: Iterable[LabelRecord]) -> str:
    """A sentence on why the pictures of these records count as free of patient data."""
    counts = Counter(record.deidentified.evidence for record in records if record.deidentified is not None)
    words: dict[Evidence, str] = {
        "header": "whose DICOM header says that it was de-identified",
        "cleaned": "cleaned by the label store, with the text that it saw filled",
        "declared": "declared to be de-identified by a named person",
    }
    parts = [f"{counts[evidence]} {said}" for evidence, said in words.items() if counts[evidence]]
    return f"Pictures are those of {', '.join(parts) or 'no case'}."
