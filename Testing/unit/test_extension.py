"""The extension as Slicer's factory builds it: metadata that agree, every file listed, none missing once installed."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CHECKOUT = Path(__file__).resolve().parents[2]
CMAKE_FOLDER = CHECKOUT / "Testing" / "cmake"
MODULES_FOLDER = Path("lib/Slicer-5.12/qt-scripted-modules")
LISTING = runpy.run_path(str(CMAKE_FOLDER / "update_module_files.py"))
REPOSITORY = "https://github.com/BreastUSAssist/SlicerBreastUSAssist"


def program(name: str) -> str | None:
    """Path of a program on the PATH or installed by pip beside this Python."""
    return shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))


def run_cmake(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run CMake."""
    cmake = program("cmake")
    if cmake is None or (program("ninja") is None and program("make") is None):
        pytest.skip("CMake and Ninja are not installed; pip install cmake ninja")
    return subprocess.run([cmake, *arguments], capture_output=True, text=True, check=False)


def configure(source: Path, build: Path) -> subprocess.CompletedProcess[str]:
    """Configure the extension in `source` against the stand-in of Slicer."""
    generator = ("-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={program('ninja')}") if program("ninja") else ()
    return run_cmake(
        *generator,
        "-S",
        str(source),
        "-B",
        str(build),
        f"-DSlicer_DIR={CMAKE_FOLDER}",
        f"-DCMAKE_TOOLCHAIN_FILE={CMAKE_FOLDER / 'no_compiler.cmake'}",
        "-DBUILD_TESTING=ON",
    )


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the extension has been configured and built."""
    folder = tmp_path_factory.mktemp("extension") / "build"
    for step in (lambda: configure(CHECKOUT, folder), lambda: run_cmake("--build", str(folder))):
        done = step()
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the build reads, to break."""
    source = tmp_path / "source"
    for name in ("CMakeLists.txt", "LICENSE", "README.md"):
        source.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, source / name)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "BreastUSAssist", source / "BreastUSAssist", ignore=ignore, copy_function=link)
    return source


def link(source: str, copy: str) -> None:
    """A second name of a file, which spares copying the weights; a copy where the file system knows no such thing."""
    try:
        os.link(source, copy)
    except OSError:
        shutil.copy2(source, copy)


def description() -> dict[str, str]:
    """Keys and values of the .s4ext file."""
    lines = (CHECKOUT / "BreastUSAssist.s4ext").read_text("utf-8").splitlines()
    pairs = (line.partition(" ") for line in lines if line.strip() and not line.startswith("#"))
    return {key: value.strip() for key, _, value in pairs}


def test_the_lists_name_every_file_that_git_knows() -> None:
    wanted = LISTING["module_files_cmake"](LISTING["module_files"]())
    found = (CHECKOUT / "BreastUSAssist" / "ModuleFiles.cmake").read_text("utf-8")
    missing = sorted(set(wanted.splitlines()) - set(found.splitlines()))
    gone = sorted(set(found.splitlines()) - set(wanted.splitlines()))
    assert found == wanted, f"run Testing/cmake/update_module_files.py: missing {missing}, too much {gone}"


def test_weights_schemas_and_scripts_are_in_the_lists() -> None:
    names = LISTING["module_files"]()
    for name in (
        "BreastUSAssistLib/service/analyze.py",
        "Resources/Models/lesion-outline/models/model.safetensors",
        "Resources/Models/lesion-reader/models/model.onnx",
        "Resources/Schema/analysis-1.0.schema.json",
        "Resources/requirements.txt",
        "Resources/Icons/BreastUSAssist.png",
    ):
        assert name in names


def test_a_list_without_git_holds_the_same_files(copy: Path) -> None:
    assert set(LISTING["module_files"]()) <= set(LISTING["module_files"](copy))


def test_the_installed_tree_holds_every_file(build: Path, tmp_path: Path) -> None:
    done = run_cmake("--install", str(build), "--prefix", str(tmp_path / "installed"))
    assert done.returncode == 0, done.stdout + done.stderr
    installed = tmp_path / "installed" / MODULES_FOLDER
    names = LISTING["module_files"]()
    assert [name for name in names if not (installed / name).is_file()] == []
    assert {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()} == set(names)
    weights = "Resources/Models/lesion-outline/models/model.safetensors"
    assert (installed / weights).read_bytes() == (CHECKOUT / "BreastUSAssist" / weights).read_bytes()


def test_the_installed_library_finds_its_resources(build: Path, tmp_path: Path) -> None:
    run_cmake("--install", str(build), "--prefix", str(tmp_path / "installed"))
    code = "from BreastUSAssistLib.files import resource_path; print(resource_path('Lexicon', 'birads-us-2013.json'))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed" / MODULES_FOLDER)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert Path(found).is_file()
    assert (tmp_path / "installed") in Path(found).parents


