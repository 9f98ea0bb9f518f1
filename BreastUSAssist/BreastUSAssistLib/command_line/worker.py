"""`breastusassist worker`: what the Slicer module runs beside itself."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from .arguments import subcommand


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "worker",
        run,
        "answer the Slicer module, which runs this by itself: one JSON request a line on standard input",
        "breastusassist worker --exchange folder",
    )
    parser.add_argument(
        "--exchange",
        type=Path,
        metavar="DIR",
        help="folder for arrays (default: a new temporary one, removed at the end)",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until standard input ends."""
    from ..service.worker import run_worker
    from ..service.worker_protocol import EXCHANGE_PREFIX
    from . import DONE

    run_worker(options.exchange or Path(tempfile.mkdtemp(prefix=EXCHANGE_PREFIX)))
    return DONE
