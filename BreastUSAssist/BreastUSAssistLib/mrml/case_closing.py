"""A case ends with its scene or its images. What watches for that does not keep the case alive."""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer
import vtk

if TYPE_CHECKING:
    from .case_reading import CaseReading


def close_with_scene(case: "CaseReading", close: Callable[[], None]) -> Callable[[], None]:
    """Close a case when its scene closes or one of its nodes is removed.

    Returns what ends the watch and calls `close`; it runs by itself when the case is forgotten without being closed.
    """
    reference = weakref.ref(case)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def removed(_caller: Any, _event: str, node: Any) -> None:
        case = reference()
        if case is not None and node in (case.source.volume, case.source.sequence, case.source.browser):
            case.close()

    def closing(_caller: Any, _event: str) -> None:
        case = reference()
        if case is not None:
            case.close()

    scene = case.scene
    tags = [
        scene.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, removed),
        scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, closing),
    ]
    end = weakref.finalize(case, _end, scene, tags, close)
    end.atexit = False
    return end


def weakly(method: Callable[..., None]) -> Callable[..., None]:
    """A bound method that does nothing once its object is gone."""
    reference = weakref.WeakMethod(method)

    def call(*arguments: Any) -> None:
        target = reference()
        if target is not None:
            target(*arguments)

    return call


def _end(scene: Any, tags: list[int], close: Callable[[], None]) -> None:
    for tag in tags:
        scene.RemoveObserver(tag)
    close()
