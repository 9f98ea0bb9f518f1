"""A run of the models is taken into a case step by step, so that the event loop goes on meanwhile."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from .case_outlines import CaseOutlines
from .case_record import CaseRecord

if TYPE_CHECKING:
    from ..birads.analysis import Analysis


@dataclass(frozen=True)
class RunApplied:
    """What became of the lesions when a run was taken in."""

    run: int
    """Index of the run in the case."""
    added: tuple[int, ...]
    """Numbers in the case of the lesions that joined."""
    kept: int
    """How many lesions stayed because the reader worked on them or because they lie in other frames too."""
    left_out: int
    """How many drafts of the run are a lesion that stayed."""
    retired: int
    """How many untouched drafts were replaced."""

    @property
    def words(self) -> str:
        """What became of the lesions, for the status line."""
        found = len(self.added)
        text = _("The AI found no new lesion.") if not found else _("The AI drafted {found} lesion(s).")
        text += " " + _("{kept} stayed as you left them.") if self.kept else ""
        text += " " + _("{left_out} of its drafts are among those.") if self.left_out else ""
        return text.format(found=found, kept=self.kept, left_out=self.left_out)


def applying(
    record: CaseRecord,
    outlines: CaseOutlines,
    analysis: "Analysis",
    labels: np.ndarray,
    first_frame: int,
    after_change: Callable[[], None],
) -> Generator[tuple[int, int], None, RunApplied]:
    """See `Case.apply_run`. Nothing changes before all frames were looked at; from then on the record has the run."""
    from ..birads.reading import LesionReading
    from ..birads.run_merging import SharedPixels, in_case_frames, merge_run
    from ..service.label_packing import pack_labels

    analysis = in_case_frames(analysis, first_frame, record.frame_count)
    shared, packed, steps = SharedPixels(), [], 2 * len(labels)
    for offset, frame in enumerate(labels):
        packed.append(pack_labels(frame))
        listed = [one.number for one in record.reading.lesions]
        shared.add_frame(frame, listed, partial(_mask, record, first_frame - 1 + offset))
        yield offset + 1, steps
    for _step in outlines.making():
        yield len(labels), steps
    reading = record.reading
    frames = range(first_frame, first_frame + len(labels))
    merge = merge_run(reading, _drafted_frames(record), analysis, frames, shared)
    retired = [one.number for one in reading.lesions if one.tracking_uid in merge.retired]
    run = len(record.runs)
    joining = [
        LesionReading(tracking_uid=one.tracking_uid, number=merge.numbers[one.number], run=run)
        for one in analysis.lesions
        if one.number in merge.numbers
    ]
    kept = [one for one in reading.lesions if one.tracking_uid in merge.kept]
    changed = reading.model_copy(update={"lesions": tuple(sorted([*kept, *joining], key=lambda one: one.number))})
    if joining or retired:
        changed = changed.model_copy(update={"decision": "open", "reason": "", "decided": None})
    numbers = [one.number for one in joining]
    record.add_run(analysis, packed, first_frame, changed)
    record.set_being_drawn(numbers)
    outlines.remove(retired)
    if retired and outlines.found is not None:
        # A later lesion may get the number of one that is gone, and must not get its outlines back.
        outlines.history.clear()
    outlines.add(joining)
    after_change()
    writing = outlines.writing(numbers)
    try:
        for done, count in writing:
            yield len(labels) + round(done / count * len(labels)), steps
    finally:
        # Left half-way (the panel was closed, say): the segmentation must still become what the record says.
        if not outlines.closed:
            for _step in writing:
                pass
            record.set_being_drawn(())
    return RunApplied(run, tuple(numbers), len(kept), len(merge.left_out), len(retired))


def _mask(record: CaseRecord, frame: int, number: int) -> np.ndarray:
    return record.mask(number, frame)


def _drafted_frames(record: CaseRecord) -> dict[str, tuple[int, ...]]:
    drafts = {one.tracking_uid: record.draft(one.number) for one in record.reading.lesions}
    return {uid: draft.frames for uid, draft in drafts.items() if draft is not None}
