# ruff: noqa: N801, N802, N815 - the names are those of Qt, CTK and Slicer
"""Stand-ins of the CTK widgets that the panel's `.ui` files name. Import after `install_qt`."""

from typing import Any

from PySide6.QtCore import Property, QEvent, QRect, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QStyle,
    QStyleOption,
    QStyleOptionButton,
    QStylePainter,
    QToolButton,
    QWidget,
)

from .ctk_numbers import ctkDoubleSpinBox, ctkRangeWidget, ctkSliderWidget

NO_MAXIMUM = 16777215
"""Qt's QWIDGETSIZE_MAX."""


class ctkCollapsibleButton(QAbstractButton):
    """A header that shows and hides what is laid out below it; `checked` is the opposite of `collapsed`."""

    contentsCollapsed = Signal(bool)

    def __init__(self, text: Any = "", parent: QWidget | None = None) -> None:
        if isinstance(text, QWidget):
            text, parent = "", text
        super().__init__(parent)
        self._hidden_by_us: list[QWidget] = []
        self._flat = False
        self._collapsed_height = 10
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._show_contents)
        self._make_room()

    def _header_height(self) -> int:
        return self.fontMetrics().height() + 10

    def _make_room(self) -> None:
        header = self._header_height()
        self.setContentsMargins(0, header, 0, 0)
        self.setMinimumHeight(header)
        self.setMaximumHeight(NO_MAXIMUM if self.isChecked() else header + self._collapsed_height)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._make_room()

    def showEvent(self, event: Any) -> None:
        """A `.ui` file may say collapsed before it names the contents."""
        super().showEvent(event)
        if not self.isChecked():
            _hide_contents(self)

    def childEvent(self, event: Any) -> None:
        super().childEvent(event)
        if event.polished():
            QTimer.singleShot(0, self, self._hide_what_came)

    def _hide_what_came(self) -> None:
        if not self.isChecked():
            _hide_contents(self)

    def _show_contents(self, shown: bool) -> None:
        if shown:
            _show_hidden(self)
        else:
            _hide_contents(self)
        self._make_room()
        self.updateGeometry()
        self.contentsCollapsed.emit(not shown)

    def _collapsed(self) -> bool:
        return not self.isChecked()

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    def setFlat(self, flat: bool) -> None:
        self._flat = flat
        self.update()

    def setCollapsedHeight(self, height: int) -> None:
        self._collapsed_height = height
        self._make_room()

    collapsed = Property(bool, _collapsed, setCollapsed)
    collapsedHeight = Property(int, lambda self: self._collapsed_height, setCollapsedHeight)
    flat = Property(bool, lambda self: self._flat, setFlat)

    def hitButton(self, position: Any) -> bool:
        return bool(position.y() <= self._header_height())

    def paintEvent(self, event: Any) -> None:
        painter = QStylePainter(self)
        header = QRect(0, 0, self.rect.width(), self._header_height())
        bevel = QStyleOptionButton()
        bevel.initFrom(self)
        bevel.rect = header
        if not self._flat:
            painter.drawPrimitive(QStyle.PrimitiveElement.PE_PanelButtonCommand, bevel)
        arrow = QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QRect(6, 0, 10, header.height())
        kind = QStyle.PrimitiveElement.PE_IndicatorArrowDown
        painter.drawPrimitive(kind if self.isChecked() else QStyle.PrimitiveElement.PE_IndicatorArrowRight, arrow)
        painter.setPen(self.palette.buttonText().color())
        painter.drawText(header.adjusted(22, 0, 0, 0), int(Qt.AlignmentFlag.AlignVCenter.value), self.text)
        if self.hasFocus():
            ring = header.adjusted(0, 0, -1, -1)
            painter.setPen(self.palette.highlight().color())
            painter.drawRect(ring)


def _hide_contents(section: Any) -> None:
    contents = [child for child in section.children() if isinstance(child, QWidget) and not child.isWindow()]
    # a child that nobody showed or hid yet is about to be shown by its layout
    told = Qt.WidgetAttribute.WA_WState_ExplicitShowHide
    shown = [child for child in contents if not child.isHidden() or not child.testAttribute(told)]
    section._hidden_by_us += shown
    for child in shown:
        child.setVisible(False)


