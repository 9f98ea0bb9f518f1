"""3D Slicer itself opens the .seg.nrrd files: mask, names, colours and terminology on the image, nothing flipped."""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.dicom.codes import segment_color
from BreastUSAssistLib.dicom.slicer_segmentation import terminology_entry, write_slicer_segmentation
from BreastUSAssistLib.errors import UsageError
from dicom import drafts
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

SPACING = (0.07, 0.11, 1.5)


@pytest.fixture(scope="module")
def slicer() -> Iterator[Any]:
    """Slicer's own MRML scene and logics without the application."""
    slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
    pytest.importorskip("slicer.util")
    before = {name: getattr(slicer, name, None) for name in ("mrmlScene", "modules")}
    scene = slicer.mrmlScene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    logics = {}
    for name, kind in {
        "terminologies": "vtkSlicerTerminologiesModuleLogic",
        "segmentations": "vtkSlicerSegmentationsModuleLogic",
        "volumes": "vtkSlicerVolumesLogic",
    }.items():
        logic = getattr(slicer, kind)()
        logic.SetMRMLScene(scene)
        logic.SetMRMLApplicationLogic(application)
        application.SetModuleLogic(name.capitalize(), logic)
        logics[name] = logic
    slicer.modules = types.SimpleNamespace(
        **{name: types.SimpleNamespace(logic=lambda one=logic: one) for name, logic in logics.items()}
    )
    yield slicer
    scene.Clear(1)
    for name, value in before.items():
        setattr(slicer, name, value)


