"""Bundles: what is damaged, incomplete, unsafe or of another format is refused by name; MONAI can use the rest."""

import hashlib
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from BreastUSAssistLib.errors import ModelError
from BreastUSAssistLib.model.bundle import Bundle, load_bundle, shipped_bundles, write_sums
from BreastUSAssistLib.model.bundle_files import check_content, check_onnx, read_json, safetensors_header
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

from tiny_bundles import copied, tiny_outline_bundle, tiny_reader_bundle  # noqa: E402


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(tiny_outline_bundle())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copied(tiny_outline_bundle(), tmp_path)


def rewrite_metadata(folder: Path, change: Callable[[dict], None]) -> None:
    path = folder / "configs" / "metadata.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    write_sums(folder)


def test_every_file_has_its_recorded_sum_and_none_is_unlisted(bundle: Bundle) -> None:
    files = {p.relative_to(bundle.folder).as_posix() for p in bundle.folder.rglob("*") if p.is_file()}
    assert set(bundle.files) == files - {"SHA256SUMS"}
    assert bundle.sha256 == hashlib.sha256(bundle.read("models/model.safetensors")).hexdigest()


@pytest.mark.parametrize(
    "relative",
    [
        "models/model.safetensors",
        "models/encoder.onnx",
        "configs/metadata.json",
        "configs/train.json",
        "docs/README.md",
    ],
)
def test_one_flipped_bit_is_refused(copy: Path, relative: str) -> None:
    content = bytearray((copy / relative).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / relative).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{Path(relative).name} does not have the recorded SHA-256"):
        load_bundle(copy)


@pytest.mark.parametrize("relative", ["models/decoder.onnx", "configs/inference.json", "docs/README.md"])
def test_a_missing_file_is_named(copy: Path, relative: str) -> None:
    (copy / relative).unlink()
    with pytest.raises(ModelError, match=f"{Path(relative).name} is missing"):
        load_bundle(copy)
    write_sums(copy)
    if relative.startswith("docs"):
        assert load_bundle(copy).name == "tiny-outline"
    else:
        with pytest.raises(ModelError, match=f"lacks {relative}"):
            load_bundle(copy)


@pytest.mark.parametrize("name", ["model.pt", "extra.PTH", "weights.bin", "last.ckpt", "net.pkl"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_pickle_is_refused_by_its_name(copy: Path, name: str, listed: bool) -> None:
    (copy / "models" / name).write_bytes(pickle.dumps({"a": 1}))
    if listed:
        write_sums(copy)
    with pytest.raises(ModelError, match=f"{name} may hold a pickle"):
        load_bundle(copy)


def a_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1]))
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["model.safetensors", "encoder.onnx"])
@pytest.mark.parametrize("content", [pickle.dumps({"a": [1, 2]}), a_zip()], ids=["pickle", "zip"])
def test_a_pickle_under_another_name_is_refused(copy: Path, name: str, content: bytes) -> None:
    (copy / "models" / name).write_bytes(content)
    write_sums(copy)
    with pytest.raises(ModelError, match=f"{name}.*looks like a pickle"):
        load_bundle(copy)


def test_other_files_among_the_weights_are_refused(copy: Path) -> None:
    (copy / "models" / "weights").write_bytes(pickle.dumps(1))
    with pytest.raises(ModelError, match="weights is not listed"):
        load_bundle(copy)
    write_sums(copy)
    with pytest.raises(ModelError, match=r"weights is neither \.onnx nor \.safetensors"):
        load_bundle(copy)


@pytest.mark.parametrize(("found", "advice"), [(3, "newer BreastUSAssist"), (1, "written by this version")])
def test_another_format_is_refused(copy: Path, found: int, advice: str) -> None:
    rewrite_metadata(copy, lambda metadata: metadata["inference"].update(format=found))
    with pytest.raises(ModelError, match=rf"metadata\.json has format {found} .*{advice}"):
        load_bundle(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"unknown": 1},
        {"input_size": 250},
        {"temperature": 0},
        {"temperature": float("nan")},
        {"band": [0.9, 0.1]},
        {"rescue_threshold": 0.9},
    ],
)
def test_impossible_settings_are_refused(copy: Path, change: dict) -> None:
    rewrite_metadata(copy, lambda metadata: metadata["inference"].update(change))
    with pytest.raises(ModelError, match=r"metadata\.json does not fit"):
        load_bundle(copy)


