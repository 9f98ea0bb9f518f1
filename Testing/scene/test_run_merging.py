"""A further run over a case: what the reader worked on stays, the rest is drafted anew."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.birads.reading import LesionReading, Reading
from BreastUSAssistLib.birads.run_merging import (
    MOST_LESIONS,
    SharedPixels,
    in_case_frames,
    is_touched,
    merge_run,
)
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.service import tracking
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import cases

from scene import drafted  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.case import open_case  # isort: skip

KINDS = ["still", "cine", "volume"]


@pytest.fixture
def scene() -> Any:
    return cases.empty_scene()


def test_numbers_end_where_other_findings_begin() -> None:
    assert MOST_LESIONS == tracking.MOST_LESIONS


@pytest.mark.parametrize(
    "change",
    [
        {"present": False},
        {"descriptors": {"shape": "oval"}},
        {"category": "3"},
        {"note": "x"},
        {"edited_frames": (2,)},
        {"tied_to": "1.2"},
        {"tools": ("click",)},
        {"run": None},
    ],
)
def test_whatever_the_reader_did_is_a_touch(change: dict[str, Any]) -> None:
    draft = LesionReading(tracking_uid="1.1", number=1, run=0)
    assert not is_touched(draft)
    assert is_touched(LesionReading(**{**dict(draft), **change}))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9999), count=st.integers(1, 3))
def test_overlaps_are_those_of_the_masks(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, (count, 5, 6)).astype(np.uint8)
    masks = {number: random.random((count, 5, 6)) < random.random() for number in (3, 7)}
    shared = SharedPixels()
    for index in range(count):
        shared.add_frame(labels[index], masks, lambda number, index=index: masks[number][index])
    expected = set()
    for number, mask in masks.items():
        for new in (1, 2, 3):
            for index in range(count):
                one, other = labels[index] == new, mask[index]
                if one.any() and other.any() and (one & other).sum() / (one | other).sum() >= 0.3:
                    expected.add((number, new))
    assert shared.same == expected


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_nothing_touched_is_ever_lost_and_no_number_is_given_twice(data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(1, 98), unique=True, max_size=5))
    lesions = tuple(
        LesionReading(
            tracking_uid=f"1.{number}",
            number=number,
            run=data.draw(st.sampled_from([None, 0])),
            note=data.draw(st.sampled_from(["", "seen"])),
        )
        for number in sorted(numbers)
    )
    reading = Reading(case="a", lesions=lesions, decision=data.draw(st.sampled_from(["open", "accepted"])))
    drafts = {f"1.{number}": tuple(data.draw(st.sets(st.integers(1, 6), min_size=1))) for number in numbers}
    labels = drafted.two_boxes(2)
    shared = SharedPixels(data.draw(st.sets(st.tuples(st.sampled_from([*numbers, 99]), st.integers(1, 2)))))
    try:
        merge = merge_run(reading, drafts, drafted.analysis_of(labels), range(1, 4), shared)
    except InputError as error:
        assert max(numbers) + 1 >= 99 and "beyond 100" in str(error)
        return
    kept = {one.tracking_uid for one in lesions if is_touched(one) or reading.decision == "accepted"}
    kept |= {uid for uid, frames in drafts.items() if not set(frames) <= {1, 2, 3}}
    assert set(merge.kept) == kept and set(merge.retired) == {one.tracking_uid for one in lesions} - kept
    given_out = [one.number for one in lesions if one.tracking_uid in kept] + list(merge.numbers.values())
    assert len(set(given_out)) == len(given_out)
    assert set(merge.numbers) | set(merge.left_out) == {1, 2}


def test_frame_numbers_of_a_part_become_those_of_the_case() -> None:
    labels = drafted.two_boxes(3)
    alone = drafted.analysis_of(labels)
    everywhere = alone.gates[0].model_copy(update={"frames": ()})
    moved = in_case_frames(alone.model_copy(update={"gates": (everywhere,)}), 5, 9)
    assert [frame.frame_number for frame in moved.frames] == [5, 6, 7]
    assert moved.lesions[0].frames == (5, 6, 7) and moved.gates[0].frames == (5, 6, 7)
    assert in_case_frames(moved, 5, 9) == moved and in_case_frames(alone, 1, 3) == alone
    assert moved.source.frame_count == 9


@pytest.mark.parametrize("kind", KINDS)
def test_an_untouched_draft_is_replaced_and_the_first_run_is_kept(scene: Any, kind: str) -> None:
    case, first = drafted.drafted_case(cases.source_of_kind(kind))
    second = drafted.two_boxes(case.source.frame_count, shift=2)
    outcome = drafted.run(case, second)
    assert (outcome.added, outcome.retired, outcome.kept, outcome.left_out) == ((1, 2), 2, 0, 0)
    assert np.array_equal(case.labels(), second)
    assert [labels.tobytes() for _run, labels in case.drafts()] == [first.tobytes(), second.tobytes()]
    drafted.assert_scene_shows_record(case)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_reader_worked_on_stays(scene: Any, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    case.set_mask(0, 1, drafted.box(3, 3), "click")
    mine = case.labels()
    outcome = drafted.run(case, labels)
    assert (outcome.added, outcome.retired, outcome.kept, outcome.left_out) == ((2,), 1, 1, 1)
    assert "1 stayed" in outcome.words and "drafted 1" in outcome.words
    assert np.array_equal(case.labels(), mine)
    assert case.undo() == 0 or case.undo() is None
    drafted.assert_scene_shows_record(case)


@pytest.mark.parametrize("kind", KINDS)
def test_undo_never_reaches_a_lesion_that_was_replaced(scene: Any, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    case.set_mask(0, 1, drafted.box(3, 3), "click")
    case.undo()
    second = drafted.two_boxes(len(labels), shift=2)
    assert drafted.run(case, second).retired == 2
    assert case.redo() is None and case.undo() is None
    assert np.array_equal(case.labels(), second)
    drafted.assert_scene_shows_record(case)


def test_a_lesion_that_the_reader_removed_does_not_come_back(scene: Any) -> None:
    case, labels = drafted.drafted_case(cases.cine())
    case.remove_lesion(1)
    outcome = drafted.run(case, labels)
    assert outcome.left_out == 1 and not (case.labels() == 1).any()
    assert [(one.number, one.present) for one in case.reading.lesions] == [(1, False), (2, True)]


def test_an_accepted_case_keeps_all_its_lesions(scene: Any) -> None:
    from datetime import UTC, datetime

    case, labels = drafted.drafted_case(cases.cine())
    case.decide("A", "accepted", "", datetime.now(UTC))
    assert drafted.run(case, labels).left_out == 2
    assert case.reading.decision == "accepted", "nothing changed"
    other = np.zeros_like(labels)
    other[:, 0:3, 24:30] = 1
    assert drafted.run(case, other).added == (3,)
    assert case.reading.decision == "open"


def test_a_run_over_a_part_of_the_frames(scene: Any) -> None:
    case, labels = drafted.drafted_case(cases.cine(6))
    part = np.zeros((2, 20, 30), np.uint8)
    part[:, 0:3, 24:30] = 1
    part[labels[2:4] == 1] = 2
    outcome = drafted.run(case, part, first_frame=3)
    assert (outcome.added, outcome.kept, outcome.left_out) == ((3,), 2, 1)
    expected = labels.copy()
    expected[2:4][part == 1] = 3
    assert np.array_equal(case.labels(), expected)
    assert case.lesions[2].current is not None and case.lesions[2].current.frames == (3, 4)
    assert len(case.effective_analysis().frames) == 6
    assert np.array_equal(case.drafts()[1][1][2:4], part) and not case.drafts()[1][1][[0, 1, 4, 5]].any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [0, 1, 3, 5, 6, 7])
def test_steps_that_are_dropped_leave_a_whole_case(scene: Any, kind: str, steps: int) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    second = drafted.two_boxes(len(labels), shift=2)
    run = case.apply_run(drafted.analysis_of(second, kind), second)
    for _step in range(steps):
        next(run, None)
    run.close()
    whole = case.labels()
    assert np.array_equal(whole, labels) or np.array_equal(whole, second)
    drafted.assert_scene_shows_record(case)
    drafted.run(case, labels)
    assert np.array_equal(case.labels(), labels)


def test_work_during_the_steps_is_kept(scene: Any) -> None:
    case, labels = drafted.drafted_case(cases.cine())
    second = np.zeros_like(labels)
    second[:, 0:3, 24:30], second[:, 17:20, 0:6] = 1, 2
    run = case.apply_run(drafted.analysis_of(second), second)
    mine, after = drafted.box(10, 2), drafted.box(0, 0)
    next(run)
    case.set_mask(3, 1, mine, "click")
    with pytest.raises(InputError, match="wait until it is done"):
        case.apply_run(drafted.analysis_of(second), second)
    with pytest.raises(InputError, match="wait until it is done"):
        case.undo()
    edited = False
    for done, total in run:
        assert 0 < done <= total
        numbers = [one.number for one in case.reading.lesions]
        if numbers == [1, 2, 3] and not edited:  # the run has joined and its last frames are not drawn yet
            assert done < total
            case.set_mask(3, 3, after, "click")
            case.set_mask(0, 3, after, "click")
            case.remove_lesion(2)
            edited = True
    assert edited and np.array_equal(case.mask(3, 1), mine)
    assert np.array_equal(case.mask(3, 3), after) and np.array_equal(case.mask(0, 3), after)
    assert np.array_equal(case.mask(1, 3), second[1] == 2) and not case.record.lesion(2).present
    drafted.assert_scene_shows_record(case)


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_that_is_saved_in_the_middle_is_whole(scene: Any, tmp_path: Path, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    second = np.zeros_like(labels)
    second[:, 0:3, 24:30], second[:, 17:20, 0:6] = 1, 2
    run = case.apply_run(drafted.analysis_of(second, kind), second)
    for _step in range(len(labels) + 1):
        next(run)
    while case.reading.lesions[0].run == 0:
        next(run)
    case.set_note(1, "before the last frame was drawn")
    again = drafted.opened_again(tmp_path)
    assert np.array_equal(again.labels(), second)
    assert not any(one.edited_frames for one in again.reading.lesions)
    drafted.assert_scene_shows_record(again)
    assert again.record.being_drawn == ()
    run.close()
    drafted.assert_scene_shows_record(again)


def test_a_scene_that_closes_in_the_middle_ends_the_run(scene: Any) -> None:
    for steps in (1, 5):
        case, labels = drafted.drafted_case(cases.cine())
        run = case.apply_run(drafted.analysis_of(labels), labels)
        for _step in range(steps):
            next(run)
        scene.Clear(0)
        with pytest.raises(InputError, match="was closed"):
            for _step in run:
                pass
        assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
        assert scene.GetNumberOfNodesByClass("vtkMRMLTextNode") == 0


def test_too_many_lesions_are_refused_before_anything_changes(scene: Any) -> None:
    case, labels = drafted.drafted_case(cases.still())
    case.add_lesion(99)
    before = case.reading
    case.set_note(1, "stays")
    case.set_note(2, "stays")
    other = np.zeros_like(labels)
    other[0, 0:2, 0:2], other[0, 0:2, 27:30] = 1, 2
    with pytest.raises(InputError, match="up to 101, beyond 100"):
        drafted.run(case, other)
    assert len(case.reading.lesions) == len(before.lesions) and len(case.runs) == 1
    drafted.assert_scene_shows_record(case)
    assert open_case(scene, case.source.volume).reading == case.reading
