"""Section Worklist: the cases of the label folder, and which comes next."""

from typing import Any

from .finish_section import FinishSection
from .session import Session


class WorklistSection:
    """Binds the worklist to the label folder of section 5."""

    def __init__(self, ui: Any, session: Session, finish: FinishSection) -> None:
        self._ui, self._session, self._finish = ui, session, finish
