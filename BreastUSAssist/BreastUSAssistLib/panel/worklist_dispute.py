"""The readers' results of a case in dispute, before who settles it."""

from typing import Any

from .finish_section import FinishSection
from .session import Session
from .worklist_walk import WorklistWalk


class WorklistDispute:
    """Shown where the open case is in dispute and this reader may settle it."""

    def __init__(self, ui: Any, session: Session, walk: WorklistWalk, finish: FinishSection) -> None:
        self._ui, self._session, self._walk, self._finish = ui, session, walk, finish

    def take_next(self) -> None:
        """Start from the next reader's result."""
