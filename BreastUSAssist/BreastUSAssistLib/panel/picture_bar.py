"""The row of section 5 for a picture that the label folder did not take: why, and installing what finds text in it."""

from typing import Any

from slicer.i18n import tr as _

from .install import Installer
from .picture_notes import PictureNotes
from .session import Session


class PictureBar:
    """Shown only where the outlines of the open case are kept and its picture is not."""

    def __init__(self, ui: Any, session: Session, pictures: PictureNotes) -> None:
        self._ui, self._session, self._pictures = ui, session, pictures
        ui.installFinderButton.clicked.connect(self._on_install)
        pictures.changed.connect(self.show)
        session.case_changed.connect(self.show)
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
        self._ui.pictureLabel.setText(f"⚠ {refusal}")
        self._ui.installFinderButton.setVisible(bool(Installer(self._session.say).plan("deidentify").steps))

    def _on_install(self, checked: bool = False) -> None:
        outcome = Installer(self._session.say).ensure("deidentify")
        if outcome.state == "declined":
            text = _("Without the text finder only de-identified pictures are kept; press Install to be asked again.")
            self._session.say(text, "error")
        elif outcome.ready:
            # Only a new process sees what is installed now; it looks at the picture again.
            self._session.client.restart()
            self._session.say(_("The text finder is installed; reopen the case and accept it again."))
        else:
            self._session.say(outcome.sentence, "error")
        self.show()
        if outcome.details:
            self._ui.pictureLabel.setText(outcome.details)
