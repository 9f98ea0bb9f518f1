"""Nodes that hold the outlines of a case: how they are made, shown, and made to follow the images of a cine."""

from typing import Any

import slicer

from .segment_masks import LABELMAP, matrix_of, set_reference_geometry

_PREFIX = "lesion-"
_OUTLINE_OPACITY, _FILL_OPACITY = 1.0, 0.12


def segment_id_of(number: int) -> str:
    """Segment ID of lesion `number`, in every frame."""
    return f"{_PREFIX}{number}"


def number_of(segment_id: str) -> int | None:
    """Number of the lesion that a segment is of; None for a segment that is none of ours."""
    digits = segment_id.removeprefix(_PREFIX)
    return int(digits) if segment_id.startswith(_PREFIX) and digits.isdecimal() else None


def empty_sequence(master: Any, name: str) -> Any:
    """Sequence node outside the scene with the index (not the items) of another, so that one browser takes both."""
    sequence = slicer.vtkMRMLSequenceNode()
    sequence.SetName(name)
    sequence.SetIndexName(master.GetIndexName())
    sequence.SetIndexUnit(master.GetIndexUnit())
    sequence.SetIndexType(master.GetIndexType())
    return sequence


def empty_node(volume: Any, name: str) -> Any:
    """Segmentation node outside the scene with the geometry of a volume."""
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(name)
    columns, rows, depth = volume.GetImageData().GetDimensions()
    # Not SetReferenceImageGeometryParameterFromVolumeNode: that adds the volume's parent transform, which the
    # segmentation is put under as well.
    set_reference_geometry(node.GetSegmentation(), matrix_of(volume), (depth, rows, columns))
    return node


def add_segment(segmentation: Any, number: int, metadata: Any) -> Any:
    """Empty segment of a lesion; made by AddEmptySegment, which lets it share a labelmap with the others."""
    segment_id = segment_id_of(number)
    segmentation.AddEmptySegment(segment_id, metadata.GetName(), metadata.GetColor())
    segment = segmentation.GetSegment(segment_id)
    label = segment.GetLabelValue()
    segment.DeepCopyMetadata(metadata)
    segment.SetLabelValue(label)
    return segment


def follow(browser: Any, sequence: Any) -> Any:
    """Let a sequence follow the browser, edits of the frame shown going into it at once; returns its proxy."""
    if not browser.IsSynchronizedSequenceNode(sequence, True):
        browser.AddSynchronizedSequenceNode(sequence)
    browser.SetRecording(sequence, False)
    browser.SetPlayback(sequence, True)
    browser.SetOverwriteProxyName(sequence, False)
    # By default an item that somebody took out would come back as a copy of the frame before it.
    browser.SetMissingItemMode(sequence, browser.MissingItemCreateFromDefault)
    browser.SetSaveChanges(sequence, True)
    # After a scene was opened the proxy holds what was saved of it, not the item of the sequence.
    browser.Modified()
    return browser.GetProxyNode(sequence)


def show_outlines(node: Any) -> None:
    """Outlines drawn, fill faint, so that the tissue below can be judged."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility(True)
    display.SetVisibility2D(True)
    display.SetVisibility2DOutline(True)
    display.SetVisibility2DFill(True)
    display.SetOpacity2DOutline(_OUTLINE_OPACITY)
    display.SetOpacity2DFill(_FILL_OPACITY)
    display.SetPreferredDisplayRepresentationName2D(LABELMAP)
