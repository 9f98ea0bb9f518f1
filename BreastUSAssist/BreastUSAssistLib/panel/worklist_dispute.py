"""The readers' results of a case in dispute, before who settles it: where they differ, both outlines, one to take."""

from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .session import Session
from .stepper import Stepper
from .worklist_walk import WorklistWalk

if TYPE_CHECKING:
    from ..mrml.case import Case
    from ..mrml.opinion_outlines import OpinionOutlines
    from ..mrml.reader_opinions import Opinion
    from ..service.case_content import CaseContent

SWATCH = 12
"""Pixels of the square of colour beside a reader's name."""


class WorklistDispute:
    """Shown where the open case is in dispute and this reader may settle it."""

    def __init__(self, ui: Any, session: Session, walk: WorklistWalk) -> None:
        self._ui, self._session, self._walk = ui, session, walk
        self._steps = Stepper()
        self._case: Case | None = None
        self._opinions: tuple[Opinion, ...] = ()
        self._outlines: OpinionOutlines | None = None
        self._taken = 0
        self._left: dict[int, CaseContent] = {}
        """What the case was with each starting point when another one was taken: corrections are not lost by it."""
        self._filling = False
        ui.disputeFrame.setVisible(False)
        ui.takeComboBox.currentIndexChanged.connect(self._on_take)
        ui.showReadersCheckBox.toggled.connect(self._show_outlines)
        session.case_changed.connect(self._on_case)
        session.frame_changed.connect(self._show_outlines)
        session.findings_changed.connect(self._show)

    @property
    def busy(self) -> bool:
        """Whether results are being read or put into the scene."""
        return bool(self._steps.busy)

    def take_next(self) -> None:
        """Start from the next reader's result; after the last from the reader's own."""
        count = int(self._ui.takeComboBox.count)
        if self._opinions and self._ui.takeComboBox.enabled and count:
            self._ui.takeComboBox.setCurrentIndex((self._taken + 1) % count)

    def _on_case(self) -> None:
        case = self._session.case
        if case is self._case:
            return
        self._leave()
        opened = self._walk.opened
        if case is None or case.closed or not opened or not opened.get("dispute"):
            return
        if self._walk.open_case != opened["case"]:
            return
        from ..mrml.reader_opinions import reading_opinions

        self._case = case
        self._steps.run(
            reading_opinions(case.record.content, opened["dispute"]),
            lambda opinions: self._on_read(opened["dispute"], opinions),
            self._on_failed,
        )

    def _on_read(self, dispute: dict[str, Any], opinions: "tuple[Opinion, ...]") -> None:
        from ..mrml.opinion_outlines import COLORS, OpinionOutlines

        assert self._case is not None
        self._opinions, self._taken = opinions, 0
        self._outlines = OpinionOutlines(self._session.scene, self._case.source, opinions)
        ui = self._ui
        ui.differencesLabel.setText("\n".join(dispute["differences"]))
        self._filling = True
        try:
            ui.takeComboBox.clear()
            ui.takeComboBox.addItem(_("my own, from the AI’s draft") if self._case.runs else _("my own"))
            for place, opinion in enumerate(opinions):
                ui.takeComboBox.addItem(_swatch(COLORS[place % len(COLORS)]), _opinion_words(opinion))
        finally:
            self._filling = False
        self._show()
        self._show_outlines()

    def _leave(self) -> None:
        self._steps.stop()
        if self._outlines is not None:
            self._outlines.remove()
        self._case, self._opinions, self._outlines = None, (), None
        self._left = {}
        self._ui.disputeFrame.setVisible(False)

    def _show(self) -> None:
        """A dispute that is settled is none any more."""
        case = self._case
        if case is None or not self._opinions:
            return
        open_still = not case.closed and case.reading.decision == "open"
        if not open_still and self._outlines is not None:
            self._outlines.remove()
        self._ui.disputeFrame.setVisible(open_still)

    def _show_outlines(self, *_args: Any) -> None:
        case = self._case
        if self._outlines is None or case is None or case.closed:
            return
        if self._ui.showReadersCheckBox.checked and case.reading.decision == "open":
            self._outlines.show(self._session.frame())
        else:
            self._outlines.remove()

    def _on_take(self, index: int) -> None:
        case = self._case
        if self._filling or case is None or case.closed or not 0 <= index <= len(self._opinions):
            return
        if index == self._taken:
            return
        if self._session.stepper.busy or self._steps.busy:
            self._put_back()
            self._session.say(_("Something else is going on; wait for it, then take a result."), "error")
            return
        try:
            case.catch_up()
        except BreastUSAssistError as error:
            self._on_failed(error)
            return
        content = case.record.content
        self._left[self._taken] = content
        wanted = self._left.get(index) or self._opinions[index - 1].content
        spent = wanted.reading.model_copy(update={"seconds_spent": content.reading.seconds_spent})
        self._ui.takeComboBox.setEnabled(False)
        self._steps.run(
            case.take(wanted.model_copy(update={"reading": spent})),
            lambda _nothing: self._on_taken(index),
            self._on_failed,
        )

    def _on_taken(self, index: int) -> None:
        self._taken = index
        self._ui.takeComboBox.setEnabled(True)
        text = _("You start from your own; correct it, then accept or reject.")
        if index:
            text = _("You start from what {reader} made of it; correct it, then accept or reject.")
            text = text.format(reader=self._opinions[index - 1].reader)
        self._session.say(text)
        # Place and patient are of the case as well: their fields show it anew.
        self._session.case_changed.emit()
        self._session.findings_changed.emit()

    def _on_failed(self, error: Exception) -> None:
        self._ui.takeComboBox.setEnabled(True)
        self._put_back()
        if not isinstance(error, BreastUSAssistError):
            raise error
        self._session.say(str(error), "error")

    def _put_back(self) -> None:
        """Show in the list what the case still is."""
        self._filling = True
        try:
            self._ui.takeComboBox.setCurrentIndex(self._taken)
        finally:
            self._filling = False


def _opinion_words(opinion: "Opinion") -> str:
    if opinion.decision == "rejected":
        return _("{reader}: rejected, {reason}").format(reader=opinion.reader, reason=opinion.reason)
    numbers = [one for one in opinion.content.reading.lesions if one.present]
    categories = [one.category for one in numbers if one.category]
    words = _("{reader}: {count} lesion(s)").format(reader=opinion.reader, count=len(numbers))
    return words if not categories else words + ", " + ", ".join(categories)


def _swatch(color: tuple[float, float, float]) -> Any:
    picture = qt.QPixmap(SWATCH, SWATCH)
    picture.fill(qt.QColor.fromRgbF(*color))
    return qt.QIcon(picture)