def test_a_bundle_of_the_other_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="kind outline where reader is needed"):
        load_bundle(tiny_outline_bundle(), kind="reader")
    reader = load_bundle(tiny_reader_bundle(), kind=None)
    assert reader.reader_settings.outputs["shape"] == ("oval", "round", "irregular")
    with pytest.raises(ModelError, match="name one that outlines"):
        assert reader.outline_settings


def test_what_is_no_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model bundle"):
        load_bundle(tmp_path)
    with pytest.raises(ModelError, match="neither a shipped model nor a folder"):
        load_bundle("no-such-model")


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname", "configs\\..\\..\\x", "C:x"])
def test_sums_name_nothing_outside_of_the_bundle(copy: Path, name: str) -> None:
    with (copy / "SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  {name}\n")
    with pytest.raises(ModelError, match="outside of the bundle"):
        load_bundle(copy)


def test_shipped_bundles_are_found_by_name() -> None:
    for folder in shipped_bundles():
        assert (folder / "SHA256SUMS").is_file()


def external(content: bytes, *, in_node: bool) -> bytes:
    """The model with a tensor that says its values lie in another file."""
    model = onnx.load_from_string(content)
    tensor = onnx.TensorProto(name="elsewhere", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/hostname")
    if in_node:
        inner = onnx.helper.make_graph([onnx.helper.make_node("Constant", [], ["x"], value=tensor)], "inner", [], [])
        branch = onnx.helper.make_node("If", ["condition"], ["y"], then_branch=inner, else_branch=inner)
        model.graph.node.append(branch)
    else:
        model.graph.initializer.append(tensor)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("in_node", [False, True])
def test_weights_in_another_file_are_refused(copy: Path, in_node: bool) -> None:
    path = copy / "models" / "decoder.onnx"
    path.write_bytes(external(path.read_bytes(), in_node=in_node))
    write_sums(copy)
    with pytest.raises(ModelError, match=r"decoder\.onnx keeps weights in another file"):
        load_bundle(copy)


def tensors(header: dict, values: int) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(values)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 100) + b"{}",
        tensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, 4),
        tensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, 8),
        tensors({"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}, 4),
        tensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, 5),
        tensors({"a": 3}, 0),
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 5) + b"[" * 5,
    ],
)
def test_what_only_looks_like_safetensors_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"weights\.safetensors"):
        check_content(Path("models/weights.safetensors"), content)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused_but_never_crash(content: bytes) -> None:
    for check in (safetensors_header, check_onnx, read_json):
        try:
            check(Path("models/x"), content)
        except ModelError as error:
            assert "models/x" in str(error)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_model_that_is_cut_or_changed_never_crashes_the_check(data: st.DataObject) -> None:
    content = bytearray((tiny_reader_bundle() / "models" / "model.onnx").read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] = data.draw(st.integers(0, 255))
    try:
        check_onnx(Path("x.onnx"), bytes(content[: data.draw(st.integers(0, len(content)))]))
    except ModelError as error:
        assert "x.onnx" in str(error)


@pytest.mark.parametrize("text", ["[1]", "{", '{"a":' + "[" * 50 + "]" * 50 + "}", "[" * 100_000, "\x00"])
def test_json_that_is_no_shallow_object_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=r"x\.json"):
        read_json(Path("x.json"), text.encode())


def test_monai_builds_and_loads_the_network_from_the_config(bundle: Bundle) -> None:
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(bundle.checked("configs/inference.json")))
    parser["bundle_root"] = str(bundle.folder)
    parser["device"] = "$torch.device('cpu')"
    parser.get_parsed_content("load")
    network = parser.get_parsed_content("network")
    with torch.inference_mode():
        outline, classes = network(torch.zeros(1, 1, 64, 64))
    assert outline.shape == (1, 1, 64, 64) and classes.shape == (1, 3)


def test_a_network_of_another_kind_is_refused(copy: Path) -> None:
    path = copy / "configs" / "inference.json"
    path.write_text(path.read_text().replace("network.LesionNet", "network.Other"))
    write_sums(copy)
    with pytest.raises(ModelError, match=r"does not define .*LesionNet"):
        load_bundle(copy).network_arguments()
