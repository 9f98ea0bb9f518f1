"""What a report tells of a case: its lesions joined with those of a Segmentation, and the reader's decision."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .dicom_lesions import ToldLesion, model_of_report
from .dicom_outlines import FrameKeys, masks_of
from .source import UltrasoundSource

if TYPE_CHECKING:
    from ..birads.reading import Place
    from ..dicom.report_model import LesionRead, ReportRead


def joined(
    report: "ReportRead", segments: Sequence[ToldLesion], keys: FrameKeys, source: UltrasoundSource
) -> list[ToldLesion]:
    """The lesions of a report on one image, with the outlines of a Segmentation where it has the same lesion.

    Lesions are the same where their tracking UIDs are. A Segmentation has the outline in every frame, pixel by pixel; a
    report has it in one frame, as a line.

    Args:
        report: what was read.
        segments: of a Segmentation on the image; those that the report does not name stay as they are.
        keys: of the frames of the image, see dicom_outlines.frame_keys.
        source: the image.
    """
    waiting = {one.tracking_uid: one for one in segments}
    taken = {one.number for one in segments}
    uids: set[str] = set(waiting)
    found: list[ToldLesion] = []
    for lesion in report.lesions:
        segment = waiting.pop(lesion.tracking_uid or "", None)
        made = _lesion(lesion, segment, keys, source)
        if made is None:
            continue
        if segment is None:
            number = _number(lesion.number, taken)
            uid = lesion.tracking_uid if lesion.tracking_uid not in uids else None
            made = _with(made, number=number, tracking_uid=uid or f"2.25.{uuid.uuid4().int}")
            taken.add(number)
            uids.add(made.tracking_uid)
        found.append(made)
    return [*found, *waiting.values()]


def reading_fields(report: "ReportRead") -> dict[str, Any]:
    """Fields of a Reading that are not about one lesion: reader, decision, place; none of a draft that nobody read."""
    persons = [one.name for one in report.verifying_observers]
    persons += [one.name for one in report.observers if one.kind == "person"]
    reader = next((name.strip() for name in persons if name.strip()), "")
    decision = report.decision or ("accepted" if report.verified else "open")
    moments = [one.at for one in report.verifying_observers] if decision == "accepted" else []
    moment = next((iso for text in (report.decided, *moments) if (iso := _iso(text))), None)
    fields: dict[str, Any] = {"reader": reader} if reader else {}
    # A decision needs a reader, and a rejection a reason.
    if reader and (decision == "accepted" or (decision == "rejected" and report.reason.strip())):
        reason = report.reason.strip() if decision == "rejected" else ""
        fields |= {"decision": decision, "decided": moment, "reason": reason}
    if report.decision is not None:
        fields["place"] = _place(report)
    return fields


def _lesion(
    told: "LesionRead", segment: ToldLesion | None, keys: FrameKeys, source: UltrasoundSource
) -> ToldLesion | None:
    """None where the lesion is on other images, or has no outline."""
    standing = told.reader or told.ai
    drafted = masks_of(told.ai.outlines, keys, source) if told.ai is not None else {}
    if standing is None:
        return None
    if not told.present:
        model = model_of_report(told.ai.algorithm) if told.ai is not None else None
        removed = ToldLesion(0, "", {}, "automatic", model, drafted, told.ai, told.reader, present=False)
        return removed if drafted else None
    masks = segment.masks if segment is not None else masks_of(standing.outlines, keys, source)
    if not masks:
        return None
    usual = "automatic" if told.reader is None else "manual"
    drawn = standing.origin or (segment.drawn if segment is not None else usual)
    model = model_of_report((told.ai or standing).algorithm) or (segment.model if segment is not None else None)
    return ToldLesion(
        number=segment.number if segment is not None else 0,
        tracking_uid=segment.tracking_uid if segment is not None else "",
        masks=masks,
        drawn=drawn,  # type: ignore[arg-type]
        model=model,
        drafted={} if drawn == "automatic" or told.reader is None else drafted,
        ai=told.ai,
        reader=told.reader,
        tied_to=told.other_view,
        key_frame=next(iter(masks_of(standing.outlines, keys, source)), None),
    )


def _with(lesion: ToldLesion, **fields: Any) -> ToldLesion:
    from dataclasses import replace

    return replace(lesion, **fields)


def _number(wanted: int | None, taken: set[int]) -> int:
    """The number that the report gives where it is free, else the next one."""
    from ..birads.run_merging import MOST_LESIONS

    if wanted is not None and 1 <= wanted <= MOST_LESIONS and wanted not in taken:
        return wanted
    return max(taken, default=0) + 1


def _place(report: "ReportRead") -> "Place":
    from ..birads.reading import Place
    from ..dicom.codes import CLOCK_FACE, LATERALITY
    from ..dicom.report_tree import same_code

    findings = [one.reader or one.ai for one in report.lesions]
    said = [one for one in findings if one is not None]
    sides = {"L": "left", "R": "right"}
    side = next((key for one in said for key, code in LATERALITY.items() if same_code(one.laterality, code)), "")
    clock = next((hour for one in said for hour, code in CLOCK_FACE.items() if same_code(one.place, code)), None)
    distance = report.distance_from_nipple_mm
    return Place(
        side=sides.get(side, "unknown"),  # type: ignore[arg-type]
        clock=clock,
        distance_mm=distance if distance is not None and 0 <= distance <= 300 else None,
    )


def _iso(text: str) -> str | None:
    """A DT (PS3.5 6.2) as ISO 8601; local time where it does not say its offset from UTC; None where it is no time."""
    for form in ("%Y%m%d%H%M%S.%f%z", "%Y%m%d%H%M%S%z", "%Y%m%d%H%M%S.%f", "%Y%m%d%H%M%S"):
        try:
            moment = datetime.strptime(text.strip(), form)
        except ValueError:
            continue
        return (moment if moment.tzinfo is not None else moment.astimezone()).isoformat(timespec="seconds")
    return None
