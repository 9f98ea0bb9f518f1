"""A case as DICOM tells it: what a model drew becomes drafts of a run, what a person drew or said the reading."""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from ..errors import InputError
from .case_record import CaseRecord
from .case_source import analysis_without_run
from .dicom_lesions import Drawn, Masks, ToldLesion, described, model_of, models_of, not_told
from .dicom_terms import assessment_by_ai, descriptors_by_ai, lexicon_for, terms_by_reader
from .source import UltrasoundSource

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..birads.analysis import Analysis
    from ..birads.lexicon import Lexicon
    from ..birads.reading import LesionReading, Reading, Tool
    from ..dicom.segmentation_reading import SegmentationLabels, SegmentRead

OBJECTS = "BreastUSAssist.DICOM"
"""Attribute of a record's node: SOP instance UIDs of the SEG and SR that the case was made of."""
_LONGEST_NOTE = 4000
_LABELLED = re.compile(r"Lesion (\d{1,3})")
_DRAWN: dict[str, Drawn] = {"AUTOMATIC": "automatic", "SEMIAUTOMATIC": "semiautomatic"}


def lesions_of(dataset: "Dataset", laid: "SegmentationLabels") -> list[ToldLesion]:
    """The segments of a Segmentation that have a pixel on an image.

    Args:
        dataset: the Segmentation.
        laid: the same on all frames of the image.

    Raises:
        InputError: there are more segments than a case can have lesions.
    """
    masks: dict[int, dict[int, np.ndarray]] = {}
    for number, frame in sorted(laid.where):
        mask = laid.mask(number, frame)
        if mask.any():
            masks.setdefault(number, {})[frame] = mask
    segments = [one for one in laid.segments if one.number in masks]
    numbers = case_numbers(segments)
    models = {int(item["SegmentNumber"].value): model_of(item) for item in dataset["SegmentSequence"].value}
    return [
        ToldLesion(
            number=numbers[one.number],
            tracking_uid=one.tracking_uid or f"2.25.{uuid.uuid4().int}",
            masks=masks[one.number],
            drawn=_DRAWN.get(one.algorithm_type, "manual"),
            model=models.get(one.number),
        )
        for one in segments
    ]


def take_lesions(
    scene: Any,
    source: UltrasoundSource,
    lesions: Sequence[ToldLesion],
    said: "Mapping[str, Any] | None" = None,
    objects: Sequence[str] = (),
) -> None:
    """Make the case of an image what DICOM tells of its lesions.

    Args:
        scene: vtkMRMLScene.
        source: the image.
        lesions: as SEG and SR tell them.
        said: more fields of the Reading, see dicom_report.reading_fields.
        objects: SOP instance UIDs of what tells it; see `was_taken`.

    Raises:
        InputError: the reader worked on the case already.
    """
    from .case import open_case
    from .case_restoring import is_untouched, restore_case

    case = open_case(scene, source.volume)
    try:
        if not is_untouched(case):
            text = _("You have worked on {name} already, so nothing was changed; remove the image to load it anew.")
            raise InputError(text.format(name=source.name))
        runs, reading, planes = _content(source, lesions, case.lexicon, dict(said or {}))
        for _step in restore_case(case, runs, reading, hidden=planes):
            pass
        if case.record.node is not None:
            case.record.node.SetAttribute(OBJECTS, " ".join(objects) or None)
    finally:
        case.close()


def was_taken(scene: Any, source: UltrasoundSource, sop_instance_uid: str) -> bool:
    """Whether the case was made of a DICOM object already: a SEG brings its SR with it, and the other way round."""
    record = CaseRecord.find(scene, source)
    text = record.node.GetAttribute(OBJECTS) if record is not None and record.node is not None else None
    return sop_instance_uid in (text or "").split()


def case_numbers(segments: "Sequence[SegmentRead]") -> dict[int, int]:
    """Number in the case of each segment: the one in its label ("Lesion 3"), else its own, else the next in order.

    Raises:
        InputError: there are more segments than a case can have lesions.
    """
    from ..birads.run_merging import MOST_LESIONS

    if len(segments) > MOST_LESIONS:
        text = _("It has {count} segments and a case has up to {most} lesions; load a smaller one.")
        raise InputError(text.format(count=len(segments), most=MOST_LESIONS))
    own = [one.number for one in segments]
    labelled = [int(found.group(1)) if (found := _LABELLED.fullmatch(one.label)) else 0 for one in segments]
    for numbers in (labelled, own):
        if len(set(numbers)) == len(numbers) and all(1 <= number <= MOST_LESIONS for number in numbers):
            return dict(zip(own, numbers, strict=True))
    return {number: place for place, number in enumerate(sorted(own), start=1)}


