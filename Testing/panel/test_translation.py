"""Text that a reader sees can be translated: it goes through _(), in the form that Slicer's tools find."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

MODULE = Path(__file__).resolve().parents[2] / "BreastUSAssist"
FILES = sorted(
    [
        *MODULE.glob("*.py"),
        *(path for path in MODULE.glob("*Lib/*.py") if path.parent.name != "BreastUSAssistLib"),
        *(MODULE / "BreastUSAssistLib" / "panel").glob("*.py"),
        *(MODULE / "BreastUSAssistLib" / "mrml").glob("*.py"),
    ]
)
UI_FILES = sorted((MODULE / "Resources" / "UI").glob("*.ui"))
TRANSLATORS = {"_", "translate", "tr"}
SHOWN_BY_METHOD = {
    "setText": 0,
    "setToolTip": 0,
    "setStatusTip": 0,
    "setWhatsThis": 0,
    "setTitle": 0,
    "setWindowTitle": 0,
    "setPlaceholderText": 0,
    "setLabelText": 0,
    "setFormat": 0,
    "setPrefix": 0,
    "setSuffix": 0,
    "setAccessibleName": 0,
    "setAccessibleDescription": 0,
    "setHeaderLabels": 0,
    "setHorizontalHeaderLabels": 0,
    "setVerticalHeaderLabels": 0,
    "addItem": 0,
    "addItems": 0,
    "setItemText": 1,
    "setTabText": 1,
    "showMessage": 0,
    "say": 0,
    "delayDisplay": 0,
    "showStatusMessage": 0,
    "errorDisplay": 0,
    "infoDisplay": 0,
    "warningDisplay": 0,
    "confirmOkCancelDisplay": 0,
    "confirmYesNoDisplay": 0,
}
"""Method or function -> place of the argument that is shown."""
SHOWN_BY_CLASS = {"QLabel", "QPushButton", "QToolButton", "QCheckBox", "QRadioButton", "QGroupBox", "QAction"}
SHOWN_BY_ERROR = {"InputError", "OutputError", "ModelError", "UsageError"}
"""Their message ends in the status line."""
SHOWN_BY_PROPERTY = {"text", "toolTip", "title", "windowTitle", "statusTip", "helpText", "acknowledgementText"}


def shown(tree: ast.AST) -> Iterator[ast.expr]:
    """Expressions that end up before the reader."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = 0 if name in SHOWN_BY_CLASS | SHOWN_BY_ERROR else SHOWN_BY_METHOD.get(name)
            if place is not None and len(node.args) > place:
                yield node.args[place]
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr in SHOWN_BY_PROPERTY:
                    yield node.value


def untranslated(expression: ast.expr) -> Iterator[str]:
    """Words of an expression that pass by _()."""
    if isinstance(expression, ast.Constant):
        # A number, a sign or a unit says the same in every language; so does a key that is printed on keyboards.
        if isinstance(expression.value, str) and re.search(r"[A-Za-z]{3}", expression.value):
            yield expression.value
    elif isinstance(expression, ast.JoinedStr):
        for part in expression.values:
            yield from untranslated(part)
    elif isinstance(expression, ast.BinOp):
        yield from untranslated(expression.left)
        yield from untranslated(expression.right)
    elif isinstance(expression, ast.IfExp):
        yield from untranslated(expression.body)
        yield from untranslated(expression.orelse)
    elif isinstance(expression, ast.BoolOp):
        for part in expression.values:
            yield from untranslated(part)
    elif isinstance(expression, (ast.List, ast.Tuple)):
        for part in expression.elts:
            yield from untranslated(part)
    elif isinstance(expression, ast.Call) and getattr(expression.func, "attr", "") in ("format", "join"):
        yield from untranslated(expression.func.value)  # type: ignore[attr-defined]


def translations(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of _()."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TRANSLATORS:
            yield node


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_shown_is_translated(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    missed = [(node.lineno, text) for node in shown(tree) for text in untranslated(node)]
    assert missed == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_translations_have_the_form_that_slicers_tools_find(path: Path) -> None:
    """Slicer's lupdate_preprocess.py looks for `_("…")`: literals alone, nothing after the last quote."""
    source = path.read_text("utf-8")
    for call in translations(ast.parse(source)):
        place = f"{path.name}:{call.lineno}"
        text = call.args[-1]
        assert isinstance(text, ast.Constant) and isinstance(text.value, str), f"{place}: no literal"
        assert len(call.args) == (2 if call.func.id == "translate" else 1), place  # type: ignore[attr-defined]
        written = ast.get_source_segment(source, call) or ""
        assert re.search(r"[\"']\s*\)$", written), f"{place}: something follows the text"
        names = re.findall(r"(?<!\{)\{([^{}]*)\}", text.value)
        assert all(re.match(r"[a-z_]", name) for name in names), f"{place}: placeholders have names"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_translator_is_slicers_under_its_usual_name(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    if not any(call.func.id == "_" for call in translations(tree)):  # type: ignore[attr-defined]
        return
    imported = {
        (node.module, name.name, name.asname)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert ("slicer.i18n", "tr", "_") in imported


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_no_text_of_a_form_is_kept_from_translation(path: Path) -> None:
    for text in ElementTree.parse(path).iter("string"):
        if text.get("notr") == "true":
            assert not re.search(r"[a-z]{3} [a-z]", text.text or ""), text.text


def test_the_check_sees_what_is_not_translated() -> None:
    tree = ast.parse(
        """
label.setText("Run")
label.setText(_("Runs"))
label.setText(f"{n} frames")
box.addItem("" if x else "Auto")
label.toolTip = "Stop" + key
label.setText("{n} mm²".format(n=1))
qt.QLabel("Lesion")
label.setText(name)
raise InputError("Load it again.")
"""
    )
    found = {text for node in shown(tree) for text in untranslated(node)}
    assert found == {"Run", " frames", "Auto", "Stop", "Lesion", "Load it again."}
