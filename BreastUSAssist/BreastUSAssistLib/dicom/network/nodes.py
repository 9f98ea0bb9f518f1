"""The file of named nodes (TOML): read with the line and field of each fault, written with its comments kept."""

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...errors import InputError, UsageError
from ...files import write_text
from .node_settings import SCHEMA_VERSION, DimseService, PacsNode, Retries, Timeouts, TlsSettings, WebService
from .secrets import variable_part

__all__ = [
    "SCHEMA_VERSION",
    "DimseService",
    "PacsNode",
    "Retries",
    "Timeouts",
    "TlsSettings",
    "WebService",
    "default_nodes_file",
    "load_nodes",
    "node_named",
    "remove_node",
    "save_node",
    "words_of",
]

ENVIRONMENT = "BREASTUS_NODES"
_LARGEST = 2**16
_MOST_NODES = 200
_PATHS = ("ca_file", "certificate", "key")


def default_nodes_file(environment: Mapping[str, str] | None = None) -> Path:
    """The user's file of nodes: BREASTUS_NODES, else nodes.toml in the user's configuration folder."""
    known = os.environ if environment is None else environment
    if known.get(ENVIRONMENT):
        return Path(known[ENVIRONMENT]).expanduser()
    if sys.platform == "win32":
        base = Path(known.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(known.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "BreastUSAssist" / "nodes.toml"


def load_nodes(path: Path) -> dict[str, PacsNode]:
    """All nodes of a file, by name; none where there is no file. Paths in it are relative to its folder.

    Raises:
        InputError: not readable, not TOML, of a newer version, or a field is wrong; names line and field.
    """
    text = _text(path)
    if text is None:
        return {}
    content = _content(path, text)
    nodes = {name: _node(path, text, name, fields) for name, fields in content.items()}
    seen: dict[str, str] = {}
    for name in nodes:
        other = seen.setdefault(variable_part(name), name)
        if other != name:
            line = _line_of(text, ("nodes", name))
            raise InputError(f"{path}, line {line}: nodes {other} and {name} differ too little; rename one.")
    return nodes


def node_named(name: str, path: Path) -> PacsNode:
    """The node of this name.

    Raises:
        UsageError: there is none; names those that there are.
        InputError: as `load_nodes`.
    """
    nodes = load_nodes(path)
    if name in nodes:
        return nodes[name]
    known = f"known are {', '.join(sorted(nodes))}" if nodes else "it names none"
    raise UsageError(f"Node {name} is not in {path} ({known}); add it with `breastusassist pacs nodes add`.")


def save_node(path: Path, node: PacsNode) -> None:
    """Add `node`, or put it in the place of the one of its name; comments and other nodes stay as they are.

    Raises:
        InputError: what is there cannot be read; UsageError: the package tomlkit is missing, or the name is too close
            to another's; OutputError: the file cannot be written.
    """
    others = [name for name in load_nodes(path) if name != node.name]
    if variable_part(node.name) in map(variable_part, others):
        raise UsageError(f"There is a node whose name differs too little from {node.name}; choose another name.")
    tomlkit = _tomlkit()
    document = tomlkit.parse(_text(path) or "")
    document["schema_version"] = SCHEMA_VERSION
    if "nodes" not in document:
        document["nodes"] = tomlkit.table(is_super_table=True)
    fields = node.model_dump(mode="json", exclude_defaults=True, exclude_none=True, exclude={"name"})
    document["nodes"][node.name] = fields
    write_text(path, tomlkit.dumps(document))


def remove_node(path: Path, name: str) -> None:
    """Take a node out of the file; its secret is removed by `SecretStore.forget_secret`.

    Raises:
        UsageError: there is none of this name; InputError, OutputError: as `save_node`.
    """
    node_named(name, path)
    document = _tomlkit().parse(_text(path) or "")
    del document["nodes"][name]
    write_text(path, _tomlkit().dumps(document))


def _tomlkit() -> Any:
    try:
        import tomlkit
    except ImportError as error:
        raise UsageError("Changing the file of nodes needs tomlkit; install breastusassist[pacs].") from error
    return tomlkit


def _text(path: Path) -> str | None:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path} is too large for a file of nodes; choose another with --nodes.")
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it as UTF-8, or choose another file with --nodes.") from error
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); choose another file with --nodes.") from error


def _content(path: Path, text: str) -> dict[str, dict[str, Any]]:
    """Fields of each node, the frame around them checked."""
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"\(at (line \d+), column (\d+)\)", str(error))
        place = f", {found[1]}, column {found[2]}" if found else ""
        # Without tomllib's own words: they may quote what stands there.
        raise InputError(f"{path}{place}: this is not TOML; see the example in the documentation.") from None
    version = content.pop("schema_version", SCHEMA_VERSION)
    if not isinstance(version, str) or version.split(".")[0] != SCHEMA_VERSION.split(".", maxsplit=1)[0]:
        line = _line_of(text, ("schema_version",))
        raise InputError(f"{path}, line {line}: schema_version {version} is not known here; update BreastUSAssist.")
    nodes = content.pop("nodes", {})
    for other in content:
        raise InputError(f"{path}, line {_line_of(text, (other,))}: {other} is not known; nodes are [nodes.NAME.web].")
    if not isinstance(nodes, dict) or not all(isinstance(fields, dict) for fields in nodes.values()):
        raise InputError(f"{path}, line {_line_of(text, ('nodes',))}: nodes are tables, as [nodes.NAME.web].")
    if len(nodes) > _MOST_NODES:
        raise InputError(f"{path} names more than {_MOST_NODES} nodes; split it into files for --nodes.")
    return nodes


def _node(path: Path, text: str, name: str, fields: dict[str, Any]) -> PacsNode:
    try:
        return PacsNode.model_validate({"name": name, **_resolved(fields, path.parent)})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = tuple(str(part) for part in fault["loc"])
        line = _line_of(text, ("nodes", name, *place))
        words = words_of(fault)
        field = ".".join(("nodes", name, *place))
        raise InputError(f"{path}, line {line}, {field}: {words}.") from None


def words_of(fault: Mapping[str, Any]) -> str:
    """What is wrong with a field, for somebody who does not know pydantic; `fault` is one of its errors."""
    known = {
        "missing": "is missing; give it",
        "extra_forbidden": "is no known field; check its spelling",
        "less_than_equal": "is too large",
        "greater_than_equal": "is too small",
        "greater_than": "is too small",
        "int_parsing": "must be a whole number",
        "int_type": "must be a whole number",
        "string_type": "must be text, in quotation marks",
        "string_pattern_mismatch": "must be letters, digits, - or _, at most 64",
    }
    return known.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")


def _resolved(fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The fields with the paths of files as seen from here."""
    found: dict[str, Any] = {}
    for key, value in fields.items():
        if isinstance(value, dict):
            found[key] = _resolved(value, folder)
        elif key in _PATHS and isinstance(value, str):
            found[key] = str(folder / Path(value).expanduser())
        else:
            found[key] = value
    return found


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """1-based line on which the deepest part of `keys` that there is first appears.

    Whatever way the table is written (headers, dotted keys, inline): the first lines that are TOML and have it.
    """
    lines = text.splitlines(keepends=True)
    whole = tomllib.loads(text)
    while len(keys) > 1 and not _has(whole, keys):
        keys = keys[:-1]
    for count in range(1, len(lines) + 1):
        try:
            if _has(tomllib.loads("".join(lines[:count])), keys):
                return count
        except tomllib.TOMLDecodeError:
            continue
    return len(lines)


def _has(content: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            return False
        content = content[key]
    return True
