"""What a reader said of a case, ready to be compared with what another said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..birads.mask_agreement import hd95
from ..birads.reading import LesionReading
from .masks import MaskStack
from .record import LabelRecord

if TYPE_CHECKING:
    from .store import LabelStore

CATEGORY_ORDER = ("2", "3", "4A", "4B", "4C", "5")
"""Categories that are ordered by likelihood of cancer; 0, 1, 4 and 6 have no place in it."""
MATCH_IOU = 0.1
"""From this overlap on, outlines that two readers drew on their own are the same lesion."""


@dataclass(frozen=True, eq=False)
class LesionResult:
    """One lesion as a reader left it."""

    number: int
    tracking_uid: str
    category: str | None
    """The reader's own; else that of the accepted draft, unless he changed what it rests on."""
    descriptors: Mapping[str, str]
    """Term by attribute: the reader's, else the draft's that he accepted."""


@dataclass(frozen=True, eq=False)
class ReaderResult:
    """One decision of one reader."""

    record: LabelRecord
    masks: MaskStack
    lesions: tuple[LesionResult, ...]
    """Those that the reader says are there; none where he rejected the case."""


def reader_result(store: "LabelStore", record: LabelRecord) -> ReaderResult:
    """Read one decision from the store. Raises InputError: damaged."""
    image = record.image
    masks = store.result(record) or MaskStack.of((image.frame_count, image.rows, image.columns), {}, ())
    if record.kind == "rejected":
        return ReaderResult(record, masks, ())
    analyses = store.analyses(record)
    said = {one.number: one for one in record.reading.lesions} if record.reading else {}
    drafted = {(run, one["tracking_uid"]): one for run, analysis in enumerate(analyses) for one in analysis["lesions"]}
    numbers = sorted({*masks.numbers, *said} - {one.number for one in said.values() if not one.present})
    lesions = tuple(_lesion(number, said.get(number), drafted) for number in numbers)
    return ReaderResult(record, masks, lesions)


def pooled_dice(first: ReaderResult, one: LesionResult, second: ReaderResult, other: LesionResult) -> float:
    """Dice of a lesion over all pixels of the frames that both readers' masks speak of; 1 where neither outlined it."""
    both = total = 0
    for frame in _shared(first, second):
        left, right = first.masks.mask(frame, one.number), second.masks.mask(frame, other.number)
        both += int(np.count_nonzero(left & right))
        total += int(np.count_nonzero(left)) + int(np.count_nonzero(right))
    return 2 * both / total if total else 1.0


def largest_hd95(
    first: ReaderResult, one: LesionResult, second: ReaderResult, other: LesionResult
) -> tuple[float | None, str]:
    """HD95 of the worst frame that both outlined the lesion in, and its unit: "mm" with a known spacing, else "px".

    None where there is no such frame. In the plane of each frame: volumes are compared slice by slice.
    """
    spacing = first.record.spacing or second.record.spacing
    steps = (spacing.row_mm, spacing.column_mm) if spacing else (1.0, 1.0)
    frames = [
        frame
        for frame in _shared(first, second)
        if (frame, one.number) in first.masks.planes and (frame, other.number) in second.masks.planes
    ]
    distances = [hd95(first.masks.mask(f, one.number), second.masks.mask(f, other.number), steps) for f in frames]
    return max(distances, default=None), "mm" if spacing else "px"


def matched_lesions(results: Sequence[ReaderResult]) -> list[dict[int, LesionResult]]:
    """The lesions of a case, each by index of the reader who saw it.

    Lesions of one draft are the same; others are where their outlines overlap with an IoU of MATCH_IOU or more, the
    largest overlap first.
    """
    found: list[dict[int, LesionResult]] = []
    for index, result in enumerate(results):
        waiting = []
        for lesion in result.lesions:
            same = next((one for one in found if _is_same_draft(one, lesion) and index not in one), None)
            if same is not None:
                same[index] = lesion
            else:
                waiting.append(lesion)
        pairs = [
            (_overlap(results, group, index, lesion), -place, -row)
            for row, lesion in enumerate(waiting)
            for place, group in enumerate(found)
            if index not in group
        ]
        taken: set[int] = set()
        for overlap, place, row in sorted(pairs, reverse=True):
            if overlap >= MATCH_IOU and -row not in taken and index not in found[-place]:
                found[-place][index] = waiting[-row]
                taken.add(-row)
        found += [{index: lesion} for row, lesion in enumerate(waiting) if row not in taken]
    return found


def _lesion(
    number: int, said: LesionReading | None, drafted: Mapping[tuple[int, str], Mapping[str, Any]]
) -> LesionResult:
    if said is None:
        return LesionResult(number, "", None, {})
    draft = None if said.run is None else drafted.get((said.run, said.tracking_uid))
    if said.revised is not None:
        draft = said.revised.model_dump()
    terms = {one["attribute"]: one["term"] for one in draft["descriptors"]} if draft else {}
    changed = any(terms.get(attribute) != term for attribute, term in said.descriptors.items())
    category = said.category
    if category is None and draft is not None and not changed:
        category = draft["assessment"]["category"]
    return LesionResult(number, said.tracking_uid, category, {**terms, **said.descriptors})


def _shared(first: ReaderResult, second: ReaderResult) -> list[int]:
    return sorted(set(first.masks.spoken) & set(second.masks.spoken))


def _is_same_draft(group: Mapping[int, LesionResult], lesion: LesionResult) -> bool:
    return bool(lesion.tracking_uid) and any(one.tracking_uid == lesion.tracking_uid for one in group.values())


def _overlap(
    results: Sequence[ReaderResult], group: Mapping[int, LesionResult], index: int, lesion: LesionResult
) -> float:
    """Largest IoU with any reader's outline of the group."""
    found = 0.0
    for other, one in group.items():
        first, second = results[other], results[index]
        if not set(first.masks.planes) or not set(second.masks.planes):
            continue
        value = pooled_dice(first, one, second, lesion)
        has_pixels = any(number == lesion.number for _, number in second.masks.planes)
        found = max(found, value / (2 - value) if has_pixels else 0.0)
    return found
