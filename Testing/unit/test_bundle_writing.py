"""Written bundles: small, the same numbers in every file, nothing of the machine that made them."""

import json
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import OutputError
from BreastUSAssistLib.model.bundle import load_bundle

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

from BreastUSAssistLib.learning.bundle_writing import write_reader_bundle  # noqa: E402
from BreastUSAssistLib.learning.onnx_export import round_weights  # noqa: E402
from tiny_bundles import (  # noqa: E402
    OUTLINE_SETTINGS,
    READER_SETTINGS,
    TinyReader,
    tiny_network,
    tiny_outline_bundle,
    tiny_reader_bundle,
)


def test_large_weights_are_stored_in_half_precision_and_cast() -> None:
    model = onnx.load(tiny_outline_bundle() / "models" / "decoder.onnx")
    halves = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16]
    wide = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert halves and {name for node in casts for name in node.input} >= {tensor.name for tensor in halves}
    # The exporter itself folds small tensors; no large one may be left at full size.
    assert max(np.prod(list(tensor.dims), dtype=int) for tensor in wide) <= 8192


@pytest.mark.parametrize("name", ["encoder", "prompts", "decoder"])
def test_files_tell_nothing_of_the_machine_that_made_them(name: str) -> None:
    content = (tiny_outline_bundle() / "models" / f"{name}.onnx").read_bytes()
    for trace in (b"site-packages", b".py", b"stack_trace", str(Path.home()).encode(), str(Path.cwd()).encode()):
        assert trace not in content


def test_rounding_changes_weights_alone_and_only_once() -> None:
    network = tiny_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = round_weights(network)
    for name, value in network.state_dict().items():
        assert torch.equal(state[name].to(value.dtype), value)
        if state[name].dtype == torch.float16:
            assert torch.allclose(value, before[name], rtol=1e-3, atol=1e-6)
        else:
            assert torch.equal(value, before[name])
    assert any(value.dtype == torch.float16 for value in state.values())
    again = round_weights(network)
    assert all(torch.equal(again[name], value) for name, value in state.items())


def test_metadata_hold_what_a_reader_of_the_bundle_needs() -> None:
    for folder, settings in ((tiny_outline_bundle(), OUTLINE_SETTINGS), (tiny_reader_bundle(), READER_SETTINGS)):
        bundle = load_bundle(folder, kind=None)
        assert bundle.settings == settings
        metadata = bundle.read_json("configs/metadata.json")
        assert "not for diagnosis" in metadata["intended_use"]
        assert metadata["references"] and metadata["data_source"] and metadata["task"]
        formats = metadata["network_data_format"]
        assert formats["inputs"]["image"]["spatial_shape"] == [64, 64]
        assert all(part["channel_def"] for part in formats["outputs"].values())


def test_the_network_is_built_again_as_it_was() -> None:
    arguments = load_bundle(tiny_outline_bundle()).network_arguments()
    assert arguments["decoder_channels"] == [48, 16, 8, 8, 8]


def test_extras_are_listed_and_metadata_may_be_replaced(tmp_path: Path) -> None:
    extras = {"configs/calibration.json": json.dumps({"a": 1}).encode()}
    metadata = {"data_source": "phantoms"}
    write_reader_bundle(
        tmp_path, "r", "1.2.3", TinyReader(3), READER_SETTINGS, card="# R", metadata=metadata, extra_files=extras
    )
    bundle = load_bundle(tmp_path, kind="reader")
    assert (bundle.name, bundle.version) == ("r", "1.2.3")
    assert bundle.read_json("configs/calibration.json") == {"a": 1}
    assert bundle.read_json("configs/metadata.json")["data_source"] == "phantoms"


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a folder is needed")
    with pytest.raises(OutputError, match="models"):
        write_reader_bundle(tmp_path, "r", "1", TinyReader(3), READER_SETTINGS, card="# R")


def test_monai_runs_a_written_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from monai.bundle import run

    folder = tiny_reader_bundle()
    # The stand-in takes the place of the network that the bundle names.
    definition = {"_target_": "tiny_bundles.TinyReader", "measures": 3}
    run(config_file=str(folder / "configs" / "inference.json"), bundle_root=str(folder), network_def=definition)
    assert "'shape'" in capsys.readouterr().out
