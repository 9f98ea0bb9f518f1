"""The panel where nothing that runs a network is installed: reading by hand, labels and exports work all the same."""

import builtins
import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec
from panel.bench import PanelBench, open_bench, small
from panel.reader_actions import cell_text, choose_term, choose_text, write_note

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")

MISSING = ("torch", "monai", "onnxruntime", "openvino", "skimage")
DISTRIBUTIONS = {"torch", "monai", "onnxruntime", "openvino", "scikit-image"}
BLOCKER = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""
"""sitecustomize.py of the child process."""


find = builtins.__import__


def blocked_import(name: str, globals: Any = None, *rest: Any, **options: Any) -> Any:
    """Import as before, but for our own code what is missing is missing; the host paints with some of it."""
    ours = str((globals or {}).get("__name__", "")).startswith("BreastUSAssist")
    if ours and name.partition(".")[0] in MISSING:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return find(name, globals, *rest, **options)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelBench]:
    from host import clear

    folder = tmp_path_factory.mktemp("bare")
    (folder / "blocked").mkdir()
    (folder / "blocked" / "sitecustomize.py").write_text(BLOCKER)
    version = importlib.metadata.version

    def known(name: str) -> str:
        if name in DISTRIBUTIONS:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", str(folder / "blocked"))
        patch.setattr(builtins, "__import__", blocked_import)
        patch.setattr(importlib.metadata, "version", known)
        bench = open_bench(folder, patch)
        patch.setattr(bench.host.slicer.packaging, "asked", [])
        bench.module.logic.close()
        bench.module.exit()
        bench.module.enter()
        yield bench
        clear()
        bench.turn()
        bench.module.logic.close()
        assert bench.raised == [], bench.raised
    bench.panel.install.show()


@pytest.fixture(scope="module")
def outlined(bench: PanelBench) -> np.ndarray:
    """An image is open and a lesion was added and painted; its outline, bool (rows, columns)."""
    from host.segment_editor import paint

    phantom = small("still", lesions=(LesionSpec(width_mm=12),), seed=7)
    bench.choose(bench.load(phantom, "still"))
    assert "is open" in bench.status, bench.status
    bench.ui("findings").addLesionButton.click()
    bench.turn()
    paint(bench.panel.correct.editor.widget, phantom.masks == 1)
    bench.turn()
    assert np.array_equal(bench.mask(), phantom.masks[0] == 1)
    assert bench.status.startswith("✖ The Python package scikit-image is missing")
    return bench.mask().copy()


def test_the_panel_says_what_is_missing_and_opens_an_image(bench: PanelBench, outlined: np.ndarray) -> None:
    assert bench.panel.ui.installFrame.visible
    assert "more Python packages" in bench.panel.ui.installLabel.text
    assert bench.ui("findings").findingsTable.rowCount == 1
    bench.picture("without-ai")


def test_a_lesion_is_described_by_hand_kept_and_exported(bench: PanelBench, outlined: np.ndarray) -> None:
    choose_text(bench.ui("findings").categoryComboBox, "4A")
    write_note(bench, "by hand")
    choose_term(bench, 0, "Shape", "Oval")
    choose_term(bench, 0, "Margin", "Circumscribed")
    assert bench.case.reading.lesions[0].descriptors == {"shape": "oval", "margin": "circumscribed"}
    assert "4A" in cell_text(bench, 0, "Suggested")
    assert "Oval" in cell_text(bench, 0, "Shape")
    finish = bench.ui("finish")
    finish.readerLineEdit.setText("Reader A")
    finish.acceptButton.click()
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status
    _check_label(bench.folder / "labels", outlined)
    finish.exportButton.click()
    bench.turn()
    assert "Exported" in bench.status and "Lesion 1 was left out: it has not been measured" in bench.status
    _check_export(bench.folder / "exports" / "still")


def _check_label(folder: Path, outline: np.ndarray) -> None:
    from BreastUSAssistLib.labels.store import LabelStore

    with LabelStore.open(folder) as store:
        (summary,) = store.list()
        record = store.get(summary.case)
        assert (record.kind, record.reader) == ("accepted", "Reader A")
        kept = store.result(record)
        assert kept is not None and np.array_equal(kept.mask(1, 1), outline)


def _check_export(folder: Path) -> None:
    exported = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"sr.dcm", "seg.nrrd", "findings.csv", "report.html", "reading.json"} <= exported
    reading = json.loads((folder / "reading.json").read_text("utf-8"))
    assert "by hand" in json.dumps(reading)
    assert "4A" in (folder / "report.html").read_text("utf-8")


def test_run_asks_once_and_installs_nothing_unasked(
    bench: PanelBench, outlined: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    slicer = bench.host.slicer
    questions: list[tuple[str, dict[str, Any]]] = []
    answers = [False, True]

    def ask(text: str, *_title: Any, **options: Any) -> bool:
        questions.append((text, options))
        return answers.pop(0)

    assert slicer.packaging.asked == []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", ask)
    before = bench.case.labels().copy()
    bench.run()
    assert bench.status == "✖ Without its packages the AI cannot run; press Run to be asked again."
    assert slicer.packaging.asked == [] and len(questions) == 1
    assert "scikit-image" in questions[0][1]["detailedText"]
    assert not bench.panel.analyze.run.running and bench.case.runs == ()
    monkeypatch.setattr(slicer.app, "testing", False)
    try:
        bench.run()
        wanted = {word for call in slicer.packaging.asked for one in call["requirements"] for word in one.split(">=")}
        assert "scikit-image" in wanted
        assert "still missing" in bench.status and bench.status.startswith("✖ ")
        assert bench.panel.ui.installFrame.visible
        assert "pip download" in bench.panel.ui.installLabel.text
    finally:
        slicer.app.settings().remove("BreastUSAssist/InstallPending")
    assert np.array_equal(bench.case.labels(), before)


def test_with_the_base_packages_alone_the_outline_is_measured(bench: PanelBench, outlined: np.ndarray) -> None:
    """As after an installation without any engine: selecting the lesion is enough, and it is exported."""
    (bench.folder / "blocked" / "sitecustomize.py").write_text(BLOCKER.replace("'skimage'", "'nothing'"))
    bench.session.client.restart()
    bench.ui("finish").reopenButton.click()
    bench.session.select("")
    bench.ui("findings").findingsTable.selectRow(0)
    bench.session.selection_changed.emit()
    bench.turn()
    assert bench.case.lesions[0].current is not None, bench.status
    assert cell_text(bench, 0, "Size").endswith(" mm")
    assert cell_text(bench, 0, "Shape").startswith("✎ Oval")
    bench.ui("finish").exportButton.click()
    bench.turn()
    folder = bench.folder / "exports" / "still"
    assert (folder / "seg.dcm").is_file() and (folder / "sr.dcm").is_file(), bench.status
