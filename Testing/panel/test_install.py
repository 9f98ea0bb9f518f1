"""Installing in Slicer: asked once, gone on with after a restart, in words where it cannot be done."""

import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from host import start_host

start_host()

import slicer  # noqa: E402
from BreastUSAssistLib.errors import UsageError  # noqa: E402
from BreastUSAssistLib.panel import install, python_command  # noqa: E402
from BreastUSAssistLib.panel.install import PENDING, Installer  # noqa: E402
from packaging.requirements import Requirement  # noqa: E402


class Computer:
    """A Python environment with slicer.packaging's interface; installs nothing but remembers what it was asked."""

    def __init__(self, *missing: str) -> None:
        self.missing = set(missing)
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.fails = False
        self.busy = False
        self.questions: list[str] = []
        self.agrees = True

    def pip_check(self, requirement: str) -> bool:
        return Requirement(str(requirement)).name not in self.missing

    def isPipInstallInProgress(self) -> bool:  # noqa: N802
        return self.busy

    def pip_ensure(self, requirements: list[str], *, prompt_install: bool, requester: str) -> None:
        assert not prompt_install, "asked once, by us"
        assert requester == "BreastUSAssist"
        self._install("pip_ensure", requirements)

    def pip_install(self, requirements: list[str], *, requester: str) -> None:
        assert requester == "BreastUSAssist"
        self._install("pip_install", requirements)

    def old_pip_install(self, requirements: list[str]) -> None:
        """slicer.util.pip_install of Slicer 5.10."""
        self._install("old pip_install", requirements)

    def confirm(self, text: str, windowTitle: str | None = None, **_options: Any) -> bool:  # noqa: N803
        self.questions.append(text)
        return self.agrees

    def _install(self, how: str, requirements: list[str]) -> None:
        self.calls.append((how, tuple(requirements)))
        if self.fails:
            raise subprocess.CalledProcessError(1, "pip install")
        names = [Requirement(text).name for text in requirements if not text.startswith("-") and "/" not in text]
        self.missing -= set(names)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Computer], None]:
    """Make slicer.packaging and the question those of a computer."""
    slicer.app.settings().remove(PENDING)

    def use_computer(computer: Computer) -> None:
        packaging = types.ModuleType("slicer.packaging")
        for name in ("pip_check", "isPipInstallInProgress", "pip_ensure", "pip_install"):
            setattr(packaging, name, getattr(computer, name))
        monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
        monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", computer.confirm)

    return use_computer


def test_where_everything_is_there_nothing_is_asked(use: Callable[[Computer], None]) -> None:
    computer = Computer()
    use(computer)
    outcome = Installer().ensure("cpu")
    assert outcome.ready
    assert (outcome.sentence, computer.questions, computer.calls) == ("", [], [])


def test_one_question_then_every_step(use: Callable[[Computer], None]) -> None:
    computer = Computer("pydantic", "onnxruntime", "openvino")
    use(computer)
    said: list[str] = []
    outcome = Installer(said.append).ensure("cpu")
    assert outcome.ready and outcome.sentence
    assert len(computer.questions) == 1 and "3 Python packages" in computer.questions[0]
    names = [[Requirement(text).name for text in requirements] for _how, requirements in computer.calls]
    assert names == [["pydantic"], ["onnxruntime", "openvino"]]
    assert len(said) == 2
    assert not slicer.app.settings().contains(PENDING)


