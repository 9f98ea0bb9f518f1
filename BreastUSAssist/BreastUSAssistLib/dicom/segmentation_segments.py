"""Segment descriptions of a DICOM Segmentation (PS3.3 C.8.20.2, Segment Description Macro)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..birads.analysis import ModelUsed
from ..birads.lesion import Lesion
from .codes import (
    ABNORMAL_STRUCTURE,
    ARTIFICIAL_INTELLIGENCE,
    BREAST,
    LATERALITY,
    MASS,
    Laterality,
    cielab,
    code_item,
    segment_color,
    short_text,
)

if TYPE_CHECKING:
    from pydicom import Dataset

ALGORITHM_TYPES = {
    "automatic": "AUTOMATIC",
    "semiautomatic": "SEMIAUTOMATIC",
    "manual": "MANUAL",
    "truth": "MANUAL",
}
"""SegmentAlgorithmType (0062,0008) for each `Lesion.origin`."""


@dataclass(frozen=True)
class SegmentSource:
    """What one segment is made from."""

    value: int
    """Of the lesion in the labels."""
    lesion: Lesion
    model: ModelUsed
    """The one that drew it."""
    side: Laterality | None
    label: str
    """SegmentLabel."""


def lesion_label(lesion: Lesion) -> str:
    """Name of a lesion in every output."""
    return f"Lesion {lesion.number}"


def segment_item(segment_number: int, source: SegmentSource) -> "Dataset":
    """Describe a segment: what it is, where, who drew it, and the UID under which its lesion is tracked."""
    from pydicom import Dataset

    lesion, model = source.lesion, source.model
    item = Dataset()
    item.SegmentNumber = segment_number
    item.SegmentLabel = short_text(source.label)
    item.SegmentedPropertyCategoryCodeSequence = [code_item(ABNORMAL_STRUCTURE)]
    item.SegmentedPropertyTypeCodeSequence = [code_item(MASS)]
    region = code_item(BREAST)
    if source.side is not None:
        region.AnatomicRegionModifierSequence = [code_item(LATERALITY[source.side])]
    item.AnatomicRegionSequence = [region]
    item.SegmentAlgorithmType = ALGORITHM_TYPES[lesion.origin]
    if item.SegmentAlgorithmType != "MANUAL":
        item.SegmentAlgorithmName = short_text(model.name)
        item.SegmentationAlgorithmIdentificationSequence = [_algorithm_item(model)]
    item.TrackingID = lesion_label(lesion)
    item.TrackingUID = lesion.tracking_uid
    item.RecommendedDisplayCIELabValue = cielab(segment_color(source.value))
    return item


def _algorithm_item(model: ModelUsed) -> "Dataset":
    """Algorithm Identification Macro (PS3.3 10.16)."""
    from pydicom import Dataset

    item = Dataset()
    item.AlgorithmFamilyCodeSequence = [code_item(ARTIFICIAL_INTELLIGENCE)]
    item.AlgorithmName = short_text(model.name)
    item.AlgorithmVersion = short_text(model.version)
    item.AlgorithmParameters = f"weights sha256 {model.sha256}; {model.backend} {model.precision} on {model.device}"
    return item
