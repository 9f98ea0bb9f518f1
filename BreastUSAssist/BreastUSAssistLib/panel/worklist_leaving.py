"""Leaving a case of the worklist: its work is kept first, its images go from the scene once that is sure."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import BreastUSAssistError
from .session import Session

if TYPE_CHECKING:
    from ..mrml.source import UltrasoundSource
    from .kept_work import KeptWork


class CaseLeaving:
    """Takes cases that were left out of the scene: a day of cines would fill the memory."""

    def __init__(self, session: Session, kept: "KeptWork") -> None:
        self._session, self._kept = session, kept
        self._left: list[UltrasoundSource] = []

    def keep(self, then: Callable[[], None]) -> None:
        """Go on once the work on the session's case is kept."""
        self._session.count_time()
        self._kept.before_leaving(then)

    def leave(self, source: "UltrasoundSource | None") -> None:
        """A case was left, for another one; what came from the label folder and is kept there goes.

        What could not be kept stays in the scene, and goes once it is kept after all.
        """
        if source is not None and source not in self._left:
            self._left.append(source)
        self.tidy()

    def tidy(self) -> None:
        """Take out what was left and is kept by now."""
        self._left = [source for source in self._left if not self._done_with(source)]

    def clear(self) -> None:
        """The scene closes."""
        self._left.clear()

    def remove(self, source: "UltrasoundSource") -> bool:
        """Take a case out of the scene that came from the label folder and is kept there; whether it was."""
        from ..mrml.case_removal import remove_case
        from ..mrml.label_loading import is_of_labels

        if not is_of_labels(source) or not self._kept.is_kept(source):
            return False
        case = self._session.case
        if case is not None and case.source.volume is source.volume:
            self._session.choose(None, quietly=True)
        self._kept.forget(source)
        remove_case(self._session.scene, source)
        return True

    def _done_with(self, source: "UltrasoundSource") -> bool:
        from ..mrml.label_loading import is_of_labels

        case = self._session.case
        back = case is not None and case.source.volume is source.volume
        if back or not source.in_scene or not is_of_labels(source):
            return True
        try:
            return self.remove(source)
        except BreastUSAssistError:
            # A record that cannot be read holds what was never kept.
            return True
