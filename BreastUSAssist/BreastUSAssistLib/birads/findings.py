"""The findings table: one row a lesion, for a spreadsheet."""

import csv
import io
from pathlib import Path

from ..files import written_whole
from .analysis import Analysis
from .lesion import Assessment, Lesion, VolumeAxes
from .read_case import ReadCase

_LENGTHS = ("longest_axis", "perpendicular_axis", "antero_posterior", "transverse", "depth")
_ATTRIBUTES = (
    "shape",
    "orientation",
    "margin",
    "echo_pattern",
    "posterior_features",
    "echogenic_rim",
    "calcifications",
)
READER_COLUMNS: tuple[str, ...] = (
    "reader",
    "decision",
    "reader_category",
    "reader_note",
    "changed_terms",
    "tied_to",
    "tied_case",
    "joint_category",
    "joint_probability",
    "side",
    "clock",
    "nipple_distance_mm",
    "decided",
    "rejection_reason",
)
"""What the reader said; empty in a table without a reading."""
COLUMNS: tuple[str, ...] = (
    "case",
    "lesion",
    "key_frame",
    "frames",
    *(f"{name}_{unit}" for name in _LENGTHS for unit in ("px", "mm")),
    "volume_longest_axis_px",
    "volume_longest_axis_mm",
    "volume_perpendicular_axis_px",
    "volume_perpendicular_axis_mm",
    "volume_slices",
    "volume_slices_mm",
    "volume_ml",
    "area_px",
    "area_mm2",
    "depth_to_width",
    "axis_angle_deg",
    "echo_ratio",
    "posterior_ratio",
    *_ATTRIBUTES,
    "category",
    "category_label",
    "management",
    "probability_malignant",
    "probability_low",
    "probability_high",
    "probability_calibrated",
    "image_probability",
    "combined_probability",
    "clinical",
    "site_prevalence",
    "category_set",
    "category_likeliest",
    "category_quantity",
    "reasons",
    "outline_origin",
    "outline_band_px",
    "outline_uncertain_share",
    "lexicon",
    "model",
    "model_version",
    "model_sha256",
    "reader_model",
    "reader_version",
    "reader_sha256",
    "software",
    "created",
    "tracking_uid",
    "status",
    "notice",
    *READER_COLUMNS,
)
"""New columns are added at the end, so that those of older tables stay in their places."""
NOTICE = "Research use only"


def findings_table(analysis: Analysis, read: ReadCase | None = None) -> list[dict[str, str]]:
    """One row a lesion, every value as text under the names of COLUMNS; empty where unknown, never 0.

    Text that a spreadsheet would run as a formula is preceded by an apostrophe (OWASP, CSV injection).

    Args:
        analysis: what to list, with the reader's terms where there is a reading.
        read: what the reader said.
    """
    table = []
    for lesion in analysis.lesions:
        row = {**_row(lesion, analysis), **(_reading(lesion, read) if read else {})}
        table.append({key: row.get(key, "") for key in COLUMNS})
    return table


