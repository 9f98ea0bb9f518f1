"""Images in the real scene for the tests of `mrml`, saved and opened again as Slicer does it."""

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
from host.scene import clear, start_scene

slicer = start_scene()

from BreastUSAssistLib.mrml.case_segmentation import CaseSegmentation  # noqa: E402  needs slicer.i18n
from BreastUSAssistLib.mrml.source import UltrasoundSource, source_of  # noqa: E402

SPACING = (0.07, 0.11, 1.5)
"""Rows, columns, slices in mm."""
ROTATED = np.array([[0.0, -0.11, 0.0, 5], [0.07, 0.0, 0.0, -3], [0.0, 0.0, 1.5, 9], [0, 0, 0, 1]])
"""IJKToRAS of an image that lies turned by 90 degrees."""


def empty_scene() -> Any:
    """The scene with nothing in it."""
    clear()
    return slicer.mrmlScene


def ultrasound_matrix(spacing: tuple[float, float, float] = SPACING) -> np.ndarray:
    """IJKToRAS as Slicer gives it to ultrasound."""
    return np.diag([-spacing[1], -spacing[0], spacing[2], 1.0])


def pixels(shape: tuple[int, ...], seed: int = 0, dtype: Any = np.uint8) -> np.ndarray:
    """Random pixels."""
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def add_volume(array: np.ndarray, matrix: np.ndarray | None = None, name: str = "image") -> Any:
    """Volume node of (slices, rows, columns[, samples]) in the scene."""
    kind = "vtkMRMLVectorVolumeNode" if array.ndim == 4 else "vtkMRMLScalarVolumeNode"
    matrix = ultrasound_matrix() if matrix is None else matrix
    return slicer.util.addVolumeFromArray(array, ijkToRAS=matrix, name=name, nodeClassName=kind)


def add_sequence(
    frames: Sequence[np.ndarray], name: str = "cine", matrix: np.ndarray | None = None, uid: str = ""
) -> tuple[Any, Any, Any]:
    """Sequence, browser and proxy as Slicer's DICOM image-sequence plugin makes them: index time in s, one UID."""
    scene = slicer.mrmlScene
    kind = "vtkMRMLVectorVolumeNode" if frames[0].ndim == 3 else "vtkMRMLScalarVolumeNode"
    frame_node = scene.AddNewNodeByClass(kind)
    matrix = ultrasound_matrix((0.07, 0.11, 1.0)) if matrix is None else matrix
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    for index, frame in enumerate(frames):
        slicer.util.updateVolumeFromArray(frame_node, frame[np.newaxis].copy())
        frame_node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
        if uid:
            frame_node.SetAttribute("DICOM.instanceUIDs", uid)
        sequence.SetDataNodeAtValue(frame_node, f"{index * 0.04:.3f}")
    scene.RemoveNode(frame_node)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{name} browser")
    browser.AddSynchronizedSequenceNode(sequence)
    return sequence, browser, browser.GetProxyNode(sequence)


def cine(frame_count: int = 4, rows: int = 20, columns: int = 30, name: str = "cine") -> UltrasoundSource:
    """A cine of random frames in the scene."""
    frames = [pixels((rows, columns), index) for index in range(frame_count)]
    return source_of(slicer.mrmlScene, add_sequence(frames, name)[1])


def still(rows: int = 20, columns: int = 30) -> UltrasoundSource:
    """A still of random pixels in the scene."""
    return source_of(slicer.mrmlScene, add_volume(pixels((1, rows, columns))))


def volume(depth: int = 5, rows: int = 20, columns: int = 30) -> UltrasoundSource:
    """A volume of random pixels in the scene."""
    return source_of(slicer.mrmlScene, add_volume(pixels((depth, rows, columns))))


def source_of_kind(kind: str) -> UltrasoundSource:
    """A case of one of the three kinds."""
    return {"still": still, "cine": cine, "volume": volume}[kind]()


def segmented(source: UltrasoundSource, lesions: int = 2) -> CaseSegmentation:
    """The case with an empty segmentation of some lesions."""
    made = CaseSegmentation.create(slicer.mrmlScene, source)
    for number in range(1, lesions + 1):
        made.add_lesion(number, f"2.25.{number}")
    return made


def array_of(matrix: Any) -> np.ndarray:
    """(4, 4) of a vtkMatrix4x4."""
    return np.asarray(slicer.util.arrayFromVTKMatrix(matrix))


def linear_transform(matrix: np.ndarray) -> Any:
    """Linear transform node in the scene."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


class SegmentEditor:
    """Slicer's own editing of one segment, as its Segment Editor does it with the mouse."""

    def __init__(self, segmentation: CaseSegmentation, number: int = 1) -> None:
        scene = slicer.mrmlScene
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self.logic.SetMRMLScene(scene)
        self.logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self.logic.SetMaximumNumberOfUndoStates(10)
        self.node = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        self.segmentation = segmentation
        self.logic.SetSegmentEditorNode(self.node)
        self.logic.SetSegmentationNode(segmentation.node)
        self.logic.SetSourceVolumeNode(segmentation.source.volume)
        self.select(number)

    def select(self, number: int) -> None:
        """Select a lesion's segment."""
        self.logic.SetCurrentSegmentID(f"lesion-{number}")

    def paint(self, window: Any, *, erase: bool = False) -> None:
        """One stroke over a window (rows, columns) of the frame shown."""
        from vtk.util.numpy_support import vtk_to_numpy

        editor, node = self.logic, self.segmentation.node
        editor.UpdateReferenceGeometryImage()
        editor.UpdateAlignedSourceVolume()
        editor.UpdateSelectedSegmentLabelmap()
        editor.SaveStateForUndo()
        editor.ResetModifierLabelmapToDefault()
        modifier = editor.GetModifierLabelmap()
        array = vtk_to_numpy(modifier.GetPointData().GetScalars()).reshape(modifier.GetDimensions()[::-1])
        array[(0, *window)] = 1
        modifier.Modified()
        mode = editor.ModificationModeRemove if erase else editor.ModificationModeAdd
        editor.ModifySegmentByLabelmap(node, editor.GetCurrentSegmentID(), modifier, mode, False, False)


def saved_and_opened_again(folder: Path) -> Any:
    """Save the scene as .mrb, close it, open it again; the scene. As in Slicer the bundle is unpacked and imported."""
    scene = slicer.mrmlScene
    give_cache(scene)
    bundle = folder / "scene.mrb"
    assert scene.WriteToMRB(str(bundle))
    with tempfile.TemporaryDirectory(dir=folder) as unpacked:
        zipfile.ZipFile(bundle).extractall(unpacked)
        clear()
        scene.SetURL(str(next(Path(unpacked).rglob("*.mrml"))))
        assert scene.Import(None)
    return scene


def give_cache(scene: Any) -> None:
    """A cache folder, as the application has it: sequences other than of volumes are unpacked in it when read."""
    if scene.GetDataIOManager() is not None:
        return
    cache, manager = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
    cache.SetRemoteCacheDirectory(tempfile.mkdtemp(prefix="breastus-cache-"))
    cache.SetMRMLScene(scene)
    manager.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(manager)
