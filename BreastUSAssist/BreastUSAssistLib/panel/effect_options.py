"""The click effect's options in Segment Editor: what the left button does, and what the AI is doing."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import slicer

from ..files import resource_path
from .icons import is_dark, themed_icon

Mode = Literal["add", "remove", "box", "scribble"]
MODES: tuple[Mode, ...] = get_args(Mode)
_ICONS = {"add": "add-click", "remove": "remove-click", "box": "box", "scribble": "scribble"}


class EffectOptions:
    """Widgets of SegmentEditorBreastLesion.ui."""

    def __init__(self, mode_chosen: Callable[[Mode], None], clear_chosen: Callable[[], None]) -> None:
        """Build them; call from setupOptionsFrame."""
        self.widget = slicer.util.loadUI(str(resource_path("UI", "SegmentEditorBreastLesion.ui")))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self._buttons: dict[Mode, Any] = {}
        for mode in MODES:
            button = getattr(self.ui, f"{mode}ModeButton")
            button.clicked.connect(lambda checked=False, mode=mode: mode_chosen(mode))
            self._buttons[mode] = button
        self.ui.clearMarksButton.clicked.connect(lambda checked=False: clear_chosen())
        self.show_icons()
        self.show_mode("add")
        self.show_marks(0)

    def show_icons(self) -> None:
        """Icons that stand out from the window's colour, light or dark."""
        dark = is_dark(self.widget)
        for mode, button in self._buttons.items():
            button.setIcon(themed_icon(_ICONS[mode], dark))

    def show_mode(self, mode: Mode) -> None:
        """Show which mode is chosen."""
        for name, button in self._buttons.items():
            button.setChecked(name == mode)

    def show_marks(self, count: int) -> None:
        """Show whether there are marks to clear."""
        self.ui.clearMarksButton.setEnabled(count > 0)

    def say(self, sentence: str, kind: str) -> None:
        """Show a sentence; an error has a sign of its own, not only a colour."""
        self.ui.statusLabel.setText(f"⚠ {sentence}" if kind == "error" else sentence)
