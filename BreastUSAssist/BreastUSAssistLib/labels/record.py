"""LabelRecord: one stored version of one label. Holds no patient identifier and no path."""

from typing import Annotated, Final, Literal

from pydantic import Field

from ..birads.analysis import Spacing
from ..birads.lesion import Record
from ..birads.reading import Decision, Reading

SCHEMA_VERSION: Final = "1.2"

RecordKind = Literal["accepted", "rejected", "autosaved", "imported"]
"""accepted, rejected: a named reader decided. autosaved: work in progress. imported: masks from outside."""
Pathology = Literal["normal", "benign", "malignant"]
PATHOLOGIES: tuple[Pathology, ...] = ("normal", "benign", "malignant")
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""Address of a blob: HMAC-SHA256 of its content under the store's key, plain SHA-256 in an unencrypted store."""
CASE_NAME: Final = r"^case-[a-z2-7]{16}$"
CaseName = Annotated[str, Field(pattern=CASE_NAME)]
PatientName = Annotated[str, Field(pattern=r"^patient-[a-z2-7]{16}$")]
SourceUID = Annotated[str, Field(pattern=r"^[0-9][0-9.]{0,63}$")]


class ImageIdentity(Record):
    """Which image a label belongs to, so that the same pixels are known again under any name."""

    sha256: Digest
    """Of the decoded pixels as they came, before the picture gate cleaned what is stored of them; see
    image_identity.identity_of. A plain hash in every store."""
    kind: Literal["still", "cine", "volume"]
    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    channels: Literal[1, 3]
    """1 where every frame is grey, stored as RGB or not."""
    frame_count: int = Field(ge=1)
    source_uids: tuple[SourceUID, ...] = ()
    """SOP instance UIDs, in frame order; needed to find the image again in its archive. Empty for other formats."""


class ModelReference(Record):
    """A model that took part in a draft."""

    name: str
    version: str
    sha256: str
    """Of its bundle."""


class Run(Record):
    """One run of the models: what they said and what they outlined. Never changed."""

    analysis: Digest
    """Blob of the Analysis as JSON, its case replaced by the pseudonym and its file names left out."""
    masks: Digest | None
    """Blob of the drafted masks (MaskStack)."""


Evidence = Literal["header", "cleaned", "declared"]


class Deidentification(Record):
    """Why stored pictures count as free of patient data (see picture_gate)."""

    evidence: Evidence
    """header: the DICOM header said so. cleaned: by this software, as below. declared: a named person said so."""
    by: str = Field(default="", max_length=200)
    """Who declared it."""
    finder: str = Field(default="", max_length=200)
    """Name and version of what looked for text in pictures that were cleaned."""
    texts: int = Field(default=0, ge=0)
    """Places with text that were filled, in every frame."""
    blanked_share: float = Field(default=0.0, ge=0, le=1)
    """Of each picture, surrounds and texts."""


class LabelRecord(Record):
    """One stored version of one label."""

    schema_version: Literal["1.2"] = SCHEMA_VERSION
    case: CaseName
    """Pseudonym of the image, the same for the same pixels in one store (see LabelStore.case_of)."""
    version: int = Field(ge=1)
    parent: int | None = Field(default=None, ge=1)
    """Version that it was made from; None for the first of its case."""
    kind: RecordKind
    created: str
    """ISO 8601 in UTC by the clock of the machine that wrote it; versions, not times, say what came first."""
    software: str
    """Name and version."""
    image: ImageIdentity
    patient: PatientName | None = None
    """Pseudonym that the labels of one patient share, for patient-wise splits; None where unknown."""
    pathology: Pathology | None = None
    """What was proven of the case by other means than this image (biopsy, follow-up); normal: no lesion. None where
    unknown, and in records of format 1.0, see known_values.pathology_of."""
    spacing: Spacing | None = None
    """Pixel spacing in mm; None where unknown."""
    slice_mm: float | None = Field(default=None, gt=0)
    """Distance between the slices of a volume; None where unknown, and for other images."""
    frame_ms: float | None = Field(default=None, gt=0)
    """Mean time from one frame of a cine to the next; None where unknown."""
    runs: tuple[Run, ...] = ()
    """The AI's drafts, in the order in which they were made."""
    result: Digest | None = None
    """Blob of the masks as the reader left them (MaskStack); None where there are none."""
    frames: Digest | None = None
    """Blob that lists the stored frames and their blobs (JSON: digest by 1-based frame number); None where none are."""
    deidentified: Deidentification | None = None
    """Evidence for all stored frames; None where none are stored, and where records before format 1.2 stored them."""
    reading: Reading | None = None
    """What the reader changed and decided, its case replaced by the pseudonym; None for imported masks."""
    decision: Decision = "open"
    reason: str = Field(default="", max_length=4000)
    """Why it was rejected."""
    reader: str = Field(default="", max_length=200)
    """Name or initials that the reader goes by."""
    seconds_spent: float = Field(default=0.0, ge=0)
    tools: tuple[str, ...] = ()
    """What the outlines were corrected with, each once."""
    models: tuple[ModelReference, ...] = ()
    """Every model of every run, each once."""
    restored_from: int | None = Field(default=None, ge=1)
    """Version whose content this one brings back; None for all others."""
    restored_by: str = Field(default="", max_length=200)
    settles: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Versions of readers who disagree that this one, by another named reader who saw them, settles (adjudication)."""

    @property
    def name(self) -> str:
        """What messages call it: case and version."""
        return record_name(self.case, self.version)

    def says_the_same_as(self, other: "LabelRecord") -> bool:
        """Whether they differ in nothing but version, times and software."""
        return self._said() == other._said()

    def _said(self) -> dict[str, object]:
        content = self.model_dump(exclude={"version", "parent", "created", "software", "seconds_spent"})
        if content["reading"] is not None:
            content["reading"] |= {"seconds_spent": None, "decided": None}
        return content


def record_name(case: str, version: int) -> str:
    """`case-.../3`: version 3 of the case."""
    return f"{case}/{version}"
