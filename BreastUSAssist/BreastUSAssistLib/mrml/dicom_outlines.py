"""Regions of a report (SCOORD, PS3.3 C.18.6) as masks on the frames of an image."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .source import UltrasoundSource

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..dicom.report_model import OutlineRead

FrameKeys = Mapping[tuple[str, int], int]
"""Frame from 0 in the case by SOP instance UID and 1-based frame number in the file."""


def frame_keys(headers: "Iterable[Dataset]") -> dict[tuple[str, int], int]:
    """Which frame of the case a report means when it names a file and a frame of it."""
    from ..dicom.source_frames import frame_count

    keys: dict[tuple[str, int], int] = {}
    for header in headers:
        for number in range(1, frame_count(header) + 1):
            keys[str(header.SOPInstanceUID), number] = len(keys)
    return keys


def masks_of(outlines: "Sequence[OutlineRead]", keys: FrameKeys, source: UltrasoundSource) -> dict[int, np.ndarray]:
    """Masks by frame from 0, bool (rows, columns), none of them empty.

    Outlines on other images, points, and regions without a pixel centre inside give none. Two outlines of one lesion
    in one frame give one mask.
    """
    masks: dict[int, np.ndarray] = {}
    for outline in outlines:
        frame = keys.get((outline.sop_instance_uid, outline.frame_number or 1))
        if frame is None:
            continue
        mask = region_mask(outline.graphic_type, outline.points, (source.rows, source.columns))
        if mask.any():
            masks[frame] = masks[frame] | mask if frame in masks else mask
    return masks


def region_mask(kind: str, points: Sequence[tuple[float, float]], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre lies inside a region, bool (rows, columns); empty for points and lines.

    Args:
        kind: GraphicType.
        points: column and row; the centre of the first pixel is (0.5, 0.5).
        shape: rows and columns of the image.
    """
    places = np.asarray(points, float).reshape(-1, 2) - 0.5
    if kind == "POLYLINE" and len(places) > 3 and np.allclose(places[0], places[-1], atol=0.01):
        return _polygon(places, shape)
    if kind == "CIRCLE" and len(places) == 2:
        radius = float(np.hypot(*(places[1] - places[0])))
        return _ellipse(places[0], np.eye(2), (radius, radius), shape)
    if kind == "ELLIPSE" and len(places) == 4:
        axes = places[1] - places[0], places[3] - places[2]
        lengths = [float(np.hypot(*axis)) / 2 for axis in axes]
        if min(lengths) > 0:
            directions = np.array([axis / (2 * length) for axis, length in zip(axes, lengths, strict=True)])
            return _ellipse((places[0] + places[1]) / 2, directions, (lengths[0], lengths[1]), shape)
    return np.zeros(shape, bool)


def _polygon(places: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from skimage.draw import polygon

    mask = np.zeros(shape, bool)
    mask[polygon(places[:, 1], places[:, 0], shape)] = True
    return mask


def _ellipse(
    centre: np.ndarray, directions: np.ndarray, lengths: tuple[float, float], shape: tuple[int, int]
) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    away = np.stack([columns - centre[0], rows - centre[1]], axis=-1) @ directions.T
    if min(lengths) <= 0:
        return np.zeros(shape, bool)
    return np.asarray((away[..., 0] / lengths[0]) ** 2 + (away[..., 1] / lengths[1]) ** 2 <= 1)
