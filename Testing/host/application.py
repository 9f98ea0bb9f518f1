# ruff: noqa: N802, N815 - the names are those of Qt, CTK and Slicer
"""`slicer.app` and what hangs on it: settings, module manager, layout manager. Import after `install_qt`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from PySide6.QtCore import SIGNAL, QObject, QSettings, Signal
from PySide6.QtWidgets import QApplication, QWidget


def connect(self: Any, signal: str, slot: Callable[..., Any]) -> bool:
    """PythonQt's `connect("name(QString)", f)`, which a Python subclass of a Qt class can offer."""
    getattr(self, signal.partition("(")[0]).connect(slot)
    return True


def disconnect(self: Any, signal: str, slot: Callable[..., Any]) -> bool:
    """The counterpart of `connect`."""
    getattr(self, signal.partition("(")[0]).disconnect(slot)
    return True


class ModuleManager(QObject):
    """`slicer.app.moduleManager()`."""

    moduleAboutToBeUnloaded = Signal(str)
    moduleLoaded = Signal(str)
    connect, disconnect = connect, disconnect

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, Any] = {}

    def add(self, module: Any) -> None:
        """The host's own: what the module factory does in the application."""
        self._modules[module.name] = module
        setattr(slicer.modules, module.name.lower(), module)
        self.moduleLoaded.emit(module.name)

    def module(self, name: str) -> Any:
        return self._modules.get(name)

    def modulesNames(self) -> list[str]:
        return list(self._modules)

    def factoryManager(self) -> Any:
        return self

    def loadedModuleNames(self) -> list[str]:
        return list(self._modules)

    def isLoaded(self, name: str) -> bool:
        return name in self._modules


class LayoutManager(QObject):
    """`slicer.app.layoutManager()`: slice widgets by name, made when they are asked for."""

    layoutChanged = Signal(int)

    def __init__(self, make_slice_widget: Callable[[str], QWidget]) -> None:
        super().__init__()
        self._make = make_slice_widget
        self._widgets: dict[str, QWidget] = {}
        self.layout = 0

    def mrmlSliceLogics(self) -> Any:
        return slicer.app.applicationLogic().GetSliceLogics()

    def sliceViewNames(self) -> tuple[str, ...]:
        logics = slicer.app.applicationLogic().GetSliceLogics()
        count = logics.GetNumberOfItems()
        return tuple(logics.GetItemAsObject(index).GetSliceNode().GetLayoutName() for index in range(count))

    def sliceWidget(self, name: str) -> QWidget | None:
        if name not in self.sliceViewNames():
            return None
        if name not in self._widgets:
            self._widgets[name] = self._make(name)
        return self._widgets[name]

    def setLayout(self, layout: int) -> None:
        if layout != self.layout:
            self.layout = layout
            self.layoutChanged.emit(layout)

    def threeDViewCount(self) -> int:
        return 0

    def resetSliceViews(self) -> None:
        logics = slicer.app.applicationLogic().GetSliceLogics()
        for index in range(logics.GetNumberOfItems()):
            logics.GetItemAsObject(index).FitSliceToAll()


class Application(QApplication):
    """`slicer.app`: the Qt application, as in Slicer, with Slicer's own methods."""

    startupCompleted = Signal()
    connect, disconnect = connect, disconnect

    def __init__(self, folder: Path, logic: Any, make_slice_widget: Callable[[str], QWidget]) -> None:
        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        for scope in (QSettings.Scope.UserScope, QSettings.Scope.SystemScope):
            QSettings.setPath(QSettings.Format.IniFormat, scope, str(folder / "settings"))
        super().__init__(sys.argv[:1])
        self.setApplicationName("Slicer")
        self.setOrganizationName("Slicer")
        self._folder, self._logic = folder, logic
        self._module_manager = ModuleManager()
        self._layout_manager = LayoutManager(make_slice_widget)
        self._settings = QSettings()
        self.testing = True
        self.main_window: QWidget | None = None
        self.majorVersion, self.minorVersion = 5, 12
        self.slicerHome = str(folder)
        self.temporaryPath = str(folder / "temporary")
        self.defaultScenePath = str(folder)
        self.extensionsInstallPath = str(folder / "extensions")
        Path(self.temporaryPath).mkdir(parents=True, exist_ok=True)

    def complete_startup(self) -> None:
        """The host's own: modules are loaded one by one here, each as if the application had only now started."""
        self.startupCompleted.emit()
        if self.receivers(SIGNAL("startupCompleted()")):
            self.startupCompleted.disconnect()

    def applicationLogic(self) -> Any:
        return self._logic

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def testingEnabled(self) -> bool:
        return self.testing

    def settings(self) -> QSettings:
        return self._settings

    def userSettings(self) -> QSettings:
        return self._settings

    def revisionUserSettings(self) -> QSettings:
        return self._settings

    def moduleManager(self) -> ModuleManager:
        return self._module_manager

    def layoutManager(self) -> LayoutManager:
        return self._layout_manager

    def translate(self, context: str, text: str) -> str:
        return text

    def pauseRender(self) -> int:
        return 0

    def resumeRender(self) -> int:
        return 0
