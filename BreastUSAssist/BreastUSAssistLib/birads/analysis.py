"""Analysis: everything said of one frame or clip, with model, versions and timings. The content of analysis.json."""

from typing import Final, Literal

from pydantic import Field

from .clinical import ClinicalParameters
from .lesion import Lesion, Record

SCHEMA_VERSION: Final = "1.2"
NOTICE = "Research use only, not for diagnosis. AI draft: a named reader decides."


class Spacing(Record):
    """Pixel spacing in mm and where it came from (see ultrasound.frame.PixelSpacing)."""

    row_mm: float = Field(gt=0)
    column_mm: float = Field(gt=0)
    source: str


class Gate(Record):
    """A reason not to trust a frame (see ultrasound.gates.InputGate)."""

    code: str
    severity: Literal["stop", "warn", "note"]
    message: str
    frames: tuple[int, ...] = ()
    """1-based frame numbers it holds for; empty means all."""


class Source(Record):
    """What was analysed. Holds no patient attribute."""

    format: str
    """dicom, png, jpeg, tiff, bmp, webp, nrrd, nifti."""
    files: tuple[str, ...]
    """File names without folders."""
    kind: Literal["still", "cine", "volume"]
    frame_count: int
    rows: int
    columns: int
    sop_instance_uids: tuple[str, ...] = ()
    spacing: Spacing | None = None
    """Spacing at the centre of the tissue; each lesion uses that of its own region."""
    slice_mm: float | None = None


class ModelUsed(Record):
    """The model bundle and how it was run."""

    name: str
    version: str
    sha256: str
    backend: str
    precision: str
    device: str


class FrameResult(Record):
    """One analysed frame."""

    frame_number: int = Field(ge=1)
    time_ms: float | None = None
    mask: str
    """Label image, relative to analysis.json: 0 background, n lesion number n."""
    normal: float | None
    """Probability of the frame's class; None, as the next two, where no network read the frame or a gate stopped it."""
    benign: float | None
    malignant: float | None
    lesions: tuple[int, ...]
    """Numbers of the lesions outlined in this frame."""
    areas_px: tuple[float, ...] = ()
    """Area in pixels of each of `lesions`, in the same order; empty where it was not stored."""


class AnalysisSettings(Record):
    """What the user asked for that changes the result."""

    prevalence: float | None = Field(default=None, gt=0, lt=1)
    """Share of malignant among the lesions seen at the site; None leaves probabilities unshifted."""
    clinical: ClinicalParameters | None = None
    ignore_gates: bool = False


class Analysis(Record):
    """Draft analysis of one case."""

    schema_version: Literal["1.2"] = SCHEMA_VERSION
    notice: str = NOTICE
    status: Literal["draft"] = "draft"
    case: str
    created: str
    """ISO 8601 with time zone."""
    software: str
    """Name and version."""
    lexicon: str
    """Edition key of the lexicon."""
    source: Source
    model: ModelUsed
    """The one that outlined."""
    models: tuple[ModelUsed, ...] = ()
    """All that ran: the one that outlined, then the one that read the lesions, if any."""
    settings: AnalysisSettings = AnalysisSettings()
    gates: tuple[Gate, ...]
    frames: tuple[FrameResult, ...]
    lesions: tuple[Lesion, ...]
    timings_ms: dict[str, float]


def mask_name(case: str, frame_number: int, frame_count: int) -> str:
    """File of a frame's label image, relative to the case folder."""
    return f"masks/{case}.png" if frame_count == 1 else f"masks/{case}_{frame_number:04d}.png"
