"""Reading: what a named reader changed and decided about an analysis. The draft stays as it was, in Analysis.

One reading belongs to one case (a still, a cine or a volume), whatever number of runs of the models it had.
"""

from typing import Final, Literal

from pydantic import Field

from .clinical import ClinicalParameters
from .lesion import Lesion, Record

SCHEMA_VERSION: Final = "1.0"
READER_CATEGORIES = ("0", "1", "2", "3", "4", "4A", "4B", "4C", "5", "6")
"""What a reader may assign; the AI suggests only 3 to 5 (see lexicon.SUGGESTED)."""

Decision = Literal["open", "accepted", "rejected"]
Side = Literal["right", "left", "unknown"]
Tool = Literal["click", "box", "scribble", "segment_editor", "added", "removed", "restored"]


class LesionReading(Record):
    """What the reader made of one lesion."""

    tracking_uid: str
    """Of the lesion in its draft, or a new one where the reader added the lesion."""
    number: int = Field(ge=1)
    """Number in the case: its segment, its row in the table, its value in exported label images."""
    run: int | None = Field(default=None, ge=0)
    """Index of the run that drafted it, in the order of the runs; None where the reader added it."""
    present: bool = True
    """False: the reader says that this is no lesion; the draft stays, so that it can be put back."""
    revised: Lesion | None = None
    """The AI's description of the outline as the reader corrected it; None while the outline is the draft's."""
    descriptors: dict[str, str] = Field(default_factory=dict)
    """Term by attribute, those alone that the reader chose."""
    category: str | None = None
    """The reader's own, one of READER_CATEGORIES; None while there is none."""
    note: str = Field(default="", max_length=4000)
    edited_frames: tuple[int, ...] = ()
    """1-based numbers of the frames in which the outline is not the draft's."""
    tied_to: str | None = None
    """Tracking UID of the same lesion in another view (orthogonal pair); both name each other."""
    tools: tuple[Tool, ...] = ()
    """What the outline was corrected with, each once, in the order of first use."""


class Place(Record):
    """Where in the breast the case was scanned."""

    side: Side = "unknown"
    clock: float | None = Field(default=None, ge=1, lt=13)
    """Clock face, hours with halves: 1 to 12.5; None where unknown."""
    distance_mm: float | None = Field(default=None, ge=0, le=300)
    """Distance from the nipple."""


class Reading(Record):
    """What a reader changed and decided about one case. Holds no patient attribute."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    case: str
    reader: str = Field(default="", max_length=200)
    """Name or initials that the reader goes by; a decision needs it."""
    place: Place = Place()
    clinical: ClinicalParameters | None = None
    """What was entered about the patient for the next run; what a run used is in its Analysis."""
    lesions: tuple[LesionReading, ...] = ()
    decision: Decision = "open"
    reason: str = Field(default="", max_length=4000)
    """Why it was rejected."""
    decided: str | None = None
    """ISO 8601 with time zone."""
    seconds_spent: float = Field(default=0.0, ge=0)
    """Time that the case was open before the reader."""

    def lesion(self, tracking_uid: str) -> LesionReading | None:
        """The reading of one lesion, or None."""
        return next((one for one in self.lesions if one.tracking_uid == tracking_uid), None)

    def with_lesion(self, changed: LesionReading) -> "Reading":
        """This reading with one lesion's reading replaced, or added at the end."""
        others = [one for one in self.lesions if one.tracking_uid != changed.tracking_uid]
        lesions = sorted([*others, changed], key=lambda one: one.number)
        return self.model_copy(update={"lesions": tuple(lesions)})