def _show_hidden(section: Any) -> None:
    hidden, section._hidden_by_us = section._hidden_by_us, []
    for child in hidden:
        child.setVisible(True)


class ctkCollapsibleGroupBox(QGroupBox):
    """A group box whose check mark shows and hides what is in it."""

    def __init__(self, title: Any = "", parent: QWidget | None = None) -> None:
        if isinstance(title, QWidget):
            title, parent = "", title
        super().__init__(title, parent)
        self._hidden_by_us: list[QWidget] = []
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._show_contents)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if not self.isChecked():
            _hide_contents(self)

    def childEvent(self, event: Any) -> None:
        super().childEvent(event)
        if event.polished():
            QTimer.singleShot(0, self, self._hide_what_came)

    def _hide_what_came(self) -> None:
        if not self.isChecked():
            _hide_contents(self)

    def _show_contents(self, shown: bool) -> None:
        if shown:
            _show_hidden(self)
        else:
            _hide_contents(self)
        self.updateGeometry()
        self.contentsCollapsed.emit(not shown)

    contentsCollapsed = Signal(bool)

    def _collapsed(self) -> bool:
        return not self.isChecked()

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _collapsed, setCollapsed)


class ctkPathLineEdit(QWidget):
    """A path, typed or browsed for."""

    Dirs, Files, Drives, NoSymLinks, Readable, Writable = 0x001, 0x002, 0x004, 0x008, 0x010, 0x020
    Executable, Hidden, System = 0x040, 0x100, 0x200
    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._edit = QLineEdit(self)
        self._button = QToolButton(self)
        self._button.setText("…")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._edit, 1)
        layout.addWidget(self._button)
        self._filters = self.Dirs | self.Files
        self._setting_key = ""
        self._edit.textChanged.connect(self.currentPathChanged)
        self._button.clicked.connect(self.browse)
        self.setFocusProxy(self._edit)

    def setCurrentPath(self, path: str) -> None:
        self._edit.setText(path)

    def browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "", self._edit.text)
        if chosen:
            self.setCurrentPath(chosen)

    def addCurrentPathToHistory(self) -> None:
        """Kept by the real widget in the settings, under `settingKey`."""

    def setSettingKey(self, key: str) -> None:
        self._setting_key = key

    def setFilters(self, filters: Any) -> None:
        self._filters = filters

    currentPath = Property(str, lambda self: self._edit.text, setCurrentPath)
    settingKey = Property(str, lambda self: self._setting_key, setSettingKey)
    filters = Property("QVariant", lambda self: self._filters, setFilters)


class ctkDirectoryButton(QPushButton):
    """A folder, shown on the button that chooses it."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._directory = "."

    def setDirectory(self, directory: str) -> None:
        if directory != self._directory:
            self._directory = directory
            self.setText(directory)
            self.directoryChanged.emit(directory)

    directory = Property(str, lambda self: self._directory, setDirectory)


class ctkCheckBox(QCheckBox):
    """A check box with CTK's name."""


class ctkComboBox(QComboBox):
    """A combo box that shows `defaultText` while nothing is chosen."""

    def setDefaultText(self, text: str) -> None:
        self.setPlaceholderText(text)

    defaultText = Property(str, lambda self: self.placeholderText, setDefaultText)


class ctkMessageBox(QMessageBox):
    """A message box that may offer not to be shown again; here it never does."""

    dontShowAgainVisible, dontShowAgainSettingsKey = False, ""


def widget_classes() -> dict[str, type]:
    """Name as a `.ui` file and `ctk` have it -> stand-in."""
    classes = (
        ctkCheckBox,
        ctkCollapsibleButton,
        ctkCollapsibleGroupBox,
        ctkDoubleSpinBox,
        ctkSliderWidget,
        ctkPathLineEdit,
        ctkDirectoryButton,
        ctkComboBox,
        ctkMessageBox,
        ctkRangeWidget,
    )
    return {each.__name__: each for each in classes}
