"""Section Learn: from the labels to a better model, and back."""

from pathlib import Path
from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from .finish_section import FinishSection
from .install import Installer
from .label_settings import label_settings
from .learn_pictures import LearnPictures
from .learn_requests import Learning
from .learn_words import figure_rows, label_words, line_rows, model_words, progress_words, verdict_words
from .session import Session

DATA_SETTING, ALONE_SETTING = "BreastUSAssist/OriginalData", "BreastUSAssist/OfferWithoutOriginalData"
PAUSE_MS = 400
"""Without another change of the label folder's name before it is looked into."""
MOST_HEIGHT = 210
"""Pixels for the rows of a table."""


class LearnSection:
    """Binds training, promotion and rollback to the label folder of section 5."""

    def __init__(self, ui: Any, session: Session, finish: FinishSection) -> None:
        self._ui, self._session, self._finish = ui, session, finish
        self._stale = True
        self._shown_state: dict[str, Any] | None = None
        self.learning = Learning(session)
        self.pictures = LearnPictures(ui)
        self._pause = qt.QTimer()
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self._look)
        ui.dataPathLineEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.dataPathLineEdit.setCurrentPath(str(slicer.util.settingsValue(DATA_SETTING, "")))
        ui.aloneCheckBox.setChecked(slicer.util.settingsValue(ALONE_SETTING, False, converter=slicer.util.toBool))
        ui.dataPathLineEdit.currentPathChanged.connect(self._on_settings)
        ui.aloneCheckBox.toggled.connect(self._on_settings)
        ui.installTrainingButton.clicked.connect(self._on_install)
        ui.trainButton.clicked.connect(self.train)
        ui.cancelTrainingButton.clicked.connect(self._on_cancel)
        ui.promoteButton.clicked.connect(self.promote)
        ui.rollBackButton.clicked.connect(self._on_roll_back)
        ui.confirmRollBackButton.clicked.connect(self.roll_back)
        ui.keepModelButton.clicked.connect(self._on_keep_model)
        for table in (ui.figuresTable, ui.modelsTable):
            table.verticalHeader().setVisible(False)
        self._button = ui.section.parent()
        self._button.contentsCollapsed.connect(self._on_collapsed)
        finish.settings_changed.connect(self._on_folder)
        finish.keeping.changed.connect(self._on_keeping)
        self.learning.changed.connect(self._show)
        ui.confirmFrame.setVisible(False)
        self._show()

    @property
    def folder(self) -> Path:
        """Of the labels."""
        return label_settings().folder

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited, or about to be asked for."""
        return self.learning.busy or bool(self._pause.isActive())

    def train(self, checked: bool = False) -> None:
        """Train from the labels; asks for the packages where they are missing."""
        if not self._ensure():
            return
        data = str(self._ui.dataPathLineEdit.currentPath).strip()
        parameters = self._session.parameters
        device = str(parameters.device) if parameters is not None else "auto"
        self.learning.train(self.folder, data, bool(self._ui.aloneCheckBox.checked), device)

    def promote(self, checked: bool = False) -> None:
        """Make the candidate the model in use."""
        candidate = self.learning.state.get("candidate")
        if candidate is not None:
            self.learning.promote(self.folder, candidate["folder"])

    def roll_back(self, checked: bool = False) -> None:
        """Go back to the model before."""
        self._ui.confirmFrame.setVisible(False)
        self.learning.roll_back(self.folder)

    def _look(self) -> None:
        """Ask for the state, if somebody sees it."""
        self._stale = bool(self._button.collapsed)
        if not self._stale:
            self.learning.refresh(self.folder)

    def _on_collapsed(self, collapsed: bool) -> None:
        if collapsed:
            return
        self._show_packages()
        self.pictures.fit()
        if self._stale:
            self._look()

    def _on_folder(self) -> None:
        self._stale = True
        self._pause.start()

    def _on_keeping(self) -> None:
        if not self._finish.keeping.running:
            self._on_folder()

    def _on_settings(self, *_args: Any) -> None:
        settings = slicer.app.settings()
        settings.setValue(DATA_SETTING, self._ui.dataPathLineEdit.currentPath)
        settings.setValue(ALONE_SETTING, bool(self._ui.aloneCheckBox.checked))
        self._show()

    def _on_cancel(self, checked: bool = False) -> None:
        self.learning.cancel()

    def _on_roll_back(self, checked: bool = False) -> None:
        before = [one for one in self.learning.state.get("line", ()) if one["state"] == "before"]
        if before:
            text = _("Use {name} {version} again? The model in use now is kept, and so are all labels.")
            self._ui.confirmLabel.setText(text.format(name=before[-1]["name"], version=before[-1]["version"]))
            self._ui.confirmFrame.setVisible(True)

    def _on_keep_model(self, checked: bool = False) -> None:
        self._ui.confirmFrame.setVisible(False)

    def _on_install(self, checked: bool = False) -> None:
        if self._ensure():
            self._session.logic.trainingClient().restart()
        self._show_packages()

    def _ensure(self) -> bool:
        """Whether the packages for training are there, after asking for what is missing."""
        outcome = Installer(self._session.say).ensure("train")
        if outcome.state == "declined":
            self._session.say(_("Training needs its packages; press Train to be asked again."), "error")
        elif outcome.sentence:
            self._session.say(outcome.sentence, "note" if outcome.ready else "error")
        if outcome.details:
            self._ui.packagesLabel.setText(outcome.details)
            self._ui.packagesFrame.setVisible(True)
        return bool(outcome.ready)

    def _show_packages(self) -> None:
        plan = Installer(self._session.say).plan("train")
        self._ui.packagesFrame.setVisible(bool(plan.steps))
        if plan.steps:
            text = _("Training needs {count} more Python packages, PyTorch among them (up to {size} MB).")
            self._ui.packagesLabel.setText(text.format(count=len(plan.requirements), size=plan.download_mb))

    def _show(self) -> None:
        learning, ui = self.learning, self._ui
        state, training = learning.state, learning.working == "train"
        nothing = _("Looking into the label folder…") if learning.asking else _("The label folder could not be read.")
        ui.modelLabel.setText(model_words(state) or nothing)
        ui.labelsLabel.setText(label_words(state))
        self._show_data()
        ui.trainButton.setEnabled(not learning.working and bool(state.get("labels")))
        ui.cancelTrainingButton.setEnabled(training)
        ui.trainingBar.setVisible(training)
        ui.trainingBar.setMaximum(learning.total)
        ui.trainingBar.setValue(learning.done)
        ui.trainingLabel.setVisible(training)
        ui.trainingLabel.setText(progress_words(learning.words, learning.left_s) if training else "")
        if state is not self._shown_state:
            self._shown_state = state
            self._show_candidate()
            self._show_line()
        candidate = state.get("candidate")
        ui.promoteButton.setEnabled(not learning.working and candidate is not None and candidate["offered"])
        ui.rollBackButton.setEnabled(not learning.working and bool(state.get("can_roll_back")))

    def _show_data(self) -> None:
        named = bool(str(self._ui.dataPathLineEdit.currentPath).strip())
        self._ui.aloneCheckBox.setVisible(not named)
        text = _("Without it nothing tells what the new model forgets of other images, and it is not offered.")
        if named:
            text = _("Mixed in, so that little is forgotten; its validation part tells whether something was.")
        elif self._ui.aloneCheckBox.checked:
            text = _("Without it nothing tells what the new model forgets of other images.")
        self._ui.dataHintLabel.setText(text)

    def _show_candidate(self) -> None:
        candidate = self.learning.state.get("candidate")
        for widget in (self._ui.verdictLabel, self._ui.figuresTable):
            widget.setVisible(candidate is not None)
        self.pictures.show(self.learning.state.get("pictures") or [])
        if candidate is not None:
            self._ui.verdictLabel.setText(verdict_words(candidate))
            _fill(self._ui.figuresTable, figure_rows(candidate["figures"]))

    def _show_line(self) -> None:
        line = self.learning.state.get("line") or []
        self._ui.modelsTable.setVisible(len(line) > 1)
        self._ui.confirmFrame.setVisible(False)
        _fill(self._ui.modelsTable, line_rows(line))


def _fill(table: Any, rows: list[tuple[str, str, str, str]]) -> None:
    """Put texts into a table of four columns, whose first takes what is left, and make it as high as they are."""
    table.setRowCount(len(rows))
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            table.setItem(row, column, qt.QTableWidgetItem(text))
    table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
    table.resizeRowsToContents()
    height = int(table.horizontalHeader().height) + sum(int(table.rowHeight(row)) for row in range(len(rows))) + 4
    table.setFixedHeight(min(height, MOST_HEIGHT))
