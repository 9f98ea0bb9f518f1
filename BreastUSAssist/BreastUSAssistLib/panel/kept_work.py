"""What of the cases in the scene lies in the label folder as well, so that leaving a case loses nothing."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .session import Session

if TYPE_CHECKING:
    from ..mrml.case import Case
    from ..mrml.source import UltrasoundSource
    from ..service.case_content import CaseContent, StoredRun

Action = Callable[[], None]


class KeptWork:
    """Remembers the content of each case as it was kept last, or as it came from the label folder."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: dict[str, CaseContent] = {}
        self._runs: dict[str, tuple[tuple[StoredRun, ...], int]] = {}
        self.keep_first: Callable[[Action], None] | None = None
        """Keeps what is open of the session's case, then calls what it is given, also where it could not be kept; set
        by Autosaving."""

    def before_leaving(self, then: Action) -> None:
        """Call `then` once the session's case is kept, at once where it is."""
        case = self._session.case
        if self.keep_first is None or case is None or case.closed or self.is_kept(case.source):
            then()
        else:
            self.keep_first(then)

    def note(self, case: "Case", content: "CaseContent | None" = None, version: int | None = None) -> None:
        """A case is in the label folder with `content`; None: with all that it says now.

        `version` is one that has all its drafts, 0 for work that is kept beside the versions; None where it is unsure.
        """
        if case.closed:
            return
        content = case.record.content if content is None else content
        self._kept[_name(case.source)] = _work(content)
        if version is not None:
            self._runs[_name(case.source)] = (content.runs, version)

    def is_kept(self, source: "UltrasoundSource") -> bool:
        """Whether everything that is in the scene of a case, but for the time it took, is in the label folder too.

        An image that nothing was done with counts as kept only if it came from there.
        """
        from ..mrml.case_record import CaseRecord

        kept = self._kept.get(_name(source))
        if kept is None:
            return False
        record = CaseRecord.find(self._session.scene, source)
        return record is None or _work(record.content) == kept

    def has_same_runs(self, case: "Case") -> int | None:
        """Version of the label folder that has all drafts of a case, see `note`; None where there is none for sure."""
        runs, version = self._runs.get(_name(case.source), ((), None))
        return version if version is not None and runs == case.record.content.runs else None

    def forget(self, source: "UltrasoundSource") -> None:
        """The images are about to leave the scene."""
        self._kept.pop(_name(source), None)
        self._runs.pop(_name(source), None)

    def clear(self) -> None:
        """The scene closes: node IDs begin anew."""
        self._kept.clear()
        self._runs.clear()


def _name(source: "UltrasoundSource") -> Any:
    return (source.sequence or source.volume).GetID()


def _work(content: "CaseContent") -> "CaseContent":
    return content.model_copy(update={"reading": content.reading.model_copy(update={"seconds_spent": 0.0})})
