"""`python -m host.pictures FOLDER` in Testing/: the pictures of the README, of a phantom, in light and dark."""

import argparse
import os
import secrets
import sys
import tempfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np

from . import start_host

SECTIONS = ("case", "analyze", "findings", "correct", "finish")


def main(arguments: list[str] | None = None) -> int:
    """Write panel-light.png, panel-dark.png and a picture of each section in both."""
    parser = argparse.ArgumentParser(prog="python -m host.pictures", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--image", type=Path, help="an image of yours in place of the phantom")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("BREASTUS_KEY", secrets.token_hex(32))
    host = start_host()
    host.load_module("SegmentEditorBreastLesion")
    module = host.load_module("BreastUSAssist")
    window = host.window(module)
    with tempfile.TemporaryDirectory() as scratch, chdir(scratch):
        # The label folder that is shown, ~/BreastUSAssist/labels, lies in here.
        open_image(host, module.panel, options.image or phantom_file(Path(scratch)))
        read(host, module.panel)
        for theme in ("light", "dark"):
            host.set_theme(theme)
            module.exit()
            module.enter()
            module.panel.correct.toggle_clicks()
            host.process_events(0.5)
            shrink(host.screenshot(window, folder / f"panel-{theme}.png"))
            for section in SECTIONS:
                part = getattr(module.panel.ui, f"{section}Button")
                shrink(host.screenshot(part, folder / f"{section}-{theme}.png"))
        work_through(host, module.panel, Path(scratch) / "labels")
        find_studies(module.panel)
        for theme in ("light", "dark"):
            host.set_theme(theme)
            module.exit()
            module.enter()
            host.process_events(0.5)
            shrink(host.screenshot(module.panel.ui.pacsButton, folder / f"pacs-{theme}.png"))
        module.panel.ui.pacsButton.setCollapsed(True)
        for theme in ("light", "dark"):
            host.set_theme(theme)
            module.exit()
            module.enter()
            host.process_events(0.5)
            shrink(host.screenshot(window, folder / f"worklist-{theme}.png"))
            part = module.panel.ui.learnButton
            shrink(host.screenshot(part, folder / f"learn-{theme}.png"))
        module.cleanup()
    return 0


def phantom_file(folder: Path) -> Path:
    """A spiculated lesion that nobody has."""
    from BreastUSAssistLib.ultrasound.phantom import render, save_dicom
    from BreastUSAssistLib.ultrasound.phantom_spec import standard_cases

    return save_dicom(render(standard_cases()["irregular-spiculated"]), folder / "phantom.dcm")


def open_image(host: Any, panel: Any, path: Path) -> None:
    """Load an image and draft it."""
    from BreastUSAssistLib.mrml.volume_loading import load_clip
    from BreastUSAssistLib.ultrasound.reading import open_clip

    finish = panel.finish._ui
    finish.labelsPathLineEdit.setCurrentPath("~/BreastUSAssist/labels")
    finish.exportPathLineEdit.setCurrentPath("~/BreastUSAssist/exports")
    finish.readerLineEdit.setText("Reader A")
    panel.session.choose(load_clip(host.slicer.mrmlScene, open_clip(path)).volume)
    panel.analyze.start()
    wait(host, lambda: not panel.analyze.run.running)


def read(host: Any, panel: Any) -> None:
    """Change a term, give a category and a note."""
    from BreastUSAssistLib.birads.reading import Place

    case = panel.session.case
    panel.session.change(lambda: case.set_place(Place(side="left", clock=2.5, distance_mm=40)))
    if case.lesions:
        number = case.lesions[0].number
        panel.session.change(lambda: case.set_term(number, "margin", "angular"))
        panel.session.change(lambda: case.set_category(number, "4C"))
        panel.session.change(lambda: case.set_note(number, "hypoechoic, shadowing"))
    panel.session.case_changed.emit()
    wait(host, lambda: not (panel.revising.busy or panel.session.client.busy))


def wait(host: Any, until: Callable[[], bool]) -> None:
    """Turn the event loop until something holds."""
    if not host.process_events(until=until, timeout=120):
        raise TimeoutError("it did not happen within two minutes")


def work_through(host: Any, panel: Any, folder: Path) -> None:
    """Open a label folder of phantoms and read some of them."""
    from BreastUSAssistLib.labels.store import LabelStore

    with LabelStore.create(folder, encrypted=False) as store:
        for seed in range(12):
            store.put(drafted_phantom(seed))
    panel.finish._ui.labelsPathLineEdit.setCurrentPath(str(folder))
    for name in ("case", "finish"):
        getattr(panel.ui, f"{name}Button").setCollapsed(True)
    for name in ("worklist", "learn"):
        getattr(panel.ui, f"{name}Button").setCollapsed(False)

    def idle() -> bool:
        busy = (panel.worklist.busy, panel.learn.busy, panel.autosaving.busy, panel.session.client.busy)
        return not any((*busy, panel.revising.busy, panel.finish.keeping.running))

    wait(host, idle)
    for _ in range(4):
        panel.worklist.next()
        wait(host, idle)
        panel.finish.accept()
        wait(host, idle)
    panel.worklist.next()
    wait(host, idle)


def find_studies(panel: Any) -> None:
    """Section PACS as it is after a search, without a PACS: patients that nobody is."""
    pacs = panel.pacs.pacs
    pacs.looked, pacs.nodes = True, ({"name": "archive", "place": "pacs.example.org:443", "way": "web"},)
    panel.ui.pacsButton.setCollapsed(False)
    panel.pacs._ui.pulledPathLineEdit.setCurrentPath("~/BreastUSAssist/pulled")
    pacs.nodes_changed.emit()
    names = ("Phantom^Agnes", "Phantom^Berta", "Phantom^Clara")
    pacs.studies = tuple(
        {
            "study_uid": f"2.25.{number}",
            "date": f"2026-03-{20 - number:02d}",
            "patient_name": name,
            "patient_id": f"P-{number:03d}",
            "description": "Breast ultrasound",
            "images": 6 - number,
        }
        for number, name in enumerate(names, start=1)
    )
    pacs.words = "3 studies found."
    panel.pacs._ui.patientNameLineEdit.setText("Phantom")
    pacs.changed.emit()


def drafted_phantom(seed: int) -> Any:
    """A phantom as it waits in a label folder, with a draft that is a little off."""
    from BreastUSAssistLib.labels.image_identity import identity_of
    from BreastUSAssistLib.labels.masks import MaskStack
    from BreastUSAssistLib.labels.new_label import NewLabel
    from BreastUSAssistLib.labels.record import Deidentification
    from BreastUSAssistLib.ultrasound.phantom import LesionSpec, PhantomSpec, render
    from drafted_folder import draft

    lesion = LesionSpec(width_mm=10 + seed % 5, height_mm=7)
    made = render(PhantomSpec(rows=480, columns=640, spacing_mm=0.1, lesions=(lesion,), seed=seed))
    drawn = np.roll(np.asarray(made.masks, np.uint8), 8, axis=2)
    frame = made.frame().grey
    runs = [(draft(drawn), MaskStack.of_labels(drawn))]
    return NewLabel(
        "autosaved",
        identity_of([frame], "still"),
        runs=runs,
        frames={1: frame},
        deidentified=Deidentification(evidence="declared", by="phantom"),
        patient=f"{seed}",
    )


def shrink(path: Path) -> None:
    """Fewer colours: a third of the bytes, and nobody sees it."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256)
    small.save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
