"""`breastusassist evaluate`: models scored on images with known truth."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .arguments import (
    add_model_arguments,
    add_reader_argument,
    existing_folder,
    folds_of,
    predictor_of,
    print_json,
    reader_of,
    show_progress,
    subcommand,
    tell,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..birads.analysis import ModelUsed
    from ..learning.evaluation import Predict, ScoredImages
    from ..learning.evaluation_result import Evaluation
    from ..learning.judgement import Judge
    from ..learning.manifest import ManifestRow


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
    parser.add_argument(
        "--subgroups",
        type=_names,
        metavar="NAME,...",
        help="device, pathology, size, area, birads, age, or other columns of the manifest (default: these six)",
    )
    parser.add_argument("--per-image", type=Path, metavar="CSV", help="write ids and scores of every image")
    parser.add_argument(
        "--page",
        type=Path,
        metavar="PNG|HTML",
        help="write a page of the worst, best and random predictions; it shows images of the data set",
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write plots as PNG and SVG (needs matplotlib)")
    add_model_arguments(parser)
    add_reader_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluate; 3 when rows of the manifest could not be read."""
    from datetime import UTC, datetime

    from .. import __version__
    from ..learning.asked_figures import asked_figures, asked_table
    from ..learning.evaluation import score_images, summarise
    from ..learning.manifest import read_manifest
    from ..learning.metrics_file import write_metrics
    from ..learning.metrics_table import metrics_table
    from ..learning.subgroups import SUBGROUPS
    from ..service.analyze import model_used
    from . import BAD_INPUT, DONE

    _check_before_work(options)
    rows = read_manifest(options.manifest, existing_folder(options.root, "--root"))
    predictor = predictor_of(options)
    judge, reader_used = _reader(options)
    scored = score_images(
        rows,
        predictor.predict,
        judge=judge,
        progress=show_progress,
        seed=options.seed,
        folds=options.folds,
        limit=options.limit,
    )
    evaluation = summarise(
        scored,
        subgroups=options.subgroups or SUBGROUPS,
        model=model_used(predictor),
        reader=reader_used,
        software=f"BreastUSAssist {__version__}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_metrics(options.out, evaluation)
    if options.json:
        print_json(evaluation.model_dump(mode="json"))
    else:
        print(metrics_table(evaluation))
        if asked := asked_figures(evaluation):
            print(asked_table(asked))
    tell(f"written to {options.out}")
    _write_more(options, rows, predictor.predict, scored, evaluation)
    for name in options.subgroups or ():
        if name not in evaluation.subgroups:
            tell(f"no image has a {name}, so there is no such subgroup; the manifest's columns are the names")
    unread = [left for left in evaluation.left_out if left.scores_missing == "all"]
    for left in unread:
        tell(left.reason)
    return BAD_INPUT if unread else DONE


def _write_more(
    options: argparse.Namespace,
    rows: "Sequence[ManifestRow]",
    predict: "Predict",
    scored: "ScoredImages",
    evaluation: "Evaluation",
) -> None:
    """What was asked for beside the metrics."""
    if options.per_image:
        from ..learning.per_image import write_per_image

        write_per_image(options.per_image, scored.scores)
        tell(f"scores of single images written to {options.per_image}")
    if options.plots:
        from ..learning.figures import write_plots

        written = write_plots(options.plots, evaluation)
        tell(f"{len(written)} plots written to {options.plots}")
    if options.page:
        from ..learning.prediction_page import chosen_sections, write_page

        write_page(options.page, chosen_sections(scored.scores, options.seed), rows, predict)
        tell(f"page of predictions written to {options.page}; it shows images of the data set, so mind their terms")


def _check_before_work(options: argparse.Namespace) -> None:
    """Refuse what would fail only after the long part."""
    from importlib.util import find_spec

    if options.page and options.page.suffix.lower() not in (".png", ".html"):
        raise UsageError(f"--page {options.page} is no page that can be written; end its name in .png or .html.")
    if options.plots and find_spec("matplotlib") is None:
        raise UsageError("--plots needs matplotlib; run `pip install 'breastusassist[plots]'`.")


def _reader(options: argparse.Namespace) -> "tuple[Judge | None, ModelUsed | None]":
    """The lesion reader as a judge, and which it is; None twice without one."""
    from ..learning.judgement import reader_judge
    from ..service.analyze import model_used

    reader = reader_of(options)
    return (None, None) if reader is None else (reader_judge(reader), model_used(reader))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in text.split(",") if name.strip())
