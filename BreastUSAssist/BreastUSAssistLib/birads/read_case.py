"""A case with what its reader said, as reports and tables need it: reading, AI drafts and tied views side by side."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from .analysis import Analysis
from .lesion import Lesion, Record
from .lexicon import Lexicon
from .paired_views import JointAssessment, judge_together
from .reading import LesionReading, Place, Reading

if TYPE_CHECKING:
    from .reading_view import EffectiveLesion


class BesideLesion(Record):
    """What stands beside a reader's lesion: the AI's draft of it, and its other view."""

    tracking_uid: str
    draft: Lesion | None = None
    """As the AI first described it; None where the reader added the lesion."""
    outline: tuple[tuple[float, float], ...] | None = Field(default=None, max_length=4000)
    """The AI's outline in the draft's key frame, closed, as column and row of dicom.contours.outline_points; None where
    it is not known."""
    joint: JointAssessment | None = None
    """Both views judged together; None where it is not tied or a view is removed or not measured."""
    other_case: str = ""
    """Name of the case that holds the other view; empty where this case does."""


class ReadCase(Record):
    """A reading with what its lesions are compared with."""

    reading: Reading
    beside: tuple[BesideLesion, ...] = ()

    def lesion(self, lesion: Lesion) -> LesionReading | None:
        """The reading of a lesion of the analysis."""
        return self.reading.lesion(lesion.tracking_uid)

    def draft(self, tracking_uid: str) -> Lesion | None:
        """The AI's draft of a lesion, where it is known."""
        beside = self._beside(tracking_uid)
        return beside.draft if beside else None

    def draft_outline(self, tracking_uid: str) -> tuple[tuple[float, float], ...] | None:
        """The AI's outline of a lesion in its draft's key frame, where it is known."""
        beside = self._beside(tracking_uid)
        return beside.outline if beside else None

    def joint(self, tracking_uid: str) -> JointAssessment | None:
        """Both views of a lesion judged together."""
        beside = self._beside(tracking_uid)
        return beside.joint if beside else None

    def other_case(self, tracking_uid: str) -> str:
        """Name of the other case that a lesion is tied to; empty where it is this one or not known."""
        beside = self._beside(tracking_uid)
        return beside.other_case if beside else ""

    def tied_number(self, tracking_uid: str) -> int | None:
        """Number of the same lesion in the other view, in its own case; None where it is not tied or not known."""
        own = self.reading.lesion(tracking_uid)
        if own is None or own.tied_to is None:
            return None
        other = self.reading.lesion(own.tied_to)
        if other is not None:
            return other.number
        joint = self.joint(tracking_uid)
        if joint is None or own.tied_to not in joint.tracking_uids:
            return None
        return joint.numbers[joint.tracking_uids.index(own.tied_to)]

    def _beside(self, tracking_uid: str) -> BesideLesion | None:
        return next((one for one in self.beside if one.tracking_uid == tracking_uid), None)


def beside_lesions(
    lesions: "Iterable[EffectiveLesion]", other_cases: Mapping[str, str] | None = None
) -> tuple[BesideLesion, ...]:
    """What stands beside the lesions of a view.

    Args:
        lesions: see reading_view.effective_lesions, given the other views.
        other_cases: name of the case by tracking UID, of lesions of other cases.
    """
    names = other_cases or {}
    return tuple(
        BesideLesion(
            tracking_uid=one.tracking_uid,
            draft=one.ai,
            joint=one.joint,
            other_case=names.get(one.tied_to or "", ""),
        )
        for one in lesions
    )


def beside_analysis(reading: Reading, analysis: Analysis, lexicon: Lexicon) -> tuple[BesideLesion, ...]:
    """What can be told without the drafts and other cases: views of one case that are tied, judged together."""
    lesions = {one.tracking_uid: one for one in analysis.lesions}
    beside = []
    for own in reading.lesions:
        other = reading.lesion(own.tied_to) if own.tied_to else None
        mutual = other is not None and other is not own and other.tied_to == own.tracking_uid
        if other is not None and mutual and own.tracking_uid in lesions and other.tracking_uid in lesions:
            joint = judge_together(lesions[own.tracking_uid], lesions[other.tracking_uid], lexicon)
            beside.append(BesideLesion(tracking_uid=own.tracking_uid, joint=joint))
    return tuple(beside)


def is_touched(reading: Reading) -> bool:
    """Whether a reader changed anything about a case or its lesions, whatever was decided."""
    untouched = {"present": True, "category": None, "note": "", "tied_to": None, "revised": None}
    changed = any(
        one.run is None
        or one.descriptors
        or one.edited_frames
        or any(getattr(one, name) != value for name, value in untouched.items())
        for one in reading.lesions
    )
    return changed or reading.place != Place()
