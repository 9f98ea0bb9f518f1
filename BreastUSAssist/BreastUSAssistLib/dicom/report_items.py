"""What a Structured Report says of one lesion: measurements, terms, category, and remarks, each with who said it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..birads.analysis import Analysis
from ..birads.lesion import Area, Code, Descriptor, Length, Lesion
from ..birads.read_case import ReadCase
from ..birads.reading import LesionReading
from . import codes
from .codes import DESCRIPTOR_NAMES, Laterality, private_code
from .report_observers import (
    concept,
    lesion_reader,
    outliner,
    person_name,
    rules,
    said_by,
    text_item,
)
from .source_frames import SourceFrame

SUGGESTION = "Suggestion of an AI draft, not an assessment: a named reader decides."
PERCENT_DIGITS = 3


@dataclass(frozen=True, eq=False)
class ReportContext:
    """What the groups of a report share."""

    frames: Sequence[SourceFrame]
    analysis: Analysis
    side: Laterality | None
    """Of the breast, from the headers."""
    read: ReadCase | None = None
    """What the reader said; None where nobody has read the case."""

    @property
    def reader(self) -> str:
        """The reader as a value of PN."""
        return person_name(self.read.reading.reader if self.read is not None else "")

    def own(self, lesion: Lesion) -> LesionReading | None:
        """The reading of a lesion."""
        return self.read.lesion(lesion) if self.read is not None else None


def measurements(lesion: Lesion, context: ReportContext) -> list[Any]:
    """Sizes in mm where the spacing is known and else in pixels, and the probability of cancer (PS3.16 TID 300)."""
    from highdicom import sr

    measured = lesion.measurements
    quantities = [
        _length(codes.LONG_AXIS, measured.longest_axis),
        _length(codes.SHORT_AXIS, measured.perpendicular_axis),
        _length(codes.HEIGHT, measured.antero_posterior),
        _length(codes.WIDTH, measured.transverse),
        _length(codes.DISTANCE_FROM_SKIN, measured.depth),
        _area(measured.area),
        *_volume(lesion),
    ]
    items = [
        sr.Measurement(name=concept(name), value=round(float(value), 3), unit=concept(unit))
        for name, value, unit in quantities
        if np.isfinite(value)
    ]
    probability = _probability(lesion, context)
    return items if probability is None else [*items, probability]


def descriptors(lesion: Lesion, context: ReportContext) -> list[Any]:
    """One coded term an attribute; the reader's own ones are the person's, the others name their algorithm."""
    from highdicom import sr

    items = []
    for one in lesion.descriptors:
        item = sr.QualitativeEvaluation(concept(_descriptor_name(one)), concept(_descriptor_value(one)))
        item[0].ContentSequence = sr.ContentSequence(_described_by(one, context))
        items.append(item)
    return items


def suggested_category(lesion: Lesion, name: Code) -> list[Any]:
    """The category that the AI suggests under the concept `name`; none where it suggests none."""
    from highdicom import sr

    category = codes.CATEGORIES.get(lesion.assessment.category or "")
    if category is None:
        return []
    item = sr.QualitativeEvaluation(concept(name), concept(category))
    remark = text_item(codes.COMMENT, SUGGESTION, "HAS CONCEPT MOD")
    item[0].ContentSequence = sr.ContentSequence([remark, *rules()])
    return [item]


def reader_category(own: LesionReading, context: ReportContext) -> list[Any]:
    """The category that the reader gave: an assessment, and a person's; none where there is none."""
    from highdicom import sr

    category = codes.READER_CATEGORIES.get(own.category or "")
    if category is None:
        return []
    item = sr.QualitativeEvaluation(concept(codes.ASSESSMENT_CATEGORY), concept(category))
    item[0].ContentSequence = sr.ContentSequence(said_by(context.reader))
    return [item]


