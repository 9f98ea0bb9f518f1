"""Keys of the panel: with Alt, to meet neither Segment Editor's nor the slice views'; on only while it is open."""

from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer


class Shortcuts:
    """Key sequence to action, for the main window while the module is entered."""

    def __init__(self, actions: Mapping[str, Callable[[], Any]]) -> None:
        self._actions = dict(actions)
        self._active: list[Any] = []

    @property
    def keys(self) -> tuple[str, ...]:
        """Key sequences, as the controls show them."""
        return tuple(self._actions)

    def enter(self) -> None:
        """Switch them on."""
        self.exit()
        window = slicer.util.mainWindow()
        if window is None:
            return
        for key, action in self._actions.items():
            shortcut = qt.QShortcut(window)
            shortcut.setKey(qt.QKeySequence(key))
            shortcut.activated.connect(action)
            self._active.append(shortcut)

    def exit(self) -> None:
        """Switch them off."""
        for shortcut in self._active:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._active.clear()
