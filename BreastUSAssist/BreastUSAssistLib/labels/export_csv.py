"""A table with one row a lesion: what the reader says, what the AI said, and how far their outlines agree.

Free text (notes, reasons) is left out: only a person can tell whether it names a patient.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..birads.lexicon import EDITIONS, load_lexicon
from ..birads.reading import LesionReading
from ..files import write_bytes
from .exporting import ExportContent, ExportedCase
from .known_values import COLUMNS as KNOWN
from .masks import MaskStack

TABLE = "labels.csv"
_CASE = ("case", "version", "kind", "part", "fold", "patient", "reader", "decision", "decided", "seconds_spent", "side")
_IMAGE = ("image_kind", "rows", "columns", "frame_count", "row_mm", "column_mm")
_LESION = ("lesion", "tracking_uid", "present", "frames", "largest_frame", "area_px", "area_mm2", "tools")
_AI = ("ai_area_px", "ai_dice", "ai_category", "ai_probability_malignant", "ai_model", "ai_model_version")
_KNOWN = "known_"
"""Opens the columns of what came with an imported image; its own fold, say, is not that of the export."""


def write_csv(folder: Path, content: ExportContent) -> None:
    """Write labels.csv: UTF-8, comma separated, CRLF line ends (RFC 4180). A case without a lesion has a row as well.

    Raises:
        OutputError: it cannot be written.
    """
    attributes = tuple(dict.fromkeys(key for edition in EDITIONS for key in load_lexicon(edition).attributes))
    known = (f"{_KNOWN}{name}" for name in KNOWN)
    columns = (*_CASE, *_IMAGE, *_LESION, "category", *attributes, *_AI, *(f"ai_{one}" for one in attributes), *known)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for case in content.each():
        for row in _rows(case, content):
            writer.writerow({name: _cell(value) for name, value in row.items()})
    write_bytes(folder / TABLE, text.getvalue().encode("utf-8"))


def _rows(case: ExportedCase, content: ExportContent) -> list[dict[str, object]]:
    record = case.record
    reading = record.reading
    said = {one.number: one for one in reading.lesions} if reading else {}
    about: dict[str, object] = {
        **{name: getattr(record, name) for name in ("case", "version", "kind", "patient", "reader", "decision")},
        **{"part": case.part, "fold": case.fold, "seconds_spent": record.seconds_spent or None},
        "decided": reading.decided if reading else None,
        "side": reading.place.side if reading and reading.place.side != "unknown" else None,
        **{name: getattr(record.image, name) for name in ("rows", "columns", "frame_count")},
        "image_kind": record.image.kind,
    }
    if record.spacing is not None:
        about |= {"row_mm": record.spacing.row_mm, "column_mm": record.spacing.column_mm}
    numbers = sorted({*said, *case.masks.numbers})
    about |= {f"{_KNOWN}{name}": value for name, value in case.known.items()}
    if not numbers:
        return [about]
    drafts = _Drafts(case, content)
    return [
        {
            **about,
            **_outline(case, number),
            **_said(said.get(number)),
            **drafts.of(number, said.get(number)),
        }
        for number in numbers
    ]


def _outline(case: ExportedCase, number: int) -> dict[str, object]:
    areas = {frame: int(case.masks.mask(frame, number).sum()) for frame, own in case.masks.planes if own == number}
    found: dict[str, object] = {"lesion": number, "frames": " ".join(map(str, sorted(areas)))}
    if areas:
        largest = max(areas, key=lambda frame: (areas[frame], -frame))
        found |= {"largest_frame": largest, "area_px": areas[largest]}
        spacing = case.record.spacing
        if spacing is not None:
            found["area_mm2"] = areas[largest] * spacing.row_mm * spacing.column_mm
    return found


def _said(lesion: LesionReading | None) -> dict[str, object]:
    if lesion is None:
        return {}
    return {
        "tracking_uid": lesion.tracking_uid,
        "present": "yes" if lesion.present else "no",
        "tools": " ".join(lesion.tools),
        "category": lesion.category,
        **lesion.descriptors,
    }


class _Drafts:
    """The AI's word on the lesions of one case."""

    def __init__(self, case: ExportedCase, content: ExportContent) -> None:
        self._result = case.masks
        self._analyses = content.store.analyses(case.record)
        self._masks = content.store.drafts(case.record)

    def of(self, number: int, reading: LesionReading | None) -> dict[str, object]:
        """Values of the draft of a lesion; none where the reader added it, or no model ran."""
        if reading is None or reading.run is None or reading.run >= len(self._analyses):
            return {}
        analysis = self._analyses[reading.run]
        lesion = next((one for one in analysis["lesions"] if one["tracking_uid"] == reading.tracking_uid), None)
        if lesion is None:
            return {}
        assessment, model = lesion["assessment"], analysis["model"]
        return {
            "ai_category": assessment["category"],
            "ai_probability_malignant": assessment["probability_malignant"],
            "ai_model": model["name"],
            "ai_model_version": model["version"],
            **{f"ai_{one['attribute']}": one["term"] for one in lesion["descriptors"]},
            **self._agreement(number, lesion, self._masks[reading.run]),
        }

    def _agreement(self, number: int, lesion: Mapping[str, Any], draft: MaskStack | None) -> dict[str, object]:
        if draft is None or draft.shape != self._result.shape:
            return {}
        drafted = both = left = 0
        largest = 0
        for frame in set(draft.spoken) & set(self._result.spoken):
            first, second = draft.mask(frame, int(lesion["number"])), self._result.mask(frame, number)
            drafted, left = drafted + int(first.sum()), left + int(second.sum())
            both, largest = both + int((first & second).sum()), max(largest, int(first.sum()))
        return {"ai_area_px": largest, "ai_dice": 2 * both / (drafted + left) if drafted + left else None}


def _cell(value: object) -> str:
    """Text of a value, on one line; what a spreadsheet would run as a formula is preceded by an apostrophe (OWASP)."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = " ".join(str(value).split())
    return "'" + text if text.startswith(("=", "+", "-", "@", "|", "%")) else text
