"""A case becomes again what was kept of it, in another scene."""

from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.birads.clinical import ClinicalParameters
from BreastUSAssistLib.birads.reading import Place
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.service.label_packing import unpack_labels
from scene import cases
from scene.cases import slicer

from scene import drafted  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.case import Case, open_case  # isort: skip
from BreastUSAssistLib.mrml.case_keeping import PackedWork, WorkPacker, planes_of  # isort: skip
from BreastUSAssistLib.mrml.case_restoring import is_untouched, restore_case  # isort: skip

KINDS = ["still", "cine", "volume"]
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def scene() -> Any:
    return cases.empty_scene()


def opened(kind: str) -> Case:
    """A case of a kind over images of its own, nothing done yet."""
    return open_case(slicer.mrmlScene, cases.source_of_kind(kind).volume)


def worked_on(kind: str) -> Case:
    """A case with two runs and one of everything that a reader can do."""
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    last = case.source.frame_count - 1
    case.set_term(1, "margin", "angular")
    case.set_category(1, "4B")
    case.set_note(1, "seen before; not new, ü")
    case.set_mask(0, 1, drafted.box(1, 4, 9, 9))
    case.set_mask(last, 1, np.zeros((20, 30), bool))
    drafted.run(case, drafted.two_boxes(last + 1, shift=1)[:1])
    added = case.add_lesion()
    case.set_mask(last, added.number, drafted.box(0, 0, 5, 20), "click")
    gone = next(one.number for one in case.reading.lesions if one.number not in (1, added.number))
    case.set_mask(0, gone, drafted.box(10, 17))
    case.remove_lesion(gone)
    case.set_place(Place(side="left", clock=2.5, distance_mm=30))
    case.set_clinical(ClinicalParameters(age_years=51))
    case.add_seconds(12.5)
    assert labels.any()
    return case


def said(case: Case) -> Any:
    """All that is stored of a case but its UID and its name."""
    content = case.content
    reading = content.reading.model_copy(update={"case": ""})
    runs = tuple(
        run.model_copy(update={"analysis": run.analysis.model_copy(update={"case": ""})}) for run in content.runs
    )
    return content.model_copy(update={"uid": "", "reading": reading, "runs": runs})


def kept(case: Case) -> tuple[Any, ...]:
    """What is kept of a case."""
    work = packed(case, WorkPacker())
    return case.drafts(), case.reading, case.labels(), planes_of(work.hidden, 20, 30)


def packed(case: Case, packer: WorkPacker) -> PackedWork:
    """The outlines of a case on their way to the label folder."""
    return drafted.ended(packer.packing(case.content))


def finished(steps: Generator[tuple[int, int], None, None]) -> None:
    """All steps done; how far they are never goes back."""
    before = 0.0
    for done, count in steps:
        assert before <= done / count <= 1
        before = done / count


@pytest.mark.parametrize("kind", KINDS)
def test_work_is_brought_back_as_it_was(scene: Any, kind: str) -> None:
    case = worked_on(kind)
    before, work, origin = said(case), kept(case), case.segmentation.origin(1, 0)
    scene.Clear(0)
    again = opened(kind)
    finished(restore_case(again, *work))
    assert said(again) == before
    assert again.reading.case == again.source.name
    assert np.array_equal(again.labels(), work[2])
    assert all(np.array_equal(new, old) for (_a, new), (_b, old) in zip(again.drafts(), work[0], strict=True))
    assert again.segmentation.origin(1, 0) == origin
    drafted.assert_scene_shows_record(again)


def test_work_goes_on_after_it_was_brought_back(scene: Any) -> None:
    work = kept(worked_on("cine"))
    scene.Clear(0)
    case = opened("cine")
    finished(restore_case(case, *work))
    assert case.undo() is None
    before = case.mask(1, 1)
    case.set_mask(1, 1, drafted.box(3, 3))
    assert case.undo() == 1
    assert np.array_equal(case.mask(1, 1), before)
    gone = next(one.number for one in case.reading.lesions if not one.present)
    case.put_back_lesion(gone)
    assert np.array_equal(case.mask(0, gone), drafted.box(10, 17))
    case.restore_draft(1)
    assert case.record.lesion(1).edited_frames == ()
    drafted.assert_scene_shows_record(case)


