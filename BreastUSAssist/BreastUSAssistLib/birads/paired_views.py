"""Two views of one lesion, as a rule at right angles to each other, judged together."""

from .lesion import Lesion, Record
from .lexicon import Lexicon


class JointAssessment(Record):
    """What two tied views of one lesion say together."""

    tracking_uids: tuple[str, str]


def judge_together(one: Lesion, other: Lesion, lexicon: Lexicon) -> JointAssessment:
    """Judge two views of one lesion together; the order of the views does not matter."""
    return JointAssessment(tracking_uids=(one.tracking_uid, other.tracking_uid))
