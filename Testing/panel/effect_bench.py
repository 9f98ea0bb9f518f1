"""A Segment Editor with the click effect beside a slice view, for tests of the effect."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from BreastUSAssistLib.service.worker_client import WorkerClient

SPACING = 0.12
MATRIX = np.diag([-SPACING, -SPACING, 1.0, 1.0])


@dataclass
class EffectBench:
    """A Segment Editor with the effect, a slice view, and what the effect said."""

    host: Any
    editor: Any
    view: Any
    effect: Any
    client: WorkerClient
    said: list[tuple[str, str]] = field(default_factory=list)

    @property
    def slicer(self) -> Any:
        return self.host.slicer

    def show(self, volume: Any, segmentation: Any) -> None:
        self.editor.setSegmentationNode(segmentation)
        self.editor.setSourceVolumeNode(volume)
        self.slicer.util.setSliceViewerLayers(background=volume, fit=True)
        self.editor.setActiveEffectByName("Breast lesion")
        self.turn()

    def turn(self, until: Callable[[], bool] | None = None) -> None:
        """Turn the event loop; without a condition until the effect waits for nothing."""
        questions = self.effect._questions
        assert self.host.process_events(until=until or (lambda: questions is None or not questions.busy), timeout=60)

    def mask(self) -> np.ndarray:
        volume, segmentation = self.editor.sourceVolumeNode(), self.editor.segmentationNode()
        array = self.slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, self.editor.currentSegmentID(), volume)
        return np.zeros(self.slicer.util.arrayFromVolume(volume).shape[:3], bool) if array is None else array > 0

    def marks(self) -> list[Any]:
        return list(self.slicer.util.getNodesByClass("vtkMRMLMarkupsNode"))

    def lines(self) -> list[Any]:
        return [node for node in self.marks() if node.IsA("vtkMRMLMarkupsCurveNode")]


def still(bench: EffectBench, pixels: np.ndarray) -> tuple[Any, Any]:
    """A volume of (slices, rows, columns[, 3]) and an empty lesion on it."""
    slicer = bench.slicer
    kind = "vtkMRMLVectorVolumeNode" if pixels.ndim == 4 else "vtkMRMLScalarVolumeNode"
    volume = slicer.util.addVolumeFromArray(pixels, ijkToRAS=MATRIX, name="us", nodeClassName=kind)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lesions")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation.GetSegmentation().AddEmptySegment("lesion-1", "Lesion 1", [1.0, 0.8, 0.0])
    return volume, segmentation


def middle(mask: np.ndarray) -> tuple[int, int]:
    rows, columns = np.nonzero(mask)
    return int(rows.mean()), int(columns.mean())


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / max(one.sum() + other.sum(), 1))
