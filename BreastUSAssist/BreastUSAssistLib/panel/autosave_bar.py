"""The row that says when work was kept last, and what was brought back, with a button that changes it."""

from collections.abc import Callable
from typing import Any


class AutosaveBar:
    """One sentence at a time; what was found of earlier work stands before what was kept."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._kept, self._found = "", ""
        self._action: Callable[[], None] | None = None
        ui.keptButton.clicked.connect(self._on_button)
        self.clear()

    def clear(self) -> None:
        """Another case: nothing to say."""
        self._kept = ""
        self.show_found("")

    def show_kept(self, sentence: str) -> None:
        """Say how it stands with what the reader does now."""
        self._kept = sentence
        self._show()

    def show_found(
        self, sentence: str, button: str = "", tooltip: str = "", action: Callable[[], None] | None = None
    ) -> None:
        """Say what the label folder had; `action` is what the button does, without one there is none."""
        self._found, self._action = sentence, action
        self._ui.keptButton.setText(button)
        self._ui.keptButton.setToolTip(tooltip)
        self._show()

    def _show(self) -> None:
        self._ui.keptLabel.setText(" ".join(part for part in (self._found, self._kept) if part))
        self._ui.keptButton.setVisible(self._action is not None)
        self._ui.keptFrame.setVisible(bool(self._kept or self._found))

    def _on_button(self, checked: bool = False) -> None:
        if self._action is not None:
            self._action()
