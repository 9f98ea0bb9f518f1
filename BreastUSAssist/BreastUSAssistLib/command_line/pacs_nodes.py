"""`breastusassist pacs nodes`: list, add and remove nodes; passwords go into the keyring."""

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .arguments import print_json, tell
from .pacs_arguments import node_of, nodes_file, part, positive

if TYPE_CHECKING:
    from ..dicom.network.nodes import PacsNode


def add_to(parts: Any) -> None:
    """Add the part with its own parts."""
    parser = part(parts, "nodes", run_list, "list, add or remove nodes", "")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")
    added = part(actions, "add", run_add, "add a node, or replace the one of that name", "")
    added.epilog = (
        "example:\n  breastusassist pacs nodes add archive --url https://pacs.example/dicom-web --auth basic --user me"
    )
    added.add_argument("name", metavar="NAME", help="short name of the node")
    web = added.add_argument_group("DICOMweb")
    web.add_argument("--url", help="root of the service, such as https://pacs.example/dicom-web")
    web.add_argument("--auth", choices=("none", "basic", "bearer", "certificate"), default="none")
    web.add_argument("--user", help="user name, for --auth basic")
    dimse = added.add_argument_group("DICOM (DIMSE)")
    dimse.add_argument("--host")
    dimse.add_argument("--port", type=positive)
    dimse.add_argument("--ae-title", help="of the node")
    dimse.add_argument("--calling-ae-title", metavar="TITLE", help="ours (default: BREASTUSASSIST)")
    dimse.add_argument("--retrieve", choices=("get", "move"))
    dimse.add_argument("--move-destination", metavar="TITLE", help="our title as the node's C-MOVE knows it")
    dimse.add_argument("--listening-port", type=positive, help="here, for C-MOVE and for answers to commitments")
    dimse.add_argument("--listening-address", metavar="ADDRESS", help="here, on which that port is opened")
    dimse.add_argument("--tls", action="store_true", help="DICOM over TLS")
    both = added.add_argument_group("certificates (PEM)")
    both.add_argument("--ca-file", type=Path, help="authorities that sign for the node")
    both.add_argument("--certificate", type=Path, help="our own")
    both.add_argument("--key", type=Path, help="its private key")
    added.add_argument(
        "--secret-from-stdin", action="store_true", help="read the password or token from standard input, not asked"
    )
    removed = part(actions, "remove", run_remove, "remove a node and its password", "")
    removed.epilog = "example:\n  breastusassist pacs nodes remove archive"
    removed.add_argument("name", metavar="NAME")


def run_list(options: argparse.Namespace) -> int:
    """List the nodes, never their secrets."""
    from ..dicom.network.nodes import load_nodes
    from ..dicom.network.secrets import SecretStore
    from . import DONE

    file = nodes_file(options)
    nodes, secrets = load_nodes(file), SecretStore()
    if options.json:
        listed = [
            {**node.model_dump(mode="json", exclude_none=True), "has_secret": secrets.has_secret(node)}
            for node in nodes.values()
        ]
        print_json({"file": str(file), "nodes": listed})
    else:
        for node in nodes.values():
            missing = "" if secrets.has_secret(node) else f"  ({node.secret_kind} missing)"
            print(f"{node.name}  {_transports(node)}{missing}")
        tell(f"{len(nodes)} node{'' if len(nodes) == 1 else 's'} in {file}")
    return DONE


def run_add(options: argparse.Namespace) -> int:
    """Add a node; its secret is asked for and kept in the keyring."""
    from ..dicom.network.nodes import save_node
    from ..dicom.network.secrets import SecretStore, variable_of
    from . import DONE

    node = _node(options)
    kept = False
    secret = _secret(options, node)
    if secret is not None:
        SecretStore().keep_secret(node, secret)
        kept = True
    file = nodes_file(options)
    save_node(file, node)
    if options.json:
        print_json({"file": str(file), "node": node.model_dump(mode="json", exclude_none=True), "secret_kept": kept})
    tell(f"{node.name} is in {file}; try it: breastusassist pacs echo --node {node.name}")
    if node.secret_kind is not None and not kept:
        tell(f"No {node.secret_kind} was kept; set {variable_of(node)} where it is used.")
    return DONE


def run_remove(options: argparse.Namespace) -> int:
    """Remove a node; its secret goes from the keyring."""
    from ..dicom.network.nodes import remove_node
    from ..dicom.network.secrets import SecretStore
    from . import DONE

    node = node_of(options, options.name)
    remove_node(nodes_file(options), node.name)
    if options.json:
        print_json({"removed": node.name})
    tell(f"{node.name} was removed")
    if node.secret_kind is not None:
        SecretStore().forget_secret(node)
    return DONE


def _node(options: argparse.Namespace) -> "PacsNode":
    from pydantic import ValidationError

    from ..dicom.network.nodes import PacsNode, words_of

    certificates = {key: _certificate(options, key) for key in ("ca_file", "certificate", "key")}
    web = {"url": options.url, "auth": options.auth, "user": options.user, **certificates} if options.url else None
    names = ("host", "port", "ae_title", "calling_ae_title", "retrieve", "move_destination", "listening_port")
    dimse = {name: getattr(options, name) for name in (*names, "listening_address")}
    if not options.host and any(dimse.values()):
        raise UsageError("A DICOM (DIMSE) node needs --host, --port and --ae-title; give --host too.")
    if options.tls:
        dimse["tls"] = _given(certificates)
    try:
        return PacsNode.model_validate(
            {
                "name": options.name,
                "web": None if web is None else _given(web),
                "dimse": _given(dimse) if options.host else None,
            }
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(one) for one in first["loc"]) or "node"
        raise UsageError(f"{field}: {words_of(first)}.") from None


def _certificate(options: argparse.Namespace, key: str) -> Path | None:
    """Whole path of a file that is there: in the file of nodes, a path would be relative to that file's folder."""
    path = getattr(options, key)
    if path is None:
        return None
    found = Path(path).expanduser().absolute()
    if not found.is_file():
        raise UsageError(f"--{key.replace('_', '-')} {path} is not there; give a certificate or key as a PEM file.")
    return found


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _secret(options: argparse.Namespace, node: "PacsNode") -> str | None:
    """The password or token: from standard input, asked for at a terminal, or None without one."""
    if node.secret_kind is None:
        return None
    if options.secret_from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        return None
    return getpass.getpass(f"{node.secret_kind.capitalize()} of {node.name} (kept in the keyring): ") or None


def _transports(node: "PacsNode") -> str:
    parts = []
    if node.web is not None:
        parts.append(f"DICOMweb {node.web.url} ({node.web.auth})")
    if node.dimse is not None:
        secure = ", TLS" if node.dimse.tls else ""
        parts.append(f"DICOM {node.dimse.ae_title} at {node.dimse.host}:{node.dimse.port}{secure}")
    return ", ".join(parts)
