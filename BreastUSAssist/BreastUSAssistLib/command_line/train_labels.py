"""`breastusassist train --from-labels`: a candidate fine-tuned on the labels of a store, judged but not promoted."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .arguments import existing_folder, print_json, tell

if TYPE_CHECKING:
    from ..learning.label_training import Candidate
    from ..learning.model_comparison import Comparison

_LINES = 20
"""Lines of progress a part, so that a log stays short."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what goes with --from-labels."""
    group = parser.add_argument_group("from labels")
    group.add_argument(
        "--from-labels",
        type=Path,
        metavar="DIR",
        help="label store: fine-tune the outline model in use on its labels; --manifest and --root then name the "
        "original data, for replay and as the fixed validation set",
    )
    group.add_argument(
        "--held-back", type=float, default=0.2, metavar="SHARE", help="of the patients, to judge by (default: 0.2)"
    )
    group.add_argument("--seed", type=int, default=0, help="by which patients are held back (default: 0)")
    group.add_argument(
        "--include-disputed",
        action="store_true",
        help="learn from cases in dispute too, as their last reader left them",
    )
    group.add_argument("--rule", type=Path, metavar="JSON", help="promotion rule (default: the usual one)")


def run(options: argparse.Namespace, settings: Any, device: str) -> int:
    """Fine-tune and judge; `settings` are FineTuningOptions."""
    from ..labels.store import LabelStore
    from ..learning.label_data import LabelQuery
    from ..learning.label_training import train_from_labels
    from ..learning.manifest import read_manifest
    from ..learning.promotion import read_rule
    from . import DONE

    if not 0 < options.held_back < 1:
        raise UsageError(f"--held-back {options.held_back} is not between 0 and 1; give a share such as 0.2.")
    if (options.manifest is None) != (options.root is None):
        raise UsageError("--manifest and --root go together; give both or neither.")
    rows = [] if options.manifest is None else read_manifest(options.manifest, existing_folder(options.root, "--root"))
    if not rows:
        tell("The original data is not at hand: nothing is replayed, and nothing will tell what is forgotten.")
    query = LabelQuery(held_back=options.held_back, seed=options.seed, include_disputed=options.include_disputed)
    rule = read_rule(options.rule)
    with LabelStore.open(options.from_labels) as store:
        candidate = train_from_labels(
            store,
            options.out,
            query=query,
            options=settings,
            rule=rule,
            original=rows,
            device=device,
            progress=_tell_progress,
        )
    if options.json:
        judgement = candidate.judgement
        said = {"bundle": str(candidate.bundle.folder), "sha256": candidate.bundle.sha256, "offered": judgement.offered}
        print_json({**said, "judgement": judgement.model_dump(mode="json"), "notes": candidate.notes})
    else:
        _print_candidate(candidate, options.from_labels)
    return DONE


def comparison_words(what: str, found: "Comparison") -> str:
    """One line on how a candidate compares."""
    if found.dice_before is None or found.dice_after is None or found.gain is None:
        return f"{what}: no image with a lesion"
    between = f" [{found.interval[0]:+.4f}, {found.interval[1]:+.4f}]" if found.interval else ""
    free = f", outlines in {found.false_before} -> {found.false_after} of {found.lesion_free} without a lesion"
    return (
        f"{what}: Dice {found.dice_before:.4f} -> {found.dice_after:.4f}, {found.gain:+.4f}{between} on {found.images} "
        f"images of {found.patients} patients{free if found.lesion_free else ''}"
    )


def _tell_progress(what: str, done: int, total: int) -> None:
    if done * _LINES // total != (done - 1) * _LINES // total:
        tell(f"{what}  {done}/{total}")


def _print_candidate(candidate: "Candidate", store: Path) -> None:
    judgement, folder = candidate.judgement, candidate.bundle.folder
    for note in candidate.notes:
        tell(f"note: {note}")
    print(comparison_words("labels held back", judgement.new))
    print(
        "original validation set: not at hand" if judgement.old is None else comparison_words("original", judgement.old)
    )
    if judgement.offered:
        print(f"Better on the new and not worse on the old: `breastusassist models promote {folder} --store {store}`")
    else:
        print(f"{folder} is not offered for promotion. {' '.join(judgement.refused)}")