def test_versions_that_would_be_replaced_are_named(
    use: Callable[[Computer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    computer = Computer("pydicom")
    use(computer)
    monkeypatch.setattr(install, "replaced", lambda requirements: ("pydicom 2.4.4",))
    Installer().ensure("none")
    assert "pydicom 2.4.4" in computer.questions[0]


def test_no_means_no(use: Callable[[Computer], None]) -> None:
    computer = Computer("pydantic")
    computer.agrees = False
    use(computer)
    outcome = Installer().ensure("cpu")
    assert outcome.state == "declined" and outcome.sentence
    assert computer.calls == []
    assert Installer().pending() is None


def test_an_installation_cut_short_goes_on_without_a_second_question(use: Callable[[Computer], None]) -> None:
    computer = Computer("pydantic", "onnxruntime", "openvino")
    computer.fails = True
    use(computer)
    assert not Installer().ensure("cpu").ready
    after_restart = Installer()
    assert after_restart.pending() == "cpu"
    computer.fails = False
    assert after_restart.ensure("cpu").ready
    assert len(computer.questions) == 1
    assert after_restart.pending() is None


def test_what_was_installed_by_hand_is_no_longer_pending(use: Callable[[Computer], None]) -> None:
    computer = Computer("pydantic")
    computer.fails = True
    use(computer)
    Installer().ensure("none")
    computer.missing.clear()
    assert Installer().pending() is None
    assert not slicer.app.settings().contains(PENDING)


def test_without_a_network_it_says_what_to_put_where(use: Callable[[Computer], None]) -> None:
    computer = Computer("pydantic")
    computer.fails = True
    use(computer)
    installer = Installer()
    outcome = installer.ensure("none")
    assert outcome.state == "failed"
    assert "proxy" in outcome.sentence
    for words in ("HTTPS_PROXY", "pip download --dest wheels", "--no-index", "pydantic", str(installer.wheel_folder())):
        assert words in outcome.details


def test_wheels_put_there_are_installed_from_there(use: Callable[[Computer], None], tmp_path: Path) -> None:
    computer = Computer("pydantic")
    use(computer)
    installer = Installer()
    installer.wheel_folder().mkdir(parents=True)
    wheel = installer.wheel_folder() / "pydantic-2.9-py3-none-any.whl"
    wheel.touch()
    try:
        assert installer.ensure("none").ready
    finally:
        wheel.unlink()
        installer.wheel_folder().rmdir()
    [(how, arguments)] = computer.calls
    assert how == "pip_install"
    assert arguments[:3] == ("--no-index", "--find-links", str(installer.wheel_folder()))


def test_another_installation_is_waited_for(use: Callable[[Computer], None]) -> None:
    computer = Computer("pydantic")
    computer.busy = True
    use(computer)
    outcome = Installer().ensure("none")
    assert outcome.state == "failed" and "wait" in outcome.sentence
    assert computer.calls == []


def test_the_gpu_needs_the_pytorch_extension(use: Callable[[Computer], None]) -> None:
    computer = Computer("torch", "monai")
    use(computer)
    outcome = Installer().ensure("gpu")
    assert outcome.state == "failed" and "PyTorch extension" in outcome.sentence
    assert computer.calls == [], "MONAI alone would bring a PyTorch of its own"


def test_pytorch_comes_through_its_extension(use: Callable[[Computer], None], monkeypatch: pytest.MonkeyPatch) -> None:
    computer = Computer("torch", "monai", "safetensors")
    use(computer)
    asked: list[Any] = []

    class PyTorchUtilsLogic:
        def torchInstalled(self) -> bool:  # noqa: N802
            return False

        def installTorch(self, askConfirmation: bool, torchVersionRequirement: str) -> Any:  # noqa: N802, N803
            asked.append((askConfirmation, torchVersionRequirement))
            computer.missing.discard("torch")
            return object()

    utilities = types.ModuleType("PyTorchUtils")
    utilities.PyTorchUtilsLogic = PyTorchUtilsLogic  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "PyTorchUtils", utilities)
    monkeypatch.setattr(slicer.app, "testing", False)
    assert Installer().ensure("gpu").ready
    assert asked == [(False, ">=2.8")]
    [(_how, requirements)] = computer.calls
    assert {Requirement(text).name for text in requirements} == {"monai", "safetensors"}


def test_an_old_pytorch_is_told(use: Callable[[Computer], None], monkeypatch: pytest.MonkeyPatch) -> None:
    use(Computer("torch"))
    utilities = types.ModuleType("PyTorchUtils")
    utilities.PyTorchUtilsLogic = lambda: types.SimpleNamespace(  # type: ignore[attr-defined]
        torchInstalled=lambda: True
    )
    monkeypatch.setitem(sys.modules, "PyTorchUtils", utilities)
    outcome = Installer().ensure("gpu")
    assert outcome.state == "failed" and ">=2.8" in outcome.sentence


def test_slicer_5_10_installs_with_what_it_has(
    use: Callable[[Computer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    computer = Computer("pydantic")
    use(computer)
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(install, "is_met", computer.pip_check)
    monkeypatch.setattr(slicer.util, "pip_install", computer.old_pip_install)
    assert Installer().ensure("none").ready
    assert [how for how, _requirements in computer.calls] == ["old pip_install"]
    assert "stands still" in computer.questions[0]


def test_a_tested_slicer_installs_nothing(use: Callable[[Computer], None]) -> None:
    computer = Computer("pydantic")
    computer.pip_ensure = lambda *_arguments, **_options: None  # type: ignore[assignment, method-assign]
    use(computer)
    outcome = Installer().ensure("none")
    assert outcome.state == "failed" and "tested" in outcome.sentence


def test_a_slicer_without_its_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_command, "find_python", lambda slicer_home: None)
    with pytest.raises(UsageError, match="install Slicer again"):
        python_command.python_executable()
