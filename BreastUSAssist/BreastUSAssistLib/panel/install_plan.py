"""What has to be installed in Slicer before the AI runs, and what to do by hand where there is no network."""

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..files import resource_path

if TYPE_CHECKING:
    from packaging.requirements import Requirement

Engine = Literal["cpu", "gpu", "train", "none", "pacs", "deidentify"]
"""What runs the models: a light engine on the processor, PyTorch on an NVIDIA GPU, PyTorch with what training on labels
needs, or nothing (labels and exports); or what a PACS or de-identification needs beside the base."""
ALL_OF: tuple[Engine, ...] = ("pacs", "deidentify")
"""Of which every package is needed, not one of several."""
How = Literal["pip", "pytorch"]

DOWNLOAD_MB = {
    "numpy": 17,
    "scipy": 34,
    "scikit-image": 16,
    "python-gdcm": 13,
    "pillow": 7,
    "nibabel": 3,
    "pydantic": 3,
    "onnxruntime": 23,
    "openvino": 57,
    "monai": 2,
    "onnx": 17,
    "onnxscript": 1,
    "rapidocr": 30,
    "opencv-python-headless": 61,
    "torch": 3000,
}
"""Rough size of a package's download with what it brings, measured on Linux; one that is not here has about 1 MB. Of
PyTorch that of the build for CUDA, its largest."""


@dataclass(frozen=True)
class InstallStep:
    """One call of an installer."""

    name: str
    """base, cpu, pytorch, gpu, train, pacs or deidentify."""
    how: How
    """By pip, or by the PyTorch extension, which picks the build of PyTorch for the graphics driver."""
    requirements: tuple[str, ...]
    """What is missing, as pip writes it: name and range of versions."""


@dataclass(frozen=True)
class InstallPlan:
    """What is missing, in the order in which it is to be installed."""

    engine: Engine
    steps: tuple[InstallStep, ...]

    @property
    def requirements(self) -> tuple[str, ...]:
        """Everything that is missing."""
        return tuple(requirement for step in self.steps for requirement in step.requirements)

    @property
    def download_mb(self) -> int:
        """Roughly how much is downloaded."""
        return sum(DOWNLOAD_MB.get(package_name(requirement), 1) for requirement in self.requirements)


def read_requirements(path: Path) -> tuple[str, ...]:
    """Requirements of a file with one a line; comments, empty lines and pip's options are left out."""
    lines = (line.strip() for line in Path(path).read_text("utf-8").splitlines())
    return tuple(line for line in lines if line and line[0] not in "#-")


def base_requirements() -> tuple[str, ...]:
    """What reading, measuring, describing and exporting need."""
    return read_requirements(resource_path("requirements.txt"))


def engine_requirements(engine: Engine) -> tuple[str, ...]:
    """What running the models needs beside the base."""
    return read_requirements(resource_path(f"requirements-{engine}.txt")) if engine != "none" else ()


def is_met(requirement: str, version_of: Callable[[str], str] = metadata.version) -> bool:
    """Whether a requirement is installed in its range, or its marker says that it is not for this computer.

    slicer.packaging.pip_check says the same; this is for Slicer 5.10, which does not have it.

    Args:
        requirement: name and range, without extras.
        version_of: version of an installed package; raises PackageNotFoundError for one that is not.
    """
    parsed = _parsed(requirement)
    if parsed.marker is not None and not parsed.marker.evaluate():
        return True
    try:
        return parsed.specifier.contains(version_of(parsed.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False


def replaced(requirements: Iterable[str], version_of: Callable[[str], str] = metadata.version) -> tuple[str, ...]:
    """Packages that are installed in another version than wanted, as "name version": what an installation replaces."""
    found = []
    for name in map(package_name, requirements):
        try:
            found.append(f"{name} {version_of(name)}")
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


def make_plan(engine: Engine, is_installed: Callable[[str], bool] = is_met) -> InstallPlan:
    """What is missing for an engine.

    PyTorch comes before what needs it: MONAI would otherwise bring a PyTorch of its own, which may not fit the driver.
    Of the light engines one is enough.
    """
    steps = [InstallStep("base", "pip", _missing(base_requirements(), is_installed))]
    wanted = engine_requirements(engine)
    if engine in ("gpu", "train"):
        torch = tuple(requirement for requirement in wanted if package_name(requirement) == "torch")
        steps.append(InstallStep("pytorch", "pytorch", _missing(torch, is_installed)))
        wanted = tuple(requirement for requirement in wanted if requirement not in torch)
    elif engine not in ALL_OF and any(is_installed(requirement) for requirement in wanted):
        wanted = ()
    steps.append(InstallStep("gpu" if engine == "none" else engine, "pip", _missing(wanted, is_installed)))
    return InstallPlan(engine, tuple(step for step in steps if step.requirements))


def package_name(requirement: str) -> str:
    """Name of the package that a requirement asks for."""
    return _parsed(requirement).name


def version_range(requirement: str) -> str:
    """Range of versions that a requirement asks for, such as ">=2.8"."""
    return str(_parsed(requirement).specifier)


def download_command(requirements: Iterable[str], python_version: str, platform: str) -> str:
    """Command that collects wheels on a computer with a network, for one without.

    Args:
        requirements: what is missing.
        python_version: of Slicer's Python, such as "3.12".
        platform: pip's name of the platform that Slicer runs on, such as "win_amd64".
    """
    words = ["pip", "download", "--dest", "wheels", "--only-binary", ":all:", "--python-version", python_version]
    return shlex.join([*words, *_platforms(platform), *requirements])


def offline_command(python: str, folder: Path, requirements: Iterable[str]) -> str:
    """Command that installs wheels from a folder without any network."""
    return shlex.join([python, "-m", "pip", *local_arguments(folder, requirements)])


def local_arguments(folder: Path, requirements: Iterable[str]) -> list[str]:
    """Arguments of `pip` that install from a folder of wheels alone."""
    return ["install", "--no-index", "--find-links", str(folder), *requirements]


def pip_platform(system: str, machine: str) -> str:
    """Name that pip gives to a platform.

    Args:
        system: as platform.system() says.
        machine: as platform.machine() says.
    """
    if system == "Windows":
        return "win_amd64"
    if system == "Darwin":
        return "macosx_11_0_arm64" if machine == "arm64" else "macosx_11_0_x86_64"
    return f"manylinux_2_28_{machine}"


def wheels_in(folder: Path) -> list[Path]:
    """Wheels that somebody put into a folder."""
    return sorted(Path(folder).glob("*.whl")) if Path(folder).is_dir() else []


def _platforms(platform: str) -> list[str]:
    """Older platform names too: pip takes a wheel for exactly the names that it is given."""
    names = [platform]
    if platform.startswith("manylinux_2_28_"):
        machine = platform.removeprefix("manylinux_2_28_")
        names += [f"manylinux_2_17_{machine}", f"manylinux2014_{machine}"]
    return [word for name in names for word in ("--platform", name)]


def _missing(requirements: Iterable[str], is_installed: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(requirement for requirement in requirements if not is_installed(requirement))


def _parsed(requirement: str) -> "Requirement":
    from packaging.requirements import Requirement

    return Requirement(requirement)
