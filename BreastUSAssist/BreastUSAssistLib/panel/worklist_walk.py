"""A reader's way through the label folder: which case is next, opening it, leaving the one before. Has no widget."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .label_settings import label_settings
from .session import Session
from .signals import Signal
from .stepper import Stepper
from .worklist_leaving import CaseLeaving
from .worklist_view import WorklistView, opened_words

if TYPE_CHECKING:
    from ..service.worker_protocol import WorkerEvent
    from .finish_section import FinishSection


class WorklistWalk:
    """Moves through the worklist. One move at a time; a look at the list never holds one up."""

    def __init__(self, session: Session, finish: "FinishSection") -> None:
        self._session, self._finish = session, finish
        self._leaving = CaseLeaving(session, finish.kept)
        self._steps = Stepper()
        self._look = self._step = 0
        """Requests whose answers count: of the last look, and of the move that is going on."""
        self._turn = 0
        self._wanted: str | None = None
        self.view: WorklistView | None = None
        self.trouble = ""
        """Why there is no view."""
        self.opened: dict[str, Any] | None = None
        """What request "open_label" told of the case that was opened last."""
        self.moving = False
        self.changed = Signal()
        finish.keeping.changed.connect(self._on_keeping)
        session.case_changed.connect(self._on_case)

    @property
    def open_case(self) -> str:
        """Pseudonym of the case of the worklist that is before the reader; empty where another image or none is."""
        from ..mrml.label_loading import is_of_labels
        from ..mrml.label_origin import label_origin

        case = self._session.case
        if case is None or case.closed or not is_of_labels(case.source):
            return ""
        origin = label_origin(case.source)
        return origin.case if origin is not None else ""

    @property
    def resumes(self) -> bool:
        """Whether going on opens the case where the reader was before: nothing of the worklist is open yet."""
        return not self.open_case and self.view is not None and self.view.waits

    def look(self) -> None:
        """Bring the view in step with the label folder."""
        self._ask_worklist("look")

    def choose(self, strategy: str | None, states: tuple[str, ...] | None) -> None:
        """Another order or filter; None leaves it to what was used last with that order."""
        self._ask_worklist("look", strategy, states)

    def forget(self) -> None:
        """The label folder or the reader is another one."""
        self.view, self.trouble, self.opened = None, "", None
        self.changed.emit()

    def move(self, move: str) -> None:
        """Open the next case ("next") or the one before ("back"); what is being kept is waited for."""
        if self.moving or self._wanted is not None:
            return
        if self.view is None:
            # Where the reader was is not known yet.
            self._wanted = move
            self.look()
            return
        if self._finish.deciding:
            self._wanted = move
            self._session.say(_("The label is being kept; then it goes on."))
            return
        self.moving = True
        self.changed.emit()
        case = self.view.case
        if move == "next" and self.resumes and case is not None:
            self._when_kept(lambda: self._open(case))
        else:
            self._when_kept(lambda: self._ask_worklist(move))

    def open(self, case: str) -> None:
        """Open a case of the list."""
        if self.moving or self._finish.deciding:
            return
        if case == self.open_case and self.opened is not None:
            self._session.say(_("{case} is open.").format(case=case))
            return
        self.moving = True
        self.changed.emit()
        self._when_kept(lambda: self._open(case))

    def next_if_open(self) -> bool:
        """Go on where a case of the worklist is before the reader; whether it is."""
        if not self.open_case:
            return False
        self.move("next")
        return True

    def stop(self) -> None:
        """Let go of what is being opened."""
        self._steps.stop()
        self._turn += 1
        self._step, self._wanted = 0, None
        self._end()

    def _when_kept(self, action: Callable[[], None]) -> None:
        """Do it once the work on the open case is kept, unless all was stopped meanwhile."""
        turn = self._turn
        self._leaving.keep(lambda: action() if turn == self._turn else None)

    def _ask_worklist(self, move: str, strategy: str | None = None, states: tuple[str, ...] | None = None) -> None:
        settings = label_settings()
        request = {
            "store": str(settings.folder),
            "encrypted": settings.encrypted,
            "reader": settings.reader,
            "strategy": strategy,
            "states": None if states is None else list(states),
            "move": move,
        }
        number = self._session.ask("worklist", request, lambda event: self._on_worklist(move, event))
        if move == "look":
            self._look = number
        else:
            self._step = number

    def _on_worklist(self, move: str, event: "WorkerEvent") -> None:
        if event.kind == "progress" or event.request != (self._look if move == "look" else self._step):
            return
        if event.kind != "done":
            self._on_no_worklist(move, event)
            return
        self.view, self.trouble = WorklistView.of(event.result), ""
        if move == "look":
            self.changed.emit()
            self._go_on()
        elif self.view.case is None:
            last = _("No case before this one.") if move == "back" else _("No other case waits; choose what to show.")
            self._end(last)
        elif self.view.case == self.open_case and self.opened is not None:
            self._end(_("{case} is the only case that waits.").format(case=self.view.case))
        else:
            self._open(self.view.case)

    def _on_no_worklist(self, move: str, event: "WorkerEvent") -> None:
        if move != "look":
            self._end(event.message or _("The worklist was left where it was."), "error")
        elif event.kind == "error":
            self.view, self.trouble = None, event.message
            if self._wanted is not None:
                self._wanted = None
                self._session.say(event.message, "error")
        self.changed.emit()

    def _open(self, case: str) -> None:
        settings = label_settings()
        request = {"store": str(settings.folder), "case": case, "reader": settings.reader}
        self._step = self._session.ask("open_label", request, self._on_opened)

    def _on_opened(self, event: "WorkerEvent") -> None:
        if event.kind == "progress" or event.request != self._step:
            return
        if event.kind != "done":
            self._end(event.message or _("The case was not opened."), "error")
            return
        from ..mrml.label_loading import loading_label

        answer, scene = event.result, self._session.scene
        already = self._is_there(str(answer["case"]))
        self._steps.run(
            loading_label(scene, answer), lambda node: self._on_loaded(node, answer, already), self._on_failed
        )

    def _is_there(self, case: str) -> bool:
        """Whether a case is in the scene with work that is nowhere else.

        What the label folder has too makes way for what it has by now: another reader may have opened it here.
        """
        from ..mrml.label_loading import find_label_case

        there = find_label_case(self._session.scene, case)
        return there is not None and not self._leaving.remove(there)

    def _on_loaded(self, node: Any, answer: Mapping[str, Any], already: bool) -> None:
        before = self._session.case.source if self._session.case is not None else None
        self.opened = {name: value for name, value in answer.items() if name != "frames"}
        self._session.choose(node, quietly=True)
        if self._session.case is not None and not already:
            self._finish.kept.note(self._session.case, version=_version_with_drafts(answer))
        self._show_first_lesion()
        self._leaving.leave(before)
        self._end(opened_words(answer))
        self.look()

    def _show_first_lesion(self) -> None:
        case = self._session.case
        lesions = case.lesions if case is not None and case.reading.lesions else ()
        first = next((one for one in lesions if one.present and one.current is not None), None)
        if first is not None and first.current is not None:
            self._session.select(first.tracking_uid)
            self._session.show_frame(first.current.key_frame - 1)

    def _on_failed(self, error: Exception) -> None:
        if not isinstance(error, BreastUSAssistError):
            self._end(_("The case was not opened; please report this."), "error")
            raise error
        self._end(str(error), "error")

    def _on_keeping(self) -> None:
        if self._finish.deciding:
            return
        case = self._session.case
        if case is not None and not case.closed and case.reading.decision == "open":
            # It was not kept, and why not stands in the status line.
            self._wanted = None
        if self._wanted is not None:
            self._go_on()
        elif self.view is not None or self.trouble:
            self._leaving.tidy()
            self.look()

    def _on_case(self) -> None:
        if self._session.parameters is None:
            self.stop()
            self.opened = None
            self._leaving.clear()
            self._finish.kept.clear()
        self.changed.emit()

    def _go_on(self) -> None:
        """What was asked for while something else had to be done first."""
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self.move(wanted)

    def _end(self, sentence: str = "", kind: str = "note") -> None:
        self.moving = False
        self.changed.emit()
        if sentence:
            self._session.say(sentence, kind)


def _version_with_drafts(answer: Mapping[str, Any]) -> int | None:
    """The version that has the drafts of an answer of "open_label"; 0 where these are of work kept beside."""
    beside = any(one["version"] == 0 for one in answer.get("versions") or ())
    parent = answer.get("parent")
    return 0 if beside else (None if parent is None else int(parent))