def _content(
    source: UltrasoundSource, lesions: Sequence[ToldLesion], usual: "Lexicon", said: dict[str, Any]
) -> "tuple[list[tuple[Analysis, np.ndarray]], Reading, dict[tuple[int, int], np.ndarray]]":
    """Runs with their label images, the reading, and the reader's outlines by number and frame from 0."""
    from ..birads.reading import Reading

    lexicon = lexicon_for((one for lesion in lesions for one in (lesion.ai, lesion.reader) if one is not None), usual)
    drafted = {id(one): _drafted_masks(one) for one in lesions}
    runs: list[tuple[Analysis, np.ndarray]] = []
    run_of: dict[int, int] = {}
    for group in _runs_of([one for one in lesions if drafted[id(one)]], drafted):
        run_of |= {id(one): len(runs) for one in group}
        runs.append(_run(source, group, drafted, lexicon))
    readings: list[LesionReading] = []
    planes: dict[tuple[int, int], np.ndarray] = {}
    for one in lesions:
        edited = _edited_frames(one, drafted[id(one)])
        readings.append(_lesion_reading(one, run_of.get(id(one)), edited, source, lexicon))
        nothing = np.zeros((source.rows, source.columns), bool)
        planes |= {(one.number, frame): one.masks.get(frame, nothing) for frame in edited}
    ordered = tuple(sorted(readings, key=lambda one: one.number))
    return runs, Reading(case=source.name, lesions=ordered, **said), planes


def _drafted_masks(lesion: ToldLesion) -> Masks:
    """The AI's outlines: those that are told, else those that stand where nobody changed them."""
    return lesion.drafted or (lesion.masks if lesion.drawn == "automatic" else {})


def _edited_frames(lesion: ToldLesion, drafted: Masks) -> list[int]:
    """Frames from 0 in which the outline that stands is not the draft's, or no draft is known."""
    if not lesion.present:
        return []
    frames = lesion.masks.keys() | drafted.keys()
    same = (frame for frame in lesion.masks.keys() & drafted.keys())
    return sorted(frames - {frame for frame in same if np.array_equal(lesion.masks[frame], drafted[frame])})


def _runs_of(lesions: Sequence[ToldLesion], drafted: Mapping[int, Masks]) -> list[list[ToldLesion]]:
    """Lesions of one algorithm together, as far as no two overlap, for which a label image has no room."""
    runs: list[list[ToldLesion]] = []
    for lesion in lesions:
        for run in runs:
            apart = not any(_overlap(drafted[id(lesion)], drafted[id(other)]) for other in run)
            if run[0].model == lesion.model and apart:
                run.append(lesion)
                break
        else:
            runs.append([lesion])
    return runs


def _overlap(one: Masks, other: Masks) -> bool:
    return any((one[frame] & other[frame]).any() for frame in one.keys() & other.keys())


def _run(
    source: UltrasoundSource, lesions: Sequence[ToldLesion], drafted: Mapping[int, Masks], lexicon: "Lexicon"
) -> "tuple[Analysis, np.ndarray]":
    labels = np.zeros((source.frame_count, source.rows, source.columns), np.uint8)
    drafts = []
    for lesion in lesions:
        masks, told = drafted[id(lesion)], lesion.ai or lesion.reader
        for frame, mask in masks.items():
            labels[frame][mask] = lesion.number
        category = None if told is None else told.category if told is lesion.ai else told.suggested_category
        drafts.append(
            described(
                lesion,
                masks,
                source,
                drawn="automatic",
                key_frame=lesion.key_frame,
                descriptors=() if told is None else descriptors_by_ai(told, lexicon),
                assessment=not_told(lexicon) if told is None else assessment_by_ai(told, lexicon, category),
            )
        )
    empty, models = analysis_without_run(source, lexicon), models_of(lesions)
    used = {"model": models[0], "models": models} if models else {}
    return empty.model_copy(update={**used, "lesions": tuple(drafts)}), labels


def _lesion_reading(
    lesion: ToldLesion, run: int | None, edited: list[int], source: UltrasoundSource, lexicon: "Lexicon"
) -> "LesionReading":
    from ..birads.reading import LesionReading

    said = lesion.reader
    revised = None
    if lesion.present and (edited or run is None):
        told = said or lesion.ai
        category = None if told is None else told.suggested_category if told is said else told.category
        revised = described(
            lesion,
            lesion.masks,
            source,
            drawn=lesion.drawn,
            key_frame=lesion.key_frame,
            descriptors=() if told is None else descriptors_by_ai(told, lexicon),
            assessment=not_told(lexicon) if told is None else assessment_by_ai(told, lexicon, category),
        )
    return LesionReading(
        tracking_uid=lesion.tracking_uid,
        number=lesion.number,
        run=run,
        present=lesion.present,
        revised=revised,
        descriptors={} if said is None else terms_by_reader(said, lexicon),
        category=None if said is None else said.category,
        note="" if said is None else said.note[:_LONGEST_NOTE],
        edited_frames=tuple(frame + 1 for frame in edited),
        tied_to=lesion.tied_to if said is not None else None,
        tools=_tools(lesion, run),
    )


def _tools(lesion: ToldLesion, run: int | None) -> "tuple[Tool, ...]":
    if not lesion.present:
        return ("removed",)
    if run is not None:
        return ()
    return ("click",) if lesion.drawn == "semiautomatic" else ("added",)
