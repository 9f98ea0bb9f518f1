"""Nodes of the scene as one ultrasound case, whatever loaded them and however they lie in space."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.ultrasound.reading import open_clip
from scene import cases
from scene.cases import slicer

from BreastUSAssistLib.mrml.source import UltrasoundSource, source_of  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.source_headers import header_files  # isort: skip


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (20, 30, 4)])
def test_sequence_browser_and_proxy_are_one_case(shape: tuple[int, ...]) -> None:
    scene = cases.empty_scene()
    frames = [cases.pixels(shape, index) for index in range(4)]
    for node in cases.add_sequence(frames, uid="1.2.3"):
        source = source_of(scene, node)
        assert (source.kind, source.frame_count, source.rows, source.columns) == ("cine", 4, 20, 30)
        assert source.sequence.GetName() == source.name == "cine"
        assert source.browser.GetProxyNode(source.sequence) is source.volume
        assert source.instance_uids == ("1.2.3",)
        assert source.times_ms == pytest.approx((0, 40, 80, 120))
        for index, frame in enumerate(frames):
            expected = frame[..., :3] if frame.ndim == 3 else frame
            assert np.array_equal(source.pixels(index), expected)
            read = source.frame(index)
            assert np.array_equal(read.pixels, expected) and read.pixels.flags.c_contiguous
            assert (read.source.frame_number, read.source.sop_instance_uid) == (index + 1, "1.2.3")
            assert read.time_ms == pytest.approx(40 * index)
            assert read.grey.shape == (20, 30)


def test_a_sequence_without_a_browser_gets_one() -> None:
    scene = cases.empty_scene()
    sequence, browser, proxy = cases.add_sequence([cases.pixels((20, 30))] * 3)
    scene.RemoveNode(browser)
    scene.RemoveNode(proxy)
    source = source_of(scene, sequence)
    assert source.volume.GetScene() is scene and source.frame_count == 3
    assert source_of(scene, sequence).browser is source.browser


def test_a_still_that_slicer_loads_as_a_sequence_is_a_still() -> None:
    scene = cases.empty_scene()
    source = source_of(scene, cases.add_sequence([cases.pixels((20, 30))])[2])
    assert (source.kind, source.frame_count, source.current_frame()) == ("still", 1, 0)


def test_the_proxy_named_by_slicer_does_not_name_the_case() -> None:
    scene = cases.empty_scene()
    sequence, browser, proxy = cases.add_sequence([cases.pixels((20, 30))] * 3)
    browser.SetOverwriteProxyName(sequence, True)
    browser.SetSelectedItemNumber(2)
    assert proxy.GetName() != "cine"
    assert source_of(scene, proxy).name == "cine"


@pytest.mark.parametrize("shape", [(1, 20, 30), (1, 20, 30, 3), (5, 20, 30), (5, 20, 30, 3), (1, 1, 1)])
def test_volumes(shape: tuple[int, ...]) -> None:
    scene = cases.empty_scene()
    array = cases.pixels(shape)
    source = source_of(scene, cases.add_volume(array))
    assert source.kind == ("volume" if shape[0] > 1 else "still")
    assert (source.frame_count, source.rows, source.columns) == shape[:3]
    assert source.times_ms is None and source.instance_uids == () and source.files == ()
    for index in range(shape[0]):
        assert np.array_equal(source.pixels(index), array[index])


def test_pixels_are_a_view_that_outlives_the_node() -> None:
    scene = cases.empty_scene()
    array = cases.pixels((3, 20, 30))
    node = cases.add_volume(array)
    source = source_of(scene, node)
    view = source.pixels(1)
    slicer.util.arrayFromVolume(node)[1, 0, 0] = 255
    assert view[0, 0] == 255
    view = source.pixels(2)
    scene.RemoveNode(node)
    assert not source.in_scene
    del node, source
    gc.collect()
    assert np.array_equal(view, array[2])


def test_a_case_that_was_removed_says_so() -> None:
    scene = cases.empty_scene()
    source = cases.cine()
    assert source.in_scene
    scene.RemoveNode(source.sequence)
    assert not source.in_scene
    node = cases.add_volume(cases.pixels((1, 20, 30)))
    still = source_of(scene, node)
    scene.Clear(0)
    assert not still.in_scene
    with pytest.raises(InputError, match="removed"):
        source_of(scene, node)
    assert still.current_frame() == 0
    still.show_frame(0)


def test_a_frame_of_another_size_is_named() -> None:
    scene = cases.empty_scene()
    frames = [cases.pixels((20, 30)), cases.pixels((20, 30)), cases.pixels((25, 30))]
    with pytest.raises(InputError, match=r"Frame 3 .* 30 x 25 .* 30 x 20"):
        source_of(scene, cases.add_sequence(frames)[1])


def unsupported(kind: str) -> Any:
    """A node that is no ultrasound image."""
    scene = slicer.mrmlScene
    if kind == "pairs":
        node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode")
        slicer.util.updateVolumeFromArray(node, cases.pixels((1, 20, 30, 2)))
        return node
    if kind == "long":
        return cases.add_volume(np.zeros((50_001, 1, 1), np.uint8))
    if kind == "volumes over time":
        frame = cases.add_volume(cases.pixels((4, 20, 30)))
        sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
        sequence.SetDataNodeAtValue(frame, "0")
        return sequence
    if kind == "models over time":
        sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
        sequence.SetDataNodeAtValue(slicer.vtkMRMLModelNode(), "0")
        return sequence
    return scene.AddNewNodeByClass(kind)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("vtkMRMLModelNode", "holds no image"),
        ("vtkMRMLLabelMapVolumeNode", "no grey or colour image"),
        ("vtkMRMLScalarVolumeNode", "no pixels"),
        ("vtkMRMLSequenceNode", "holds no image"),
        ("vtkMRMLSequenceBrowserNode", "holds no image"),
        ("vtkMRMLSegmentationNode", "holds no image"),
        ("pairs", "2 values a pixel"),
        ("long", "at most"),
        ("volumes over time", "3D volumes"),
        ("models over time", "holds no image"),
    ],
)
def test_nodes_that_are_no_case(kind: str, words: str) -> None:
    scene = cases.empty_scene()
    with pytest.raises(InputError, match=words):
        source_of(scene, unsupported(kind))


def test_no_node() -> None:
    with pytest.raises(InputError, match="choose"):
        source_of(cases.empty_scene(), None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 2048, 4095], np.uint16), [0, 128, 255]),
        (np.array([0, 128, 255], np.int16), [0, 128, 255]),
        (np.array([-100, 0, 100], np.int32), [0, 127, 255]),
        (np.array([0, 0.5, 1], np.float32), [0, 128, 255]),
        (np.array([0, 100, 200], np.float64), [0, 100, 200]),
    ],
)
def test_other_depths_become_grey_levels_alike_in_all_frames(values: np.ndarray, expected: list[int]) -> None:
    scene = cases.empty_scene()
    dark, light = np.full((20, 30), values[0]), np.full((20, 30), values[2])
    dark[0, 1] = values[1]
    source = source_of(scene, cases.add_sequence([dark, light])[1])
    assert source.pixels(0).dtype == values.dtype
    assert list(source.frame(0).pixels[0, :2]) == expected[:2]
    assert source.frame(1).pixels[0, 0] == expected[2]


def test_values_that_are_no_numbers() -> None:
    scene = cases.empty_scene()
    frames = [np.zeros((20, 30), np.float32), np.full((20, 30), np.nan, np.float32)]
    source = source_of(scene, cases.add_sequence(frames)[1])
    with pytest.raises(InputError, match="not numbers"):
        source.frame(0)


def test_frames_are_counted_by_the_browser() -> None:
    cases.empty_scene()
    source = cases.cine(4)
    for index in (2, 0, 3):
        source.show_frame(index)
        assert source.current_frame() == index
        shown = slicer.util.arrayFromVolume(source.volume)[0]
        assert np.array_equal(shown, source.pixels(index))
    source.show_frame(99)
    assert source.current_frame() == 3
    source.show_frame(-1)
    assert source.current_frame() == 0


def placed(matrix: np.ndarray, moved: bool) -> UltrasoundSource:
    """A volume of five slices, under a transform where `moved`."""
    node = cases.add_volume(cases.pixels((5, 20, 30)), matrix)
    if moved:
        turn = np.array([[1, 0, 0, 7], [0, 0, -1, 0], [0, 1, 0, 2], [0, 0, 0, 1.0]])
        node.SetAndObserveTransformNodeID(cases.linear_transform(turn).GetID())
    return source_of(slicer.mrmlScene, node)


OBLIQUE = np.array([[0, 0, 1.5, 4], [-0.11, 0, 0, 2], [0, -0.07, 0, 1], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("matrix", [cases.ultrasound_matrix(), cases.ROTATED, OBLIQUE])
def test_slices_of_a_volume_are_shown_in_the_red_view(matrix: np.ndarray, moved: bool) -> None:
    scene = cases.empty_scene()
    source = placed(matrix, moved)
    red = scene.GetNodeByID("vtkMRMLSliceNodeRed")
    for index in (3, 0, 4, 1):
        source.show_frame(index)
        assert source.current_frame() == index
    normal = cases.array_of(red.GetSliceToRAS())[:3, 2]
    to_world = (
        cases.array_of(source.volume.GetParentTransformNode().GetMatrixTransformToParent()) if moved else np.eye(4)
    )
    axis = (to_world @ matrix)[:3, 2]
    assert abs(normal @ axis) == pytest.approx(np.linalg.norm(axis))
    red.SetOrientationToAxial()


def test_one_sequence_of_two_under_one_browser() -> None:
    """Biplane acquisitions: two sequences of images, one browser."""
    scene = cases.empty_scene()
    first, browser, _proxy = cases.add_sequence([cases.pixels((20, 30), index) for index in range(3)], "a")
    second, other, proxy = cases.add_sequence([cases.pixels((10, 15), index) for index in range(3)], "b")
    scene.RemoveNode(other)
    scene.RemoveNode(proxy)
    browser.AddSynchronizedSequenceNode(second)
    assert source_of(scene, browser).sequence is first
    source = source_of(scene, browser.GetProxyNode(second))
    assert (source.name, source.rows) == ("b", 10)
    source.show_frame(2)
    assert np.array_equal(slicer.util.arrayFromVolume(source.volume)[0], source.pixels(2))
    second.RemoveDataNodeAtValue("0.040")
    with pytest.raises(InputError, match=r"Frame 2 .* missing"):
        source_of(scene, second)


class Database:
    """What of Slicer's DICOM database is asked here."""

    isOpen = True  # noqa: N815

    def __init__(self, files: dict[str, Path]) -> None:
        self.files = files

    def fileForInstance(self, uid: str) -> str:  # noqa: N802
        """Path of the file with this SOP instance UID; empty where it is not known."""
        return str(self.files.get(uid, ""))


