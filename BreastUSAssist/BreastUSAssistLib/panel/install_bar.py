"""The bar that says which packages are missing; nothing is installed before it was asked."""

import shutil
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from .session import Session

if TYPE_CHECKING:
    from .install_plan import Engine


class InstallBar:
    """Shown while packages are missing; Run asks the same question."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        ui.installFrame.setVisible(False)
        ui.installButton.clicked.connect(self._on_install)

    def show(self) -> None:
        """Look what is missing and say it."""
        plan = self._installer().plan(self.engine())
        self._ui.installFrame.setVisible(bool(plan.steps))
        if plan.steps:
            text = _(
                "The AI needs {count} more Python packages (about {size} MB). What is there already works without them."
            )
            self._ui.installLabel.setText(text.format(count=len(plan.requirements), size=plan.download_mb))

    def ensure(self) -> bool:
        """Whether everything is there, after asking for what is missing; the status line says why not."""
        from .install import Installer

        outcome = Installer(self._session.say).ensure(self.engine())
        if outcome.sentence:
            self._session.say(outcome.sentence, "note" if outcome.ready else "error")
        if outcome.details:
            self._ui.installLabel.setText(outcome.details)
            self._ui.installFrame.setVisible(True)
        elif outcome.ready:
            self._ui.installFrame.setVisible(False)
        return bool(outcome.ready)

    def engine(self) -> "Engine":
        """What runs the models: PyTorch where a GPU was asked for, or is there and nothing else; else the light one."""
        asked = str(self._session.parameters.device) if self._session.parameters is not None else "auto"
        if asked in ("cpu", "cuda"):
            return "cpu" if asked == "cpu" else "gpu"
        # PyTorch with CUDA is some 3 GB: it is not asked for where a light engine is installed already.
        return "gpu" if shutil.which("nvidia-smi") and self._installer().plan("cpu").steps else "cpu"

    def _on_install(self, checked: bool = False) -> None:
        if self.ensure():
            self._session.client.restart()

    def _installer(self) -> Any:
        from .install import Installer

        return Installer(self._session.say)
