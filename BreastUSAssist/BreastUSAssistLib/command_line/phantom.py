"""`breastusassist phantom`: ultrasound of lesions with known truth, to try the rest on."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .arguments import print_json, subcommand, tell


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "phantom",
        run,
        "make ultrasound images of simulated lesions with true masks",
        "breastusassist phantom oval-circumscribed cine --out phantoms",
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names of cases (default: all)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for images, DICOM files and masks"
    )


def run(options: argparse.Namespace) -> int:
    """Make the phantoms."""
    from ..ultrasound.phantom import render, save_dicom, save_png, standard_cases
    from . import DONE

    known = standard_cases()
    unknown = [name for name in options.cases if name not in known]
    if unknown:
        raise UsageError(f"There is no phantom {unknown[0]!r}; choose from {', '.join(known)}.")
    written = {}
    for name in options.cases or known:
        phantom = render(known[name])
        paths = [save_dicom(phantom, options.out / f"{name}.dcm"), *save_png(phantom, options.out / name)]
        written[name] = [str(path) for path in paths]
        tell(f"{name}: {paths[0]}, and as PNG with true masks in {options.out / name}")
    if options.json:
        print_json(written)
    return DONE
