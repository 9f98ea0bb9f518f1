"""Which stored pictures are known to show no patient data; only those leave the store as pictures."""

from typing import TYPE_CHECKING

from .record import LabelRecord

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
