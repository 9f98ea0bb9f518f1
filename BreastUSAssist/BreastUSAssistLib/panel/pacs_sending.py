"""SEG and SR of an accepted case on their way to a node: exported once, kept in the outbox, sent once."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .export_run import export_request
from .frame_sending import sent_clip
from .pacs_requests import Pacs
from .session import Session
from .signals import Signal

if TYPE_CHECKING:
    from ..mrml.case import Case
    from ..service.worker_protocol import WorkerEvent

FORMATS = ("seg.dcm", "sr.dcm", "analysis.json")


class PacsSending:
    """One case on its way; what is in the outbox already is sent from there, never made a second time."""

    def __init__(self, session: Session, pacs: Pacs) -> None:
        self._session, self._pacs = session, pacs
        self._sent: dict[str, Any] = {}
        self._staging: Path | None = None
        self._present: set[int] = set()
        """Numbers of the lesions that have to be in what is sent."""
        self.running = False
        self.key = ""
        """Of the case that is on its way."""
        self.words = ""
        """What is being done, or why it failed."""
        self.changed = Signal()

    def start(self, node: str) -> None:
        """Send the session's case to a node."""
        session, case = self._session, self._session.case
        if self.running or session.stepper.busy:
            session.say(_("Something else is going on; wait for it, then send again."), "error")
            return
        if case is None or case.closed or case.reading.decision != "accepted":
            session.say(_("Only an accepted case can be sent; accept it first."), "error")
            return
        self.running, self.key = True, sending_key(case)
        self._sent = {"key": self.key, "node": node}
        self._tell(_("Preparing to send…"))
        # The outbox may have it: then nothing is exported again, so that it cannot be there twice.
        self._pacs.push(self._sent, lambda event: self._on_pushed(case, event))

    def _export(self, case: "Case") -> None:
        if case.closed or sending_key(case) != self.key:
            self._end(_("The case was changed or closed before it was sent; accept and send it again."))
            return
        self._tell(_("Writing SEG and SR…"))
        session = self._session
        session.stepper.run(
            sent_clip(session.client.exchange, case.source, range(case.source.frame_count)),
            lambda clip: self._on_clip(case, clip),
            self._on_failed,
        )

    def _on_clip(self, case: "Case", clip: Any) -> None:
        try:
            self._staging = Path(tempfile.mkdtemp(dir=self._pacs.exchange()))
            request = export_request(self._session.client.exchange(), case, clip, list(FORMATS), self._staging)
        except (BreastUSAssistError, OSError) as error:
            self._on_failed(error)
            return
        self._present = {lesion.number for lesion in case.lesions if lesion.present}
        self._session.ask("export", request, self._on_exported)

    def _incomplete(self, folder: Path, notes: list[str]) -> str:
        """Why what was written must not be sent; empty where it says all that the reader accepted."""
        from ..service.analysis_file import read_analysis

        try:
            written = {lesion.number for lesion in read_analysis(folder / "analysis.json").lesions}
        except BreastUSAssistError as error:
            return str(error)
        if not (folder / "sr.dcm").is_file():
            return " ".join([*notes, _("There is nothing to send.")])
        if written == self._present:
            return ""
        # A verified report that leaves out a lesion would be wrong.
        numbers = ", ".join(str(number) for number in sorted(self._present - written))
        text = _("Nothing was sent: lesion {numbers} would be left out; reopen the case and outline or remove it.")
        return text.format(numbers=numbers)

    def _on_exported(self, event: "WorkerEvent") -> None:
        if event.kind == "progress":
            return
        if event.kind != "done":
            self._end(event.message or _("Nothing was sent."))
            return
        folder = Path(str(event.result["folder"]))
        trouble = self._incomplete(folder, [str(note) for note in event.result.get("notes") or ()])
        if trouble:
            self._end(trouble)
            return
        self._tell(_("Sending…"))
        self._pacs.push({**self._sent, "case_folder": str(folder)}, lambda answer: self._on_pushed(None, answer))

    def _on_pushed(self, case: "Case | None", event: "WorkerEvent") -> None:
        """The answer of request "pacs_push"; with a case the first, which may need its files."""
        if event.kind == "progress":
            return
        if event.kind == "done" and event.result.get("needs_files") and case is not None:
            self._export(case)
            return
        if event.kind == "done":
            self._end(str(event.result.get("problem") or ""))
        else:
            self._end(event.message or _("Nothing was sent."))

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, OSError):
            self._end(_("The temporary folder could not be written; free space there and send again."))
            return
        self._end(str(error))
        if not isinstance(error, BreastUSAssistError):
            raise error

    def _tell(self, words: str) -> None:
        self.words = words
        self.changed.emit()

    def _end(self, trouble: str) -> None:
        self.running = False
        staging, self._staging = self._staging, None
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        if trouble:
            self._session.say(trouble, "error")
        self._tell(f"✖ {trouble}" if trouble else "")


def sending_key(case: "Case") -> str:
    """What tells one decision on one image from every other: of its SOP instances and of the reading.

    Time that was spent does not count; the moment of the decision does, so that a case that was opened again and
    accepted anew is another result.
    """
    reading = case.reading.model_dump_json(exclude={"seconds_spent"})
    told = "\n".join([*case.source.instance_uids, reading])
    return hashlib.sha256(told.encode()).hexdigest()[:32]
