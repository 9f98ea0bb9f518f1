"""One measurement group of a Structured Report (PS3.16 TID 1410, 1411, 1501) as data."""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..birads.lesion import Code
from ..errors import InputError
from . import codes
from .report_model import (
    AlgorithmRead,
    By,
    DescriptorRead,
    FindingRead,
    ImageReference,
    MeasurementRead,
    Origin,
    OutlineRead,
)
from .report_tree import ContentItem, coded, same_code, unicode_text

if TYPE_CHECKING:
    from pydicom import Dataset

MOST_NUMBERS = 400_000
"""Of one outline; a polyline of today's software has some thousand."""
PROPERTIES = (
    codes.FINDING,
    codes.FINDING_CATEGORY,
    codes.FINDING_SITE,
    codes.ASSESSMENT_CATEGORY,
    codes.SUGGESTED_CATEGORY,
    codes.OUTLINE_ORIGIN,
    codes.READER_VERDICT,
    codes.RENDERING_INTENT,
    codes.OBSERVER_TYPE,
    codes.FINDINGS_SUMMARY,
)
"""Coded items of a group that are no descriptors."""
MORE_CATEGORIES = {"6": (Code(value="6111000179101", scheme="SCT", meaning="BI-RADS Category 6"),)}
"""What other software writes for them."""


def read_finding(group: ContentItem, by_reader: bool, name: str) -> FindingRead:
    """What a group says of one lesion.

    Args:
        group: its container.
        by_reader: whether it is the reader's, and not an algorithm's alone.
        name: of the file, for sentences.

    Raises:
        InputError: an outline is damaged.
    """
    site = next(iter(group.named(codes.FINDING_SITE, kind="CODE")), None)
    numbers = tuple(found for one in group.children if one.kind == "NUM" and (found := read_number(one)) is not None)
    chance = next((one for one in numbers if same_code(one.name, codes.PROBABILITY_OF_CANCER)), None)
    assessed = group.code(codes.ASSESSMENT_CATEGORY)
    suggested = group.code(codes.SUGGESTED_CATEGORY)
    category = assessed if by_reader else assessed or suggested
    images = [one for one in group.children if one.kind == "IMAGE"]
    references = [found for one in images for found in _references(one)]
    remarks = list(group.named(codes.COMMENT, kind="TEXT"))
    probability, interval = _share(chance)
    return FindingRead(
        outlines=tuple(outline for one in group.children if one.kind == "SCOORD" for outline in _outline(one, name)),
        segments=tuple(one for one in references if one.segment_numbers),
        images=tuple(one for one in references if not one.segment_numbers),
        finding=group.code(codes.FINDING),
        finding_category=group.code(codes.FINDING_CATEGORY),
        site=site.code_value if site else None,
        laterality=site.code(codes.SIDE) if site else None,
        place=site.code(codes.PLACE) if site else None,
        origin=_origin(group),
        algorithm=_algorithm(group),
        measurements=tuple(one for one in numbers if one is not chance),
        descriptors=tuple(_descriptors(group)),
        category=_category(category),
        category_code=category,
        suggested_category=_category(suggested) if by_reader else None,
        probability=probability,
        interval=interval,
        note="\n".join(one.text_value for one in remarks if _by(one) == "reader"),
        remarks=tuple(one.text_value for one in remarks if _by(one) != "reader"),
    )


def read_number(item: ContentItem) -> MeasurementRead | None:
    """A NUM item (PS3.3 C.18.1); None where it has no name or no finite value."""
    value, unit = _value(item)
    if value is None or item.name is None:
        return None
    ends = {
        code.value: _value(one)[0]
        for code in (codes.UPPER_UNCERTAINTY, codes.LOWER_UNCERTAINTY)
        for one in item.named(code, kind="NUM")
    }
    upper, lower = ends.get(codes.UPPER_UNCERTAINTY.value), ends.get(codes.LOWER_UNCERTAINTY.value)
    interval = None if upper is None or lower is None else (round(value - lower, 9), round(value + upper, 9))
    return MeasurementRead(name=item.name, value=value, unit=unit, interval=interval, algorithm=_algorithm(item))


