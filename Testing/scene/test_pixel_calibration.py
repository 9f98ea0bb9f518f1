"""How large a pixel is, who says so, and that a ruler moves images and masks together without touching a voxel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.ultrasound.frame import PixelSpacing
from BreastUSAssistLib.ultrasound.reading import open_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import cases
from scene.cases import slicer

from BreastUSAssistLib.mrml.pixel_calibration import apply_known_spacing, calibrate, calibration_of  # isort: skip  needs slicer.i18n
from BreastUSAssistLib.mrml.source import UltrasoundSource, source_of  # isort: skip
from BreastUSAssistLib.mrml.volume_loading import load_clip  # isort: skip


def still_of(spacing: tuple[float, float], told: str | None = None) -> UltrasoundSource:
    scene = cases.empty_scene()
    node = cases.add_volume(cases.pixels((1, 20, 30)), cases.ultrasound_matrix((*spacing, 1.0)))
    if told is not None:
        node.SetAttribute("BreastUSAssist.Spacing", told)
    return source_of(scene, node)


@pytest.mark.parametrize(
    ("spacing", "told", "kind"),
    [
        ((1.0, 1.0), None, "unknown"),
        ((0.07, 0.11), None, "image_header"),
        ((0.07, 0.11), "unknown", "unknown"),
        ((0.07, 0.11), "ultrasound_region", "ultrasound_region"),
        ((0.07, 0.11), "pixel_spacing", "pixel_spacing"),
        ((1.0, 1.0), "user", "user"),
        ((1.0, 1.0), "pixel_spacing", "unknown"),
        ((0.07, 0.11), "nonsense", "unknown"),
        ((70.0, 70.0), None, "unknown"),
    ],
)
def test_who_vouches_for_a_spacing(spacing: tuple[float, float], told: str | None, kind: str) -> None:
    source = still_of(spacing, told)
    found = calibration_of(source)
    assert found.kind == kind
    assert found.known == (kind != "unknown") == (found.spacing is not None)
    frame = source.frame(0)
    assert frame.pixel_spacing == found.spacing
    if found.spacing is not None:
        assert (found.spacing.row_mm, found.spacing.column_mm) == pytest.approx(spacing)
        assert f"{spacing[0]:.4g} x {spacing[1]:.4g} mm" in found.words
    else:
        assert "pixels" in found.words


def ruler(source: UltrasoundSource, ends: list[tuple[float, float, float]]) -> Any:
    """Ruler between two places given as column, row, slice of the image that is shown."""
    line = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode")
    line.CreateDefaultDisplayNodes()
    matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
    source.volume.GetIJKToRASMatrix(matrix)
    for end in ends:
        world = np.zeros(3)
        source.volume.TransformPointToWorld((cases.array_of(matrix) @ [*end, 1])[:3], world)
        line.AddControlPointWorld(*world)
    return line


MATRICES = {
    "upright": cases.ultrasound_matrix((1.0, 1.0, 1.0)),
    "rotated": np.array([[0.0, -1, 0, 5], [1, 0, 0, -3], [0, 0, 1, 9], [0, 0, 0, 1]]),
    "oblique": cases.ROTATED,
}


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("matrix", sorted(MATRICES))
@pytest.mark.parametrize("kind", ["still", "cine", "volume"])
def test_a_ruler_moves_everything_and_changes_no_mask(kind: str, matrix: str, moved: bool) -> None:
    cases.empty_scene()
    source = cases.source_of_kind(kind)
    for node in dict.fromkeys([*source.frame_nodes, source.volume]):
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(MATRICES[matrix]))
    if moved:
        turn = np.array([[0, 1, 0, 7], [-1, 0, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1.0]])
        source.volume.SetAndObserveTransformNodeID(cases.linear_transform(turn).GetID())
    segmentation = cases.segmented(source)
    noise = np.random.default_rng(1).random((source.frame_count, 2, 20, 30)) > 0.7
    for frame in range(source.frame_count):
        for number in (1, 2):
            segmentation.set_mask(frame, number, noise[frame, number - 1])
    stored = [bytes(memoryview(source.pixels(frame).copy())) for frame in range(source.frame_count)]
    row_mm, column_mm = source.volume.GetSpacing()[1::-1]
    # Over 8 rows and 6 columns.
    line = ruler(source, [(4, 2, 0), (10, 10, 0)])
    long = float(np.hypot(6 * column_mm, 8 * row_mm))
    found = calibrate(source, segmentation, line, long * 0.1)
    assert found.kind == "user" and found.spacing is not None
    assert (found.spacing.row_mm, found.spacing.column_mm) == pytest.approx((row_mm * 0.1, column_mm * 0.1))
    assert line.GetMeasurement("length").GetValue() == pytest.approx(long * 0.1)
    for frame in range(source.frame_count):
        assert source.node(frame).GetSpacing()[:2] == pytest.approx((column_mm * 0.1, row_mm * 0.1))
        assert source.frame(frame).pixel_spacing == found.spacing
        assert bytes(memoryview(source.pixels(frame).copy())) == stored[frame]
        for number in (1, 2):
            assert np.array_equal(segmentation.mask(frame, number), noise[frame, number - 1])
        source.show_frame(frame)
        seen = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation.node, "lesion-2", source.volume)
        assert np.array_equal(seen[frame if kind == "volume" else 0] > 0, noise[frame, 1])
    assert source.volume.GetSpacing()[:2] == pytest.approx((column_mm * 0.1, row_mm * 0.1))


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.floats(0.5, 40), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_any_series_of_calibrations_leaves_every_mask(lengths: list[float], seed: int) -> None:
    cases.empty_scene()
    source = cases.cine(2)
    segmentation = cases.segmented(source, 1)
    noise = np.random.default_rng(seed).random((2, 20, 30)) > 0.8
    for frame in range(2):
        segmentation.set_mask(frame, 1, noise[frame])
    line = ruler(source, [(1, 2, 0), (20, 15, 0)])
    for length in lengths:
        calibrate(source, segmentation, line, length)
        assert line.GetMeasurement("length").GetValue() == pytest.approx(length)
        source.show_frame(1 - source.current_frame())
    for frame in range(2):
        assert np.array_equal(segmentation.mask(frame, 1), noise[frame])
    again = segmentation.find(slicer.mrmlScene, source)
    assert again is not None and np.array_equal(again.mask(1, 1), noise[1])


def test_calibration_survives_the_scene_file(tmp_path: Path) -> None:
    cases.empty_scene()
    source = cases.cine()
    segmentation = cases.segmented(source)
    mask = np.eye(20, 30, dtype=bool)
    segmentation.set_mask(2, 1, mask)
    calibrate(source, segmentation, ruler(source, [(0, 0, 0), (0, 10, 0)]), 2.0)
    scene = cases.saved_and_opened_again(tmp_path)
    again = source_of(scene, scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode"))
    found = calibration_of(again)
    assert found.kind == "user" and found.spacing is not None and found.spacing.row_mm == pytest.approx(0.2)
    segmentation = segmentation.find(scene, again)  # type: ignore[assignment]
    assert np.array_equal(segmentation.mask(2, 1), mask)
    again.show_frame(2)
    seen = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation.node, "lesion-1", again.volume)
    assert np.array_equal(seen[0] > 0, mask)


def test_a_spacing_changed_elsewhere_leaves_masks_and_can_be_followed() -> None:
    cases.empty_scene()
    source = cases.still()
    segmentation = cases.segmented(source)
    mask = np.eye(20, 30, dtype=bool)
    segmentation.set_mask(0, 1, mask)
    source.volume.SetSpacing(0.3, 0.2, 1.0)
    assert np.array_equal(segmentation.mask(0, 1), mask)
    segmentation.follow_geometry()
    assert np.array_equal(segmentation.mask(0, 1), mask)
    seen = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation.node, "lesion-1", source.volume)
    assert np.array_equal(seen[0] > 0, mask)


def test_requests_that_cannot_be_met() -> None:
    cases.empty_scene()
    source = cases.still()
    before = source.volume.GetSpacing()
    line = ruler(source, [(1, 1, 0), (1, 11, 0)])
    for length in (0.0, -3.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="more than 0"):
            calibrate(source, None, line, length)
    with pytest.raises(UsageError, match="two ends"):
        calibrate(source, None, ruler(source, [(1, 1, 0)]), 10.0)
    with pytest.raises(UsageError, match="two ends"):
        calibrate(source, None, None, 10.0)
    with pytest.raises(UsageError, match="apart"):
        calibrate(source, None, ruler(source, [(3, 3, 0), (3, 3, 0)]), 10.0)
    with pytest.raises(InputError, match="no ultrasound image"):
        calibrate(source, None, line, 5000.0)
    assert source.volume.GetSpacing() == before


def test_regions_of_real_files_and_the_reader_goes_before_them(data_root: Path) -> None:
    """Two regions, of which Slicer's loader takes none: the tissue's spacing is known all the same."""
    scene = cases.empty_scene()
    kinds = {}
    for path in sorted((data_root / "dicom_us").glob("*.dcm")):
        clip = open_clip(path)
        source = load_clip(scene, clip)
        tissue = [one.spacing for one in clip.frame(0).regions if one.is_tissue and one.spacing]
        found = calibration_of(source)
        kinds[found.kind] = source
        assert not tissue or found.spacing == tissue[0]
        for node in dict.fromkeys([*source.frame_nodes, source.volume]):
            node.SetSpacing(1, 1, 1)
        if tissue:
            assert calibration_of(source).spacing == tissue[0]
    source = kinds["ultrasound_region"]
    found = calibrate(source, None, ruler(source, [(10, 10, 0), (10, 110, 0)]), 20.0)
    assert found.spacing == PixelSpacing(pytest.approx(0.2), pytest.approx(0.2), "user")  # type: ignore[arg-type]
    frame = source.frame(0)
    assert all(frame.spacing_in(region.box) == found.spacing for region in frame.regions)


def test_what_slicers_loader_left_out_can_be_applied(data_root: Path) -> None:
    scene = cases.empty_scene()
    source = load_clip(scene, open_clip(data_root / "dicom_us" / "OBXXXX1A_2frame.dcm"))
    segmentation = cases.segmented(source, 1)
    assert not apply_known_spacing(source, segmentation)
    for node in dict.fromkeys([*source.frame_nodes, source.volume]):
        node.SetSpacing(1, 1, 1)
        node.RemoveAttribute("BreastUSAssist.Spacing")
    segmentation.follow_geometry()
    mask = np.eye(source.rows, source.columns, dtype=bool)
    segmentation.set_mask(1, 1, mask)
    found = calibration_of(source).spacing
    assert found is not None and apply_known_spacing(source, segmentation)
    assert source.node(1).GetSpacing()[:2] == pytest.approx((found.column_mm, found.row_mm))
    assert np.array_equal(segmentation.mask(1, 1), mask)
    assert calibration_of(source).spacing == found
    assert not apply_known_spacing(cases.still(), None)


def test_a_file_that_is_gone_leaves_what_the_scene_knows(data_root: Path, tmp_path: Path) -> None:
    scene = cases.empty_scene()
    path = tmp_path / "a.dcm"
    path.write_bytes((data_root / "dicom_us" / "US1_UNCR.dcm").read_bytes())
    source = load_clip(scene, open_clip(path))
    path.unlink()
    again = source_of(scene, source.volume)
    assert again.frame(0).regions == ()
    assert calibration_of(again).kind == calibration_of(source).kind
    path.write_bytes(b"damaged")
    assert source_of(scene, source.volume).frame(0).regions == ()
