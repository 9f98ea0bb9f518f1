"""The house rules of design that imports can break: layers, what may be imported where, and what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import BreastUSAssistLib
import pytest

LIBRARY = Path(BreastUSAssistLib.__file__).parent
LAYERS = ["ultrasound", "model", "birads", "labels", "dicom", "learning", "service", "mrml", "panel", "command_line"]
ALLOWED = {"mrml": {"slicer", "vtk", "vtkmodules"}, "panel": {"slicer", "vtk", "vtkmodules", "qt", "ctk"}}
"""What only the layers inside Slicer may import: the scene has no widgets."""
HEAVY = ("torch", "monai", "highdicom", "matplotlib", "onnxruntime", "openvino", "pydicom", "scipy", "skimage")


def imported_modules(path: Path) -> set[str]:
    """Absolute names of all modules that a file imports, at any depth, relative imports resolved."""
    package = ["BreastUSAssistLib", *path.relative_to(LIBRARY).parts[:-1]]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names.add(module)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py")), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_a_layer_imports_only_from_those_above(path: Path) -> None:
    layer = path.relative_to(LIBRARY).parts[0]
    below = LAYERS[LAYERS.index(layer) + 1 :] if layer in LAYERS else LAYERS
    if path.name == "__main__.py":
        below = []
    names = imported_modules(path)
    for other in below:
        assert not any(name.startswith(f"BreastUSAssistLib.{other}") for name in names), f"{path} imports {other}"
    roots = {name.split(".")[0] for name in names}
    forbidden = {"slicer", "vtk", "vtkmodules", "qt", "ctk", "PySide6"} - ALLOWED.get(layer, set())
    assert not roots & forbidden, f"{path} imports {roots & forbidden}"


def test_the_layer_rule_sees_a_forbidden_import(tmp_path: Path) -> None:
    names = imported_modules(LIBRARY / "service" / "batch.py")
    assert "BreastUSAssistLib.ultrasound.reading.open_clips" in names
    assert "BreastUSAssistLib.service.analyze.analyze_clip" in names


@pytest.mark.parametrize("statement", ["import BreastUSAssistLib", "import BreastUSAssistLib.command_line"])
def test_importing_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=LIBRARY.parent
    ).stdout.split()
    assert loaded == []


def test_analysing_needs_no_torch() -> None:
    code = (
        "import sys; import BreastUSAssistLib.service.batch, BreastUSAssistLib.service.demo; "
        "print(*[m for m in ('torch', 'monai', 'matplotlib') if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=LIBRARY.parent
    )
    assert loaded.stdout.split() == []
