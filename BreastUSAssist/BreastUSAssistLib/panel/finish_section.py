"""Section 5: who decides, Accept, Reject, Next, Export."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ctk
import slicer
from slicer.i18n import tr as _

from .export_run import ExportRun
from .kept_work import KeptWork
from .label_keeping import LabelKeeping
from .label_settings import ENCRYPT, FOLDER, READER, label_settings
from .picture_bar import PictureBar
from .picture_notes import PictureNotes
from .revising import Revising
from .session import Session
from .signals import Signal

if TYPE_CHECKING:
    from ..birads.reading import Decision

EXPORT_SETTING = "BreastUSAssist/ExportFolder"


class FinishSection:
    """Binds decision and export to the session's case."""

    def __init__(self, ui: Any, session: Session, revising: Revising) -> None:
        self._ui, self._session, self._revising = ui, session, revising
        self._later: list[tuple[Any, Callable[[], None]]] = []
        self.settings_changed = Signal()
        """Reader or folders are others; see label_settings."""
        self.next_of_worklist: Callable[[], bool] = lambda: False
        """Goes on in the worklist where a case of it is open; whether it did. Set by WorklistSection."""
        self.kept = KeptWork(session)
        self.pictures = PictureNotes()
        """Which pictures the label folder took, and what it blanked in them."""
        self.keeping, self.exporting = LabelKeeping(session, self.kept, self.pictures), ExportRun(session)
        self._picture_bar = PictureBar(ui, session, self.pictures, self._add_picture)
        self.pictures.changed.connect(self._show)
        self.keeping.changed.connect(self._show)
        self.exporting.changed.connect(self._show)
        for path_edit in (ui.labelsPathLineEdit, ui.exportPathLineEdit):
            path_edit.filters = ctk.ctkPathLineEdit.Dirs
        settings, exports = label_settings(), Path.home() / "BreastUSAssist" / "exports"
        ui.readerLineEdit.setText(settings.reader)
        ui.labelsPathLineEdit.setCurrentPath(str(settings.folder))
        ui.exportPathLineEdit.setCurrentPath(str(slicer.util.settingsValue(EXPORT_SETTING, str(exports))))
        ui.encryptCheckBox.setChecked(settings.encrypted)
        ui.reasonComboBox.setCurrentIndex(0)
        ui.readerLineEdit.textChanged.connect(self._on_settings)
        ui.labelsPathLineEdit.currentPathChanged.connect(self._on_settings)
        ui.exportPathLineEdit.currentPathChanged.connect(self._on_settings)
        ui.encryptCheckBox.toggled.connect(self._on_settings)
        ui.reasonComboBox.editTextChanged.connect(self._on_settings)
        ui.acceptButton.clicked.connect(self.accept)
        ui.rejectButton.clicked.connect(self.reject)
        ui.reopenButton.clicked.connect(self._on_reopen)
        ui.nextButton.clicked.connect(self.next)
        ui.exportButton.clicked.connect(self.export)
        ui.saveButton.clicked.connect(self._on_save)
        session.case_changed.connect(self._show)
        session.findings_changed.connect(self._show)
        revising.idle.connect(self._on_measured)

    def accept(self, checked: bool = False) -> None:
        """Keep outlines and reading as a label."""
        self._decide("accepted")

    def reject(self, checked: bool = False) -> None:
        """Keep the case as rejected, with the reason."""
        self._decide("rejected")

    def next(self, checked: bool = False) -> None:
        """Open the next case of the worklist, or the next image of the scene that is not decided."""
        if self.next_of_worklist():
            return
        from ..mrml.case_list import next_undecided

        current = self._session.case.source if self._session.case is not None else None
        node = next_undecided(self._session.scene, current)
        if node is None:
            self._session.say(_("Every other image of the scene is decided; load more to go on."))
            return
        self._session.choose(node)

    def export(self, checked: bool = False) -> None:
        """Write the chosen files."""
        self._when_measured(lambda: self.exporting.start(Path(self._ui.exportPathLineEdit.currentPath)))

    @property
    def deciding(self) -> bool:
        """Whether a decision is on its way into the label folder."""
        return self.keeping.running or bool(self._later)

    def _decide(self, decision: "Decision") -> None:
        self._when_measured(lambda: self._keep(decision))

    def _when_measured(self, action: Callable[[], None]) -> None:
        """Do it once the outline corrected last is described: label and report would tell of the one before."""
        if not self._revising.busy:
            action()
            return
        self._later.append((self._session.case, action))
        self._session.say(_("Measuring the corrected outline first…"))

    def _on_measured(self) -> None:
        later, self._later = self._later, []
        for case, action in later:
            if case is self._session.case:
                action()
            else:
                self._session.say(_("The case was left before it was done; open it again and repeat."), "error")

    def _keep(self, decision: "Decision") -> None:
        self.keeping.start(
            decision,
            str(self._ui.readerLineEdit.text),
            str(self._ui.reasonComboBox.currentText) if decision == "rejected" else "",
            Path(self._ui.labelsPathLineEdit.currentPath),
            bool(self._ui.encryptCheckBox.checked),
        )

    def _add_picture(self, declared_by: str) -> None:
        folder, encrypted = Path(self._ui.labelsPathLineEdit.currentPath), bool(self._ui.encryptCheckBox.checked)
        self.keeping.add_picture(declared_by, folder, encrypted)

    def _on_reopen(self, checked: bool = False) -> None:
        self.keeping.reopen()

    def _on_save(self, checked: bool = False) -> None:
        self.exporting.save_scene(Path(self._ui.exportPathLineEdit.currentPath))

    def _on_settings(self, *_args: Any) -> None:
        settings = slicer.app.settings()
        settings.setValue(READER, self._ui.readerLineEdit.text)
        settings.setValue(FOLDER, self._ui.labelsPathLineEdit.currentPath)
        settings.setValue(EXPORT_SETTING, self._ui.exportPathLineEdit.currentPath)
        settings.setValue(ENCRYPT, bool(self._ui.encryptCheckBox.checked))
        self.settings_changed.emit()
        self._show()

    def _show(self) -> None:
        case = self._session.case
        reading = case.reading if case is not None and not case.closed else None
        named = bool(str(self._ui.readerLineEdit.text).strip())
        reasoned = bool(str(self._ui.reasonComboBox.currentText).strip())
        can_decide = reading is not None and reading.decision == "open" and named and not self.keeping.running
        self._ui.acceptButton.setEnabled(can_decide)
        self._ui.rejectButton.setEnabled(can_decide and reasoned)
        self._ui.reopenButton.setEnabled(reading is not None and reading.decision != "open")
        self._ui.exportButton.setEnabled(reading is not None and not self.exporting.running)
        self._ui.saveButton.setEnabled(reading is not None)
        words = ""
        if reading is not None and reading.decision == "accepted":
            words = _("✔ Accepted by {reader}, {when}.")
        elif reading is not None and reading.decision == "rejected":
            words = _("✖ Rejected by {reader}, {when}: {reason}")
        elif reading is not None:
            words = _("Not decided yet.") if named else _("Not decided yet; type who reads.")
        if reading is not None:
            when = (reading.decided or "")[:16].replace("T", " ")
            words = words.format(reader=reading.reader, when=when, reason=reading.reason)
        if case is not None and reading is not None and reading.decision != "open":
            words = f"{words} {self.pictures.cleaning(case.source)}".rstrip()
        self._ui.decisionLabel.setText(words)
