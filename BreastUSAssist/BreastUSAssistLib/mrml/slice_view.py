"""The slice of a 3D volume that the Red view shows, set and read through MRML alone."""

from typing import Any

import numpy as np
import slicer
import vtk

_PARALLEL = 0.999
"""Cosine above which the view counts as lying in the volume's own slices."""


def shown_slice(volume: Any) -> int:
    """Index k of the volume's slice nearest to the middle of the Red view; may lie outside the volume."""
    view = _red(volume.GetScene())
    if view is None:
        return 0
    middle = _array(view.GetSliceToRAS())[:, 3]
    return int(np.rint((np.linalg.inv(_index_to_world(volume)) @ middle)[2]))


def show_slice(volume: Any, k: int) -> None:
    """Move the Red view into slice `k`; a view that cuts across the slices is turned into them, row 0 on top."""
    view = _red(volume.GetScene())
    if view is None:
        return
    matrix = _index_to_world(volume)
    columns, rows, _depth = volume.GetImageData().GetDimensions()
    middle = matrix @ [(columns - 1) / 2, (rows - 1) / 2, k, 1]
    axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    normal = np.cross(axes[:, 0], axes[:, 1])
    if abs(normal @ _array(view.GetSliceToRAS())[:3, 2]) < _PARALLEL:
        turned = np.eye(4)
        turned[:3, 0], turned[:3, 1], turned[:3, 2] = axes[:, 0], -axes[:, 1], normal
        turned[:, 3] = middle
        slice_to_ras = vtk.vtkMatrix4x4()
        slice_to_ras.DeepCopy(turned.ravel())
        view.GetSliceToRAS().DeepCopy(slice_to_ras)
        view.UpdateMatrices()
        return
    view.JumpSliceByOffsetting(*(float(value) for value in middle[:3]))


def _red(scene: Any) -> Any:
    if scene is None:
        return None
    return scene.GetNodeByID("vtkMRMLSliceNodeRed") or scene.GetFirstNodeByClass("vtkMRMLSliceNode")


def _index_to_world(volume: Any) -> np.ndarray:
    """(4, 4) from voxel index to the world, the parent transform included where it is linear."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    parent = volume.GetParentTransformNode()
    if parent is not None and parent.IsTransformToWorldLinear():
        to_world = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToWorld(to_world)
        vtk.vtkMatrix4x4.Multiply4x4(to_world, matrix, matrix)
    return _array(matrix)


def _array(matrix: Any) -> np.ndarray:
    return np.asarray(slicer.util.arrayFromVTKMatrix(matrix))
