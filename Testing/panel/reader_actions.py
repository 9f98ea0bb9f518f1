"""What a reader does with the panel's controls, and what the panel then shows: shared by the tests of the panel."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from panel.bench import PanelBench, open_bench


@contextmanager
def shared_bench(folder: Path) -> Iterator[PanelBench]:
    """One panel for the tests of a file; the scene is emptied at the end, and nothing may have been raised."""
    from host import clear

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        bench = open_bench(folder, patch)
        yield bench
        clear()
        bench.turn()
        assert bench.raised == [], bench.raised


def choose_item(combo: Any, index: int) -> None:
    """Choose an item of a combo box."""
    combo.setCurrentIndex(index)


def choose_text(combo: Any, text: str) -> None:
    """Choose the item of a combo box that says `text`."""
    index = combo.findText(text)
    assert index >= 0, [combo.itemText(place) for place in range(combo.count)]
    combo.setCurrentIndex(index)


def column_of(bench: PanelBench, title: str) -> int:
    """Column of the findings table with a title."""
    table = bench.ui("findings").findingsTable
    return [table.horizontalHeaderItem(column).text() for column in range(table.columnCount)].index(title)


def choose_term(bench: PanelBench, row: int, title: str, label: str) -> None:
    """Open the list of terms in a cell of the findings table and choose one."""
    table, column = bench.ui("findings").findingsTable, column_of(bench, title)
    bench.panel.findings.edit(row, column)
    combo = table.cellWidget(row, column)
    chosen = combo.findText(label)
    assert chosen >= 0, [combo.itemText(place) for place in range(combo.count)]
    combo.activated.emit(chosen)
    bench.host.process_events()


def write_note(bench: PanelBench, text: str) -> None:
    """Write the note of the selected lesion."""
    edit = bench.ui("findings").noteLineEdit
    edit.setText(text)
    edit.editingFinished.emit()


def cell_text(bench: PanelBench, row: int, title: str) -> str:
    """What a cell of the findings table says."""
    return str(bench.ui("findings").findingsTable.item(row, column_of(bench, title)).text())


def table_texts(bench: PanelBench) -> list[list[str]]:
    """All cells of the findings table, row by row."""
    table = bench.ui("findings").findingsTable
    return [
        [str(table.item(row, column).text()) for column in range(table.columnCount)] for row in range(table.rowCount)
    ]
