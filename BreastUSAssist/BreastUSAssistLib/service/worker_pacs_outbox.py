"""Requests that send SEG and SR of accepted cases, through an outbox on disk that outlives a PACS that is down."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, UsageError
from .worker_pacs_connection import chosen_node, connected

if TYPE_CHECKING:
    from .pacs.outbox import Outbox, OutboxItem
    from .worker_requests import Attend, Progress, Worksite

MOST_TOLD = 500
"""Items of an outbox that an answer lists, beside those that wait."""


def pacs_push(arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend") -> dict[str, Any]:
    """Send SEG and SR of an accepted case, from the outbox alone: the same decision never makes a second object.

    Args:
        arguments: `key` of the decision; `node` name; `case_folder` of the exported case, or nothing: then only what
            the outbox has is sent; `outbox` as of `pacs_nodes`.
        site: of this process.
        progress: told when it begins.
        attend: called between files.

    Returns:
        `needs_files` True where the outbox has nothing of this decision and no folder was given; else `items`, see
        `pacs_outbox`, and `problem`. A node that cannot be reached is no error: the item waits, and says why.

    Raises:
        UsageError: the case is not accepted, or there is no such node.
        InputError, OutputError: a file is damaged, or the outbox cannot be written.
    """
    problem = ""
    node, key = chosen_node(arguments.get("node")), str(arguments.get("key") or "")
    with _outbox(arguments) as outbox:
        item = outbox.get(f"{key}-{node.name}")
        if item is None:
            made, handed = _made_before(outbox, key), arguments.get("case_folder")
            if made is None and not handed:
                return {"needs_files": True}
            # What the outbox has of the decision for another node was checked when it was put there.
            folder = made or Path(str(handed))
            item = outbox.put(f"{key}-{node.name}", node.name, folder, drafts=made is not None)
        if item.state == "waiting":
            progress(0, len(item.files), "sending")
            problem = _send(outbox, [item], attend)
        return {"items": _shown_items(outbox), "problem": problem}


def pacs_outbox(
    arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend"
) -> dict[str, Any]:
    """Send what waits.

    Args:
        arguments: `send` "all", "due" (what may be tried by now) or nothing (look only); `outbox` as of `pacs_nodes`.
        site, progress: as of every request.
        attend: called between files.

    Returns:
        `items` objects with key (of the decision), node, state (waiting, sent, failed), words, next_try (seconds since
        1970, or None) and attempts; `problem` sentence about what could not be tried, or "".
    """
    with _outbox(arguments) as outbox:
        due = outbox.waiting()
        if arguments.get("send") == "due":
            due = tuple(one for one in due if (one.next_try or 0) <= time.time())
        problem = _send(outbox, due, attend) if arguments.get("send") else ""
        return {"items": _shown_items(outbox), "problem": problem}


def outbox_items(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the outbox holds; nothing is made where there is none."""
    from .pacs.outbox import default_outbox

    folder = Path(str(arguments["outbox"])) if arguments.get("outbox") else default_outbox()
    if not folder.is_dir():
        return []
    with _outbox(arguments) as outbox:
        return _shown_items(outbox)


def _shown_items(outbox: "Outbox") -> list[dict[str, Any]]:
    """What waits, and of the rest the latest."""
    items = outbox.items()
    told = [one for one in items[:-MOST_TOLD] if one.state == "waiting"] + list(items[-MOST_TOLD:])
    return [
        {
            "key": one.key.removesuffix(f"-{one.node}"),
            "node": one.node,
            "state": one.state,
            "words": one.words,
            "next_try": one.next_try,
            "attempts": one.attempts,
        }
        for one in told
    ]


def _made_before(outbox: "Outbox", key: str) -> Path | None:
    """Folder of what was made of a decision for whatever node: another node gets the same objects."""
    found = [one for one in outbox.items() if one.key == f"{key}-{one.node}" and one.files]
    return found[0].files[0].parent if found else None


def _send(outbox: "Outbox", items: "Sequence[OutboxItem]", attend: Callable[[], None]) -> str:
    """Try items; what a node does not take stays, with the reason in the item. One that does not answer is asked once.

    Returns:
        A sentence about what could not be tried; empty where there is none.
    """
    from ..dicom.network.errors import NodeError

    down: set[str] = set()
    problem = ""
    for item in items:
        if item.node in down:
            continue
        attend()
        try:
            with connected(item.node, attempts=2) as connection:
                outbox.send(item.key, connection, attend=attend)
        except NodeError:
            # The sentence stands in the item.
            down.add(item.node)
        except (UsageError, InputError) as error:
            # No such node any more, its password is gone, another program sends the item, or its file is damaged.
            problem = problem or str(error)
    return problem


def _outbox(arguments: Mapping[str, Any]) -> "Outbox":
    """The outbox that a request names, or the usual one."""
    from .pacs.outbox import Outbox, default_outbox

    named = arguments.get("outbox")
    return Outbox(Path(str(named)) if named else default_outbox())
