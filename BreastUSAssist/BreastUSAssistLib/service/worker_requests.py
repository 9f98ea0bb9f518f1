"""What the analysis process can be asked for. Each request takes and gives JSON; arrays lie in the exchange folder."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .worker_models import LoadedModels
from .worker_protocol import ProtocolError

if TYPE_CHECKING:
    from .worker_describe import Drafts
    from .worker_refine import Sessions

SHORT = frozenset({"open_frame", "refine", "describe", "keep_label"})
"""Requests that are served between the frames of an analysis."""

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


def perform(
    do: str, arguments: Mapping[str, Any], site: Worksite, progress: Progress, attend: Attend
) -> dict[str, Any]:
    """Do one request.

    Raises:
        BreastUSAssistError: it cannot be done; the message says why and what to do.
    """
    if do == "analyze":
        from .worker_analyze import analyze

        return analyze(arguments, site, progress, attend)
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
    if do == "keep_label":
        from .worker_labels import keep_label

        return keep_label(arguments)
    raise ProtocolError(f"The analysis program knows no request {do[:40]}; install BreastUSAssist again.")
