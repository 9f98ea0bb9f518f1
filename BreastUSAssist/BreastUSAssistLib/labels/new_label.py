"""What a caller hands to the store, and how it becomes a record and blobs that name no patient."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..birads.analysis import Analysis, Spacing, mask_name
from ..birads.reading import Reading
from ..errors import InputError
from .blobs import BlobFolder, Content
from .image_identity import canonical_pixels
from .masks import MaskStack
from .pixel_content import frame_to_bytes
from .record import Deidentification, Digest, ImageIdentity, LabelRecord, ModelReference, Pathology, RecordKind, Run
from .record_text import finite_json

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class NewLabel:
    """A label to be stored."""

    kind: RecordKind
    image: ImageIdentity
    result: MaskStack | None = None
    """Masks as the reader left them."""
    reading: Reading | None = None
    """Its reader, decision, reason, time and tools become those of the record."""
    runs: Sequence[tuple[Analysis, MaskStack | None]] = ()
    """The AI's drafts, in the order of the runs, unchanged."""
    frames: "Mapping[int, np.ndarray]" = field(default_factory=dict)
    """Frames to keep for training, by 1-based number; uint8, (rows, columns[, 3]). Those of earlier versions stay."""
    deidentified: Deidentification | None = None
    """Why `frames` may be stored, see picture_gate; they are those that passed the gate, not the original ones."""
    spacing: Spacing | None = None
    """None: that of the last run."""
    slice_mm: float | None = None
    """Distance between the slices of a volume; None: that of the latest version."""
    frame_ms: float | None = None
    """Mean time from one frame to the next; None: that of the latest version."""
    patient: str | None = None
    """Whatever tells patients apart, such as the patient ID; a pseudonym of it is stored, never itself."""
    pathology: Pathology | None = None
    """What was proven of the case, such as by biopsy; None: that of the latest version."""
    parent: int | None = None
    """Version that the reader started from; None: the latest."""
    settles: Sequence[int] = ()
    """Versions of readers who disagree that this one settles; see adjudication.adjudicate, which fills it in."""


def check_fits(label: NewLabel) -> None:
    """Check a label before anything of it is stored.

    Raises:
        InputError: masks or frames of another size than the image; frames of which nothing says that they are
            de-identified; or nobody decided what its kind says.
    """
    reading = label.reading
    if label.frames and label.deidentified is None:
        raise InputError(
            "Pictures enter the label store de-identified alone; send them through the picture gate first."
        )
    decided = reading is not None and reading.decision == label.kind and reading.reader.strip()
    if label.kind in ("accepted", "rejected") and not decided:
        raise InputError(f"A label is {label.kind} by a named reader alone; give the reading that decided so.")
    shape = (label.image.frame_count, label.image.rows, label.image.columns)
    for stack in (label.result, *(masks for _, masks in label.runs)):
        if stack is not None and stack.shape != shape:
            raise InputError(f"Masks of {stack.shape} do not fit an image of {shape}; give those of the same image.")
    for number, frame in label.frames.items():
        if not 1 <= number <= shape[0] or frame.shape[:2] != shape[1:]:
            raise InputError(
                f"Frame {number} of {frame.shape} does not fit an image of {shape}; give those of the same image."
            )


def store_blobs(
    label: NewLabel,
    case: str,
    blobs: BlobFolder,
    kept_frames: Mapping[int, str],
    evidence: Deidentification | None = None,
) -> LabelRecord:
    """Write the blobs of a label; return its record as version 1, still without its place in the history.

    `kept_frames` are the addresses of frames that an earlier version has, `evidence` why they may be stored.

    Raises:
        InputError: a frame that cannot be stored.
        OutputError: the blobs could not be written.
    """
    contents: dict[str, Content] = {}

    def address(content: Content) -> str:
        found = blobs.address(content)
        contents[found] = content
        return found

    def masks_address(masks: MaskStack | None) -> Digest | None:
        return None if masks is None else address(Content(masks.to_bytes()))

    runs = tuple(
        Run(analysis=address(Content(analysis_content(analysis, case))), masks=masks_address(masks))
        for analysis, masks in label.runs
    )
    result = masks_address(label.result)
    frames = {**kept_frames, **{number: address(_frame_content(frame)) for number, frame in label.frames.items()}}
    listed = address(_frame_list(frames)) if frames else None
    blobs.put(contents)
    reading = None if label.reading is None else label.reading.model_copy(update={"case": case})
    return LabelRecord(
        case=case,
        version=1,
        kind=label.kind,
        created="",
        software="",
        image=label.image,
        pathology=label.pathology,
        spacing=label.spacing or next((run.source.spacing for run, _ in reversed(label.runs)), None),
        slice_mm=label.slice_mm,
        frame_ms=label.frame_ms,
        runs=runs,
        result=result,
        frames=listed,
        deidentified=_evidence(label, kept_frames, evidence),
        reading=reading,
        decision=reading.decision if reading else "open",
        reason=reading.reason if reading else "",
        reader=reading.reader if reading else "",
        seconds_spent=reading.seconds_spent if reading else 0.0,
        tools=_tools(reading),
        models=_models(label.runs),
        settles=tuple(label.settles),
    )


def analysis_content(analysis: Analysis, case: str) -> bytes:
    """An analysis as it is stored: without names of files, which may hold a patient's, and under the pseudonym."""
    source = analysis.source.model_copy(update={"files": ()})
    frames = tuple(
        frame.model_copy(update={"mask": mask_name(case, frame.frame_number, source.frame_count)})
        for frame in analysis.frames
    )
    changes = {"case": case, "source": source, "frames": frames}
    return finite_json(analysis.model_copy(update=changes).model_dump(), "The analysis")


def store_frames(frames: "Mapping[int, np.ndarray]", blobs: BlobFolder) -> Digest:
    """Write frames, by 1-based number, and their list; the address of the list. Raises as `store_blobs`."""
    contents: dict[str, Content] = {}
    addresses = {}
    for number, frame in frames.items():
        content = _frame_content(frame)
        addresses[number] = blobs.address(content)
        contents[addresses[number]] = content
    listed = _frame_list(addresses)
    contents[blobs.address(listed)] = listed
    blobs.put(contents)
    return blobs.address(listed)


def _evidence(
    label: NewLabel, kept_frames: Mapping[int, str], before: Deidentification | None
) -> Deidentification | None:
    """Evidence that holds for all frames of the new version: those of an old store may have none."""
    if set(kept_frames) - set(label.frames) and before is None:
        return None
    return label.deidentified if label.frames else before


def _frame_list(addresses: Mapping[int, str]) -> Content:
    listed = {str(number): addresses[number] for number in sorted(addresses)}
    return Content(json.dumps(listed, separators=(",", ":")).encode())


def _frame_content(frame: "np.ndarray") -> Content:
    return Content(frame_to_bytes(frame), stride=1 if canonical_pixels(frame).ndim == 2 else 3)


def _tools(reading: Reading | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tool for lesion in reading.lesions for tool in lesion.tools)) if reading else ()


def _models(runs: Sequence[tuple[Analysis, MaskStack | None]]) -> tuple[ModelReference, ...]:
    used = [model for analysis, _ in runs for model in (analysis.models or (analysis.model,))]
    return tuple(dict.fromkeys(ModelReference(name=m.name, version=m.version, sha256=m.sha256) for m in used))
