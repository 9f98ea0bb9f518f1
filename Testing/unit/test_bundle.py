"""The shipped bundle: unchanged, loadable by MONAI, and the same on every back end."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import ModelError, UsageError
from BreastUSAssistLib.model.bundle import Bundle, load_bundle
from BreastUSAssistLib.model.predictor import open_predictor
from BreastUSAssistLib.service.analysis_file import read_analysis
from BreastUSAssistLib.ultrasound.phantom import render, save_dicom, standard_cases


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


@pytest.fixture
def copied(bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle.folder, tmp_path / "bundle"))


def test_every_file_has_its_recorded_sum_and_none_is_unlisted(bundle: Bundle) -> None:
    files = {p.relative_to(bundle.folder).as_posix() for p in bundle.folder.rglob("*") if p.is_file()}
    assert set(bundle.files) == files - {"SHA256SUMS"}
    for relative in bundle.files:
        assert bundle.checked(relative).is_file()


def test_weights_are_in_safe_formats_and_small(bundle: Bundle) -> None:
    assert {Path(name).suffix for name in bundle.files if name.startswith("models/")} == {".onnx", ".safetensors"}
    assert sum((bundle.folder / name).stat().st_size for name in bundle.files) < 30e6


def test_weights_tell_nothing_of_the_machine_that_made_them(bundle: Bundle) -> None:
    content = bundle.checked("models/model.onnx").read_bytes()
    assert b"site-packages" not in content and b"network.py" not in content


@pytest.mark.parametrize("relative", ["models/model.onnx", "configs/metadata.json"])
def test_one_flipped_bit_is_refused(copied: Path, relative: str) -> None:
    content = bytearray((copied / relative).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / relative).write_bytes(content)
    with pytest.raises(ModelError, match=r"does not have the recorded SHA-256"):
        open_predictor(load_bundle(copied), "onnxruntime")


def test_what_is_no_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model bundle"):
        load_bundle(tmp_path)


def test_a_missing_gpu_is_said_in_words(bundle: Bundle) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if torch.cuda.is_available():
        assert open_predictor(bundle, device="cuda").backend.device == "cuda"
    else:
        with pytest.raises(UsageError, match="No CUDA device"):
            open_predictor(bundle, device="cuda")


def test_back_ends_agree(bundle: Bundle) -> None:
    pytest.importorskip("monai", reason="MONAI is not installed")
    grey = render(standard_cases()["two-lesions"]).frame().grey
    ours, theirs = (open_predictor(bundle, name).predict(grey) for name in ("onnxruntime", "torch"))
    assert np.abs(ours.probability - theirs.probability).max() < 1e-3
    assert abs(ours.malignant - theirs.malignant) < 1e-3
    assert len(ours.lesions) == len(theirs.lesions)


def test_batches_and_single_frames_agree(bundle: Bundle) -> None:
    predictor = open_predictor(bundle, "onnxruntime")
    greys = [render(standard_cases()[name]).frame().grey for name in ("cyst", "normal")]
    greys.append(np.ascontiguousarray(greys[0][:200, :300]))
    for one, many in zip([predictor.predict(grey) for grey in greys], predictor.predict_batch(greys), strict=True):
        assert np.allclose(one.probability, many.probability, atol=1e-4)
        assert one.malignant == pytest.approx(many.malignant, abs=1e-4)
        assert one.normal + one.benign + one.malignant == pytest.approx(1)


def test_monai_builds_and_loads_the_network_from_the_config(bundle: Bundle) -> None:
    monai_bundle = pytest.importorskip("monai.bundle", reason="MONAI is not installed")
    import torch

    parser = monai_bundle.ConfigParser()
    parser.read_config(bundle.checked("configs/inference.json"))
    parser["bundle_root"] = str(bundle.folder)
    parser["device"] = "$torch.device('cpu')"
    parser.get_parsed_content("load")
    network = parser.get_parsed_content("network")
    with torch.inference_mode():
        outline, classes = network(torch.zeros(1, 1, 256, 256))
    assert outline.shape == (1, 1, 256, 256) and classes.shape == (1, 3)


def test_monai_runs_the_bundle(bundle: Bundle, tmp_path: Path) -> None:
    monai_bundle = pytest.importorskip("monai.bundle", reason="MONAI is not installed")
    still = save_dicom(render(standard_cases()["cyst"]), tmp_path / "still.dcm")
    monai_bundle.run(
        config_file=str(bundle.checked("configs/inference.json")),
        bundle_root=str(bundle.folder),
        inputs=[str(still)],
        output_dir=str(tmp_path / "out"),
    )
    assert read_analysis(tmp_path / "out" / "still" / "analysis.json").lesions


def test_the_model_card_says_what_it_must(bundle: Bundle) -> None:
    card = bundle.checked("docs/README.md").read_text("utf-8")
    for needed in ("Research use only", "BUS-BRA", "BUSI", "BrEaST", "fold 4", "Limits"):
        assert needed in card
    metadata = json.loads(bundle.checked("configs/metadata.json").read_text("utf-8"))
    assert metadata["name"] == bundle.name and "not for diagnosis" in metadata["intended_use"]
