"""A case becomes again what was kept of it: drafts, terms, notes, outlines, removed and added lesions."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from ..errors import InputError
from .case_outlines import CaseOutlines
from .case_record import CaseRecord

if TYPE_CHECKING:
    from ..birads.analysis import Analysis
    from ..birads.reading import Reading
    from ..service.case_content import CaseContent, StoredMask, StoredRun
    from .case import Case

Planes = Mapping[tuple[int, int], np.ndarray]
"""Outlines, bool (rows, columns), by number of the lesion and frame from 0."""


def is_untouched(case: "Case") -> bool:
    """Whether the reader did nothing in a case yet; drafts that nobody touched may be there."""
    from ..birads.reading import Place
    from ..birads.run_merging import is_touched

    reading = case.reading
    said = reading.decision != "open" or reading.clinical is not None or reading.place != Place()
    return not said and not any(is_touched(one) for one in reading.lesions)


def restore_case(
    case: "Case",
    runs: "Sequence[tuple[Analysis, np.ndarray]]",
    reading: "Reading | None",
    labels: np.ndarray | None = None,
    hidden: Planes | None = None,
) -> Generator[tuple[int, int], None, None]:
    """Put what was kept of a case into an open case that is still untouched, a frame a step.

    Afterwards `case.drafts()`, `case.reading` and `case.labels()` are what they were when it was kept, tracking UIDs
    included; only the name is that of the images here. Steps that are left half-way are done at once.

    Args:
        case: see `is_untouched`; drafts that are in it make way.
        runs: each analysis, with the frame numbers of the case, and its label images uint8 (frames of the case, rows,
            columns) by the run's own lesion numbers, in the order of the runs.
        reading: None where nobody read it: without `labels` the runs are taken in as new ones, with `labels` (masks
            from outside) every label becomes a lesion that the reader outlined.
        labels: unsigned (frames of the case, rows, columns) by the lesions' numbers in the case; None: outlines are the
            drafts'.
        hidden: outlines that label images have no room for, whole: under another lesion, or of a removed one; see
            case_keeping.

    Yields:
        Steps done, and all steps.

    Raises:
        InputError: the case was worked on, or what was kept is of other images.
    """
    if not is_untouched(case):
        raise InputError(_("You have worked on this case already; what was kept is in the label folder unchanged."))
    for stack in (labels, *(one for _analysis, one in runs)):
        if stack is not None:
            _check_fits(case, stack)
    if reading is None and labels is None:
        yield from _running_again(case, runs)
        return
    steps = len(runs) * case.source.frame_count + case.source.frame_count
    stored: list[StoredRun] = []
    for done, part in enumerate(_storing(case, runs)):
        yield done, 2 * steps
        if part is not None:
            stored.append(part)
    before = case.content
    content = before.model_copy(update={"runs": tuple(stored), "masks": ()})
    if reading is None:
        assert labels is not None
        reading = _of_masks(case, labels)
    reading = reading.model_copy(update={"case": case.source.name})
    masks = _outlines_of(content.model_copy(update={"reading": reading}), labels, hidden or {})
    content = content.model_copy(update={"reading": reading, "masks": masks})
    for done, count in case.take(content):
        yield steps + round(done / max(count, 1) * steps), 2 * steps


def taking(
    record: CaseRecord, outlines: CaseOutlines, content: "CaseContent", after_change: Callable[[], None]
) -> Generator[tuple[int, int], None, None]:
    """See `Case.take`. Until the segmentation is there nothing changes; from then on the record says all of it."""
    for done, count in outlines.making():
        yield done, 2 * count
    old = [one.number for one in record.reading.lesions]
    present = [one for one in content.reading.lesions if one.present]
    numbers = [one.number for one in present]
    outlines.remove(old)
    record.set_content(content)
    record.set_being_drawn(numbers)
    outlines.add(present)
    # Undo reaches back to this state: what was there before is another reading.
    outlines.history.clear()
    after_change()
    writing = outlines.writing(numbers)
    try:
        for done, count in writing:
            yield count + done, 2 * count
    finally:
        # Left half-way (the panel was closed, say): the segmentation must still become what the record says.
        if not outlines.closed:
            for _step in writing:
                pass
            record.set_being_drawn(())


def _check_fits(case: "Case", stack: np.ndarray) -> None:
    source = case.source
    if stack.ndim != 3 or stack.shape != (source.frame_count, source.rows, source.columns) or stack.dtype.kind != "u":
        raise InputError(_("What was kept is of other images; open the images that it was made from."))
    if stack.size and int(stack.max()) > np.iinfo(np.uint8).max:
        raise InputError(_("What was kept has more lesions than a case here can have; open fewer of them."))


def _running_again(
    case: "Case", runs: "Sequence[tuple[Analysis, np.ndarray]]"
) -> Generator[tuple[int, int], None, None]:
    """Drafts that nobody read are taken in like those of a run just made."""
    for place, (analysis, labels) in enumerate(runs):
        first, last = _analysed(analysis, len(labels))
        for done, count in case.apply_run(_named(analysis, case), labels[first - 1 : last].astype(np.uint8), first):
            yield place * count + done, len(runs) * count


def _storing(case: "Case", runs: "Sequence[tuple[Analysis, np.ndarray]]") -> "Generator[StoredRun | None, None, None]":
    """The runs as a case stores them, a frame a step; None while one is not whole."""
    from ..service.case_content import StoredRun
    from ..service.label_packing import pack_labels

    for analysis, labels in runs:
        first, last = _analysed(analysis, len(labels))
        packed = []
        for frame in labels[first - 1 : last]:
            packed.append(pack_labels(frame.astype(np.uint8)))
            yield None
        yield StoredRun(first_frame=first, analysis=_named(analysis, case), labels=tuple(packed))


def _named(analysis: "Analysis", case: "Case") -> "Analysis":
    """Under the name of the images here; what is kept goes by a pseudonym."""
    return analysis if analysis.case == case.source.name else analysis.model_copy(update={"case": case.source.name})


def _analysed(analysis: "Analysis", frame_count: int) -> tuple[int, int]:
    """First and last of the frames (from 1) that a run looked at."""
    numbers = [one.frame_number for one in analysis.frames]
    return (min(numbers), max(numbers)) if numbers else (1, frame_count)


def _of_masks(case: "Case", labels: np.ndarray) -> "Reading":
    """The reading of masks from outside: each label is a lesion that somebody outlined."""
    from ..birads.reading_changes import new_lesion

    reading = case.record.reading.model_copy(update={"lesions": ()})
    seen: dict[int, list[int]] = {}
    for frame, image in enumerate(labels, start=1):
        for number in np.flatnonzero(np.bincount(image.ravel())).tolist():
            seen.setdefault(number, []).append(frame)
    seen.pop(0, None)
    for number, frames in sorted(seen.items()):
        lesion = new_lesion(reading, number)
        reading = reading.with_lesion(lesion.model_copy(update={"edited_frames": tuple(frames)}))
    return reading


def _outlines_of(content: "CaseContent", labels: np.ndarray | None, hidden: Planes) -> "tuple[StoredMask, ...]":
    """The reader's outlines, of the frames that the reading says were edited."""
    from ..service.case_content import StoredMask
    from ..service.label_packing import pack_labels

    masks = []
    for lesion in content.reading.lesions:
        for frame in lesion.edited_frames:
            mask = hidden.get((lesion.number, frame - 1))
            if mask is None and labels is not None and 1 <= frame <= len(labels) and lesion.present:
                mask = labels[frame - 1] == lesion.number
            if mask is not None:
                masks.append(StoredMask(number=lesion.number, frame=frame, pixels=pack_labels(mask)))
    return tuple(sorted(masks, key=lambda one: (one.number, one.frame)))
