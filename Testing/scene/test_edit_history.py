"""Undo and redo of outlines: one action at a time, across frames, whatever tool made the change."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import cases
from scene.cases import slicer

from BreastUSAssistLib.mrml.case_segmentation import CaseSegmentation  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.edit_history import EditHistory  # isort: skip
from BreastUSAssistLib.mrml.packed_mask import pack_mask, unpack_mask  # isort: skip

KINDS = ["still", "cine", "volume"]


class Later:
    """What a QTimer of 0 ms does: runs what it was given when the tool has finished."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, function: Callable[[], None]) -> None:
        self.waiting.append(function)

    def turn(self) -> None:
        """One turn of the event loop."""
        waiting, self.waiting = self.waiting, []
        for function in waiting:
            function()


def window(top: int, left: int, height: int = 4, width: int = 5) -> np.ndarray:
    mask = np.zeros((20, 30), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def state_of(segmentation: CaseSegmentation) -> dict[tuple[int, int], bytes]:
    """All masks."""
    frames = range(segmentation.source.frame_count)
    return {(f, n): segmentation.mask(f, n).tobytes() for f in frames for n in segmentation.numbers()}


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 999), share=st.floats(0, 1))
def test_packed_masks_are_exact_and_comparable(rows: int, columns: int, seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((rows, columns)) < share
    packed = pack_mask(mask)
    assert np.array_equal(unpack_mask(packed, (rows, columns)), mask)
    assert (packed is None) == (not mask.any())
    around = np.pad(mask, ((3, 2), (1, 4)))
    inside = pack_mask(mask, around.shape, 3, 1)
    assert inside == pack_mask(around)
    changed = mask.copy()
    changed[rows // 2, columns // 2] ^= True
    assert pack_mask(changed) != packed


@settings(max_examples=30, deadline=None)
@given(data=st.data(), kind=st.sampled_from(KINDS), deferred=st.booleans())
def test_any_order_of_edits_undo_redo_and_frames(data: st.DataObject, kind: str, deferred: bool) -> None:
    cases.empty_scene()
    source = cases.source_of_kind(kind)
    segmentation = cases.segmented(source)
    later = Later()
    history = EditHistory(segmentation, later=later if deferred else None)
    editor = cases.SegmentEditor(segmentation) if kind != "volume" else None
    past, future = [state_of(segmentation)], []
    for _ in range(data.draw(st.integers(1, 12))):
        step = data.draw(st.sampled_from(["edit", "edit", "paint", "undo", "redo", "frame"]))
        if step == "frame":
            source.show_frame(data.draw(st.integers(0, source.frame_count - 1)))
        elif step == "undo":
            shown = history.undo()
            assert (shown is None) == (len(past) == 1)
            if len(past) > 1:
                future.append(past.pop())
        elif step == "redo":
            assert (history.redo() is None) == (not future)
            if future:
                past.append(future.pop())
        else:
            number = data.draw(st.integers(1, 2))
            mask = window(data.draw(st.integers(0, 15)), data.draw(st.integers(0, 24)))
            if step == "paint" and editor is not None and deferred:
                editor.node.SetOverwriteMode(editor.node.OverwriteNone)
                editor.select(number)
                editor.paint(mask.nonzero(), erase=data.draw(st.booleans()))
            else:
                segmentation.set_mask(data.draw(st.integers(0, source.frame_count - 1)), number, mask)
            later.turn()
            if state_of(segmentation) != past[-1]:
                past.append(state_of(segmentation))
                future.clear()
        assert state_of(segmentation) == past[-1]
        assert (history.can_undo, history.can_redo) == (len(past) > 1, bool(future))
    while history.undo() is not None:
        past.pop()
        assert state_of(segmentation) == past[-1]
    assert len(past) == 1


def test_undo_says_which_frame_to_show_and_what_changed() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    told: list[tuple[int, int]] = []
    history = EditHistory(segmentation, on_edit=lambda *what: told.append(what))
    segmentation.set_mask(3, 2, window(2, 3))
    segmentation.set_mask(1, 1, window(5, 6))
    source.show_frame(0)
    assert (history.undo(), history.undo(), history.undo()) == (1, 3, None)
    assert (history.redo(), history.redo(), history.redo()) == (3, 1, None)
    assert told == [(3, 2), (1, 1), (1, 1), (3, 2), (3, 2), (1, 1)]


def test_nothing_is_recorded_when_nothing_changed() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    segmentation.set_mask(1, 1, window(2, 2))
    history = EditHistory(segmentation)
    segmentation.set_mask(1, 1, window(2, 2))
    segmentation.set_mask(2, 1, window(2, 2) & False)
    segmentation.set_origin(1, "semiautomatic")
    segmentation.node.GetSegmentation().GetSegment("lesion-1").SetName("other 1")
    for frame in (2, 0, 1):
        source.show_frame(frame)
    assert not history.can_undo


def test_our_own_writes_are_no_edits() -> None:
    cases.empty_scene()
    segmentation = cases.segmented(cases.cine())
    history = EditHistory(segmentation)
    segmentation.set_mask(0, 1, window(1, 1))
    with history.paused():
        segmentation.set_mask(1, 1, window(2, 2))
        segmentation.add_lesion(3, "2.25.3")
        segmentation.set_mask(1, 3, window(9, 9))
    segmentation.set_mask(1, 1, window(3, 3))
    assert history.undo() == 1
    assert np.array_equal(segmentation.mask(1, 1), window(2, 2))
    assert history.undo() == 0
    assert history.undo() is None
    assert np.array_equal(segmentation.mask(1, 3), window(9, 9))


def test_several_changes_as_one_action() -> None:
    cases.empty_scene()
    segmentation = cases.segmented(cases.cine())
    history = EditHistory(segmentation)
    before = state_of(segmentation)
    with history.grouped():
        for frame in (1, 2, 3):
            segmentation.set_mask(frame, 1, window(frame, frame))
        segmentation.set_mask(2, 1, window(9, 9))
        segmentation.set_mask(0, 2, window(7, 7))
        segmentation.set_mask(0, 2, window(7, 7) & False)
    after = state_of(segmentation)
    assert history.undo() == 1
    assert state_of(segmentation) == before and not history.can_undo
    assert history.redo() == 1 and state_of(segmentation) == after
    with history.grouped():
        pass
    assert history.undo() == 1 and history.undo() is None


def test_a_stroke_over_another_lesion_is_one_action() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    for frame in range(source.frame_count):
        segmentation.set_mask(frame, 1, window(5, 5, 10, 10))
    later = Later()
    history = EditHistory(segmentation, later=later)
    editor = cases.SegmentEditor(segmentation, 2)
    source.show_frame(2)
    before = state_of(segmentation)
    editor.paint(np.s_[8:12, 0:20])
    later.turn()
    assert segmentation.mask(2, 1).sum() == 60 and segmentation.mask(2, 2).sum() == 80
    source.show_frame(0)
    assert history.undo() == 2 and not history.can_undo
    assert state_of(segmentation) == before
    assert history.redo() == 2
    assert segmentation.mask(2, 1).sum() == 60 and segmentation.mask(2, 2).sum() == 80


def test_a_script_that_clears_and_writes_is_one_action() -> None:
    cases.empty_scene()
    source = cases.still()
    segmentation = cases.segmented(source)
    segmentation.set_mask(0, 1, window(1, 1))
    later = Later()
    history = EditHistory(segmentation, later=later)
    array = window(9, 9)[np.newaxis].astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation.node, "lesion-1", source.volume)
    later.turn()
    assert history.undo() == 0 and not history.can_undo
    assert np.array_equal(segmentation.mask(0, 1), window(1, 1))


def test_undo_before_the_event_loop_turned_takes_back_what_was_just_done() -> None:
    cases.empty_scene()
    segmentation = cases.segmented(cases.still())
    later = Later()
    history = EditHistory(segmentation, later=later)
    segmentation.set_mask(0, 1, window(1, 1))
    assert history.can_undo
    assert history.undo() == 0
    later.turn()
    assert not segmentation.mask(0, 1).any() and not history.can_undo and history.can_redo


def test_the_undo_of_segment_editor_is_an_edit_like_any_other() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    later = Later()
    history = EditHistory(segmentation, later=later)
    editor = cases.SegmentEditor(segmentation)
    source.show_frame(1)
    editor.paint(np.s_[2:6, 2:6])
    later.turn()
    editor.logic.Undo()
    later.turn()
    assert not segmentation.mask(1, 1).any()
    assert history.undo() == 1 and segmentation.mask(1, 1).sum() == 16
    assert history.undo() == 1 and not segmentation.mask(1, 1).any()
    assert segmentation.numbers() == (1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lesion_removed_in_segment_editor_is_gone_from_all_frames_and_comes_back(kind: str) -> None:
    cases.empty_scene()
    source = cases.source_of_kind(kind)
    segmentation = cases.segmented(source)
    for frame in range(source.frame_count):
        segmentation.set_mask(frame, 2, window(frame, 3))
    told: list[Any] = []
    later = Later()
    history = EditHistory(segmentation, later=later, on_lesions=lambda *what: told.append(what))
    before = state_of(segmentation)
    source.show_frame(source.frame_count - 1)
    segmentation.node.GetSegmentation().RemoveSegment("lesion-2")
    later.turn()
    assert segmentation.numbers() == (1,) and told == [((), (2,))]
    assert history.undo() is not None
    assert state_of(segmentation) == before and told[-1] == ((2,), ())
    segment = segmentation.segmentation(0).GetSegment("lesion-2")
    assert segment.GetName() == "Lesion 2" and segmentation.origin(2, 0) == "automatic"
    assert history.redo() is not None
    assert segmentation.numbers() == (1,) and told[-1] == ((), (2,))
    assert history.undo() is not None and state_of(segmentation) == before


def test_a_lesion_that_was_added_can_be_taken_back() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source, 1)
    told: list[Any] = []
    history = EditHistory(segmentation, on_lesions=lambda *what: told.append(what))
    with history.grouped():
        segmentation.add_lesion(2, "2.25.2", origin="manual")
        segmentation.set_mask(1, 2, window(3, 3))
    assert history.undo() == 1
    assert segmentation.numbers() == (1,)
    assert history.redo() == 1
    assert np.array_equal(segmentation.mask(1, 2), window(3, 3)) and segmentation.origin(2, 3) == "manual"
    assert ((), (2,)) in told and told[-1] == ((2,), ())
    assert not history.can_redo


def test_a_segment_of_the_readers_own_is_noticed_once() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    told: list[Any] = []
    history = EditHistory(segmentation, on_foreign=lambda *what: told.append(what))
    source.show_frame(2)
    segmentation.node.GetSegmentation().AddEmptySegment("Segment_1", "Segment_1")
    segmentation.set_mask(2, 1, window(1, 1))
    assert told == [(2, "Segment_1")]
    with history.grouped():
        segmentation.adopt(2, "Segment_1", 3, "2.25.3")
    assert segmentation.numbers() == (1, 2, 3)
    history.undo()
    assert segmentation.numbers() == (1, 2)


def test_no_more_actions_are_kept_than_the_limit() -> None:
    cases.empty_scene()
    segmentation = cases.segmented(cases.still())
    history = EditHistory(segmentation, limit=5)
    for step in range(12):
        segmentation.set_mask(0, 1, window(step, step))
    undone = 0
    while history.undo() is not None:
        undone += 1
    assert undone == 5
    assert np.array_equal(segmentation.mask(0, 1), window(6, 6))


def test_a_new_edit_ends_what_could_be_redone() -> None:
    cases.empty_scene()
    segmentation = cases.segmented(cases.cine())
    history = EditHistory(segmentation)
    segmentation.set_mask(0, 1, window(1, 1))
    history.undo()
    segmentation.set_mask(2, 1, window(2, 2))
    assert not history.can_redo and history.redo() is None
    history.clear()
    assert not history.can_undo and history.undo() is None
    assert np.array_equal(segmentation.mask(2, 1), window(2, 2))


def remove(what: str, segmentation: CaseSegmentation) -> None:
    scene, source = slicer.mrmlScene, segmentation.source
    if what == "scene":
        scene.Clear(0)
    else:
        owner = {"segmentation": segmentation.node, "sequence": segmentation.sequence, "images": source.sequence,
                 "browser": source.browser, "proxy": source.volume}[what]  # fmt: skip
        scene.RemoveNode(owner)


@pytest.mark.parametrize("what", ["scene", "segmentation", "sequence", "images", "browser", "proxy"])
def test_nodes_may_go_at_any_time(what: str) -> None:
    cases.empty_scene()
    segmentation = cases.segmented(cases.cine())
    later = Later()
    history = EditHistory(segmentation, later=later)
    segmentation.set_mask(1, 1, window(1, 1))
    later.turn()
    segmentation.set_mask(2, 1, window(1, 1))
    shown = segmentation.node.GetSegmentation()
    remove(what, segmentation)
    later.turn()
    shown.GetSegment("lesion-1").SetName("x")
    later.turn()
    for ask in (history.undo, history.redo, history.undo):
        ask()
    history.settle()
    with history.paused(), history.grouped():
        pass
    history.clear()
    history.close()
    history.close()


def test_after_close_nothing_is_noticed() -> None:
    cases.empty_scene()
    segmentation = cases.segmented(cases.cine())
    history = EditHistory(segmentation)
    history.close()
    segmentation.set_mask(1, 1, window(1, 1))
    assert not history.can_undo


def test_a_frame_given_another_segmentation_is_still_watched() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    history = EditHistory(segmentation)
    source.show_frame(1)
    other = slicer.vtkSegmentation()
    other.DeepCopy(segmentation.node.GetSegmentation())
    segmentation.node.SetAndObserveSegmentation(other)
    segmentation.set_mask(1, 1, window(4, 4))
    assert np.array_equal(segmentation.mask(1, 1), window(4, 4))
    assert history.undo() == 1
    assert not segmentation.mask(1, 1).any()
