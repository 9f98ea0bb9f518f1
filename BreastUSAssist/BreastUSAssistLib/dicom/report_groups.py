"""Measurement groups of the Structured Report (PS3.16 TID 1410 and 1501): the lesions, the AI's drafts, or none."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..birads.analysis import Analysis
from ..birads.lesion import Code, Lesion
from ..birads.reading import LesionReading, Place
from . import codes
from .contours import outline_points
from .provenance import is_network
from .report_items import (
    ReportContext,
    descriptors,
    measurements,
    outline_origin,
    reader_category,
    remarks,
    suggested_category,
)
from .report_observers import code_content, concept, outliner, said_by, text_item
from .segmentation_segments import lesion_label
from .source_frames import SourceFrame

SIDES: dict[str, codes.Laterality] = {"right": "R", "left": "L"}


def lesion_group(lesion: Lesion, mask: np.ndarray, context: ReportContext) -> Any:
    """Planar region of one lesion as it stands: outline on its key frame, measurements, terms, category.

    Without a reader the category is a suggestion. With one, the assessment category is the reader's alone; the AI's
    suggestion has a concept of its own.

    Args:
        lesion: of the analysis.
        mask: bool, (rows, columns) of the key frame.
        context: of the report.
    """
    own = context.own(lesion)
    suggestion = codes.ASSESSMENT_CATEGORY if context.read is None else codes.SUGGESTED_CATEGORY
    assessment = reader_category(own, context) if own is not None else []
    category = [*assessment, *suggested_category(lesion, suggestion)]
    group = _group(lesion, lesion_label(lesion), outline_points(mask), category, context)
    if (pieces := _pieces(mask)) > 1:
        words = f"The lesion is in {pieces} pieces; the largest one is outlined here, the Segmentation holds all."
        group[0].ContentSequence.append(text_item(codes.COMMENT, words, "CONTAINS"))
    if own is not None:
        group[0].ContentSequence.extend(_by_reader(own, context))
    return group


def draft_group(own: LesionReading, context: ReportContext) -> Any:
    """What the AI first drafted of a lesion, and what the reader made of it; None where the draft is not known.

    It is not for presentation, so that viewers do not show it beside what the reader left.
    """
    assert context.read is not None
    draft = context.read.draft(own.tracking_uid)
    if draft is None or not 1 <= draft.key_frame <= len(context.frames):
        return None
    draft = draft.model_copy(update={"tracking_uid": own.tracking_uid, "number": own.number})
    outline = context.read.draft_outline(own.tracking_uid)
    # The AI knew nothing of what the reader said of the place.
    alone = replace(context, read=None)
    points = np.array(outline, np.float32) if outline is not None and len(outline) > 2 else None
    category = suggested_category(draft, codes.SUGGESTED_CATEGORY)
    group = _group(draft, f"AI draft of lesion {own.number}", points, category, alone)
    group[0].ContentSequence.extend(
        [
            code_content(codes.READER_VERDICT, codes.VERDICTS[verdict(own)], "CONTAINS"),
            code_content(codes.RENDERING_INTENT, codes.NOT_FOR_PRESENTATION, "HAS CONCEPT MOD"),
        ]
    )
    return group


def verdict(own: LesionReading) -> str:
    """Key of codes.VERDICTS: what the reader made of a draft."""
    if not own.present:
        return "removed"
    return "changed" if own.edited_frames or own.descriptors else "kept"


def no_lesion_group(context: ReportContext) -> Any:
    """Group over the images that says that no lesion is left, none was found, or nothing ran (PS3.16 TID 1501)."""
    from highdicom import sr
    from pydicom.uid import generate_uid

    images = {frame.sop_instance_uid: frame.sop_class_uid for frame in context.frames}
    drafted = context.read is not None and any(one.run is not None for one in context.read.reading.lesions)
    summary, ran = _summary(context.analysis, drafted), is_network(context.analysis.model)
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=generate_uid(prefix=None), identifier="No lesion outlined"),
        algorithm_id=outliner(context.analysis),
        qualitative_evaluations=[sr.QualitativeEvaluation(concept(codes.FINDINGS_SUMMARY), concept(summary))],
        source_images=[sr.SourceImageForMeasurementGroup(kind, uid) for uid, kind in images.items()],
    )
    group[0].ContentSequence.append(text_item(codes.COMMENT, _no_lesion_words(summary, drafted, ran), "CONTAINS"))
    return group


def _group(
    lesion: Lesion, identifier: str, points: np.ndarray | None, category: list[Any], context: ReportContext
) -> Any:
    """Group of one lesion; over its key frame as a whole where its outline is not known (`points` is None)."""
    from highdicom import sr

    frame = context.frames[lesion.key_frame - 1]
    common: dict[str, Any] = {
        "tracking_identifier": sr.TrackingIdentifier(uid=lesion.tracking_uid, identifier=identifier),
        "finding_type": concept(codes.MASS),
        "finding_category": concept(codes.ABNORMAL_STRUCTURE),
        "finding_sites": [_site(context)],
        "algorithm_id": None if lesion.origin in ("manual", "truth") else outliner(context.analysis),
        "measurements": measurements(lesion, context) or None,
        "qualitative_evaluations": [*descriptors(lesion, context), *category, outline_origin(lesion)],
    }
    group: Any
    if points is None:
        image = _referring(sr.SourceImageForMeasurementGroup, frame)
        group = sr.MeasurementsAndQualitativeEvaluations(source_images=[image], **common)
        _put_true_class(image, frame)
    else:
        region = sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=points,
            source_image=_referring(sr.SourceImageForRegion, frame),
        )
        _put_true_class(region.ContentSequence[0], frame)
        group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=region, **common)
    for text in remarks(lesion):
        group[0].ContentSequence.append(text_item(codes.COMMENT, text, "CONTAINS"))
    return group


def _by_reader(own: LesionReading, context: ReportContext) -> list[Any]:
    """Who drew the outline where the reader had a hand in it, the reader's note, and the same lesion elsewhere."""
    from highdicom import sr

    items = []
    if own.run is None or own.edited_frames:
        items += said_by(context.reader)
    if own.category is None:
        items.append(text_item(codes.COMMENT, "The reader gave no assessment category.", "CONTAINS"))
    if own.note.strip():
        note = text_item(codes.COMMENT, own.note, "CONTAINS")
        note.ContentSequence = sr.ContentSequence(said_by(context.reader))
        items.append(note)
    if own.tied_to is not None:
        items.append(
            sr.UIDRefContentItem(name=concept(codes.OTHER_VIEW), value=own.tied_to, relationship_type="CONTAINS")
        )
    return items


