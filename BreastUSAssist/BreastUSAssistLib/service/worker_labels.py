"""Request "keep_label": a reading, decided or in work, into the label store; kept once it is on the disk."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, UsageError
from .worker_clip import WorkerClip
from .worker_label_masks import handed_masks
from .worker_stores import store_folder

if TYPE_CHECKING:
    from ..birads.analysis import Analysis, Spacing
    from ..birads.reading import Reading
    from ..labels.masks import MaskStack
    from ..labels.new_label import NewLabel
    from ..labels.picture_gate import GatedPictures
    from ..labels.record import ImageIdentity, LabelRecord
    from ..labels.store import LabelStore
    from .worker_requests import Attend, Progress, Worksite
    from .worker_stores import OpenStores

    Runs = Sequence[tuple[Analysis, MaskStack | None]]

BESIDE = 0
"""Stands for the version of work that is kept beside a case."""


def keep_label(
    arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend"
) -> dict[str, Any]:
    """Store a reading as a new version of its case.

    Work in progress on a case that another decided, or that several readers did, is kept beside it (see work_beside).

    Args:
        arguments: `store` folder, made where there is none, and `encrypted` whether a new one is; `reading` Reading as
            JSON text; `kind` None for a decided reading, "autosaved" for an open one, kept under its reader's name, for
            which `reader` stands in where the reading has none yet; the image, as `clip` WorkerClip as JSON, of all
            frames, or as `case`, its pseudonym, where the store has it already (see "find_label") and only `spacing`
            {row_mm, column_mm, source} or None is told of it; `runs` list of `analysis` (JSON text) and masks, or
            `runs_of`, a version that has the same (0: the reader's work that is kept beside); the masks as the reader
            left them. Masks are `labels`, path of a .npy file, uint8 (frames, rows, columns), or `packed`, see
            worker_label_masks. `parent` version that the reader started from, or None for the latest; `settles` True
            where the decision settles a dispute; `declared_by` who declares that the image is de-identified, or None.
        site: of this process.
        progress: told after each frame of a clip.
        attend: not called: what is handed over to be kept is kept, whatever is asked meanwhile.

    Returns:
        `name` of the record, `case` (a pseudonym), `version`, `kind`; `new` False where it says the same as the latest
        version, which is named then. `beside` True where it was kept beside the case, which `name` is then, and
        `version` None. `picture` where the image was looked at: `kept`, and `why` not in a sentence, or `evidence`
        ("header", "cleaned", "declared"), `texts` filled in each frame and `blanked_share` of it; None where the store
        had it. Or `name` None and `needs_frames` True where the store lacks `case` or any of its frames: send
        it again with `clip`.

    Raises:
        InputError: masks that do not fit, no decision, or a damaged store.
        UsageError: the key of the store is missing, there is no such parent, or no dispute that this reader may settle.
        OutputError: not stored; nothing half-stored is left.
    """
    from ..labels.adjudication import adjudicate
    from .work_beside import forget_work, keep_work

    reading = _reading(arguments)
    folder, encrypted = store_folder(arguments.get("store")), bool(arguments.get("encrypted", True))
    with site.stores.use_or_make(folder, encrypted) as store:
        if arguments.get("case"):
            image = _stored_image(arguments, store, site.stores)
        else:
            image = _handed_image(arguments, store, site.stores, progress)
        if image is None:
            return {"name": None, "needs_frames": True}
        label, picture = _label(arguments, reading, image, store)
        case = store.case_of(label.image)
        if label.kind == "autosaved" and _hides_a_decision(store, label):
            new = keep_work(store, label)
            return {"name": case, "case": case, "version": None, "beside": True, "new": new, "picture": None}
        before = store.history(case)
        record = adjudicate(store, label) if arguments.get("settles") else store.put(label)
        forget_work(store, case, reading.reader)
    new = not before or record.version != before[-1].version
    told = {"name": record.name, "case": record.case, "version": record.version, "kind": record.kind, "new": new}
    return told | {"picture": picture}


@dataclass(frozen=True, eq=False)
class _Image:
    """The image of a label, and what of it is to be stored."""

    identity: "ImageIdentity"
    look: "Callable[[MaskStack | None], GatedPictures] | None" = None
    """Sends its frames through the gate, given the outlines; None where the store has them, or cannot have them."""
    spacing: "Spacing | None" = None
    """Where no run says it."""
    measured: "Spacing | None" = None
    """By the user: stands above that of the runs."""
    slice_mm: float | None = None
    frame_ms: float | None = None
    patient: str | None = None


def _reading(arguments: Mapping[str, Any]) -> "Reading":
    from pydantic import ValidationError

    from ..birads.reading import Reading

    try:
        reading = Reading.model_validate_json(str(arguments.get("reading")))
    except ValidationError as error:
        raise InputError("The reading could not be handed on; decide again.") from error
    kind = arguments.get("kind")
    if kind not in (None, "autosaved", reading.decision):
        raise UsageError(f"A reading that is {reading.decision} cannot be kept as {str(kind)[:20]}.")
    if kind != "autosaved":
        if reading.decision == "open":
            raise InputError("An open reading is no label; accept or reject it first.")
        return reading
    if reading.decision != "open":
        raise UsageError("A decided reading is no work in progress; open the case again to go on.")
    reader = reading.reader.strip() or str(arguments.get("reader") or "").strip()
    if not reader:
        raise UsageError("Work in progress is kept under its reader's name; enter yours in section 5.")
    return reading.model_copy(update={"reader": reader[:200]})


def _handed_image(
    arguments: Mapping[str, Any], store: "LabelStore", stores: "OpenStores", progress: "Progress"
) -> _Image:
    """The image of a clip. Raises InputError: it is none, or a part."""
    from ..birads.analysis import Spacing
    from ..labels.image_identity import identity_of
    from ..labels.picture_gate import PictureGate, outlined_in
    from ..ultrasound.tissue import tissue_box

    handed = WorkerClip.from_json(arguments.get("clip") or {})
    if handed.is_part:
        raise InputError("A label needs all frames of the case; try again.")
    clip, headers = handed.clip(), handed.all_headers()
    uids = dict.fromkeys(str(header.get("SOPInstanceUID", "")) for header in headers)

    def pixels() -> Iterator[np.ndarray]:
        for done, frame in enumerate(clip, 1):
            yield frame.pixels
            progress(done, len(clip), "reading the image")

    identity = identity_of(pixels(), clip.kind, [uid for uid in uids if uid])
    declared_by = str(arguments.get("declared_by") or "")
    gate = PictureGate(declared_by) if declared_by else stores.gate

    def look(result: "MaskStack | None") -> "GatedPictures":
        passed = gate(clip, outlined_in(result), progress)
        if not passed.frames:
            stores.refused.add(identity.sha256)
        return passed

    first = clip.frame(0)
    known = first.spacing_in(tissue_box(first))
    spacing = None
    if known is not None:
        spacing = Spacing(row_mm=known.row_mm, column_mm=known.column_mm, source=known.source)
    return _Image(
        identity,
        None if _has_frames(store, identity) else look,
        spacing,
        spacing if handed.spacing is not None and handed.spacing[2] == "user" else None,
        clip.slice_mm,
        clip.frame_ms,
        # The store keeps a keyed pseudonym of it, so that splits keep a patient's images together.
        next((str(header.PatientID) for header in headers if header.get("PatientID")), None),
    )


def _stored_image(arguments: Mapping[str, Any], store: "LabelStore", stores: "OpenStores") -> _Image | None:
    """The image of a case that the store has with all its frames, or can have no more of; else None."""
    from pydantic import ValidationError

    from ..birads.analysis import Spacing
    from ..labels.picture_evidence import has_pictures

    record = _readable(store, str(arguments["case"]))
    if record is None:
        return None
    if record.image.sha256 not in stores.refused and not has_pictures(store, record):
        return None
    try:
        told = None if arguments.get("spacing") is None else Spacing.model_validate(arguments["spacing"])
    except ValidationError as error:
        raise InputError("The pixel spacing could not be handed on; calibrate the image again.") from error
    measured = told if told is not None and told.source == "user" else None
    return _Image(record.image, None, told or record.spacing, measured)


def _has_frames(store: "LabelStore", image: "ImageIdentity") -> bool:
    from ..labels.picture_evidence import has_pictures

    record = _readable(store, store.case_of(image))
    return record is not None and has_pictures(store, record)


def _readable(store: "LabelStore", case: str) -> "LabelRecord | None":
    """The latest version; None also where it is damaged: the next one is stored all the same."""
    try:
        record = store.latest(case)
        if record is not None:
            store.frame_numbers(record)
    except InputError:
        return None
    return record


def _label(
    arguments: Mapping[str, Any], reading: "Reading", image: _Image, store: "LabelStore"
) -> "tuple[NewLabel, dict[str, object] | None]":
    """The label, and what is told of its pictures where they were looked at."""
    from ..labels.new_label import NewLabel

    shape = (image.identity.frame_count, image.identity.rows, image.identity.columns)
    runs = _runs(arguments, shape, store, store.case_of(image.identity), reading.reader)
    of_runs = next((run.source.spacing for run, _ in reversed(runs) if run.source.spacing is not None), None)
    parent = arguments.get("parent")
    result = handed_masks(arguments, shape, _looked_at(runs, reading))
    passed = None if image.look is None else image.look(result)
    label = NewLabel(
        kind="autosaved" if reading.decision == "open" else reading.decision,
        image=image.identity,
        result=result,
        reading=reading,
        runs=runs,
        frames={} if passed is None else passed.frames,
        deidentified=None if passed is None else passed.deidentified,
        spacing=image.measured or of_runs or image.spacing,
        slice_mm=image.slice_mm,
        frame_ms=image.frame_ms,
        patient=image.patient,
        parent=None if parent is None else int(parent),
    )
    return label, None if passed is None else passed.told()


def _runs(
    arguments: Mapping[str, Any], shape: tuple[int, int, int], store: "LabelStore", case: str, reader: str
) -> "Runs":
    """The drafts, as they are handed or as a version has them."""
    from ..birads.analysis import Analysis
    from .analysis_file import upgraded

    version = arguments.get("runs_of")
    if version == BESIDE:
        from .work_beside import work_of

        work = work_of(store, case, reader)
        return [] if work is None else list(work.runs())
    if version is not None:
        record = store.get(case, int(version))
        drafts = zip(store.analyses(record), store.drafts(record), strict=True)
        return [(Analysis.model_validate_json(json.dumps(upgraded(said))), masks) for said, masks in drafts]
    found = []
    for handed in arguments.get("runs") or ():
        analysis = Analysis.model_validate_json(handed["analysis"])
        spoken = [frame.frame_number for frame in analysis.frames]
        found.append((analysis, handed_masks(handed, shape, spoken)))
    return found


def _looked_at(runs: "Runs", reading: "Reading") -> list[int]:
    """1-based numbers of the frames that a model or the reader looked at: only there does no mask mean no lesion."""
    analysed = {frame.frame_number for analysis, _ in runs for frame in analysis.frames}
    return sorted(analysed | {number for lesion in reading.lesions for number in lesion.edited_frames})


def _hides_a_decision(store: "LabelStore", label: "NewLabel") -> bool:
    """Whether a version of work in progress would stand above a decision that is not this reader's alone."""
    from ..labels.case_facts import case_facts
    from ..labels.double_reading import double_reading_of, reader_key

    case = store.case_of(label.image)
    if not any(one.kind in ("accepted", "rejected") for one in store.history(case)):
        return False
    double = double_reading_of(store)
    facts = case_facts(store, case, double)
    if facts.state(double) not in ("accepted", "rejected", "disputed"):
        return False
    last = next(step for step in reversed(facts.steps) if step.decided)
    own = label.reading is not None and reader_key(last.reader) == reader_key(label.reading.reader)
    return not own or (double is not None and double.of_case(case) is not None)