def image_reference(item: "Dataset") -> ImageReference:
    """A referenced SOP instance with its frames and segments (PS3.3 C.18.4)."""
    return ImageReference(
        sop_instance_uid=unicode_text(item.get("ReferencedSOPInstanceUID")),
        sop_class_uid=unicode_text(item.get("ReferencedSOPClassUID")),
        frame_numbers=_integers(item.get("ReferencedFrameNumber")),
        segment_numbers=_integers(item.get("ReferencedSegmentNumber")),
    )


def _outline(item: ContentItem, name: str) -> Iterator[OutlineRead]:
    """The region of a SCOORD item on each frame that it was selected from."""
    data = item.dataset.get("GraphicData")
    numbers = [float(one) for one in ([data] if isinstance(data, (int, float)) else data or ())]
    if not numbers or len(numbers) % 2 or len(numbers) > MOST_NUMBERS or not all(map(math.isfinite, numbers)):
        raise InputError(f"{name} holds a damaged outline; export it again.")
    points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    for image in item.children:
        for reference in _references(image) if image.kind == "IMAGE" else ():
            for frame in reference.frame_numbers or (None,):
                yield OutlineRead(
                    sop_instance_uid=reference.sop_instance_uid,
                    sop_class_uid=reference.sop_class_uid,
                    frame_number=frame,
                    graphic_type=unicode_text(item.dataset.get("GraphicType")),
                    points=points,
                )


def _references(item: ContentItem) -> Iterable[ImageReference]:
    return (image_reference(one) for one in item.dataset.get("ReferencedSOPSequence") or ())


def _descriptors(group: ContentItem) -> Iterator[DescriptorRead]:
    for item in group.children:
        value = item.code_value
        if item.kind != "CODE" or item.relationship != "CONTAINS" or item.is_named(*PROPERTIES):
            continue
        if item.name is not None and value is not None:
            yield DescriptorRead(name=item.name, value=value, by=_by(item), algorithm=_algorithm(item))


def _by(item: ContentItem) -> By | None:
    if same_code(item.code(codes.OBSERVER_TYPE), codes.PERSON):
        return "reader"
    return "algorithm" if item.text(codes.ALGORITHM_NAME) else None


def _algorithm(item: ContentItem) -> AlgorithmRead | None:
    name = item.text(codes.ALGORITHM_NAME)
    if not name:
        return None
    parameters = tuple(one.text_value for one in item.named(codes.ALGORITHM_PARAMETERS))
    return AlgorithmRead(name=name, version=item.text(codes.ALGORITHM_VERSION), parameters=parameters)


def _origin(group: ContentItem) -> Origin | None:
    """As it is coded; of other software: algorithm and person both, or one of them, named in the group."""
    said = group.code(codes.OUTLINE_ORIGIN)
    known: dict[str, Origin] = {"automatic": "automatic", "semiautomatic": "semiautomatic", "manual": "manual"}
    for key, origin in known.items():
        if same_code(codes.ORIGINS[key], said):
            return origin
    person = same_code(group.code(codes.OBSERVER_TYPE), codes.PERSON)
    algorithm = bool(group.text(codes.ALGORITHM_NAME))
    if person:
        return "semiautomatic" if algorithm else "manual"
    return "automatic" if algorithm else None


def _category(code: Code | None) -> str | None:
    for key, known in codes.READER_CATEGORIES.items():
        if any(same_code(one, code) for one in (known, *MORE_CATEGORIES.get(key, ()))):
            return key
    return None


def _share(chance: MeasurementRead | None) -> tuple[float | None, tuple[float, float] | None]:
    """Probability and interval as shares of one; None where the number is no probability."""
    if chance is None or chance.unit is None:
        return None, None
    scale = {"%": 100.0, "1": 1.0}.get(chance.unit.value)
    if scale is None or not 0 <= chance.value <= scale:
        return None, None
    ends = chance.interval
    share = round(chance.value / scale, 9)
    return share, None if ends is None else (round(ends[0] / scale, 9), round(ends[1] / scale, 9))


def _value(item: ContentItem) -> tuple[float | None, Code | None]:
    measured = item.dataset.get("MeasuredValueSequence") or ()
    if not measured:
        return None, None
    number: Any = measured[0].get("NumericValue")
    try:
        value = float(number)
    except (TypeError, ValueError):
        return None, None
    return (value if math.isfinite(value) else None), coded(measured[0].get("MeasurementUnitsCodeSequence"))


def _integers(value: Any) -> tuple[int, ...]:
    if value is None or value == "":
        return ()
    return tuple(int(one) for one in ([value] if isinstance(value, (int, str)) else value))
