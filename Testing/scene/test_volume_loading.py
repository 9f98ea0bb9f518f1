"""Clips of this project's own readers in the scene: the same pixels, the size of a pixel, where it came from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.ultrasound.frame import Clip, PixelSpacing, SourceReference, UltrasoundFrame
from BreastUSAssistLib.ultrasound.reading import open_clip
from scene import cases
from scene.cases import slicer

from BreastUSAssistLib.mrml.pixel_calibration import calibration_of  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.source import UltrasoundSource, source_of  # isort: skip
from BreastUSAssistLib.mrml.volume_loading import load_clip, loading  # isort: skip


def clip_of(
    frames: list[np.ndarray],
    kind: str = "cine",
    spacing: PixelSpacing | None = None,
    times_ms: tuple[float, ...] | None = None,
) -> Clip:
    """A clip of arrays."""
    return Clip(
        "case",
        kind,  # type: ignore[arg-type]
        len(frames),
        lambda index: UltrasoundFrame(frames[index], SourceReference(Path("a.png"), index + 1), pixel_spacing=spacing),
        paths=(Path("a.png"),),
        times_ms=times_ms,
        slice_mm=1.5 if kind == "volume" else None,
    )


def check_same(source: UltrasoundSource, clip: Clip) -> None:
    """Pixels, kind, geometry and origin of a case in the scene are those of the clip."""
    assert source.frame_count == clip.frame_count
    assert source.kind == (clip.kind if clip.frame_count > 1 else "still")
    for index in {0, clip.frame_count // 2, clip.frame_count - 1}:
        frame, again = clip.frame(index), source.frame(index)
        assert np.array_equal(again.pixels, frame.pixels)
        assert again.regions == frame.regions
        whole = (0, 0, frame.rows, frame.columns)
        for box in [whole, *(region.box for region in frame.regions if region.is_tissue)]:
            check_close(again.spacing_in(box), frame.spacing_in(box))
        assert again.source.path.resolve() == frame.source.path.resolve()
        assert again.source.frame_number == frame.source.frame_number
        assert again.source.sop_instance_uid == frame.source.sop_instance_uid
    assert source.volume.GetNumberOfDisplayNodes() == 1


def check_close(one: PixelSpacing | None, other: PixelSpacing | None) -> None:
    """Two spacings are the same up to the rounding of a matrix."""
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert (one.row_mm, one.column_mm) == pytest.approx((other.row_mm, other.column_mm))
        assert one.source == other.source


def test_real_dicom_ultrasound(data_root: Path) -> None:
    scene = cases.empty_scene()
    seen = set()
    for path in sorted((data_root / "dicom_us").glob("*.dcm")):
        clip = open_clip(path)
        source = load_clip(scene, clip)
        check_same(source, clip)
        assert source.name == clip.name
        seen.add((source.kind, source.pixels(0).ndim, calibration_of(source).kind))
    assert {("still", 3, "ultrasound_region"), ("cine", 3, "ultrasound_region")} <= seen


def test_a_real_cine_of_one_file_a_frame(data_root: Path) -> None:
    scene = cases.empty_scene()
    clip = open_clip(data_root / "cine")
    source = load_clip(scene, clip)
    check_same(source, clip)
    assert len(source.instance_uids) == len(source.files) == source.frame_count == 31
    assert source_of(scene, source.browser).volume is source.volume
    assert source.frame(7).source.frame_number == 1
    assert source.frame(7).source.path.name == clip.paths[7].name


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
@pytest.mark.parametrize("kind", ["still", "cine", "volume"])
def test_every_kind_in_grey_and_colour(kind: str, shape: tuple[int, ...]) -> None:
    scene = cases.empty_scene()
    frames = [cases.pixels(shape, index) for index in range(1 if kind == "still" else 4)]
    source = load_clip(scene, clip_of(frames, kind, PixelSpacing(0.07, 0.11, "image_header")))
    assert source.kind == kind
    assert all(np.array_equal(source.pixels(index), frame) for index, frame in enumerate(frames))
    expected = np.diag([-0.11, -0.07, 1.5 if kind == "volume" else 1.0, 1])
    for node in {*source.frame_nodes, source.volume}:
        assert np.allclose(slicer.util.arrayFromVTKMatrix(_matrix(node)), expected)
    assert calibration_of(source).kind == "image_header"
    assert source.volume.IsA("vtkMRMLVectorVolumeNode") == (len(shape) == 3)


def _matrix(node: object) -> object:
    matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
    node.GetIJKToRASMatrix(matrix)  # type: ignore[attr-defined]
    return matrix


@pytest.mark.parametrize(
    ("times", "index", "rate"),
    [
        ((0.0, 33.3, 66.6), ("time", "s", "0.033"), 30.0),
        ((0.0, 0.4, 0.8), ("frame", "", "1"), 60.0),
        ((0.0, 0.0, 40.0), ("frame", "", "1"), 50.0),
        (None, ("frame", "", "1"), 10.0),
    ],
)
def test_times(times: tuple[float, ...] | None, index: tuple[str, str, str], rate: float) -> None:
    scene = cases.empty_scene()
    source = load_clip(scene, clip_of([cases.pixels((20, 30), one) for one in range(3)], times_ms=times))
    sequence = source.sequence
    assert (sequence.GetIndexName(), sequence.GetIndexUnit(), sequence.GetNthIndexValue(1)) == index
    assert sequence.GetNumberOfDataNodes() == 3
    assert source.times_ms == (None if times is None else pytest.approx(times))
    assert source.browser.GetPlaybackRateFps() == pytest.approx(rate, rel=0.01)


def test_loading_that_fails_or_stops_leaves_the_scene_as_it_was() -> None:
    scene = cases.empty_scene()
    before = scene.GetNumberOfNodes()
    frames = [cases.pixels((20, 30)), cases.pixels((25, 30))]
    for kind in ("cine", "volume"):
        with pytest.raises(InputError, match="Frame 2 has 30 x 25"):
            load_clip(scene, clip_of(frames, kind))
    with pytest.raises(InputError, match="Frame 2"):
        load_clip(scene, clip_of([cases.pixels((20, 30)), cases.pixels((20, 30, 3))]))
    steps = loading(scene, clip_of([cases.pixels((20, 30))] * 3))
    assert next(steps) == (1, 3)
    steps.close()
    assert scene.GetNumberOfNodes() == before


def test_names_are_told_apart() -> None:
    scene = cases.empty_scene()
    clip = clip_of([cases.pixels((20, 30))], "still")
    assert load_clip(scene, clip).name != load_clip(scene, clip).name


def with_uids(decode: Callable[[int], UltrasoundFrame]) -> Callable[[int], UltrasoundFrame]:
    """Frames as if each came from a DICOM file of its own."""

    def decode_with_uid(index: int) -> UltrasoundFrame:
        frame = decode(index)
        return replace(frame, source=replace(frame.source, sop_instance_uid=f"1.2.{index}"))

    return decode_with_uid


def test_what_is_known_survives_the_scene_file(tmp_path: Path) -> None:
    cases.empty_scene()
    frames = [cases.pixels((20, 30, 3), one) for one in range(3)]
    clip = clip_of(frames, spacing=PixelSpacing(0.07, 0.11, "ultrasound_region"), times_ms=(0.0, 33.3, 66.7))
    clip = replace(clip, paths=(Path("ä b.png"), Path("c.png"), Path("d.png")), decode=with_uids(clip.decode))
    source = load_clip(slicer.mrmlScene, clip)
    scene = cases.saved_and_opened_again(tmp_path)
    again = source_of(scene, scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode"))
    assert all(np.array_equal(again.pixels(index), frame) for index, frame in enumerate(frames))
    assert again.times_ms == pytest.approx((0.0, 33.3, 66.7))
    assert again.instance_uids == source.instance_uids == ("1.2.0", "1.2.1", "1.2.2")
    assert again.frame(1).source.sop_instance_uid == "1.2.1" and again.frame(1).source.frame_number == 1
    assert again.files == source.files and again.files[0].name == "ä b.png"
    check_close(calibration_of(again).spacing, calibration_of(source).spacing)
    assert calibration_of(again).kind == "ultrasound_region"
