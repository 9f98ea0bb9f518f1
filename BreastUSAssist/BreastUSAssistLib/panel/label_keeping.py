"""Accept and Reject: the reading goes into the label store first; only what is safely there counts as decided."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .frame_sending import sent_clip
from .session import Session
from .signals import Signal

if TYPE_CHECKING:
    from ..birads.reading import Decision, Reading
    from ..mrml.case import Case
    from ..service.worker_protocol import WorkerEvent


class LabelKeeping:
    """One decision on its way into the store."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._decided: tuple[Case, Reading] | None = None
        self.changed = Signal()
        self.running = False

    def start(self, decision: "Decision", reader: str, reason: str, store: Path, encrypted: bool) -> None:
        """Decide the session's case; the status line says how it ended."""
        session, case = self._session, self._session.case
        if self.running or session.stepper.busy:
            session.say(_("Something else is going on; wait for it, then decide again."), "error")
            return
        if case is None or case.closed:
            session.say(_("No image is open; choose one in section 1."), "error")
            return
        session.count_time()
        try:
            decided = case.decided(reader, decision, reason, datetime.now(UTC).astimezone())
        except BreastUSAssistError as error:
            session.say(str(error), "error")
            return
        self.running, self._decided = True, (case, decided)
        self.changed.emit()
        session.say(_("Keeping the label…"))
        session.stepper.run(
            sent_clip(session.client.exchange, case.source, range(case.source.frame_count)),
            lambda clip: self._on_sent(clip, store, encrypted),
            self._on_failed,
        )

    def reopen(self) -> None:
        """Open the case again; the versions kept so far stay."""
        case = self._session.case
        if case is not None and self._session.change(case.reopen):
            self._session.say(_("The case is open again; what was kept stays in the label folder."))

    def _on_sent(self, clip: Any, store: Path, encrypted: bool) -> None:
        from ..service.worker_protocol import write_array

        assert self._decided is not None
        case, decided = self._decided
        try:
            exchange = self._session.client.exchange()
            runs = [
                {"analysis": run.model_dump_json(), "labels": str(write_array(exchange, "draft", labels))}
                for run, labels in case.drafts()
            ]
            labels: np.ndarray = case.labels()
            result = str(write_array(exchange, "result", labels))
        except BreastUSAssistError as error:
            self._on_failed(error)
            return
        request = {
            "clip": clip.to_json(),
            "reading": decided.model_dump_json(),
            "runs": runs,
            "labels": result,
            "store": str(store),
            "encrypted": encrypted,
        }
        self._session.ask("keep_label", request, self._on_event)

    def _on_event(self, event: "WorkerEvent") -> None:
        if event.kind == "progress":
            return
        (case, decided), self._decided = self._decided or (None, None), None
        self.running = False
        if event.kind != "done":
            self._session.say(event.message or _("The label was not kept; try again."), "error")
        elif case is not None and decided is not None and not case.closed:
            self._settle(case, decided, str(event.result.get("name", "")))
        self.changed.emit()

    def _settle(self, case: "Case", decided: "Reading", name: str) -> None:
        # The reading may have changed meanwhile: then it was not this one that was decided, and `settle` says so.
        if self._session.change(lambda: case.settle(decided)):
            self._session.say(_("Kept as {name}. Alt+N goes to the next image.").format(name=name))

    def _on_failed(self, error: Exception) -> None:
        self.running, self._decided = False, None
        self.changed.emit()
        if not isinstance(error, BreastUSAssistError):
            raise error
        self._session.say(str(error), "error")