@pytest.mark.parametrize(
    "name",
    [
        "BreastUSAssistLib/service/analyze.py",
        "Resources/Models/lesion-reader/models/model.onnx",
        "Resources/requirements.txt",
    ],
)
def test_a_missing_file_stops_the_build(copy: Path, tmp_path: Path, name: str) -> None:
    (copy / "BreastUSAssist" / name).unlink()
    done = configure(copy, tmp_path / "build")
    assert done.returncode != 0
    assert name in done.stderr


def test_a_whole_copy_configures(copy: Path, tmp_path: Path) -> None:
    done = configure(copy, tmp_path / "build")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_self_test_is_registered(build: Path) -> None:
    registered = (build / "BreastUSAssist" / "CTestTestfile.cmake").read_text("utf-8")
    assert "py_BreastUSAssist" in registered


def test_both_index_formats_and_cmake_say_the_same(build: Path) -> None:
    lines = (build / "extension.txt").read_text("utf-8").splitlines()
    project = {key: value for key, _, value in (line.partition(" ") for line in lines)}
    old = description()
    new = json.loads((CHECKOUT / "BreastUSAssist.json").read_text("utf-8"))
    for key in (
        "homepage",
        "category",
        "contributors",
        "description",
        "iconurl",
        "screenshoturls",
        "depends",
        "build_subdirectory",
    ):
        assert old[key] == project[key], key
    assert project["name"] == "BreastUSAssist"
    assert old["scm"] == new["scm_type"] == "git"
    assert old["scmurl"] == new["scm_url"] == f"{REPOSITORY}.git"
    assert old["scmrevision"] == new["scm_revision"]
    assert old["category"] == new["category"] == "Ultrasound"
    assert old["depends"].split() == new["build_dependencies"] == ["PyTorch"]
    assert old["build_subdirectory"] == new["build_subdirectory"]
    assert bool(int(old["enabled"])) is new["enabled"]
    assert old["homepage"] == REPOSITORY


def test_the_index_entry_has_the_fields_of_its_schema() -> None:
    """Fields of the extension catalog entry schema 1.0.1, which allows no others."""
    entry = json.loads((CHECKOUT / "BreastUSAssist.json").read_text("utf-8"))
    required = {"$schema", "category", "scm_url"}
    optional = {"scm_revision", "scm_type", "build_dependencies", "build_subdirectory", "enabled", "tier"}
    assert required <= set(entry) <= required | optional
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert 1 <= entry["tier"] <= 5
    assert not entry["scm_url"].rsplit("/", 1)[1].startswith("BreastUSAssist"), "a repository's name starts with Slicer"


def test_what_the_index_checks_is_there() -> None:
    assert (CHECKOUT / "LICENSE").is_file()
    project = (CHECKOUT / "CMakeLists.txt").read_text("utf-8")
    assert "project(BreastUSAssist)" in project
    for url in (description()["iconurl"], *description()["screenshoturls"].split()):
        path = url.split("/main/", 1)[1]
        with Image.open(CHECKOUT / path) as image:
            assert image.format == "PNG"
    with Image.open(CHECKOUT / "Resources" / "BreastUSAssist.png") as icon:
        assert icon.size == (128, 128)
    size = sum((CHECKOUT / "BreastUSAssist" / name).stat().st_size for name in LISTING["module_files"]())
    assert size < 95e6, "a checkout above 100 MB is refused"


ICONS = CHECKOUT / "BreastUSAssist" / "Resources" / "Icons"
LINE_ICONS = sorted(path.stem.removesuffix("-dark") for path in ICONS.glob("*-dark.png"))


def test_the_panel_has_its_icons() -> None:
    wanted = {
        "run",
        "cancel",
        "add-click",
        "remove-click",
        "box",
        "scribble",
        "accept",
        "reject",
        "next",
        "undo",
        "redo",
    }
    assert wanted | {"put-back"} <= set(LINE_ICONS)


@pytest.mark.parametrize("name", LINE_ICONS)
@pytest.mark.parametrize(("suffix", "background"), [("", 239), ("-dark", 50)])
def test_an_icon_is_legible_at_20_pixels(name: str, suffix: str, background: int) -> None:
    """Ink on a fair part of it, and a contrast of 4.5 or more (WCAG 2.2, 1.4.3) with the windows of both themes."""
    with Image.open(ICONS / f"{name}{suffix}.png") as icon:
        assert icon.mode == "RGBA" and icon.size[0] == icon.size[1] >= 40
        pixels = np.asarray(icon.resize((20, 20), Image.Resampling.LANCZOS)).astype(float)
    ink = pixels[..., 3] > 200
    assert 0.06 < ink.mean() < 0.6
    colour = pixels[ink][:, :3].mean(axis=0)
    light, dark = sorted((luminance(colour), luminance(np.full(3, background))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: np.ndarray) -> float:
    """Relative luminance of sRGB values 0..255 (WCAG 2.2)."""
    value = np.asarray(colour) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
