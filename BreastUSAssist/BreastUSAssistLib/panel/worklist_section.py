"""Section Worklist: the cases of the label folder, and which comes next."""

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .finish_section import FinishSection
from .session import Session
from .worklist_dispute import WorklistDispute
from .worklist_view import FILTERS, STRATEGIES, opened_words, state_words
from .worklist_walk import WorklistWalk

OPEN_SETTING = "BreastUSAssist/WorklistOpen"
"""Whether the section is unfolded; one who works with it finds it so after a restart."""
MOST_HEIGHT = 190
"""Pixels of the list."""
TYPING_MS = 500
"""Without a change of reader or folder, after which the list is read again."""


class WorklistSection:
    """Binds the worklist to the label folder of section 5."""

    def __init__(self, ui: Any, session: Session, finish: FinishSection) -> None:
        self._ui, self._session = ui, session
        self._filling = False
        self.walk = WorklistWalk(session, finish)
        self.dispute = WorklistDispute(ui, session, self.walk)
        self._shown: tuple[Any, ...] = ()
        self._fold = ui.section.parent()
        self._fold.setCollapsed(not slicer.util.settingsValue(OPEN_SETTING, False, converter=slicer.util.toBool))
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(TYPING_MS)
        self._timer.timeout.connect(self._look)
        table = ui.casesTable
        table.setHorizontalHeaderLabels([_("Case"), _("State")])
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setStretchLastSection(True)
        table.cellActivated.connect(self._on_activated)
        self._fold.contentsCollapsed.connect(self._on_folded)
        ui.strategyComboBox.currentIndexChanged.connect(self._on_strategy)
        ui.statesComboBox.currentIndexChanged.connect(self._on_states)
        ui.backButton.clicked.connect(lambda checked=False: self.back())
        ui.nextCaseButton.clicked.connect(lambda checked=False: self.next())
        finish.settings_changed.connect(self._on_settings)
        finish.next_of_worklist = self.walk.next_if_open
        session.case_changed.connect(self._on_case)
        self.walk.changed.connect(self._show)
        self._show()

    @property
    def busy(self) -> bool:
        """Whether a case is being opened, or the list is about to be read."""
        return self.walk.moving or self.dispute.busy or bool(self._timer.isActive())

    def next(self) -> None:
        """Open the next case, or the one where the reader was before."""
        self._unfold()
        self.walk.move("next")

    def back(self) -> None:
        """Open the case before."""
        self._unfold()
        self.walk.move("back")

    def _unfold(self) -> None:
        if self._fold.collapsed:
            self._fold.setCollapsed(False)

    def _look(self) -> None:
        if not self._fold.collapsed and self._session.parameters is not None:
            self.walk.look()

    def _on_folded(self, folded: bool) -> None:
        slicer.app.settings().setValue(OPEN_SETTING, not folded)
        if not folded and self.walk.view is None:
            self._look()

    def _on_case(self) -> None:
        if self.walk.view is None and not self.walk.trouble:
            self._look()
        self._show()

    def _on_settings(self) -> None:
        self.walk.forget()
        if not self._fold.collapsed:
            self._timer.start()

    def _on_strategy(self, index: int) -> None:
        if not self._filling and 0 <= index < len(STRATEGIES):
            self.walk.choose(STRATEGIES[index], None)

    def _on_states(self, index: int) -> None:
        if not self._filling and 0 <= index < len(FILTERS):
            self.walk.choose(None, FILTERS[index])

    def _on_activated(self, row: int, column: int = 0) -> None:
        view = self.walk.view
        if view is not None and 0 <= row < len(view.listed):
            self.walk.open(view.listed[row][0])

    def _show(self) -> None:
        ui, walk, view = self._ui, self.walk, self.walk.view
        self._filling = True
        try:
            for widget in (ui.strategyComboBox, ui.statesComboBox, ui.casesTable):
                widget.setEnabled(view is not None)
            ui.backButton.setEnabled(view is not None and view.can_go_back and not walk.moving)
            ui.nextCaseButton.setEnabled(view is not None and not walk.moving)
            ui.nextCaseButton.setText(_("Go on (Alt+W)") if walk.resumes else _("Next (Alt+W)"))
            if view is not None:
                ui.strategyComboBox.setCurrentIndex(STRATEGIES.index(view.strategy))
                ui.statesComboBox.setCurrentIndex(FILTERS.index(view.states) if view.states in FILTERS else -1)
            ui.decidedProgressBar.setMaximum(max(view.total, 1) if view is not None else 1)
            ui.decidedProgressBar.setValue(view.decided if view is not None else 0)
            ui.decidedProgressBar.setFormat(view.progress_words if view is not None else "")
            ui.countsLabel.setText(view.counts_words if view is not None else walk.trouble)
            ui.countsLabel.setVisible(bool(ui.countsLabel.text))
            self._show_current()
            self._fill_table()
        finally:
            self._filling = False

    def _show_current(self) -> None:
        walk, case = self.walk, self.walk.open_case
        words = ""
        if walk.moving:
            words = _("Opening a case…")
        elif case and walk.opened is not None and walk.opened["case"] == case:
            state = walk.view.state_of(case) if walk.view is not None else None
            words = opened_words({**walk.opened, "state": state or walk.opened.get("state")})
        elif case:
            words = _("{case} is open.").format(case=case)
        elif walk.resumes and walk.view is not None:
            words = _("You were at {case}.").format(case=walk.view.case)
        self._ui.currentLabel.setText(words)
        self._ui.currentLabel.setVisible(bool(words))

    def _fill_table(self) -> None:
        """The cases, the open one bold; only when something is other than it was: filling 200 rows takes a while."""
        view, table, current = self.walk.view, self._ui.casesTable, self.walk.open_case
        shown = (view.listed, view.due, view.blind, current) if view is not None else ()
        if shown == self._shown:
            return
        self._shown = shown
        listed = view.listed if view is not None else ()
        left_out = view.due - len(listed) if view is not None else 0
        table.setRowCount(len(listed) + (1 if left_out > 0 else 0))
        for row, (case, state) in enumerate(listed):
            blind = view is not None and case in view.blind and state != "disputed"
            words = _("{state}, read blind") if blind else _("{state}")
            tip = _("What other readers made of it is shown once you have decided.") if blind else ""
            for column, text in enumerate((case, words.format(state=state_words(state)))):
                self._put(row, column, text, tip, bold=case == current)
        if left_out > 0:
            self._put(len(listed), 0, _("and {count} more").format(count=left_out), "", bold=False)
            self._put(len(listed), 1, "", "", bold=False)
        table.resizeColumnToContents(0)
        table.resizeRowsToContents()
        table.setFixedHeight(_height(table))
        table.setVisible(bool(listed))
        place = next((row for row, (case, _state) in enumerate(listed) if case == current), -1)
        if place >= 0:
            table.selectRow(place)
            table.scrollToItem(table.item(place, 0))
        else:
            table.clearSelection()

    def _put(self, row: int, column: int, text: str, tip: str, *, bold: bool) -> None:
        item = qt.QTableWidgetItem(text)
        item.setToolTip(tip)
        font = item.font()
        font.setBold(bold)
        item.setFont(font)
        self._ui.casesTable.setItem(row, column, item)


def _height(table: Any) -> int:
    """As high as its rows, up to some ten: the sections below are to be seen as well."""
    rows = sum(int(table.rowHeight(row)) for row in range(int(table.rowCount)))
    return min(int(table.horizontalHeader().sizeHint.height()) + rows + 4, MOST_HEIGHT)
