"""One run of the AI over frames of a case: frames out, progress, result into the case. The window never waits."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .frame_sending import model_choice, sent_clip
from .session import Session
from .signals import Signal

if TYPE_CHECKING:
    from ..birads.clinical import ClinicalParameters
    from ..mrml.case import Case
    from ..service.worker_protocol import WorkerEvent


class AnalysisRun:
    """The run that is going on, if any, and what to say of the last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._request: int | None = None
        self._case: Case | None = None
        self._first = 0
        self._promoted = False
        """Whether the outlines of the run are of a model promoted from labels."""
        self.changed = Signal()
        self.running = False
        self.done = 0
        self.total = 0
        self.words = ""
        """Of the progress bar."""
        self.last_words = ""
        """Model, device and time of the last run of the open case."""
        self._told_of: Case | None = None
        """The case that the last words are about."""
        session.case_changed.connect(self._on_case_changed)

    def start(self, frames: tuple[int, int], clinical: "ClinicalParameters | None", prevalence: float | None) -> None:
        """Analyse frames first..last (from 0, both inside) of the session's case."""
        session, case = self._session, self._session.case
        if self.running:
            session.say(_("A run is going on already; wait for it or cancel it."), "error")
            return
        if case is None:
            session.say(_("No image is open; choose one in section 1."), "error")
            return
        self._case, self._first = case, frames[0]
        self.running, self.done, self.total, self.words = True, 0, frames[1] - frames[0] + 1, _("Preparing the images")
        self.changed.emit()
        arguments = self._settings(clinical, prevalence)
        session.stepper.run(
            sent_clip(session.client.exchange, case.source, range(frames[0], frames[1] + 1)),
            lambda clip: self._on_sent(clip, arguments),
            self._on_failed,
        )

    def cancel(self) -> None:
        """Stop; nothing of the run is kept."""
        if self._request is not None:
            self._session.client.cancel(self._request)
            self.words = _("Cancelling")
            self.changed.emit()
        elif self.running:
            self._session.stepper.stop()
            self._end(_("The run was cancelled; nothing of it was kept."))

    def _settings(self, clinical: "ClinicalParameters | None", prevalence: float | None) -> dict[str, Any]:
        parameters = self._session.parameters
        return {
            **model_choice(parameters),
            "settings": {
                "clinical": clinical.model_dump() if clinical is not None else None,
                "prevalence": prevalence,
                "ignore_gates": bool(parameters.ignore_gates),
            },
        }

    def _on_sent(self, clip: Any, arguments: dict[str, Any]) -> None:
        if not self.running:
            return
        self.words = _("Starting the models")
        self.changed.emit()
        self._request = self._session.ask("analyze", {"clip": clip.to_json(), **arguments}, self._on_event)

    def _on_event(self, event: "WorkerEvent") -> None:
        if event.kind == "progress":
            self.done, self.total = event.done, event.total or self.total
            self.words = _("{done} of {total} frames").format(done=event.done, total=self.total)
            self.changed.emit()
            return
        self._request = None
        if event.kind == "done":
            self._on_done(event.result)
        elif event.kind == "cancelled":
            self._end(_("The run was cancelled; nothing of it was kept."))
        else:
            self._end(event.message, "error")

    def _on_done(self, result: dict[str, Any]) -> None:
        from ..service.analysis_file import read_analysis
        from ..service.worker_protocol import take_array

        case = self._case
        if case is None or case.closed:
            self._end(_("The image was closed while the AI was running; its result was dropped."), "error")
            return
        try:
            analysis = read_analysis(Path(result["analysis"]))
            self._promoted = bool((result.get("model") or {}).get("promoted"))
            steps = case.apply_run(analysis, take_array(result["labels"]), self._first + 1)
        except BreastUSAssistError as error:
            self._on_failed(error)
            return
        self.words = _("Drawing the outlines")
        self.changed.emit()
        self._session.stepper.run(steps, lambda outcome: self._on_applied(analysis, outcome), self._on_failed)

    def _on_applied(self, analysis: Any, outcome: Any) -> None:
        seconds = sum(analysis.timings_ms.values()) / 1000
        self.last_words = _("{model} {version} on {device} ({backend}): {seconds:.1f} s for {frames} frame(s).").format(
            model=analysis.model.name,
            version=analysis.model.version,
            device=analysis.model.device,
            backend=analysis.model.backend,
            seconds=seconds,
            frames=len(analysis.frames),
        )
        if self._promoted:
            self.last_words = f"{self.last_words} {_('Learnt from your labels.')}"
        case = self._case
        self._end(outcome.words)
        self._session.findings_changed.emit()
        if case is None or case is not self._session.case:
            return
        lesions = [one for one in case.lesions if one.present and one.current is not None]
        chosen = next((one for one in lesions if one.tracking_uid == self._session.selected), None) or next(
            iter(lesions), None
        )
        if chosen is not None and chosen.current is not None:
            self._session.select(chosen.tracking_uid)
            self._session.show_frame(chosen.current.key_frame - 1)

    def _on_failed(self, error: Exception) -> None:
        if not isinstance(error, BreastUSAssistError):
            self._end(_("The run stopped unexpectedly; please report this."), "error")
            raise error
        self._end(str(error), "error")

    def _on_case_changed(self) -> None:
        """A run belongs to its case: where that was left, the run is of no use."""
        if self.running and self._session.case is not self._case:
            self.cancel()
        if self._session.case is not self._told_of:
            self.last_words, self._told_of = "", self._session.case
            self.changed.emit()

    def _end(self, sentence: str, kind: str = "note") -> None:
        self.running, self._request, self._case = False, None, None
        self.words = ""
        self.changed.emit()
        if sentence:
            self._session.say(sentence, kind)
