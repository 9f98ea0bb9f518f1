# ruff: noqa: N802, N803 - the names are those of Slicer
"""The stand-in of slicer.parameterNodeWrapper keeps to what Slicer documents and does."""

import enum
import pathlib
from pathlib import Path
from typing import Annotated, Any, Optional, Union

import pytest
from host import clear, start_host
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
host = start_host()

import slicer  # noqa: E402
import vtk  # noqa: E402
from slicer.parameterNodeWrapper import (  # noqa: E402
    BoolSerializer,
    Choice,
    Default,
    DictSerializer,
    Exclude,
    IsInstance,
    ListSerializer,
    Maximum,
    Minimum,
    NodeSerializer,
    NotNone,
    NumberSerializer,
    PathSerializer,
    Serializer,
    StringSerializer,
    TupleSerializer,
    UnionSerializer,
    ValidatedSerializer,
    Validator,
    WithinRange,
    isParameterNodeWrapper,
    isParameterPack,
    parameterNodeSerializer,
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
class Everything:
    number: int
    size: Annotated[float, Default(2.5), Minimum(0), Maximum(9)]
    flag: Annotated[bool, Default(True)]
    text: str = "start"
    kind: Annotated[str, Choice(["a", "b"]), Default("b")]
    other: Annotated[int, Exclude([3])]
    side: Side
    folder: pathlib.Path
    numbers: list[int]
    names: dict[str, float]
    pair: tuple[int, str]
    volume: slicer.vtkMRMLScalarVolumeNode
    either: Union[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLTableNode, None]  # noqa: UP007 - Slicer takes no A | B
    maybe: Optional[int]  # noqa: UP045
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


def test_defaults_are_there_and_stored() -> None:
    node = new_node()
    everything = Everything(node)
    assert isParameterNodeWrapper(everything) and isParameterNodeWrapper(Everything) and isParameterPack(Box)
    assert (everything.number, everything.size, everything.flag, everything.text) == (0, 2.5, True, "start")
    assert (everything.kind, everything.side, everything.folder) == ("b", Side.RIGHT, pathlib.Path())
    assert (everything.numbers, everything.names, everything.pair) == ([], {}, (0, ""))
    assert everything.volume is None and everything.either is None and everything.maybe is None
    assert everything.box == Box() and everything.box.corner.y == 1.0
    assert everything.parameterNode is node
    assert node.GetParameter("size") == "2.5" and node.GetParameter("flag") == "True"
    assert node.GetParameter("side") == "RIGHT" and node.GetParameter("box.corner.y") == "1.0"


def test_what_is_written_is_read_by_another_wrapper_of_the_node() -> None:
    everything = Everything(new_node())
    volume, table = add("vtkMRMLScalarVolumeNode"), add("vtkMRMLTableNode")
    everything.number, everything.size, everything.flag, everything.text = 7, 3, False, "ü\nx"
    everything.side, everything.folder, everything.numbers = Side.LEFT, pathlib.Path("a/b"), [3, 1, 2]
    everything.names, everything.pair, everything.maybe = {"b": 1.5, "a": 2.0}, (4, "four"), 0
    everything.volume, everything.either = volume, table
    everything.box = Box(Point(2.0, 3.0), "here")
    again = Everything(everything.parameterNode)
    assert (again.number, again.size, again.flag, again.text) == (7, 3.0, False, "ü\nx")
    assert (again.side, again.folder, again.numbers) == (Side.LEFT, pathlib.Path("a/b"), [3, 1, 2])
    assert (list(again.names.items()), again.pair, again.maybe) == ([("b", 1.5), ("a", 2.0)], (4, "four"), 0)
    assert again.volume is volume and again.either is table
    assert again.box == Box(Point(2.0, 3.0), "here")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("number", None, ValueError),
        ("number", "7", TypeError),
        ("number", 1.5, TypeError),
        ("size", 9.5, ValueError),
        ("size", -1, ValueError),
        ("kind", "c", ValueError),
        ("other", 3, ValueError),
        ("flag", 1, TypeError),
        ("side", 1, TypeError),
        ("numbers", [1, "x"], TypeError),
        ("pair", (1,), ValueError),
        ("maybe", "x", TypeError),
        ("box", Point(), ValueError),
    ],
)
def test_a_value_that_does_not_fit_changes_nothing(name: str, value: Any, error: type[Exception]) -> None:
    everything = Everything(new_node())
    everything.numbers = [5]
    before = everything.getValue(name)
    with pytest.raises(error):
        setattr(everything, name, value)
    assert everything.getValue(name) == before


