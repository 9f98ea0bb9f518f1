"""What the scene holds as one ultrasound case: a still, a cine sequence or a 3D volume, as frames of pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import InputError
from ..ultrasound.frame import ClipKind, PixelSpacing, SourceReference, UltrasoundFrame, UltrasoundRegion
from ..ultrasound.intensity import GreyRange, range_of_floats, range_of_integers
from ..ultrasound.limits import check_frame_count, check_frame_size
from .pixel_calibration import frame_geometry
from .slice_view import show_slice, shown_slice
from .source_headers import database_files, read_geometry

FILES = "BreastUSAssist.Files"
"""Attribute of a node: the paths of the files that it was read from, one a line."""
TIMES = "BreastUSAssist.TimesMs"
"""Attribute of a sequence: the time of each frame in ms, where its index does not say it."""
INSTANCE_UIDS = "DICOM.instanceUIDs"
"""Slicer's own attribute: SOP instance UIDs with a space between them."""
_SAMPLES = (1, 3, 4)


@dataclass(frozen=True, eq=False)
class UltrasoundSource:
    """One case in the scene. Frames are counted from 0; of a 3D volume they are its k slices.

    Arrays are in the index space of the node, row 0 first, whatever its matrix or transform says.
    """

    volume: Any
    """vtkMRMLScalarVolumeNode or vtkMRMLVectorVolumeNode that views show: the image, or a browser's proxy."""
    kind: ClipKind
    frame_count: int
    rows: int
    columns: int
    frame_nodes: tuple[Any, ...]
    """Volume node of each frame of a sequence; of a still or a volume the node itself, once."""
    sequence: Any = None
    browser: Any = None

    @property
    def name(self) -> str:
        """Name of the sequence or the volume; a proxy's own name changes with the frame."""
        return str((self.sequence or self.volume).GetName() or "")

    @property
    def in_scene(self) -> bool:
        """Whether all nodes are still in a scene, with as many frames as before."""
        nodes = [node for node in (self.volume, self.sequence, self.browser) if node is not None]
        if any(node.GetScene() is None for node in nodes):
            return False
        return self.sequence is None or self.sequence.GetNumberOfDataNodes() >= self.frame_count

    def node(self, index: int) -> Any:
        """Volume node that holds frame `index`; its IJKToRAS is the geometry of that frame."""
        if not 0 <= index < self.frame_count:
            raise IndexError(f"frame {index} of {self.frame_count}")
        return self.frame_nodes[index if self.sequence is not None else 0]

    def pixels(self, index: int) -> np.ndarray:
        """Stored values of frame `index`: a view of (rows, columns) or (rows, columns, 3), dtype as stored.

        The view keeps its memory alive: it outlives the node.

        Raises:
            InputError: the node has lost its image.
        """
        stored = _stored(self.node(index))
        if stored is None:
            raise InputError(_("The image has no pixels any more; load it again."))
        frame = stored[index if self.sequence is None and self.kind == "volume" else 0]
        return frame[..., :3] if frame.ndim == 3 else frame

    @cached_property
    def grey_range(self) -> GreyRange:
        """Stored values that become black and white, one range for all frames; integers of 8 bits stay as they are.

        Raises:
            InputError: a value is not finite.
        """
        arrays = [stored for node in dict.fromkeys(self.frame_nodes) if (stored := _stored(node)) is not None]
        if not arrays:
            raise InputError(_("The image has no pixels any more; load it again."))
        if all(array.dtype == np.uint8 for array in arrays):
            return GreyRange(0, 255)
        smallest, largest = min(array.min() for array in arrays), max(array.max() for array in arrays)
        if all(array.dtype.kind in "ui" for array in arrays):
            return range_of_integers(int(smallest), int(largest))
        # NaN is lost by min() of Python, not by that of numpy.
        ends = np.array([[array.min(), array.max()] for array in arrays], dtype=np.float64)
        return range_of_floats(_("The image"), ends)

    def frame(self, index: int) -> UltrasoundFrame:
        """Frame `index` as all other layers know it: uint8 pixels, spacing and regions where they are known.

        Raises:
            InputError: there are no pixels, or values that are not finite.
        """
        spacing, regions = frame_geometry(self, index)
        return self._frame(index, spacing, regions)

    @cached_property
    def header_geometry(self) -> tuple[tuple[UltrasoundRegion, ...], PixelSpacing | None]:
        """Regions and PixelSpacing of the DICOM file, read once; none where it is not DICOM or not at hand."""
        return read_geometry(self)

    def frames(self) -> Iterator[UltrasoundFrame]:
        """All frames, one at a time."""
        return (self.frame(index) for index in range(self.frame_count))

    def _frame(
        self, index: int, spacing: PixelSpacing | None, regions: tuple[UltrasoundRegion, ...]
    ) -> UltrasoundFrame:
        files, uids, times = self.files, self.instance_uids, self.times_ms
        several = max(len(files), len(uids)) == self.frame_count > 1  # a file a frame
        uid = uids[index if len(uids) == self.frame_count else 0] if uids else None
        return UltrasoundFrame(
            np.ascontiguousarray(self.grey_range.to_uint8(self.pixels(index))),
            SourceReference(
                files[index if len(files) == self.frame_count else 0] if files else Path(),
                1 if several else index + 1,
                sop_instance_uid=uid,
            ),
            regions=regions,
            pixel_spacing=spacing,
            time_ms=times[index] if times else None,
        )

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """Files that it was read from by this module, else those that Slicer's DICOM database knows; in frame order."""
        for node in (self.sequence, self.volume, self.frame_nodes[0]):
            text = node.GetAttribute(FILES) if node is not None else None
            if text:
                return tuple(Path(line) for line in text.split("\n") if line)
        return database_files(self.instance_uids)

    @property
    def instance_uids(self) -> tuple[str, ...]:
        """SOP instance UIDs, each once, in frame order; empty where it does not come from DICOM."""
        nodes = [*self.frame_nodes, *([self.sequence] if self.sequence is not None else [])]
        found = [uid for node in nodes for uid in (node.GetAttribute(INSTANCE_UIDS) or "").split()]
        return tuple(dict.fromkeys(found))

    @property
    def times_ms(self) -> tuple[float, ...] | None:
        """Time of each frame since the first in ms; None where the sequence counts frames, not time."""
        if self.sequence is None:
            return None
        text = self.sequence.GetAttribute(TIMES)
        try:
            if text:
                values = tuple(float(part) for part in text.split())
            elif self.sequence.GetIndexName() == "time" and self.sequence.GetIndexUnit() in ("s", "ms"):
                factor = 1000.0 if self.sequence.GetIndexUnit() == "s" else 1.0
                values = tuple(float(self.index_value(index)) * factor for index in range(self.frame_count))
            else:
                return None
        except ValueError:
            return None
        return tuple(value - values[0] for value in values) if len(values) == self.frame_count else None

    def index_value(self, index: int) -> str:
        """Index under which frame `index` lies in its sequence (and in all that are synchronised with it)."""
        return str(self._master.GetNthIndexValue(index))

    @property
    def _master(self) -> Any:
        return (self.browser.GetMasterSequenceNode() if self.browser is not None else None) or self.sequence

    def current_frame(self) -> int:
        """Frame that the views show, from 0; of a 3D volume the k slice of the Red view."""
        if self.frame_count == 1:
            return 0
        shown = int(self.browser.GetSelectedItemNumber()) if self.browser is not None else shown_slice(self.volume)
        return min(max(shown, 0), self.frame_count - 1)

    def show_frame(self, index: int) -> None:
        """Let the views show frame `index`, from 0; an index outside is taken to the nearest end."""
        index = min(max(int(index), 0), self.frame_count - 1)
        if self.browser is not None:
            self.browser.SetSelectedItemNumber(index)
        elif self.kind == "volume":
            show_slice(self.volume, index)


