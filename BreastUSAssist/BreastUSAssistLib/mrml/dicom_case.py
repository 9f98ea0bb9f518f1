"""A case as a DICOM Segmentation tells it: which outlines a model drew, which a reader."""

import re
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from ..errors import InputError
from .source import UltrasoundSource

if TYPE_CHECKING:
    from ..dicom.segmentation_reading import SegmentationLabels, SegmentRead

_LABELLED = re.compile(r"Lesion (\d{1,3})")


def take_segmentation(scene: Any, source: UltrasoundSource, laid: "SegmentationLabels") -> None:
    """Put the segments of a Segmentation into the case of an image, as lesions with their outlines in each frame.

    Args:
        scene: vtkMRMLScene.
        source: the image.
        laid: the Segmentation on all frames of the image.

    Raises:
        InputError: the reader worked on the case already, or there are too many segments.
    """
    from ..birads.reading import LesionReading, Reading
    from .case import open_case
    from .case_restoring import restore_case

    numbers = case_numbers([one for one in laid.segments if any(key[0] == one.number for key in laid.where)])
    planes = {(numbers[number], frame): laid.mask(number, frame) for number, frame in laid.where if number in numbers}
    lesions = [
        LesionReading(
            tracking_uid=one.tracking_uid or f"2.25.{uuid.uuid4().int}",
            number=numbers[one.number],
            edited_frames=tuple(frame + 1 for number, frame in sorted(planes) if number == numbers[one.number]),
            tools=("added",),
        )
        for one in laid.segments
        if one.number in numbers
    ]
    reading = Reading(case=source.name, lesions=tuple(sorted(lesions, key=lambda one: one.number)))
    case = open_case(scene, source.volume)
    try:
        for _step in restore_case(case, (), reading, np.zeros(laid.labels.shape, np.uint8), planes):
            pass
    finally:
        case.close()


def case_numbers(segments: "list[SegmentRead]") -> dict[int, int]:
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
