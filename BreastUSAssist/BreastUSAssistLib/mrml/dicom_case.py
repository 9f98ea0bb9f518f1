"""A case as DICOM tells it: outlines that a model drew become drafts of a run, those of a person the reader's."""

import re
import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from ..errors import InputError
from .case_source import analysis_without_run
from .dicom_lesions import Drawn, ToldLesion, described
from .source import UltrasoundSource

if TYPE_CHECKING:
    from ..birads.analysis import Analysis
    from ..birads.lexicon import Lexicon
    from ..birads.reading import LesionReading, Reading
    from ..dicom.segmentation_reading import SegmentationLabels, SegmentRead

_LABELLED = re.compile(r"Lesion (\d{1,3})")
_DRAWN: dict[str, Drawn] = {"AUTOMATIC": "automatic", "SEMIAUTOMATIC": "semiautomatic"}


def lesions_of(laid: "SegmentationLabels") -> list[ToldLesion]:
    """The segments of a Segmentation that have a pixel on an image.

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
    return [
        ToldLesion(
            number=numbers[one.number],
            tracking_uid=one.tracking_uid or f"2.25.{uuid.uuid4().int}",
            masks=masks[one.number],
            drawn=_DRAWN.get(one.algorithm_type, "manual"),
            algorithm=(one.algorithm_name or "", getattr(one, "algorithm_version", None) or ""),
            name=one.label,
        )
        for one in segments
    ]


def take_lesions(scene: Any, source: UltrasoundSource, lesions: Sequence[ToldLesion]) -> None:
    """Make the case of an image what DICOM tells of its lesions.

    Raises:
        InputError: the reader worked on the case already.
    """
    from .case import open_case
    from .case_restoring import is_untouched, restore_case

    case = open_case(scene, source.volume)
    try:
        if not is_untouched(case):
            text = _(
                "You have worked on {name} already; nothing was changed. Remove the image to load what DICOM holds."
            )
            raise InputError(text.format(name=source.name))
        runs, reading, planes = _content(source, lesions, case.lexicon)
        empty = np.zeros((source.frame_count, source.rows, source.columns), np.uint8)
        for _step in restore_case(case, runs, reading, empty, planes):
            pass
    finally:
        case.close()


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
    source: UltrasoundSource, lesions: Sequence[ToldLesion], lexicon: "Lexicon"
) -> "tuple[list[tuple[Analysis, np.ndarray]], Reading, dict[tuple[int, int], np.ndarray]]":
    """Runs with their label images, the reading, and the reader's outlines by number and frame from 0."""
    from ..birads.reading import Reading

    runs: list[tuple[Analysis, np.ndarray]] = []
    readings: list[LesionReading] = []
    for group in _runs_of(one for one in lesions if one.drawn == "automatic"):
        runs.append(_run(source, group, lexicon))
        readings += [_drafted(one, len(runs) - 1) for one in group]
    drawn = [one for one in lesions if one.drawn != "automatic"]
    readings += [_drawn(one, source, lexicon) for one in drawn]
    planes = {(one.number, frame): mask for one in drawn for frame, mask in one.masks.items()}
    ordered = sorted(readings, key=lambda one: one.number)
    return runs, Reading(case=source.name, lesions=tuple(ordered)), planes


def _runs_of(lesions: Iterable[ToldLesion]) -> list[list[ToldLesion]]:
    """Lesions of one algorithm together, as far as no two overlap, for which a label image has no room."""
    runs: list[list[ToldLesion]] = []
    for lesion in lesions:
        for run in runs:
            if run[0].algorithm == lesion.algorithm and not any(_overlap(lesion, other) for other in run):
                run.append(lesion)
                break
        else:
            runs.append([lesion])
    return runs


def _overlap(one: ToldLesion, other: ToldLesion) -> bool:
    return any((one.masks[frame] & other.masks[frame]).any() for frame in one.masks.keys() & other.masks.keys())


def _run(source: UltrasoundSource, lesions: Sequence[ToldLesion], lexicon: "Lexicon") -> "tuple[Analysis, np.ndarray]":
    from ..birads.analysis import ModelUsed

    labels = np.zeros((source.frame_count, source.rows, source.columns), np.uint8)
    for lesion in lesions:
        for frame, mask in lesion.masks.items():
            labels[frame][mask] = lesion.number
    name, version = lesions[0].algorithm
    model = ModelUsed(name=name or "unknown", version=version, sha256="", backend="", precision="", device="")
    drafts = tuple(described(one, one.masks, source, lexicon, drawn="automatic") for one in lesions)
    empty = analysis_without_run(source, lexicon)
    return empty.model_copy(update={"model": model, "models": (model,), "lesions": drafts}), labels


def _drafted(lesion: ToldLesion, run: int) -> "LesionReading":
    from ..birads.reading import LesionReading

    return LesionReading(tracking_uid=lesion.tracking_uid, number=lesion.number, run=run)


def _drawn(lesion: ToldLesion, source: UltrasoundSource, lexicon: "Lexicon") -> "LesionReading":
    """A lesion with an outline that is not a model's alone, whose draft is not known."""
    from ..birads.reading import LesionReading

    return LesionReading(
        tracking_uid=lesion.tracking_uid,
        number=lesion.number,
        revised=described(lesion, lesion.masks, source, lexicon, drawn=lesion.drawn),
        edited_frames=tuple(frame + 1 for frame in sorted(lesion.masks)),
        tools=("click",) if lesion.drawn == "semiautomatic" else ("added",),
    )
