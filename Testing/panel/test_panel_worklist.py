"""A reader's way through a label folder in the panel: next, back, deciding, leaving, and coming back."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.labels.double_reading import choose_double_reading
from BreastUSAssistLib.labels.record import LabelRecord
from BreastUSAssistLib.labels.store import LabelStore
from drafted_folder import fill
from panel.bench import PanelBench
from panel.reader_actions import shared_bench

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelBench]:
    with shared_bench(tmp_path_factory.mktemp("worklist")) as bench:
        bench.without_measuring()
        yield bench
        bench.panel.worklist._fold.setCollapsed(True)


@pytest.fixture
def bench(shared: PanelBench, request: pytest.FixtureRequest) -> PanelBench:
    """The panel over an empty scene, the worklist folded, with a folder for labels that is not there yet."""
    from host import clear

    clear()
    shared.turn()
    shared.panel.worklist._fold.setCollapsed(True)
    finish = shared.ui("finish")
    finish.labelsPathLineEdit.setCurrentPath(str(shared.folder / request.node.name[:40]))
    finish.readerLineEdit.setText("Reader A")
    return shared


def labels_of(bench: PanelBench) -> Path:
    return Path(bench.ui("finish").labelsPathLineEdit.currentPath)


def begin(bench: PanelBench, count: int = 3, frame_count: int = 1) -> list[str]:
    """A label folder of drafted cases and its worklist unfolded; the cases in order."""
    cases = fill(labels_of(bench), count, frame_count)
    look(bench)
    assert listed(bench) == [(case, "drafted") for case in cases]
    return cases


def look(bench: PanelBench) -> None:
    """Unfold the worklist and wait for it."""
    bench.panel.worklist._fold.setCollapsed(True)
    bench.panel.worklist.walk.forget()
    bench.panel.worklist._fold.setCollapsed(False)
    bench.turn(lambda: bench.panel.worklist.walk.view is not None or bench.panel.worklist.walk.trouble != "")
    bench.turn()


def listed(bench: PanelBench) -> list[tuple[str, str]]:
    """What the table says."""
    table = bench.ui("worklist").casesTable
    return [(table.item(row, 0).text(), table.item(row, 1).text()) for row in range(table.rowCount)]


def go(bench: PanelBench, key: str = "Alt+W") -> str:
    """Press a key; the case of the worklist that is open then."""
    press(bench, key)
    bench.turn()
    return str(bench.panel.worklist.walk.open_case)


def press(bench: PanelBench, key: str) -> None:
    bench.panel.shortcuts._actions[key]()


def draw(bench: PanelBench, top: int = 20) -> np.ndarray:
    """The reader's outline of lesion 1."""
    mask = np.zeros((160, 200), bool)
    mask[top : top + 40, 60:120] = True
    bench.case.set_mask(bench.session.frame(), 1, mask)
    return mask


def images(bench: PanelBench) -> list[str]:
    """Names of the images in the scene."""
    from BreastUSAssistLib.mrml.case_list import cases_of

    return [source.name for source in cases_of(bench.session.scene)]


def versions(bench: PanelBench, case: str) -> list[LabelRecord]:
    with LabelStore.open(labels_of(bench), read_only=True) as store:
        return [store.get(case, one.version) for one in store.history(case)]


def read_by(bench: PanelBench, reader: str, top: int | None) -> None:
    """A reader opens the next case and accepts it; with an outline of his own, or the draft."""
    bench.ui("finish").readerLineEdit.setText(reader)
    look(bench)
    go(bench)
    if top is not None:
        draw(bench, top)
    press(bench, "Alt+A")
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status


def test_next_and_back_open_cases_and_leave_none_behind(bench: PanelBench) -> None:
    cases = begin(bench)
    ui = bench.ui("worklist")
    assert (ui.decidedProgressBar.format, ui.countsLabel.text) == ("0 of 3 decided", "3 drafted")
    nodes = bench.session.scene.GetNumberOfNodes()
    assert go(bench) == cases[0]
    with LabelStore.open(labels_of(bench), read_only=True) as store:
        stored = store.frame(store.get(cases[0]), 1)
    assert np.array_equal(bench.case.source.pixels(0), stored)
    assert (len(bench.case.runs), len(bench.case.lesions), bench.case.reading.decision) == (1, 1, "open")
    assert bench.session.selected == bench.case.reading.lesions[0].tracking_uid
    one = bench.session.scene.GetNumberOfNodes()
    assert [go(bench), go(bench), go(bench, "Alt+B")] == [cases[1], cases[2], cases[1]]
    assert images(bench) == [cases[1]]
    assert bench.session.scene.GetNumberOfNodes() == one > nodes
    assert all(len(versions(bench, case)) == 1 for case in cases)
    assert ui.casesTable.item(1, 0).font().bold()


