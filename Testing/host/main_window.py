# ruff: noqa: N801, N802, N815 - the names are those of Qt, CTK and Slicer
"""The main window: the module's panel on the left, the Red slice view on the right. Import after `install_qt`."""

from typing import Any

import slicer
from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtWidgets import QDockWidget, QFrame, QLabel, QMainWindow, QScrollArea, QVBoxLayout, QWidget


class ModuleSelector(QObject):
    """`slicer.util.moduleSelector()`: shows a panel, with `enter` and `exit` as the application does."""

    moduleSelected = Signal(str)

    def __init__(self, window: "qSlicerMainWindow") -> None:
        super().__init__(window)
        self._window = window
        self.selectedModule = ""

    def selectModule(self, name: str) -> None:
        if name == self.selectedModule:
            return
        module = slicer.app.moduleManager().module(name)
        before, self.selectedModule = self.selectedModule, name
        if before:
            slicer.app.moduleManager().module(before).widgetRepresentation().exit()
        if module is not None:
            self._window.show_panel(module.widgetRepresentation(), module.title)
            module.widgetRepresentation().enter()
        self.moduleSelected.emit(name)


class ModulePanel(QScrollArea):
    """Never narrower than the module's panel, as the application's: it scrolls up and down only."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("ModulePanel")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:
        panel = self.widget()
        width = panel.minimumSizeHint.width() if panel is not None else 0
        return QSize(width + self.verticalScrollBar().sizeHint.width(), 100)

    def eventFilter(self, watched: Any, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class qSlicerMainWindow(QMainWindow):
    """Found by `slicer.util.mainWindow()` under this name."""

    def __init__(self, size: tuple[int, int] = (1920, 1080)) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("3D Slicer")
        self._selector = ModuleSelector(self)
        self._panel = ModulePanel()
        self._shown: QWidget | None = None
        self._dock = QDockWidget(self)
        self._dock.setObjectName("PanelDockWidget")
        self._dock.setWidget(self._panel)
        self.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, self._dock)
        self.setCentralWidget(slicer.app.layoutManager().sliceWidget("Red") or QLabel("no slice view"))
        self.statusBar()
        self.resize(QSize(*size))

    def moduleSelector(self) -> ModuleSelector:
        return self._selector

    def show_panel(self, panel: QWidget, title: str) -> None:
        """Put a module's panel into the dock; the one before it stays alive, as in the application."""
        if self._shown is not None:
            # or it would go with the holder
            self._shown.setParent(None)
        self._shown = panel
        holder = QWidget()
        layout = QVBoxLayout(holder)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(panel)
        panel.setVisible(True)
        self._dock.setWindowTitle(title)
        self._panel.setWidget(holder)
        self.resizeDocks([self._dock], [self.panel_width()], Qt.Orientation.Horizontal)

    def panel_width(self) -> int:
        """What the application gives the module panel at 1920 x 1080, in pixels."""
        return 520

    def closeEvent(self, event: Any) -> None:
        """Keep the slice view, which belongs to the layout manager."""
        self.takeCentralWidget()
        super().closeEvent(event)