def test_a_node_of_another_class_is_refused() -> None:
    everything = Everything(new_node())
    with pytest.raises(TypeError):
        everything.volume = add("vtkMRMLTableNode")
    with pytest.raises(TypeError):
        everything.either = add("vtkMRMLTextNode")


def test_a_deleted_node_is_let_go() -> None:
    everything = Everything(new_node())
    volume = add("vtkMRMLScalarVolumeNode")
    everything.volume = everything.either = volume
    told: list[Any] = []
    everything.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: told.append(everything.volume))
    slicer.mrmlScene.RemoveNode(volume)
    assert everything.volume is None and everything.either is None and told


def test_lists_dictionaries_and_packs_write_themselves_back() -> None:
    everything = Everything(new_node())
    again = Everything(everything.parameterNode)
    everything.numbers.append(1)
    everything.numbers += [2, 3]
    everything.numbers[0] = 9
    del everything.numbers[1]
    everything.names["a"] = 1.0
    everything.box.corner.x = 4.5
    everything.box.name = "n"
    assert again.numbers == [9, 3] and again.names == {"a": 1.0}
    assert again.box.corner.x == 4.5 and again.getValue("box.name") == "n"
    with pytest.raises(NotImplementedError):
        everything.numbers.__add__([1])
    with pytest.raises(TypeError):
        everything.numbers.append("x")
    assert everything.numbers == [9, 3]


def test_names_of_parameters_are_those_of_slicer() -> None:
    """Other modules and older scenes read them: a list keeps its length, a union its member's place."""
    node = new_node()
    everything = Everything(node)
    everything.numbers, everything.names = [4, 5], {"k": 2.0}
    everything.either = add("vtkMRMLTableNode")
    everything.volume = add("vtkMRMLScalarVolumeNode")
    stored = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert (stored["numbers_len"], stored["numbers_0"], stored["numbers_1"]) == ("2", "4", "5")
    assert (stored["names_len"], stored["names_0_0"], stored["names_0_1"]) == ("1", "k", "2.0")
    assert "either_1" in stored and node.GetNodeReference("either_1") is everything.either
    assert stored["volume"] == "" and node.GetNodeReference("volume") is everything.volume
    everything.numbers = []
    assert not node.HasParameter("numbers_0")


def test_one_modified_event_a_write_and_none_lost_in_a_batch() -> None:
    everything = Everything(new_node())
    told: list[int] = []
    everything.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: told.append(everything.number))
    everything.number = 3
    assert told == [3]
    with slicer.util.NodeModify(everything):
        everything.number = 4
        everything.text = "x"
    assert told == [3, 4]


def test_a_change_of_the_node_itself_is_seen() -> None:
    everything = Everything(new_node())
    assert everything.isCached("number") and everything.isCached("volume")
    everything.parameterNode.SetParameter("number", "12")
    assert everything.number == 12


def test_closing_the_scene_brings_the_defaults_back_to_a_singleton() -> None:
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class EverythingLogic(ScriptedLoadableModuleLogic):
        pass

    everything = Everything(EverythingLogic().getParameterNode())
    everything.text, everything.numbers = "changed", [1]
    clear()
    assert everything.text == "start" and everything.numbers == []
    assert EverythingLogic().getParameterNode() is everything.parameterNode
    everything.text = "again"
    assert Everything(EverythingLogic().getParameterNode()).text == "again"


def test_a_saved_scene_brings_everything_back(tmp_path: Path) -> None:
    everything = Everything(new_node())
    everything.parameterNode.SetSingletonTag("Everything")
    volume = add("vtkMRMLTableNode")
    everything.either, everything.number, everything.box = volume, 5, Box(Point(1, 2), 'quotes " & <')
    host.save_scene(tmp_path / "s.mrb")
    clear()
    host.load_scene(tmp_path / "s.mrb")
    node = slicer.mrmlScene.GetSingletonNode("Everything", "vtkMRMLScriptedModuleNode")
    again = Everything(node)
    assert again.number == 5 and again.either.IsA("vtkMRMLTableNode") and again.box == Box(Point(1, 2), 'quotes " & <')


def test_values_by_name_and_their_types() -> None:
    everything = Everything(new_node())
    everything.setValue("box.corner.x", 8)
    assert everything.getValue("box.corner.x") == 8 and Everything.dataType("box.corner.x") is float
    assert Everything.dataType("kind").__metadata__[1] == Default("b") and everything.default("text") == Default(
        "start"
    )
    for wrong in ("nothing", "box.nothing", "text.nothing"):
        with pytest.raises(ValueError, match=r"nothing|no parameter pack"):
            everything.getValue(wrong)


