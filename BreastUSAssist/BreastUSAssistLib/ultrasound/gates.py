"""Input gates: reasons, in plain words, not to trust a frame before any network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .frame import Box, UltrasoundFrame
from .gate_marks import drawn_marks
from .gate_panels import second_panel
from .gate_texture import colour_kind, is_blank, saturated_share, texture, unlike_ultrasound
from .tissue import box_area, inside, tissue_box, tissue_panels

if TYPE_CHECKING:
    from pydicom import Dataset

Severity = Literal["stop", "warn", "note"]

SMALLEST_SIDE = 96
"""Tissue narrower than this, in pixels, is an icon or a scrap."""
GATES: dict[str, tuple[Severity, str]] = {
    "blank": ("stop", "The frame is blank or of one grey level, so there is nothing to read; choose another frame."),
    "too_small": (
        "stop",
        f"The tissue is less than {SMALLEST_SIDE} pixels wide or high, too coarse to read; use the image at full size.",
    ),
    "not_ultrasound": (
        "stop",
        "The image does not look like B-mode ultrasound, which is all this can read; check that it is the right file.",
    ),
    "m_mode": (
        "stop",
        "The frame holds an M-mode trace, which shows time and not shape; use a plain B-mode frame.",
    ),
    "spectral_doppler": (
        "stop",
        "The frame holds a Doppler spectrum, which shows speed and not shape; use a plain B-mode frame.",
    ),
    "colour_doppler": (
        "warn",
        "Colour Doppler covers part of the tissue and hides its echoes; use the frame without colour.",
    ),
    "elastography": (
        "warn",
        "An elastogram covers part of the tissue and hides its echoes; use the B-mode frame beside it.",
    ),
    "split_view": (
        "warn",
        "The frame shows two images side by side and only the larger is read; use single-view frames.",
    ),
    "overlay": (
        "warn",
        "Calipers or text are drawn over the tissue and can mislead outline and risk; use the frame without them.",
    ),
    "saturated": (
        "warn",
        "Much of the tissue is pure white, so echo levels are lost there; use a frame with lower gain.",
    ),
    "no_spacing": (
        "note",
        "The file does not say how large a pixel is, so measurements are in pixels; calibrate to get millimetres.",
    ),
}
"""Severity and message of each gate, the gravest first. A `stop` forbids a draft, a `warn` casts doubt on it."""

NOT_ULTRASOUND_MODALITIES = {"CT", "MR", "MG", "CR", "DX", "PT", "NM", "XA", "RF", "SM", "OP", "OPT", "ES", "XC", "DOC"}


@dataclass(frozen=True)
class InputGate:
    """A reason not to trust a frame."""

    code: str
    severity: Severity
    message: str
    """One sentence: what was seen, why it is not fit for reading, what to do."""


def check_frame(frame: UltrasoundFrame, header: Dataset | None = None) -> tuple[InputGate, ...]:
    """Every gate that `frame` trips, the gravest first; none for a plain B-mode frame of known pixel size.

    Args:
        frame: the decoded frame, with its regions where the file gives them.
        header: the DICOM header of its file, without pixels, where there is one.
    """
    panels = tissue_panels(frame.grey)
    declared = any(region.is_tissue for region in frame.regions)
    box = tissue_box(frame) if declared else panels[0] if panels else (0, 0, frame.rows, frame.columns)
    codes = _codes_of_regions(frame) | _codes_of_header(header) | _codes_of_pixels(frame, box, panels)
    if frame.spacing_in(box) is None:
        codes.add("no_spacing")
    return tuple(InputGate(code, *GATES[code]) for code in GATES if code in codes)


def _codes_of_regions(frame: UltrasoundFrame) -> set[str]:
    """What the regions declare (PS3.3 C.8.5.5.1.1 spatial format, C.8.5.5.1.2 data type)."""
    codes = set()
    for region in frame.regions:
        if box_area(region.box) * 100 < frame.rows * frame.columns:
            continue
        if region.spatial_format == 2:
            codes.add("m_mode")
        elif region.spatial_format == 3:
            codes.add("spectral_doppler")
        elif region.spatial_format == 1 and region.data_type == 2:
            codes.add("colour_doppler")
    tissue = sorted((region.box for region in frame.regions if region.is_tissue), key=box_area, reverse=True)
    # Some scanners declare one area twice; two views lie apart.
    if any(_apart(tissue[0], other) and 3 * box_area(other) > box_area(tissue[0]) for other in tissue[1:]):
        codes.add("split_view")
    return codes


def _codes_of_header(header: Dataset | None) -> set[str]:
    """What Modality and value 4 of ImageType declare (PS3.3 C.8.5.6.1.1, a sum of bits in hexadecimal)."""
    if header is None:
        return set()
    if str(header.get("Modality", "")).strip().upper() in NOT_ULTRASOUND_MODALITIES:
        return {"not_ultrasound"}
    image_type = header.get("ImageType") or []
    try:
        modes = int(str(image_type[3]), 16) if len(image_type) > 3 and not isinstance(image_type, str) else 0
    except ValueError:
        modes = 0
    codes = set()
    for bits, code in ((0x0002, "m_mode"), (0x000C, "spectral_doppler"), (0x0110, "colour_doppler")):
        if modes & bits:
            codes.add(code)
    return codes


def _codes_of_pixels(frame: UltrasoundFrame, box: Box, panels: list[Box]) -> set[str]:
    """What the pixels show, whatever the header says."""
    grey = inside(frame.grey, box)
    if is_blank(grey):
        return {"blank"}
    if min(grey.shape) < SMALLEST_SIDE:
        return {"too_small"}
    codes: set[str] = set()
    if saturated_share(grey) > 0.15:
        codes.add("saturated")
    colour = colour_kind(inside(frame.pixels, box)) if frame.pixels.ndim == 3 else None
    found = texture(grey)
    # Colour upsets the other statistics of real Doppler frames, but even there rows differ more than columns.
    if found.anisotropy < 0.98 if colour is not None else unlike_ultrasound(found):
        return {"not_ultrasound"}
    if colour is not None:
        codes.add(colour)
    beside = second_panel(frame.grey, panels)
    if beside is not None:
        codes.add(beside)
    if drawn_marks(grey):
        codes.add("overlay")
    return codes


def _apart(first: Box, second: Box) -> bool:
    rows = min(first[2], second[2]) - max(first[0], second[0])
    columns = min(first[3], second[3]) - max(first[1], second[1])
    return rows <= 0 or columns <= 0 or 4 * rows * columns < min(box_area(first), box_area(second))
