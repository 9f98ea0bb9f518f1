"""Section 3: one row a lesion; terms, category and note are the reader's to change, the AI's stay visible."""

from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from .findings_cells import OWN_COLUMNS, cell, columns_of, headers, reasons
from .session import Session
from .tie_choices import tie_choices
from .undescribed_cells import undescribed_cell

if TYPE_CHECKING:
    from ..birads.reading_view import EffectiveLesion


WIDEST_COLUMN = 130
"""Pixels; longer terms are wrapped."""
LEAST_HEIGHT, MOST_HEIGHT = 36, 150
"""Pixels for the rows of the table."""


class FindingsSection:
    """Shows the session's lesions and passes the reader's changes on to the case."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._filling = False
        self._rows: tuple[EffectiveLesion, ...] = ()
        self._columns: tuple[str, ...] = OWN_COLUMNS
        self._ties: list[str] = []
        self._editing: tuple[int, int] | None = None
        table = ui.findingsTable
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setStretchLastSection(True)
        table.itemSelectionChanged.connect(self._on_selected)
        table.cellDoubleClicked.connect(self.edit)
        ui.addLesionButton.clicked.connect(self._on_add)
        ui.removeLesionButton.clicked.connect(self._on_remove)
        ui.putBackTermButton.clicked.connect(self._on_put_back)
        ui.categoryComboBox.currentIndexChanged.connect(self._on_category)
        ui.noteLineEdit.editingFinished.connect(self._on_note)
        ui.tieComboBox.currentIndexChanged.connect(self._on_tie)
        session.case_changed.connect(self._show)
        session.findings_changed.connect(self._show)
        session.selection_changed.connect(self._show_selection)

    def step(self, rows: int) -> None:
        """Select the next lesion, or the one before."""
        if self._rows:
            self._session.select(self._rows[(self._row() + rows) % len(self._rows)].tracking_uid)

    def edit(self, row: int, column: int) -> None:
        """Open the list of terms in a cell; choosing one changes it, leaving it changes nothing."""
        case = self._session.case
        if case is None or column < len(OWN_COLUMNS) or not 0 <= row < len(self._rows) or not self._rows[row].present:
            return
        attribute = self._columns[column]
        from ..birads.reading_view import terms_for

        self._close_editor()
        lesion = self._rows[row]
        terms = list(terms_for(attribute, case.lexicon))
        combo = qt.QComboBox()
        combo.setToolTip(_("Choose the term; Escape leaves it as it is."))
        for _key, words in terms:
            combo.addItem(words)
        now = _term(lesion, attribute)
        combo.setCurrentIndex(next((i for i, (key, _words) in enumerate(terms) if key == now), -1))
        combo.activated.connect(lambda index: self._on_term(lesion.number, attribute, terms[index][0]))
        self._editing = (row, column)
        self._ui.findingsTable.setCellWidget(row, column, combo)
        combo.setFocus()
        combo.showPopup()

    def _on_term(self, number: int, attribute: str, term: str) -> None:
        self._close_editor()
        case = self._session.case
        if case is not None:
            self._session.change(lambda: case.set_term(number, attribute, term))

    def _close_editor(self) -> None:
        editing, self._editing = self._editing, None
        if editing is None:
            return
        combo = self._ui.findingsTable.cellWidget(*editing)
        if combo is not None:
            # The table deletes it a turn of the event loop later.
            combo.setVisible(False)
        self._ui.findingsTable.removeCellWidget(*editing)

    def _show(self) -> None:
        case = self._session.case
        self._close_editor()
        self._rows = case.lesions if case is not None and not case.closed and case.reading.lesions else ()
        table = self._ui.findingsTable
        self._filling = True
        try:
            if self._rows and case is not None:
                self._columns = columns_of(case.lexicon)
                table.setColumnCount(len(self._columns))
                table.setHorizontalHeaderLabels(headers(case.lexicon))
            table.setRowCount(len(self._rows))
            for row, lesion in enumerate(self._rows):
                for column in range(len(self._columns)):
                    self._put(row, column, lesion)
            table.resizeColumnsToContents()
            for column in range(len(self._columns)):
                table.setColumnWidth(column, min(int(table.columnWidth(column)), WIDEST_COLUMN))
            table.resizeRowsToContents()
            table.setFixedHeight(_height(table))
        finally:
            self._filling = False
        self._ui.addLesionButton.setEnabled(case is not None)
        if self._rows and not any(one.tracking_uid == self._session.selected for one in self._rows):
            self._session.select(self._rows[0].tracking_uid)
        self._show_selection()

    def _put(self, row: int, column: int, lesion: "EffectiveLesion") -> None:
        name, case = self._columns[column], self._session.case
        if lesion.current is None and name != "number" and case is not None:
            content = undescribed_cell(case, lesion, name)
        else:
            content = cell(lesion, name)
        item = qt.QTableWidgetItem(content.text)
        item.setToolTip(content.tip)
        font = item.font()
        font.setBold(content.changed)
        font.setStrikeOut(not lesion.present)
        item.setFont(font)
        self._ui.findingsTable.setItem(row, column, item)

    def _row(self) -> int:
        uids = [one.tracking_uid for one in self._rows]
        return uids.index(self._session.selected) if self._session.selected in uids else -1

    def _selected(self) -> "EffectiveLesion | None":
        row = self._row()
        return self._rows[row] if row >= 0 else None

    def _show_selection(self) -> None:
        lesion, ui = self._selected(), self._ui
        self._filling = True
        try:
            ui.findingsTable.clearSelection() if lesion is None else ui.findingsTable.selectRow(self._row())
            there = lesion is not None and lesion.present
            ui.removeLesionButton.setEnabled(lesion is not None)
            removed = lesion is not None and not lesion.present
            ui.removeLesionButton.setText(_("Put back lesion") if removed else _("Not a lesion"))
            ui.putBackTermButton.setEnabled(there and bool(lesion and lesion.changed))
            for widget in (ui.categoryComboBox, ui.noteLineEdit, ui.tieComboBox):
                widget.setEnabled(there)
            self._fill_category(lesion)
            self._fill_ties(lesion)
            ui.noteLineEdit.setText(lesion.note if lesion is not None else "")
            ui.reasonsText.setPlainText(reasons(lesion) if lesion is not None else "")
        finally:
            self._filling = False

    def _fill_category(self, lesion: "EffectiveLesion | None") -> None:
        combo = self._ui.categoryComboBox
        if combo.count == 0:
            from ..birads.reading import READER_CATEGORIES

            combo.addItem(_("none yet"))
            for category in READER_CATEGORIES:
                combo.addItem(category)
        combo.setCurrentIndex(max(combo.findText(lesion.category), 0) if lesion is not None and lesion.category else 0)

    def _fill_ties(self, lesion: "EffectiveLesion | None") -> None:
        case, combo = self._session.case, self._ui.tieComboBox
        combo.clear()
        self._ties = [""]
        combo.addItem(_("not tied"))
        if case is None or lesion is None or case.closed:
            return
        for uid, words in tie_choices(case, lesion.number):
            combo.addItem(words)
            self._ties.append(uid)
        combo.setCurrentIndex(self._ties.index(lesion.tied_to) if lesion.tied_to in self._ties else 0)

    def _on_selected(self) -> None:
        row = int(self._ui.findingsTable.currentRow())
        if self._filling or not 0 <= row < len(self._rows):
            return
        lesion = self._rows[row]
        self._session.select(lesion.tracking_uid)
        if lesion.current is not None:
            self._session.show_frame(lesion.current.key_frame - 1)

    def _on_add(self, checked: bool = False) -> None:
        case = self._session.case
        if case is None:
            return
        added: list[Any] = []
        if self._session.change(lambda: added.append(case.add_lesion())):
            self._session.select(added[0].tracking_uid)
            # The first lesion of a case is selected as soon as it is listed, before its segment is there.
            self._session.selection_changed.emit()
            self._session.say(_("Lesion {number} was added; outline it in section 4.").format(number=added[0].number))

    def _on_remove(self, checked: bool = False) -> None:
        case, lesion = self._session.case, self._selected()
        if case is not None and lesion is not None:
            do = case.remove_lesion if lesion.present else case.put_back_lesion
            self._session.change(lambda: do(lesion.number))

    def _on_put_back(self, checked: bool = False) -> None:
        case, lesion = self._session.case, self._selected()
        if case is None or lesion is None:
            return

        def put_back() -> None:
            for attribute in sorted(lesion.changed):
                case.put_back_term(lesion.number, attribute)

        self._session.change(put_back)

    def _on_category(self, index: int) -> None:
        case, lesion = self._session.case, self._selected()
        if not self._filling and case is not None and lesion is not None:
            category = str(self._ui.categoryComboBox.itemText(index)) if index > 0 else None
            self._session.change(lambda: case.set_category(lesion.number, category))

    def _on_note(self) -> None:
        case, lesion = self._session.case, self._selected()
        if not self._filling and case is not None and lesion is not None:
            self._session.change(lambda: case.set_note(lesion.number, str(self._ui.noteLineEdit.text)))

    def _on_tie(self, index: int) -> None:
        case, lesion = self._session.case, self._selected()
        if self._filling or case is None or lesion is None or not 0 <= index < len(self._ties):
            return
        uid = self._ties[index]
        self._session.change(lambda: case.tie(lesion.number, uid) if uid else case.untie(lesion.number))


def _height(table: Any) -> int:
    """As high as its rows, within limits that leave the panel on one screen."""
    rows = sum(int(table.rowHeight(row)) for row in range(int(table.rowCount)))
    bars = int(table.horizontalHeader().sizeHint.height()) + int(table.horizontalScrollBar().sizeHint.height()) + 4
    return bars + min(max(rows, LEAST_HEIGHT), MOST_HEIGHT)


def _term(lesion: "EffectiveLesion", attribute: str) -> str | None:
    described = lesion.current.descriptors if lesion.current is not None else ()
    return next((one.term for one in described if one.attribute == attribute), None)
