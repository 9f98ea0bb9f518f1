"""What the readers of a case in dispute made of it, ready to be shown beside each other and to be started from."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from ..errors import InputError

if TYPE_CHECKING:
    from ..birads.reading import Decision, LesionReading, Reading
    from ..service.case_content import CaseContent


@dataclass(frozen=True, eq=False)
class Opinion:
    """One reader's result."""

    reader: str
    decision: "Decision"
    reason: str
    outlines: tuple[str, ...]
    """Label image of each frame by the reader's lesion numbers, see service.label_packing."""
    content: "CaseContent"
    """The case as it would be if the reader's result were the starting point, still open and without a name."""


def reading_opinions(start: "CaseContent", dispute: Mapping[str, Any]) -> Generator[int, None, tuple[Opinion, ...]]:
    """Read the opinions that request "open_label" told, a frame a step; their files are removed.

    Args:
        start: the case as it was opened, with the drafts that both may have started from.
        dispute: of the answer.

    Raises:
        InputError: one is damaged or of other images.
        OutputError: a file is gone.
    """
    opinions = []
    for told in dispute["opinions"]:
        reading = _reading(told)
        outlines = yield from _packed(start, told.get("labels"))
        adopted = _adopted(start, reading, outlines)
        masks = _masks(start, adopted, outlines)
        content = start.model_copy(update={"reading": adopted, "masks": masks})
        opinions.append(Opinion(str(told["reader"]), told["decision"], reading.reason, outlines, content))
    return tuple(opinions)


def _reading(told: Mapping[str, Any]) -> "Reading":
    from pydantic import ValidationError

    from ..birads.reading import Reading

    try:
        return Reading.model_validate_json(str(told.get("reading")))
    except ValidationError as error:
        raise InputError(_("The kept reading of this case is damaged; verify the label folder.")) from error


def _packed(start: "CaseContent", path: str | None) -> Generator[int, None, tuple[str, ...]]:
    from ..service.label_packing import pack_labels
    from ..service.worker_protocol import take_array

    if path is None:
        return ("",) * start.frame_count
    labels = take_array(path)
    if labels.shape != (start.frame_count, start.rows, start.columns):
        raise InputError(_("What was kept is of other images; open the images that it was made from."))
    packed = []
    for frame, image in enumerate(labels, start=1):
        packed.append(pack_labels(image))
        yield frame
    return tuple(packed)


def _adopted(start: "CaseContent", reading: "Reading", outlines: tuple[str, ...]) -> "Reading":
    """A reader's lesions, terms and notes in a case that is open again.

    A lesion of a draft that the case does not have here becomes one that the reader outlined.
    """
    lesions = tuple(_adopted_lesion(start, lesion, outlines) for lesion in reading.lesions)
    blank = {"decision": "open", "reason": "", "decided": None, "reader": ""}
    own = {"case": start.reading.case, "seconds_spent": start.reading.seconds_spent}
    return reading.model_copy(update={**blank, **own, "lesions": lesions})


def _adopted_lesion(start: "CaseContent", lesion: "LesionReading", outlines: tuple[str, ...]) -> "LesionReading":
    run = start.runs[lesion.run] if lesion.run is not None and lesion.run < len(start.runs) else None
    drafted = run is not None and any(one.tracking_uid == lesion.tracking_uid for one in run.analysis.lesions)
    if not lesion.present:
        # Its outline is not among the label images: put back, it is the draft's.
        return lesion.model_copy(update={"edited_frames": (), "run": lesion.run if drafted else None})
    if lesion.run is None or drafted:
        return lesion
    frames = tuple(
        frame for frame, text in enumerate(outlines, start=1) if (_unpacked(start, text) == lesion.number).any()
    )
    return lesion.model_copy(update={"run": None, "edited_frames": frames})


def _masks(start: "CaseContent", reading: "Reading", outlines: tuple[str, ...]) -> tuple[Any, ...]:
    from ..service.case_content import StoredMask
    from ..service.label_packing import pack_labels

    masks = []
    for lesion in reading.lesions:
        for frame in lesion.edited_frames:
            if 1 <= frame <= len(outlines):
                mask = _unpacked(start, outlines[frame - 1]) == lesion.number
                masks.append(StoredMask(number=lesion.number, frame=frame, pixels=pack_labels(mask)))
    return tuple(masks)


def _unpacked(start: "CaseContent", text: str) -> np.ndarray:
    from ..service.label_packing import unpack_labels

    return unpack_labels(text, start.rows, start.columns)
