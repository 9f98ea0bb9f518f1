"""A lesion of a volume, outlined slice by slice: three axes at right angles and the volume."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from ..errors import UsageError
from . import outline
from .lesion import Length, SliceExtent, VolumeAxes
from .measurements import box_of


class _PixelSize(Protocol):
    @property
    def row_mm(self) -> float:
        """Between one row and the next."""

    @property
    def column_mm(self) -> float:
        """Between one column and the next."""


def measure_volume(
    masks: Mapping[int, np.ndarray], spacing: _PixelSize | None = None, slice_mm: float | None = None
) -> VolumeAxes:
    """Three axes and the volume of a lesion from its outlines in the slices of a volume.

    The first axis is the longest distance between two outline points of one slice, in the slice where it is longest
    (as RECIST 1.1 has it for a target lesion: Eisenhauer EA et al., Eur J Cancer 2009;45:228). The second is the extent
    at right angles to it in that slice. The third runs across the slices, from the first to the last that shows the
    lesion, both counted whole. A pixel is a rectangle and a slice as thick as the distance to the next, so axes are
    exact to one voxel. The volume is the number of voxels times their size; slices between the first and the last that
    were missed count for the third axis and not for the volume.

    Millimetres need both the spacing in the plane and the distance between slices; without one of them all lengths are
    in pixels and slices.

    Args:
        masks: bool (rows, columns) by the 1-based number of the slice; empty ones are passed over.
        spacing: of the pixels, in mm, or None.
        slice_mm: distance between slices, or None.

    Raises:
        UsageError: no mask has a pixel.
    """
    outlined = {number: mask for number, mask in sorted(masks.items()) if mask.any()}
    if not outlined:
        raise UsageError("The outline of this lesion is empty in every slice; outline it again or remove it.")
    known = spacing is not None and slice_mm is not None and slice_mm > 0
    size = (spacing.row_mm, spacing.column_mm) if known and spacing is not None else (1.0, 1.0)
    corners = {number: _corners(mask) for number, mask in outlined.items()}
    extents = {number: outline.extent(points * size) for number, points in corners.items()}
    axis_frame = max(extents, key=lambda n: (round(extents[n].longest, 9), round(extents[n].perpendicular, 9), -n))
    pixels, real = outline.extent(corners[axis_frame]), extents[axis_frame]
    slices = max(outlined) - min(outlined) + 1
    voxels = sum(int(np.count_nonzero(mask)) for mask in outlined.values())
    thick = slice_mm if known and slice_mm is not None else None
    return VolumeAxes(
        axis_frame=axis_frame,
        longest_axis=Length(px=pixels.longest, mm=real.longest if thick else None),
        perpendicular_axis=Length(px=pixels.perpendicular, mm=real.perpendicular if thick else None),
        across_slices=SliceExtent(slices=slices, mm=slices * thick if thick else None),
        voxels=voxels,
        volume_ml=voxels * size[0] * size[1] * thick / 1000 if thick else None,
    )


def _corners(mask: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of a slice's outline, (corners, 2), row and column in pixels."""
    top, left, bottom, right = box_of(mask)
    return outline.hull(np.pad(mask[top:bottom, left:right], 1))