def write_findings_csv(path: Path, analysis: Analysis, read: ReadCase | None = None) -> None:
    """Write the table as UTF-8, comma separated, CRLF line ends (RFC 4180); the header alone when there is no lesion.

    Raises:
        OutputError: it could not be written; nothing is left behind.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(findings_table(analysis, read))
    with written_whole(path) as beside:
        beside.write_bytes(text.getvalue().encode("utf-8"))


def _row(lesion: Lesion, analysis: Analysis) -> dict[str, str]:
    measured, assessed = lesion.measurements, lesion.assessment
    row = {
        "case": _text(analysis.case),
        "lesion": str(lesion.number),
        "key_frame": str(lesion.key_frame),
        "frames": " ".join(str(number) for number in lesion.frames),
        "area_px": _number(measured.area.px),
        "area_mm2": _number(measured.area.mm2),
        "category": assessed.category or "",
        "category_label": _text(assessed.label),
        "management": _text(assessed.management or ""),
        "probability_malignant": _number(assessed.probability_malignant, 4),
        "probability_calibrated": "yes" if assessed.probability_calibrated else "no",
        "reasons": _text(" ".join(assessed.reasons)),
        "outline_origin": lesion.origin,
        "outline_band_px": _number(lesion.outline_band_px),
        "outline_uncertain_share": _number(lesion.outline_uncertain_share),
        "lexicon": _text(analysis.lexicon),
        "model": _text(analysis.model.name),
        "model_version": _text(analysis.model.version),
        "model_sha256": _text(analysis.model.sha256),
        "software": _text(analysis.software),
        "created": _text(analysis.created),
        "tracking_uid": _text(lesion.tracking_uid),
        "status": assessed.status,
        "notice": NOTICE,
    }
    row.update(_risk(assessed))
    row.update(_volume(lesion.volume_axes))
    readers = [model for model in analysis.models if model != analysis.model]
    if readers:
        row["reader_model"], row["reader_version"] = _text(readers[0].name), _text(readers[0].version)
        row["reader_sha256"] = _text(readers[0].sha256)
    for name in _LENGTHS:
        length = getattr(measured, name)
        row[f"{name}_px"], row[f"{name}_mm"] = _number(length.px), _number(length.mm)
    for name in ("depth_to_width", "axis_angle_deg", "echo_ratio", "posterior_ratio"):
        row[name] = _number(getattr(measured, name))
    row.update({d.attribute: _text(d.label) for d in lesion.descriptors if d.attribute in _ATTRIBUTES})
    return row


def _risk(assessed: Assessment) -> dict[str, str]:
    """Probabilities and their interval to four decimals, and the category as a quantity and as a set."""
    low, high = assessed.interval or (None, None)
    opinion = assessed.category_opinion
    return {
        "probability_low": _number(low, 4),
        "probability_high": _number(high, 4),
        "image_probability": _number(assessed.image_probability, 4),
        "combined_probability": _number(assessed.combined_probability, 4),
        "clinical": _text("; ".join(one.words for one in assessed.clinical)),
        "site_prevalence": f"{assessed.prevalence.site:g}" if assessed.prevalence else "",
        "category_set": " ".join(opinion.likely) if opinion else "",
        "category_likeliest": opinion.likeliest if opinion else "",
        "category_quantity": _number(opinion.quantity) if opinion else "",
    }


def _volume(axes: VolumeAxes | None) -> dict[str, str]:
    """The three axes of a lesion in a volume; nothing for any other."""
    if axes is None:
        return {}
    return {
        "volume_longest_axis_px": _number(axes.longest_axis.px),
        "volume_longest_axis_mm": _number(axes.longest_axis.mm),
        "volume_perpendicular_axis_px": _number(axes.perpendicular_axis.px),
        "volume_perpendicular_axis_mm": _number(axes.perpendicular_axis.mm),
        "volume_slices": str(axes.across_slices.slices),
        "volume_slices_mm": _number(axes.across_slices.mm),
        "volume_ml": _number(axes.volume_ml, 3),
    }


def _reading(lesion: Lesion, read: ReadCase) -> dict[str, str]:
    """What the reader said of the case, and of the lesion."""
    reading, own, uid = read.reading, read.lesion(lesion), lesion.tracking_uid
    place, joint, tied = reading.place, read.joint(uid), read.tied_number(uid)
    return {
        "reader": _text(reading.reader),
        "decision": reading.decision,
        "decided": _text(reading.decided or ""),
        "rejection_reason": _text(reading.reason),
        "side": "" if place.side == "unknown" else place.side,
        "clock": "" if place.clock is None else f"{place.clock:g}",
        "nipple_distance_mm": _number(place.distance_mm),
        "reader_category": _text((own.category if own else None) or ""),
        "reader_note": _text(own.note if own else ""),
        "changed_terms": _text(" ".join(sorted(own.descriptors)) if own else ""),
        "tied_to": "" if tied is None else str(tied),
        "tied_case": _text(read.other_case(uid)),
        "joint_category": (joint.assessment.category or "") if joint else "",
        "joint_probability": _number(joint.assessment.probability_malignant, 4) if joint else "",
    }


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _text(value: str) -> str:
    """Without line breaks, and not a formula."""
    value = " ".join(value.split())
    return "'" + value if value.startswith(("=", "+", "-", "@", "|", "%")) else value