def outline_origin(lesion: Lesion) -> Any:
    """Whether software, a reader, or both drew the outline."""
    from highdicom import sr

    origin = "manual" if lesion.origin == "truth" else lesion.origin
    return sr.QualitativeEvaluation(concept(codes.OUTLINE_ORIGIN), concept(codes.ORIGINS[origin]))


def remarks(lesion: Lesion) -> list[str]:
    """What has no code: how descriptors came about, and how far the probability can be trusted."""
    assessment = lesion.assessment
    said = [f"{one.attribute.replace('_', ' ')}: {one.label} ({one.because})" for one in lesion.descriptors]
    suggested = f"category {assessment.category}" if assessment.category else "no category"
    said.append(f"Suggested: {suggested}, {assessment.label} ({'; '.join(assessment.reasons)}). {SUGGESTION}")
    if assessment.probability_malignant is not None:
        calibrated = "calibrated on held-out data" if assessment.probability_calibrated else "not calibrated"
        interval = "" if assessment.interval is None else ", its range of uncertainty is the 95 % interval"
        said.append(f"The probability of cancer is {calibrated}{interval}.")
    if lesion.measurements.longest_axis.mm is None:
        said.append("The pixel spacing is not known: lengths and areas are in pixels.")
    return said


def _probability(lesion: Lesion, context: ReportContext) -> Any:
    """Probability of cancer in %, with the network that gave it, and the ends of its interval (PS3.16 TID 310)."""
    from highdicom import sr

    assessment = lesion.assessment
    if assessment.probability_malignant is None or not np.isfinite(assessment.probability_malignant):
        return None
    percent = round(100 * float(assessment.probability_malignant), PERCENT_DIGITS)
    network = lesion_reader(context.analysis) if assessment.image_probability is not None else None
    item = sr.Measurement(
        name=concept(codes.PROBABILITY_OF_CANCER),
        value=percent,
        unit=concept(codes.PERCENT),
        algorithm_id=network or outliner(context.analysis),
    )
    if assessment.interval is not None and np.isfinite(assessment.interval).all():
        low, high = (round(100 * float(end), PERCENT_DIGITS) for end in assessment.interval)
        ends = [(codes.UPPER_UNCERTAINTY, high - percent), (codes.LOWER_UNCERTAINTY, percent - low)]
        range_of = [
            sr.NumContentItem(
                name=concept(name),
                value=round(value, PERCENT_DIGITS),
                unit=concept(codes.PERCENT),
                relationship_type="HAS PROPERTIES",
            )
            for name, value in ends
        ]
        item[0].ContentSequence = sr.ContentSequence([*item[0].get("ContentSequence", ()), *range_of])
    return item


def _described_by(descriptor: Descriptor, context: ReportContext) -> list[Any]:
    if descriptor.origin == "reader":
        return said_by(context.reader)
    network = lesion_reader(context.analysis, with_weights=False) if descriptor.origin == "model" else None
    return list(network or rules())


def _length(name: Code, length: Length) -> tuple[Code, float, Code]:
    return (name, length.px, codes.PIXELS) if length.mm is None else (name, length.mm, codes.MILLIMETER)


def _area(area: Area) -> tuple[Code, float, Code]:
    if area.mm2 is None:
        return codes.AREA, area.px, codes.PIXELS
    return codes.AREA, area.mm2, codes.SQUARE_MILLIMETER


def _volume(lesion: Lesion) -> list[tuple[Code, float, Code]]:
    volume = lesion.volume_axes.volume_ml if lesion.volume_axes is not None else None
    return [] if volume is None else [(codes.VOLUME, volume, codes.MILLILITER)]


def _descriptor_name(descriptor: Descriptor) -> Code:
    return DESCRIPTOR_NAMES.get(descriptor.attribute) or private_code(
        descriptor.attribute, descriptor.attribute.replace("_", " ").capitalize()
    )


def _descriptor_value(descriptor: Descriptor) -> Code:
    return descriptor.code or private_code(f"{descriptor.attribute}.{descriptor.term}", descriptor.label)
