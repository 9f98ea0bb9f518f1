"""Taking a case out of the scene, with all that was made of it."""

from typing import Any

import slicer

from .case_record import SEGMENTATION, SEGMENTATION_SEQUENCE, TABLE, record_nodes
from .case_record import SOURCE as RECORD_SOURCE
from .source import UltrasoundSource


def remove_case(scene: Any, source: UltrasoundSource) -> None:
    """Remove images, browser, record, segmentation, table, and what displays and stores them.

    Rulers and whatever else the reader made of the images stays.
    """
    own = [source.volume, source.sequence]
    records = [node for node in record_nodes(scene) if node.GetNodeReference(RECORD_SOURCE) in own]
    made = [node.GetNodeReference(role) for node in records for role in (SEGMENTATION, SEGMENTATION_SEQUENCE, TABLE)]
    # The browser first: it would make a new proxy for one that is removed before it.
    for node in (source.browser, *records, *made, *own):
        if node is not None and node.GetScene() is scene:
            _remove_with_parts(scene, node)


def _remove_with_parts(scene: Any, node: Any) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
    if item:
        # The application does it too; without it nothing would, and an item would point to a node that is gone.
        hierarchy.RemoveItem(item, False, False)
    parts = []
    if node.IsA("vtkMRMLDisplayableNode"):
        parts += [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        parts += [node.GetNthStorageNode(index) for index in range(node.GetNumberOfStorageNodes())]
    scene.RemoveNode(node)
    for part in parts:
        if part is not None and part.GetScene() is scene:
            scene.RemoveNode(part)
