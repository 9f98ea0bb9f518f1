"""Which PACS is asked, where results go and where pulled files are kept: settings of the application."""

from dataclasses import dataclass
from pathlib import Path

import slicer

NODE, RESULTS = "BreastUSAssist/PacsNode", "BreastUSAssist/PacsResultsNode"
FOLDER, OUTBOX = "BreastUSAssist/PacsFolder", "BreastUSAssist/PacsOutbox"
WAITING = "BreastUSAssist/PacsWaiting"
"""Whether something waited in the outbox when it was last looked at."""


@dataclass(frozen=True)
class PacsSettings:
    """Nodes by name, and folders, as section PACS shows them."""

    node: str
    """Asked for studies; empty where none is chosen yet."""
    results: str
    """Where results go; empty is the same node."""
    folder: Path
    """For what is pulled."""
    outbox: Path | None
    """Where what is sent is kept; None is the usual place."""

    @property
    def target(self) -> str:
        """Name of the node that results go to; empty where none is chosen."""
        return self.results or self.node


def pacs_settings() -> PacsSettings:
    """What the application's settings say now."""
    outbox = str(slicer.util.settingsValue(OUTBOX, ""))
    return PacsSettings(
        str(slicer.util.settingsValue(NODE, "")),
        str(slicer.util.settingsValue(RESULTS, "")),
        Path(str(slicer.util.settingsValue(FOLDER, str(Path.home() / "BreastUSAssist" / "pulled")))),
        Path(outbox) if outbox else None,
    )
