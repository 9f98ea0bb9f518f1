"""`breastusassist labels deidentify`: evidence for pictures that a label store took before it asked for any."""

import argparse
from collections.abc import Callable
from typing import Any

from .arguments import add_declared_argument, print_json, show_progress, tell

Part = Callable[..., argparse.ArgumentParser]


def add_to(parts: Any, part: Part) -> None:
    """Add the command."""
    parser = part(
        parts, "deidentify", run, "clean stored pictures that nothing is known of, or declare them de-identified"
    )
    add_declared_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Clean; 3 when pictures did not pass or are damaged, each case named, the others done."""
    from ..labels.cleaning import clean_store
    from ..labels.picture_gate import PictureGate
    from ..labels.store import LabelStore
    from . import BAD_INPUT, DONE

    with LabelStore.open(options.store) as store:
        report = clean_store(store, PictureGate(options.deidentified), show_progress)
    for sentence in report.bad:
        tell(f"breastusassist: {sentence}")
    if options.json:
        counts = {"passed": report.passed, "there": report.there, "failures": report.bad}
        print_json({"store": str(options.store), **counts})
    else:
        bad = f", {len(report.bad)} did not pass" if report.bad else ""
        print(f"Pictures of {len(report.passed)} cases passed, {report.there} cases needed nothing{bad}.")
    return BAD_INPUT if report.bad else DONE
