"""The reader network: its outputs, order of the categories, missing measures, the mask's say, and ONNX."""

from pathlib import Path

import numpy as np
import pytest
import torch
from BreastUSAssistLib.birads.reader_measures import NAMES
from BreastUSAssistLib.model.reader_network import ReaderNet
from BreastUSAssistLib.model.reader_outputs import ANY_OF, ONE_OF, OUTPUTS

MEASURES = len(NAMES)


@pytest.fixture(scope="module")
def network() -> ReaderNet:
    torch.manual_seed(0)
    return ReaderNet(MEASURES).eval()


def _inputs(count: int, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    image = torch.rand(count, 2, size, size, generator=generator)
    image[:, 1] = 0
    image[:, 1, 16:48, 16:48] = 1
    return image, torch.randn(count, MEASURES, generator=generator)


@torch.no_grad()
def test_outputs_come_in_order_and_categories_never_rise(network: ReaderNet) -> None:
    outputs = network(*_inputs(3))
    assert list(outputs) == list(OUTPUTS)
    for name, columns in OUTPUTS.items():
        assert outputs[name].shape == ((3,) if name == "malignant" else (3, columns))
    assert (outputs["category"].diff(dim=1) < 0).all()
    for name, terms in {**ONE_OF, **ANY_OF}.items():
        assert OUTPUTS[name] == len(terms)


@torch.no_grad()
def test_a_missing_measure_counts_as_the_training_mean(network: ReaderNet) -> None:
    image, measures = _inputs(2)
    network.set_measure_scale(torch.randn(50, MEASURES, generator=torch.Generator().manual_seed(1)) * 3 + 2)
    missing, filled = measures.clone(), measures.clone()
    missing[:, 3] = torch.nan
    filled[:, 3] = network.measure_mean[3]
    assert torch.allclose(network(image, missing)["malignant"], network(image, filled)["malignant"])
    assert torch.isfinite(network(image, torch.full_like(measures, torch.nan))["category"]).all()


@torch.no_grad()
def test_the_mask_decides_where_to_look(network: ReaderNet) -> None:
    image, measures = _inputs(1)
    other = image.clone()
    other[:, 1] = 1 - other[:, 1]
    assert not torch.allclose(network(image, measures)["embedding"], network(other, measures)["embedding"])


def test_measure_scale_leaves_missing_values_out() -> None:
    network = ReaderNet(2)
    network.set_measure_scale(torch.tensor([[1.0, torch.nan], [3.0, torch.nan], [torch.nan, 4.0]]))
    assert network.measure_mean.tolist() == [2, 4]
    assert network.measure_std[0] == pytest.approx(1)
    assert network.measure_std[1] > 0


def test_onnx_gives_the_same_numbers_for_any_batch(network: ReaderNet, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    path = tmp_path / "reader.onnx"
    batch = {0: "batch"}
    torch.onnx.export(
        network,
        _inputs(2),
        path,
        input_names=["image", "measures"],
        output_names=list(OUTPUTS),
        dynamic_axes=dict.fromkeys(("image", "measures", *OUTPUTS), batch),
        opset_version=17,
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image, measures = _inputs(5)
    measures[2, 4] = torch.nan
    found = session.run(list(OUTPUTS), {"image": image.numpy(), "measures": measures.numpy()})
    with torch.no_grad():
        expected = network(image, measures)
    for name, values in zip(OUTPUTS, found, strict=True):
        assert np.allclose(values, expected[name].numpy(), atol=1e-4), name
