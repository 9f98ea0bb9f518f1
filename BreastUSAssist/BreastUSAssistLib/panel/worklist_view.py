"""What the section Worklist shows, in words: answers of requests "worklist" and "open_label"."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

STRATEGIES = ("in-order", "most-uncertain", "most-disagreeing", "most-unlike", "balanced")
"""In the order of the combo box's items."""
TO_READ = ("waiting", "drafted", "in_work")
STATES = (*TO_READ, "accepted", "rejected", "disputed")
FILTERS: tuple[tuple[str, ...], ...] = (TO_READ, STATES, ("accepted",), ("rejected",), ("disputed",))
"""States that each item of the combo box stands for."""


@dataclass(frozen=True)
class WorklistView:
    """The worklist as one reader is told it."""

    case: str | None
    """Where the reader is; also after a restart."""
    state: str | None
    """Of `case`."""
    strategy: str
    states: tuple[str, ...]
    """Of the cases that come."""
    counts: Mapping[str, int]
    """Cases by state."""
    total: int
    decided: int
    listed: tuple[tuple[str, str], ...]
    """The first cases that come, each with its state."""
    due: int
    """All that come."""
    blind: frozenset[str]
    """Those of `listed` that are read blind."""
    can_go_back: bool
    damaged: tuple[str, ...] = ()
    """A sentence for every version that could not be read."""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "WorklistView":
        """From the answer of request "worklist"."""
        listed = tuple((str(case), str(state)) for case, state in answer["listed"])
        return cls(
            answer["case"],
            answer["state"],
            str(answer["strategy"]),
            tuple(answer["states"]),
            dict(answer["counts"]),
            int(answer["total"]),
            int(answer["decided"]),
            listed,
            int(answer.get("due", len(listed))),
            frozenset(answer.get("blind_listed") or ()),
            bool(answer.get("can_go_back", True)),
            tuple(answer.get("damaged") or ()),
        )

    def state_of(self, case: str) -> str | None:
        """State of a case as it was when the worklist was last looked at; None where it was not told."""
        return self.state if case == self.case else dict(self.listed).get(case)

    @property
    def waits(self) -> bool:
        """Whether the case where the reader was still waits for him."""
        return self.case is not None and self.state in self.states

    @property
    def counts_words(self) -> str:
        """Cases by state, those that there are."""
        found = [
            _("{count} {state}").format(count=self.counts[state], state=state_words(state))
            for state in STATES
            if self.counts.get(state)
        ]
        if self.damaged:
            text = _("⚠ {count} version(s) cannot be read: {first}")
            found.append(text.format(count=len(self.damaged), first=self.damaged[0]))
        return " · ".join(found)

    @property
    def progress_words(self) -> str:
        """For the progress bar."""
        return _("{decided} of {total} decided").format(decided=self.decided, total=self.total)


def state_words(state: str) -> str:
    """A state as a reader calls it."""
    words = {
        "waiting": _("waiting"),
        "drafted": _("drafted"),
        "in_work": _("in work"),
        "accepted": _("accepted"),
        "rejected": _("rejected"),
        "disputed": _("in dispute"),
    }
    return words.get(state, state)


def opened_words(opened: Mapping[str, Any]) -> str:
    """A few sentences about a case that is open: state, what the reader is not shown, and what could not be read."""
    state = str(opened.get("state") or "")
    sentences = [_("{case} is open ({state}).").format(case=opened["case"], state=state_words(state))]
    if opened.get("dispute"):
        sentences.append(_("Its readers disagree; you settle it by accepting or rejecting."))
    elif opened.get("blind"):
        sentences.append(_("Read blind: what other readers made of it is shown once you have decided."))
    elif state == "disputed":
        sentences.append(_("Its readers disagree, and you are one of them; another reader settles it."))
    return " ".join([*sentences, *(f"⚠ {note}" for note in opened.get("notes") or ())])
