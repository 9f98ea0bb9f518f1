"""Clips that this project's own readers open, put into the scene as Slicer would: volume, or sequence with browser."""

import itertools
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import get_vtk_array_type, numpy_to_vtk

from ..errors import InputError
from ..ultrasound.frame import Clip, PixelSpacing, UltrasoundFrame
from .pixel_calibration import vouch_for
from .source import FILES, INSTANCE_UIDS, TIMES, UltrasoundSource, source_of

_NUMERIC_TOLERANCE = 0.001
"""Slicer takes indices closer than this as one (vtkMRMLSequenceNode)."""
_FRAMES_A_SECOND = 10.0
"""Of playback where the clip says no times, as in Slicer's own image-sequence plugin."""


def load_clip(scene: Any, clip: Clip) -> UltrasoundSource:
    """Put a clip into the scene, see `loading`."""
    steps = loading(scene, clip)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            source: UltrasoundSource = end.value
            return source


def loading(scene: Any, clip: Clip) -> Generator[tuple[int, int], None, UltrasoundSource]:
    """Put a clip into the scene, one frame a step.

    A still becomes a volume node, a cine a sequence with its browser, a volume one volume node of all slices. Row 0 of
    the arrays is the top of the image; the matrix IJKToRAS is diag(-column_mm, -row_mm, slice_mm), with 1 where a
    length is not known, as Slicer gives to an ultrasound image.

    Args:
        scene: vtkMRMLScene.
        clip: as `ultrasound.reading.open_clip` gives it.

    Yields:
        Frames done and frames in all. Nothing is in the scene before the last frame was read.

    Returns:
        The case in the scene.

    Raises:
        InputError: a frame cannot be decoded, or frames have different sizes; the scene stays as it was.
    """
    if clip.kind == "volume":
        return (yield from _load_volume(scene, clip))
    nodes: list[Any] = []
    for index in range(clip.frame_count):
        frame = clip.frame(index)
        if nodes:
            _check_alike(nodes[0], frame, index)
        node = _volume_node(frame.pixels[np.newaxis])
        _describe(node, frame.spacing_in(_middle(frame)), 1.0)
        if frame.source.sop_instance_uid:
            node.SetAttribute(INSTANCE_UIDS, frame.source.sop_instance_uid)
        nodes.append(node)
        yield index + 1, clip.frame_count
    if clip.kind == "still" and len(nodes) == 1:
        return _add_volume(scene, clip, nodes[0])
    return _add_sequence(scene, clip, nodes)


def _load_volume(scene: Any, clip: Clip) -> Generator[tuple[int, int], None, UltrasoundSource]:
    first = clip.frame(0)
    stack = np.empty((clip.frame_count, *first.pixels.shape), np.uint8)
    for index in range(clip.frame_count):
        frame = first if index == 0 else clip.frame(index)
        if frame.pixels.shape != first.pixels.shape:
            raise InputError(_different_size(index, frame))
        stack[index] = frame.pixels
        yield index + 1, clip.frame_count
    node = _volume_node(stack)
    _describe(node, first.spacing_in(_middle(first)), clip.slice_mm or 1.0)
    uids = [str(header.get("SOPInstanceUID") or "") for header in clip.headers]
    if any(uids):
        node.SetAttribute(INSTANCE_UIDS, " ".join(uid for uid in uids if uid))
    return _add_volume(scene, clip, node)


def _add_volume(scene: Any, clip: Clip, node: Any) -> UltrasoundSource:
    node.SetName(scene.GenerateUniqueName(clip.name))
    node.SetAttribute(FILES, _lines(clip.paths))
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    return source_of(scene, node)


