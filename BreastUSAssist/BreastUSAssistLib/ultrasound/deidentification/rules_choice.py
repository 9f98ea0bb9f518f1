"""What becomes of one attribute: the profile's rule (PS3.15 Table E.1-1) with the options that were chosen."""

from .options import DeidentificationOptions
from .rules import Action, RuleTable
from .rules_attributes import (
    CHARACTERISTICS,
    CONTENT,
    DATES,
    DESCRIPTORS,
    KEPT,
    SPECIAL,
    Treatment,
)

_DATE_VRS = ("DA", "TM", "DT")
_BY_ACTION = {
    Action.DUMMY: Treatment.DUMMY,
    Action.EMPTY: Treatment.EMPTY,
    Action.REMOVE: Treatment.REMOVE,
    Action.NEW_UID: Treatment.UID,
    Action.EMPTY_OR_DUMMY: Treatment.EMPTY,
    Action.REMOVE_OR_EMPTY: Treatment.REMOVE,
    Action.REMOVE_OR_DUMMY: Treatment.REMOVE,
    Action.REMOVE_EMPTY_OR_DUMMY: Treatment.REMOVE,
    Action.REMOVE_EMPTY_OR_NEW_UIDS: Treatment.CHECK,
}
"""The strictest of each; rules_attributes.REQUIRED and NEEDED say where an attribute must not be missing."""


def treatment_of(tag: int, keyword: str, vr: str, table: RuleTable, options: DeidentificationOptions) -> Treatment:
    """What becomes of the attribute `tag`, which is not private; its keyword and VR are those of PS3.6."""
    chosen = SPECIAL.get(keyword) or _by_option(keyword, vr, options)
    if chosen is not None:
        return chosen
    action = table.action(tag)
    if action is None:
        kept = Treatment.UID if vr == "UI" else Treatment.CHECK
        return kept if keyword in KEPT else Treatment.REMOVE
    if vr == "SQ" and action is not Action.REMOVE_EMPTY_OR_NEW_UIDS:
        # A dummy item of a sequence that is not known here would say nothing.
        return Treatment.REMOVE
    return _BY_ACTION[action]


def _by_option(keyword: str, vr: str, options: DeidentificationOptions) -> Treatment | None:
    if keyword in DATES and vr in _DATE_VRS and options.retain_dates:
        return Treatment.SHIFT
    if keyword in CHARACTERISTICS and options.retain_characteristics:
        return Treatment.AGE if vr == "AS" else Treatment.CHECK
    if keyword in DESCRIPTORS and options.clean_descriptors:
        return Treatment.WORDS
    return Treatment.CHECK if keyword in CONTENT else None