def test_accept_and_next_in_one_go(bench: PanelBench) -> None:
    cases = begin(bench, frame_count=3)
    go(bench)
    mask = draw(bench)
    press(bench, "Alt+A")
    press(bench, "Alt+N")
    bench.turn()
    assert bench.panel.worklist.walk.open_case == cases[1]
    draft, label = versions(bench, cases[0])
    assert (label.kind, label.reader, label.parent) == ("accepted", "Reader A", draft.version)
    with LabelStore.open(labels_of(bench), read_only=True) as store:
        result = store.result(label)
        assert result is not None
        assert any(np.array_equal(result.mask(frame, 1), mask) for frame in (1, 2, 3))
        assert len(label.runs) == 1
        assert store.frame_numbers(label) == (1, 2, 3)
    assert bench.ui("worklist").decidedProgressBar.format == "1 of 3 decided"
    assert listed(bench) == [(case, "drafted") for case in cases[1:]]


def test_the_open_case_is_called_what_it_became(bench: PanelBench) -> None:
    begin(bench)
    go(bench)
    words = bench.ui("worklist").currentLabel
    assert "(drafted)" in words.text
    press(bench, "Alt+A")
    bench.turn()
    assert "(accepted)" in words.text


def test_work_in_progress_is_kept_before_the_next_case_opens(bench: PanelBench) -> None:
    cases = begin(bench)
    go(bench)
    mask = draw(bench)
    bench.session.change(lambda: bench.case.set_category(1, "4B"))
    assert go(bench) == cases[1]
    assert images(bench) == [cases[1]]
    kept = versions(bench, cases[0])[-1]
    assert (kept.kind, kept.reader) == ("autosaved", "Reader A")
    assert listed(bench)[0] == (cases[0], "in work")
    assert go(bench, "Alt+B") == cases[0]
    assert np.array_equal(bench.mask(), mask)
    assert bench.case.reading.lesions[0].category == "4B"


def test_work_that_cannot_be_kept_stays_in_the_scene(bench: PanelBench) -> None:
    cases = begin(bench)
    bench.ui("finish").readerLineEdit.setText("")
    look(bench)
    go(bench)
    mask = draw(bench)
    assert go(bench) == cases[1]
    assert images(bench) == cases[:2]
    assert go(bench, "Alt+B") == cases[0]
    assert images(bench) == [cases[0]]
    assert np.array_equal(bench.mask(), mask)


def test_a_reader_goes_on_where_he_was(bench: PanelBench) -> None:
    from host import clear

    cases = begin(bench)
    go(bench)
    assert go(bench) == cases[1]
    clear()
    look(bench)
    ui = bench.ui("worklist")
    assert ui.nextCaseButton.text.startswith("Go on")
    assert cases[1] in ui.currentLabel.text
    assert go(bench) == cases[1]
    assert ui.nextCaseButton.text.startswith("Next")


def test_choices_and_the_list(bench: PanelBench) -> None:
    cases = begin(bench)
    ui = bench.ui("worklist")
    ui.casesTable.cellActivated.emit(2, 0)
    bench.turn()
    assert bench.panel.worklist.walk.open_case == cases[2]
    press(bench, "Alt+A")
    bench.turn()
    ui.statesComboBox.setCurrentIndex(2)
    bench.turn()
    assert listed(bench) == [(cases[2], "accepted")]
    assert ui.countsLabel.text == "2 drafted · 1 accepted"
    ui.strategyComboBox.setCurrentIndex(2)
    bench.turn()
    assert (listed(bench), ui.statesComboBox.currentText) == ([], "disputed")
    assert go(bench) == cases[2]
    assert "No other case waits" in bench.status
    ui.strategyComboBox.setCurrentIndex(0)
    ui.statesComboBox.setCurrentIndex(1)
    bench.turn()
    assert [case for case, _state in listed(bench)] == cases


def test_without_labels_the_section_says_what_to_do(bench: PanelBench) -> None:
    look(bench)
    ui = bench.ui("worklist")
    assert "There are no labels" in ui.countsLabel.text
    assert not ui.nextCaseButton.enabled
    assert go(bench) == ""
    assert "There are no labels" in bench.status


def test_a_case_that_cannot_be_opened_leaves_what_is_open(bench: PanelBench) -> None:
    cases = begin(bench)
    go(bench)
    bench.panel.worklist.walk.open("case-aaaaaaaaaaaaaaaa")
    bench.turn()
    assert bench.panel.worklist.walk.open_case == cases[0]
    assert bench.status.startswith("✖")
    assert go(bench) == cases[1]


