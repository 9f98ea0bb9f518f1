"""The row of section 5 that sends an accepted case to a PACS, and the bar of section PACS for what still waits."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from .pacs_requests import Pacs
from .pacs_sending import PacsSending, sending_key
from .pacs_settings import WAITING
from .pacs_words import offer_words, sent_words, waiting_words
from .session import Session

if TYPE_CHECKING:
    from ..service.worker_protocol import WorkerEvent

SOONEST_S, LATEST_S = 30.0, 600.0
"""Between two tries that nobody asked for."""


class PacsSendRow:
    """Shown as soon as a node is chosen; can be pressed once the case is accepted."""

    def __init__(
        self, finish_ui: Any, pacs_ui: Any, session: Session, pacs: Pacs, clock: Callable[[], float] = time.time
    ) -> None:
        self._ui, self._pacs_ui, self._session, self._pacs, self._clock = finish_ui, pacs_ui, session, pacs, clock
        self.sending = PacsSending(session, pacs)
        self._trying = False
        self._problem = ""
        """Why something that waits could not even be tried."""
        self._case: Any = None
        self._has_headers = False
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._on_due)
        finish_ui.sendButton.clicked.connect(self.send)
        pacs_ui.tryAgainButton.clicked.connect(self.try_again)
        pacs.items_changed.connect(self._on_items)
        self.sending.changed.connect(self._show)
        session.case_changed.connect(self._show)
        session.findings_changed.connect(self._show)
        self._show()

    @property
    def busy(self) -> bool:
        """Whether a case is on its way."""
        return self.sending.running or self._trying

    def enter(self) -> None:
        """The panel is shown: what waits in the outbox from another day is not forgotten."""
        if not self._pacs.looked and slicer.util.settingsValue(WAITING, False, converter=slicer.util.toBool):
            self._pacs.look()
        self._show()

    def close(self) -> None:
        """The panel goes; the outbox stays on disk."""
        self._later.stop()

    def send(self, checked: bool = False) -> None:
        """Send SEG and SR of the open case."""
        target = self._pacs.settings.target
        if target:
            self.sending.start(target)

    def try_again(self, checked: bool = False) -> None:
        """Send what waits now."""
        self._try(due=False)

    def _on_due(self) -> None:
        self._try(due=True)

    def _try(self, due: bool) -> None:
        if self._trying:
            return
        self._trying = True
        self._pacs.try_again(lambda event: self._on_tried(event, due), due)
        self._show_waiting()

    def _on_tried(self, event: "WorkerEvent", due: bool) -> None:
        if event.kind == "progress":
            return
        self._trying = False
        trouble = event.message if event.kind == "error" else str(event.result.get("problem") or "")
        self._problem = trouble
        if trouble and not due:
            # What nobody asked for stays in its own row.
            self._session.say(trouble, "error")
        self._on_items()

    def _on_items(self) -> None:
        """The outbox is another one: remember whether something waits, and when it is tried next."""
        waiting = self._waiting()
        slicer.app.settings().setValue(WAITING, bool(waiting))
        self._later.stop()
        if waiting and not self._trying:
            wait_s = min(float(one["next_try"] or 0) for one in waiting) - self._clock()
            self._later.start(int(1000 * min(max(wait_s, SOONEST_S), LATEST_S)))
        self._show()

    def _waiting(self) -> list[dict[str, Any]]:
        return [one for one in self._pacs.items if one["state"] == "waiting"]

    def _item(self, target: str) -> dict[str, Any] | None:
        """What the outbox says of the open case and a node."""
        case = self._session.case
        if case is None or case.closed:
            return None
        key = sending_key(case)
        return next((one for one in self._pacs.items if (one["key"], one["node"]) == (key, target)), None)

    def _show(self) -> None:
        ui, case, target = self._ui, self._session.case, self._pacs.settings.target
        ui.sendFrame.setVisible(bool(target))
        self._show_waiting()
        if not target:
            return
        accepted = case is not None and not case.closed and case.reading.decision == "accepted"
        if accepted and not self._pacs.looked:
            # It may have been sent before this application was started.
            self._pacs.look()
        item = self._item(target) if accepted else None
        can_send = accepted and self._comes_from_dicom() and (item is None or item["state"] == "waiting")
        ui.sendButton.setText(_("Send to {node}").format(node=target))
        ui.sendButton.setEnabled(can_send and not self.busy)
        ui.sendLabel.setText(self._words(target, accepted, item))

    def _words(self, target: str, accepted: bool, item: dict[str, Any] | None) -> str:
        """What is being done, what became of it, or what would be sent where."""
        case, sending = self._session.case, self.sending
        if case is None or case.closed:
            return sending.words if sending.running else ""
        told = sending.words if sending.running or (accepted and sending.key == sending_key(case)) else ""
        if told or not accepted:
            return told or _("SEG and SR can be sent once the case is accepted.")
        if item is not None:
            return sent_words(item)
        if not self._comes_from_dicom():
            return _("The image did not come from DICOM files; there is nothing to send.")
        count = sum(1 for lesion in case.lesions if lesion.present)
        return offer_words(count, case.reading.reader, target, self._pacs.node(target))

    def _comes_from_dicom(self) -> bool:
        """Whether the files of the open case are DICOM and still there; looked at once a case."""
        from ..mrml.source_headers import header_files

        case = self._session.case
        if case is not self._case:
            self._case = case
            self._has_headers = case is not None and bool(header_files(case.source))
        return self._has_headers

    def _show_waiting(self) -> None:
        waiting = self._waiting()
        self._pacs_ui.outboxFrame.setVisible(bool(waiting))
        self._pacs_ui.outboxLabel.setText(waiting_words(waiting, self._problem) if waiting else "")
        self._pacs_ui.tryAgainButton.setEnabled(not self.busy)
