"""The bar of section PACS that says which packages are missing; nothing is installed before it was asked."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from .install import Installer
from .session import Session


class PacsPackages:
    """Shown while what a PACS needs is missing."""

    def __init__(self, ui: Any, session: Session, installed: Callable[[], None]) -> None:
        self._ui, self._session, self._installed = ui, session, installed
        self.missing = False
        ui.installPacsButton.clicked.connect(self._on_install)

    def show(self) -> None:
        """Look what is missing and say it."""
        plan = Installer(self._session.say).plan("pacs")
        self.missing = bool(plan.steps)
        self._ui.pacsPackagesFrame.setVisible(self.missing)
        if self.missing:
            text = _("A PACS needs {count} more Python packages (about {size} MB).")
            self._ui.pacsPackagesLabel.setText(text.format(count=len(plan.requirements), size=plan.download_mb))

    def _on_install(self, checked: bool = False) -> None:
        outcome = Installer(self._session.say).ensure("pacs")
        if outcome.state == "declined":
            self._session.say(_("A PACS needs its packages; press Install to be asked again."), "error")
        elif outcome.sentence:
            self._session.say(outcome.sentence, "note" if outcome.ready else "error")
        self.show()
        if outcome.details:
            self._ui.pacsPackagesLabel.setText(outcome.details)
            self._ui.pacsPackagesFrame.setVisible(True)
        if outcome.ready:
            self._installed()
