"""From Accept in the panel to a model that was learnt from it, is in use at once, and can be left again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec, Phantom

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")
pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from panel.bench import PanelBench, open_bench, small
from tiny_child import tiny_client
from tiny_label_folder import tiny_label_folder

LABELS = 24
"""That are there before the reader's own."""
PATIENCE = 300.0
"""Seconds for a training on a computer that has much else to do."""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanelBench]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    tiny_label_folder(tmp_path / "labels", LABELS)
    bench = open_bench(tmp_path, monkeypatch)
    # The only difference to a reader's: this one knows the tiny network.
    bench.module.logic._trainingClient = tiny_client()
    yield bench
    from host import clear

    bench.panel.ui.learnButton.setCollapsed(True)
    clear()
    bench.turn()
    bench.module.logic.close()
    assert bench.raised == []


def test_from_accept_to_a_promoted_model_and_back(bench: PanelBench) -> None:
    bench.ui("finish").readerLineEdit.setText("Reader A")
    for seed in (1, 2):
        _accept(bench, small("case", lesions=(LesionSpec(width_mm=12),), seed=seed), f"case {seed}")
    _see_what_there_is(bench)
    gain = _train(bench)
    assert gain > 0.005
    _promote(bench)
    assert "Learnt from your labels" in _draft(bench, "after")
    _roll_back(bench)
    assert "tiny-outline 0.0.1 on" in _draft(bench, "again")


def _accept(bench: PanelBench, phantom: Phantom, name: str) -> None:
    """Draft by the model in use, outline as the reader sees it, accept."""
    truth = np.asarray(phantom.masks[0] == 1)
    bench.choose(bench.load(phantom, name))
    bench.run()
    assert "tiny-outline 0.0.1 on" in bench.ui("analyze").timeLabel.text, bench.status
    for lesion in bench.case.lesions:
        bench.session.change(lambda number=lesion.number: bench.case.remove_lesion(number))
    bench.ui("findings").addLesionButton.click()
    added = bench.case.reading.lesions[-1].number
    bench.session.change(lambda: bench.case.set_mask(0, added, truth))
    bench.turn()
    bench.ui("finish").acceptButton.click()
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status


def _see_what_there_is(bench: PanelBench) -> None:
    learn = bench.ui("learn")
    bench.panel.ui.learnButton.setCollapsed(False)
    bench.turn()
    assert learn.modelLabel.text == "In use: tiny-outline 0.0.1, promoted from your labels."
    assert f"{LABELS + 2} labels, 2 of them since the training" in learn.labelsLabel.text
    assert learn.trainButton.enabled and not learn.promoteButton.enabled
    bench.picture("1-labels")


def _train(bench: PanelBench) -> float:
    learn = bench.ui("learn")
    learn.dataPathLineEdit.setCurrentPath("")
    learn.aloneCheckBox.setChecked(True)
    learn.trainButton.click()
    bench.turn(lambda: "step" in learn.trainingLabel.text, PATIENCE)
    assert learn.cancelTrainingButton.enabled and not learn.trainButton.enabled
    bench.picture("2-training")
    bench.turn(timeout=PATIENCE)
    assert learn.verdictLabel.text.startswith("⚠ 0.0.1+labels."), learn.verdictLabel.text
    assert learn.promoteButton.enabled, bench.status
    assert learn.figuresTable.item(0, 0).text().startswith("Dice, your labels")
    first = learn.pictureWordsLabel.text
    learn.nextPictureButton.click()
    assert first.startswith("1 of ") and learn.pictureWordsLabel.text.startswith("2 of ")
    assert not learn.pictureLabel.pixmap.isNull()
    bench.picture("3-candidate")
    candidate: dict[str, Any] = bench.panel.learn.learning.state["candidate"]
    return float(candidate["figures"]["new"]["gain"])


def _promote(bench: PanelBench) -> None:
    learn = bench.ui("learn")
    learn.promoteButton.click()
    bench.turn()
    assert "0.0.1+labels." in learn.modelLabel.text and not learn.promoteButton.enabled
    assert "0 of them since the training" in learn.labelsLabel.text
    rows = range(learn.modelsTable.rowCount)
    assert [learn.modelsTable.item(row, 1).text() for row in rows] == ["✔ in use", "before it", "before it"]
    bench.picture("4-promoted")


def _draft(bench: PanelBench, name: str) -> str:
    bench.choose(bench.load(small("other", lesions=(LesionSpec(width_mm=10),), seed=len(name)), name))
    bench.run()
    return str(bench.ui("analyze").timeLabel.text)


def _roll_back(bench: PanelBench) -> None:
    learn = bench.ui("learn")
    learn.rollBackButton.click()
    assert learn.confirmFrame.visible and "tiny-outline 0.0.1 again?" in learn.confirmLabel.text
    learn.keepModelButton.click()
    assert not learn.confirmFrame.visible
    learn.rollBackButton.click()
    learn.confirmRollBackButton.click()
    bench.turn()
    assert learn.modelLabel.text == "In use: tiny-outline 0.0.1, promoted from your labels."
    assert "in use again" in bench.status
    bench.picture("5-rolled-back")
