"""`breastusassist pacs push`: SEG and SR of an accepted case to a node."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import print_json, tell
from .pacs_arguments import add_node_argument, connect, node_of, part


def add_to(parts: Any) -> None:
    """Add the part."""
    parser = part(parts, "push", run, "send segmentation and report of an accepted case", "--node archive results/case")
    add_node_argument(parser)
    parser.add_argument(
        "inputs", nargs="+", type=Path, metavar="CASE", help="folder of an exported case, or its seg.dcm and sr.dcm"
    )
    parser.add_argument("--drafts", action="store_true", help="send also what no reader has accepted")


def run(options: argparse.Namespace) -> int:
    """Send what the node does not have; 3 when it did not take or keep all of it."""
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
