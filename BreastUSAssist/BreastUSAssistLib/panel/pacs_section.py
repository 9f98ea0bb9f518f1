"""Section PACS: find a study, pull it, open its images; nodes, and what waits to be sent."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from .pacs_node_form import PacsNodeForm
from .pacs_opening import StudyOpening
from .pacs_packages import PacsPackages
from .pacs_requests import Pacs
from .pacs_settings import FOLDER, NODE, RESULTS
from .pacs_words import study_cells, study_tip
from .session import Session

DAYS = (None, 0, 6, 29)
"""Days before today of the items of the date's combo box; None is any date, and after them comes from … to."""
MOST_HEIGHT = 190
"""Pixels of the list of studies."""


class PacsSection:
    """Binds the fields to the PACS."""

    def __init__(self, ui: Any, session: Session, pacs: Pacs, today: Callable[[], date] = date.today) -> None:
        self._ui, self._session, self.pacs, self._today = ui, session, pacs, today
        self._filling = False
        self._shown_studies: tuple[dict[str, Any], ...] | None = None
        self.form = PacsNodeForm(ui, pacs)
        self.opening = StudyOpening(session)
        self.packages = PacsPackages(ui, session, self._on_installed)
        self._fold = ui.section.parent()
        self._fold.contentsCollapsed.connect(self._on_folded)
        ui.pulledPathLineEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.pulledPathLineEdit.setCurrentPath(str(pacs.settings.folder))
        ui.pulledPathLineEdit.currentPathChanged.connect(self._on_folder)
        for edit in (ui.fromDateEdit, ui.toDateEdit):
            edit.setDate(_q_date(today()))
        for line in (ui.patientNameLineEdit, ui.patientIdLineEdit, ui.accessionLineEdit):
            line.textChanged.connect(self._show)
            line.returnPressed.connect(self.find)
        table = ui.studiesTable
        table.verticalHeader().setVisible(False)
        table.itemSelectionChanged.connect(self._show)
        table.cellActivated.connect(lambda row, column: self.pull())
        ui.nodeComboBox.currentIndexChanged.connect(self._on_node)
        ui.resultsComboBox.currentIndexChanged.connect(self._on_results)
        ui.datesComboBox.currentIndexChanged.connect(self._show)
        ui.nodesButton.toggled.connect(self._on_edit)
        ui.echoButton.clicked.connect(lambda checked=False: pacs.echo(self.node))
        ui.findButton.clicked.connect(lambda checked=False: self.find())
        ui.pullButton.clicked.connect(lambda checked=False: self.pull())
        ui.cancelPacsButton.clicked.connect(lambda checked=False: self.cancel())
        pacs.changed.connect(self._show)
        pacs.nodes_changed.connect(self._fill_nodes)
        self.opening.changed.connect(self._show)
        self._show()

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited, or images are being opened."""
        return self.pacs.busy or self.opening.running

    @property
    def node(self) -> str:
        """Name of the chosen node; empty where there is none."""
        names = [one["name"] for one in self.pacs.nodes or ()]
        index = int(self._ui.nodeComboBox.currentIndex)
        return names[index] if 0 <= index < len(names) else ""

    def find(self) -> None:
        """Ask the node for studies."""
        query = self.query()
        if self.node and self._narrow(query) and not self.pacs.working:
            self.pacs.find(self.node, query)

    def pull(self) -> None:
        """Fetch the chosen study and open its images."""
        study = self._chosen()
        if study is None or self.pacs.working or self.opening.running:
            return
        folder = Path(str(self._ui.pulledPathLineEdit.currentPath))
        self.pacs.pull(self.node, study["study_uid"], folder, self._on_pulled)

    def cancel(self) -> None:
        """Stop what is going on."""
        if self.opening.running:
            self.opening.cancel()
        self.pacs.cancel()

    def query(self) -> dict[str, Any]:
        """What the fields ask for; without what is left open."""
        ui = self._ui
        first, last = self._days()
        asked = {
            "patient_name": str(ui.patientNameLineEdit.text).strip(),
            "patient_id": str(ui.patientIdLineEdit.text).strip(),
            "accession_number": str(ui.accessionLineEdit.text).strip(),
            "from": first.isoformat() if first else "",
            "to": last.isoformat() if last else "",
            "modality": "US" if ui.ultrasoundCheckBox.checked else "",
        }
        return {key: value for key, value in asked.items() if value}

    def scene_closing(self) -> None:
        """The scene goes: nothing is opened in it any more."""
        self.opening.cancel()

    def close(self) -> None:
        """The panel goes; what was handed to the outbox stays there."""
        self.opening.cancel()
        self.pacs.stop()

    def _days(self) -> tuple[date | None, date | None]:
        index = int(self._ui.datesComboBox.currentIndex)
        if index >= len(DAYS):
            return _date(self._ui.fromDateEdit), _date(self._ui.toDateEdit)
        days, today = DAYS[index], self._today()
        return (None, None) if days is None else (today - timedelta(days=days), today)

    @staticmethod
    def _narrow(query: dict[str, Any]) -> bool:
        """Whether a query asks for less than all that a PACS has."""
        return any(key != "modality" for key in query)

    def _chosen(self) -> dict[str, Any] | None:
        row = int(self._ui.studiesTable.currentRow())
        studies = self.pacs.studies or ()
        return studies[row] if 0 <= row < len(studies) else None

    def _on_folded(self, folded: bool) -> None:
        if folded:
            return
        self.packages.show()
        if not self.pacs.looked and not self.packages.missing:
            self.pacs.look()

    def _on_installed(self) -> None:
        self.pacs.restart()
        self.pacs.look()

    def _on_edit(self, shown: bool) -> None:
        ui = self._ui
        ui.nodeFrame.setVisible(shown)
        for part in (ui.searchFrame, ui.placesFrame):
            part.setVisible(not shown)
        if shown:
            self.form.show(self.node)

    def _on_node(self, index: int) -> None:
        if self._filling:
            return
        slicer.app.settings().setValue(NODE, self.node)
        if self._ui.nodesButton.checked:
            self.form.show(self.node)
        self.pacs.forget_studies()
        self.pacs.items_changed.emit()

    def _on_results(self, index: int) -> None:
        if not self._filling:
            names = ["", *(one["name"] for one in self.pacs.nodes or ())]
            slicer.app.settings().setValue(RESULTS, names[index] if 0 <= index < len(names) else "")
            self.pacs.items_changed.emit()

    def _on_folder(self, *_args: Any) -> None:
        slicer.app.settings().setValue(FOLDER, self._ui.pulledPathLineEdit.currentPath)

    def _on_pulled(self, result: dict[str, Any]) -> str:
        self.opening.start(result)
        return _("{count} files are here; opening the images…").format(count=len(result["files"]))

    def _fill_nodes(self) -> None:
        """The combo boxes in step with the nodes; what was chosen stays chosen as long as it is there."""
        ui, settings = self._ui, self.pacs.settings
        names = [one["name"] for one in self.pacs.nodes or ()]
        self._filling = True
        try:
            ui.nodeComboBox.clear()
            ui.nodeComboBox.addItems(names)
            ui.resultsComboBox.clear()
            ui.resultsComboBox.addItems([_("the same node"), *names])
            ui.nodeComboBox.setCurrentIndex(
                names.index(settings.node) if settings.node in names else min(0, len(names) - 1)
            )
            ui.resultsComboBox.setCurrentIndex(1 + names.index(settings.results) if settings.results in names else 0)
        finally:
            self._filling = False
        if self.node != settings.node and names:
            slicer.app.settings().setValue(NODE, self.node)
        if settings.results and settings.results not in names:
            slicer.app.settings().setValue(RESULTS, "")
        if not names:
            slicer.app.settings().remove(NODE)
            ui.nodesButton.setChecked(True)
        elif ui.nodesButton.checked:
            self.form.show(self.node)
        self.pacs.items_changed.emit()

    def _show(self, *_args: Any) -> None:
        ui, pacs, opening = self._ui, self.pacs, self.opening
        idle = not pacs.working and not opening.running
        ranged = int(ui.datesComboBox.currentIndex) >= len(DAYS)
        for widget in (ui.fromDateLabel, ui.fromDateEdit, ui.toDateLabel, ui.toDateEdit):
            widget.setVisible(ranged)
        narrow = self._narrow(self.query())
        ui.echoButton.setEnabled(idle and bool(self.node))
        ui.findButton.setEnabled(idle and bool(self.node) and narrow)
        self._fill_studies()
        ui.pullButton.setEnabled(idle and self._chosen() is not None)
        ui.cancelPacsButton.setEnabled(pacs.working in ("echo", "find", "pull") or opening.running)
        ui.pacsBar.setVisible(pacs.working in ("echo", "find", "pull") or opening.running)
        done, total = (opening.done, opening.total) if opening.running else (pacs.done, pacs.total)
        # With nothing to count the bar runs to and fro.
        ui.pacsBar.setMaximum(total)
        ui.pacsBar.setValue(done)
        ui.pacsLabel.setText(self._words(narrow))
        ui.pacsLabel.setVisible(bool(ui.pacsLabel.text))

    def _words(self, narrow: bool) -> str:
        pacs = self.pacs
        if self.opening.words:
            return self.opening.words
        if pacs.working == "pull" and pacs.total:
            return _("{done} of {total} files").format(done=pacs.done, total=pacs.total)
        working = {"echo": _("Asking the node…"), "find": _("Looking for studies…"), "pull": _("Fetching the study…")}
        if pacs.working in working and not pacs.words:
            return working[pacs.working]
        if pacs.words:
            return f"✖ {pacs.words}" if pacs.failed else pacs.words
        if pacs.nodes == ():
            return _("No node yet: fill in the fields above, then press Keep.")
        return _("Type a name, an ID or an accession number, or choose a date.") if self.node and not narrow else ""

    def _fill_studies(self) -> None:
        studies, table = self.pacs.studies, self._ui.studiesTable
        table.setVisible(bool(studies))
        if studies is self._shown_studies:
            return
        self._shown_studies = studies
        self.opening.words = ""
        table.setRowCount(len(studies or ()))
        for row, study in enumerate(studies or ()):
            tip = study_tip(study)
            for column, text in enumerate(study_cells(study)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(tip)
                table.setItem(row, column, item)
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        for column in (1, 2):
            header.setSectionResizeMode(column, qt.QHeaderView.Stretch)
        table.resizeRowsToContents()
        rows = sum(int(table.rowHeight(row)) for row in range(int(table.rowCount)))
        table.setFixedHeight(min(int(header.sizeHint.height()) + rows + 4, MOST_HEIGHT))
        if studies:
            table.selectRow(0)


def _q_date(day: date) -> Any:
    return qt.QDate(day.year, day.month, day.day)


def _date(edit: Any) -> date:
    shown = edit.date
    return date(int(shown.year()), int(shown.month()), int(shown.day()))