def opened(slicer: Any, path: Path) -> Any:
    """The segmentation node that Slicer makes of the file."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node


def image(slicer: Any, shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Any:
    """A volume with the geometry that Slicer gives to ultrasound: IJKToRAS diag(-column, -row, slice)."""
    matrix = np.diag([-spacing[1], -spacing[0], spacing[2], 1.0])
    return slicer.util.addVolumeFromArray(np.zeros(shape, np.uint8), ijkToRAS=matrix)


def mask_of(slicer: Any, node: Any, segment_id: str, volume: Any) -> np.ndarray:
    return np.asarray(slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, volume)) > 0


@pytest.mark.parametrize(
    ("kind", "spacing", "shown"),
    [
        ("still", SPACING, (0.07, 0.11, 1.0)),
        ("cine", SPACING, (0.07, 0.11, 1.0)),
        ("volume", SPACING, SPACING),
        ("still", None, (1.0, 1.0, 1.0)),
        ("cine", None, (1.0, 1.0, 1.0)),
    ],
)
def test_slicer_lays_the_segments_on_the_image(
    slicer: Any, tmp_path: Path, kind: Any, spacing: Any, shown: Any
) -> None:
    vtk = pytest.importorskip("vtk")
    labels = drafts.two_lesions(1 if kind == "still" else 6)
    path = tmp_path / "case ü.seg.nrrd"
    write_slicer_segmentation(path, labels, drafts.lesions_of(labels), spacing, kind)
    node, volume = opened(slicer, path), image(slicer, labels.shape, shown)
    segmentation = node.GetSegmentation()
    assert [segmentation.GetNthSegmentID(i) for i in range(segmentation.GetNumberOfSegments())] == [
        "lesion_1",
        "lesion_2",
    ]
    for number in (1, 2):
        segment = segmentation.GetSegment(f"lesion_{number}")
        assert segment.GetName() == f"Lesion {number}"
        assert np.allclose(np.array(segment.GetColor()) * 255, segment_color(number), atol=1e-3)
        assert np.array_equal(mask_of(slicer, node, f"lesion_{number}", volume), labels == number)
        # The segment's own grid is that of the image, so nothing was resampled on the way.
        own = segment.GetRepresentation("Binary labelmap")
        matrix = vtk.vtkMatrix4x4()
        own.GetImageToWorldMatrix(matrix)
        ijk_to_ras = np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])
        assert np.allclose(ijk_to_ras, np.diag([-shown[1], -shown[0], shown[2], 1]))


@pytest.mark.parametrize("side", [None, "L", "R"])
def test_slicer_reads_the_terminology(slicer: Any, tmp_path: Path, side: Any) -> None:
    vtk = pytest.importorskip("vtk")
    labels = drafts.two_lesions(1)
    lesions = drafts.lesions_of(labels, origin="semiautomatic")
    path = tmp_path / "a.seg.nrrd"
    write_slicer_segmentation(path, labels, lesions, SPACING, "still", side=side, algorithm="net|1")
    segment = opened(slicer, path).GetSegmentation().GetSegment("lesion_2")
    entry = slicer.vtkSlicerTerminologyEntry()
    assert segment.GetTerminology() == terminology_entry(side)
    assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(segment.GetTerminology(), entry)
    assert (entry.GetCategoryObject().GetCodeValue(), entry.GetTypeObject().GetCodeValue()) == ("49755003", "4147007")
    assert entry.GetTypeObject().GetCodeMeaning() == "Mass"
    assert entry.GetRegionObject().GetCodeValue() == "76752008"
    modifier = {None: None, "L": "Left", "R": "Right"}[side]
    assert (entry.GetRegionModifierObject().GetCodeMeaning() or None) == modifier
    tags = {}
    for tag in ("DICOM.SegmentAlgorithmType", "DICOM.SegmentAlgorithmName", "BreastUSAssist.TrackingUID"):
        value = vtk.reference("")
        assert segment.GetTag(tag, value)
        tags[tag] = str(value)
    assert tags == {
        "DICOM.SegmentAlgorithmType": "SEMIAUTOMATIC",
        "DICOM.SegmentAlgorithmName": "net/1",
        "BreastUSAssist.TrackingUID": lesions[1].tracking_uid,
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_labels_open_as_they_are(slicer: Any, tmp_path: Path, data: st.DataObject) -> None:
    shape = tuple(data.draw(st.integers(1, 7)) for _ in range(3))
    size = int(np.prod(shape))
    # Slicer 5.12 itself crashes on any segmentation of one single voxel.
    assume(size > 1)
    values = data.draw(st.lists(st.sampled_from([0, 1, 2, 300]), min_size=size, max_size=size))
    labels = np.array(values, np.uint16).reshape(shape)
    lesions = [drafts.lesion(number, labels) for number in (2, 300, 1)]
    path = tmp_path / "any.seg.nrrd"
    write_slicer_segmentation(path, labels, lesions, SPACING, "volume")
    node, volume = opened(slicer, path), image(slicer, shape, SPACING)  # type: ignore[arg-type]
    assert node.GetSegmentation().GetNumberOfSegments() == 3
    for number in (1, 2, 300):
        if number in values:
            assert np.array_equal(mask_of(slicer, node, f"lesion_{number}", volume), labels == number)
    slicer.mrmlScene.RemoveNode(node)
    slicer.mrmlScene.RemoveNode(volume)


def test_an_analysis_without_lesions_opens_empty(slicer: Any, tmp_path: Path) -> None:
    path = tmp_path / "none.seg.nrrd"
    write_slicer_segmentation(path, np.zeros((3, 20, 30), np.uint8), [], None, "cine")
    assert opened(slicer, path).GetSegmentation().GetNumberOfSegments() == 0


def test_requests_that_cannot_be_met(tmp_path: Path) -> None:
    labels = drafts.two_lesions(1)
    path = tmp_path / "a.seg.nrrd"
    with pytest.raises(UsageError, match="Label 2"):
        write_slicer_segmentation(path, labels, [drafts.lesion(1, labels)], None, "still")
    with pytest.raises(UsageError, match="spacing"):
        write_slicer_segmentation(path, labels, drafts.lesions_of(labels), (0.1, 0.0, 1.0), "still")
    with pytest.raises(UsageError, match="unsigned"):
        write_slicer_segmentation(path, labels[0], drafts.lesions_of(labels), None, "still")
    assert not list(tmp_path.iterdir())
