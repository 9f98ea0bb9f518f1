"""Masks of a case: what is written into a frame is read from it, bit by bit, and from no other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.dicom.codes import segment_color
from BreastUSAssistLib.dicom.slicer_segmentation import terminology_entry
from BreastUSAssistLib.errors import UsageError
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import cases
from scene.cases import slicer

from BreastUSAssistLib.mrml.case_segmentation import CaseSegmentation  # isort: skip  needs slicer.i18n of `cases`

KINDS = ["still", "cine", "volume"]


def disc(row: int, column: int, radius: int, shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)


@st.composite
def masks(draw: st.DrawFn, rows: int = 20, columns: int = 30) -> np.ndarray:
    """Empty, full, one pixel, a window of noise."""
    kind = draw(st.sampled_from(["empty", "full", "pixel", "noise"]))
    mask = np.zeros((rows, columns), bool)
    if kind == "full":
        mask[:] = True
    elif kind == "pixel":
        mask[draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))] = True
    elif kind == "noise":
        top, left = draw(st.integers(0, rows - 2)), draw(st.integers(0, columns - 2))
        noise = np.random.default_rng(draw(st.integers(0, 99))).random((rows - top, columns - left))
        mask[top:, left:] = noise > 0.6
    return mask


@settings(max_examples=30, deadline=None)
@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_what_is_written_is_read_and_nothing_leaks(data: st.DataObject, kind: str) -> None:
    cases.empty_scene()
    source = cases.source_of_kind(kind)
    segmentation = cases.segmented(source, 3)
    shape = (source.rows, source.columns)
    expected = {(f, n): np.zeros(shape, bool) for f in range(source.frame_count) for n in (1, 2, 3)}
    for _ in range(data.draw(st.integers(1, 8))):
        frame = data.draw(st.integers(0, source.frame_count - 1))
        source.show_frame(data.draw(st.integers(0, source.frame_count - 1)))
        number, mask = data.draw(st.integers(1, 3)), data.draw(masks())
        segmentation.set_mask(frame, number, mask)
        expected[frame, number] = mask
    for (frame, number), mask in expected.items():
        assert np.array_equal(segmentation.mask(frame, number), mask)


@pytest.mark.parametrize("kind", KINDS)
def test_slicer_sees_the_mask_where_the_pixels_are(kind: str) -> None:
    cases.empty_scene()
    source = cases.source_of_kind(kind)
    segmentation = cases.segmented(source)
    last = source.frame_count - 1
    segmentation.set_mask(last, 1, disc(4, 22, 3))
    source.show_frame(last)
    seen = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation.node, "lesion-1", source.volume)
    assert np.array_equal(seen[last if kind == "volume" else 0] > 0, disc(4, 22, 3))


def test_a_label_image_a_step() -> None:
    cases.empty_scene()
    source = cases.cine(5)
    segmentation = cases.segmented(source)
    labels = np.zeros((3, 20, 30), np.uint8)
    labels[0, :5, :5], labels[2, 7:9, 3:9] = 1, 2
    segmentation.set_mask(2, 2, disc(9, 9, 3))
    segmentation.set_mask(0, 2, disc(9, 9, 3))
    assert list(segmentation.write_frames(labels, {1: 2}, first_frame=1)) == [1, 2, 3]
    assert np.array_equal(segmentation.mask(1, 2), labels[0] == 1)
    assert not segmentation.mask(2, 2).any()
    assert segmentation.mask(0, 2).any()
    assert not any(segmentation.mask(frame, 1).any() for frame in range(5))


def test_label_images_of_a_volume() -> None:
    cases.empty_scene()
    source = cases.volume(6)
    segmentation = cases.segmented(source)
    segmentation.set_mask(0, 1, disc(9, 9, 2))
    labels = np.zeros((4, 20, 30), np.uint16)
    labels[1:3, 4:8, 5:12], labels[3, 1, 1] = 1, 2
    assert list(segmentation.write_frames(labels, first_frame=2)) == [1, 2]
    for frame in range(6):
        for number in (1, 2):
            expected = labels[frame - 2] == number if frame >= 2 else (frame == 0) * (number == 1) * disc(9, 9, 2)
            assert np.array_equal(segmentation.mask(frame, number), expected)
    assert segmentation.origin(1, 4) == "automatic"


def test_segments_are_named_coloured_coded_and_the_same_in_every_frame() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source, 0)
    segmentation.add_lesion(2, "2.25.7", "Mass", algorithm="net", side="L")
    segmentation.add_lesion(1, "2.25.8", origin="manual")
    for frame in range(source.frame_count):
        source.show_frame(frame)
        shown = segmentation.node.GetSegmentation()
        assert shown.GetSegmentIDs() == ("lesion-2", "lesion-1")
        segment = shown.GetSegment("lesion-2")
        assert segment.GetName() == "Mass 2"
        assert np.allclose(np.array(segment.GetColor()) * 255, segment_color(2), atol=1e-3)
        assert segment.GetTerminology() == terminology_entry("L")
        entry = slicer.vtkSlicerTerminologyEntry()
        assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(segment.GetTerminology(), entry)
        assert entry.GetTypeObject().GetCodeMeaning() == "Mass"
        assert [tag_of(segment, one) for one in TAGS] == ["AUTOMATIC", "net", "2.25.7", "2"]
        assert shown.GetSegment("lesion-1").GetName() == "Lesion 1"
        assert segmentation.origin(1, frame) == "manual"
    assert segmentation.numbers() == (1, 2)
    segmentation.add_lesion(3, "2.25.9", "Mass 13")
    assert segmentation.segmentation(0).GetSegment("lesion-3").GetName() == "Mass 13 3"


TAGS = [
    "DICOM.SegmentAlgorithmType",
    "DICOM.SegmentAlgorithmName",
    "BreastUSAssist.TrackingUID",
    "BreastUSAssist.Number",
]


def tag_of(segment: Any, name: str) -> str:
    import vtk

    value = vtk.reference("")
    assert segment.GetTag(name, value)
    return str(value)


def test_origin_is_of_the_frame_that_was_edited() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    segmentation.set_mask(1, 2, disc(5, 5, 2), "semiautomatic")
    assert [segmentation.origin(2, frame) for frame in range(3)] == ["automatic", "semiautomatic", "automatic"]
    segmentation.set_origin(2, "automatic", 1)
    assert segmentation.origin(2, 1) == "automatic"
    assert segmentation.origin(9, 1) is None


def test_outline_is_drawn_and_the_fill_faint() -> None:
    cases.empty_scene()
    display = cases.segmented(cases.cine()).node.GetDisplayNode()
    assert display.GetVisibility() and display.GetVisibility2DOutline() and display.GetOpacity2DOutline() == 1
    assert 0 < display.GetOpacity2DFill() < 0.2


def test_a_lesion_is_added_again_and_removed() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    segmentation.set_mask(2, 1, disc(5, 5, 2))
    segmentation.add_lesion(1, "2.25.1")
    assert np.array_equal(segmentation.mask(2, 1), disc(5, 5, 2))
    segmentation.set_mask(2, 2, disc(6, 6, 2))
    segmentation.remove_lesion(1)
    assert segmentation.numbers() == (2,)
    assert not segmentation.mask(2, 1).any()
    assert np.array_equal(segmentation.mask(2, 2), disc(6, 6, 2))


def test_requests_that_cannot_be_met() -> None:
    cases.empty_scene()
    segmentation = cases.segmented(cases.still())
    with pytest.raises(UsageError, match="size"):
        segmentation.set_mask(0, 1, np.zeros((3, 3), bool))
    with pytest.raises(UsageError, match="lesion 7"):
        segmentation.set_mask(0, 7, np.zeros((20, 30), bool))
    with pytest.raises(UsageError, match="from 1"):
        segmentation.add_lesion(0, "2.25.1")
    with pytest.raises(IndexError):
        segmentation.mask(1, 1)


def test_painting_in_slicer_on_a_frame_where_the_lesion_is_not_seen() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    segmentation.set_mask(0, 2, disc(10, 10, 4))
    editor = cases.SegmentEditor(segmentation, 2)
    source.show_frame(3)
    editor.paint(np.s_[2:6, 3:9])
    source.show_frame(1)
    expected = np.zeros((20, 30), bool)
    expected[2:6, 3:9] = True
    assert np.array_equal(segmentation.mask(3, 2), expected)
    assert np.array_equal(segmentation.mask(0, 2), disc(10, 10, 4))
    assert not segmentation.mask(1, 2).any() and not segmentation.mask(3, 1).any()


def test_painting_over_another_lesion_takes_its_pixels_in_that_frame_alone() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    for frame in range(source.frame_count):
        segmentation.set_mask(frame, 1, disc(10, 10, 5))
    editor = cases.SegmentEditor(segmentation, 2)
    source.show_frame(2)
    editor.paint(np.s_[8:12, 5:20])
    assert segmentation.mask(2, 2).sum() == 4 * 15
    assert not (segmentation.mask(2, 1) & segmentation.mask(2, 2)).any()
    assert np.array_equal(segmentation.mask(1, 1), disc(10, 10, 5))


def test_lesions_may_overlap() -> None:
    cases.empty_scene()
    segmentation = cases.segmented(cases.still())
    segmentation.set_mask(0, 1, disc(10, 10, 6))
    segmentation.set_mask(0, 2, disc(10, 14, 6))
    assert np.array_equal(segmentation.mask(0, 1), disc(10, 10, 6))
    segmentation.set_mask(0, 1, disc(10, 12, 3))
    assert np.array_equal(segmentation.mask(0, 2), disc(10, 14, 6))


def test_a_segment_that_the_reader_added_becomes_a_lesion_in_every_frame() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source, 1)
    source.show_frame(2)
    segmentation.node.GetSegmentation().AddEmptySegment("Segment_1", "Segment_1")
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        disc(3, 3, 2)[np.newaxis].astype(np.uint8), segmentation.node, "Segment_1", source.volume
    )
    segmentation.adopt(2, "Segment_1", 5, "2.25.5")
    assert np.array_equal(segmentation.mask(2, 5), disc(3, 3, 2))
    for frame in range(source.frame_count):
        assert segmentation.segmentation(frame).GetSegmentIDs() == ("lesion-1", "lesion-5")
    assert segmentation.origin(5, 2) == "manual"
    with pytest.raises(UsageError, match="gone"):
        segmentation.adopt(2, "Segment_1", 6, "2.25.6")


def test_a_lattice_of_another_tool_is_resampled() -> None:
    """Segment Editor can give a segmentation a finer geometry; the masks are still read on the image's pixels."""
    cases.empty_scene()
    source = cases.still()
    segmentation = cases.segmented(source)
    fine = slicer.util.addVolumeFromArray(
        np.kron(disc(9, 14, 5), np.ones((2, 2)))[np.newaxis].astype(np.uint8),
        ijkToRAS=np.diag([-0.055, -0.035, 1.5, 1.0]) + _offset(0.055 / 2, 0.035 / 2),
    )
    segmentation.node.SetReferenceImageGeometryParameterFromVolumeNode(fine)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        slicer.util.arrayFromVolume(fine), segmentation.node, "lesion-1", fine
    )
    found = segmentation.mask(0, 1)
    assert (found ^ disc(9, 14, 5)).sum() <= 0.2 * disc(9, 14, 5).sum()
    segmentation.set_mask(0, 1, disc(4, 4, 2))
    assert np.array_equal(segmentation.mask(0, 1), disc(4, 4, 2))


