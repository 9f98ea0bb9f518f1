"""Request "keep_label": a decided reading into the label store. It counts as decided once the store has it on disk."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .worker_clip import WorkerClip
from .worker_protocol import read_array

if TYPE_CHECKING:
    from ..birads.analysis import Analysis
    from ..birads.reading import Reading
    from ..labels.masks import MaskStack
    from ..labels.store import LabelStore


def keep_label(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Store a reading as a new version of its case.

    Args:
        arguments: `clip` WorkerClip as JSON, of all frames; `reading` Reading as JSON text, decided; `runs` list of
            `analysis` (JSON text) and `labels` (path of a .npy file, uint8 (frames, rows, columns)); `labels` path of
            the outlines as the reader left them, of the same shape; `store` folder, made where there is none;
            `encrypted` whether a new store is.

    Returns:
        `name` of the record, `case` (a pseudonym), `version`.

    Raises:
        InputError: masks that do not fit, no decision, or a damaged store.
        UsageError: the key of the store is missing.
        OutputError: not stored; nothing half-stored is left.
    """
    from pydantic import ValidationError

    from ..birads.reading import Reading
    from ..labels.image_identity import identity_of
    from ..labels.masks import MaskStack
    from ..labels.new_label import NewLabel

    handed = WorkerClip.from_json(arguments.get("clip") or {})
    clip = handed.clip()
    try:
        reading = Reading.model_validate_json(str(arguments.get("reading")))
    except ValidationError as error:
        raise InputError("The reading could not be handed on; decide again.") from error
    if reading.decision == "open":
        raise InputError("An open reading is no label; accept or reject it first.")
    headers = handed.all_headers()
    uids = dict.fromkeys(str(header.get("SOPInstanceUID", "")) for header in headers)
    runs = [_run(one) for one in arguments.get("runs") or ()]
    label = NewLabel(
        kind=reading.decision,
        image=identity_of((frame.pixels for frame in clip), clip.kind, [uid for uid in uids if uid]),
        result=MaskStack.of_labels(read_array(arguments.get("labels")), spoken=_looked_at(runs, reading)),
        reading=reading,
        runs=runs,
        frames={number: frame.pixels for number, frame in enumerate(clip, start=1)},
        # The store keeps a keyed pseudonym of it, so that splits keep a patient's images together.
        patient=next((str(header.PatientID) for header in headers if header.get("PatientID")), None),
    )
    with _opened(Path(str(arguments.get("store"))), bool(arguments.get("encrypted", True))) as store:
        record = store.put(label)
    return {"name": record.name, "case": record.case, "version": record.version}


def _looked_at(runs: "Sequence[tuple[Analysis, MaskStack | None]]", reading: "Reading") -> list[int]:
    """1-based numbers of the frames that a model or the reader looked at: only there does no mask mean no lesion."""
    analysed = {frame.frame_number for analysis, _ in runs for frame in analysis.frames}
    return sorted(analysed | {number for lesion in reading.lesions for number in lesion.edited_frames})


def _run(handed: Mapping[str, Any]) -> "tuple[Analysis, MaskStack | None]":
    from ..birads.analysis import Analysis
    from ..labels.masks import MaskStack

    analysis = Analysis.model_validate(json.loads(handed["analysis"]))
    spoken = [frame.frame_number for frame in analysis.frames]
    return analysis, MaskStack.of_labels(read_array(handed["labels"]), spoken=spoken)


def _opened(folder: Path, encrypted: bool) -> "LabelStore":
    from ..labels.store import LabelStore

    if folder.is_dir() and any(folder.iterdir()):
        return LabelStore.open(folder)
    return LabelStore.create(folder, encrypted=encrypted)
