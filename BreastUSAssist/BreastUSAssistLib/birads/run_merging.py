"""What a new run of the models does to the lesions of earlier ones: some retire, those the reader worked on stay.

A lesion that the reader touched is never replaced. New drafts that are that lesion again are left out.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from .analysis import Analysis
    from .reading import LesionReading, Reading

SAME_LESION = 0.3
"""Intersection over union, in one frame, at which a new draft is a lesion that stays."""
MOST_LESIONS = 100
"""Numbers above are other findings in label images (see learning.manifest and service.tracking)."""


@dataclass(frozen=True)
class RunMerge:
    """What becomes of the lesions of a case when a run is added to it."""

    kept: tuple[str, ...]
    """Tracking UIDs of the lesions that stay."""
    retired: tuple[str, ...]
    """Tracking UIDs of untouched drafts that the run replaces."""
    left_out: tuple[int, ...]
    """Numbers, in the run, of the drafts that are a lesion that stays."""
    numbers: dict[int, int]
    """Number in the case by number in the run, of the drafts that join it."""


@dataclass
class SharedPixels:
    """How the drafts of a run lie over the lesions of the case, gathered frame by frame."""

    same: set[tuple[int, int]] = field(default_factory=set)
    """Number in the case and number in the run of what is the same lesion in some frame."""

    def add_frame(self, labels: np.ndarray, numbers: Iterable[int], mask_of: Callable[[int], np.ndarray]) -> None:
        """Compare one frame.

        Args:
            labels: of the run, uint8 (rows, columns).
            numbers: of the case's lesions.
            mask_of: outline of one of them in this frame, bool (rows, columns).
        """
        areas = np.bincount(labels.ravel(), minlength=2)
        drafted = np.flatnonzero(areas[1:]) + 1
        if not drafted.size:
            return
        for number in numbers:
            mask = mask_of(number)
            area = np.count_nonzero(mask)
            if not area:
                continue
            shared = np.bincount(labels[mask], minlength=len(areas))
            overlap = shared[drafted] / (areas[drafted] + area - shared[drafted])
            self.same.update((number, int(new)) for new in drafted[overlap >= SAME_LESION])


def is_touched(lesion: "LesionReading") -> bool:
    """Whether the reader said or changed anything about a lesion, or added it."""
    return bool(
        lesion.run is None
        or not lesion.present
        or lesion.revised is not None
        or lesion.descriptors
        or lesion.category is not None
        or lesion.note
        or lesion.edited_frames
        or lesion.tied_to is not None
        or lesion.tools
    )


def merge_run(
    reading: "Reading",
    drafts: "dict[str, tuple[int, ...]]",
    analysis: "Analysis",
    frames: Collection[int],
    shared: SharedPixels,
) -> RunMerge:
    """Decide which lesions retire, which stay, and which of the run's drafts join.

    A lesion retires where the reader did not touch it, the case is not accepted, and all its frames were analysed
    again. Numbers go on after the highest of those that stay.

    Args:
        reading: of the case before the run.
        drafts: frames (1-based numbers) by tracking UID of the drafts of earlier runs.
        analysis: the new run; its frame numbers are those of the case.
        frames: numbers of the analysed frames.
        shared: how its drafts lie over the lesions of the case.

    Raises:
        InputError: the case would hold more than MOST_LESIONS lesions.
    """
    kept: list[LesionReading] = []
    retired: list[LesionReading] = []
    for lesion in reading.lesions:
        again = set(drafts.get(lesion.tracking_uid, ())) <= set(frames)
        stays = is_touched(lesion) or reading.decision == "accepted" or not again
        (kept if stays else retired).append(lesion)
    numbers_kept = {lesion.number for lesion in kept}
    known = {lesion.tracking_uid for lesion in kept}
    left_out = [
        draft.number
        for draft in analysis.lesions
        if draft.tracking_uid in known or any((number, draft.number) in shared.same for number in numbers_kept)
    ]
    joining = [draft.number for draft in analysis.lesions if draft.number not in left_out]
    highest = max(numbers_kept, default=0)
    if joining and highest + len(joining) > MOST_LESIONS:
        raise InputError(
            f"With this run the lesions would be numbered up to {highest + len(joining)}, beyond {MOST_LESIONS}; "
            "analyze fewer frames, or take the images as a new case."
        )
    return RunMerge(
        kept=tuple(lesion.tracking_uid for lesion in kept),
        retired=tuple(lesion.tracking_uid for lesion in retired),
        left_out=tuple(left_out),
        numbers={number: highest + place for place, number in enumerate(joining, start=1)},
    )


def in_case_frames(analysis: "Analysis", first_frame: int, frame_count: int) -> "Analysis":
    """An analysis of part of a case with the frame numbers and the frame count of the case.

    One that already has them (its first frame is `first_frame`) stays as it is.
    """
    shift, analysed = first_frame - 1, analysis.source.frame_count
    if analysed != frame_count:
        source = analysis.source.model_copy(update={"frame_count": frame_count})
        analysis = analysis.model_copy(update={"source": source})
    if not shift or (analysis.frames and analysis.frames[0].frame_number == first_frame):
        return analysis
    frames = [one.model_copy(update={"frame_number": one.frame_number + shift}) for one in analysis.frames]
    # No frames named means all that were analysed, which are not all of the case.
    every = tuple(range(1, analysed + 1))
    gates = [
        one.model_copy(update={"frames": tuple(number + shift for number in one.frames or every)})
        for one in analysis.gates
    ]
    lesions = [
        one.model_copy(
            update={"key_frame": one.key_frame + shift, "frames": tuple(number + shift for number in one.frames)}
        )
        for one in analysis.lesions
    ]
    return analysis.model_copy(update={"frames": tuple(frames), "gates": tuple(gates), "lesions": tuple(lesions)})
