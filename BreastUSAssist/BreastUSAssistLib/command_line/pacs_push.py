"""`breastusassist pacs push`: SEG and SR of an accepted case to a node."""

import argparse
import hashlib
from pathlib import Path
from typing import Any

from .arguments import print_json, tell
from .pacs_arguments import add_node_argument, connect, node_of, part
from .pacs_outbox import add_outbox_argument, as_json, opened_outbox, send


def add_to(parts: Any) -> None:
    """Add the part."""
    parser = part(parts, "push", run, "send segmentation and report of an accepted case", "--node archive results/case")
    add_node_argument(parser)
    parser.add_argument(
        "inputs", nargs="+", type=Path, metavar="CASE", help="folder of an exported case, or its seg.dcm and sr.dcm"
    )
    parser.add_argument("--drafts", action="store_true", help="send also what no reader has accepted")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="put the cases into the outbox first, where they wait while the node is down",
    )
    add_outbox_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Send what the node does not have; 3 when it did not take or keep all of it."""
    return _run_kept(options) if options.keep else _run(options)


def _run_kept(options: argparse.Namespace) -> int:
    from . import BAD_INPUT, DONE

    node = node_of(options)
    with opened_outbox(options) as outbox:
        keys = []
        for case in options.inputs:
            key = key_of(accepted_uids(case, options.drafts), node.name)
            outbox.put(key, node.name, case, drafts=options.drafts)
            keys.append(key)
        left = sum(not send(options, outbox, key) for key in keys)
        if options.json:
            items = [item for item in map(outbox.get, keys) if item is not None]
            print_json({"node": node.name, "items": [as_json(item) for item in items]})
    if left:
        tell(f"{left} of {len(keys)} wait in the outbox; send them with `breastusassist pacs outbox --send`")
    return BAD_INPUT if left else DONE


def accepted_uids(case: Path, drafts: bool) -> list[str]:
    """SOP instance UIDs of what is to be sent of a case.

    Raises:
        UsageError, InputError: as `accepted_files`.
    """
    from ..service.pacs.acceptance import accepted_files

    return [file.sop_instance_uid for file in accepted_files([case], drafts=drafts)]


def key_of(uids: list[str], node: str) -> str:
    """Key of these objects for this node in the outbox: the same objects are never there twice."""
    return f"{hashlib.sha256(' '.join(sorted(uids)).encode()).hexdigest()[:32]}-{node}"


def _run(options: argparse.Namespace) -> int:
    from ..service.pacs.acceptance import accepted_files
    from ..service.pacs.pushing import push_files
    from . import BAD_INPUT, DONE

    files = accepted_files(options.inputs, drafts=options.drafts)
    node = node_of(options)
    with connect(node) as connection:
        pushed = push_files([file.path for file in files], connection)
    if options.json:
        objects = [
            {
                "file": str(file.path),
                "sop_instance_uid": outcome.sop_instance_uid,
                "state": outcome.state,
                "committed": outcome.sop_instance_uid in pushed.committed,
                "why": outcome.why or dict(pushed.not_committed).get(outcome.sop_instance_uid, ""),
            }
            for file, outcome in zip(files, pushed.outcomes, strict=True)
        ]
        print_json({"node": node.name, "objects": objects, "complete": pushed.complete})
    tell(f"{node.name}: {pushed.words}")
    return DONE if pushed.complete else BAD_INPUT
