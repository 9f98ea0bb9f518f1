"""Requests about the list of PACS nodes. No answer holds a password or token."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, UsageError
from .worker_pacs_connection import chosen_node
from .worker_pacs_outbox import outbox_items

if TYPE_CHECKING:
    from ..dicom.network.nodes import PacsNode
    from .worker_requests import Attend, Progress, Worksite


def pacs_nodes(
    arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend"
) -> dict[str, Any]:
    """The nodes, and what the outbox holds.

    Args:
        arguments: `outbox` folder, or nothing for the usual one.
        site, progress, attend: as of every request.

    Returns:
        `nodes` as `node_form` gives them; `file` that names them; `problem` sentence where it cannot be read; `items`
        as `pacs_outbox` gives them.
    """
    from ..dicom.network.nodes import default_nodes_file, load_nodes

    path, problem, nodes = default_nodes_file(), "", []
    try:
        nodes = [node_form(node) for node in load_nodes(path).values()]
    except InputError as error:
        problem = str(error)
    return {"nodes": nodes, "file": str(path), "problem": problem, "items": outbox_items(arguments)}


def pacs_keep_node(
    arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend"
) -> dict[str, Any]:
    """Write a node into the list, its password or token into the keyring; answers as `pacs_nodes`.

    Args:
        arguments: `node` as `node_form` gives it; `secret`, empty to leave the one that is there; `before` name of the
            node whose place it takes, empty for a new one; `outbox` as of `pacs_nodes`.
        site, progress, attend: as of every request.

    Raises:
        UsageError: a field is wrong, the name is taken, or there is no keyring.
        InputError, OutputError: the list cannot be read or written.
    """
    from ..dicom.network.nodes import default_nodes_file, load_nodes, remove_node, save_node
    from ..dicom.network.secrets import SecretStore

    path, secrets = default_nodes_file(), SecretStore()
    known, before = load_nodes(path), str(arguments.get("before") or "")
    replaced = known.get(before)
    node = node_of_form(arguments.get("node"), replaced)
    if node.name != before and node.name in known:
        raise UsageError(f"There is a node {node.name} already; choose another name.")
    secret = str(arguments.get("secret") or "")
    moved = replaced is not None and (replaced.name, replaced.place) != (node.name, node.place)
    if not secret and replaced is not None and moved and _keeps_secret(replaced, node):
        secret = (secrets.has_secret(replaced) and secrets.read_secret(replaced)) or ""
    if secret and node.secret_kind is not None:
        secrets.keep_secret(node, secret)
    if replaced is not None and node.name != before:
        remove_node(path, before)
    save_node(path, node)
    problem = _forgotten(replaced) if replaced is not None and moved else ""
    told = pacs_nodes(arguments, site, progress, attend)
    return {**told, "problem": told["problem"] or problem}


def pacs_remove_node(
    arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend"
) -> dict[str, Any]:
    """Take the node `name` off the list, and its password out of the keyring; answers as `pacs_nodes`."""
    from ..dicom.network.nodes import default_nodes_file, remove_node

    node = chosen_node(arguments.get("name"))
    remove_node(default_nodes_file(), node.name)
    problem = _forgotten(node)
    told = pacs_nodes(arguments, site, progress, attend)
    return {**told, "problem": told["problem"] or problem}


def node_form(node: "PacsNode") -> dict[str, Any]:
    """A node as a form shows it, flat and without its secret, which is not looked for: a keyring may ask a person."""
    web, dimse = node.web, node.dimse
    tls = dimse.tls if dimse is not None else None
    return {
        "name": node.name,
        "place": node.place,
        "way": "both" if web and dimse else "web" if web else "dimse",
        **({"url": web.url, "auth": web.auth, "user": web.user or ""} if web else {}),
        **(
            {
                "host": dimse.host,
                "port": dimse.port,
                "ae_title": dimse.ae_title,
                "calling_ae_title": dimse.calling_ae_title,
                "retrieve": dimse.retrieve,
                "tls": tls is not None,
            }
            if dimse
            else {}
        ),
        **({"listening_port": dimse.listening_port} if dimse and dimse.listening_port else {}),
        **{key: str(_certificate(node, key) or "") for key in ("ca_file", "certificate", "key")},
    }


def node_of_form(form: object, before: "PacsNode | None" = None) -> "PacsNode":
    """The node that a form describes; what the form has no field for stays as in the node `before`.

    Raises:
        UsageError: a field is wrong; names it.
    """
    from pydantic import ValidationError

    from ..dicom.network.nodes import PacsNode

    values: dict[str, Any] = dict(form) if isinstance(form, Mapping) else {}
    kept = before.model_dump(mode="json", exclude_defaults=True, exclude_none=True) if before is not None else {}
    certificates = {key: values[key] for key in ("ca_file", "certificate", "key") if values.get(key)}
    web = dimse = None
    if values.get("way") in ("web", "both"):
        trusted = certificates if values.get("auth") == "certificate" else _only(certificates, "ca_file")
        web = {
            **_only(kept.get("web", {}), "unencrypted"),
            "url": values.get("url"),
            "auth": values.get("auth"),
            **trusted,
        }
        if values.get("auth") == "basic":
            web["user"] = values.get("user")
    if values.get("way") in ("dimse", "both"):
        named = _only(values, "host", "port", "ae_title", "calling_ae_title", "retrieve")
        dimse = {**_only(kept.get("dimse", {}), "move_destination", "listening_address", "listening_port"), **named}
        if values.get("retrieve") == "move":
            dimse["listening_port"] = values.get("listening_port")
        if values.get("tls"):
            dimse["tls"] = certificates
    parts = {"web": web, "dimse": dimse}
    fields = {"name": values.get("name"), **_only(kept, "timeouts", "retries"), **parts}
    try:
        return PacsNode.model_validate(fields)
    except ValidationError as error:
        raise UsageError(_fault(error)) from None


def _fault(error: Any) -> str:
    """The first fault of a form, without what was typed: it could be a password in the wrong field."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "node"
    if field == "name":
        return "A node's name is of letters, digits, dashes and underscores; choose another name."
    return f"{field}: {first['msg'].removeprefix('Value error, ')}; correct it, then keep the node again."


def _certificate(node: "PacsNode", key: str) -> Path | None:
    tls = node.dimse.tls if node.dimse is not None else None
    found = [getattr(part, key) for part in (node.web, tls) if part is not None]
    return next((path for path in found if path is not None), None)


def _only(values: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: values[key] for key in keys if key in values}


def _forgotten(node: "PacsNode") -> str:
    """Take the secret of a node out of the keyring; a sentence where that cannot be done."""
    from ..dicom.network.secrets import SecretStore

    if node.secret_kind is None:
        return ""
    try:
        SecretStore().forget_secret(node)
    except UsageError as error:
        return str(error)
    return ""


def _keeps_secret(before: "PacsNode", after: "PacsNode") -> bool:
    """Whether a secret entered for a node is good for what it became: the same computer, asked in the same way."""
    return (before.place, before.secret_kind) == (after.place, after.secret_kind)
