"""`breastusassist demo`: the whole main job on cases that the project makes itself."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import add_model_arguments, add_reader_argument, predictor_of, print_json, reader_of, subcommand, tell


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "demo",
        run,
        "make phantoms and run the whole main job on them",
        "breastusassist demo --out demo-output",
    )
    parser.add_argument("--out", type=Path, default=Path("demo-output"), metavar="DIR", help="default: demo-output")
    add_model_arguments(parser)
    add_reader_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the demo."""
    from datetime import UTC, datetime

    from ..birads.analysis import NOTICE
    from ..birads.describe import new_uid
    from ..service.demo import demo_table, run_demo
    from . import DONE

    cases = run_demo(
        options.out,
        predictor_of(options),
        reader_of(options),
        now=lambda: datetime.now(UTC).astimezone(),
        new_uid=new_uid,
        tell=tell,
    )
    if options.json:
        print_json(
            [
                {
                    "case": c.analysis.case,
                    "folder": str(c.folder),
                    "dice": round(c.dice, 4),
                    "corrected_dice": c.corrected_dice,
                    "label": c.label,
                }
                for c in cases
            ]
        )
    tell("")
    tell(demo_table(cases))
    tell("")
    tell(NOTICE)
    tell(f"Open {(cases[0].folder / 'report.html').resolve()} in a browser.")
    return DONE
