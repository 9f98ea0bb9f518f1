"""What is missing and in which order it is installed; the ranges that Slicer gets are those of the project."""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from BreastUSAssistLib.panel.install_plan import (
    base_requirements,
    download_command,
    engine_requirements,
    is_met,
    local_arguments,
    make_plan,
    offline_command,
    pip_platform,
    read_requirements,
    replaced,
    version_range,
    wheels_in,
)
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8"))["project"]


def without(*names: str) -> Callable[[str], bool]:
    """A Python in which everything is installed but these packages."""
    return lambda requirement: Requirement(requirement).name not in names


def nothing_installed(requirement: str) -> bool:
    """A Python with no package."""
    return False


def test_slicer_gets_the_ranges_of_the_project() -> None:
    extras = PROJECT["optional-dependencies"]
    base, cpu, gpu = set(base_requirements()), set(engine_requirements("cpu")), set(engine_requirements("gpu"))
    engine = {requirement for requirement in PROJECT["dependencies"] if requirement.startswith("onnxruntime")}
    assert base == set(PROJECT["dependencies"]) - engine
    assert cpu == engine | set(extras["openvino"])
    assert gpu == set(extras["torch"])
    exporting = {requirement for requirement in extras["train"] if requirement.startswith("onnx")}
    assert set(engine_requirements("train")) == gpu | exporting
    for extra in ("pacs", "deidentify"):
        assert set(engine_requirements(extra)) == set(extras[extra])


def test_no_version_is_pinned_and_no_extra_is_asked_for() -> None:
    for requirement in (
        *base_requirements(),
        *(one for engine in ("cpu", "gpu", "train", "pacs", "deidentify") for one in engine_requirements(engine)),
    ):
        parsed = Requirement(requirement)
        assert parsed.extras == set()
        assert not any(specifier.operator in ("==", "===", "~=") for specifier in parsed.specifier)


def test_nothing_is_to_be_done_where_everything_is_there() -> None:
    for engine in ("cpu", "gpu", "train", "none"):
        assert make_plan(engine, lambda requirement: True).steps == ()


def test_the_base_comes_first_and_pytorch_before_monai() -> None:
    plan = make_plan("gpu", nothing_installed)
    assert [(step.name, step.how) for step in plan.steps] == [
        ("base", "pip"),
        ("pytorch", "pytorch"),
        ("gpu", "pip"),
    ]
    assert [Requirement(requirement).name for requirement in plan.steps[1].requirements] == ["torch"]
    assert "torch" not in {Requirement(requirement).name for requirement in plan.steps[2].requirements}


def test_without_an_engine_only_the_base_is_asked_for() -> None:
    assert [step.name for step in make_plan("none", nothing_installed).steps] == ["base"]


def test_one_light_engine_is_enough() -> None:
    assert make_plan("cpu", without("openvino")).steps == ()
    assert make_plan("cpu", without("onnxruntime")).steps == ()
    both = make_plan("cpu", without("onnxruntime", "openvino"))
    assert {Requirement(requirement).name for requirement in both.requirements} == {"onnxruntime", "openvino"}


def test_of_a_pacs_every_package_is_needed() -> None:
    plan = make_plan("pacs", without("tomlkit", "keyring"))
    assert [(step.name, step.how) for step in plan.steps] == [("pacs", "pip")]
    assert {Requirement(requirement).name for requirement in plan.requirements} == {"tomlkit", "keyring"}
    assert make_plan("deidentify", without("rapidocr")).requirements == ("rapidocr>=3.10",)


def test_only_what_is_missing_is_installed() -> None:
    plan = make_plan("gpu", without("monai", "pydantic"))
    assert [step.name for step in plan.steps] == ["base", "gpu"]
    assert {Requirement(requirement).name for requirement in plan.requirements} == {"monai", "pydantic"}
    assert 0 < plan.download_mb < make_plan("gpu", nothing_installed).download_mb


def test_versions_and_markers_decide_what_is_met() -> None:
    installed = {"alpha": "2.1.0+cu128", "beta": "1.9", "gamma": "3.0rc1"}

    def version_of(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    assert is_met("alpha>=2.1", version_of)
    assert not is_met("beta>=2", version_of)
    assert is_met("gamma>=2", version_of)
    assert not is_met("delta", version_of)
    assert is_met("delta; sys_platform == 'nowhere'", version_of)
    assert is_met("numpy>=1")


def test_what_an_installation_replaces_is_named() -> None:
    def version_of(name: str) -> str:
        if name != "pydicom":
            raise metadata.PackageNotFoundError(name)
        return "2.4.4"

    assert replaced(["pydicom>=3.0", "pydantic>=2.7"], version_of) == ("pydicom 2.4.4",)


def test_comments_and_options_are_no_requirements(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# one\n\n--index-url x\n  alpha>=1  \nbeta\n")
    assert read_requirements(tmp_path / "requirements.txt") == ("alpha>=1", "beta")


def test_ranges_are_as_the_pytorch_extension_takes_them() -> None:
    torch = next(requirement for requirement in engine_requirements("gpu") if requirement.startswith("torch"))
    assert re.fullmatch(r">=\d+\.\d+", version_range(torch))


def test_platforms_are_named_as_pip_names_them() -> None:
    assert pip_platform("Windows", "AMD64") == "win_amd64"
    assert pip_platform("Darwin", "arm64") == "macosx_11_0_arm64"
    assert pip_platform("Linux", "x86_64") == "manylinux_2_28_x86_64"


def test_the_download_command_is_one_that_pip_takes() -> None:
    command = download_command(["numpy>=1.26,<3"], "3.12", pip_platform("Linux", "x86_64"))
    assert command.startswith("pip download --dest wheels --only-binary :all: --python-version 3.12 --platform ")
    assert "'numpy>=1.26,<3'" in command


@pytest.fixture
def wheel_folder(tmp_path: Path) -> Path:
    """Folder with one small wheel."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    name = "smallest_package-1.0"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("smallest_package.py", "answer = 42\n")
        wheel.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\nName: smallest-package\nVersion: 1.0\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    return folder


def test_wheels_in_the_folder_install_without_a_network(wheel_folder: Path, tmp_path: Path) -> None:
    assert len(wheels_in(wheel_folder)) == 1
    assert wheels_in(tmp_path / "absent") == []
    arguments = local_arguments(wheel_folder, ["smallest-package>=1"])
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        *arguments,
        "--target",
        str(tmp_path / "into"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "into" / "smallest_package.py").is_file()
    shown = offline_command("PythonSlicer", wheel_folder, ["smallest-package>=1"])
    assert shown.startswith("PythonSlicer -m pip install --no-index --find-links ")
