"""Outlines of masks as DICOM graphic data."""

import numpy as np

MOST_POINTS = 2000
"""Points of one outline: more than the eye needs, and well within the 64 KiB of GraphicData."""


def outline_points(mask: np.ndarray) -> np.ndarray:
    """Closed outline of the largest part of `mask`, for a POLYLINE of PS3.3 C.18.6.

    Args:
        mask: bool, (rows, columns), not empty. Holes are not outlined.

    Returns:
        float32, (points, 2): column and row, the top left corner of the image at (0, 0) and its bottom right corner at
        (columns, rows), so that the centre of the first pixel is (0.5, 0.5). The last point repeats the first.

    Raises:
        ValueError: the mask is empty.
    """
    from scipy.ndimage import binary_fill_holes, label
    from skimage.measure import approximate_polygon, find_contours

    parts, count = label(mask, structure=np.ones((3, 3)))
    if not count:
        raise ValueError("an empty mask has no outline")
    largest = binary_fill_holes(parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]))
    # The border of background closes outlines at the edge of the image; it moves every point by one pixel.
    around = np.pad(largest, 1).astype(np.float32)
    contour = max(find_contours(around, 0.5, fully_connected="high"), key=len)
    points, tolerance = contour, 0.0
    while len(points) > MOST_POINTS:
        tolerance += 0.25
        points = approximate_polygon(contour, tolerance)
    points = np.clip(points[:, ::-1] - 1 + 0.5, 0, [mask.shape[1], mask.shape[0]])
    points[-1] = points[0]
    return points.astype(np.float32)
