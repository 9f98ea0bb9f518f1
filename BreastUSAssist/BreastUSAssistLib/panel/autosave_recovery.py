"""When an image is opened: what the label folder has of it, brought back where it is the reader's own or a draft."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .autosave_bar import AutosaveBar
from .autosave_sending import WorkSending
from .autosave_words import KeptVersion, brought_back, in_the_folder, latest_of
from .label_settings import LabelSettings
from .session import Session
from .stepper import Stepper

if TYPE_CHECKING:
    from ..mrml.case import Case
    from ..mrml.source import UltrasoundSource
    from ..service.case_content import CaseContent
    from ..service.worker_protocol import WorkerEvent

Answer = dict[str, Any]
"""Of request "find_label"; its files last until the next one."""


class Recovery:
    """Looks once an image, and again when reader or folder are others. Versions are never lost by what is chosen."""

    def __init__(
        self,
        session: Session,
        sending: WorkSending,
        bar: AutosaveBar,
        keep: Callable[[], None],
        restored: Callable[[], None],
    ) -> None:
        """Take what keeps the work that is in the case now, and who is told that the case was made another."""
        self._session, self._sending, self._bar, self._keep, self._restored = session, sending, bar, keep, restored
        self._stepper = Stepper()
        self._asked: tuple[Case, LabelSettings] | None = None
        self.restoring = False
        """Whether a case is being made what was kept of it."""

    @property
    def busy(self) -> bool:
        """Whether it is looking, or bringing back."""
        return self._asked is not None or self.restoring

    def look(self, case: "Case", settings: LabelSettings) -> None:
        """Look for a case in the label folder, where there is one and a reader is named."""
        self.stop()
        if not settings.reader or not settings.folder.is_dir() or not any(settings.folder.iterdir()):
            return
        self._asked = (case, settings)
        self._stepper.run(
            _identified(case.source),
            lambda sha256: self._ask(case, settings, {"sha256": sha256}, self._on_found),
            self._on_failed,
        )

    def stop(self) -> None:
        """Another case comes: an answer that is still awaited is of no use."""
        self._stepper.stop()
        self._asked = None

    def _ask(
        self,
        case: "Case",
        settings: LabelSettings,
        what: dict[str, Any],
        on_answer: Callable[["Case", Answer], None],
        again: bool = True,
    ) -> None:
        """Ask for a case; once `again` where that fails, since the child process may have died just before."""
        asked = self._asked = (case, settings)

        def on_event(event: "WorkerEvent") -> None:
            if event.kind == "progress" or self._asked is not asked:
                return
            self._asked = None
            if event.kind == "done" and case is self._session.case and not case.closed:
                on_answer(case, dict(event.result))
            elif event.kind == "error" and again and not case.closed:
                self._ask(case, settings, what, on_answer, again=False)
            elif event.kind == "error":
                self._session.say(event.message, "error")

        request = {"store": str(settings.folder), "reader": settings.reader, **what}
        self._session.ask("find_label", request, on_event)

    def _on_found(self, case: "Case", answer: Answer) -> None:
        """Decide what to do with what the folder has, or has not."""
        from ..mrml.case_restoring import is_untouched
        from ..mrml.label_loading import origin_of
        from ..mrml.label_origin import label_origin, set_label_origin

        before, latest = label_origin(case.source), latest_of(answer)
        if answer.get("notes"):
            self._session.say(" ".join(answer["notes"]), "error")  # something in the folder is damaged
        if not answer.get("case") or latest is None:
            if before is not None:
                set_label_origin(case.source, None)  # of another label folder
            return
        self._sending.learn(case.content.uid, (), None, has_image=bool(answer.get("stored")))
        here = before.parent if before is not None and before.case == answer["case"] else None
        if here is None or (is_untouched(case) and not case.runs):
            set_label_origin(case.source, origin_of(answer))
        if is_untouched(case):
            if not case.runs:
                self._offer(case, answer, latest, at_once=True)
            elif latest.reader:
                self._offer(case, answer, latest, at_once=here is None)
        elif here is None or here < latest.version:
            self._offer(case, answer, latest, at_once=False)

    def _offer(self, case: "Case", answer: Answer, latest: KeptVersion, at_once: bool) -> None:
        """Bring back at once what is the reader's own, or a draft; otherwise say what there is, with a button."""
        if not (answer.get("runs") or answer.get("reading") or answer.get("labels")):
            return
        if at_once and (latest.own or latest.is_draft) and not answer.get("dispute"):
            self._bring_back(case, answer)
        else:
            self._show_there(case, latest)

    def _show_there(self, case: "Case", latest: KeptVersion) -> None:
        self._bar.show_found(
            in_the_folder(latest),
            _("Bring it here"),
            _("Show what the label folder has instead; what you did here is kept as a version of its own first."),
            lambda: self._fetch(case),
        )

    def _fetch(self, case: "Case") -> None:
        """Bring back what is in the folder by now."""
        from ..mrml.label_origin import label_origin
        from .label_settings import label_settings

        origin = label_origin(case.source)
        if not self.busy and origin is not None:
            self._keep()
            self._ask(case, label_settings(), {"case": origin.case}, self._bring_back)

    def _bring_back(self, case: "Case", answer: Answer) -> None:
        from ..mrml.label_loading import origin_of
        from ..mrml.label_origin import set_label_origin

        latest = latest_of(answer)
        if latest is None:
            return
        if self._session.stepper.busy:
            self._show_there(case, latest)
            return
        before = case.content

        def done(_nothing: Any) -> None:
            self._end()
            set_label_origin(case.source, origin_of(answer))
            stored = bool(answer.get("stored"))
            self._sending.learn(case.content.uid, case.content.runs, latest.version, has_image=stored)
            self._bar.show_found(
                brought_back(latest),
                _("Begin anew"),
                _("Put the case back as it was before; what was kept stays in the label folder."),
                lambda: self._begin_anew(case, before, latest),
            )

        self.restoring = True
        self._session.stepper.run(_restoring(case, answer), done, self._on_failed)

    def _begin_anew(self, case: "Case", content: "CaseContent", latest: KeptVersion) -> None:
        if self.busy or self._session.stepper.busy or case.closed:
            return
        self._keep()

        def done(_nothing: Any) -> None:
            self._end()
            self._show_there(case, latest)

        self.restoring = True
        self._session.stepper.run(case.take(content), done, self._on_failed)

    def _end(self) -> None:
        self.restoring = False
        self._restored()

    def _on_failed(self, error: Exception) -> None:
        self._asked = None
        if self.restoring:
            self._end()
        if not isinstance(error, BreastUSAssistError):
            raise error
        self._session.say(str(error), "error")


def _identified(source: "UltrasoundSource") -> Generator[int, None, str]:
    """Hash that tells the images from others, a frame a step."""
    from ..labels.image_identity import identifying

    identity = yield from identifying((source.frame(index).pixels for index in range(source.frame_count)), source.kind)
    return identity.sha256


def _restoring(case: "Case", answer: Answer) -> Generator[tuple[int, int], None, None]:
    """Make a case what was kept of it, whatever is in it now; as before where that cannot be done."""
    from ..birads.reading import Reading
    from ..mrml.case_keeping import planes_of
    from ..mrml.case_restoring import is_untouched, restore_case
    from ..mrml.label_loading import label_content

    before, source = case.content, case.source
    kept = label_content(answer)
    hidden = planes_of(answer.get("hidden"), source.rows, source.columns)
    try:
        if not is_untouched(case):
            reading = Reading(case=before.reading.case)
            yield from case.take(before.model_copy(update={"runs": (), "masks": (), "reading": reading}))
        yield from restore_case(case, kept.runs, kept.reading, kept.labels, hidden)
    except BreastUSAssistError:
        yield from case.take(before)
        raise
