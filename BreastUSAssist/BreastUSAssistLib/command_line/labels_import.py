"""`breastusassist labels import`: masks from outside into a label store."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .arguments import add_declared_argument, existing_folder, print_json, show_progress, tell

Part = Callable[..., argparse.ArgumentParser]
_STEP = 100
"""Lines of progress where standard error is no terminal."""


def add_to(parts: Any, part: Part) -> None:
    """Add the command."""
    parser = part(
        parts, "import", run, "import images and masks that a table lists", "--manifest data/manifest.csv --root data"
    )
    parser.add_argument(
        "--manifest", type=Path, required=True, metavar="CSV", help="one row an image; only `image` is required"
    )
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="folder that the manifest's paths start from"
    )
    parser.add_argument(
        "--no-pixels", action="store_true", help="leave the images out: smaller, but nothing can be trained from it"
    )
    add_declared_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Import; 3 when rows could not be read, each named, the good ones imported."""
    from ..labels.picture_gate import PictureGate
    from ..labels.store import LabelStore
    from ..service.label_import import import_manifest
    from . import BAD_INPUT, DONE

    root = existing_folder(options.root, "--root")
    with LabelStore.open(options.store) as store:
        report = import_manifest(
            store,
            options.manifest,
            root,
            keep_pixels=not options.no_pixels,
            gate=PictureGate(options.deidentified),
            progress=_show_progress,
        )
    for sentence in report.notes:
        tell(f"note: {sentence}")
    for sentence in report.bad:
        tell(f"breastusassist: {sentence}")
    counts = {"added": report.added, "there": report.there, "kept": report.kept, "bad": len(report.bad)}
    if options.json:
        print_json({"store": str(options.store), **counts, "problems": report.bad, "notes": report.notes})
    else:
        kept = f", {report.kept} left as a reader has them" if report.kept else ""
        bad = f", {len(report.bad)} could not be imported" if report.bad else ""
        print(f"{report.added} images imported, {report.there} were there already{kept}{bad}.")
    return BAD_INPUT if report.bad else DONE


def _show_progress(done: int, total: int) -> None:
    import sys

    if sys.stderr.isatty():
        show_progress(done, total)
    elif done % _STEP == 0 and done < total:
        tell(f"{done}/{total}")
