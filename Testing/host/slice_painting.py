"""Painting of one slice with Qt: background volume, outlines of the visible segments, markups. No array is flipped."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import slicer
import vtk
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPainterPath, QPen, QTransform
from vtk.util.numpy_support import vtk_to_numpy

OUTLINE_WIDTH = 2.0
CASING = QColor(0, 0, 0, 160)
"""Dark line under every coloured one, so that it is seen on bright tissue too."""
NUMBER_TAG = "BreastUSAssist.Number"
GLYPH_RADIUS = 7.0
"""Of a markups point, pixels of the screen."""


def matrix_of(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """A VTK matrix as float64 (4, 4)."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def world_matrix(node: Any) -> np.ndarray:
    """From the coordinates of a transformable node to world, float64 (4, 4)."""
    matrix = vtk.vtkMatrix4x4()
    if node.GetParentTransformNode() is not None:
        node.GetParentTransformNode().GetMatrixTransformToWorld(matrix)
    return matrix_of(matrix)


def ijk_to_xy(volume: Any, slice_node: Any) -> np.ndarray:
    """From indices of a volume to the slice view's own xyz (origin at the lower left), float64 (4, 4)."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return ras_to_xy(slice_node) @ world_matrix(volume) @ matrix_of(matrix)


def ras_to_xy(slice_node: Any) -> np.ndarray:
    """From world to the slice view's own xyz, float64 (4, 4)."""
    return np.linalg.inv(matrix_of(slice_node.GetXYToRAS()))


class SlicePainter:
    """Paints into a widget of a given size; keeps the last picture of the volume, which most repaints do not change."""

    def __init__(self) -> None:
        self._key: tuple = ()
        self._image: QImage | None = None
        self._pixels: np.ndarray | None = None

    def paint(self, painter: QPainter, width: int, height: int, scene: Any, slice_node: Any, volume: Any) -> None:
        """Paint everything; `volume` may be None."""
        painter.fillRect(QRectF(0, 0, width, height), Qt.GlobalColor.black)
        if volume is not None and volume.GetImageData() is not None:
            self._paint_volume(painter, width, height, slice_node, volume)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        to_xy = ras_to_xy(slice_node)
        for node in nodes_of(scene, "vtkMRMLSegmentationNode"):
            paint_segmentation(painter, height, to_xy, node)
        for node in nodes_of(scene, "vtkMRMLMarkupsNode"):
            paint_markups(painter, height, to_xy, node)

    def _paint_volume(self, painter: QPainter, width: int, height: int, slice_node: Any, volume: Any) -> None:
        to_xy = ijk_to_xy(volume, slice_node)
        to_ijk = np.linalg.inv(to_xy)
        if not np.allclose(to_ijk[2, :2], 0, atol=1e-6):
            self._image = self._resampled(volume, to_ijk, width, height)
            self._key = ()
            painter.drawImage(0, 0, self._image)
            return
        k = int(np.floor(to_ijk[2, 3] + 0.5))
        if not 0 <= k < volume.GetImageData().GetDimensions()[2]:
            return
        key = (volume.GetID(), volume.GetImageData().GetMTime(), k, *window_of(volume))
        if key != self._key or self._image is None:
            self._image, self._key = self._picture(volume, k), key
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.save()
        painter.setTransform(picture_transform(to_xy, k, height))
        painter.drawImage(0, 0, self._image)
        painter.restore()

    def _picture(self, volume: Any, k: int) -> QImage:
        self._pixels = np.ascontiguousarray(shown_grey(slicer.util.arrayFromVolume(volume)[k], *window_of(volume)))
        return image_of(self._pixels)

    def _resampled(self, volume: Any, to_ijk: np.ndarray, width: int, height: int) -> QImage:
        """A slice that does not lie along the volume's axes, nearest neighbour."""
        array = slicer.util.arrayFromVolume(volume)
        y, x = np.mgrid[0:height, 0:width]
        xyz = np.stack([x, height - 1 - y, np.zeros_like(x), np.ones_like(x)]).reshape(4, -1)
        i, j, k = np.floor((to_ijk @ xyz)[:3] + 0.5).astype(int)
        inside = (i >= 0) & (j >= 0) & (k >= 0)
        inside &= (i < array.shape[2]) & (j < array.shape[1]) & (k < array.shape[0])
        picked = np.zeros((height * width, *array.shape[3:]), array.dtype)
        picked[inside] = array[k[inside], j[inside], i[inside]]
        self._pixels = np.ascontiguousarray(
            shown_grey(picked.reshape(height, width, *array.shape[3:]), *window_of(volume))
        )
        return image_of(self._pixels)


