"""segmentation.json: what a DICOM Segmentation says of its segments and frames, beside the masks read from it."""

from typing import Final, Literal

from pydantic import Field

from ..birads.lesion import Code, Record
from ..dicom.segmentation_reading import SegmentRead
from ..json_schema import published_schema

SCHEMA_VERSION: Final = "1.0"


class SegmentContent(Record):
    """One segment."""

    number: int = Field(ge=1)
    """SegmentNumber, and the value of the segment in the masks."""
    label: str
    tracking_uid: str | None = None
    tracking_id: str | None = None
    category: Code | None = None
    type: Code | None = None
    algorithm_type: str = ""
    """AUTOMATIC, SEMIAUTOMATIC or MANUAL; empty where not said."""
    algorithm_name: str | None = None


class MaskContent(Record):
    """The label image of one frame of the source."""

    file: str
    """Relative to segmentation.json: 0 background, n segment n; where segments overlap, the highest number."""
    sop_instance_uid: str
    frame_number: int = Field(ge=1)
    segments: tuple[int, ...] = ()
    """Numbers of the segments with a pixel in this frame."""
    whole: dict[int, str] = Field(default_factory=dict)
    """Where segments overlap in this frame: each segment's own mask (0, 255), by its number."""


class SegmentationContent(Record):
    """A DICOM Segmentation as it was read. Holds no patient attribute."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    sop_instance_uid: str
    segmentation_type: Literal["BINARY", "FRACTIONAL", "LABELMAP"]
    """Of fractions, a mask holds what is at least half of the largest value."""
    fractional_type: str | None = None
    """PROBABILITY or OCCUPANCY."""
    made_up_geometry: bool = False
    """The positions in the patient that the file gives are made up; they were not used."""
    segments: tuple[SegmentContent, ...]
    masks: tuple[MaskContent, ...]


def segment_content(segment: SegmentRead) -> SegmentContent:
    """`segment` as it is stored."""
    return SegmentContent(
        number=segment.number,
        label=segment.label,
        tracking_uid=segment.tracking_uid,
        tracking_id=segment.tracking_id,
        category=segment.category,
        type=segment.type,
        algorithm_type=segment.algorithm_type,
        algorithm_name=segment.algorithm_name,
    )


def segmentation_schema() -> str:
    """Text of the file in Resources/Schema."""
    return published_schema(
        SegmentationContent,
        f"segmentation-{SCHEMA_VERSION}",
        f"BreastUSAssist content of a DICOM Segmentation, version {SCHEMA_VERSION}",
    )
