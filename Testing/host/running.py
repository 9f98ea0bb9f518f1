"""The running application and what a test does with it. Import after `install_qt`; see `host.start_host`."""

import contextlib
import importlib
import importlib.util
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
import slicer
from PySide6.QtCore import QEventLoop, QTimer, qInstallMessageHandler
from PySide6.QtWidgets import QWidget

from . import scene
from .application import Application
from .main_window import qSlicerMainWindow
from .module_loading import ModuleWidget, ScriptedModule, load_scripted_module
from .theme import palette
from .ui_loader import install_ui_loader

MODULES = Path(__file__).resolve().parents[2] / "BreastUSAssist"

WIDGET_SOURCES = {
    "host.ctk_widgets": "ctk",
    "host.mrml_widgets": "slicer",
    "host.segment_editor": "slicer",
}
"""File with `widget_classes()` -> the Python module that its widgets are found in."""

STAND_INS = {"ScriptedLoadableModule": "host.scripted_loadable_module", "packaging": "host.packaging"}
"""Modules of `slicer` that need widgets -> the stand-in of each, where it is there."""

NOISE = ("This plugin does not support", "propagateSizeHints", "Populating font family aliases")


def running_host(folder: Path | None) -> "Host":
    """The host of this process, made at the first call."""
    if not isinstance(slicer.app, Application):
        _quieten()
        ctk = sys.modules["ctk"] = types.ModuleType("ctk", "stand-ins of the CTK widgets in use")
        logic = slicer.app.applicationLogic()
        slicer.app = Application(folder or Path(tempfile.mkdtemp(prefix="host-")), logic, _slice_widget)
        _install_widgets({"ctk": ctk, "slicer": slicer})
        _install_stand_ins()
        slicer.app.host = Host(slicer, slicer.app, qt, ctk)
        slicer.app.host.set_theme("light")
    return slicer.app.host


@dataclass(frozen=True)
class Host:
    """The application's parts, and what a person at it would do."""

    slicer: Any
    app: Application
    qt: Any
    ctk: Any

    def load_module(self, name: str, folder: Path = MODULES) -> Any:
        """The panel of a scripted module (`<name>Widget`), its file loaded and its widget set up, not yet entered."""
        module: ScriptedModule | None = self.app.moduleManager().module(name)
        if module is None:
            module = load_scripted_module(folder / f"{name}.py")
            self.app.complete_startup()
        if f"{name}Widget" in vars(sys.modules[name]):
            return module.widgetRepresentation().self()
        return None

    def process_events(
        self, seconds: float = 0.0, *, until: Callable[[], bool] | None = None, timeout: float = 30.0
    ) -> bool:
        """Turn the event loop for a while, or until something holds; returns whether it came to hold.

        Args:
            seconds: how long to turn at least; with 0 once.
            until: asked at each turn.
            timeout: seconds after which `until` is given up.
        """
        end = time.monotonic() + (timeout if until else seconds)
        while True:
            self.app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
            if until is not None and until():
                return True
            if time.monotonic() >= end:
                return until is None
            time.sleep(0.001)

    def screenshot(self, widget: QWidget, path: Path | str) -> Path:
        """Picture of the widget as PNG, after the pending events."""
        self.process_events()
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not widget.grab().save(str(path), "PNG"):
            raise OSError(f"the picture could not be written to {path}")
        return path

    def window(self, panel: Any = None, size: tuple[int, int] = (1920, 1080)) -> qSlicerMainWindow:
        """The main window, shown, with the module of this panel selected."""
        window = slicer.util.mainWindow()
        if window is None:
            # nothing else holds it, and Python would delete it
            window = self.app.main_window = qSlicerMainWindow(size)
        window.resize(*size)
        window.show()
        if panel is not None:
            window.moduleSelector().selectModule(panel.moduleName)
        self.process_events()
        return window

    def set_theme(self, theme: str) -> None:
        """Colours of the application's "Light Slicer" or "Dark Slicer" style."""
        if self.app.style().objectName != "fusion":
            self.app.setStyle("Fusion")
        self.app.setPalette(palette(theme))
        self.process_events()

    @contextlib.contextmanager
    def event_loop_gaps(self) -> Iterator["Gaps"]:
        """Measure how long the event loop did not turn, by a timer of 5 ms; the body must turn it."""
        gaps = Gaps(time.perf_counter())
        timer = QTimer()
        timer.setInterval(5)
        timer.timeout.connect(gaps.tick)
        timer.start()
        try:
            yield gaps
        finally:
            timer.stop()
            gaps.tick()

    @contextlib.contextmanager
    def marked_text(self) -> Iterator[None]:
        """Put marks around every text that goes through `slicer.i18n`, to see what does not; ⟦so⟧."""
        i18n = sys.modules["slicer.i18n"]
        i18n.marked = True  # type: ignore[attr-defined]
        try:
            yield
        finally:
            i18n.marked = False  # type: ignore[attr-defined]

    def save_scene(self, path: Path | str) -> Path:
        """Write the scene as .mrb."""
        return scene.save_scene(Path(path))

    def load_scene(self, path: Path | str) -> None:
        """Close the scene and read a .mrb."""
        scene.load_scene(Path(path))
        self.process_events()


class Gaps:
    """The longest time between two ticks, in ms."""

    def __init__(self, now: float) -> None:
        self._last = now
        self.longest_ms = 0.0
        self.count = 0

    def tick(self) -> None:
        now = time.perf_counter()
        self.longest_ms = max(self.longest_ms, (now - self._last) * 1000)
        self._last = now
        self.count += 1


def _slice_widget(name: str) -> QWidget:
    from .slice_view import SliceView

    return SliceView(name)


def _install_widgets(targets: dict[str, Any]) -> None:
    widgets: dict[str, type] = {}
    for source, target in WIDGET_SOURCES.items():
        if importlib.util.find_spec(source) is None:
            continue
        classes = importlib.import_module(source).widget_classes()
        for name, class_ in classes.items():
            setattr(targets[target], name, class_)
        widgets |= classes
    slicer.qSlicerScriptedLoadableModule, slicer.qSlicerScriptedLoadableModuleWidget = ScriptedModule, ModuleWidget
    install_ui_loader(qt, widgets)


def _install_stand_ins() -> None:
    for name, source in STAND_INS.items():
        if importlib.util.find_spec(source) is not None:
            module = importlib.import_module(source)
            sys.modules[f"slicer.{name}"] = module
            setattr(slicer, name, module)


def _quieten() -> None:
    """Leave out what Qt's offscreen platform says of itself; the rest goes to the error stream."""

    def handle(kind: Any, context: Any, message: str) -> None:
        if not any(part in message for part in NOISE):
            print(message, file=sys.stderr)

    qInstallMessageHandler(handle)