def picture_transform(to_xy: np.ndarray, k: int, height: int) -> QTransform:
    """From the corner of pixels of slice `k` (column to the right, row down) to the widget."""
    a, b = to_xy[:2, :2], to_xy[:2, 2] * k + to_xy[:2, 3]
    # Pixel centres are half a pixel from their corner on both sides; the widget's y runs down, the view's up.
    offset = b - a @ (0.5, 0.5)
    return QTransform(a[0, 0], -a[1, 0], a[0, 1], -a[1, 1], offset[0] + 0.5, height - 0.5 - offset[1])


def nodes_of(scene: Any, class_name: str) -> Iterator[Any]:
    """Nodes of a class and those derived from it."""
    for index in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(index)
        if node.IsA(class_name):
            yield node


def window_of(volume: Any) -> tuple[float, float]:
    """Lowest and highest intensity shown, as the display node says; 0 and 255 where there is none or it is RGB."""
    display = volume.GetDisplayNode()
    if volume.IsA("vtkMRMLVectorVolumeNode") or display is None or not display.IsA("vtkMRMLScalarVolumeDisplayNode"):
        return 0.0, 255.0
    return display.GetWindowLevelMin(), display.GetWindowLevelMax()


def shown_grey(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Intensities as the screen shows them: uint8, same shape."""
    if pixels.dtype == np.uint8 and (low, high) == (0.0, 255.0):
        return pixels
    scaled = (pixels.astype(np.float32) - low) * (255.0 / max(high - low, 1e-6))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def image_of(pixels: np.ndarray) -> QImage:
    """A picture that uses the memory of `pixels`: uint8 (rows, columns[, 3]), kept alive by the caller."""
    kind = QImage.Format.Format_RGB888 if pixels.ndim == 3 else QImage.Format.Format_Grayscale8
    return QImage(pixels.data, pixels.shape[1], pixels.shape[0], pixels.strides[0], kind)


def paint_segmentation(painter: QPainter, height: int, to_xy: np.ndarray, node: Any) -> None:
    """The outline and number of each visible segment of one segmentation."""
    display = node.GetDisplayNode()
    if display is None or not display.GetVisibility() or node.GetSegmentation() is None:
        return
    to_world = world_matrix(node)
    for segment_id in node.GetSegmentation().GetSegmentIDs():
        if not display.GetSegmentVisibility(segment_id):
            continue
        segment = node.GetSegmentation().GetSegment(segment_id)
        path = segment_outline(node, segment_id, to_xy @ to_world, height)
        if path is None:
            continue
        color = QColor.fromRgbF(*segment.GetColor())
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(CASING, OUTLINE_WIDTH + 2), QPen(color, OUTLINE_WIDTH)):
            painter.setPen(pen)
            painter.drawPath(path)
        box = path.boundingRect()
        paint_text(painter, box.topRight() + QPointF(4, 4), segment_number(segment), color)


def segment_number(segment: Any) -> str:
    """The lesion's number: its tag, else the digits in its name, else its name."""
    value = vtk.reference("")
    if segment.GetTag(NUMBER_TAG, value) and str(value):
        return str(value)
    return "".join(c for c in segment.GetName() or "" if c.isdigit()) or (segment.GetName() or "")


def segment_outline(node: Any, segment_id: str, to_xy: np.ndarray, height: int) -> QPainterPath | None:
    """Outline of a segment where the slice cuts it, in the widget; None where it does not."""
    # The contour is drawn half way between pixel centres inside and outside, as Slicer's own outline is.
    from skimage.measure import find_contours

    labelmap = node.GetBinaryLabelmapInternalRepresentation(segment_id)
    if labelmap is None or labelmap.GetPointData().GetScalars() is None or 0 in labelmap.GetDimensions():
        return None
    image_to_world = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(image_to_world)
    to_view = to_xy @ matrix_of(image_to_world)
    k = np.linalg.inv(to_view)[2, 3]
    extent = labelmap.GetExtent()
    k = int(np.floor(k + 0.5)) - extent[4]
    if not 0 <= k < labelmap.GetDimensions()[2]:
        return None
    value = node.GetSegmentation().GetSegment(segment_id).GetLabelValue()
    labels = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(labelmap.GetDimensions()[::-1])[k]
    mask = np.pad(labels == value, 1)
    if not mask.any():
        return None
    path = QPainterPath()
    for contour in find_contours(mask.astype(np.float32), 0.5):
        i, j = contour[:, 1] - 1 + extent[0], contour[:, 0] - 1 + extent[2]
        ijk = np.stack([i, j, np.full_like(i, k + extent[4]), np.ones_like(i)])
        x, y = (to_view @ ijk)[:2]
        points = [QPointF(a + 0.5, height - 0.5 - b) for a, b in zip(x, y, strict=True)]
        path.moveTo(points[0])
        for point in points[1:]:
            path.lineTo(point)
        path.closeSubpath()
    return path


def paint_markups(painter: QPainter, height: int, to_xy: np.ndarray, node: Any) -> None:
    """The points of a markups node that lie in the slice, and its line where it has one."""
    display = node.GetDisplayNode()
    if display is None or not display.GetVisibility() or not display.GetVisibility2D():
        return
    if node.IsA("vtkMRMLMarkupsCurveNode") or node.IsA("vtkMRMLMarkupsLineNode"):
        _paint_curve(painter, height, to_xy, node, display)
    if display.GetPropertiesLabelVisibility() and not node.IsA("vtkMRMLMarkupsFiducialNode"):
        _paint_properties(painter, height, to_xy, node, display)
    if not display.GetPointLabelsVisibility() and display.GetGlyphScale() <= 0:
        return
    for index in range(node.GetNumberOfControlPoints()):
        if not node.GetNthControlPointVisibility(index):
            continue
        place = _in_widget(to_xy, node.GetNthControlPointPositionWorld(index), height)
        if place is None:
            continue
        selected = node.GetNthControlPointSelected(index)
        color = QColor.fromRgbF(*(display.GetSelectedColor() if selected else display.GetColor()))
        paint_glyph(painter, place, display.GetGlyphTypeAsString(display.GetGlyphType()), color)
        if display.GetPointLabelsVisibility():
            label = node.GetNthControlPointLabel(index)
            paint_text(painter, place + QPointF(GLYPH_RADIUS, -GLYPH_RADIUS), label, color)


def _in_widget(to_xy: np.ndarray, position: Any, height: int) -> QPointF | None:
    x, y, z = (to_xy @ (*position, 1.0))[:3]
    return QPointF(x + 0.5, height - 0.5 - y) if -0.5 <= z < 0.5 else None


def _paint_curve(painter: QPainter, height: int, to_xy: np.ndarray, node: Any, display: Any) -> None:
    points = node.GetCurvePointsWorld() if node.GetNumberOfControlPoints() > 1 else None
    if points is None:
        return
    places = [_in_widget(to_xy, points.GetPoint(index), height) for index in range(points.GetNumberOfPoints())]
    places = [place for place in places if place is not None]
    selected = node.GetNumberOfControlPoints() and node.GetNthControlPointSelected(0)
    color = QColor.fromRgbF(*(display.GetSelectedColor() if selected else display.GetColor()))
    for pen in (QPen(CASING, OUTLINE_WIDTH + 2), QPen(color, OUTLINE_WIDTH)):
        painter.setPen(pen)
        painter.drawPolyline(places)


def _paint_properties(painter: QPainter, height: int, to_xy: np.ndarray, node: Any, display: Any) -> None:
    place = node.GetNumberOfControlPoints() and _in_widget(to_xy, node.GetNthControlPointPositionWorld(0), height)
    if place:
        text = f"{node.GetName()}: {node.GetPropertiesLabelText()}" if node.GetPropertiesLabelText() else node.GetName()
        paint_text(painter, place + QPointF(10, 10), text, QColor.fromRgbF(*display.GetSelectedColor()))


def paint_glyph(painter: QPainter, place: QPointF, kind: str, color: QColor) -> None:
    """One glyph of `vtkMRMLMarkupsDisplayNode`, by its name there."""
    r = GLYPH_RADIUS
    path = QPainterPath()
    if kind.startswith("Circle"):
        path.addEllipse(place, r, r)
    elif kind.startswith("Square"):
        path.addRect(QRectF(place.x() - r, place.y() - r, 2 * r, 2 * r))
    elif kind.startswith(("Diamond", "Triangle")):
        for dx, dy in ((0, -r), (r, 0), (0, r), (-r, 0), (0, -r)):
            point = place + QPointF(dx, dy)
            path.moveTo(point) if path.elementCount() == 0 else path.lineTo(point)
    else:
        path.moveTo(place - QPointF(r, 0))
        path.lineTo(place + QPointF(r, 0))
        if "Cross" in kind or kind.startswith("StarBurst"):
            path.moveTo(place - QPointF(0, r))
            path.lineTo(place + QPointF(0, r))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(CASING, 5), QPen(color, 3 if kind.startswith(("Thick", "Circle", "Dash")) else 2)):
        painter.setPen(pen)
        painter.drawPath(path)


def paint_text(painter: QPainter, place: QPointF, text: str, color: QColor) -> None:
    """Text with a dark edge, its baseline's left end at `place`."""
    if not text:
        return
    font = QFont()
    font.setPixelSize(16)
    font.setBold(True)
    path = QPainterPath()
    path.addText(place, font, text)
    painter.setPen(QPen(CASING, 3))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)
    painter.fillPath(path, color)
