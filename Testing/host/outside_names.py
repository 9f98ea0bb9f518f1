"""Which names of Slicer, Qt, CTK and VTK the module uses: read out of its own files, without running them.

Three kinds of names:
- dotted ones from a module on (`slicer.util.loadUI`, `qt.QTimer.singleShot`), imported ones with their module;
- `ui:<class>`, a widget class that a `.ui` file names, and `ui:<class>.<property>` for what it sets of it;
- `.<name>`, a method, property or signal of some object of theirs, as far as its spelling tells: camelCase or
  CapitalCase that no file of ours defines.

`python -m host.outside_names` in Testing/ writes the list anew and says which names have to be looked up by hand.
"""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from .outside_name_sources import test_case_members, where_defined

CHECKOUT = Path(__file__).resolve().parents[2]
MODULE = CHECKOUT / "BreastUSAssist"
LIST = Path(__file__).with_name("outside_names.json")
PACKAGES = (
    "slicer",
    "qt",
    "ctk",
    "vtk",
    "vtkmodules",
    "SegmentEditorEffects",
    "DICOMLib",
    "SampleData",
    "PyTorchUtils",
)
FOREIGN_SPELLING = re.compile(r"^(?:[a-z]+\d*[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[A-Z][a-z]{2,})$")
"""camelCase, or CapitalCase that is no constant; our own names are snake_case and classes are told by being ours."""

Uses = dict[str, list[str]]
"""Name -> where it is used, as "file:line"."""


def source_files() -> list[Path]:
    """The files that run inside Slicer."""
    library = MODULE / "BreastUSAssistLib"
    files = [*MODULE.glob("*.py"), *(library / "mrml").rglob("*.py"), *(library / "panel").rglob("*.py")]
    return sorted([*files, *(MODULE / "SegmentEditorBreastLesionLib").glob("*.py")])


def ui_files() -> list[Path]:
    return sorted((MODULE / "Resources" / "UI").glob("*.ui"))


def used_names(sources: Iterable[Path], interfaces: Iterable[Path]) -> Uses:
    """Every outside name in these Python and `.ui` files."""
    uses: Uses = defaultdict(list)
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sources}
    interfaces = list(interfaces)
    ours = test_case_members() | _object_names(interfaces)
    for tree in trees.values():
        ours |= _defined(tree)
    for path, tree in trees.items():
        for name, line in _names(tree, ours):
            uses[name].append(f"{path.name}:{line}")
    for path in interfaces:
        for name in _ui_names(ElementTree.parse(path).getroot()):
            uses[name].append(path.name)
    return dict(uses)


def differences(uses: Uses, listed: dict[str, str]) -> list[str]:
    """A sentence for each name that is used and not listed, or listed and no longer used."""
    sentences = [
        f"{name} is used in {uses[name][0]} but not in {LIST.name}: find where Slicer, CTK, Qt or VTK defines it"
        for name in sorted(set(uses) - set(listed))
    ]
    unused = sorted(set(listed) - set(uses))
    return sentences + [f"{name} is in {LIST.name} but used nowhere any more: take it out" for name in unused]


def _defined(tree: ast.Module) -> set[str]:
    """Names of functions, classes, arguments and attributes of self that the file itself defines."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _dotted(node.value) == "self":
            names.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def _object_names(interfaces: Iterable[Path]) -> set[str]:
    """Names that the `.ui` files give to their widgets: `ui.runButton` is ours."""
    return {
        widget.get("name", "") for path in interfaces for widget in ElementTree.parse(path).getroot().iter("widget")
    }


def _names(tree: ast.Module, ours: set[str]) -> Iterator[tuple[str, int]]:
    imported, foreign = _imported(tree)
    inner: set[ast.AST] = set()
    for name in imported.values():
        if name.partition(".")[2]:
            yield name, 1
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node in inner:
            continue
        # ast.walk goes from the outside in: the longest chain comes first
        inner.update(each for each in ast.walk(node.value) if isinstance(each, ast.Attribute) and _is_chain(node))
        chain = _dotted(node)
        root, _, rest = (chain or "").partition(".")
        if root in imported:
            yield f"{imported[root]}.{rest}", node.lineno
        elif root not in foreign and node.attr not in ours and FOREIGN_SPELLING.match(node.attr):
            yield f".{node.attr}", node.lineno


def _imported(tree: ast.Module) -> tuple[dict[str, str], set[str]]:
    """(local name -> full name, of what comes from the packages; local names of what comes from elsewhere)."""
    names, foreign = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                if root in PACKAGES:
                    names[alias.asname or root] = alias.name if alias.asname else root
                else:
                    foreign.add(alias.asname or root)
        elif isinstance(node, ast.ImportFrom):
            root = (node.module or "").partition(".")[0]
            for alias in node.names:
                if root in PACKAGES and not node.level:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                else:
                    foreign.add(alias.asname or alias.name)
    return names, foreign


def _is_chain(node: ast.Attribute) -> bool:
    return _dotted(node) is not None


def _dotted(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _ui_names(root: ElementTree.Element) -> Iterator[str]:
    for widget in root.iter("widget"):
        class_name = widget.get("class", "")
        yield f"ui:{class_name}"
        for entry in widget.findall("property"):
            if entry.get("stdset") != "0":
                yield f"ui:{class_name}.{entry.get('name')}"


def fill() -> list[str]:
    """Write the list anew from the names in use; returns the names that have to be looked up by hand."""
    from . import start_host

    host = start_host()
    import vtk

    listed = json.loads(LIST.read_text(encoding="utf-8")) if LIST.is_file() else {}
    uses = used_names(source_files(), ui_files())
    found = {name: listed.get(name) or where_defined(name, host.slicer, vtk, host.qt) for name in sorted(uses)}
    known = {name: where for name, where in found.items() if where}
    LIST.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [f"{name} ({', '.join(uses[name][:3])})" for name, where in found.items() if not where]


if __name__ == "__main__":
    print("\n".join(fill()))
