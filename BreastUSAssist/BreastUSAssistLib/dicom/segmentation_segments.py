"""Segment descriptions of a DICOM Segmentation (PS3.3 C.8.20.2, Segment Description Macro)."""

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


def lesion_label(lesion: Lesion) -> str:
    """Name of a lesion in every output."""
    return f"Lesion {lesion.number}"


def segment_item(segment_number: int, lesion: Lesion, model: ModelUsed, side: Laterality | None) -> "Dataset":
    """Describe the segment of `lesion`: what it is, where, who drew it, and the UID under which it is tracked."""
    from pydicom import Dataset

    item = Dataset()
    item.SegmentNumber = segment_number
    item.SegmentLabel = lesion_label(lesion)
    item.SegmentedPropertyCategoryCodeSequence = [code_item(ABNORMAL_STRUCTURE)]
    item.SegmentedPropertyTypeCodeSequence = [code_item(MASS)]
    region = code_item(BREAST)
    if side is not None:
        region.AnatomicRegionModifierSequence = [code_item(LATERALITY[side])]
    item.AnatomicRegionSequence = [region]
    item.SegmentAlgorithmType = ALGORITHM_TYPES[lesion.origin]
    if item.SegmentAlgorithmType != "MANUAL":
        item.SegmentAlgorithmName = short_text(model.name)
        item.SegmentationAlgorithmIdentificationSequence = [_algorithm_item(model)]
    item.TrackingID = lesion_label(lesion)
    item.TrackingUID = lesion.tracking_uid
    item.RecommendedDisplayCIELabValue = cielab(segment_color(lesion.number))
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
