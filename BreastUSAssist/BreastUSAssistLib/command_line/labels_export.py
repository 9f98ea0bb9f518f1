"""`breastusassist labels export`: a view of a label store in the form of another program."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .arguments import print_json, show_progress, tell

if TYPE_CHECKING:
    from ..labels.export_query import ExportQuery

FORMATS = ("monai-label", "nnunet", "datalist", "coco", "seg", "csv")
KINDS = ("accepted", "imported", "rejected", "autosaved")
Part = Callable[..., argparse.ArgumentParser]


def add_to(parts: Any, part: Part) -> None:
    """Add the command."""
    parser = part(
        parts,
        "export",
        run,
        "write the labels in the form of another program",
        "--format nnunet --split 0.2 --out nnUNet_raw/Dataset101_BreastUS",
    )
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--format", choices=FORMATS, help="what to write")
    asked.add_argument("--query", type=Path, metavar="JSON", help="query.json of an earlier export, to make it again")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    parser.add_argument(
        "--kinds",
        type=_kinds,
        default=("accepted", "imported"),
        metavar="KIND,...",
        help=f"cases whose latest version is one of these, among {', '.join(KINDS)} (default: accepted,imported)",
    )
    parser.add_argument(
        "--split", type=_share, default=0.0, metavar="SHARE", help="share of the patients held back (default: 0)"
    )
    parser.add_argument(
        "--folds", type=int, default=5, metavar="N", help="folds by patient that the others fall into (default: 5)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of split and folds (default: 0)")
    parser.add_argument(
        "--include-disputed", action="store_true", help="export cases in dispute too, as their last reader left them"
    )
    parser.add_argument(
        "--head", metavar="NUMBER:HASH", help="labels up to this entry of the audit trail (default: all)"
    )
    parser.add_argument("--replace", action="store_true", help="replace an earlier export in --out")


def run(options: argparse.Namespace) -> int:
    """Export; 3 when a record is damaged, each named, the good ones exported."""
    from ..labels.exporting import export_labels
    from ..labels.store import LabelStore
    from ..service.label_export import WRITERS
    from . import BAD_INPUT, DONE

    query, made_on = _query(options)
    with LabelStore.open(options.store, read_only=True) as store:
        if made_on not in (None, store.header.id):
            raise UsageError(f"{options.query} is of another label store; name that one with --store.")
        done = export_labels(
            store, options.out, query, WRITERS[query.format], replace=options.replace, progress=show_progress
        )
    record, counts = done.record, done.record.counts
    for sentence in done.damaged:
        tell(f"breastusassist: {sentence}")
    for note in record.notes:
        tell(f"note: {note}")
    if options.json:
        summary = record.model_dump(mode="json", exclude={"records"})
        print_json({"out": str(options.out), **summary, "damaged": list(done.damaged)})
    else:
        held = f", {counts.test} of them held back" if record.query.split else ""
        print(
            f"{counts.cases} cases of {counts.patients} patients{held}, {counts.lesions} lesions in {counts.frames} "
            f"frames written to {options.out}."
        )
    return BAD_INPUT if done.damaged else DONE


def _query(options: argparse.Namespace) -> "tuple[ExportQuery, str | None]":
    """The query, and the id of the store that it must be put to."""
    from pydantic import ValidationError

    from ..labels.export_query import ExportQuery, read_export

    if options.query is not None:
        record = read_export(options.query)
        return record.query, record.store
    said = {
        name: getattr(options, name)
        for name in ("format", "kinds", "split", "folds", "seed", "include_disputed", "head")
    }
    try:
        return ExportQuery.model_validate(said), None
    except ValidationError as error:
        option = "--" + str(error.errors(include_url=False, include_input=False)[0]["loc"][0])
        raise UsageError(f"{option} cannot be used as it was given; see `labels export --help`.") from error


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(part.strip() for part in text.split(",") if part.strip())
    if not kinds or not set(kinds) <= set(KINDS):
        raise argparse.ArgumentTypeError(f"{text!r} is not among {', '.join(KINDS)}")
    return tuple(dict.fromkeys(kinds))


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 0.2") from error
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to below 1")
    return share