def test_files_are_found_in_the_dicom_database(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that Slicer loaded without the spacing of its regions, as it does where there are several."""
    scene = cases.empty_scene()
    path = data_root / "dicom_us" / "OBXXXX1A.dcm"
    expected = open_clip(path).frame(0)
    node = cases.add_volume(expected.pixels[np.newaxis], np.diag([-1.0, -1, 1, 1]))
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    monkeypatch.setattr(slicer, "dicomDatabase", Database({"1.2.3": path}), raising=False)
    source = source_of(scene, node)
    assert header_files(source) == source.files == (path,)
    frame = source.frame(0)
    assert frame.regions == expected.regions and frame.regions
    monkeypatch.setattr(slicer, "dicomDatabase", Database({}))
    assert header_files(source_of(scene, node)) == ()


def test_files_that_slicer_reads_itself(data_root: Path) -> None:
    """Real DICOM ultrasound through Slicer's own volume reader: RGB and grey, one frame and many."""
    scene = cases.empty_scene()
    logic = slicer.modules.volumes.logic()
    kinds = set()
    for path in sorted((data_root / "dicom_us").glob("*.dcm")):
        node = logic.AddArchetypeVolume(str(path), path.stem, 2)
        if node is None:
            continue
        source = source_of(scene, node)
        kinds.add((source.kind, source.pixels(0).ndim))
        assert np.shares_memory(source.pixels(0), slicer.util.arrayFromVolume(node))
        assert source.frame(source.frame_count - 1).pixels.dtype == np.uint8
        scene.RemoveNode(node)
    assert {("still", 3), ("still", 2), ("volume", 3)} <= kinds