def _site(context: ReportContext) -> Any:
    """The breast, its side (the reader's word, else the header's), and the hour that the reader gave.

    Half hours have no code in PS3.16 CID 6018.
    """
    from highdicom import sr

    place = context.read.reading.place if context.read is not None else Place()
    side = SIDES.get(place.side, context.side)
    hour = codes.CLOCK_FACE.get(int(place.clock)) if place.clock is not None and place.clock % 1 == 0 else None
    return sr.FindingSite(
        concept(codes.BREAST),
        laterality=concept(codes.LATERALITY[side]) if side else None,
        topographical_modifier=concept(hour) if hour is not None else None,
    )


def _pieces(mask: np.ndarray) -> int:
    """How many parts a mask has, of pixels that touch at a side or a corner (as contours.outline_points has it)."""
    from scipy.ndimage import label

    return int(label(mask, structure=np.ones((3, 3)))[1])


def _summary(analysis: Analysis, drafted: bool) -> Code:
    """Whether all, some or none of the frames were analysed: gates that stop a frame leave it without a result."""
    if not is_network(analysis.model):
        return codes.NONE_WITHOUT_FINDINGS
    stops = [gate for gate in analysis.gates if gate.severity == "stop"]
    if not stops:
        return codes.ALL_WITH_FINDINGS if drafted else codes.ALL_WITHOUT_FINDINGS
    if drafted:
        return codes.SOME_WITH_FINDINGS
    frames = {number for gate in stops for number in gate.frames}
    everything = any(not gate.frames for gate in stops) or len(frames) >= analysis.source.frame_count
    return codes.NONE_WITHOUT_FINDINGS if everything else codes.SOME_WITHOUT_FINDINGS


def _no_lesion_words(summary: Code, drafted: bool, ran: bool) -> str:
    if not ran:
        return "No lesion is outlined. No network has looked at these images."
    if drafted:
        return "The reader left none of the lesions that the AI outlined."
    stopped = "" if summary is codes.ALL_WITHOUT_FINDINGS else " Not every frame was fit to be analysed."
    return f"The AI outlined no lesion. This does not rule one out.{stopped}"


def _referring(kind: Any, frame: SourceFrame) -> Any:
    """Reference to a frame in an item of class `kind`.

    highdicom knows neither retired nor private image classes, so one of today stands in until `_put_true_class`.
    """
    from pydicom.uid import UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

    if frame.frame_number is None:
        return kind(UltrasoundImageStorage, frame.sop_instance_uid)
    return kind(UltrasoundMultiFrameImageStorage, frame.sop_instance_uid, [frame.frame_number])


def _put_true_class(item: Any, frame: SourceFrame) -> None:
    item.ReferencedSOPSequence[0].ReferencedSOPClassUID = frame.sop_class_uid
