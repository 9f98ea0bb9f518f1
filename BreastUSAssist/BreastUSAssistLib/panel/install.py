"""Installing what the AI needs into Slicer's Python: at the first action, asked once, gone on with after a restart."""

import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, invalidate_caches
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any, Literal, get_args

import slicer
from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .install_plan import (
    Engine,
    InstallPlan,
    InstallStep,
    download_command,
    is_met,
    local_arguments,
    make_plan,
    offline_command,
    package_name,
    pip_platform,
    replaced,
    version_range,
    wheels_in,
)
from .python_command import python_executable

PENDING = "BreastUSAssist/InstallPending"
"""Settings key: the engine whose packages the user agreed to and that are not all there yet."""
REQUESTER = "BreastUSAssist"


@dataclass(frozen=True)
class InstallOutcome:
    """What came of it."""

    state: Literal["ready", "declined", "failed"]
    sentence: str = ""
    """For the status line; empty where everything was there already."""
    details: str = ""
    """What to do by hand, with commands to copy."""

    @property
    def ready(self) -> bool:
        """Whether everything is there."""
        return self.state == "ready"


class _StepError(Exception):
    """A step that came to nothing; the message is for the user."""


class Installer:
    """Sees what is missing and installs it. Nothing is looked at before it is asked to."""

    def __init__(self, say: Callable[[str], Any] = lambda sentence: None) -> None:
        """Take where progress is told to in sentences."""
        self._say = say

    def plan(self, engine: Engine) -> InstallPlan:
        """What is missing for an engine; takes some milliseconds."""
        packaging = _packaging()
        return make_plan(engine, packaging.pip_check if packaging is not None else is_met)

    def pending(self) -> Engine | None:
        """The engine that the user agreed to and whose packages are not all there: an installation cut short."""
        engine = str(slicer.util.settingsValue(PENDING, "", settings=slicer.app.settings()) or "")
        for known in get_args(Engine):
            if engine == known:
                if self.plan(known).steps:
                    return known
                slicer.app.settings().remove(PENDING)
        return None

    def ensure(self, engine: Engine) -> InstallOutcome:
        """Install what is missing for an engine, after asking once; one that was agreed to before is gone on with.

        Blocks until it is done, with Slicer's own progress window where this Slicer has one. Must be called on the
        main thread.
        """
        plan = self.plan(engine)
        if not plan.steps:
            slicer.app.settings().remove(PENDING)
            return InstallOutcome("ready")
        if self.pending() != engine and not self._agreed(plan):
            return InstallOutcome("declined", _("Without its packages the AI cannot run; press Run to be asked again."))
        slicer.app.settings().setValue(PENDING, engine)
        slicer.app.settings().sync()
        try:
            for number, step in enumerate(plan.steps, start=1):
                text = _("Installing packages, step {number} of {count}; this can take some minutes.")
                self._say(text.format(number=number, count=len(plan.steps)))
                # The PyTorch extension and Slicer 5.10 hold the event loop: the sentence must be seen before.
                slicer.app.processEvents()
                self._install(step)
        except _StepError as error:
            return InstallOutcome("failed", str(error), self.by_hand(plan))
        except (CalledProcessError, OSError, RuntimeError, ValueError):
            text = _(
                "The packages could not be installed: no network, or a proxy in the way; what to do instead is below."
            )
            return InstallOutcome("failed", text, self.by_hand(self.plan(engine)))
        return self._checked(engine)

    def wheel_folder(self) -> Path:
        """Folder whose wheels are installed instead of downloading any, where there are some."""
        return Path(str(slicer.app.settings().fileName())).parent / "BreastUSAssist" / "wheels"

    def by_hand(self, plan: InstallPlan) -> str:
        """What to do without a network or behind a proxy, with commands to copy."""
        folder = self.wheel_folder()
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return _(
            "Behind a proxy: set the environment variable HTTPS_PROXY to its address, start Slicer again and press Run."
            "\n\nWithout a network: on another computer, run\n\n    {download}\n\nCopy what is in its folder wheels"
            " into\n\n    {folder}\n\nand press Run; or close Slicer and run\n\n    {install}"
        ).format(
            download=download_command(plan.requirements, version, pip_platform(platform.system(), platform.machine())),
            folder=folder,
            install=offline_command(_python(), folder, plan.requirements),
        )

    def _agreed(self, plan: InstallPlan) -> bool:
        text = _(
            "BreastUSAssist needs {count} Python packages that this Slicer does not have yet, about {size} MB to"
            " download. They go into Slicer's own Python, and nothing about your images is sent. Install them now?"
        ).format(count=len(plan.requirements), size=plan.download_mb)
        others = replaced(plan.requirements)
        if others:
            # Slicer 5.10 brings a pydicom that is too old, for one.
            text += "\n\n" + _(
                "Slicer or other extensions may rely on the versions that are replaced: {names}."
            ).format(names=", ".join(others))
        if _packaging() is None:
            text += "\n\n" + _(
                "This version of Slicer has no progress window for this: its window stands still for some minutes."
                " Slicer 5.12 has one."
            )
        return bool(
            slicer.util.confirmOkCancelDisplay(
                text, _("BreastUSAssist - Install packages"), detailedText="\n".join(plan.requirements)
            )
        )

    def _install(self, step: InstallStep) -> None:
        packaging = _packaging()
        if packaging is not None and packaging.isPipInstallInProgress():
            raise _StepError(_("Slicer is installing other packages; wait until it is done and press Run again."))
        if wheels_in(self.wheel_folder()):
            arguments = local_arguments(self.wheel_folder(), step.requirements)[1:]
            if packaging is not None:
                packaging.pip_install(arguments, requester=REQUESTER)
            else:
                slicer.util.pip_install(arguments)
        elif step.how == "pytorch":
            _install_pytorch(step.requirements[0])
        elif packaging is not None:
            packaging.pip_ensure(list(step.requirements), prompt_install=False, requester=REQUESTER)
        else:
            slicer.util.pip_install(list(step.requirements))
        invalidate_caches()
        if step.name == "pytorch" and not is_met(step.requirements[0]):
            # MONAI would bring a PyTorch of its own.
            raise _StepError(
                _("PyTorch was not installed; install it in the module PyTorch Utils and press Run again.")
            )

    def _checked(self, engine: Engine) -> InstallOutcome:
        left = self.plan(engine)
        if not left.steps:
            slicer.app.settings().remove(PENDING)
            return InstallOutcome("ready", _("The packages are installed."))
        if slicer.app.testingEnabled():
            return InstallOutcome("failed", _("Slicer is being tested and installs nothing."), self.by_hand(left))
        text = _("These packages are still missing: {names}; what to do is below.")
        names = ", ".join(package_name(requirement) for requirement in left.requirements)
        return InstallOutcome("failed", text.format(names=names), self.by_hand(left))


def _install_pytorch(requirement: str) -> None:
    try:
        utilities = import_module("PyTorchUtils")
    except ModuleNotFoundError as error:
        raise _StepError(
            _(
                "The GPU needs the PyTorch extension: install it in the Extensions Manager and start Slicer again, or"
                " set the device to processor."
            )
        ) from error
    logic = utilities.PyTorchUtilsLogic()
    if logic.torchInstalled():
        text = _(
            "The installed PyTorch is not in the range {range}: uninstall it in the module PyTorch Utils, start Slicer"
            " again and press Run."
        )
        raise _StepError(text.format(range=version_range(requirement)))
    if slicer.app.testingEnabled():
        return
    with slicer.util.WaitCursor():
        logic.installTorch(askConfirmation=False, torchVersionRequirement=version_range(requirement))


def _packaging() -> Any:
    """slicer.packaging, which Slicer has from 5.11 on; None in an older one."""
    try:
        return import_module("slicer.packaging")
    except ModuleNotFoundError:
        return None


def _python() -> str:
    try:
        return python_executable()
    except BreastUSAssistError:
        return "PythonSlicer"
