"""Section 4: clicks, box and scribble on the selected lesion, Segment Editor's own tools, undo, back to the AI's."""

from typing import Any

from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .segment_editor import PromptEditor
from .session import Session

MODES = {"addClickButton": "add", "removeClickButton": "remove", "boxButton": "box", "scribbleButton": "scribble"}
"""Button to mode of the click effect."""


class CorrectSection:
    """Binds the buttons to the embedded Segment Editor and to the case's history."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._filling = False
        self._mode = ""
        self.editor = PromptEditor(session)
        for name in MODES:
            getattr(ui, name).clicked.connect(lambda checked=False, name=name: self._on_mode(name, bool(checked)))
        ui.undoButton.clicked.connect(self.undo)
        ui.redoButton.clicked.connect(self.redo)
        ui.restoreFrameButton.clicked.connect(lambda checked=False: self._restore(self._session.frame()))
        ui.restoreAllButton.clicked.connect(lambda checked=False: self._restore(None))
        session.case_changed.connect(self._show)
        session.findings_changed.connect(self._show)
        session.selection_changed.connect(self._show)
        session.frame_changed.connect(self._show)

    def enter(self) -> None:
        """The module is shown: Segment Editor listens to the views."""
        self.editor.enter(self._ui.editorButton.layout())
        self._show()

    def exit(self) -> None:
        """Another module is shown: clicks are its own."""
        self._set_mode("")
        self.editor.exit()

    def close(self) -> None:
        """The module goes."""
        self.editor.close()

    def toggle_clicks(self) -> None:
        """Start to click, or stop."""
        self._set_mode("" if self._mode else "add")

    def undo(self, checked: bool = False) -> None:
        """Take back the last edit of an outline and show the frame it was in."""
        self._step(back=True)

    def redo(self, checked: bool = False) -> None:
        """Make the last edit again."""
        self._step(back=False)

    def _step(self, back: bool) -> None:
        case = self._session.case
        if case is None or case.closed:
            return
        frames: list[int | None] = []
        if not self._session.change(lambda: frames.append(case.undo() if back else case.redo())):
            return
        if frames[0] is None:
            self._session.say(_("There is nothing to undo.") if back else _("There is nothing to redo."))
        else:
            self._session.show_frame(frames[0])
        self._show()

    def _restore(self, frame: int | None) -> None:
        case, number = self._session.case, self.number()
        if case is not None and number is not None:
            self._session.change(lambda: case.restore_draft(number, frame))

    def number(self) -> int | None:
        """Number of the selected lesion while it is present."""
        case = self._session.case
        if case is None or case.closed:
            return None
        return next(
            (one.number for one in case.lesions if one.tracking_uid == self._session.selected and one.present), None
        )

    def _on_mode(self, name: str, checked: bool) -> None:
        if not self._filling:
            self._set_mode(MODES[name] if checked else "")

    def _set_mode(self, mode: str) -> None:
        number = self.number()
        if mode and number is None:
            self._session.say(_("No lesion is selected; select one in section 3, or add one."), "error")
            mode = ""
        try:
            self.editor.set_mode(mode, number)
        except BreastUSAssistError as error:
            self._session.say(str(error), "error")
            mode = ""
        left, self._mode = self._mode and not mode, mode
        if left:
            self._session.keep_polling()
        self._show()

    def _show(self) -> None:
        case, number = self._session.case, self.number()
        usable = case is not None and not case.closed
        if number is None and self._mode:
            self._set_mode("")
            return
        self._filling = True
        try:
            for name, mode in MODES.items():
                button = getattr(self._ui, name)
                button.setEnabled(number is not None)
                button.setChecked(mode == self._mode)
                font = button.font
                font.setBold(mode == self._mode)
                button.setFont(font)
        finally:
            self._filling = False
        history = case.history if usable and case is not None and case.has_segmentation else None
        self._ui.undoButton.setEnabled(history is not None and history.can_undo)
        self._ui.redoButton.setEnabled(history is not None and history.can_redo)
        reading = None
        if usable and case is not None and number is not None:
            reading = next(one for one in case.reading.lesions if one.number == number)
        edited = reading.edited_frames if reading is not None and reading.run is not None else ()
        self._ui.restoreFrameButton.setEnabled(self._session.frame() + 1 in edited)
        self._ui.restoreAllButton.setEnabled(bool(edited))
        self._ui.correctLabel.setText(_words(number, self._session.frame() + 1, edited, self._mode))
        self.editor.select(case if usable else None, number)


def _words(number: int | None, frame: int, edited: tuple[int, ...], mode: str) -> str:
    if number is None:
        return _("Select a lesion in section 3 to correct its outline.")
    if frame in edited:
        whose = _("corrected by you in this frame")
    else:
        whose = _("the AI's in this frame") if not edited else _("the AI's in this frame, corrected in others")
    text = _("Lesion {number}, frame {frame}: outline {whose}.").format(number=number, frame=frame, whose=whose)
    hints = {
        "add": _(" Click what belongs to it; Ctrl-click what does not."),
        "remove": _(" Click what does not belong to it."),
        "box": _(" Drag a box around it."),
        "scribble": _(" Draw over what belongs to it."),
    }
    return text + hints.get(mode, "")