def test_what_cannot_be_read_is_told(bench: PanelBench) -> None:
    from BreastUSAssistLib.panel.worklist_view import WorklistView, opened_words

    begin(bench, 1)
    go(bench)
    opened = bench.panel.worklist.walk.opened
    assert opened is not None
    assert opened_words({**opened, "notes": ["Version 2 is damaged."]}).endswith("(drafted). ⚠ Version 2 is damaged.")
    view = bench.panel.worklist.walk.view
    assert view is not None and view.counts_words == "1 drafted"
    told = WorklistView(**{**vars(view), "damaged": ("Version 2 is damaged.", "another")})
    assert told.counts_words == "1 drafted · ⚠ 2 version(s) cannot be read: Version 2 is damaged."


def test_the_scene_closes_while_a_case_opens(bench: PanelBench) -> None:
    from host import clear

    cases = begin(bench)
    go(bench)
    press(bench, "Alt+W")
    clear()
    bench.turn()
    assert (bench.case, images(bench), bench.panel.worklist.walk.moving) == (None, [], False)
    assert go(bench) in cases


def test_the_analysis_program_dies_on_the_way(bench: PanelBench) -> None:
    cases = begin(bench)
    go(bench)
    mask = draw(bench)
    go(bench)
    press(bench, "Alt+W")
    bench.session.client._child.process.kill()
    bench.turn()
    assert bench.status.startswith("✖")
    assert bench.panel.worklist.walk.open_case == cases[1]
    assert go(bench) == cases[2]
    assert [go(bench, "Alt+B"), go(bench, "Alt+B")] == [cases[1], cases[0]]
    assert np.array_equal(bench.mask(), mask)


def test_a_blind_case_shows_nothing_of_another_reader(bench: PanelBench) -> None:
    (case,) = begin(bench, 1)
    with LabelStore.open(labels_of(bench)) as store:
        choose_double_reading(store, 1.0)
    read_by(bench, "Reader A", top=20)
    bench.ui("finish").readerLineEdit.setText("Reader B")
    look(bench)
    assert listed(bench) == [(case, "drafted, read blind")]
    assert go(bench) == case
    assert bench.case.reading.decision == "open"
    assert bench.case.reading.lesions[0].edited_frames == ()
    assert np.array_equal(bench.mask(), bench.case.drafts()[0][1][0] == 1)
    assert "Read blind" in bench.ui("worklist").currentLabel.text


def test_a_dispute_is_settled_by_a_third_reader(bench: PanelBench) -> None:
    (case,) = begin(bench, 1)
    with LabelStore.open(labels_of(bench)) as store:
        choose_double_reading(store, 1.0)
    read_by(bench, "Reader A", top=20)
    read_by(bench, "Reader B", top=100)
    bench.ui("finish").readerLineEdit.setText("Reader C")
    look(bench)
    ui = bench.ui("worklist")
    ui.strategyComboBox.setCurrentIndex(2)
    bench.turn()
    assert listed(bench)[0][0] == case
    assert go(bench) == case
    assert not ui.disputeFrame.isHidden()
    assert "Reader A and Reader B" in ui.differencesLabel.text
    assert [ui.takeComboBox.itemText(index)[:8] for index in range(3)] == ["my own, ", "Reader A", "Reader B"]
    (readers,) = [node for node in nodes_of(bench, "vtkMRMLSegmentationNode") if node.GetName() == "Readers"]
    assert readers.GetSegmentation().GetNumberOfSegments() == 2
    _take_and_go_back(bench)
    press(bench, "Alt+A")
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status
    label = versions(bench, case)[-1]
    assert (label.reader, len(label.settles)) == ("Reader C", 2)
    assert ui.disputeFrame.isHidden()
    assert ui.countsLabel.text == "1 accepted"


def _take_and_go_back(bench: PanelBench) -> None:
    """What was drawn with one starting point is there again after a look at another."""
    draft = bench.mask().copy()
    press(bench, "Alt+T")
    bench.turn()
    assert bench.mask()[20:60, 60:120].all() and bench.mask().sum() == 2400
    own = draw(bench, 30)
    press(bench, "Alt+T")
    bench.turn()
    assert bench.mask()[100:140, 60:120].all()
    press(bench, "Alt+T")
    bench.turn()
    assert np.array_equal(bench.mask(), draft)
    press(bench, "Alt+T")
    bench.turn()
    assert np.array_equal(bench.mask(), own)


def nodes_of(bench: PanelBench, class_name: str) -> list:
    scene = bench.session.scene
    return [scene.GetNthNodeByClass(index, class_name) for index in range(scene.GetNumberOfNodesByClass(class_name))]
