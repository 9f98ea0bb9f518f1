"""Controls of the panel: tooltips, shortcuts, signs beside colours, one screen high, every text translatable."""

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.ultrasound.phantom import LesionSpec
from panel.bench import PanelBench, small
from panel.reader_actions import cell_text, choose_term, choose_text, shared_bench

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")

UI_FILES = sorted(resource_path("UI").glob("*.ui"))
SHOWN_ALONE = {"QLabel", "QFrame", "QWidget", "qMRMLWidget", "QGroupBox", "QSplitter", "Line"}
"""Nothing is done with these."""
SECTIONS = ("worklist", "pacs", "case", "analyze", "findings", "correct", "finish", "learn")
TITLES = {f"{name}Button" for name in SECTIONS}
"""Headings of the sections, which say what is below them."""
SEGMENT_EDITOR_KEYS = {
    *(str(number) for number in range(10)),
    *(f"Shift+{number}" for number in range(10)),
    *("Q", "W", "Z", "Y", "Ctrl+Z", "Ctrl+Y", "Space", "Esc", "I", "Left", "Right", "Up", "Down"),
    *("/", "*", ",", ".", "<", ">"),
}
SLICE_VIEW_KEYS = {
    "R",
    "V",
    "G",
    "T",
    "B",
    "F",
    "+",
    "-",
    "=",
    "L",
    "S",
    "O",
    "C",
    "A",
    "P",
    "Left",
    "Right",
    "Up",
    "Down",
}
APPLICATION_KEYS = {"Ctrl+O", "Ctrl+S", "Ctrl+W", "Ctrl+A", "Ctrl+F", "Ctrl+0", "Ctrl+3", "Ctrl+T", "Ctrl+P", "Alt+F4"}
MENUS = {"Alt+F", "Alt+E", "Alt+V", "Alt+H"}
"""File, Edit, View and Help of the main window."""
MOST_HEIGHT = 1020
"""Pixels for the panel in a window of 1080 with a title and a status line."""


def widgets(path: Any) -> list[tuple[str, str, dict[str, str]]]:
    """Class, name and texts of every widget of a .ui."""
    return [
        (
            str(widget.get("class")),
            str(widget.get("name")),
            {str(one.get("name")): "".join(one.itertext()).strip() for one in widget.findall("property")},
        )
        for widget in ElementTree.parse(path).iter("widget")
    ]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelBench]:
    with shared_bench(tmp_path_factory.mktemp("controls")) as bench:
        lesions = (LesionSpec(width_mm=12, lateral_mm=-10), LesionSpec(width_mm=9, lateral_mm=11, depth_mm=11))
        bench.choose(bench.load(small("still", lesions=lesions, seed=7), "still"))
        bench.run()
        yield bench


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.stem)
def test_every_control_has_a_tooltip(path: Any) -> None:
    silent = [
        name
        for kind, name, texts in widgets(path)
        if kind not in SHOWN_ALONE and name not in TITLES and not texts.get("toolTip")
    ]
    assert silent == []


def test_every_shortcut_is_shown_on_a_control_or_in_its_tooltip(bench: PanelBench) -> None:
    shown = " ".join(" ".join(texts.values()) for path in UI_FILES for _kind, _name, texts in widgets(path))
    assert [key for key in bench.panel.shortcuts.keys if not re.search(rf"\b{re.escape(key)}\b", shown)] == []


def test_no_shortcut_is_anothers(bench: PanelBench) -> None:
    keys = bench.panel.shortcuts.keys
    assert len(set(keys)) == len(keys)
    taken = SEGMENT_EDITOR_KEYS | SLICE_VIEW_KEYS | APPLICATION_KEYS | MENUS
    assert [key for key in keys if key in taken] == []


def active_keys(bench: PanelBench) -> list[str]:
    """Keys that the panel listens to in the main window."""
    qt = bench.host.qt
    found = [one for one in bench.window.findChildren(qt.QShortcut) if one.parent() is bench.window and one.enabled]
    return [one.key.toString() for one in found if one.key.toString() in bench.panel.shortcuts.keys]


def test_shortcuts_are_on_while_the_module_is_shown_and_only_once(bench: PanelBench) -> None:
    assert sorted(active_keys(bench)) == sorted(bench.panel.shortcuts.keys)
    bench.window.moduleSelector().selectModule("")
    bench.host.process_events()
    assert active_keys(bench) == []
    bench.host.window(bench.module)
    bench.module.enter()
    bench.host.process_events()
    assert sorted(active_keys(bench)) == sorted(bench.panel.shortcuts.keys)


