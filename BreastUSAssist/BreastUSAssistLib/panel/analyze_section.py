"""Section 2: which frames, which model, Run, progress, Cancel."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from .analysis_run import AnalysisRun
from .case_section import CaseSection
from .session import Session

FRAME_CHOICES = ("current", "range", "all")
DEVICES = ("auto", "cuda", "cpu")
"""In the order of the combo boxes' items."""


class AnalyzeSection:
    """Binds the choices to the parameter node and runs."""

    def __init__(self, ui: Any, session: Session, case_section: CaseSection, ensure: Callable[[], bool]) -> None:
        self._ui, self._session, self._case_section, self._ensure = ui, session, case_section, ensure
        self._filling = False
        self._models = ["auto"]
        self.run = AnalysisRun(session)
        self.run.changed.connect(self._show_run)
        ui.framesComboBox.currentIndexChanged.connect(self._on_choice)
        ui.modelComboBox.currentIndexChanged.connect(self._on_choice)
        ui.deviceComboBox.currentIndexChanged.connect(self._on_choice)
        ui.runButton.clicked.connect(self.start)
        ui.cancelButton.clicked.connect(self._on_cancel)
        session.case_changed.connect(self._show_case)
        self._list_models()

    def start(self, checked: bool = False) -> None:
        """Run with the choices shown; a second run while one is running is refused in the status line."""
        case = self._session.case
        if case is None:
            self._session.say(_("No image is open; choose one in section 1."), "error")
            return
        if self.run.running or not self._ensure():
            if self.run.running:
                self._session.say(_("A run is going on already; wait for it or cancel it."), "error")
            return
        clinical, prevalence = self._case_section.clinical.parameters(), self._case_section.clinical.prevalence()
        self.run.start(self._frames(), clinical, prevalence)

    def _frames(self) -> tuple[int, int]:
        """First and last frame to analyse, from 0, both inside."""
        case, parameters = self._session.case, self._session.parameters
        assert case is not None
        last = int(case.source.frame_count) - 1
        if parameters.frames == "current":
            return self._session.frame(), self._session.frame()
        if parameters.frames == "range":
            ends = sorted((parameters.first_frame - 1, parameters.last_frame - 1))
            return min(max(ends[0], 0), last), min(max(ends[1], 0), last)
        return 0, last

    def _list_models(self) -> None:
        """Shipped outline bundles by name; the first item is automatic."""
        from ..model.bundle_files import shipped_names

        for name in shipped_names("outline"):
            self._ui.modelComboBox.addItem(name)
            self._models.append(name)

    def _show_case(self) -> None:
        case, parameters = self._session.case, self._session.parameters
        self._filling = True
        try:
            count = int(case.source.frame_count) if case is not None else 1
            # Without a case the range stays: it is written to the parameter node as soon as the fields change.
            for spin in (self._ui.firstFrameSpinBox, self._ui.lastFrameSpinBox) if case is not None else ():
                spin.setMaximum(max(count, 1))
            if parameters is not None:
                if parameters.last_frame <= 1:
                    parameters.last_frame = count
                self._ui.framesComboBox.setCurrentIndex(FRAME_CHOICES.index(parameters.frames))
                self._ui.modelComboBox.setCurrentIndex(_index(self._models, parameters.model))
                self._ui.deviceComboBox.setCurrentIndex(_index(DEVICES, parameters.device))
            for widget in (self._ui.framesLabel, self._ui.framesComboBox):
                widget.setVisible(count > 1)
        finally:
            self._filling = False
        self._show_choice()
        self._show_run()

    def _on_choice(self, *_args: Any) -> None:
        parameters = self._session.parameters
        if self._filling or parameters is None:
            return
        parameters.frames = FRAME_CHOICES[self._ui.framesComboBox.currentIndex]
        parameters.model = self._models[self._ui.modelComboBox.currentIndex]
        parameters.device = DEVICES[self._ui.deviceComboBox.currentIndex]
        self._show_choice()

    def _show_choice(self) -> None:
        shown = self._session.parameters is not None and self._session.parameters.frames == "range"
        for widget in (self._ui.firstFrameSpinBox, self._ui.toLabel, self._ui.lastFrameSpinBox):
            widget.setVisible(shown)

    def _show_run(self) -> None:
        run, has_case = self.run, self._session.case is not None
        self._ui.runButton.setEnabled(has_case)
        self._ui.cancelButton.setEnabled(run.running)
        self._ui.progressBar.setVisible(run.running)
        self._ui.progressBar.setMaximum(max(run.total, 1) if run.total else 0)
        self._ui.progressBar.setValue(run.done)
        self._ui.progressBar.setFormat(run.words)
        self._ui.timeLabel.setText(run.last_words)
        self._ui.timeLabel.setVisible(bool(run.last_words))

    def _on_cancel(self, checked: bool = False) -> None:
        self.run.cancel()


def _index(values: Any, value: str) -> int:
    return list(values).index(value) if value in values else 0
