"""report.html: everything said of one case on one page that needs nothing else, no script and no network."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from string import Template

from ..birads.analysis import Analysis
from ..birads.lesion import Lesion
from ..birads.read_case import ReadCase
from ..files import resource_path, write_text
from .report_lesion import PictureBook, enlarged_pictures, frame_pictures, lesion_heading, lesion_words, spacing_of
from .report_pictures import KeyPicture, Spacing, draw_overlay
from .report_reading import (
    decision_box,
    decision_words,
    lesion_block,
    nothing_left,
    outline_words,
    own_categories,
    reading_section,
)
from .report_sections import checks, citations, header, limits, nothing_outlined, provenance, summary
from .report_text import safe
from .report_timeline import timeline

__all__ = ["KeyPicture", "draw_overlay", "report_html", "write_report"]

BANNER = "Research use only, not for diagnosis — AI draft, a named reader decides"
_STILL_BYTES = 1_000_000
"""Of all pictures of a still together, before base64 adds a third: the page stays below 1.5 MB."""
_CLIP_BYTES = 2_000_000
"""Of all pictures of a cine or volume together: the page stays below 3 MB."""


def report_html(analysis: Analysis, pictures: Sequence[KeyPicture], read: ReadCase | None = None) -> str:
    """The report as one HTML page; only `pictures` are shown, at best one for each key frame.

    With `read`, what its reader said stands beside what the AI drafted; `analysis` then holds the reader's terms.

    The page holds no script and loads nothing (Content Security Policy by meta element, W3C CSP Level 3): its only
    style is allowed by its hash, its pictures are data URIs.
    """
    style = resource_path("Report", "report.css").read_text("utf-8")
    if read is not None:
        style += resource_path("Report", "reading.css").read_text("utf-8")
    template = Template(resource_path("Report", "report.html").read_text("utf-8"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return template.substitute(
        style_hash=f"sha256-{digest}",
        style=style,
        title=safe(f"{analysis.case}: draft breast ultrasound analysis"),
        banner=safe(BANNER),
        header=_header(analysis, read),
        checks=checks(analysis),
        summary=summary(analysis, read is not None),
        timeline=timeline(analysis),
        findings=_findings(analysis, pictures, read),
        decision=decision_box(read),
        provenance=provenance(analysis),
        limits=limits(read is not None),
        citations=citations(),
    )


def write_report(path: Path, analysis: Analysis, pictures: Sequence[KeyPicture], read: ReadCase | None = None) -> None:
    """Write the report to `path`, whole or not at all. Raises OutputError where the folder cannot be written."""
    write_text(path, report_html(analysis, pictures, read))


def _header(analysis: Analysis, read: ReadCase | None) -> str:
    """Header, and what the reader said of the case as a whole."""
    if read is None:
        return header(analysis)
    own, decision = own_categories(analysis, read), decision_words(read.reading)
    return f"{header(analysis, own, decision)}\n{reading_section(analysis, read)}"


def _findings(analysis: Analysis, pictures: Sequence[KeyPicture], read: ReadCase | None) -> str:
    book = _picture_book(analysis, pictures)
    single = analysis.source.frame_count == 1
    drafted = read is None
    if not analysis.lesions:
        shown = "".join(
            frame_pictures(picture, book, _frame_spacing(analysis, picture), single, drafted) for picture in pictures
        )
        return nothing_outlined(analysis, shown, nothing_left(analysis, read) if read else "")
    parts = []
    pictured: set[int] = set()
    for lesion in analysis.lesions:
        picture = _picture_of(lesion.number, lesion.key_frame, pictures)
        parts.append(f'<article class="lesion" aria-labelledby="lesion-{lesion.number}">')
        parts.append(lesion_heading(lesion, analysis.source.frame_count, _outlined_by(lesion, read, single)))
        if read is not None:
            parts.append(lesion_block(lesion, analysis, read))
        if picture is not None:
            if picture.frame_number not in pictured:
                parts.append(frame_pictures(picture, book, _frame_spacing(analysis, picture), single, drafted))
                pictured.add(picture.frame_number)
            parts.append(enlarged_pictures(lesion, picture, book))
        parts.append(lesion_words(lesion, read.draft(lesion.tracking_uid) if read else None))
        parts.append("</article>")
    return "".join(parts)


def _outlined_by(lesion: Lesion, read: ReadCase | None, single: bool) -> str | None:
    return outline_words(read.lesion(lesion), single) if read is not None else None


def _picture_of(number: int, key_frame: int, pictures: Sequence[KeyPicture]) -> KeyPicture | None:
    of_frame = [picture for picture in pictures if picture.frame_number == key_frame]
    return next((picture for picture in of_frame if number in picture.lesion_numbers), None) or next(
        iter(of_frame), None
    )


def _frame_spacing(analysis: Analysis, picture: KeyPicture) -> Spacing | None:
    """Spacing for the scale bar of a whole frame: none where its regions differ, since one bar would be wrong."""
    spacing = analysis.source.spacing
    if spacing is None:
        return None
    whole = (spacing.row_mm, spacing.column_mm)
    of_lesions = [spacing_of(lesion) for lesion in analysis.lesions if lesion.key_frame == picture.frame_number]
    same = all(s is not None and all(abs(a / b - 1) < 0.02 for a, b in zip(s, whole, strict=True)) for s in of_lesions)
    return whole if same else None


def _picture_book(analysis: Analysis, pictures: Sequence[KeyPicture]) -> PictureBook:
    total = _STILL_BYTES if analysis.source.frame_count == 1 else _CLIP_BYTES
    count = 2 * len(pictures) + 2 * len(analysis.lesions)
    return PictureBook(total // max(count, 1), _data_uri)


def _data_uri(content: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(content).decode("ascii")
