"""Autosave: work in progress goes into the label folder as a version of its own, so that a crash loses nothing."""

from .finish_section import FinishSection
from .session import Session


class Autosaving:
    """Keeps what is not decided yet."""

    def __init__(self, session: Session, finish: FinishSection) -> None:
        self._session, self._finish = session, finish
