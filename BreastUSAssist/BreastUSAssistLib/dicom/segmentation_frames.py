"""Functional groups and dimensions of a DICOM Segmentation: which segment and which source frame each frame is of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .codes import SEGMENTATION, SOURCE_IMAGE, code_item
from .provenance import instance_reference
from .segmentation_geometry import FrameGeometry
from .source_frames import PlanePosition, SourceFrame, frame_order, position_ranks

if TYPE_CHECKING:
    from pydicom import Dataset

# (dimension attribute, functional group that holds it, label): PS3.3 C.7.6.17.
_SEGMENT = ("ReferencedSegmentNumber", "SegmentIdentificationSequence", "Segment number")
_TIME = ("TemporalPositionIndex", "FrameContentSequence", "Frame in time")
_SPACE = ("InStackPositionNumber", "FrameContentSequence", "Frame in space")
_POSITION = ("ImagePositionPatient", "PlanePositionSequence", "Position in the patient")


@dataclass(frozen=True)
class StoredFrame:
    """One frame of the segmentation."""

    segment_number: int
    value: int
    """Of its lesion in the labels."""
    index: int
    """Index of the source frame, from 0."""


def add_functional_groups(
    dataset: "Dataset",
    frames: Sequence[SourceFrame],
    stored: Sequence[StoredFrame],
    geometry: FrameGeometry | None,
) -> None:
    """Add dimensions, shared and per-frame functional groups, and the frame of reference where there is a `geometry`.

    Frames are ordered by segment and then by position in the patient, by time, or by number in the volume.
    """
    from pydicom import Dataset

    positions = geometry.positions if geometry is not None else None
    if geometry is not None and positions is not None:
        dimension, ranks = _POSITION, position_ranks(positions)
        dataset.FrameOfReferenceUID = geometry.frame_of_reference_uid
        dataset.PositionReferenceIndicator = geometry.position_reference_indicator
    else:
        dimension, ranks = _SPACE if frame_order(frames) == "space" else _TIME, list(range(1, len(frames) + 1))
        # Type 2C without a position in the patient (PS3.3 C.7.6.1): present, and empty because no source says it.
        dataset.PatientOrientation = None
    _add_dimensions(dataset, dimension)
    shared, varying = Dataset(), positions
    if positions is not None and len({(p.orientation, p.spacing, p.thickness) for p in positions}) == 1:
        _add_geometry(shared, positions[0])
        varying = None
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for one in stored:
        group = _frame_group(one, frames[one.index], dimension[0], ranks[one.index])
        if positions is not None:
            group.PlanePositionSequence = [_position_item(positions[one.index])]
        if varying is not None:
            _add_geometry(group, varying[one.index])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.NumberOfFrames = len(groups)


def _add_dimensions(dataset: "Dataset", dimension: tuple[str, str, str]) -> None:
    from pydicom import Dataset
    from pydicom.datadict import tag_for_keyword
    from pydicom.uid import generate_uid

    organization = Dataset()
    organization.DimensionOrganizationUID = generate_uid(prefix=None)
    dataset.DimensionOrganizationSequence = [organization]
    items = []
    for attribute, group, label in (_SEGMENT, dimension):
        item = Dataset()
        item.DimensionOrganizationUID = organization.DimensionOrganizationUID
        item.DimensionIndexPointer = tag_for_keyword(attribute)
        item.FunctionalGroupPointer = tag_for_keyword(group)
        item.DimensionDescriptionLabel = label
        items.append(item)
    dataset.DimensionIndexSequence = items


def _frame_group(stored: StoredFrame, source: SourceFrame, dimension: str, rank: int) -> "Dataset":
    from pydicom import Dataset

    group, segment, content = Dataset(), Dataset(), Dataset()
    segment.ReferencedSegmentNumber = stored.segment_number
    group.SegmentIdentificationSequence = [segment]
    content.DimensionIndexValues = [stored.segment_number, rank]
    if dimension == "TemporalPositionIndex":
        content.TemporalPositionIndex = rank
    elif dimension == "InStackPositionNumber":
        content.StackID = "1"
        content.InStackPositionNumber = rank
    group.FrameContentSequence = [content]
    group.DerivationImageSequence = [_derivation_item(source)]
    return group


def _derivation_item(source: SourceFrame) -> "Dataset":
    """Derivation Image Macro (PS3.3 C.7.6.16.2.6): the pixels are those of the source frame, one to one."""
    from pydicom import Dataset

    image = instance_reference(source.sop_instance_uid, source.sop_class_uid)
    if source.frame_number is not None:
        image.ReferencedFrameNumber = source.frame_number
    image.SpatialLocationsPreserved = "YES"
    image.PurposeOfReferenceCodeSequence = [code_item(SOURCE_IMAGE)]
    derivation = Dataset()
    derivation.SourceImageSequence = [image]
    derivation.DerivationCodeSequence = [code_item(SEGMENTATION)]
    return derivation


def _position_item(position: PlanePosition) -> "Dataset":
    from pydicom import Dataset

    item = Dataset()
    item.ImagePositionPatient = _decimals(position.position)
    return item


def _add_geometry(group: "Dataset", position: PlanePosition) -> None:
    from pydicom import Dataset

    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = _decimals(position.orientation)
    measures.PixelSpacing = _decimals(position.spacing)
    if position.thickness is not None:
        measures.SliceThickness = _decimals((position.thickness,))[0]
    group.PlaneOrientationSequence = [orientation]
    group.PixelMeasuresSequence = [measures]


def _decimals(numbers: Sequence[float]) -> list[object]:
    from pydicom.valuerep import DSfloat

    return [DSfloat(number, auto_format=True) for number in numbers]
