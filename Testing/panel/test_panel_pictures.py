"""Pictures on their way into a label folder: cleaned and said so, refused and said why, declared by the reader."""

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.service.worker_client import WorkerClient
from BreastUSAssistLib.ultrasound.phantom import LesionSpec
from panel.bench import PanelBench, small
from panel.pacs_bench import accept, outline
from panel.reader_actions import shared_bench

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")

NO_FINDER = """
import sys
sys.modules["rapidocr"] = None
from BreastUSAssistLib.command_line import main
sys.exit(main(["worker", *sys.argv[1:]]))
"""
"""A process in which the text finder is not installed."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelBench]:
    with shared_bench(tmp_path_factory.mktemp("pictures")) as bench:
        bench.without_measuring()
        yield bench
        bench.module.logic.close()


@pytest.fixture
def bench(shared: PanelBench, request: pytest.FixtureRequest) -> PanelBench:
    from host import clear

    clear()
    shared.turn()
    shared.ui("finish").labelsPathLineEdit.setCurrentPath(str(shared.folder / request.node.name[:40]))
    return shared


def without_finder(bench: PanelBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a Slicer where the packages of de-identification are not installed."""
    version = metadata.version

    def known(name: str) -> str:
        if name == "rapidocr":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", known)
    bench.module.logic.close()
    bench.module.logic._workerClient = WorkerClient([sys.executable, "-c", NO_FINDER])


def stored(bench: PanelBench) -> tuple[int, Any]:
    """How many pictures the one case of the label folder has, and what says that they are de-identified."""
    folder = Path(bench.ui("finish").labelsPathLineEdit.currentPath)
    with LabelStore.open(folder, read_only=True) as store:
        (summary,) = store.list()
        record = store.latest(summary.case)
        assert record is not None
        return len(store.frame_numbers(record)), record.deidentified


def test_an_image_that_says_it_is_deidentified_needs_no_word(bench: PanelBench) -> None:
    bench.choose(bench.load(small("a", lesions=(LesionSpec(width_mm=12),)), "stated"))
    outline(bench)
    accept(bench)
    finish = bench.ui("finish")
    assert not finish.pictureFrame.visible and "picture" not in finish.decisionLabel.text
    assert stored(bench)[1].evidence == "header"


def test_what_was_blanked_is_said_beside_the_decision(bench: PanelBench) -> None:
    bench.choose(bench.load(small("b", lesions=(LesionSpec(width_mm=12),)), "unstated", dicom=False))
    outline(bench)
    accept(bench)
    finish = bench.ui("finish")
    assert not finish.pictureFrame.visible
    assert "In the kept picture " in finish.decisionLabel.text, finish.decisionLabel.text
    assert stored(bench)[1].evidence == "cleaned"


def test_without_the_text_finder_outlines_are_kept_and_the_reader_may_declare(
    bench: PanelBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_finder(bench, monkeypatch)
    bench.choose(bench.load(small("c", lesions=(LesionSpec(width_mm=12),)), "refused", dicom=False))
    mask = outline(bench)
    accept(bench)
    finish = bench.ui("finish")
    assert finish.pictureFrame.visible and finish.installFinderButton.visible and finish.declareButton.visible
    assert "nothing says that it shows no patient data" in finish.pictureLabel.text
    frames, evidence = stored(bench)
    assert (frames, evidence) == (0, None)
    bench.host.screenshot(bench.panel.ui.finishButton, bench.folder / "pictures" / "refused.png")
    finish.declareButton.click()
    bench.turn()
    assert not finish.pictureFrame.visible, bench.status
    frames, evidence = stored(bench)
    assert frames == 1 and (evidence.evidence, evidence.by) == ("declared", "Reader A")
    assert bench.case.reading.decision == "accepted" and np.array_equal(bench.mask(), mask)
