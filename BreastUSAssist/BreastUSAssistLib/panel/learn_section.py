"""Section Learn: from the labels to a better model."""

from typing import Any

from .finish_section import FinishSection
from .session import Session


class LearnSection:
    """Binds training, promotion and rollback to the label folder of section 5."""

    def __init__(self, ui: Any, session: Session, finish: FinishSection) -> None:
        self._ui, self._session, self._finish = ui, session, finish
