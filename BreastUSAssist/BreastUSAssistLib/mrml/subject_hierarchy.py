"""Outputs lie beside their image in the subject hierarchy: in the same study, where there is one."""

from collections.abc import Iterable
from typing import Any

import slicer

from .source import UltrasoundSource


def place_beside(scene: Any, source: UltrasoundSource, nodes: Iterable[Any]) -> None:
    """Put nodes under the parent of the source's item, once; a node that someone moved elsewhere stays there.

    Items are made where the scene has none: without the application nothing makes them.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    parent = _parent(hierarchy, source)
    for node in nodes:
        if node is None or node.GetScene() is not scene:
            continue
        item = hierarchy.GetItemByDataNode(node)
        if not item:
            hierarchy.CreateItem(parent, node)
        elif hierarchy.GetItemParent(item) == hierarchy.GetSceneItemID() and parent != hierarchy.GetSceneItemID():
            hierarchy.SetItemParent(item, parent)


def _parent(hierarchy: Any, source: UltrasoundSource) -> int:
    """Item that holds the source: its study, series or folder; the scene where it lies in none."""
    root = hierarchy.GetSceneItemID()
    for node in (source.volume, source.sequence, source.browser):
        item = hierarchy.GetItemByDataNode(node) if node is not None else 0
        if item and hierarchy.GetItemParent(item) not in (0, root):
            return int(hierarchy.GetItemParent(item))
    return int(root)
