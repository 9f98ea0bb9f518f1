"""The outlines of several readers drawn over the images, each in a colour of its own; nothing of it is saved."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from .reader_opinions import Opinion
from .segment_masks import matrix_of, write_mask
from .segmentation_nodes import empty_node
from .source import UltrasoundSource

COLORS = ((0.90, 0.62, 0.00), (0.34, 0.71, 0.91), (0.80, 0.47, 0.65), (0.00, 0.62, 0.45))
"""Orange, sky blue, purple, green: told apart also by who sees no red or green (Okabe and Ito)."""


class OpinionOutlines:
    """A segmentation of the frame shown, or of a whole volume, with one segment a reader."""

    def __init__(self, scene: Any, source: UltrasoundSource, opinions: Sequence[Opinion]) -> None:
        self._scene, self._source, self._opinions = scene, source, tuple(opinions)
        self._node: Any = None

    def show(self, frame: int) -> None:
        """Draw the outlines of a frame (from 0)."""
        self.remove()
        if not self._source.in_scene:
            return
        volume = self._source.volume
        node = empty_node(volume, _("Readers"))
        node.SetSaveWithScene(False)
        node.SetHideFromEditors(True)
        self._scene.AddNode(node)
        node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetVisibility2DFill(False)
        display.SetVisibility2DOutline(True)
        lattice = matrix_of(volume)
        for place, opinion in enumerate(self._opinions):
            segment = node.GetSegmentation().AddEmptySegment(
                f"reader-{place + 1}", opinion.reader, COLORS[place % len(COLORS)]
            )
            write_mask(node, segment, self._mask(opinion, frame), lattice)
        self._node = node

    def remove(self) -> None:
        """Take them out of the scene."""
        node, self._node = self._node, None
        if node is not None and node.GetScene() is self._scene:
            display = node.GetDisplayNode()
            self._scene.RemoveNode(node)
            if display is not None and display.GetScene() is self._scene:
                self._scene.RemoveNode(display)

    def _mask(self, opinion: Opinion, frame: int) -> np.ndarray:
        """Bool (slices, rows, columns) of all lesions together."""
        from ..service.label_packing import unpack_labels

        texts = opinion.outlines if self._source.kind == "volume" else opinion.outlines[frame : frame + 1]
        return np.stack([unpack_labels(text, self._source.rows, self._source.columns) > 0 for text in texts])