def source_of(scene: Any, node: Any) -> UltrasoundSource:
    """The case that a node belongs to.

    Args:
        scene: vtkMRMLScene.
        node: volume, sequence of volumes, sequence browser, or a browser's proxy volume. A sequence that no browser
            shows gets one.

    Raises:
        InputError: no node, another kind of node, no pixels, frames of different sizes, or too large.
    """
    if node is None:
        raise InputError(_("No image is chosen; choose a volume or a sequence."))
    if node.GetScene() is None:
        raise InputError(_("The image was removed from the scene; load it again or choose another one."))
    if node.IsA("vtkMRMLSequenceBrowserNode"):
        return _source_of_browser(node, _image_sequence(node))
    if node.IsA("vtkMRMLSequenceNode"):
        return _source_of_browser(_browser_of(scene, node), node)
    if not node.IsA("vtkMRMLVolumeNode"):
        raise InputError(_("This node holds no image; choose a volume or a sequence of volumes."))
    for browser in _browsers(scene):
        sequence = browser.GetSequenceNode(node)
        if sequence is not None:
            return _source_of_browser(browser, sequence)
    depth, rows, columns = _checked(node, _("The image"))
    return UltrasoundSource(node, "volume" if depth > 1 else "still", depth, rows, columns, (node,))


