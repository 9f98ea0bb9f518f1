"""Words, numbers and escaping of a report. Everything that comes from a file passes through `safe`."""

import html
import math
import re
from collections.abc import Iterable

from ..birads.analysis import Analysis, Gate, Spacing
from ..birads.assessment import about
from ..birads.lesion import Area, Descriptor, Length
from ..birads.lexicon import load_lexicon
from ..errors import UsageError

# Control characters and lone surrogates cannot stand in a page; the rest are invisible and turn text around
# (Unicode Standard Annex 9), so that a file name could pose as another.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)

SPACING_SOURCES = {
    "ultrasound_region": "from the ultrasound region of the DICOM file",
    "pixel_spacing": "from Pixel Spacing in the DICOM file",
    "image_header": "from the image header",
    "user": "entered by the user",
}
SEVERITIES = {"stop": "Not fit for reading", "warn": "Warning", "note": "Note"}
ORIGINS = {
    "geometry": "measured from the outline",
    "grey_level": "measured from grey levels",
    "model": "from the network",
    "reader": "set by the reader",
}


def safe(text: object) -> str:
    """`text` escaped for an element or a quoted attribute; characters that no page may hold become U+FFFD."""
    return html.escape(_UNWANTED.sub("\ufffd", str(text)), quote=True)


def number(value: float | None, digits: int = 2) -> str:
    """`value` with so many decimals; a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def length(value: Length) -> str:
    """In mm where known, in pixels otherwise."""
    return f"{value.px:.0f} px" if value.mm is None else f"{value.mm:.1f} mm"


def area(value: Area) -> str:
    """In mm² where known, in pixels otherwise."""
    return f"{value.px:.0f} px" if value.mm2 is None else f"{value.mm2:.1f} mm²"


def percent(value: float) -> str:
    """A probability as a whole percentage; never 0 or 100, which would claim certainty."""
    return "<1 %" if value < 0.005 else ">99 %" if value > 0.995 else f"{value * 100:.0f} %"


def chance(value: float) -> str:
    """A probability as `birads.assessment.about` gives it, on one line."""
    return unbroken(about(value))


def unbroken(text: str) -> str:
    """Escaped; a number and its % sign stay on one line."""
    return safe(text.replace(" %", "\u00a0%"))


def named(descriptor: Descriptor) -> str:
    """A descriptor's term, with its attribute where the term alone says nothing ("present", "in a mass")."""
    if descriptor.attribute in ("echogenic_rim", "calcifications"):
        return f"{term(descriptor.attribute)} {descriptor.label.lower()}"
    return descriptor.label


def plural(count: int, word: str) -> str:
    """Count and word, as in "1 frame", "3 frames"."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def term(key: str) -> str:
    """A lexicon key as words."""
    return key.replace("_", " ").capitalize()


def frame_ranges(frames: Iterable[int]) -> str:
    """Frame numbers as ranges: 1–5, 8, 10–12."""
    ranges: list[list[int]] = []
    for frame in sorted(set(frames)):
        if ranges and frame == ranges[-1][1] + 1:
            ranges[-1][1] = frame
        else:
            ranges.append([frame, frame])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in ranges)


def calibration(spacing: Spacing | None) -> str:
    """Pixel spacing and where it came from, in words."""
    if spacing is None:
        return "Not calibrated: lengths in pixels"
    if math.isclose(spacing.row_mm, spacing.column_mm, rel_tol=1e-3):
        size = f"{spacing.row_mm:.4g} mm a pixel"
    else:
        size = f"{spacing.row_mm:.4g} mm a pixel down, {spacing.column_mm:.4g} mm across"
    return f"{size}, {SPACING_SOURCES.get(spacing.source, spacing.source)}"


def gate_frames(gate: Gate, analysis: Analysis) -> str:
    """The frames that a gate holds for, in words; nothing for a single image."""
    if analysis.source.frame_count == 1:
        return ""
    if not gate.frames:
        return "all frames"
    return ("frame " if len(gate.frames) == 1 else "frames ") + frame_ranges(gate.frames)


def edition_title(edition: str) -> str:
    """An edition of the lexicon by its title; by its key where this version does not ship it."""
    try:
        return load_lexicon(edition).title
    except UsageError:
        return edition
