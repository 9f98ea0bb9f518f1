"""What a bundle's files may hold: ONNX, safetensors, JSON and text. Nothing that could run code when it is read."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..files import resource_path

LARGEST_FILE = 200 << 20
LARGEST_JSON = 8 << 20
LARGEST_HEADER = 4 << 20
"""Bytes of a safetensors header; a network of ours has some hundred tensors, about 60 kB."""
DEEPEST_JSON = 24
DEEPEST_GRAPH = 8

PICKLE_SUFFIXES = frozenset({".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib", ".npy", ".npz"})
_ZIP = b"PK\x03\x04"
_BYTES_PER_VALUE = {"BOOL": 1, "U8": 1, "I8": 1, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "F32": 4, "I32": 4, "U32": 4}
_BYTES_PER_VALUE |= {"F64": 8, "I64": 8, "U64": 8}


def shipped_names(kind: str) -> list[str]:
    """Names of the shipped bundles of a kind (outline, reader), by their metadata alone: nothing is opened."""
    names = []
    for path in sorted(resource_path("Models").glob("*/configs/metadata.json")):
        if read_json(path, path.read_bytes()).get("inference", {}).get("kind") == kind:
            names.append(path.parent.parent.name)
    return names


def refuse_pickles(relative: str) -> None:
    """Raise ModelError for a name under which pickles are kept: reading a pickle can run any code."""
    if Path(relative).suffix.lower() in PICKLE_SUFFIXES:
        raise ModelError(
            f"{relative} may hold a pickle, which can run code when it is loaded; use a bundle whose weights are .onnx "
            "and .safetensors files only."
        )


def check_content(path: Path, content: bytes) -> None:
    """Check that a bundle's file is what its name says.

    Raises:
        ModelError: it is not, is too large, or refers to other files.
    """
    suffix = path.suffix.lower()
    if path.parent.name == "models" and suffix not in (".onnx", ".safetensors"):
        raise ModelError(f"{path} is neither .onnx nor .safetensors; use a bundle that holds these only.")
    if suffix == ".onnx":
        check_onnx(path, content)
    elif suffix == ".safetensors":
        safetensors_header(path, content)
    elif suffix == ".json":
        read_json(path, content)


def read_json(path: Path, content: bytes) -> dict[str, Any]:
    """Parse a JSON object of bounded size and depth. Raises ModelError, naming the file."""
    if len(content) > LARGEST_JSON:
        raise ModelError(f"{path} is larger than {LARGEST_JSON >> 20} MB; install the model again.")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} holds no JSON; install the model again.") from error
    if not isinstance(found, dict) or _depth(found) > DEEPEST_JSON:
        raise ModelError(f"{path} holds no JSON object of an expected shape; install the model again.")
    return found


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level and depth <= DEEPEST_JSON:
        depth += 1
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        level = [child for part in parts for child in part]
    return depth


def safetensors_header(path: Path, content: bytes) -> dict[str, Any]:
    """Header of a safetensors file: 8 bytes of length, JSON, raw values (github.com/huggingface/safetensors).

    Returns:
        Description of each tensor by name, `__metadata__` left out.

    Raises:
        ModelError: it is something else (a pickle, say), is cut short, or its tensors do not fill it.
    """
    try:
        length = struct.unpack("<Q", content[:8])[0]
        if length > min(LARGEST_HEADER, len(content) - 8):
            raise ValueError("header longer than the file")
        header = json.loads(content[8 : 8 + length])
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        end = 0
        for entry in sorted(tensors.values(), key=lambda entry: int(entry["data_offsets"][0])):
            start, stop = entry["data_offsets"]
            values = 1
            for extent in entry["shape"]:
                values *= int(extent)
            if start != end or stop - start != values * _BYTES_PER_VALUE[entry["dtype"]]:
                raise ValueError("tensors overlap or leave gaps")
            end = stop
        if end != len(content) - 8 - length:
            raise ValueError("tensors do not fill the file")
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(_not_what_it_says(path, content, "safetensors")) from error
    return tensors


def _not_what_it_says(path: Path, content: bytes, kind: str) -> str:
    if content[:4] == _ZIP or (content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")):
        return f"{path} is no {kind} file but looks like a pickle, which can run code; use a bundle without pickles."
    return f"{path} is no {kind} file or is damaged; install the model again."


def check_onnx(path: Path, content: bytes) -> None:
    """Check that a file is an ONNX model that holds all of its weights itself.

    The protobuf is walked here (field numbers of onnx/onnx.proto3), because analysing needs no `onnx` package, and a
    tensor that names an external file would make the runtime read any file of this machine.

    Raises:
        ModelError: it is something else, is cut short, too large, or refers to another file.
    """
    if len(content) > LARGEST_FILE:
        raise ModelError(f"{path} is larger than {LARGEST_FILE >> 20} MB; use a smaller model.")
    try:
        has_graph, external = _inspect_model(memoryview(content))
    except (ValueError, IndexError) as error:
        raise ModelError(_not_what_it_says(path, content, "ONNX")) from error
    if not has_graph:
        raise ModelError(_not_what_it_says(path, content, "ONNX"))
    if external:
        raise ModelError(f"{path} keeps weights in another file; use a bundle whose ONNX files are complete.")


def _inspect_model(model: memoryview) -> tuple[bool, bool]:
    has_version = has_graph = external = False
    for field, value in _fields(model):
        has_version |= field == 1 and isinstance(value, int)
        if field == 7:  # ModelProto.graph
            has_graph = True
            external |= _graph_is_external(value, 0)
        elif field == 25:  # ModelProto.functions, whose nodes are field 7
            external |= any(_node_is_external(part, 0) for name, part in _fields(value) if name == 7)
    return has_version and has_graph, external


def _graph_is_external(graph: Any, depth: int) -> bool:
    if depth > DEEPEST_GRAPH:
        raise ValueError("graphs nested too deeply")
    for field, value in _fields(graph):
        if field == 1 and _node_is_external(value, depth):  # GraphProto.node
            return True
        if field == 5 and _tensor_is_external(value):  # GraphProto.initializer
            return True
        if field == 15 and _sparse_is_external(value):  # GraphProto.sparse_initializer
            return True
    return False


def _node_is_external(node: Any, depth: int) -> bool:
    for field, attribute in _fields(node):
        if field != 5:  # NodeProto.attribute
            continue
        for name, value in _fields(attribute):
            # AttributeProto: t 5, tensors 10, g 6, graphs 11, sparse_tensor 22, sparse_tensors 23
            if name in (5, 10) and _tensor_is_external(value):
                return True
            if name in (6, 11) and _graph_is_external(value, depth + 1):
                return True
            if name in (22, 23) and _sparse_is_external(value):
                return True
    return False


def _sparse_is_external(sparse: Any) -> bool:
    return any(_tensor_is_external(value) for field, value in _fields(sparse) if field in (1, 2))


def _tensor_is_external(tensor: Any) -> bool:
    """TensorProto.external_data is field 13, data_location field 14 (1: external)."""
    return any(field == 13 or (field == 14 and value == 1) for field, value in _fields(tensor))


def _fields(message: Any) -> Iterator[tuple[int, int | memoryview]]:
    """Fields of a protobuf message: numbers as int, the rest as bytes. Raises ValueError, IndexError."""
    if not isinstance(message, memoryview):
        raise ValueError("a message was expected")
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if kind == 2:
            size, position = _varint(message, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("no protobuf")
        if size > len(message) - position:
            raise ValueError("cut short")
        yield key >> 3, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("no number")
