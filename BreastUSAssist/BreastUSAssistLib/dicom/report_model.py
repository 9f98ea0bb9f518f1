"""What was read from a Structured Report, as data with a published schema.

It holds the names of readers, and no attribute of a patient.
"""

from typing import Final, Literal

from pydantic import Field

from ..birads.lesion import Code, Record
from ..json_schema import published_schema

SCHEMA_VERSION: Final = "1.0"

By = Literal["reader", "algorithm"]
Origin = Literal["automatic", "semiautomatic", "manual"]


class Observer(Record):
    """Who the report says observed: a person or a device (PS3.16 TID 1002)."""

    kind: Literal["person", "device"]
    name: str = ""
    """Of the person, or of the device."""
    model: str = ""
    """Model name of a device."""


class VerifyingObserver(Record):
    """A person who verified the report (PS3.3 C.17.2)."""

    name: str
    organization: str = ""
    at: str = ""
    """Date and time as written: DT (PS3.5 6.2)."""


class AlgorithmRead(Record):
    """An algorithm that something in the report is of (PS3.16 TID 4019)."""

    name: str
    version: str = ""
    parameters: tuple[str, ...] = ()


class OutlineRead(Record):
    """One region of an image in pixels (SCOORD, PS3.3 C.18.6)."""

    sop_instance_uid: str
    sop_class_uid: str = ""
    frame_number: int | None = None
    """1-based; None where the image has one frame."""
    graphic_type: str
    """POLYLINE, POINT, MULTIPOINT, CIRCLE or ELLIPSE."""
    points: tuple[tuple[float, float], ...]
    """Column and row; the top left corner of the image is (0, 0), the centre of its first pixel (0.5, 0.5)."""


class ImageReference(Record):
    """An image, or frames or segments of it, that something in the report is about."""

    sop_instance_uid: str
    sop_class_uid: str = ""
    frame_numbers: tuple[int, ...] = ()
    segment_numbers: tuple[int, ...] = ()


class MeasurementRead(Record):
    """One number with its unit."""

    name: Code
    value: float
    unit: Code | None = None
    interval: tuple[float, float] | None = None
    """Ends of its range of uncertainty, in the same unit."""
    algorithm: AlgorithmRead | None = None


class DescriptorRead(Record):
    """One coded term."""

    name: Code
    value: Code
    by: By | None = None
    """None where the report does not say."""
    algorithm: AlgorithmRead | None = None


class FindingRead(Record):
    """What one side, the AI or the reader, says of a lesion."""

    outlines: tuple[OutlineRead, ...] = ()
    segments: tuple[ImageReference, ...] = ()
    """Frames of a Segmentation that stand in place of outlines."""
    images: tuple[ImageReference, ...] = ()
    """Images that a finding without an outline is about."""
    finding: Code | None = None
    finding_category: Code | None = None
    site: Code | None = None
    laterality: Code | None = None
    place: Code | None = None
    """Where in the site: the hour of the clock face, say."""
    origin: Origin | None = None
    """How the outline was drawn."""
    algorithm: AlgorithmRead | None = None
    """The one that outlined."""
    measurements: tuple[MeasurementRead, ...] = ()
    descriptors: tuple[DescriptorRead, ...] = ()
    category: str | None = None
    """"0" to "6", "4A" to "4C": a suggestion of the AI, an assessment of the reader."""
    category_code: Code | None = None
    """As it was written, also where it is none of BI-RADS."""
    suggested_category: str | None = None
    """Beside the reader's category: what the AI suggests for the lesion as it stands. None in the AI's own draft."""
    probability: float | None = Field(default=None, ge=0, le=1)
    """Of malignant, from an algorithm."""
    interval: tuple[float, float] | None = None
    """Of the probability, 0..1."""
    note: str = ""
    """The reader's own words."""
    remarks: tuple[str, ...] = ()


class LesionRead(Record):
    """One lesion of the report."""

    tracking_uid: str | None
    name: str
    """Tracking identifier."""
    number: int | None = None
    """Of a "Lesion 3"."""
    present: bool = True
    """False: the reader says that it is none; then there is only the AI's draft."""
    verdict: Literal["kept", "changed", "removed"] | None = None
    """What the reader made of the AI's draft; None where nobody has read it, or the report does not say."""
    other_view: str | None = None
    """Tracking UID of the same lesion in another view."""
    ai: FindingRead | None = None
    """What algorithms said alone: the draft."""
    reader: FindingRead | None = None
    """How it stands after a reader; what the reader left as it was is the AI's, and says so item by item."""


class ReportRead(Record):
    """A measurement report (PS3.16 TID 1500) on ultrasound, as far as it could be read."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str = ""
    complete: bool
    verified: bool
    final: bool | None = None
    """Whether it is FINAL, and not PRELIMINARY; None where it does not say."""
    decision: Literal["open", "accepted", "rejected"] | None = None
    """Of the reader; None where there is no reading, or in a report of other software."""
    decided: str = ""
    """Date and time as written: DT (PS3.5 6.2)."""
    reason: str = ""
    """Why it was rejected."""
    verifying_observers: tuple[VerifyingObserver, ...] = ()
    observers: tuple[Observer, ...] = ()
    images: tuple[ImageReference, ...] = ()
    """Everything that the report names as its evidence."""
    summary: Code | None = None
    """What is said where there is no lesion."""
    lesions: tuple[LesionRead, ...] = ()
    distance_from_nipple_mm: float | None = None
    remarks: tuple[str, ...] = ()


def report_read_schema() -> str:
    """Text of the file in Resources/Schema of this version."""
    return published_schema(
        ReportRead,
        f"report-{SCHEMA_VERSION}",
        f"BreastUSAssist findings of a structured report, version {SCHEMA_VERSION}",
    )