def test_outlines_that_lie_under_others_are_kept_whole(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    case.set_mask(0, 1, drafted.box(0, 0, 15, 20))
    case.set_mask(0, 2, drafted.box(5, 5, 14, 20))
    assert (case.labels() == 2).sum() < 14 * 20
    before, work = said(case), kept(case)
    assert list(work[3]) == [(2, 0)]
    scene.Clear(0)
    again = opened("still")
    finished(restore_case(again, *work))
    assert said(again) == before


@pytest.mark.parametrize("kind", KINDS)
def test_outlines_go_out_as_they_are_and_known_frames_once(scene: Any, kind: str) -> None:
    case = worked_on(kind)
    packer = WorkPacker()
    steps = len(list(packer.packing(case.content)))
    assert steps == case.source.frame_count
    work = packed(case, packer)
    assert np.array_equal(np.stack([unpack_labels(text, 20, 30) for text in work.labels]), case.labels())
    assert list(packer.packing(case.content)) == []
    case.set_note(1, "another")
    case.set_mask(0, 1, drafted.box(9, 9))
    assert len(list(packer.packing(case.content))) == 1
    again = packed(case, packer)
    assert np.array_equal(np.stack([unpack_labels(text, 20, 30) for text in again.labels]), case.labels())
    assert again.labels[1:] == work.labels[1:]


def test_a_decision_is_brought_back_and_ends_with_the_next_change(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    case.decide("Reader A", "rejected", "wrong image", NOW)
    work = kept(case)
    scene.Clear(0)
    again = opened("still")
    finished(restore_case(again, *work))
    assert (again.reading.decision, again.reading.reader, again.reading.reason) == (
        "rejected",
        "Reader A",
        "wrong image",
    )
    again.set_note(1, "after all")
    assert again.reading.decision == "open"


@pytest.mark.parametrize("kind", KINDS)
def test_drafts_that_nobody_read_are_taken_in_like_a_run(scene: Any, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    before, drafts = said(case), case.drafts()
    scene.Clear(0)
    again = opened(kind)
    finished(restore_case(again, drafts, None))
    assert said(again) == before
    assert np.array_equal(again.labels(), labels)
    drafted.assert_scene_shows_record(again)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_from_outside_become_outlined_lesions(scene: Any, kind: str) -> None:
    case = opened(kind)
    labels = drafted.two_boxes(case.source.frame_count).astype(np.uint16)
    finished(restore_case(case, [], None, labels))
    assert np.array_equal(case.labels(), labels)
    assert [(one.number, one.run, one.present, one.tools) for one in case.reading.lesions] == [
        (1, None, True, ("added",)),
        (2, None, True, ("added",)),
    ]
    drafted.assert_scene_shows_record(case)


def test_untouched_drafts_make_way_and_work_does_not(scene: Any) -> None:
    work = kept(worked_on("cine"))
    scene.Clear(0)
    case, _labels = drafted.drafted_case(cases.cine())
    assert is_untouched(case)
    finished(restore_case(case, *work))
    drafted.assert_scene_shows_record(case)
    now = said(case)
    assert not is_untouched(case)
    with pytest.raises(InputError, match="worked on this case"):
        finished(restore_case(case, *work))
    assert said(case) == now


def test_what_was_there_before_can_be_had_again(scene: Any) -> None:
    work = kept(worked_on("cine"))
    scene.Clear(0)
    case, _labels = drafted.drafted_case(cases.cine())
    before, content = said(case), case.content
    finished(restore_case(case, *work))
    finished(case.take(content))
    assert said(case) == before
    drafted.assert_scene_shows_record(case)


@pytest.mark.parametrize("steps", [1, 9, 14, 17])
def test_a_case_left_half_way_is_whole(scene: Any, steps: int) -> None:
    work = kept(worked_on("cine"))
    scene.Clear(0)
    case = opened("cine")
    restoring = restore_case(case, *work)
    for _step in range(steps):
        next(restoring, None)
    restoring.close()
    drafted.assert_scene_shows_record(case)
    assert case.record.being_drawn == ()
    assert (len(case.reading.lesions) == 0) == is_untouched(case)


@pytest.mark.parametrize("steps", [13, 15])
def test_a_scene_saved_half_way_has_all_of_it(scene: Any, steps: int, tmp_path: Any) -> None:
    work = kept(worked_on("cine"))
    scene.Clear(0)
    case = opened("cine")
    restoring = restore_case(case, *work)
    for _step in range(steps):
        next(restoring, None)
    again = drafted.opened_again(tmp_path)
    restoring.close()
    drafted.assert_scene_shows_record(again)


def test_what_is_of_other_images_is_refused(scene: Any) -> None:
    work = kept(worked_on("cine"))
    scene.Clear(0)
    case = opened("still")
    with pytest.raises(InputError, match="of other images"):
        finished(restore_case(case, *work))
    with pytest.raises(InputError, match="of other images"):
        finished(restore_case(case, [], None, np.zeros((1, 20, 31), np.uint8)))
    assert is_untouched(case)
