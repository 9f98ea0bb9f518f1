"""How events of the slice views reach the active effect, and an edit as Slicer's own tools make it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy

VIEW_EVENTS = (
    "LeftButtonPressEvent",
    "LeftButtonReleaseEvent",
    "LeftButtonDoubleClickEvent",
    "RightButtonPressEvent",
    "RightButtonReleaseEvent",
    "MouseMoveEvent",
    "KeyPressEvent",
    "KeyReleaseEvent",
    "EnterEvent",
    "LeaveEvent",
)
ABOVE_THE_VIEW = 20.0
"""Priority of the effect's observers: over the views' own interactions."""


def observe_view(widget: Any, effect_at_work: Callable[[], Any]) -> list[tuple[Any, int]]:
    """Hand a slice view's events to whatever effect is at work; returns the observations to remove.

    An event that the effect took is aborted, so that nobody after it sees it.
    """
    interactor = widget.interactor()
    observations = [(interactor, _observe(interactor, event, widget, effect_at_work)) for event in VIEW_EVENTS]

    def moved(node: Any, _event: str) -> None:
        effect = effect_at_work()
        if effect is not None:
            effect.processViewNodeEvents(node, vtk.vtkCommand.ModifiedEvent, widget)

    node = widget.mrmlSliceNode()
    observations.append((node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, moved)))
    return observations


def _observe(interactor: Any, event: str, widget: Any, effect_at_work: Callable[[], Any]) -> int:
    number = vtk.vtkCommand.GetEventIdFromString(event)

    def process(_caller: Any, _event: str) -> None:
        effect = effect_at_work()
        if effect is not None and effect.processInteractionEvents(interactor, number, widget):
            interactor.GetCommand(tag).SetAbortFlag(1)

    tag: int = interactor.AddObserver(event, process, ABOVE_THE_VIEW)
    return tag


def edit(logic: Any, where: Any, mode: str = "add") -> None:
    """One edit of the logic's current segment, one undo state.

    Args:
        logic: vtkSlicerSegmentEditorLogic with a segmentation, a source volume and a current segment.
        where: what indexes an array of (slices, rows, columns): slices, or a bool mask.
        mode: "add", "erase" or "set".
    """
    modes = {"add": logic.ModificationModeAdd, "erase": logic.ModificationModeRemove, "set": logic.ModificationModeSet}
    logic.SaveStateForUndo()
    logic.ResetModifierLabelmapToDefault()
    labelmap = logic.GetModifierLabelmap()
    array: np.ndarray = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(labelmap.GetDimensions()[::-1])
    array[where] = 1
    labelmap.Modified()
    segmentation, segment_id = logic.GetSegmentationNode(), logic.GetCurrentSegmentID()
    logic.ModifySegmentByLabelmap(segmentation, segment_id, labelmap, modes[mode], True, False)
