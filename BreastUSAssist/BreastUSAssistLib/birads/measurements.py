"""All measurements of one lesion in one frame."""

from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..ultrasound.frame import Box, PixelSpacing, UltrasoundFrame
from . import grey_levels, outline
from .lesion import Area, Length, Measurements


def measure(mask: np.ndarray, frame: UltrasoundFrame, tissue: Box | None = None) -> Measurements:
    """Measure the lesion that `mask` (bool, rows x columns of the frame) outlines.

    A pixel is a rectangle: a mask of w x h pixels measures w and h, not w - 1 and h - 1. Lengths in px take pixels as
    square; lengths in mm use the spacing of each direction and are given only where `frame.spacing_in` knows it. Angles
    and shape measures are in mm where that is known, since pixels need not be square. Fragments count for area and
    extents; shape and margin are those of the largest part, its holes filled.

    Args:
        mask: the lesion, at least one pixel.
        frame: the frame it was outlined in.
        tissue: box of the tissue; its top is the transducer face. None: the tissue region of the file that holds the
            lesion, else the whole frame.

    Raises:
        UsageError: the mask is empty, or not of the frame's size.
    """
    if mask.shape != (frame.rows, frame.columns):
        raise UsageError(
            f"The mask is {mask.shape} but the frame {(frame.rows, frame.columns)} (rows, columns); outline this frame."
        )
    mask = np.ascontiguousarray(mask, dtype=bool)
    box = box_of(mask)
    spacing = frame.spacing_in(box)
    tissue = tissue if tissue is not None else tissue_around(frame, box)
    inside = np.pad(mask[box[0] : box[2], box[1] : box[3]], 1)
    points = outline.trace(outline.main_part(inside))
    return Measurements(
        **_extents(inside, box, tissue, spacing),
        **_shape(inside, points, spacing),
        **_grey(frame, mask, box, tissue, points + np.array([box[0] - 1, box[1] - 1])),
    )


def box_of(mask: np.ndarray) -> Box:
    """Top, left, bottom, right of a mask. Raises UsageError when it is empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        raise UsageError("The mask of this lesion is empty; outline it again or remove it.")
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def tissue_around(frame: UltrasoundFrame, box: Box) -> Box:
    """Box of the tissue region that holds the centre of `box`, else the whole frame."""
    row, column = (box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2
    for region in frame.regions:
        top, left, bottom, right = region.box
        if region.is_tissue and top <= row < bottom and left <= column < right:
            return region.box
    return 0, 0, frame.rows, frame.columns


@dataclass(frozen=True)
class _Scale:
    row: float
    column: float


def _scale(spacing: PixelSpacing | None) -> _Scale:
    return _Scale(spacing.row_mm, spacing.column_mm) if spacing else _Scale(1.0, 1.0)


def _extents(inside: np.ndarray, box: Box, tissue: Box, spacing: PixelSpacing | None) -> dict:
    scale = _scale(spacing)
    corners = outline.hull(inside)
    pixels = outline.extent(corners)
    real = outline.extent(corners * (scale.row, scale.column)) if spacing else pixels
    height, width, depth = box[2] - box[0], box[3] - box[1], max(0, box[0] - tissue[0])
    count = int(inside.sum())

    def length(px: float, mm: float) -> Length:
        return Length(px=px, mm=mm if spacing else None)

    return {
        "longest_axis": length(pixels.longest, real.longest),
        "perpendicular_axis": length(pixels.perpendicular, real.perpendicular),
        "antero_posterior": length(height, height * scale.row),
        "transverse": length(width, width * scale.column),
        "depth": length(depth, depth * scale.row),
        "area": Area(px=count, mm2=count * scale.row * scale.column if spacing else None),
        "depth_to_width": height * scale.row / (width * scale.column),
        "axis_angle_deg": real.angle_deg,
    }


def _shape(inside: np.ndarray, points: np.ndarray, spacing: PixelSpacing | None) -> dict:
    scale = _scale(spacing)
    real = points * (scale.row, scale.column)
    fitted = outline.ellipse(inside, scale.row, scale.column)
    return {
        "circularity": outline.circularity(real),
        "solidity": outline.solidity(real),
        "ellipse_fit": fitted.fit,
        "elongation": fitted.elongation,
        "lobulations": outline.notches(outline.turns_deg(real, outline.BULGE_HARMONICS)),
        "notches": outline.notches(outline.turns_deg(real, outline.FINE_HARMONICS)),
        "sharpest_corner_deg": outline.sharpest_corner_deg(outline.turns_deg(real, outline.CORNER_HARMONICS)),
        "margin_roughness": outline.roughness(real),
    }


def _grey(frame: UltrasoundFrame, mask: np.ndarray, box: Box, tissue: Box, points: np.ndarray) -> dict:
    around = grey_levels.cut_out(frame, mask, box, tissue)
    smooth = outline.low_pass(points, outline.CORNER_HARMONICS)[1]
    smooth = smooth if outline.signed_area(smooth) > 0 else smooth[::-1]
    offset = (around.box[0] - box[0], around.box[1] - box[1])
    return {
        "margin_sharpness": grey_levels.sharpness(around, smooth + offset, outline.normals(smooth)),
        "echo_ratio": grey_levels.echo_ratio(around),
        "echo_heterogeneity": grey_levels.heterogeneity(around),
        "posterior_ratio": grey_levels.posterior_ratio(around),
    }
