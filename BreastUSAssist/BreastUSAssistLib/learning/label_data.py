"""Labels of a store as training images: frames, outlines and classes, some patients held back to judge by."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..errors import InputError
from ..labels.counted_labels import Disputes, counted_versions
from ..labels.export_query import ExportQuery, Part
from ..labels.export_split import parts_of
from ..labels.image_identity import identity_of
from ..labels.known_values import pathology_of
from ..labels.picture_evidence import HOW_TO, with_evidence
from ..labels.record import LabelRecord, Pathology, RecordKind
from ..labels.store import LabelStore
from ..model.preprocessing import Letterbox
from ..ultrasound.frame import SourceReference, UltrasoundFrame
from .manifest import ManifestRow, load_image
from .training_data import CLASSES, TrainingImages

DATASET = "labels"


class LabelQuery(BaseModel):
    """Which labels are learnt from, and which are held back. The same query of the same store gives the same frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[RecordKind, ...] = ("accepted", "imported")
    """Cases whose latest version is of one of these."""
    held_back: float = Field(default=0.2, gt=0, lt=1)
    """Share of the patients that nothing is learnt from; which they are follows from a hash of patient and seed."""
    seed: int = 0
    frames_a_case: int = Field(default=5, ge=1)
    """Most frames of one case, spread over those that its masks speak of: neighbours of a cine are alike."""
    include_disputed: bool = False
    """Whether cases in dispute count, as their last reader left them."""
    head: str | None = Field(default=None, pattern=r"^\d{1,18}:[0-9a-f]{64}$")
    """Entry of the audit trail up to which labels count; None: all that are there."""


@dataclass(frozen=True)
class LabelledFrame:
    """One frame of a label; its pixels and masks stay in the store until `read_frame`."""

    record: LabelRecord
    number: int
    """1-based."""
    patient: str
    """Pseudonym; the case where the patient is not known."""
    part: Part
    pathology: Pathology | None
    """What was proven of the case; None where unknown, normal where the reader left no lesion in this frame."""


@dataclass(frozen=True)
class LabelData:
    """Frames to learn from and frames held back, of different patients."""

    query: LabelQuery
    """As asked for, with the head up to which labels were counted."""
    training: tuple[LabelledFrame, ...]
    held_back: tuple[LabelledFrame, ...]
    notes: tuple[str, ...] = ()
    """What was left out and why, a sentence each."""

    @property
    def digest(self) -> str:
        """SHA-256 over the versions and frames of both parts."""
        told = [f"{one.part} {one.record.name} {one.number}" for one in (*self.training, *self.held_back)]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


def label_data(store: LabelStore, query: LabelQuery) -> LabelData:
    """Frames of the labels that `query` asks for, patients kept together.

    A frame counts where its pixels are stored, with evidence that they show no patient data, and somebody looked at it;
    without a lesion it is an example of none.
    The patients held back are those that an export with the same share and seed calls its test part.

    Raises:
        InputError: no label can be learnt from.
    """
    head = query.head or store.head()
    last = int(head.partition(":")[0])
    disputes = None if query.include_disputed else Disputes(store, last)
    frames: list[LabelledFrame] = []
    without = disputed = unproven = 0
    damaged: list[str] = []
    for case, version in counted_versions(store, query.kinds, last):
        try:
            if disputes is not None and disputes.holds(case):
                disputed += 1
                continue
            record = with_evidence(store, stored := store.get(case, version))
            found = _frames(store, record, query.frames_a_case)
        except InputError as error:
            damaged.append(str(error))
            continue
        hidden = stored.frames is not None and record.frames is None
        unproven, without = unproven + hidden, without + (not found and not hidden)
        frames += found
    split = ExportQuery(format="datalist", split=query.held_back, seed=query.seed)
    parts = parts_of({one.record.case: one.patient for one in frames}, split)
    frames = [replace(one, part=parts[one.record.case][0]) for one in frames]
    notes = damaged
    if disputed:
        notes.append(f"{disputed} cases are in dispute and were left out; settle them, or ask for --include-disputed.")
    if unproven:
        notes.append(
            f"{unproven} labels were left out because nothing says that their pictures show no patient data; {HOW_TO}."
        )
    if without:
        notes.append(f"{without} labels without masks or stored pixels were left out.")
    training = tuple(one for one in frames if one.part == "train")
    if not training:
        advice = HOW_TO if unproven else "accept some cases, or import masks with images"
        raise InputError(f"{store.folder} holds no label that could be learnt from; {advice}.")
    held_back = tuple(one for one in frames if one.part == "test")
    return LabelData(query.model_copy(update={"head": head}), training, held_back, tuple(notes))


def read_frame(store: LabelStore, frame: LabelledFrame) -> tuple[np.ndarray, np.ndarray]:
    """Grey levels, uint8 (rows, columns), and where a lesion is, bool of the same shape.

    Raises:
        InputError: frame or masks are damaged.
    """
    pixels = store.frame(frame.record, frame.number)
    masks = store.result(frame.record)
    lesion = np.zeros(pixels.shape[:2], bool)
    if masks is not None:
        for number in masks.numbers:
            lesion |= masks.mask(frame.number, number)
    source = SourceReference(store.folder / frame.record.case, frame.number)
    return UltrasoundFrame(pixels, source).grey, lesion


def label_images(store: LabelStore, frames: Sequence[LabelledFrame], size: int) -> TrainingImages:
    """The frames letterboxed to `size`, as training takes them.

    Raises:
        InputError: a frame is damaged, or there is none.
    """
    if not frames:
        raise InputError("There is no label to learn from; accept some cases first.")
    images, masks = [], []
    for frame in frames:
        grey, lesion = read_frame(store, frame)
        letterbox = Letterbox((0, 0, *grey.shape), size)
        images.append(letterbox.apply(grey))
        masks.append(letterbox.apply(lesion.astype(np.uint8), nearest=True))
    classes = [CLASSES.index(one.pathology) if one.pathology in CLASSES else -1 for one in frames]
    return TrainingImages(np.stack(images), np.stack(masks), np.array(classes, np.int64), np.full(len(frames), DATASET))


def rows_apart(
    store: LabelStore, rows: Sequence[ManifestRow], frames: Sequence[LabelledFrame]
) -> tuple[ManifestRow, ...]:
    """Rows of a manifest whose patient and pixels are not among the frames; rows that cannot be read are left out.

    What is held back must not come back through the original data, nor what was learnt count as unseen there.
    """
    patients = {one.patient for one in frames}
    cases = {one.record.case for one in frames}
    kept = []
    for row in rows:
        if row.problem is not None or (row.patient and store.patient_of(row.patient) in patients):
            continue
        try:
            case = store.case_of(identity_of([load_image(row)], "still"))
        except InputError:
            continue
        if case not in cases:
            kept.append(row)
    return tuple(kept)


def _frames(store: LabelStore, record: LabelRecord, most: int) -> list[LabelledFrame]:
    masks = store.result(record)
    if masks is None:
        return []
    stored = sorted(set(masks.spoken) & set(store.frame_numbers(record)))
    if len(stored) > most:
        stored = [stored[index] for index in np.linspace(0, len(stored) - 1, most).round().astype(int)]
    pathology = pathology_of(store, record)
    shown = {frame for frame, _ in masks.planes}
    patient = record.patient or record.case
    normal: Pathology = "normal"
    return [
        LabelledFrame(
            record,
            number,
            patient,
            "train",
            normal if number not in shown else None if pathology == normal else pathology,
        )
        for number in stored
    ]
