"""Marks of the click effect as a prompt that the network can take."""

import numpy as np
from BreastUSAssistLib.model.prompt import Prompt
from BreastUSAssistLib.panel.effect_marks import Mark, as_arguments, box_of, with_mark
from hypothesis import given
from hypothesis import strategies as st

ROWS, COLUMNS = 12, 9
PIXEL = st.tuples(
    st.integers(0, ROWS - 1).map(float),
    st.integers(0, COLUMNS - 1).map(float),
)
POINT = st.builds(lambda positive, pixel: Mark("point", positive, (pixel,)), st.booleans(), PIXEL)
SCRIBBLE = st.builds(
    lambda positive, line: Mark("scribble", positive, tuple(line)),
    st.booleans(),
    st.lists(PIXEL, min_size=1, max_size=5),
)
BOX = st.builds(lambda one, other: Mark("box", True, (one, other)), PIXEL, PIXEL)


@given(st.lists(st.one_of(POINT, SCRIBBLE, BOX), min_size=1, max_size=20))
def test_any_marks_in_the_image_make_a_prompt(given_marks: list[Mark]) -> None:
    marks: tuple[Mark, ...] = ()
    for mark in given_marks:
        marks = with_mark(marks, mark)
        assert marks[-1] is mark
    arguments = as_arguments(marks)
    prompt = Prompt(
        tuple(map(tuple, arguments["positive"])),
        tuple(map(tuple, arguments["negative"])),
        tuple(tuple(map(tuple, line)) for line in arguments["positive_scribbles"]),
        tuple(tuple(map(tuple, line)) for line in arguments["negative_scribbles"]),
        None if arguments["box"] is None else tuple(arguments["box"]),
        np.zeros((ROWS, COLUMNS), bool),
    )
    prompt.check((ROWS, COLUMNS))
    assert sum(mark.kind == "box" for mark in marks) <= 1


def test_a_box_holds_both_of_its_corners() -> None:
    assert box_of(Mark("box", True, ((7.0, 2.0), (3.0, 5.0)))) == [3, 2, 8, 6]


def test_a_click_on_an_earlier_one_takes_its_place() -> None:
    add = Mark("point", True, ((3.0, 4.0),))
    remove = Mark("point", False, ((3.0, 4.0),))
    other = Mark("point", True, ((5.0, 4.0),))
    assert with_mark((add, other), remove) == (other, remove)
