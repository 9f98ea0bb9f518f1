"""Stored frames that refer to no image, found by where they lie in the patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .segmentation_geometry import is_made_up
from .source_frames import PlanePosition, first_item, plane_positions, source_frames

if TYPE_CHECKING:
    from pydicom import Dataset

_SAME_PLACE_MM = 0.01
_SAME_DIRECTION = 1e-3
_SAME_SPACING = 1e-3
"""Of the spacing itself."""


@dataclass(frozen=True)
class SourcePlaces:
    """Plane positions of all source frames."""

    positions: Sequence[PlanePosition]

    @classmethod
    def of(cls, dataset: "Dataset", headers: "Sequence[Dataset]") -> "SourcePlaces | None":
        """Those of `headers`, where the Segmentation lies in the same frame of reference; else None.

        Positions that are made up place nothing.
        """
        if is_made_up(dataset):
            return None
        positions = plane_positions(source_frames(headers))
        if positions is None or headers[0].get("FrameOfReferenceUID") != dataset.get("FrameOfReferenceUID"):
            return None
        return cls(positions)

    def index(self, group: "Dataset", shared: "Dataset | None") -> int | None:
        """The source frame (from 0) whose pixels a stored frame with these functional groups covers one to one."""
        place = _numbers(group, shared, "PlanePositionSequence", "ImagePositionPatient")
        turned = _numbers(group, shared, "PlaneOrientationSequence", "ImageOrientationPatient")
        spaced = _numbers(group, shared, "PixelMeasuresSequence", "PixelSpacing")
        if place is None or len(place) != 3:
            return None
        for index, own in enumerate(self.positions):
            if np.abs(np.subtract(place, own.position)).max() > _SAME_PLACE_MM:
                continue
            same = _close(turned, own.orientation, _SAME_DIRECTION)
            return index if same and _close(spaced, own.spacing, _SAME_SPACING * min(own.spacing)) else None
        return None


def _close(told: list[float] | None, own: Sequence[float], tolerance: float) -> bool:
    """Whether they agree; what is not told cannot disagree."""
    return told is None or (len(told) == len(own) and bool(np.abs(np.subtract(told, own)).max() <= tolerance))


def _numbers(group: "Dataset", shared: "Dataset | None", sequence: str, keyword: str) -> list[float] | None:
    item = first_item(group, sequence) or first_item(shared, sequence)
    values: Any = item.get(keyword) if item is not None else None
    return [float(value) for value in values] if values else None
