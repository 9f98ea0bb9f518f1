"""Accept and Reject: the reading goes into the label store first; only what is safely there counts as decided."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .frame_sending import sent_clip
from .kept_work import KeptWork
from .label_sending import known_image, sent_work
from .picture_notes import PictureNotes
from .session import Session
from .signals import Signal

if TYPE_CHECKING:
    from ..birads.reading import Decision, Reading
    from ..mrml.case import Case
    from ..service.case_content import CaseContent
    from ..service.worker_protocol import WorkerEvent


class LabelKeeping:
    """One decision on its way into the store."""

    def __init__(self, session: Session, kept: KeptWork, pictures: PictureNotes) -> None:
        self._session, self._kept, self._pictures = session, kept, pictures
        self._decided: tuple[Case, Reading, CaseContent] | None = None
        self._request: dict[str, Any] = {}
        self._asked = False
        self.changed = Signal()
        self.running = False
        session.case_changed.connect(self._on_case_changed)

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
        self.running, self._decided = True, (case, decided, case.record.content)
        self._request = {"reading": decided.model_dump_json(), "store": str(store), "encrypted": encrypted}
        self.changed.emit()
        session.say(_("Keeping the label…"))
        image = known_image(case.source)
        if image is None:
            self._send_frames()
        else:
            steps = sent_work(case.record.content, self._kept.has_same_runs(case))
            session.stepper.run(steps, lambda work: self._ask(image | work), self._on_failed)

    def add_picture(self, declared_by: str, store: Path, encrypted: bool) -> None:
        """Hand over the picture of the decided case again, which the label folder did not take.

        Args:
            declared_by: who declares that it shows no patient data; empty: nobody, it is looked at again.
            store: folder of the labels.
            encrypted: whether a folder that is made new is.
        """
        session, case = self._session, self._session.case
        if self.running or session.stepper.busy or case is None or case.closed:
            session.say(_("Something else is going on; wait for it, then try again."), "error")
            return
        self.running, self._decided = True, (case, case.reading, case.record.content)
        self._request = {"reading": case.reading.model_dump_json(), "store": str(store), "encrypted": encrypted}
        if declared_by:
            self._request["declared_by"] = declared_by
        self.changed.emit()
        session.say(_("Keeping the picture…"))
        self._send_frames()

    def reopen(self) -> None:
        """Open the case again; the versions kept so far stay."""
        case = self._session.case
        if case is not None and self._session.change(case.reopen):
            self._session.say(_("The case is open again; what was kept stays in the label folder."))

    def _send_frames(self) -> None:
        """Hand over the images too: the label folder does not have them yet, as far as is known here."""
        assert self._decided is not None
        session, (case, *_rest) = self._session, self._decided
        session.stepper.run(
            sent_clip(session.client.exchange, case.source, range(case.source.frame_count)),
            self._on_sent,
            self._on_failed,
        )

    def _on_sent(self, clip: Any) -> None:
        assert self._decided is not None
        _case, _reading, content = self._decided
        self._session.stepper.run(
            sent_work(content),
            lambda work: self._ask({"clip": clip.to_json()} | work),
            self._on_failed,
        )

    def _ask(self, work: dict[str, Any]) -> None:
        self._asked = True
        self._session.ask("keep_label", self._request | work, self._on_event)

    def _on_event(self, event: "WorkerEvent") -> None:
        if event.kind == "progress":
            return
        self._asked = False
        if event.kind == "done" and event.result.get("needs_frames"):
            if self._decided is not None and not self._decided[0].closed:
                self._send_frames()
                return
            event = type(event)("error", event.request, message=_("The images were closed before they were kept."))
        decided, self._decided = self._decided, None
        self.running = False
        if event.kind != "done":
            self._session.say(event.message or _("The label was not kept; try again."), "error")
        elif decided is not None and not decided[0].closed:
            self._settle(*decided, event.result)
        self.changed.emit()

    def _settle(self, case: "Case", decided: "Reading", sent: "CaseContent", result: dict[str, Any]) -> None:
        from ..mrml.label_origin import LabelOrigin, set_label_origin

        self._pictures.note(case.source, result.get("picture"))
        version = result.get("version")
        set_label_origin(
            case.source, LabelOrigin(str(result.get("case", "")), None if version is None else int(version))
        )
        if case.record.content.masks != sent.masks:
            # `settle` compares what was said; an outline that is drawn on in a frame drawn in before says the same.
            self._session.say(_("The case was changed while it was being kept; decide again."), "error")
            return
        # The reading may have changed meanwhile: then it was not this one that was decided, and `settle` says so.
        if self._session.change(lambda: case.settle(decided)):
            self._kept.note(case, version=version)
            text = _("Kept as {name}. Alt+N goes to the next image.")
            self._session.say(text.format(name=str(result.get("name", ""))))

    def _on_case_changed(self) -> None:
        """The scene closed before all was handed over: nothing was decided."""
        if self.running and not self._asked and not self._session.stepper.busy:
            self.running, self._decided = False, None
            self.changed.emit()

    def _on_failed(self, error: Exception) -> None:
        self.running, self._decided = False, None
        self.changed.emit()
        if not isinstance(error, BreastUSAssistError):
            raise error
        self._session.say(str(error), "error")
