"""Section Learn: what it says before there is anything, a training that is stopped and goes on, a model refused."""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")
pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from panel.bench import PanelBench, small
from panel.reader_actions import shared_bench
from tiny_child import tiny_client
from tiny_label_folder import tiny_label_folder

PATIENCE = 300.0
"""Seconds for a training on a computer that has much else to do."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelBench]:
    with shared_bench(tmp_path_factory.mktemp("learn")) as bench:
        bench.module.logic._trainingClient = tiny_client()
        bench.panel.ui.learnButton.setCollapsed(False)
        bench.turn()
        yield bench
        bench.panel.ui.learnButton.setCollapsed(True)


def test_before_the_first_label_the_section_says_what_to_do(bench: PanelBench) -> None:
    learn = bench.ui("learn")
    assert learn.modelLabel.text.startswith("In use: lesion-outline ") and "as it was shipped" in learn.modelLabel.text
    assert learn.labelsLabel.text == "No label yet: accept some cases in section 5."
    for button in (learn.trainButton, learn.cancelTrainingButton, learn.promoteButton, learn.rollBackButton):
        assert not button.enabled
    for part in (learn.verdictLabel, learn.figuresTable, learn.pictureFrame, learn.modelsTable, learn.confirmFrame):
        assert not part.visible
    bench.picture("nothing-yet")


def test_what_the_original_data_is_for_is_said(bench: PanelBench) -> None:
    learn = bench.ui("learn")
    learn.aloneCheckBox.setChecked(False)
    assert "it is not offered" in learn.dataHintLabel.text and learn.aloneCheckBox.visible
    learn.aloneCheckBox.setChecked(True)
    assert "it is not offered" not in learn.dataHintLabel.text
    learn.dataPathLineEdit.setCurrentPath(str(bench.folder / "data"))
    assert "Mixed in" in learn.dataHintLabel.text and not learn.aloneCheckBox.visible
    learn.dataPathLineEdit.setCurrentPath("")


def test_without_pytorch_the_section_says_what_to_install(bench: PanelBench, monkeypatch: pytest.MonkeyPatch) -> None:
    version, asked = importlib.metadata.version, []

    def known(name: str) -> str:
        if name in ("torch", "onnxscript"):
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    def ask(text: str, *_title: Any, **options: Any) -> bool:
        asked.append(options["detailedText"])
        return False

    monkeypatch.setattr(importlib.metadata, "version", known)
    monkeypatch.setattr(bench.host.slicer.util, "confirmOkCancelDisplay", ask)
    learn, button = bench.ui("learn"), bench.panel.ui.learnButton
    button.setCollapsed(True)
    button.setCollapsed(False)
    assert learn.packagesFrame.visible and "2 more Python packages" in learn.packagesLabel.text
    learn.installTrainingButton.click()
    assert asked == ["torch>=2.8\nonnxscript>=0.1"]
    assert bench.status == "✖ Training needs its packages; press Train to be asked again."
    monkeypatch.setattr(importlib.metadata, "version", version)
    button.setCollapsed(True)
    button.setCollapsed(False)
    assert not learn.packagesFrame.visible
    bench.turn()


def test_a_training_is_stopped_goes_on_and_is_refused_by_the_users_rule(bench: PanelBench) -> None:
    _look_into(bench, tiny_label_folder(bench.folder / "strict", least_gain_new=0.95))
    _stop(bench)
    _draft_meanwhile(bench)
    _refused(bench)


def _look_into(bench: PanelBench, folder: Path) -> None:
    learn = bench.ui("learn")
    bench.ui("finish").labelsPathLineEdit.setCurrentPath(str(folder))
    bench.turn()
    assert "24 labels, 0 of them since the training" in learn.labelsLabel.text
    assert "patients are held back to judge by; 2 are needed" in learn.labelsLabel.text
    assert learn.trainButton.enabled and learn.modelsTable.visible
    learn.aloneCheckBox.setChecked(True)


def _stop(bench: PanelBench) -> None:
    learn = bench.ui("learn")
    learn.trainButton.click()
    bench.turn(lambda: bench.panel.learn.learning.done >= 7, PATIENCE)
    assert learn.trainingBar.visible and "step" in learn.trainingLabel.text
    learn.cancelTrainingButton.click()
    bench.turn()
    assert bench.status == "The training is stopped; Train goes on where it was."
    assert "A training was stopped at step" in learn.labelsLabel.text
    assert not learn.trainingBar.visible and learn.trainButton.enabled
    bench.picture("stopped")


def _draft_meanwhile(bench: PanelBench) -> None:
    """A reader's draft does not wait for the training."""
    bench.choose(bench.load(small("still", lesions=(LesionSpec(width_mm=12),), seed=7), "still"))
    learning = bench.panel.learn.learning
    bench.ui("learn").trainButton.click()
    bench.turn(lambda: learning.done > 0, PATIENCE)
    assert int(learning.words.split()[2]) > 5, learning.words
    run = bench.panel.analyze.run
    bench.ui("analyze").runButton.click()
    bench.turn(lambda: not run.running)
    assert bench.case.runs and bench.case.runs[-1].model.name == "tiny-outline"


def _refused(bench: PanelBench) -> None:
    learn = bench.ui("learn")
    bench.turn(timeout=PATIENCE)
    assert learn.verdictLabel.text.startswith("✖ 0.0.1+labels."), bench.status
    assert "is not offered. On the new labels Dice changes by" in learn.verdictLabel.text
    assert learn.figuresTable.visible and learn.pictureFrame.visible
    assert not learn.promoteButton.enabled and learn.trainButton.enabled
    bench.picture("refused")


def test_what_cannot_be_trained_is_said(bench: PanelBench) -> None:
    learn = bench.ui("learn")
    (bench.folder / "empty").mkdir()
    learn.dataPathLineEdit.setCurrentPath(str(bench.folder / "empty"))
    learn.trainButton.click()
    bench.turn()
    assert bench.status.startswith("✖ ") and "holds no manifest.csv" in bench.status
    learn.dataPathLineEdit.setCurrentPath("")
    assert learn.trainButton.enabled and learn.verdictLabel.visible


def test_the_candidate_is_there_again_after_a_restart(bench: PanelBench) -> None:
    bench.module.logic.close()
    bench.panel.learn.learning.refresh(bench.panel.learn.folder)
    bench.turn()
    assert bench.ui("learn").verdictLabel.text.startswith("✖ 0.0.1+labels.")
    assert bench.ui("learn").pictureWordsLabel.text.startswith("1 of ")
