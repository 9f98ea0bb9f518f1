"""Geometry of a lesion's outline: extents, roundness, fit with an ellipse, bulges and roughness.

Points are (row, column). Pixel centres lie on whole numbers; a pixel reaches half a pixel to each side, so a rectangle
of w x h pixels is w wide and h high. Lengths are in pixels when points are, in mm when they were scaled to mm.
"""

from dataclasses import dataclass

import numpy as np

COARSE_HARMONICS = 4
"""Fourier harmonics of the smoothed outline against which roughness is measured."""
BULGE_HARMONICS = 6
"""Fourier harmonics in which bulges (lobulations) are counted."""
FINE_HARMONICS = 16
"""Fourier harmonics in which notches are counted: they show spicules and microlobules, not the steps of pixels."""
CORNER_HARMONICS = 24
"""Fourier harmonics in which the sharpest corner is looked for."""
NOTCH_DEG = 15.0
"""An inward arc counts as a notch between two bulges when the outline turns by this much in it."""
_SAMPLES = 512


@dataclass(frozen=True)
class Extent:
    """Longest axis and the extent at right angles to it."""

    longest: float
    perpendicular: float
    angle_deg: float
    """Of the longest axis to the horizontal, 0..90."""


@dataclass(frozen=True)
class Ellipse:
    """The ellipse of the same second moments as a mask."""

    elongation: float
    """Major over minor axis, >= 1."""
    fit: float
    """Dice of mask and ellipse, 0..1."""


def main_part(mask: np.ndarray) -> np.ndarray:
    """Largest connected part (8 neighbours) of a bool mask, its holes filled; same shape."""
    from scipy import ndimage

    parts, count = ndimage.label(mask, structure=np.ones((3, 3), dtype=bool))
    if count > 1:
        mask = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(mask), dtype=bool)


def trace(part: np.ndarray, smoothing_px: float = 1.5) -> np.ndarray:
    """Closed outline of one connected mask, float64 (points, 2), about two points a pixel, first point not repeated.

    Marching squares at one half, then a Gaussian along the outline takes the steps of the pixels off. Without it the
    outline of a disc would be some 5 % too long.
    """
    from scipy.ndimage import gaussian_filter1d
    from skimage.measure import find_contours

    contours = find_contours(np.pad(part, 1).astype(np.float32), 0.5)
    longest = max(contours, key=len)[:-1] - 1.0
    length = perimeter(longest)
    points = evenly_spaced(longest, int(np.clip(2 * length, 32, 4096)))
    smoothing = min(smoothing_px, length / 12) / (length / len(points))
    smooth = np.asarray(gaussian_filter1d(points, smoothing, axis=0, mode="wrap"))
    return smooth if signed_area(smooth) > 0 else smooth[::-1]


