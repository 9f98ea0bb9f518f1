"""A case's life in the scene: closing, deleted nodes, what is made again, observers, several cases of one source."""

import gc
import weakref
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError
from scene import cases
from scene.cases import slicer

from scene import drafted  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.case import CaseChange, open_case  # isort: skip

KINDS = ["still", "cine", "volume"]
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def scene() -> Any:
    return cases.empty_scene()


def test_a_scene_that_closes_ends_its_cases(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.cine())
    heard: list[CaseChange] = []
    case.on_change.append(heard.append)
    scene.Clear(0)
    assert case.closed and [one.what for one in heard] == ["closed"]
    for action in (
        case.labels,
        case.undo,
        case.catch_up,
        lambda: case.lesions,
        lambda: case.table,
        lambda: case.segmentation,
        lambda: case.set_note(1, ""),
        lambda: drafted.run(case, drafted.two_boxes(4)),
        lambda: case.set_mask(0, 1, drafted.box(0, 0)),
        lambda: case.decide("A", "accepted", "", NOW),
    ):
        with pytest.raises(InputError, match="was closed"):
            action()
    case.close()
    assert scene.GetNumberOfNodesByClass("vtkMRMLTextNode") == 0


@pytest.mark.parametrize(
    ("kind", "which"),
    [("still", "volume"), ("volume", "volume"), ("cine", "volume"), ("cine", "sequence"), ("cine", "browser")],
)
def test_a_case_ends_with_its_images(scene: Any, kind: str, which: str) -> None:
    case, _labels = drafted.drafted_case(cases.source_of_kind(kind))
    node = getattr(case.source, which)
    assert node is not None
    scene.RemoveNode(node)
    assert case.closed
    with pytest.raises(InputError, match="was closed"):
        case.set_note(1, "x")


@pytest.mark.parametrize("kind", KINDS)
def test_deleted_outputs_are_made_again(scene: Any, kind: str) -> None:
    case, _labels = drafted.drafted_case(cases.source_of_kind(kind))
    case.set_mask(0, 1, drafted.box(3, 3), "click")
    case.remove_lesion(2)
    expected, reading = case.labels(), case.reading
    scene.RemoveNode(case.table)
    case.set_note(1, "a")
    assert drafted.column(case, "reader_note")[0] == "a"
    for node in (case.segmentation.node, case.segmentation.sequence):
        if node is not None:
            scene.RemoveNode(node)
    assert not case.has_segmentation
    assert np.array_equal(case.labels(), expected)
    drafted.assert_scene_shows_record(case)
    assert case.segmentation.origin(1, 0) == "semiautomatic"
    case.set_note(1, "")
    scene.RemoveNode(case.record.node)
    case.set_note(1, "b")
    case.set_note(1, "")
    assert case.reading == reading and np.array_equal(case.labels(), expected)
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1
    assert np.array_equal(open_case(scene, case.source.volume).labels(), expected)


def test_outlines_outlive_a_record_that_was_deleted(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.cine())
    expected, uids = case.labels(), [one.tracking_uid for one in case.reading.lesions]
    node = case.record.node
    case.close()
    scene.RemoveNode(node)
    again = open_case(scene, case.source.volume)
    assert np.array_equal(again.labels(), expected)
    assert [one.tracking_uid for one in again.reading.lesions] == uids
    assert all(one.run is None for one in again.reading.lesions)


def test_edits_made_while_the_case_was_closed_are_taken_in(scene: Any) -> None:
    case, labels = drafted.drafted_case(cases.cine())
    segmentation = case.segmentation
    case.close()
    mine = drafted.box(0, 0)
    segmentation.set_mask(2, 1, mine)
    segmentation.remove_lesion(2)
    segmentation.segmentation(1).AddEmptySegment("Segment_1", "mine")
    again = open_case(scene, case.source.volume)
    assert np.array_equal(again.mask(2, 1), mine) and again.record.lesion(1).edited_frames == (3,)
    assert not again.record.lesion(2).present and again.record.lesion(3).run is None
    drafted.assert_scene_shows_record(again)
    again.put_back_lesion(2)
    assert np.array_equal(again.labels() == 2, labels == 2)


@pytest.mark.parametrize("kind", KINDS)
def test_segments_that_a_scene_lost_are_drawn_again(scene: Any, kind: str) -> None:
    case, _labels = drafted.drafted_case(cases.source_of_kind(kind))
    case.set_mask(0, 1, drafted.box(3, 3), "click")
    expected, reading, segmentation = case.labels(), case.reading, case.segmentation
    frames = range(case.source.frame_count)
    for lost in (frames, frames[-1:]):
        case.close()
        for frame in lost:  # as after a file of the scene could not be read
            segmentation.segmentation(frame).RemoveAllSegments()
        case = open_case(scene, case.source.volume)
        assert case.reading == reading and np.array_equal(case.labels(), expected)
        drafted.assert_scene_shows_record(case)


def test_a_case_that_is_dropped_leaves_no_observer(scene: Any) -> None:
    source = cases.cine()
    drafted.drafted_case(source)[0].close()
    case = open_case(scene, source.volume)
    segmentation = case.segmentation.segmentation(0)
    reference = weakref.ref(case)
    before = scene.HasObserver(slicer.vtkMRMLScene.StartCloseEvent)
    assert before and segmentation.HasObserver(slicer.vtkSegmentation.SegmentAdded)
    tags = len(case._outlines._history._observations)
    assert tags
    del case
    gc.collect()
    assert reference() is None
    scene.Clear(0)


def test_two_open_cases_of_one_source_see_the_same(scene: Any) -> None:
    one, _labels = drafted.drafted_case(cases.still())
    other = open_case(scene, one.source.volume)
    one.set_note(1, "from one")
    other.set_category(2, "5")
    assert one.reading == other.reading and one.record.lesion(1).note == "from one"
    other.set_mask(0, 1, drafted.box(3, 3), "click")
    assert np.array_equal(one.labels(), other.labels()) and one.reading == other.reading


def test_two_views_of_a_new_case_make_one_record_and_one_segmentation(scene: Any) -> None:
    source = cases.cine()
    one, other = open_case(scene, source.volume), open_case(scene, source.volume)
    labels = drafted.two_boxes(4)
    drafted.run(one, labels)
    other.set_note(1, "from the other")
    assert np.array_equal(other.labels(), labels) and other.segmentation.node is one.segmentation.node
    other.set_mask(0, 1, drafted.box(3, 3), "click")
    assert one.reading == other.reading and np.array_equal(one.labels(), other.labels())
    for name, count in [("Text", 1), ("Table", 1), ("Segmentation", 1)]:
        assert scene.GetNumberOfNodesByClass(f"vtkMRML{name}Node") == count
