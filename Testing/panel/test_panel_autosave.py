"""Work in progress goes into the label folder by itself, and comes back when the image is opened again."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec
from drafted_folder import draft

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")
from BreastUSAssistLib.labels.record import LabelRecord
from BreastUSAssistLib.labels.store import LabelStore
from panel.bench import PanelBench, small
from panel.reader_actions import shared_bench


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelBench]:
    with shared_bench(tmp_path_factory.mktemp("autosave")) as bench:
        bench.without_measuring()
        yield bench


@pytest.fixture
def bench(shared: PanelBench, request: pytest.FixtureRequest) -> PanelBench:
    """The panel over an empty scene with a label folder of its own, read by Reader A."""
    from host import clear

    clear()
    shared.panel.autosaving._clock = time.monotonic
    settled(shared)
    finish = shared.ui("finish")
    finish.labelsPathLineEdit.setCurrentPath(str(shared.folder / request.node.name[:40]))
    finish.readerLineEdit.setText("Reader A")
    return shared


def phantom(seed: int) -> Any:
    return small("still", lesions=(LesionSpec(width_mm=12),), seed=seed)


def labels_of(bench: PanelBench) -> Path:
    return Path(bench.ui("finish").labelsPathLineEdit.currentPath)


def versions(bench: PanelBench) -> list[LabelRecord]:
    """Every version of the only case of the label folder."""
    folder = labels_of(bench)
    if not folder.is_dir():
        return []
    with LabelStore.open(folder, read_only=True) as store:
        (summary,) = store.list()
        return [store.get(one.case, one.version) for one in store.history(summary.case)]


def draw(bench: PanelBench, top: int = 100, number: int = 1) -> np.ndarray:
    """A rectangle as the outline of a lesion; the reader's if there is none yet."""
    mask = np.zeros((bench.case.source.rows, bench.case.source.columns), bool)
    mask[top : top + 60, 150:250] = True
    if not bench.case.reading.lesions:
        bench.case.add_lesion()
    bench.case.set_mask(bench.session.frame(), number, mask)
    return mask


def settled(bench: PanelBench) -> None:
    """Nothing is on its way to the label folder or back."""
    session, autosaving = bench.session, bench.panel.autosaving
    bench.turn(lambda: not (autosaving.busy or session.client.busy or session.stepper.busy), timeout=300)


def saved(bench: PanelBench) -> None:
    """What is not kept is kept now, as after a pause."""
    bench.panel.autosaving.keep_now()
    settled(bench)


def opened(bench: PanelBench, seed: int, name: str) -> Any:
    source = bench.load(phantom(seed), name)
    bench.choose(source)
    settled(bench)
    return source


def crashed(bench: PanelBench) -> None:
    """The child dies and the scene is gone, and nobody had the time to keep anything."""
    import gc

    from host import clear

    bench.panel.autosaving._since = None
    bench.panel.autosaving.sending.close()
    child = bench.session.client._child
    if child is not None:
        child.process.kill()
    clear()
    gc.collect()
    settled(bench)


def test_work_comes_back_after_a_crash(bench: PanelBench) -> None:
    opened(bench, 3, "crash")
    mask = draw(bench)
    bench.case.set_note(1, "seen ü")
    saved(bench)
    assert "Autosaved at" in bench.panel.ui.keptLabel.text
    (record,) = versions(bench)
    assert (record.kind, record.reader, record.decision) == ("autosaved", "Reader A", "open")
    crashed(bench)
    opened(bench, 3, "crash again")
    assert np.array_equal(bench.mask(), mask), bench.status
    assert bench.case.reading.lesions[0].note == "seen ü"
    assert "was brought back" in bench.panel.ui.keptLabel.text
    bench.picture("autosave-1-brought-back")
    saved(bench)
    assert len(versions(bench)) == 1

    before = bench.case.reading
    bench.panel.ui.keptButton.click()
    settled(bench)
    assert bench.case.reading.lesions == ()
    assert "is in the label folder" in bench.panel.ui.keptLabel.text
    bench.picture("autosave-2-begun-anew")
    bench.panel.ui.keptButton.click()
    settled(bench)
    assert bench.case.reading.lesions == before.lesions
    assert np.array_equal(bench.mask(), mask)
    bench.case.set_category(1, "4A")
    saved(bench)
    assert [one.parent for one in versions(bench)] == [None, 1]


def test_a_cine_comes_back_with_its_draft_and_outlines_under_others(bench: PanelBench) -> None:
    moving = small("cine", lesions=(LesionSpec(width_mm=12),), seed=21, frame_count=4)
    bench.choose(bench.load(moving, "cine"))
    settled(bench)
    case = bench.case
    labels = np.asarray(moving.masks, np.uint8)
    for _step in case.apply_run(draft(labels), labels):
        pass
    saved(bench)
    mask = draw(bench, 100)
    under = case.add_lesion().number
    case.set_mask(2, under, case.mask(2, 1) | np.roll(case.mask(2, 1), 20, axis=0))
    saved(bench)
    case.set_note(under, "behind the first")
    saved(bench)
    before, whole = case.content, case.mask(2, under)
    assert (case.labels()[2] == under).sum() < whole.sum()
    frame = bench.session.frame()
    crashed(bench)
    bench.choose(bench.load(moving, "cine again"))
    settled(bench)
    case = bench.case
    assert case.content.masks == before.masks
    assert case.content.runs[0].labels == before.runs[0].labels
    assert case.reading.lesions == before.reading.lesions
    assert np.array_equal(case.mask(2, under), whole) and np.array_equal(case.mask(frame, 1), mask)
    assert len({one.runs for one in versions(bench)}) == 1, "the draft is stored once"


