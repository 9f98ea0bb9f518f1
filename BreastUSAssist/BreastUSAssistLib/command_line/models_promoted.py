"""`breastusassist models promote|rollback` and `models list --store`: models that were fine-tuned on labels."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import print_json, subcommand


def add_to(parts: Any) -> None:
    """Add the two commands."""
    promoted = subcommand(
        parts,
        "promote",
        run_promote,
        "make a candidate the model in use, if it was judged better on the new labels and not worse on the old data",
        "breastusassist models promote runs/labels/candidate --store labels",
    )
    promoted.add_argument("bundle", metavar="BUNDLE", help="folder that `breastusassist train --from-labels` wrote")
    rolled = subcommand(
        parts,
        "rollback",
        run_rollback,
        "go back to the model that the one in use took the place of",
        "breastusassist models rollback --store labels",
    )
    for parser in (promoted, rolled):
        parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="folder of the label store")


def run_promote(options: argparse.Namespace) -> int:
    """Promote; 2 with the reasons where the rule is not met."""
    from ..labels.store import LabelStore
    from ..learning.promoted_models import bundle_in_use, promote
    from ..model.bundle import load_bundle
    from . import DONE

    with LabelStore.open(options.store) as store:
        model = promote(store, load_bundle(options.bundle), bundle_in_use(store))
    if options.json:
        print_json(model.model_dump(mode="json"))
    else:
        print(f"{model.name} {model.version} ({model.sha256[:12]}) is the model in use.")
    return DONE


def run_rollback(options: argparse.Namespace) -> int:
    """Roll back; 2 where nothing is promoted."""
    from ..labels.store import LabelStore
    from ..learning.promoted_models import rollback
    from . import DONE

    with LabelStore.open(options.store) as store:
        model = rollback(store)
    if options.json:
        print_json({"current": None if model is None else model.model_dump(mode="json")})
    else:
        print(
            "The shipped model is in use again."
            if model is None
            else f"{model.name} {model.version} ({model.sha256[:12]}) is the model in use again."
        )
    return DONE


def run_list(options: argparse.Namespace) -> int:
    """List what was promoted in a store, with figures and lineage."""
    from ..learning.promoted_models import promoted_models
    from . import DONE

    promoted = promoted_models(options.store)
    rows = [_listed(options.store, model, promoted.current) for model in promoted.models]
    if options.json:
        in_use = None if promoted.current is None else promoted.current.sha256
        changes = [one.model_dump(mode="json") for one in promoted.changes]
        print_json({"current": in_use, "models": rows, "changes": changes})
        return DONE
    if promoted.current is None:
        print("The shipped model is in use.")
    for row in rows:
        print(f"{row['name']} {row['version']}  {row['sha256'][:12]}  {'in use' if row['current'] else 'kept'}")
        print(f"    from {row['parent'][:12]}, labels up to entry {row['head'].partition(':')[0]}, {row['folder']}")
        for line in [row["problem"]] if row["problem"] else row["figures"]:
            print(f"    {line}")
    return DONE


def _listed(store: Path, model: Any, current: Any) -> dict[str, Any]:
    from ..errors import ModelError
    from ..learning.promoted_models import FOLDER
    from ..learning.promotion import kept_judgement
    from ..model.bundle import load_bundle
    from .train_labels import comparison_words

    folder = store / FOLDER / model.folder
    row = {**model.model_dump(mode="json"), "folder": str(folder), "current": model == current}
    row |= {"figures": [], "judgement": None, "lineage": None, "problem": None}
    try:
        bundle = load_bundle(folder)
        judgement = kept_judgement(bundle)
        lineage = bundle.read_json("configs/lineage.json") if "configs/lineage.json" in bundle.files else None
    except ModelError as error:
        return {**row, "problem": str(error)}
    figures = []
    if judgement is not None:
        figures = [comparison_words("labels held back", judgement.new)]
        figures += [] if judgement.old is None else [comparison_words("original", judgement.old)]
    told = None if judgement is None else judgement.model_dump(mode="json")
    return {**row, "figures": figures, "judgement": told, "lineage": lineage}
