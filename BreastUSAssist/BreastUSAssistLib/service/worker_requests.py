"""What the analysis process can be asked for. Each request takes and gives JSON; arrays lie in the exchange folder."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .worker_models import LoadedModels
from .worker_protocol import ProtocolError
from .worker_stores import OpenStores

if TYPE_CHECKING:
    from .worker_describe import Drafts
    from .worker_refine import Sessions

SHORT = frozenset(
    {
        "open_frame",
        "refine",
        "describe",
        "worklist",
        "open_label",
        "find_label",
        "keep_label",
        "learning_state",
        "promote",
        "rollback",
        "pacs_nodes",
        "pacs_push",
    }
)
"""Requests that are served between the frames of an analysis, or the files of a study that is fetched."""

PACS = {
    "pacs_nodes": "worker_pacs_nodes",
    "pacs_keep_node": "worker_pacs_nodes",
    "pacs_remove_node": "worker_pacs_nodes",
    "pacs_echo": "worker_pacs",
    "pacs_find": "worker_pacs",
    "pacs_pull": "worker_pacs",
    "pacs_push": "worker_pacs_outbox",
    "pacs_outbox": "worker_pacs_outbox",
}
"""Requests about a PACS, and the modules that have them."""

Progress = Callable[[int, int, str], None]
"""Frames done, frames in all, what is being done."""
Attend = Callable[[], None]
"""Called between the steps of a request; raises to stop it."""


@dataclass(eq=False)
class Worksite:
    """What requests share: the exchange folder and what stays loaded."""

    exchange: Path
    models: LoadedModels = field(default_factory=LoadedModels)
    sessions: "Sessions" = field(default_factory=OrderedDict)
    """Frames under correction."""
    drafts: "Drafts" = field(default_factory=OrderedDict)
    """What the outline network said of frames that were described."""
    stores: OpenStores = field(default_factory=OpenStores)
    """Label stores, and readers' worklists in them."""

    def close(self) -> None:
        """Close what would be left in disorder by the end of the process."""
        self.stores.close()


def perform(
    do: str, arguments: Mapping[str, Any], site: Worksite, progress: Progress, attend: Attend
) -> dict[str, Any]:
    """Do one request.

    Raises:
        BreastUSAssistError: it cannot be done; the message says why and what to do.
    """
    if do in ("open_frame", "refine"):
        from . import worker_refine

        return (
            worker_refine.open_frame(arguments, site) if do == "open_frame" else worker_refine.refine(arguments, site)
        )
    if do == "describe":
        from .worker_describe import describe

        return describe(arguments, site)
    if do == "export":
        from .worker_export import export

        return export(arguments, site, attend)
    long = _long_request(do)
    if long is None:
        raise ProtocolError(f"The analysis program knows no request {do[:40]}; install BreastUSAssist again.")
    return long(arguments, site, progress, attend)


def _long_request(do: str) -> "Callable[[Mapping[str, Any], Worksite, Progress, Attend], dict[str, Any]] | None":
    """The request of a name, of those that tell how far they are; None: there is no such."""
    if do == "analyze":
        from .worker_analyze import analyze

        return analyze
    if do in ("worklist", "keep_label"):
        from . import worker_labels, worker_worklist

        return worker_worklist.worklist if do == "worklist" else worker_labels.keep_label
    if do in ("open_label", "find_label"):
        from . import worker_label_opening

        return worker_label_opening.open_label if do == "open_label" else worker_label_opening.find_label
    if do in ("learning_state", "train", "promote", "rollback"):
        from . import worker_learning

        learning: Callable[..., dict[str, Any]] = getattr(worker_learning, do)
        return learning
    if do in PACS:
        asked: Callable[..., dict[str, Any]] = getattr(import_module(f".{PACS[do]}", __package__), do)
        return asked
    return None
