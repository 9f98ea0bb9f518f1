"""Points that a report of other software marks on an image, as markups: a segment has no room for them."""

from typing import TYPE_CHECKING, Any

import vtk
from slicer.i18n import tr as _

from .dicom_outlines import FrameKeys
from .source import INSTANCE_UIDS, UltrasoundSource
from .subject_hierarchy import place_beside

if TYPE_CHECKING:
    from ..dicom.report_model import OutlineRead, ReportRead

_POINTS = ("POINT", "MULTIPOINT")


def mark_points(scene: Any, source: UltrasoundSource, report: "ReportRead", keys: FrameKeys) -> Any:
    """Put the points of a report on an image into a vtkMRMLMarkupsFiducialNode.

    Markups know no frames: of a cine, the label of a point says which one it was marked in.

    Args:
        scene: vtkMRMLScene.
        source: the image.
        report: what was read.
        keys: of the frames of the image, see dicom_outlines.frame_keys.

    Returns:
        The node, locked; the one that is there where the report was loaded before; None where no point lies here.
    """
    found = [
        (lesion.name, frame, outline)
        for lesion in report.lesions
        for finding in (lesion.ai, lesion.reader)
        for outline in (finding.outlines if finding is not None else ())
        if outline.graphic_type in _POINTS and (frame := _frame(outline, keys)) is not None
    ]
    if not found:
        return None
    kind = "vtkMRMLMarkupsFiducialNode"
    for index in range(scene.GetNumberOfNodesByClass(kind)):
        there = scene.GetNthNodeByClass(index, kind)
        if there.GetAttribute(INSTANCE_UIDS) == report.sop_instance_uid:
            return there
    node = scene.AddNewNodeByClass(kind, scene.GenerateUniqueName(_("{name} points").format(name=source.name)))
    node.SetAttribute(INSTANCE_UIDS, report.sop_instance_uid)
    node.CreateDefaultDisplayNodes()
    for name, frame, outline in found:
        label = _("{name}, frame {frame}").format(name=name, frame=frame + 1) if source.frame_count > 1 else name
        for column, row in outline.points:
            node.AddControlPointWorld(vtk.vtkVector3d(*_world(source, frame, column, row)), label)
    node.SetLocked(True)
    place_beside(scene, source, [node])
    return node


def _frame(outline: "OutlineRead", keys: FrameKeys) -> int | None:
    return keys.get((outline.sop_instance_uid, outline.frame_number or 1))


def _world(source: UltrasoundSource, frame: int, column: float, row: float) -> list[float]:
    """Place in the world of a point in pixels, the centre of the first pixel at (0.5, 0.5)."""
    node = source.node(frame)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    slice_index = frame if source.kind == "volume" else 0
    local = matrix.MultiplyPoint((column - 0.5, row - 0.5, slice_index, 1.0))[:3]
    world = [0.0, 0.0, 0.0]
    source.volume.TransformPointToWorld(local, world)
    return world
