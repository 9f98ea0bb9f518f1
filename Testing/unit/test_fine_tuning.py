"""Fine-tuning on labels: what stays as it is, what is mixed in, and a training that is killed and goes on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from label_samples import fixed_salt

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from BreastUSAssistLib.errors import UsageError  # noqa: E402
from BreastUSAssistLib.learning.fine_tuning import FineTuningOptions, FineTuningTask, fine_tune  # noqa: E402
from BreastUSAssistLib.learning.training_data import NORMAL, TrainingImages  # noqa: E402
from BreastUSAssistLib.model.bundle import load_bundle  # noqa: E402
from BreastUSAssistLib.model.network import LesionNet  # noqa: E402
from BreastUSAssistLib.model.torch_backend import stored_state  # noqa: E402
from label_store_of_phantoms import variant  # noqa: E402
from PIL import Image  # noqa: E402
from tiny_bundles import tiny_outline_bundle  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def the_same_patients_held_back_in_each_run() -> Iterator[None]:
    with fixed_salt():
        yield


TESTING = Path(__file__).resolve().parents[1]
OPTIONS = FineTuningOptions(
    steps=6, batch_size=4, stored_size=64, checkpoint_every=2, learning_rate=1e-3, start_share=0.0
)


def task(options: FineTuningOptions = OPTIONS, labels: str = "labels") -> FineTuningTask:
    return FineTuningTask(options=options, parent="parent", labels=labels, replay="")


def images(count: int = 3, classes: int = -1) -> TrainingImages:
    """Phantoms as they wait in memory."""
    pairs = [[np.asarray(Image.fromarray(part).resize((64, 64), 0)) for part in variant(seed)] for seed in range(count)]
    grey, labels = (np.stack([pair[place] for pair in pairs]) for place in (0, 1))
    return TrainingImages(grey, np.minimum(labels, 1), np.full(count, classes), np.full(count, "labels"))


def tuned(folder: Path, options: FineTuningOptions = OPTIONS, **more: object) -> dict[str, "torch.Tensor"]:
    folder.mkdir(exist_ok=True)
    bundle = load_bundle(tiny_outline_bundle())
    given = {"labels": images(), "replay": None, "task": task(options), **more}
    return fine_tune(bundle, folder=folder, **given).state_dict()


def changed(state: dict[str, "torch.Tensor"]) -> set[str]:
    start = stored_state(load_bundle(tiny_outline_bundle()))
    return {name for name, value in state.items() if not torch.equal(value, start[name])}


def test_encoder_and_statistics_of_the_norms_stay_as_they_are(tmp_path: Path) -> None:
    names = changed(tuned(tmp_path))
    assert any(name.startswith("decoder.") for name in names)
    assert any(name.startswith("prompt_encoder.") for name in names)
    assert not any(name.startswith("encoder.") or "running_" in name for name in names)


def test_norms_move_where_they_may(tmp_path: Path) -> None:
    names = changed(tuned(tmp_path, OPTIONS.model_copy(update={"frozen_norms": False})))
    assert any(name.startswith("decoder.") and "running_mean" in name for name in names)
    assert not any(name.startswith("encoder.") for name in names)


def test_classes_are_learnt_only_where_they_are_known(tmp_path: Path) -> None:
    told: list[str] = []
    tuned(tmp_path / "unknown", progress=lambda done, total, line: told.append(line))
    assert len(told) == OPTIONS.steps and not any("class" in line or "nan" in line for line in told)
    told.clear()
    tuned(tmp_path / "known", replay=images(2, classes=2), progress=lambda done, total, line: told.append(line))
    assert all("class" in line and "nan" not in line for line in told)


def test_more_steps_fit_the_labels_better(tmp_path: Path) -> None:
    losses: list[float] = []
    options = OPTIONS.model_copy(update={"steps": 40, "marks": 0.0, "checkpoint_every": 40, "learning_rate": 5e-3})
    tuned(tmp_path, options, progress=lambda done, total, line: losses.append(float(line.split()[1])))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.05


def test_a_label_without_pathology_says_that_the_frame_is_not_normal(tmp_path: Path) -> None:
    def chance_of_normal(state: dict[str, "torch.Tensor"]) -> float:
        network = LesionNet(**load_bundle(tiny_outline_bundle()).network_arguments())
        network.load_state_dict(state)
        shown = torch.from_numpy(images().images)[:, None].float()
        with torch.no_grad():
            _, logits = network.eval().decode(network.encode((shown - 127) / 128), None)
        return float(logits.softmax(1)[:, NORMAL].mean())

    options = OPTIONS.model_copy(update={"steps": 40, "marks": 0.0, "checkpoint_every": 40, "learning_rate": 5e-3})
    before = chance_of_normal(stored_state(load_bundle(tiny_outline_bundle())))
    assert chance_of_normal(tuned(tmp_path, options)) < 0.8 * before


def test_a_share_of_the_start_is_kept(tmp_path: Path) -> None:
    start = stored_state(load_bundle(tiny_outline_bundle()))
    whole = tuned(tmp_path / "whole")
    options = OPTIONS.model_copy(update={"start_share": 0.75})
    mixed = tuned(tmp_path / "mixed", options)
    name = "segmentation_head.0.weight"
    assert torch.allclose(mixed[name], 0.25 * whole[name] + 0.75 * start[name], atol=1e-6)


class StoppedError(Exception):
    """Stands for a user's Cancel."""


def test_a_cancelled_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    def cancel(done: int, total: int, line: str) -> None:
        if done == 5:
            raise StoppedError

    whole = tuned(tmp_path / "whole", replay=images(2, classes=1))
    with pytest.raises(StoppedError):
        tuned(tmp_path / "parts", replay=images(2, classes=1), progress=cancel)
    steps: list[int] = []
    parts = tuned(tmp_path / "parts", replay=images(2, classes=1), progress=lambda a, b, c: steps.append(a))
    assert steps == [5, 6]
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    code = (
        "import sys, os, pathlib; sys.path[:0] = ['unit']; import test_fine_tuning as here;"
        "here.tiny_outline_bundle = lambda: pathlib.Path(sys.argv[2]);"
        "here.tuned(pathlib.Path(sys.argv[1]), progress=lambda a, b, c: os.kill(os.getpid(), 9) if a == 3 else None)"
    )
    path = os.pathsep.join([str(TESTING), str(TESTING.parent / "BreastUSAssist")])
    # The order of a sum, and with it its last digit, depends on the number of threads.
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-c", code, str(tmp_path / "parts"), str(tiny_outline_bundle())]
    assert subprocess.run(command, cwd=TESTING, env=environment, check=False).returncode == -9
    steps: list[int] = []
    parts = tuned(tmp_path / "parts", progress=lambda a, b, c: steps.append(a))
    assert steps == [3, 4, 5, 6]
    assert all(torch.equal(value, parts[name]) for name, value in tuned(tmp_path / "whole").items())


def test_the_state_of_other_labels_is_not_gone_on_with(tmp_path: Path) -> None:
    tuned(tmp_path)
    with pytest.raises(UsageError, match="other options"):
        tuned(tmp_path, task=task(labels="more of them"))
