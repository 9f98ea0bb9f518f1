"""The row of section 5 for a picture that the label folder did not take: why, and what can be done about it."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from .install import Installer
from .picture_notes import PictureNotes
from .session import Session


class PictureBar:
    """Shown only where the outlines of the open case are kept and its picture is not."""

    def __init__(self, ui: Any, session: Session, pictures: PictureNotes, add_picture: Callable[[str], None]) -> None:
        """Take what hands the picture of a decided case over again, with the name of who declares it, or ""."""
        self._ui, self._session, self._pictures, self._add_picture = ui, session, pictures, add_picture
        ui.installFinderButton.clicked.connect(self._on_install)
        ui.declareButton.clicked.connect(self._on_declare)
        pictures.changed.connect(self.show)
        session.case_changed.connect(self.show)
        session.findings_changed.connect(self.show)
        self.show()

    def show(self) -> None:
        """Say what is known of the open case."""
        if self._session.parameters is None:
            self._pictures.clear()
        case = self._session.case
        refusal = self._pictures.refusal(case.source) if case is not None and not case.closed else ""
        self._ui.pictureFrame.setVisible(bool(refusal))
        if not refusal:
            return
        decided = case is not None and case.reading.decision != "open"
        lacking = bool(Installer(self._session.say).plan("deidentify").steps)
        self._ui.pictureLabel.setText(f"⚠ {refusal}")
        self._ui.installFinderButton.setVisible(decided and lacking)
        self._ui.declareButton.setVisible(decided)

    def _on_declare(self, checked: bool = False) -> None:
        case = self._session.case
        if case is not None and not case.closed and case.reading.decision != "open":
            self._add_picture(case.reading.reader)

    def _on_install(self, checked: bool = False) -> None:
        outcome = Installer(self._session.say).ensure("deidentify")
        if outcome.state == "declined":
            text = _("Without the text finder only de-identified pictures are kept; press Install to be asked again.")
            self._session.say(text, "error")
        elif outcome.ready:
            # Only a new process sees what is installed now.
            self._session.client.restart()
            self._add_picture("")
        else:
            self._session.say(outcome.sentence, "error")
        if outcome.details:
            self._ui.pictureLabel.setText(outcome.details)