def _source_of_browser(browser: Any, sequence: Any) -> UltrasoundSource:
    if sequence is None or sequence.GetNumberOfDataNodes() == 0:
        raise InputError(_("The sequence holds no image; choose a sequence of ultrasound frames."))
    master = browser.GetMasterSequenceNode() or sequence
    count = master.GetNumberOfDataNodes()
    check_frame_count(_("The sequence"), count)
    nodes: list[Any] = []
    first: tuple[int, int] | None = None
    for index in range(count):
        label = _("Frame {number} of the sequence").format(number=index + 1)
        frame = sequence.GetDataNodeAtValue(master.GetNthIndexValue(index), True)
        if frame is None:
            raise InputError(_("{frame} is missing; load the sequence again.").format(frame=label))
        depth, rows, columns = _checked(frame, label)
        if depth > 1:
            raise InputError(_("The sequence holds 3D volumes; choose one of them, or a sequence of single frames."))
        if first is not None and (rows, columns) != first:
            text = _(
                "{frame} has {columns} x {rows} pixels and the first has {first_columns} x {first_rows}; "
                "load the frames of each size on their own."
            )
            raise InputError(
                text.format(frame=label, columns=columns, rows=rows, first_columns=first[1], first_rows=first[0])
            )
        first = (rows, columns)
        nodes.append(frame)
    assert first is not None
    volume = browser.GetProxyNode(sequence)
    if volume is None:
        raise InputError(_("The sequence is not shown; turn on its playback in the sequence browser."))
    return UltrasoundSource(volume, "cine" if count > 1 else "still", count, *first, tuple(nodes), sequence, browser)


def _checked(node: Any, label: str) -> tuple[int, int, int]:
    """Slices, rows and columns of a volume node that holds an image of grey or colour."""
    if not node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError(_("{image} is no grey or colour image; choose an ultrasound image.").format(image=label))
    image = node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise InputError(_("{image} has no pixels; load it again.").format(image=label))
    columns, rows, depth = image.GetDimensions()
    if image.GetNumberOfScalarComponents() not in _SAMPLES:
        text = _("{image} has {count} values a pixel; choose a grey or RGB image.")
        raise InputError(text.format(image=label, count=image.GetNumberOfScalarComponents()))
    check_frame_size(label, rows, columns)
    check_frame_count(label, depth)
    return depth, rows, columns


def _stored(node: Any) -> np.ndarray | None:
    """Array of (slices, rows, columns[, samples]) of a volume node; a view, None where it has no image."""
    image = node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    if scalars is None:
        return None
    shape = tuple(reversed(image.GetDimensions()))
    samples = scalars.GetNumberOfComponents()
    return vtk_to_numpy(scalars).reshape(shape if samples == 1 else (*shape, samples))


def _browsers(scene: Any) -> list[Any]:
    kind = "vtkMRMLSequenceBrowserNode"
    return [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]


def _image_sequence(browser: Any) -> Any:
    """First sequence of volumes of a browser, its master before others."""
    found = vtk.vtkCollection()
    browser.GetSynchronizedSequenceNodes(found, True)
    for index in range(found.GetNumberOfItems()):
        sequence = found.GetItemAsObject(index)
        if sequence.GetNumberOfDataNodes() and sequence.GetNthDataNode(0).IsA("vtkMRMLVolumeNode"):
            return sequence
    return None


def _browser_of(scene: Any, sequence: Any) -> Any:
    """The browser that shows a sequence, or a new one."""
    for browser in _browsers(scene):
        if browser.IsSynchronizedSequenceNode(sequence, True):
            return browser
    if sequence.GetNumberOfDataNodes() == 0 or not sequence.GetNthDataNode(0).IsA("vtkMRMLVolumeNode"):
        raise InputError(_("The sequence holds no image; choose a sequence of ultrasound frames."))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{sequence.GetName()} browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    return browser