def evenly_spaced(points: np.ndarray, count: int) -> np.ndarray:
    """`count` points at equal steps along a closed outline, float64 (count, 2)."""
    closed = np.vstack([points, points[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.linspace(0.0, along[-1], count, endpoint=False)
    return np.column_stack([np.interp(at, along, closed[:, 0]), np.interp(at, along, closed[:, 1])])


def perimeter(points: np.ndarray) -> float:
    """Length of a closed outline."""
    return float(np.hypot(*(np.roll(points, -1, axis=0) - points).T).sum())


def signed_area(points: np.ndarray) -> float:
    """Area inside a closed outline (shoelace formula), above 0 when it runs clockwise as seen on the screen."""
    after = np.roll(points, -1, axis=0)
    return float((points[:, 1] * after[:, 0] - after[:, 1] * points[:, 0]).sum() / 2)


def solidity(points: np.ndarray) -> float:
    """Area inside a closed outline over that of its convex hull, at most 1."""
    from scipy.spatial import ConvexHull

    return min(1.0, abs(signed_area(points)) / float(ConvexHull(points).volume))


def circularity(points: np.ndarray) -> float:
    """4 pi area / perimeter^2, at most 1; 1 for a disc."""
    return min(1.0, 4 * np.pi * abs(signed_area(points)) / perimeter(points) ** 2)


def hull(mask: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of the pixels of a mask, (corners, 2), in pixels."""
    from scipy.spatial import ConvexHull

    rows = np.flatnonzero(mask.any(axis=1))
    left = np.argmax(mask[rows], axis=1) - 0.5
    right = mask.shape[1] - np.argmax(mask[rows, ::-1], axis=1) - 0.5
    ends = np.concatenate([left, right])
    twice = np.concatenate([rows, rows]).astype(float)
    corners = np.concatenate([np.column_stack([twice - 0.5, ends]), np.column_stack([twice + 0.5, ends])])
    return np.asarray(corners[ConvexHull(corners).vertices])


def extent(corners: np.ndarray) -> Extent:
    """Longest axis (maximum Feret diameter) between hull corners and the extent at right angles to it.

    Where several axes are equally long, the flattest is taken, then the one with the larger extent across, so that a
    mirrored mask measures the same.
    """
    apart = corners[:, None] - corners[None]
    distance = np.hypot(apart[..., 0], apart[..., 1])
    longest = float(distance.max())
    candidates = []
    for first, second in np.argwhere(np.triu(distance >= longest * (1 - 1e-9))):
        down, across = apart[first, second] / distance[first, second]
        over = corners @ np.array([across, -down])
        angle = float(np.degrees(np.arctan2(abs(down), abs(across))))
        candidates.append((round(angle, 6), -float(np.ptp(over))))
    angle, perpendicular = min(candidates)
    return Extent(longest, -perpendicular, angle)


def ellipse(mask: np.ndarray, row_size: float = 1.0, column_size: float = 1.0) -> Ellipse:
    """Ellipse of the same centre and second moments as the mask, pixels taken as row_size x column_size rectangles."""
    rows, columns = np.nonzero(mask)
    y, x = rows * row_size, columns * column_size
    y0, x0 = y.mean(), x.mean()
    moments = np.array(
        [
            [((y - y0) ** 2).mean() + row_size**2 / 12, ((y - y0) * (x - x0)).mean()],
            [((y - y0) * (x - x0)).mean(), ((x - x0) ** 2).mean() + column_size**2 / 12],
        ]
    )
    small, large = np.linalg.eigvalsh(moments)
    inverse = np.linalg.inv(moments)
    # The ellipse may reach beyond the mask's box: its half height is twice the standard deviation in that direction.
    half_rows = 2 * np.sqrt(moments[0, 0]) / row_size
    half_columns = 2 * np.sqrt(moments[1, 1]) / column_size
    centre_row, centre_column = y0 / row_size, x0 / column_size
    grid_rows = np.arange(np.floor(centre_row - half_rows), np.ceil(centre_row + half_rows) + 1)
    grid_columns = np.arange(np.floor(centre_column - half_columns), np.ceil(centre_column + half_columns) + 1)
    dy = ((grid_rows - centre_row) * row_size)[:, None]
    dx = ((grid_columns - centre_column) * column_size)[None]
    inside = inverse[0, 0] * dy**2 + 2 * inverse[0, 1] * dy * dx + inverse[1, 1] * dx**2 <= 4.0
    away_y, away_x = y - y0, x - x0
    shared = inverse[0, 0] * away_y**2 + 2 * inverse[0, 1] * away_y * away_x + inverse[1, 1] * away_x**2 <= 4.0
    fit = 2 * float(shared.sum()) / (rows.size + float(inside.sum()))
    return Ellipse(float(np.sqrt(large / small)), fit)


def low_pass(points: np.ndarray, harmonics: int) -> tuple[np.ndarray, np.ndarray]:
    """The outline at 512 points and its smoothed self from the lowest Fourier harmonics, each (512, 2), point by point.

    The outline is brought to unit variance in every direction first, so that any ellipse is kept as it is: a slender
    lesion is not taken for a rough one.
    """
    scale = np.eye(2)
    centred = points - points.mean(axis=0)
    for _ in range(3):
        variance, axes = np.linalg.eigh(np.cov((centred @ scale).T))
        scale = scale @ (axes / np.sqrt(np.maximum(variance, 1e-12)))
        even = evenly_spaced(centred @ scale, _SAMPLES)
        centred = even @ np.linalg.inv(scale)
    spectrum = np.fft.fft(even[:, 1] + 1j * even[:, 0])
    spectrum[harmonics + 1 : -harmonics] = 0
    smooth = np.fft.ifft(spectrum)
    back = np.linalg.inv(scale)
    centre = points.mean(axis=0)
    return even @ back + centre, np.column_stack([smooth.imag, smooth.real]) @ back + centre


def normals(points: np.ndarray) -> np.ndarray:
    """Outward unit normals of a closed outline that runs clockwise on the screen (as `trace` gives it), (points, 2)."""
    along = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-12)
    return np.column_stack([-along[:, 1], along[:, 0]]) / length[:, None]


def roughness(points: np.ndarray) -> float:
    """Root-mean-square distance of the outline from its smoothed self, across it, over the equivalent radius."""
    even, smooth = low_pass(points, COARSE_HARMONICS)
    across = ((even - smooth) * normals(smooth)).sum(axis=1)
    return float(np.sqrt((across**2).mean()) / max(np.sqrt(abs(signed_area(points)) / np.pi), 1e-12))


def turns_deg(points: np.ndarray, harmonics: int) -> np.ndarray:
    """Turn of the smoothed outline at each of its 512 points, in degrees; outward bends above 0, together 360."""
    smooth = low_pass(points, harmonics)[1]
    after = np.roll(smooth, -1, axis=0) - smooth
    heading = after[:, 1] + 1j * after[:, 0]
    turn = np.degrees(np.angle(heading * np.conj(np.roll(heading, 1))))
    return turn if turn.sum() >= 0 else -turn


def notches(turn: np.ndarray, at_least_deg: float = NOTCH_DEG) -> int:
    """Number of inward arcs that turn by at least so much: as many as there are bulges between them; 0 when convex."""
    inward = turn < 0
    if not inward.any() or inward.all():
        return 0
    start = int(np.flatnonzero(inward & ~np.roll(inward, 1))[0])
    turn, inward = np.roll(turn, -start), np.roll(inward, -start)
    arcs = np.cumsum(inward & ~np.roll(inward, 1))
    depth = np.bincount(arcs[inward], weights=-turn[inward])
    return int((depth >= at_least_deg).sum())


def sharpest_corner_deg(turn: np.ndarray) -> float:
    """Largest outward turn within a twentieth of the outline, in degrees; 18 for a disc, 90 for the corner of a box."""
    window = round(len(turn) / 20)
    sums = np.convolve(np.concatenate([turn, turn[: window - 1]]), np.ones(window), mode="valid")
    return float(sums.max())