def _offset(x: float, y: float) -> np.ndarray:
    offset = np.zeros((4, 4))
    offset[:2, 3] = x, y
    return offset


@pytest.mark.parametrize("kind", KINDS)
def test_rotated_axes_and_a_transform_change_no_mask(kind: str) -> None:
    scene = cases.empty_scene()
    source = cases.source_of_kind(kind)
    for node in {*source.frame_nodes, source.volume}:
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(cases.ROTATED))
    moved = cases.linear_transform(np.array([[1, 0, 0, 7], [0, 0, -1, 0], [0, 1, 0, 2], [0, 0, 0, 1.0]]))
    source.volume.SetAndObserveTransformNodeID(moved.GetID())
    segmentation = cases.segmented(source)
    segmentation.set_mask(0, 1, disc(4, 20, 3))
    assert np.array_equal(segmentation.mask(0, 1), disc(4, 20, 3))
    assert segmentation.node.GetTransformNodeID() == moved.GetID()
    source.show_frame(0)
    seen = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation.node, "lesion-1", source.volume)
    assert np.array_equal(seen[0] > 0, disc(4, 20, 3))
    assert CaseSegmentation.find(scene, source) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_there_after_the_scene_was_saved_and_opened(kind: str, tmp_path: Path) -> None:
    cases.empty_scene()
    source = cases.source_of_kind(kind)
    segmentation = cases.segmented(source, 3)
    last = source.frame_count - 1
    segmentation.set_mask(last, 1, disc(4, 22, 3), "semiautomatic")
    segmentation.set_mask(last, 3, disc(19, 29, 0))
    segmentation.set_mask(0, 2, np.eye(20, 30, dtype=bool))
    segmentation.set_mask(last // 2, 2, np.zeros((20, 30), bool))
    source.show_frame(last)
    expected = {(f, n): segmentation.mask(f, n) for f in range(source.frame_count) for n in (1, 2, 3)}
    pixels = [source.pixels(frame).copy() for frame in range(source.frame_count)]
    scene = cases.saved_and_opened_again(tmp_path)
    name = "vtkMRMLSequenceBrowserNode" if kind == "cine" else "vtkMRMLScalarVolumeNode"
    again = cases.source_of(scene, scene.GetFirstNodeByClass(name))
    assert (again.kind, again.frame_count) == (kind, source.frame_count)
    assert all(np.array_equal(again.pixels(frame), pixels[frame]) for frame in range(again.frame_count))
    found = CaseSegmentation.find(scene, again)
    assert found is not None
    for (frame, number), mask in expected.items():
        assert np.array_equal(found.mask(frame, number), mask)
    assert found.origin(1, last) == "semiautomatic"
    assert found.node.GetDisplayNode().GetOpacity2DFill() < 0.2
    # The frame shown is the sequence's own again: an edit goes into it and into no other.
    shown = again.current_frame() if kind == "cine" else last
    editor = cases.SegmentEditor(found, 1)
    if kind != "volume":
        editor.paint(np.s_[0:2, 0:2])
        assert found.mask(shown, 1)[:2, :2].all()
    again.show_frame(0)
    assert np.array_equal(found.mask(0, 2), expected[0, 2])


def test_each_case_finds_its_own() -> None:
    scene = cases.empty_scene()
    first, second, third = cases.cine(name="a"), cases.cine(name="b"), cases.still()
    of_second, of_first = cases.segmented(second), cases.segmented(first)
    assert CaseSegmentation.find(scene, first).node is of_first.node  # type: ignore[union-attr]
    assert CaseSegmentation.find(scene, second).node is of_second.node  # type: ignore[union-attr]
    assert CaseSegmentation.find(scene, third) is None


def test_a_proxy_that_was_deleted_comes_back_with_its_masks() -> None:
    scene = cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    segmentation.set_mask(1, 1, disc(5, 5, 3))
    scene.RemoveNode(segmentation.node)
    assert not segmentation.in_scene
    found = CaseSegmentation.find(scene, source)
    assert found is not None and found.in_scene
    assert np.array_equal(found.mask(1, 1), disc(5, 5, 3))
    source.show_frame(1)
    assert found.node.GetSegmentation() is found.segmentation(1)


def test_a_sequence_that_was_deleted_is_not_found() -> None:
    scene = cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    scene.RemoveNode(segmentation.sequence)
    assert not segmentation.in_scene
    assert CaseSegmentation.find(scene, source) is None


def test_an_item_that_was_taken_out_is_empty_and_can_be_written() -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    segmentation.set_mask(1, 1, disc(5, 5, 3))
    segmentation.sequence.RemoveDataNodeAtValue(source.index_value(2))
    segmentation.sequence.RemoveDataNodeAtValue(source.index_value(3))
    source.show_frame(3)
    assert not segmentation.mask(3, 1).any()
    assert not segmentation.mask(2, 1).any()
    source.show_frame(2)
    segmentation.set_mask(2, 1, disc(7, 7, 3))
    assert np.array_equal(segmentation.mask(2, 1), disc(7, 7, 3))
    assert np.array_equal(segmentation.mask(1, 1), disc(5, 5, 3))


def test_masks_of_an_image_of_one_row() -> None:
    cases.empty_scene()
    source = cases.source_of(slicer.mrmlScene, cases.add_volume(cases.pixels((1, 1, 9))))
    segmentation = cases.segmented(source)
    mask = np.zeros((1, 9), bool)
    mask[0, 3] = True
    segmentation.set_mask(0, 1, mask)
    assert np.array_equal(segmentation.mask(0, 1), mask)
