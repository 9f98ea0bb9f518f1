"""`breastusassist pacs outbox`: accepted results that wait for a node, listed and sent."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BreastUSAssistError, UsageError
from .arguments import print_json, tell
from .pacs_arguments import connect, node_of, part

if TYPE_CHECKING:
    from ..service.pacs.outbox import Outbox, OutboxItem


def add_to(parts: Any) -> None:
    """Add the part."""
    parser = part(parts, "outbox", run, "list the results that wait for a node, send them, or give one up", "--send")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--send", action="store_true", help="try all that wait once")
    what.add_argument("--drop", metavar="KEY", help="take one out, sent or not; its case folder stays as it is")
    add_outbox_argument(parser)


def add_outbox_argument(parser: argparse.ArgumentParser) -> None:
    """--outbox."""
    parser.add_argument(
        "--outbox",
        type=Path,
        metavar="DIR",
        help="folder of the outbox (default: BREASTUS_OUTBOX, else outbox/ beside the file of nodes)",
    )


def opened_outbox(options: argparse.Namespace) -> "Outbox":
    """The outbox that is used."""
    from ..service.pacs.outbox import Outbox, default_outbox

    return Outbox(options.outbox or default_outbox())


def run(options: argparse.Namespace) -> int:
    """List, send or drop; 3 when something still waits after a try, or was not taken."""
    from . import BAD_INPUT, DONE

    with opened_outbox(options) as outbox:
        if options.drop is not None:
            if outbox.get(options.drop) is None:
                raise UsageError(
                    f"There is no {options.drop} in the outbox; `breastusassist pacs outbox` lists its keys."
                )
            outbox.remove(options.drop)
        waiting = [one.key for one in outbox.waiting()]
        left = sum(not send(options, outbox, key) for key in waiting) if options.send else 0
        items = outbox.items()
    if options.json:
        print_json({"items": [as_json(item) for item in items]})
    else:
        for item in items:
            print("  ".join(filter(None, (item.key, item.node, item.state, item.words))))
    tell(f"{sum(item.state == 'waiting' for item in items)} of {len(items)} waiting")
    return BAD_INPUT if left else DONE


def send(options: argparse.Namespace, outbox: "Outbox", key: str) -> bool:
    """Try one item once, and tell; whether it is sent."""
    item = outbox.get(key)
    assert item is not None
    try:
        with connect(node_of(options, item.node)) as connection:
            tell(f"{item.node}: {outbox.send(key, connection).words}")
    except BreastUSAssistError as error:
        tell(f"breastusassist: {error}")
        return False
    return True


def as_json(item: "OutboxItem") -> dict[str, Any]:
    """What is told of an item."""
    return {
        "key": item.key,
        "node": item.node,
        "state": item.state,
        "attempts": item.attempts,
        "words": item.words,
        "objects": [{"sop_instance_uid": uid, "outcome": outcome} for uid, outcome in item.outcomes],
    }
