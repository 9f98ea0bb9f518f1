"""The stand-in of slicer.parameterNodeWrapper binds parameters to widgets as Slicer documents and does."""

import enum
import pathlib
from typing import Annotated, Any

import pytest
from host import clear, start_host

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
host = start_host()

import ctk  # noqa: E402
import qt  # noqa: E402
import slicer  # noqa: E402
from slicer.parameterNodeWrapper import (  # noqa: E402
    Choice,
    Decimals,
    Default,
    FloatRange,
    RangeBounds,
    SingleStep,
    WithinRange,
    findChildWidgetForParameter,
    parameterNodeWrapper,
    parameterPack,
)


class Side(enum.Enum):
    RIGHT = 1
    LEFT = 2


@parameterPack
class Point:
    x: float
    y: Annotated[float, Default(1.0), WithinRange(0, 10)]


@parameterPack
class Box:
    corner: Point
    name: str


@parameterNodeWrapper
class Boxed:
    flag: bool
    box: Box


@pytest.fixture(autouse=True)
def empty_scene() -> Any:
    clear()
    yield
    clear()


def new_node() -> Any:
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


def add(class_name: str) -> Any:
    return slicer.mrmlScene.AddNewNodeByClass(class_name)


@parameterNodeWrapper
class Bound:
    flag: bool
    count: Annotated[int, WithinRange(0, 9), SingleStep(3)]
    free: int
    size: Annotated[float, WithinRange(0.0, 5.0), Decimals(1), Default(1.0)]
    kind: Annotated[str, Choice(["a", "b", "c"]), Default("b")]
    side: Side
    text: str
    folder: pathlib.Path
    volume: slicer.vtkMRMLScalarVolumeNode
    span: Annotated[FloatRange, RangeBounds(0, 100), Default(FloatRange(10, 20))]


def bound_widgets() -> dict[str, Any]:
    selector = slicer.qMRMLNodeComboBox()
    selector.noneEnabled = True
    selector.setMRMLScene(slicer.mrmlScene)
    return {
        "flag": qt.QCheckBox(),
        "count": qt.QSlider(),
        "free": qt.QSpinBox(),
        "size": ctk.ctkSliderWidget(),
        "kind": qt.QComboBox(),
        "side": qt.QComboBox(),
        "text": qt.QLineEdit(),
        "folder": ctk.ctkPathLineEdit(),
        "volume": selector,
        "span": ctk.ctkRangeWidget(),
    }


def test_widgets_and_fields_follow_each_other_until_disconnected() -> None:
    bound, widgets = Bound(new_node()), bound_widgets()
    tag = bound.connectParametersToGui(widgets)
    assert (widgets["count"].maximum, widgets["count"].singleStep, widgets["size"].decimals) == (9, 3, 1)
    assert widgets["free"].minimum == -(2**31) and widgets["kind"].currentText == "b"
    assert [widgets["side"].itemText(at) for at in range(2)] == ["RIGHT", "LEFT"]
    assert tuple(widgets["volume"].nodeTypes) == ("vtkMRMLScalarVolumeNode",)
    volume = add("vtkMRMLScalarVolumeNode")
    widgets["flag"].checked, widgets["count"].value, widgets["free"].value = True, 6, 1000
    widgets["size"].value, widgets["kind"].currentIndex, widgets["side"].currentIndex = 2.5, 2, 1
    widgets["text"].text, widgets["folder"].currentPath = "typed", "/a"
    widgets["volume"].setCurrentNode(volume)
    widgets["span"].setValues(30, 40)
    assert (bound.flag, bound.count, bound.free, bound.size, bound.kind) == (True, 6, 1000, 2.5, "c")
    assert (bound.side, bound.text, bound.folder, bound.volume) == (Side.LEFT, "typed", pathlib.Path("/a"), volume)
    assert (bound.span.minimum, bound.span.maximum) == (30, 40)
    bound.flag, bound.count, bound.kind, bound.text, bound.volume = False, 3, "a", "written", None
    assert (widgets["flag"].checked, widgets["count"].value, widgets["kind"].currentText) == (False, 3, "a")
    assert widgets["text"].text == "written" and widgets["volume"].currentNode() is None
    bound.disconnectGui(tag)
    widgets["count"].value = 9
    bound.text = "unseen"
    assert bound.count == 3 and widgets["text"].text == "written"


def test_a_widget_that_cannot_show_the_type_is_refused() -> None:
    bound = Bound(new_node())
    for name, widget in {
        "text": qt.QComboBox(),
        "free": qt.QSlider(),
        "size": qt.QSpinBox(),
        "flag": qt.QLabel(),
    }.items():
        with pytest.raises(RuntimeError):
            bound.connectParametersToGui({name: widget})
    with pytest.raises(ValueError, match="nothing"):
        bound.connectParametersToGui({"nothing": qt.QLabel()})


def test_connect_gui_binds_by_property_and_gives_no_tag_as_in_slicer() -> None:
    root = qt.QWidget()
    layout = qt.QVBoxLayout(root)
    box, pack = qt.QCheckBox(), qt.QDoubleSpinBox()
    for widget, name in ((box, "flag"), (pack, "box.corner.x"), (qt.QLabel(), None)):
        layout.addWidget(widget)
        if name:
            widget.setProperty("SlicerParameterName", name)
    boxed = Boxed(new_node())
    assert boxed.connectGui(root) is None
    box.checked = False
    pack.value = 6.5
    assert boxed.flag is False and boxed.box.corner.x == 6.5
    assert findChildWidgetForParameter(root, "flag") is box
    boxed.disconnectGui(None)
    box.checked = True
    assert boxed.flag is True