def test_every_shortcut_does_what_its_control_says(bench: PanelBench) -> None:
    keys = {one.key.toString(): one for one in bench.panel.shortcuts._active}
    row = bench.ui("findings").findingsTable.currentRow()
    keys["Alt+Down"].activated.emit()
    assert bench.ui("findings").findingsTable.currentRow() != row
    keys["Alt+Up"].activated.emit()
    assert bench.ui("findings").findingsTable.currentRow() == row
    keys["Alt+C"].activated.emit()
    assert bench.ui("correct").addClickButton.checked
    keys["Alt+C"].activated.emit()
    assert not bench.ui("correct").addClickButton.checked
    bench.turn()
    for key in ("Alt+A", "Alt+X"):
        keys[key].activated.emit()
        bench.turn()
        assert bench.status.startswith("✖ "), (key, bench.status)
        assert bench.case.reading.decision == "open"


def test_nothing_is_said_by_colour_alone(bench: PanelBench) -> None:
    choose_term(bench, 0, "Margin", "Not circumscribed - indistinct")
    choose_text(bench.ui("findings").categoryComboBox, "4B")
    assert cell_text(bench, 0, "Margin").startswith("✎ ")
    assert "✎ you: 4B" in cell_text(bench, 0, "Suggested")
    bench.ui("findings").removeLesionButton.click()
    assert cell_text(bench, 0, "Suggested") == "not a lesion"
    assert bench.ui("findings").removeLesionButton.text == "Put back lesion"
    bench.ui("findings").removeLesionButton.click()
    bench.ui("findings").putBackTermButton.click()
    assert "✎" not in cell_text(bench, 0, "Margin")
    bench.session.say("Something is wrong.", "error")
    assert bench.status == "✖ Something is wrong."
    assert bench.ui("case").calibrationLabel.text[0] in "✔⚠"
    for button, words in (("addClickButton", "Click what belongs"), ("boxButton", "Drag a box")):
        getattr(bench.ui("correct"), button).click()
        assert words in bench.ui("correct").correctLabel.text
        assert getattr(bench.ui("correct"), button).font.bold()
    bench.ui("correct").boxButton.click()
    bench.turn()


def test_no_style_sheet_sets_a_colour(bench: PanelBench) -> None:
    styled = [
        name for path in UI_FILES for _kind, name, texts in widgets(path) if "color" in texts.get("styleSheet", "")
    ]
    assert styled == []


def hidden_height(bench: PanelBench) -> int:
    """Pixels of the panel that a reader would have to scroll to, in a window of 1920 x 1080."""
    bench.host.process_events(0.2)
    assert bench.panel.widget.sizeHint.height() <= MOST_HEIGHT
    area = bench.window.findChild("QScrollArea", "ModulePanel")
    return int(area.verticalScrollBar().maximum)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_drafted_still_fits_one_screen(bench: PanelBench, theme: str) -> None:
    bench.host.set_theme(theme)
    bench.module.exit()
    bench.module.enter()
    try:
        assert hidden_height(bench) == 0
        picture = bench.picture(f"still-{theme}")
        assert picture.is_file()
    finally:
        bench.host.set_theme("light")


def test_every_text_of_the_panel_is_translated(bench: PanelBench) -> None:
    """Texts that Python sets anew are all marked; terms of the lexicon and names of nodes are no texts of the panel."""
    with bench.host.marked_text():
        bench.session.case_changed.emit()
        bench.session.findings_changed.emit()
        bench.panel.findings.edit(0, 4)
        table = bench.ui("findings").findingsTable
        assert table.cellWidget(0, 4).toolTip.startswith("⟦")
        bench.panel.findings._close_editor()
        own = [str(table.horizontalHeaderItem(column).text()) for column in range(4)]
        tips = [str(table.item(0, column).toolTip()) for column in range(table.columnCount)]
        labels = {
            "case.frameCountLabel": bench.ui("case").frameCountLabel.text,
            "case.frameLabel": bench.ui("case").frameLabel.text,
            "case.calibrationLabel": bench.ui("case").calibrationLabel.text[2:],
            "case.calibrateButton": bench.ui("case").calibrateButton.text,
            "findings.removeLesionButton": bench.ui("findings").removeLesionButton.text,
            "correct.correctLabel": bench.ui("correct").correctLabel.text,
            "finish.decisionLabel": bench.ui("finish").decisionLabel.text,
        }
        bench.panel.finish.next()
        said = [bench.status]
        bench.panel.correct.undo()
        said.append(bench.status)
    bench.session.findings_changed.emit()
    assert [text for text in (*own, *tips, *said) if not text.startswith("⟦")] == []
    assert {name: text for name, text in labels.items() if not text.startswith("⟦")} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_drafted_cine_fits_one_screen(bench: PanelBench, theme: str) -> None:
    if bench.case.source.kind != "cine":
        lesions = (LesionSpec(width_mm=14, height_mm=9),)
        bench.choose(bench.load(small("sweep", lesions=lesions, frame_count=3), "sweep"))
        choose_item = bench.ui("analyze").framesComboBox
        choose_item.setCurrentIndex(0)
        bench.run()
        assert len(bench.case.runs[-1].frames) == 1
        choose_item.setCurrentIndex(1)
    bench.host.set_theme(theme)
    try:
        assert hidden_height(bench) == 0
        assert bench.picture(f"cine-{theme}").is_file()
    finally:
        bench.host.set_theme("light")
