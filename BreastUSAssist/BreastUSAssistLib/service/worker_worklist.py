"""Request "worklist": which case of a label store a reader reads next, and how far the whole is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UsageError
from .worker_stores import store_folder

if TYPE_CHECKING:
    from ..labels.case_states import State
    from ..labels.strategies import Strategy
    from ..labels.worklist import Worklist
    from .worker_requests import Attend, Progress, Worksite

Move = Literal["look", "next", "back"]
MOST_LISTED = 200
_TOLD_EVERY = 50


def worklist(arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend") -> dict[str, Any]:
    """Look at a reader's worklist, or go on or back in it.

    Args:
        arguments: `store` folder; `reader` name, or "" for the whole; `strategy` and `states`, or None for those used
            last; `move` "look", "next" or "back".
        site: of this process.
        progress: told while all cases of a store have to be read.
        attend: called then, between two of them.

    Returns:
        `case` before the reader, or None where there is none (with "next": none of these states; with "back": none
        before), and its `state`; `blind` whether others' results of it are kept from him; `strategy`; `states` of the
        cases that come; `counts` by state; `total` cases, `decided` of them; `listed` [case, state] of the first 200
        that come, in order, `due` of all of them; `blind_listed` those of `listed` that are read blind; `can_go_back`;
        `damaged` sentences.

    Raises:
        InputError: there is no store, or it is damaged.
        UsageError: no such strategy, state or move; or the store's key is missing.
        OutputError: the place cannot be kept.
    """
    strategy, states, move = _strategy(arguments), _states(arguments), arguments.get("move") or "look"
    if move not in ("look", "next", "back"):
        raise UsageError(f"A worklist cannot be moved by {str(move)[:20]}; use look, next or back.")
    reader = str(arguments.get("reader") or "")

    def told(done: int, total: int) -> None:
        if done % _TOLD_EVERY == 0 or done == total:
            progress(done, total, "reading the labels")
            attend()

    with site.stores.use(store_folder(arguments.get("store"))) as store:
        way = site.stores.worklist(store, reader, told)
        way.choose(strategy, states)
        moves = {"look": lambda: way.current, "next": way.next, "back": way.back}
        case = moves[move]()
        return _told(way, case)


def _told(way: "Worklist", case: str | None) -> dict[str, Any]:
    counts = way.progress()
    listed = way.listed(MOST_LISTED)
    told = way.told([*([] if case is None else [case]), *(one for one, _ in listed)])
    state, blind = told.get(case or "", (None, False))
    return {
        "case": case if case in told else None,
        "state": state,
        "blind": blind,
        "strategy": way.strategy,
        "states": list(way.states),
        "counts": dict(counts),
        "total": sum(counts.values()),
        "decided": counts["accepted"] + counts["rejected"],
        "listed": [list(one) for one in listed],
        "due": way.due(),
        "blind_listed": [one for one, _ in listed if told[one][1]],
        "can_go_back": way.can_go_back,
        "damaged": list(way.damaged()),
    }


def _strategy(arguments: Mapping[str, Any]) -> "Strategy | None":
    from ..labels.strategies import STRATEGIES

    named = arguments.get("strategy")
    if named is None:
        return None
    found = next((one for one in STRATEGIES if one == named), None)
    if found is None:
        raise UsageError(f"There is no strategy {str(named)[:40]}; use one of {', '.join(STRATEGIES)}.")
    return found


def _states(arguments: Mapping[str, Any]) -> "tuple[State, ...] | None":
    from ..labels.case_states import STATES

    named = arguments.get("states")
    if named is None:
        return None
    wanted: Sequence[Any] = list(named) if isinstance(named, (list, tuple)) else []
    found = tuple(state for state in STATES if state in wanted)
    if not found or len(found) != len(set(map(str, wanted))):
        raise UsageError(f"There is no such state of a case; use some of {', '.join(STATES)}.")
    return found