def test_work_is_kept_after_a_pause_and_at_least_so_often(bench: PanelBench) -> None:
    from BreastUSAssistLib.panel.autosaving import IDLE_MS, LONGEST_S

    opened(bench, 4, "pause")
    autosaving = bench.panel.autosaving
    now = [100.0]
    autosaving._clock = lambda: now[0]
    draw(bench)
    assert (autosaving._timer.isActive(), autosaving._timer.interval) == (True, IDLE_MS)
    now[0] += LONGEST_S - 1
    bench.case.set_note(1, "drawn on and on")
    assert autosaving._timer.interval == 1000
    assert not autosaving.is_kept(bench.case)
    autosaving._timer.timeout.emit()
    settled(bench)
    assert autosaving.is_kept(bench.case)
    assert [one.kind for one in versions(bench)] == ["autosaved"]
    bench.case.set_note(1, "another")
    bench.case.set_note(1, "drawn on and on")
    saved(bench)
    assert len(versions(bench)) == 1, "it says the same"


def test_work_is_kept_when_the_case_is_left_and_when_the_scene_closes(bench: PanelBench) -> None:
    from host import clear

    opened(bench, 5, "left")
    draw(bench, 120)
    opened(bench, 6, "next")
    with LabelStore.open(labels_of(bench), read_only=True) as store:
        assert [one.kind for one in store.list()] == ["autosaved"]
    mask = draw(bench, 200)
    bench.case.set_note(1, "typed when the window closed")
    clear()
    settled(bench)
    with LabelStore.open(labels_of(bench), read_only=True) as store:
        record = store.get(store.list()[-1].case)
        result = store.result(record)
        assert len(store.list()) == 2 and store.frame_numbers(record) == (1,)
        assert record.reading is not None and record.reading.lesions[0].note == "typed when the window closed"
        assert result is not None and np.array_equal(result.mask(1, 1), mask)


def test_work_is_kept_when_the_application_ends(bench: PanelBench) -> None:
    opened(bench, 7, "ends")
    draw(bench)
    saved(bench)
    draw(bench, 200)
    bench.session.close()
    bench.panel.autosaving.close()
    bench.module.logic.close()
    assert [one.kind for one in versions(bench)] == ["autosaved", "autosaved"]
    bench.session.start()


def test_work_that_could_not_be_kept_is_tried_again(bench: PanelBench) -> None:
    opened(bench, 8, "child")
    mask = draw(bench)
    autosaving = bench.panel.autosaving
    autosaving.keep_now()
    bench.turn(lambda: bool(autosaving.sending._sent), timeout=300)
    bench.session.client._child.process.kill()
    settled(bench)
    assert "Not autosaved" in bench.panel.ui.keptLabel.text
    assert not autosaving.is_kept(bench.case)
    bench.picture("autosave-3-not-kept")
    autosaving._timer.timeout.emit()
    settled(bench)
    assert "Autosaved at" in bench.panel.ui.keptLabel.text
    (record,) = versions(bench)
    with LabelStore.open(labels_of(bench), read_only=True) as store:
        result = store.result(record)
        assert result is not None and np.array_equal(result.mask(1, 1), mask)


def test_nothing_is_kept_without_a_reader_or_in_a_folder_nobody_chose(
    bench: PanelBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from BreastUSAssistLib.panel.label_settings import default_folder

    home = bench.folder / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    finish = bench.ui("finish")
    finish.labelsPathLineEdit.setCurrentPath(str(default_folder()))
    finish.readerLineEdit.setText("")
    opened(bench, 9, "alone")
    draw(bench)
    saved(bench)
    assert "Kept in the scene alone: type who reads" in bench.panel.ui.keptLabel.text
    bench.picture("autosave-4-nobody")
    finish.readerLineEdit.setText("Reader A")
    saved(bench)
    assert "choose a label folder" in bench.panel.ui.keptLabel.text
    assert not default_folder().exists()
    finish.labelsPathLineEdit.setCurrentPath(str(bench.folder / "chosen"))
    bench.panel.autosaving._timer.timeout.emit()
    settled(bench)
    saved(bench)
    assert [one.reader for one in versions(bench)] == ["Reader A"]


def test_a_decision_ends_it_and_work_after_it_is_kept_again(bench: PanelBench) -> None:
    opened(bench, 10, "decided")
    draw(bench)
    bench.panel.finish.keeping.start("accepted", "Reader A", "", labels_of(bench), False)
    bench.turn(lambda: not bench.panel.finish.keeping.running, timeout=300)
    assert bench.case.reading.decision == "accepted", bench.status
    saved(bench)
    assert [one.kind for one in versions(bench)] == ["accepted"]
    bench.case.set_note(1, "second thoughts")
    saved(bench)
    assert [(one.kind, one.parent) for one in versions(bench)] == [("accepted", None), ("autosaved", 1)]
    crashed(bench)
    opened(bench, 10, "decided again")
    assert bench.case.reading.lesions[0].note == "second thoughts"


def test_what_another_reader_did_is_shown_when_asked_for(bench: PanelBench) -> None:
    opened(bench, 11, "others")
    mask = draw(bench)
    saved(bench)
    crashed(bench)
    bench.ui("finish").readerLineEdit.setText("Reader B")
    opened(bench, 11, "others again")
    assert bench.case.reading.lesions == ()
    assert "Reader A began this image on" in bench.panel.ui.keptLabel.text
    draw(bench, 300)
    bench.panel.ui.keptButton.click()
    settled(bench)
    assert np.array_equal(bench.mask(), mask)
    assert [one.reader for one in versions(bench)] == ["Reader A", "Reader B"]
