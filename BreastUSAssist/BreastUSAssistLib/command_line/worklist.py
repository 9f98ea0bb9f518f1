"""`breastusassist worklist`: the next case of a label store, progress, and agreement of readers."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import print_json, show_progress, subcommand, tell

if TYPE_CHECKING:
    from ..labels.reader_agreement import Agreement, KappaValue
    from ..labels.store import LabelStore
    from ..labels.worklist import Worklist

STRATEGIES = ("in-order", "most-uncertain", "most-disagreeing", "most-unlike", "balanced")
STATES = ("waiting", "drafted", "in_work", "accepted", "rejected", "disputed")


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "worklist",
        run,
        "name the next case of a label store, and how far its readers are",
        "breastusassist worklist --store labels --strategy most-uncertain --reader AB",
    )
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="folder of the label store")
    parser.add_argument("--strategy", choices=STRATEGIES, help="order of the cases (default: as before, or in-order)")
    parser.add_argument(
        "--reader", default="", metavar="NAME", help="who reads; each reader goes on where he was (default: nobody)"
    )
    parser.add_argument(
        "--state",
        type=_states,
        metavar="STATE,...",
        help=f"only cases of these states, among {', '.join(STATES)} (default: those that need a reader; "
        "disputed ones for most-disagreeing)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--back", action="store_true", help="go back to the case before")
    what.add_argument("--list", action="store_true", help="list all cases that are due, in order; gives none")
    what.add_argument("--agreement", action="store_true", help="print how well the readers agree; gives no case")
    parser.add_argument(
        "--share",
        type=_share,
        metavar="SHARE",
        help="have this share of the cases read by several readers who do not see each other's results (0 ends it)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the share (default: 0)")
    parser.add_argument("--readers", type=int, default=2, metavar="N", help="readers of each such case (default: 2)")


def run(options: argparse.Namespace) -> int:
    """Name a case; 3 when a record is damaged, each named."""
    from ..labels.double_reading import choose_double_reading
    from ..labels.store import LabelStore

    with LabelStore.open(options.store) as store:
        if options.share is not None:
            choose_double_reading(store, options.share, options.seed, options.readers)
        return _run_agreement(store, options) if options.agreement else _run_list(store, options)


def _run_list(store: "LabelStore", options: argparse.Namespace) -> int:
    from ..labels.worklist import Worklist
    from . import BAD_INPUT, DONE

    asked = {"strategy": options.strategy, "states": options.state, "progress": show_progress}
    worklist = Worklist(store, options.reader, remember=not store.read_only, **asked)
    if store.read_only:
        tell("note: the store cannot be written, so the place in the list is not kept.")
    case = None
    if not options.list:
        case = worklist.back() if options.back else worklist.next()
    listed = worklist.listed() if options.list else ()
    damaged = worklist.damaged()
    for sentence in damaged:
        tell(f"breastusassist: {sentence}")
    if options.json:
        print_json(_as_json(worklist, options, case, listed, damaged))
    else:
        _print(worklist, options, case, listed)
    return BAD_INPUT if damaged else DONE


def _as_json(
    worklist: "Worklist",
    options: argparse.Namespace,
    case: str | None,
    listed: tuple[tuple[str, str], ...],
    damaged: tuple[str, ...],
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "store": str(options.store),
        "reader": options.reader,
        "strategy": worklist.strategy,
        "states": list(worklist.states),
        "progress": worklist.progress(),
        "damaged": list(damaged),
    }
    if options.list:
        return content | {"cases": [{"case": one, "state": state} for one, state in listed]}
    return content | {"case": case, "state": None if case is None else worklist.state(case)}


def _print(
    worklist: "Worklist", options: argparse.Namespace, case: str | None, listed: tuple[tuple[str, str], ...]
) -> None:
    for one, state in listed:
        print(f"{one}  {_words(state)}")
    if case is not None:
        print(f"{case}  {_words(worklist.state(case))}")
    elif not options.list:
        print("No case before this one." if options.back else f"No case is {_either(worklist.states)}.")
    counts = worklist.progress()
    done = sum(counts[state] for state in ("accepted", "rejected"))
    told = ", ".join(f"{number} {_words(state)}" for state, number in counts.items() if number)
    print(f"{done} of {sum(counts.values())} cases are done: {told}." if told else "No label yet.")


def _run_agreement(store: "LabelStore", options: argparse.Namespace) -> int:
    from ..labels.reader_agreement import agreement
    from . import BAD_INPUT, DONE

    found = agreement(store, progress=show_progress)
    for sentence in found.damaged:
        tell(f"breastusassist: {sentence}")
    if options.json:
        print_json({"store": str(options.store), **found.model_dump(mode="json")})
    else:
        _print_agreement(found)
    return BAD_INPUT if found.damaged else DONE


def _print_agreement(found: "Agreement") -> None:
    print(f"{found.cases} cases decided by two readers or more, of a share of {found.share:g} (seed {found.seed}).")
    for pair in found.pairs:
        print(f"{pair.readers[0]} and {pair.readers[1]}: {pair.cases} cases, {pair.disputed} in dispute")
        alone = f"{pair.alone[0]} and {pair.alone[1]} seen by one alone"
        print(f"  {pair.lesions} lesions seen by both, {alone}")
        print(f"  Dice mean {_figure(pair.dice_mean)}, median {_figure(pair.dice_median)}")
        pixels = f"{_figure(pair.hd95_px_median)} px where the spacing is not known"
        print(f"  HD95 median {_figure(pair.hd95_mm_median)} mm, {pixels}")
        for value in pair.kappas:
            print(f"  {_kappa_words(value, 'kappa')}")
    if found.fleiss:
        print(f"Cases decided by {found.raters} readers:")
        for value in found.fleiss:
            print(f"  {_kappa_words(value, 'Fleiss kappa')}")


def _kappa_words(value: "KappaValue", name: str) -> str:
    weighted = "" if value.weighted is None else f", weighted {value.weighted:.2f}"
    return f"{value.about}: {name} {_figure(value.kappa)}{weighted} ({value.agreed} of {value.units} alike)"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _words(state: str) -> str:
    return state.replace("_", " ")


def _either(states: tuple[str, ...]) -> str:
    return " or ".join(map(_words, states))


def _states(text: str) -> tuple[str, ...]:
    states = tuple(part.strip().replace("-", "_").replace(" ", "_") for part in text.split(",") if part.strip())
    if not states or not set(states) <= set(STATES):
        raise argparse.ArgumentTypeError(f"{text!r} is not among {', '.join(STATES)}")
    return tuple(dict.fromkeys(states))


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 0.2") from error
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 1")
    return share
