"""Autosave: work in progress goes into the label folder as a version of its own, so that a crash loses nothing.

Kept is what the reader did since, a few seconds after the last change, and at once when the case is left.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .autosave_bar import AutosaveBar
from .autosave_recovery import Recovery
from .autosave_sending import Work, WorkSending
from .finish_section import FinishSection
from .label_settings import LabelSettings, label_settings
from .session import Session

if TYPE_CHECKING:
    from ..mrml.case import Case, CaseChange

IDLE_MS = 3000
"""Without another change before work is kept."""
LONGEST_S = 30.0
"""A reader who never pauses is interrupted by nothing, but is kept this often."""
RETRY_MS = 15000
"""After work could not be kept."""


class Autosaving:
    """Watches the case before the reader. Never holds the window up; what it has to say stands in one row."""

    def __init__(
        self, session: Session, finish: FinishSection, ui: Any, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session, self._finish, self._clock = session, finish, clock
        self.bar = AutosaveBar(ui)
        self.sending = WorkSending(session, finish.pictures, self._on_kept, self._on_failed)
        self.recovery = Recovery(session, self.sending, self.bar, self._keep_all, self._on_restored)
        self._case: Case | None = None
        self._looking = False
        self._since: float | None = None
        """When the first change was made that is not kept; None where all is."""
        self._settings: LabelSettings | None = None
        self._then: list[tuple[str, Callable[[], None]]] = []
        """What waits until work on a case, named by its UID, is kept."""
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_timer)
        session.case_changed.connect(self._on_case)
        session.leaving.connect(self._on_leaving)
        finish.settings_changed.connect(self._on_settings)
        finish.keeping.changed.connect(self._on_decision)
        finish.kept.keep_first = self.keep_first

    @property
    def busy(self) -> bool:
        """Whether work is on its way to or from the label folder."""
        return self._looking or self.sending.busy or self.recovery.busy

    def is_kept(self, case: "Case") -> bool:
        """Whether the label folder has all that was done in a case, decisions aside."""
        if case is self._case and self._since is not None:
            return False
        return not self.sending.is_on_its_way(case.content.uid)

    def keep_now(self) -> None:
        """Keep what is not kept yet, without waiting for a pause."""
        case = self._session.case
        if case is not None and case is self._case and not case.closed:
            try:
                case.catch_up()  # what was drawn just now
            except BreastUSAssistError as error:
                self._session.say(str(error), "error")
            self._keep(case, at_once=False)

    def keep_first(self, then: Callable[[], None]) -> None:
        """Call `then` once the session's case is kept, or could not be kept."""
        self._keep_all()
        case = self._session.case
        if case is None or case.closed or not self.sending.is_on_its_way(case.content.uid):
            then()
        else:
            self._then.append((case.content.uid, then))

    def close(self) -> None:
        """The module goes; what was handed to the child process is waited for by its client."""
        self._timer.stop()
        self.sending.close()
        self.recovery.stop()

    def _on_case(self) -> None:
        case = self._session.case
        if case is self._case:
            return
        self._case, self._since, self._settings = case, None, label_settings()
        self._looking = False
        self._timer.stop()
        self.bar.clear()
        self.recovery.stop()
        if case is None:
            return
        case.on_change.append(self._on_change)
        self._looking = True
        # Whoever opened it says first what he knows of it.
        qt.QTimer.singleShot(0, lambda: self._look(case))

    def _look(self, case: "Case") -> None:
        """Ask the label folder for a case that has just been opened, unless it came from there or was kept since."""
        if case is not self._case:
            return
        self._looking = False
        if case.closed:
            return
        version = self._finish.kept.has_same_runs(case)
        if version is None:
            self.recovery.look(case, label_settings())
        else:
            self.sending.learn(case.content.uid, case.content.runs, version, has_image=True)

    def _on_change(self, change: "CaseChange") -> None:
        if change.what == "run" and self.recovery.restoring:
            self._since = None
        elif change.what != "closed":
            self._mark()

    def _mark(self) -> None:
        now = self._clock()
        self._since = now if self._since is None else self._since
        left = max(LONGEST_S - (now - self._since), 0.0)
        self._timer.start(min(IDLE_MS, round(left * 1000)))

    def _on_timer(self) -> None:
        case = self._session.case
        if case is None or case.closed:
            return
        settings = label_settings()
        if self._settings is not None and settings != self._settings:
            self._settings = settings
            self.sending.forget()
            self.recovery.look(case, settings)
        if self._since is None:
            return
        if self._session.stepper.busy or self._finish.keeping.running or self.recovery.busy:
            self._timer.start(IDLE_MS)
        else:
            self.keep_now()

    def _on_settings(self) -> None:
        # Typed letter by letter: nothing is kept under half a name, or looked for in half a folder.
        if self._session.case is not None:
            self._timer.start(IDLE_MS)

    def _on_decision(self) -> None:
        case = self._session.case
        if not self._finish.keeping.running and case is not None and not case.closed and _is_decided(case):
            self._since = None
            self.bar.clear()

    def _on_leaving(self, case: "Case", at_once: bool) -> None:
        self.recovery.stop()
        if case is self._case and not case.closed:
            try:
                case.catch_up()
            except BreastUSAssistError as error:
                self._session.say(str(error), "error")
        if case is self._case:
            self._keep(case, at_once)
        if self._on_change in case.on_change:
            case.on_change.remove(self._on_change)

    def _keep(self, case: "Case", at_once: bool) -> None:
        """Send what is not kept; also of a case that has just been closed with its images."""
        if self._since is None:
            return
        content = case.content
        if content.reading.decision != "open":
            self._since = None
            return
        settings = label_settings()
        if not settings.reader or not settings.may_keep:
            self.bar.show_kept(
                _("Kept in the scene alone: type who reads in section 5.")
                if not settings.reader
                else _("Kept in the scene alone: choose a label folder in section 5.")
            )
            return
        self._since = None
        self._timer.stop()
        self.sending.put(Work(case.source, content, settings, _spacing_of(case)), at_once=at_once)

    def _on_kept(self, work: Work, name: str, new: bool) -> None:
        case = self._session.case
        if case is not None and self._is_shown(work):
            self._finish.kept.note(case, work.content)
        if self._is_shown(work) and self._since is None:
            now = datetime.now().astimezone().strftime("%H:%M:%S")
            self.bar.show_kept(_("Autosaved at {time}.").format(time=now))
        self._go_on(work.uid)

    def _on_failed(self, work: Work, reason: str) -> None:
        if self._is_shown(work):
            self._since = self._clock() if self._since is None else self._since
            self._timer.start(RETRY_MS)
            self.bar.show_kept(_("Not autosaved yet, it is tried again: {reason}").format(reason=reason))
        else:
            self._session.say(reason, "error")
        self._go_on(work.uid)

    def _go_on(self, uid: str) -> None:
        """What waited for work on a case goes on, unless newer work is on its way."""
        if self.sending.is_on_its_way(uid):
            return
        waited, self._then = self._then, [one for one in self._then if one[0] != uid]
        for one, then in waited:
            if one == uid:
                then()

    def _keep_all(self) -> None:
        """Keep the work of the case before another takes its place, whether it changed here or came with a scene."""
        from ..mrml.case_restoring import is_untouched

        case = self._session.case
        if case is not None and not case.closed and (self._since is not None or not is_untouched(case)):
            self._mark()
            self.keep_now()

    def _on_restored(self) -> None:
        """The case is another one inside: let the fields of the panel show it."""
        case = self._session.case
        if case is not None and not case.closed:
            self._finish.kept.note(case)
        self._session.case_changed.emit()

    def _is_shown(self, work: Work) -> bool:
        case = self._session.case
        return case is not None and not case.closed and case.content.uid == work.uid


def _is_decided(case: "Case") -> bool:
    return bool(case.reading.decision != "open")


def _spacing_of(case: "Case") -> dict[str, Any] | None:
    from ..mrml.pixel_calibration import calibration_of

    spacing = calibration_of(case.source).spacing
    if spacing is None:
        return None
    return {"row_mm": spacing.row_mm, "column_mm": spacing.column_mm, "source": spacing.source}
