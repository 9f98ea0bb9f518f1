"""Content items of the Structured Report: one group a lesion (PS3.16 TID 1410), or one that says there is none."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..birads.analysis import Analysis
from ..birads.lesion import Area, Code, Descriptor, Length, Lesion
from . import codes
from .codes import DESCRIPTOR_NAMES, Laterality, private_code, short_text
from .contours import outline_points
from .segmentation_segments import lesion_label
from .source_frames import SourceFrame

SUGGESTION = "Suggestion of an AI draft, not an assessment: a named reader decides."


def concept(code: Code) -> Any:
    """`code` as highdicom takes it."""
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, short_text(code.meaning), code.scheme_version)


def text_item(name: Code, text: str, relationship: str) -> Any:
    """A TEXT content item; control characters other than line ends are not valid in it."""
    from highdicom.sr import TextContentItem

    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return TextContentItem(name=concept(name), value=clean or "-", relationship_type=relationship)


def lesion_group(
    lesion: Lesion, frame: SourceFrame, mask: np.ndarray, analysis: Analysis, side: Laterality | None
) -> Any:
    """Planar region of one lesion: outline on its key frame, measurements, descriptors and suggestion.

    `mask` is bool, (rows, columns) of the key frame.
    """
    from highdicom import sr

    region = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=outline_points(mask),
        source_image=_source_image(frame),
    )
    region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPClassUID = frame.sop_class_uid
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=lesion.tracking_uid, identifier=lesion_label(lesion)),
        referenced_region=region,
        finding_type=concept(codes.MASS),
        finding_category=concept(codes.ABNORMAL_STRUCTURE),
        finding_sites=[
            sr.FindingSite(concept(codes.BREAST), laterality=concept(codes.LATERALITY[side]) if side else None)
        ],
        algorithm_id=_algorithm(analysis),
        measurements=_measurements(lesion) or None,
        qualitative_evaluations=_evaluations(lesion) or None,
    )
    for text in _remarks(lesion):
        group[0].ContentSequence.append(text_item(codes.COMMENT, text, "CONTAINS"))
    return group


def no_lesion_group(frames: Sequence[SourceFrame], analysis: Analysis) -> Any:
    """Group over the images that says that the algorithm found nothing, or did not run (PS3.16 TID 1501)."""
    from highdicom import sr
    from pydicom.uid import generate_uid

    images = {frame.sop_instance_uid: frame.sop_class_uid for frame in frames}
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=generate_uid(prefix=None), identifier="No lesion outlined"),
        algorithm_id=_algorithm(analysis),
        qualitative_evaluations=[
            sr.QualitativeEvaluation(concept(codes.FINDINGS_SUMMARY), concept(_summary(analysis)))
        ],
        source_images=[sr.SourceImageForMeasurementGroup(kind, uid) for uid, kind in images.items()],
    )
    stopped = "" if _summary(analysis) is codes.ALL_WITHOUT_FINDINGS else " Not every frame was fit to be analysed."
    text = f"The AI outlined no lesion. This does not rule one out.{stopped}"
    group[0].ContentSequence.append(text_item(codes.COMMENT, text, "CONTAINS"))
    return group


def _summary(analysis: Analysis) -> Code:
    """Whether all, some or none of the frames were analysed: gates that stop a frame leave it without a result."""
    stops = [gate for gate in analysis.gates if gate.severity == "stop"]
    if not stops:
        return codes.ALL_WITHOUT_FINDINGS
    frames = {number for gate in stops for number in gate.frames}
    everything = any(not gate.frames for gate in stops) or len(frames) >= analysis.source.frame_count
    return codes.NONE_WITHOUT_FINDINGS if everything else codes.SOME_WITHOUT_FINDINGS


def _measurements(lesion: Lesion) -> list[Any]:
    from highdicom import sr

    measured = lesion.measurements
    quantities = [
        _length(codes.LONG_AXIS, measured.longest_axis),
        _length(codes.SHORT_AXIS, measured.perpendicular_axis),
        _length(codes.HEIGHT, measured.antero_posterior),
        _length(codes.WIDTH, measured.transverse),
        _length(codes.DISTANCE_FROM_SKIN, measured.depth),
        _area(measured.area),
    ]
    probability = lesion.assessment.probability_malignant
    if probability is not None:
        quantities.append((codes.PROBABILITY_OF_CANCER, 100 * probability, codes.PERCENT))
    return [
        sr.Measurement(name=concept(name), value=round(float(value), 3), unit=concept(unit))
        for name, value, unit in quantities
        if np.isfinite(value)
    ]


def _length(name: Code, length: Length) -> tuple[Code, float, Code]:
    return (name, length.px, codes.PIXELS) if length.mm is None else (name, length.mm, codes.MILLIMETER)


def _area(area: Area) -> tuple[Code, float, Code]:
    if area.mm2 is None:
        return codes.AREA, area.px, codes.PIXELS
    return codes.AREA, area.mm2, codes.SQUARE_MILLIMETER


def _evaluations(lesion: Lesion) -> list[Any]:
    from highdicom import sr

    evaluations = [
        sr.QualitativeEvaluation(concept(_descriptor_name(one)), concept(_descriptor_value(one)))
        for one in lesion.descriptors
    ]
    category = codes.CATEGORIES.get(lesion.assessment.category or "")
    if category is not None:
        suggestion = sr.QualitativeEvaluation(concept(codes.ASSESSMENT_CATEGORY), concept(category))
        suggestion[0].ContentSequence = sr.ContentSequence([text_item(codes.COMMENT, SUGGESTION, "HAS CONCEPT MOD")])
        evaluations.append(suggestion)
    return evaluations


def _descriptor_name(descriptor: Descriptor) -> Code:
    return DESCRIPTOR_NAMES.get(descriptor.attribute) or private_code(
        descriptor.attribute, descriptor.attribute.replace("_", " ").capitalize()
    )


def _descriptor_value(descriptor: Descriptor) -> Code:
    return descriptor.code or private_code(f"{descriptor.attribute}.{descriptor.term}", descriptor.label)


def _remarks(lesion: Lesion) -> list[str]:
    """What has no code: how descriptors came about, and how far the probability can be trusted."""
    assessment = lesion.assessment
    remarks = [f"{one.attribute.replace('_', ' ')}: {one.label} ({one.because})" for one in lesion.descriptors]
    suggested = f"category {assessment.category}" if assessment.category else "no category"
    remarks.append(f"Suggested: {suggested}, {assessment.label} ({'; '.join(assessment.reasons)}). {SUGGESTION}")
    if assessment.probability_malignant is not None:
        calibrated = "calibrated on held-out data" if assessment.probability_calibrated else "not calibrated"
        remarks.append(f"The probability of cancer is {calibrated}.")
    if lesion.measurements.longest_axis.mm is None:
        remarks.append("The pixel spacing is not known: lengths and areas are in pixels.")
    return remarks


def _algorithm(analysis: Analysis) -> Any:
    from highdicom import sr

    model = analysis.model
    return sr.AlgorithmIdentification(
        name=model.name,
        version=model.version,
        parameters=[
            f"weights sha256 {model.sha256}",
            f"{model.backend} {model.precision} on {model.device}",
            *(f"with {one.name} {one.version}, sha256 {one.sha256}" for one in analysis.models if one != model),
        ],
    )


def _source_image(frame: SourceFrame) -> Any:
    """Reference to the frame of an outline, in a class of today.

    highdicom knows neither retired nor private image classes; the true class is put in afterwards.
    """
    from highdicom.sr import SourceImageForRegion
    from pydicom.uid import UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

    if frame.frame_number is None:
        return SourceImageForRegion(UltrasoundImageStorage, frame.sop_instance_uid)
    return SourceImageForRegion(UltrasoundMultiFrameImageStorage, frame.sop_instance_uid, [frame.frame_number])
