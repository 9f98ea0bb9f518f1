"""The panel in the host, with phantoms to read: what the tests of the panel share."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_dicom, save_png
from BreastUSAssistLib.ultrasound.phantom_spec import PhantomSpec
from BreastUSAssistLib.ultrasound.reading import open_clip


@dataclass
class PanelBench:
    """What a person at the panel sees and does."""

    host: Any
    module: Any
    window: Any
    folder: Path
    raised: list[str]

    @property
    def panel(self) -> Any:
        return self.module.panel

    @property
    def session(self) -> Any:
        return self.panel.session

    @property
    def case(self) -> Any:
        return self.session.case

    @property
    def status(self) -> str:
        """Text of the status line."""
        return str(self.panel.ui.statusLabel.text)

    @property
    def view(self) -> Any:
        return self.host.app.layoutManager().sliceWidget("Red")

    def ui(self, section: str) -> Any:
        return getattr(self.panel, section)._ui

    def turn(self, until: Callable[[], bool] | None = None, timeout: float = 60.0) -> None:
        """Turn the event loop until something holds; without a condition until nothing is going on."""
        assert self.host.process_events(until=until or self.is_idle, timeout=timeout), self.status

    def is_idle(self) -> bool:
        panel = self.panel
        busy = (
            panel.analyze.run.running,
            panel.finish.keeping.running,
            panel.finish.exporting.running,
            panel.revising.busy,
            panel.autosaving.busy,
            panel.worklist.busy,
            panel.learn.busy,
            panel.pacs.busy,
            panel.send.busy,
            self.session.stepper.busy,
            self.session.client.busy,
        )
        return not any(busy)

    def load(self, phantom: Phantom, name: str, dicom: bool = True) -> Any:
        """A phantom as the scene holds it after loading: its source."""
        from BreastUSAssistLib.mrml.volume_loading import load_clip

        path = self.folder / (f"{name}.dcm" if dicom else name)
        path = save_dicom(phantom, path) if dicom else save_png(phantom, path)[0]
        return load_clip(self.host.slicer.mrmlScene, open_clip(path))

    def choose(self, source: Any) -> None:
        self.ui("case").inputSelector.setCurrentNode(source.volume)
        self.host.process_events()

    def without_measuring(self) -> None:
        """Corrected outlines are not described anew until the next bench is opened: describing takes the networks."""
        revising, session = self.panel.revising, self.session
        signals = (session.case_changed, session.selection_changed)
        _silenced.extend((signal, list(signal._listeners)) for signal in signals)
        session.case_changed.disconnect(revising._on_case)
        session.selection_changed.disconnect(revising._on_selected)

    def run(self) -> None:
        self.ui("analyze").runButton.click()
        self.turn()

    def picture(self, name: str, folder: Path | None = None) -> Path:
        return Path(self.host.screenshot(self.window, (folder or self.folder / "pictures") / f"{name}.png"))

    def mask(self, number: int = 1, frame: int | None = None) -> np.ndarray:
        return np.asarray(self.case.mask(self.session.frame() if frame is None else frame, number))


_silenced: list[tuple[Any, list[Any]]] = []
"""Signals of the one panel that the tests of a run share, with all their listeners."""


def open_bench(folder: Path, monkeypatch: Any) -> PanelBench:
    """The module entered in a main window over an empty scene."""
    from host import clear, start_host

    host = start_host()
    raised: list[str] = []
    # VTK and Qt show what a callback raised, and go on.
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: raised.append(repr(error)))
    host.load_module("SegmentEditorBreastLesion")
    clear()
    module = host.load_module("BreastUSAssist")
    window = host.window(module)
    while _silenced:
        signal, listeners = _silenced.pop()
        signal._listeners[:] = listeners
    bench = PanelBench(host, module, window, folder, raised)
    if bench.session.parameters is None:
        module.enter()
    finish = bench.ui("finish")
    finish.labelsPathLineEdit.setCurrentPath(str(folder / "labels"))
    finish.exportPathLineEdit.setCurrentPath(str(folder / "exports"))
    finish.encryptCheckBox.setChecked(False)
    finish.readerLineEdit.setText("")
    return bench


def small(name: str, **changes: Any) -> Phantom:
    """A phantom that is quick to render and to analyse."""
    return render(PhantomSpec(**{"rows": 400, "columns": 480, "spacing_mm": 0.12, **changes}))
