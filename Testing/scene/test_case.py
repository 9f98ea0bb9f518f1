"""One case in the scene: what the reader does to it, kept in step in record, segmentation and table."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.birads.clinical import ClinicalParameters
from BreastUSAssistLib.birads.lesion import Lesion
from BreastUSAssistLib.birads.reading import Place
from BreastUSAssistLib.errors import InputError, UsageError
from scene import cases

from scene import drafted  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.case import CaseChange, open_case  # isort: skip

KINDS = ["still", "cine", "volume"]
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def scene() -> Any:
    return cases.empty_scene()


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_becomes_segments_rows_and_a_record(scene: Any, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    assert np.array_equal(case.labels(), labels)
    assert [one.number for one in case.reading.lesions] == [1, 2]
    assert drafted.column(case, "lesion") == ["1", "2"] and drafted.column(case, "status") == ["draft", "draft"]
    assert case.segmentation.origin(1, 0) == "automatic"
    drafted.assert_scene_shows_record(case)
    ((analysis, again),) = case.drafts()
    assert np.array_equal(again, labels) and analysis == case.runs[0]
    assert case.gates()[0].code == "calipers"


def test_opening_a_case_leaves_the_scene_as_it_is(scene: Any) -> None:
    source = cases.still()
    before = scene.GetNumberOfNodes()
    case = open_case(scene, source.volume)
    assert case.lesions == () and case.runs == () and not case.has_segmentation and case.gates() == ()
    case.add_seconds(3)
    assert scene.GetNumberOfNodes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_there_after_save_and_reload(scene: Any, tmp_path: Path, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    mine = drafted.box(4, 4)
    case.set_mask(0, 1, mine, "click")
    case.set_term(1, "shape", "oval")
    case.set_category(2, "4B")
    case.set_note(2, 'Grenzwertig: "ü", 漢\n\t& <b>')
    case.set_place(Place(side="left", clock=3.5, distance_mm=40))
    case.set_clinical(ClinicalParameters(age_years=51))
    added = case.add_lesion()
    case.set_mask(0, added.number, drafted.box(0, 20), "segment_editor")
    case.remove_lesion(2)
    case.decide("Dr. Ä", "accepted", "", NOW)
    runs, reading, rows, expected = (
        case.runs,
        case.reading,
        [drafted.column(case, name) for name in ("status", "reader_note", "area_px")],
        case.labels(),
    )
    again = drafted.opened_again(tmp_path)
    assert again.reading == reading and again.runs == runs
    assert [drafted.column(again, name) for name in ("status", "reader_note", "area_px")] == rows
    assert np.array_equal(again.labels(), expected)
    assert np.array_equal(again.drafts()[0][1], labels)
    assert again.segmentation.origin(1, 0) == "semiautomatic"
    drafted.assert_scene_shows_record(again)
    again.put_back_lesion(2)
    assert np.array_equal(again.labels() == 2, labels == 2)
    assert case.closed
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


def test_terms_changed_and_put_back(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    before = case.reading
    case.set_term(1, "shape", "oval")
    assert case.lesions[0].changed == {"shape"}
    assert drafted.column(case, "shape")[0] == "Oval" and drafted.column(case, "shape_ai")[0] == "Irregular"
    assert drafted.column(case, "changed_terms")[0] == "shape" and drafted.column(case, "status")[0] == "changed"
    case.set_term(1, "shape", "irregular")
    assert case.reading == before
    case.set_term(1, "shape", "oval")
    case.put_back_term(1, "shape")
    assert case.reading == before
    with pytest.raises(UsageError, match="not in the lexicon"):
        case.set_term(1, "shape", "square")
    with pytest.raises(InputError, match="no lesion 7"):
        case.set_term(7, "shape", "oval")
    assert case.runs[0].lesions[0].descriptors[0].term == "irregular"


def test_values_that_cannot_be_stored(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    before = case.reading
    with pytest.raises(InputError, match="up to 4000 characters"):
        case.set_note(1, "x" * 4001)
    with pytest.raises(InputError, match="cannot be stored"):
        case.set_note(1, "\ud800")
    with pytest.raises(InputError, match="no category 7"):
        case.set_category(1, "7")
    assert case.reading == before
    case.set_category(1, "2")
    case.set_category(1, None)
    assert case.reading == before


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_that_ends_as_the_draft_is_no_edit(scene: Any, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    before = case.reading
    case.set_mask(0, 1, drafted.box(3, 3), "box")
    assert case.record.lesion(1).edited_frames == (1,) and case.record.lesion(1).tools == ("box",)
    assert case.segmentation.origin(1, 0) == "semiautomatic"
    case.set_mask(0, 1, labels[0] == 1, "scribble")
    assert case.reading == before and case.segmentation.origin(1, 0) == "automatic"
    assert np.array_equal(case.labels(), labels)


@pytest.mark.parametrize("kind", KINDS)
def test_undo_redo_and_back_to_the_draft(scene: Any, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    last = case.source.frame_count - 1
    first_mask, last_mask = drafted.box(3, 3), drafted.box(5, 9)
    case.set_mask(0, 1, first_mask, "click")
    case.set_mask(last, 1, last_mask, "click")
    assert case.undo() == last
    expected = first_mask if last == 0 else labels[last] == 1
    assert np.array_equal(case.mask(last, 1), expected)
    assert case.redo() == last and np.array_equal(case.mask(last, 1), last_mask)
    case.restore_draft(1)
    assert np.array_equal(case.labels(), labels) and case.record.lesion(1).tools == ()
    assert case.undo() is not None
    assert np.array_equal(case.mask(last, 1), last_mask)
    if last:
        assert np.array_equal(case.mask(0, 1), first_mask)
        case.restore_draft(1, 0)
        assert case.record.lesion(1).edited_frames == (last + 1,)
    drafted.assert_scene_shows_record(case)


@pytest.mark.parametrize("kind", KINDS)
def test_removing_and_putting_back(scene: Any, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    case.set_mask(0, 1, drafted.box(3, 3), "click")
    mine = case.labels()
    before = case.reading
    case.remove_lesion(1)
    assert not case.lesions[0].present and drafted.column(case, "status")[0] == "removed"
    assert case.segmentation.numbers() == (2,) and not (case.labels() == 1).any()
    with pytest.raises(InputError, match="was removed"):
        case.set_mask(0, 1, drafted.box(0, 0))
    case.put_back_lesion(1)
    assert case.reading == before and np.array_equal(case.labels(), mine)
    drafted.assert_scene_shows_record(case)
    case.remove_lesion(1)
    case.undo()
    assert case.reading == before and np.array_equal(case.labels(), mine)
    drafted.assert_scene_shows_record(case)
    case.undo()
    assert not case.record.lesion(1).present, "putting back is taken back"
    case.redo()
    assert case.reading == before and np.array_equal(case.labels(), mine)
    drafted.assert_scene_shows_record(case)
    for _step in range(3):
        case.undo()
    assert np.array_equal(case.labels(), labels)


def test_added_lesions(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.cine())
    added = case.add_lesion()
    assert (added.number, added.run) == (3, None)
    case.set_mask(1, 3, drafted.box(0, 20), "segment_editor")
    assert case.segmentation.origin(3, 1) == "manual"
    case.set_mask(1, 3, drafted.box(0, 21), "click")
    assert case.segmentation.origin(3, 1) == "semiautomatic"
    assert case.lesions[2].ai is None and drafted.column(case, "area_px")[2] == "nan"
    with pytest.raises(InputError, match="no outline of the AI"):
        case.restore_draft(3)
    with pytest.raises(InputError, match="a lesion 3 already"):
        case.add_lesion(3)
    with pytest.raises(InputError, match="from 1 to 100"):
        case.add_lesion(101)
    assert case.add_lesion(100).number == 100
    with pytest.raises(InputError, match="from 1 to 100"):
        case.add_lesion()


def described(case: Any, number: int, area: float) -> Lesion:
    draft = case.record.draft(number) or case.runs[0].lesions[0]
    measured = draft.measurements.model_copy(update={"area": draft.measurements.area.model_copy(update={"px": area})})
    uid = case.record.lesion(number).tracking_uid
    return draft.model_copy(
        update={"tracking_uid": uid, "number": number, "origin": "semiautomatic", "measurements": measured}
    )


def test_the_description_of_a_corrected_outline(scene: Any) -> None:
    case, labels = drafted.drafted_case(cases.still())
    case.set_revised(described(case, 1, 40))
    assert case.record.lesion(1).revised is None, "the outline is the draft's"
    case.set_mask(0, 1, drafted.box(3, 3), "click")
    case.set_revised(described(case, 1, 48))
    assert drafted.column(case, "area_px")[0] == "48" and drafted.column(case, "area_px_ai")[0] == "7000"
    case.set_mask(0, 1, labels[0] == 1, "restored")
    assert case.record.lesion(1).revised is None and drafted.column(case, "area_px")[0] == "7000"
    with pytest.raises(InputError, match="not in this case any more"):
        case.set_revised(described(case, 1, 1).model_copy(update={"tracking_uid": "1.2.3"}))


def test_a_decision_needs_a_name_and_ends_with_a_change(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    for reader, decision, reason, match in [
        (" ", "accepted", "", "needs a reader"),
        ("A", "rejected", "  ", "needs a reason"),
    ]:
        with pytest.raises(InputError, match=match):
            case.decide(reader, decision, reason, NOW)
    with pytest.raises(InputError, match="time zone"):
        case.decide("A", "accepted", "", datetime(2026, 1, 1))
    case.decide("A", "rejected", " motion ", NOW)
    assert (case.reading.decision, case.reading.reason, case.reading.decided) == (
        "rejected",
        "motion",
        "2026-03-04T05:06:07+00:00",
    )
    case.add_seconds(5)
    assert case.reading.decision == "rejected"
    case.set_note(1, "later")
    assert (case.reading.decision, case.reading.reader) == ("open", "A")
    case.decide("A", "accepted", "", NOW)
    case.reopen()
    assert case.reading.decision == "open"


def test_a_decision_in_two_steps(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    decided = case.decided("A", "accepted", "", NOW)
    assert case.reading.decision == "open"
    case.add_seconds(4)
    case.settle(decided)
    assert case.reading.decision == "accepted" and case.reading.seconds_spent == 4
    decided = case.decided("A", "accepted", "", NOW)
    case.set_note(1, "meanwhile")
    with pytest.raises(InputError, match="changed while"):
        case.settle(decided)
    assert case.reading.decision == "open" and case.reading.lesions[0].note == "meanwhile"


def test_the_case_as_one_analysis(scene: Any) -> None:
    case, labels = drafted.drafted_case(cases.cine())
    case.set_term(1, "shape", "oval")
    case.remove_lesion(2)
    effective = case.effective_analysis()
    assert [one.number for one in effective.lesions] == [1]
    assert {d.attribute: d.term for d in effective.lesions[0].descriptors}["shape"] == "oval"
    assert [frame.lesions for frame in effective.frames] == [(1,)] * len(labels)
    other = open_case(scene, cases.add_volume(cases.pixels((1, 20, 30)), name="other"))
    alone = other.effective_analysis()
    assert alone.lesions == () and alone.source.kind == "still"


def test_two_views_are_tied_across_cases(scene: Any, tmp_path: Path) -> None:
    first, _labels = drafted.drafted_case(cases.still())
    second, _labels = drafted.drafted_case(cases.cine())
    uids = [[one.tracking_uid for one in case.reading.lesions] for case in (first, second)]
    second.decide("A", "accepted", "", NOW)
    first.tie(1, uids[1][0])
    assert first.reading.lesions[0].tied_to == uids[1][0] and second.reading.lesions[0].tied_to == uids[0][0]
    assert second.reading.decision == "open", "the decision did not cover the tie"
    assert first.lesions[0].joint is not None and second.lesions[0].joint is not None
    assert drafted.column(first, "joint_category")[0] == drafted.column(second, "joint_category")[0] != ""
    assert float(drafted.column(first, "joint_probability")[0]) > 0
    second.set_note(1, "both cases write")
    first.tie(2, uids[1][0])
    assert [one.tied_to for one in first.reading.lesions] == [None, uids[1][0]]
    assert second.reading.lesions[0].tied_to == uids[0][1] and second.reading.lesions[0].note == "both cases write"
    second.remove_lesion(1)
    assert not any(one.tied_to for case in (first, second) for one in case.reading.lesions)
    assert set(drafted.column(first, "joint_category") + drafted.column(second, "joint_category")) == {""}
    for uid, match in [(uids[1][0], "removed"), (uids[0][0], "itself"), ("1.2", "not in this scene")]:
        with pytest.raises(InputError, match=match):
            first.tie(1, uid)
    first.tie(1, uids[0][1])
    assert [one.tied_to for one in first.reading.lesions] == uids[0][::-1]
    first.untie(2)
    assert not any(one.tied_to for one in first.reading.lesions)


def test_segments_of_the_reader_become_lesions_when_the_tool_is_done(scene: Any) -> None:
    waiting: list[Any] = []
    drafted.drafted_case(cases.cine())[0].close()
    case = open_case(scene, scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode"), later=waiting.append)
    case.source.show_frame(1)
    case.segmentation.node.GetSegmentation().AddEmptySegment("Segment_1", "mine")
    assert len(case.reading.lesions) == 2
    while waiting:
        waiting.pop(0)()
    assert [one.number for one in case.reading.lesions] == [1, 2, 3]
    drafted.assert_scene_shows_record(case)
    case.segmentation.node.GetSegmentation().RemoveSegment("lesion-2")
    while waiting:
        waiting.pop(0)()
    assert not case.record.lesion(2).present
    drafted.assert_scene_shows_record(case)


def test_edits_are_booked_to_the_tool_in_hand(scene: Any) -> None:
    waiting: list[Any] = []
    drafted.drafted_case(cases.cine())[0].close()
    case = open_case(scene, scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode"), later=waiting.append)
    assert case.tool == "segment_editor"
    case.segmentation.set_mask(0, 1, drafted.box(3, 3))
    case.tool = "scribble"
    case.segmentation.set_mask(1, 1, drafted.box(3, 3))
    case.history.settle()
    assert case.tool == "scribble" and case.record.lesion(1).tools == ("segment_editor", "scribble")
    with pytest.raises(UsageError, match="no tool"):
        case.tool = "brush"


def test_the_side_is_told_in_the_terminology(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.cine())

    def side(number: int) -> set[str]:
        """Meaning of the last code: the modifier of the region."""
        frames = range(case.source.frame_count)
        found = [case.segmentation.segmentation(k).GetSegment(f"lesion-{number}").GetTerminology() for k in frames]
        assert all("^Breast~" in one for one in found)
        return {one.rsplit("~", 1)[1].rsplit("^", 1)[-1] for one in found}

    assert side(1) == {""}
    case.set_place(Place(side="left"))
    assert side(1) == side(2) == {"Left"}
    assert side(case.add_lesion().number) == {"Left"}
    case.set_place(Place())
    assert side(1) == {""} and case.segmentation.origin(1, 0) == "automatic"


def test_segment_editor_strokes_are_taken_in(scene: Any) -> None:
    case, labels = drafted.drafted_case(cases.cine())
    editor = cases.SegmentEditor(case.segmentation, 1)
    case.source.show_frame(2)
    editor.paint((slice(15, 18), slice(0, 5)))
    expected = labels[2] == 1
    expected[15:18, 0:5] = True
    assert np.array_equal(case.mask(2, 1), expected)
    assert case.record.lesion(1).tools == ("segment_editor",) and case.record.lesion(1).edited_frames == (3,)
    case.source.show_frame(0)
    assert case.undo() == 2 and np.array_equal(case.labels(), labels)
    assert case.record.lesion(1).tools == ()


def test_listeners_hear_each_action_once(scene: Any) -> None:
    case, _labels = drafted.drafted_case(cases.cine())
    heard: list[CaseChange] = []
    case.on_change.append(heard.append)
    case.set_mask(1, 1, drafted.box(3, 3), "click")
    case.set_note(2, "a")
    case.set_note(2, "a")
    case.undo()
    drafted.run(case, drafted.two_boxes(4))
    assert heard == [
        CaseChange("outline", 1, 1),
        CaseChange("reading", 2),
        CaseChange("outline", 1, 1),
        CaseChange("run"),
    ]


def test_bad_input(scene: Any) -> None:
    case, labels = drafted.drafted_case(cases.cine())
    before, node_count = case.reading, scene.GetNumberOfNodes()
    analysis = case.runs[0]
    for wrong, first, match in [
        (labels[:, :10], 1, "30 x 10 pixels and the case has 30 x 20"),
        (labels.astype(np.uint16), 1, "analyze the chosen images again"),
        (labels[0], 1, "analyze the chosen images again"),
        (labels, 2, "frames 2 to 5 and the case has 4"),
        (labels[:0], 1, "the case has 4"),
    ]:
        with pytest.raises(InputError, match=match):
            case.apply_run(analysis, wrong, first)
    for frame, mask in [(4, drafted.box(0, 0)), (-1, drafted.box(0, 0)), (0, np.zeros((20, 31), bool))]:
        with pytest.raises(InputError, match="does not fit"):
            case.set_mask(frame, 1, mask)
    with pytest.raises(InputError, match="no lesion 9"):
        case.set_mask(0, 9, drafted.box(0, 0))
    with pytest.raises(InputError):
        open_case(scene, None)
    with pytest.raises(InputError):
        open_case(scene, case.table)
    assert case.reading == before and scene.GetNumberOfNodes() == node_count