def test_defaults_may_be_made_anew_and_validators_may_be_ours() -> None:
    class Even(Validator):
        @staticmethod
        def validate(value: Any) -> None:
            if value % 2:
                raise ValueError("odd")

    @parameterNodeWrapper()
    class Counting:
        number: Annotated[int, Even, Default(generator=lambda: 4)]

    counting = Counting(new_node(), prefix="mine.")
    assert counting.number == 4 and counting.parameterNode.GetParameter("mine.number") == "4"
    with pytest.raises(ValueError, match="odd"):
        counting.number = 3


@pytest.mark.parametrize("kind", [object, dict, int | None, slicer.vtkMRMLNode | None], ids=str)
def test_a_type_that_slicer_cannot_keep_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match="serializer"):
        parameterNodeWrapper(type("Wrong", (), {"__annotations__": {"field": kind}}))


@pytest.mark.parametrize("name", ["getValue", "connectGui", "allParameters", "parameterNode"])
def test_reserved_names(name: str) -> None:
    wrong = type("Wrong", (), {"__annotations__": {name: int}})
    if name == "parameterNode":
        parameterNodeWrapper(wrong)  # Slicer does not notice this one either
    else:
        with pytest.raises(ValueError, match="reserved"):
            parameterNodeWrapper(wrong)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(-(2**31), 2**31 - 1),
    st.floats(0, 9, allow_nan=False),
    st.text(st.characters(blacklist_categories=["Cs", "Cc"])),
    st.lists(st.integers(-1000, 1000), max_size=5),
)
def test_any_value_comes_back(number: int, size: float, text: str, numbers: list[int]) -> None:
    everything = Everything(new_node())
    everything.number, everything.size, everything.text, everything.numbers = number, size, text, numbers
    again = Everything(everything.parameterNode)
    assert (again.number, again.size, again.text, again.numbers) == (number, size, text, numbers)
    slicer.mrmlScene.RemoveNode(everything.parameterNode)


def test_a_type_of_ours_is_kept_by_a_serializer_of_ours() -> None:
    class Place:
        def __init__(self, clock: int) -> None:
            self.clock = clock

    @parameterNodeSerializer
    class PlaceSerializer(Serializer):
        @staticmethod
        def canSerialize(type_: Any) -> bool:
            return type_ is Place

        @staticmethod
        def create(type_: Any) -> Any:
            return ValidatedSerializer(PlaceSerializer(), [NotNone(), IsInstance(Place)])

        def default(self) -> Any:
            return Place(12)

        def isIn(self, parameterNode: Any, name: str) -> bool:
            return bool(parameterNode.HasParameter(name))

        def write(self, parameterNode: Any, name: str, value: Any) -> None:
            parameterNode.SetParameter(name, str(value.clock))

        def read(self, parameterNode: Any, name: str) -> Any:
            return Place(int(parameterNode.GetParameter(name)))

        def remove(self, parameterNode: Any, name: str) -> None:
            parameterNode.UnsetParameter(name)

    kinds = {"place": Place, "places": list[Place]}
    placed = parameterNodeWrapper(type("Placed", (), {"__annotations__": kinds}))(new_node())
    placed.place = Place(3)
    placed.places.append(Place(9))
    assert placed.place.clock == 3 and placed.places[0].clock == 9
    assert not placed.isCached("place") and not placed.isCached("places")
    with pytest.raises(TypeError):
        placed.place = 3


def test_a_serializer_leaves_nothing_behind() -> None:
    node = new_node()
    serializers = {
        NumberSerializer(int): 1,
        StringSerializer(): "x",
        PathSerializer(pathlib.Path): pathlib.Path("a"),
        BoolSerializer(): True,
        NodeSerializer(): add("vtkMRMLTextNode"),
        ListSerializer(NumberSerializer(float)): [1.0],
        TupleSerializer([NumberSerializer(float), BoolSerializer()]): (3.3, True),
        DictSerializer(StringSerializer(), NumberSerializer(float)): {"a": 1.0},
        UnionSerializer([StringSerializer(), NumberSerializer(float)]): "hello",
    }
    for index, (serializer, value) in enumerate(serializers.items()):
        serializer.write(node, f"value{index}", value)
        assert serializer.isIn(node, f"value{index}") and serializer.read(node, f"value{index}") == value
        serializer.remove(node, f"value{index}")
    assert not node.GetParameterNames()
