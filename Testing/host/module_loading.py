# ruff: noqa: N802 - the names are those of Qt, CTK and Slicer
"""A scripted module as the application holds it: found by its file, shown by its widget. Import after `install_qt`."""

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import slicer
from PySide6.QtWidgets import QVBoxLayout

from host.mrml_widgets import qSlicerWidget


class ScriptedModule:
    """`slicer.modules.<name>`; a module's constructor fills in title, categories and the rest."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = str(path), path.stem
        self.title = ""
        self.categories: list[str] = []
        self.dependencies: list[str] = []
        self.contributors: list[str] = []
        self.helpText = self.acknowledgementText = ""
        self.hidden, self.icon, self.index, self.widgetRepresentationCreationEnabled = False, None, -1, True
        self._representation: ModuleWidget | None = None

    def widgetRepresentation(self) -> "ModuleWidget":
        if self._representation is None:
            self._representation = ModuleWidget(self)
            self._representation.reload()
        return self._representation


class ModuleWidget(qSlicerWidget):
    """Parent of a module's panel, `qSlicerScriptedLoadableModuleWidget` in the application."""

    def __init__(self, module: ScriptedModule) -> None:
        super().__init__()
        self._module = module
        self.setObjectName(f"{module.name}ModuleWidget")
        QVBoxLayout(self)
        self.setMRMLScene(slicer.mrmlScene)
        self.isEntered = False

    def reload(self) -> None:
        """Make the panel anew from the loaded source and set it up."""
        code = sys.modules[self._module.name]
        panel = getattr(code, f"{self._module.name}Widget")(self)
        setattr(slicer.modules, f"{self._module.name}Widget", panel)
        panel.setup()

    def self(self) -> Any:
        return getattr(slicer.modules, f"{self._module.name}Widget")

    def enter(self) -> None:
        self.isEntered = True
        if hasattr(self.self(), "enter"):
            self.self().enter()

    def exit(self) -> None:
        self.isEntered = False
        if hasattr(self.self(), "exit"):
            self.self().exit()


def load_scripted_module(path: Path) -> ScriptedModule:
    """Load the module's file as the application's factory does, with its folder on `sys.path`."""
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    code: types.ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = code
    spec.loader.exec_module(code)
    module = ScriptedModule(path)
    getattr(code, name)(module)
    slicer.app.moduleManager().add(module)
    return module
