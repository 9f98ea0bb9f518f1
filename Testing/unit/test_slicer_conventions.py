"""Conventions of Slicer extensions that the source itself shows; the whole list is docs/slicer-conventions.md."""

import ast
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
MODULE = CHECKOUT / "BreastUSAssist"
LIBRARY = MODULE / "BreastUSAssistLib"
MODULE_FILES = sorted(MODULE.glob("*.py"))
SLICER_FILES = sorted(
    [
        *MODULE_FILES,
        *(path for path in MODULE.glob("*Lib/*.py") if path.parent != LIBRARY),
        *(LIBRARY / "mrml").glob("*.py"),
        *(LIBRARY / "panel").glob("*.py"),
    ]
)
UI_FILES = sorted((MODULE / "Resources" / "UI").glob("*.ui"))
IN_SLICER = {
    "slicer",
    "vtk",
    "vtkmodules",
    "qt",
    "ctk",
    "numpy",
    "SimpleITK",
    "BreastUSAssistLib",
    "DICOMLib",
    "SegmentEditorEffects",
}
"""What Slicer itself brings and has loaded by the time it loads modules, and what is ours."""


def imported_at_file_scope(path: Path) -> set[str]:
    """Top names of the packages that are imported when the file is; ours come as relative imports."""
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", SLICER_FILES, ids=lambda path: path.name)
def test_only_what_slicer_brings_is_imported_at_file_scope(path: Path) -> None:
    assert imported_at_file_scope(path) <= IN_SLICER | set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", MODULE_FILES, ids=lambda path: path.name)
def test_a_module_file_is_short_and_does_nothing_when_it_is_imported(path: Path) -> None:
    source = path.read_text("utf-8")
    assert len(source.splitlines()) <= 150
    harmless = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AnnAssign)
    for node in ast.parse(source).body:
        assert isinstance(node, harmless) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            assert not any(isinstance(part, ast.Call) for part in ast.walk(node))


@pytest.mark.parametrize("path", SLICER_FILES, ids=lambda path: path.name)
def test_nothing_of_the_forbidden_is_there(path: Path) -> None:
    source = path.read_text("utf-8")
    forbidden = {
        "an array that is flipped": r"\bnp\.(flip|fliplr|flipud|rot90)\b|SetFlip|vtkImageFlip|\[::-1\]",
        "PyTorch past its extension": r"pip_install\([^)]*torch",
        "a check of certificates that is switched off": r"verify\s*=\s*False|_create_unverified_context",
        "a pickle": r"\bpickle\b|torch\.load\(",
        "what Qt 6 has no more": r"\bQRegExp\b|\bQDesktopWidget\b|QVariant\.Type|buttonClicked\(int\)|QString\)\"",
        "a dialog of our own": r"\bQMessageBox\b",
    }
    for what, pattern in forbidden.items():
        assert not re.search(pattern, source), f"{path.name}: {what}"


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_colours_and_fonts_are_those_of_the_theme(path: Path) -> None:
    properties = {node.get("name") for node in ElementTree.parse(path).iter("property")}
    assert not properties & {"styleSheet", "palette"}


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_every_control_explains_itself(path: Path) -> None:
    controls = re.compile(r"Q(Push|Tool)Button|QComboBox|Q(Double)?SpinBox|QCheckBox|QRadioButton|QSlider|QLineEdit")
    for widget in ElementTree.parse(path).iter("widget"):
        if controls.fullmatch(widget.get("class", "")):
            tips = [node for node in widget.findall("property") if node.get("name") == "toolTip"]
            assert tips, f"{path.name}: {widget.get('name')} has no tooltip"


def test_shortcuts_collide_with_no_others() -> None:
    """Segment Editor and the slice views own plain keys and Shift and Ctrl with them; ours have Alt."""
    keys = re.findall(r'"([A-Za-z]+\+[A-Za-z+]+)":', (LIBRARY / "panel" / "panel.py").read_text("utf-8"))
    assert keys
    menus = {"Alt+F", "Alt+E", "Alt+V", "Alt+H"}
    assert all(key.startswith("Alt+") for key in keys)
    assert not menus & set(keys), "menus of the main window: File, Edit, View, Help"
    assert len(keys) == len(set(keys))


def test_the_list_of_conventions_names_tests_that_exist() -> None:
    text = (CHECKOUT / "docs" / "slicer-conventions.md").read_text("utf-8")
    named = re.findall(r"`((?:Testing/)?(?:unit|panel|scene|dicom)/test_\w+\.py)(?:::(\w+))?`", text)
    assert len(named) > 20
    for path, test in named:
        file = CHECKOUT / "Testing" / path.removeprefix("Testing/")
        assert file.is_file(), path
        assert not test or f"def {test}(" in file.read_text("utf-8"), f"{path}::{test}"
