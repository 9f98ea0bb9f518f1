"""The rule table of the Basic Application Level Confidentiality Profile (PS3.15 Table E.1-1) as data.

The table itself is that of the package dicom-anonymizer, which follows the standard; only its data are used here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache

from ...errors import UsageError

EDITION = "2026c"


class Action(Enum):
    """What the profile does to an attribute, named as in PS3.15 Table E.1-1a."""

    DUMMY = "D"
    EMPTY = "Z"
    REMOVE = "X"
    NEW_UID = "U"
    EMPTY_OR_DUMMY = "Z/D"
    REMOVE_OR_EMPTY = "X/Z"
    REMOVE_OR_DUMMY = "X/D"
    REMOVE_EMPTY_OR_DUMMY = "X/Z/D"
    REMOVE_EMPTY_OR_NEW_UIDS = "X/Z/U*"


_LISTS = {
    "D_TAGS": Action.DUMMY,
    "Z_TAGS": Action.EMPTY,
    "X_TAGS": Action.REMOVE,
    "U_TAGS": Action.NEW_UID,
    "Z_D_TAGS": Action.EMPTY_OR_DUMMY,
    "X_Z_TAGS": Action.REMOVE_OR_EMPTY,
    "X_D_TAGS": Action.REMOVE_OR_DUMMY,
    "X_Z_D_TAGS": Action.REMOVE_EMPTY_OR_DUMMY,
    "X_Z_U_STAR_TAGS": Action.REMOVE_EMPTY_OR_NEW_UIDS,
}


@dataclass(frozen=True)
class RuleTable:
    """Actions by tag, and by (group, element, group mask, element mask) for repeating groups."""

    exact: Mapping[int, Action]
    masked: tuple[tuple[int, int, Action], ...]
    """Tag, mask and action."""

    def action(self, tag: int) -> Action | None:
        """What the profile does to `tag`; None where its table does not list it."""
        found = self.exact.get(tag)
        if found is not None:
            return found
        return next((action for value, mask, action in self.masked if tag & mask == value & mask), None)


@cache
def rule_table() -> RuleTable:
    """The rule table, read once.

    Raises:
        UsageError: the package that holds it is not installed.
    """
    try:
        from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
    except ImportError as error:
        raise UsageError(
            "De-identification needs the rule table of dicom-anonymizer; install breastusassist[deidentify]."
        ) from error
    exact: dict[int, Action] = {}
    masked: list[tuple[int, int, Action]] = []
    for name, action in _LISTS.items():
        for entry in getattr(table, name):
            tag = entry[0] << 16 | entry[1]
            if len(entry) == 2:
                exact[tag] = action
            else:
                masked.append((tag, entry[2] << 16 | entry[3], action))
    return RuleTable(exact, tuple(masked))
