"""`breastusassist evaluate`: a model scored on images with known truth."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import (
    add_model_arguments,
    existing_folder,
    folds_of,
    predictor_of,
    print_json,
    show_progress,
    subcommand,
    tell,
)


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "evaluate",
        run,
        "score a model on images with masks and pathology",
        "breastusassist evaluate --manifest data/manifest.csv --root data --folds 4 --out metrics.json",
    )
    parser.add_argument(
        "--manifest", type=Path, required=True, metavar="CSV", help="one row an image; only `image` is required"
    )
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="folder that the manifest's paths start from"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="JSON", help="metrics file to write")
    parser.add_argument("--folds", type=folds_of, metavar="1,2,...", help="only these folds (default: all rows)")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N images, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap and of --limit (default: 0)")
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluate; 3 when rows of the manifest could not be read."""
    from datetime import UTC, datetime

    from .. import __version__
    from ..learning.evaluation import evaluate
    from ..learning.manifest import read_manifest
    from ..learning.metrics_file import write_metrics
    from ..learning.metrics_table import metrics_table
    from ..service.analyze import model_used
    from . import BAD_INPUT, DONE

    rows = read_manifest(options.manifest, existing_folder(options.root, "--root"))
    predictor = predictor_of(options)
    evaluation = evaluate(
        rows,
        predictor.predict,
        progress=show_progress,
        seed=options.seed,
        folds=options.folds,
        limit=options.limit,
        model=model_used(predictor),
        software=f"BreastUSAssist {__version__}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_metrics(options.out, evaluation)
    if options.json:
        print_json(evaluation.model_dump(mode="json"))
    else:
        print(metrics_table(evaluation))
    tell(f"written to {options.out}")
    unread = [left for left in evaluation.left_out if left.scores_missing == "all"]
    for left in unread:
        tell(left.reason)
    return BAD_INPUT if unread else DONE
