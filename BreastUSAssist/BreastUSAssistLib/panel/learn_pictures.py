"""Images held back, before and after, to leaf through."""

from typing import Any

import qt
from slicer.i18n import tr as _

from .learn_words import picture_words

LEAST_WIDTH = 240
"""Pixels of a picture in the narrowest panel."""


class LearnPictures:
    """Shows one picture at a time, as wide as the section."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._shown: list[tuple[Any, dict[str, Any]]] = []
        self._index = 0
        ui.previousPictureButton.clicked.connect(lambda checked=False: self.step(-1))
        ui.nextPictureButton.clicked.connect(lambda checked=False: self.step(1))

    def show(self, pictures: list[dict[str, Any]]) -> None:
        """Take the pictures of an answer; their files may go afterwards."""
        loaded = [(qt.QPixmap(one["path"]), one) for one in pictures]
        self._shown = [(pixmap, one) for pixmap, one in loaded if not pixmap.isNull()]
        self._index = 0
        self.fit()

    def step(self, by: int) -> None:
        """Leaf; behind the last comes the first."""
        if self._shown:
            self._index = (self._index + by) % len(self._shown)
            self.fit()

    def fit(self) -> None:
        """Show the picture in the width that there is now."""
        self._ui.pictureFrame.setVisible(bool(self._shown))
        if not self._shown:
            return
        pixmap, told = self._shown[self._index]
        width = min(max(int(self._ui.section.width) - 16, LEAST_WIDTH), int(pixmap.width()))
        fitting = pixmap.scaledToWidth(width, qt.Qt.SmoothTransformation)
        self._ui.pictureLabel.setPixmap(fitting)
        self._ui.pictureLabel.setFixedHeight(int(fitting.height()))
        words = picture_words(told, self._index + 1, len(self._shown))
        self._ui.pictureWordsLabel.setText(words)
        self._ui.pictureLabel.setAccessibleName(
            _("Outlines of the model in use, left, and of the new one, right. {words}").format(words=words)
        )