def _add_sequence(scene: Any, clip: Clip, nodes: list[Any]) -> UltrasoundSource:
    sequence = slicer.vtkMRMLSequenceNode()
    sequence.SetName(scene.GenerateUniqueName(clip.name))
    sequence.SetAttribute(FILES, _lines(clip.paths))
    values = _time_indices(clip)
    sequence.SetIndexName("time" if values else "frame")
    sequence.SetIndexUnit("s" if values else "")
    for index, node in enumerate(nodes):
        sequence.SetDataNodeAtValue(node, values[index] if values else str(index))
    if clip.times_ms is not None:
        sequence.SetAttribute(TIMES, " ".join(f"{time:.6g}" for time in clip.times_ms))
    scene.AddNode(sequence)
    storage = slicer.vtkMRMLVolumeSequenceStorageNode()
    scene.AddNode(storage)
    sequence.SetAndObserveStorageNodeID(storage.GetID())
    browser = slicer.vtkMRMLSequenceBrowserNode()
    browser.SetName(scene.GenerateUniqueName(f"{clip.name} browser"))
    browser.SetPlaybackRateFps(_frames_a_second(clip))
    scene.AddNode(browser)
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    source = source_of(scene, sequence)
    source.volume.CreateDefaultDisplayNodes()
    return source


def _volume_node(pixels: np.ndarray) -> Any:
    """Volume node outside the scene of (slices, rows, columns[, 3]) uint8, which is copied."""
    node = slicer.vtkMRMLVectorVolumeNode() if pixels.ndim == 4 else slicer.vtkMRMLScalarVolumeNode()
    image = vtk.vtkImageData()
    image.SetDimensions(pixels.shape[2], pixels.shape[1], pixels.shape[0])
    samples = pixels.reshape(-1, pixels.shape[3]) if pixels.ndim == 4 else pixels.reshape(-1)
    image.GetPointData().SetScalars(numpy_to_vtk(samples, deep=True, array_type=get_vtk_array_type(pixels.dtype)))
    node.SetAndObserveImageData(image)
    return node


def _describe(node: Any, spacing: PixelSpacing | None, slice_mm: float) -> None:
    """Matrix of the node, and where its spacing came from."""
    row_mm, column_mm = (spacing.row_mm, spacing.column_mm) if spacing else (1.0, 1.0)
    node.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    node.SetSpacing(column_mm, row_mm, slice_mm)
    vouch_for(node, spacing)


def _time_indices(clip: Clip) -> list[str] | None:
    """Times in seconds as Slicer writes them; None where there are none or they are too close to tell frames apart."""
    if clip.times_ms is None:
        return None
    seconds = [round(time / 1000, 3) for time in clip.times_ms]
    apart = all(late - early > _NUMERIC_TOLERANCE for early, late in itertools.pairwise(seconds))
    return [f"{time:.3f}" for time in seconds] if apart else None


def _frames_a_second(clip: Clip) -> float:
    times = clip.times_ms
    if times is None or len(times) < 2 or times[-1] <= times[0]:
        return _FRAMES_A_SECOND
    return min(max(1000.0 * (len(times) - 1) / (times[-1] - times[0]), 1.0), 60.0)


def _middle(frame: UltrasoundFrame) -> tuple[int, int, int, int]:
    """The frame's tissue region where it names one, else the whole frame: the pixels that the one matrix is for."""
    tissue = [region.box for region in frame.regions if region.is_tissue]
    return tissue[0] if len(tissue) == 1 else (0, 0, frame.rows, frame.columns)


def _check_alike(first: Any, frame: UltrasoundFrame, index: int) -> None:
    columns, rows, _depth = first.GetImageData().GetDimensions()
    samples = first.GetImageData().GetNumberOfScalarComponents()
    if (rows, columns) != frame.pixels.shape[:2] or samples != (1 if frame.pixels.ndim == 2 else 3):
        raise InputError(_different_size(index, frame))


def _different_size(index: int, frame: UltrasoundFrame) -> str:
    text = _("Frame {number} has {columns} x {rows} pixels, unlike the frames before it; load each size on its own.")
    return text.format(number=index + 1, columns=frame.columns, rows=frame.rows)


def _lines(paths: tuple[Path, ...]) -> str:
    return "\n".join(str(path.resolve()) for path in paths)
