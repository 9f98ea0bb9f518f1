"""Prompts: what is refused and why, how marks are drawn for the network, and clicks.json."""

import json

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.model.preprocessing import Letterbox
from BreastUSAssistLib.model.prompt import Prompt, in_square, pixel_of, rasterise
from BreastUSAssistLib.model.prompt_file import (
    PreviousMask,
    StoredPrompt,
    prompt_of,
    prompt_schema,
    read_prompt_file,
    write_prompt_file,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

SHAPE = (60, 80)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (Prompt(), "marks nothing"),
        (Prompt(mask=np.zeros(SHAPE, bool)), "marks nothing"),
        (Prompt(((60.0, 5.0),)), "outside the image of 60 rows and 80 columns"),
        (Prompt(((-0.6, 5.0),)), "positive point"),
        (Prompt(negative_points=((5.0, 79.5),)), "negative point"),
        (Prompt(((float("nan"), 5.0),)), "outside"),
        (Prompt(((float("inf"), 5.0),)), "outside"),
        (Prompt(positive_scribbles=(((5.0, 5.0), (500.0, 5.0)),)), "positive scribble"),
        (Prompt(positive_scribbles=((),)), "needs 1 to 5000 points"),
        (Prompt(((5.0, 5.0),) * 1001), "at most 1000"),
        (Prompt(((5.2, 5.0),), ((4.9, 5.4),)), "row 5, column 5 is marked as lesion and as not"),
        (Prompt(box=(5, 5, 5, 20)), "no area"),
        (Prompt(box=(9, 5, 5, 20)), "no area"),
        (Prompt(box=(5, 5, 61, 20)), "outside"),
        (Prompt(((5.0, 5.0),), mask=np.ones((60, 81), bool)), "81 x 60 pixels but the image 80 x 60"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(prompt, words):
    with pytest.raises(InputError, match=words):
        prompt.check(SHAPE)


def test_marks_at_the_very_edge_are_allowed():
    Prompt(((-0.5, -0.5), (59.49, 79.49)), ((30.0, 30.0),), box=(0, 0, 60, 80)).check(SHAPE)
    assert pixel_of((-0.5, 59.49)) == (0, 59)


def test_each_mark_has_its_channel():
    mask = np.zeros(SHAPE, bool)
    mask[20:40, 30:60] = True
    prompt = Prompt(((30.0, 40.0),), ((5.0, 70.0),), (), (((50.0, 10.0), (50.0, 30.0)),), (10, 20, 50, 70), mask)
    letterbox = Letterbox((0, 0, *SHAPE), 256)
    channels = rasterise(prompt, letterbox)
    assert channels.shape == (4, 256, 256) and channels.dtype == np.float32
    assert set(np.unique(channels)) == {0.0, 1.0}
    assert channels[0].sum() == 29
    assert np.array_equal(np.argwhere(channels[0]).mean(axis=0), np.floor(in_square([(30, 40)], letterbox)[0] + 0.5))
    line = channels[1][150:]
    assert set(np.flatnonzero(line.any(axis=1))) and np.flatnonzero(line.any(axis=1)).size == 3
    assert channels[2].sum() == pytest.approx(mask.sum() * 3.2**2, rel=0.03)
    assert channels[3].sum() == pytest.approx(40 * 50 * 3.2**2, rel=0.03)


def test_nothing_marked_draws_nothing():
    assert not rasterise(Prompt(), Letterbox((0, 0, *SHAPE), 64)).any()


def test_marks_outside_the_view_are_not_drawn():
    prompt = Prompt(((2.0, 2.0),), ((58.0, 78.0),), (((0.0, 0.0), (3.0, 3.0)),), (), (0, 0, 5, 5))
    assert not rasterise(prompt, Letterbox((30, 30, 45, 50), 64)).any()


def test_a_scribble_of_one_point_is_a_dot():
    drawn = rasterise(Prompt(positive_scribbles=(((30.0, 40.0),),)), Letterbox((0, 0, 64, 64), 64))[0]
    assert drawn.sum() == 9 and drawn[30, 40]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.data())
def test_a_click_is_drawn_where_its_pixel_is_shown(rows, columns, data):
    row, column = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    letterbox = Letterbox((0, 0, rows, columns), 64)
    drawn = rasterise(Prompt(((row, column),)), letterbox)[0]
    shown = np.zeros((rows, columns), np.uint8)
    shown[row, column] = 255
    square = letterbox.apply(shown, nearest=True) > 0
    assert drawn.any()
    if square.any():
        assert (drawn[square]).any()


def test_a_stored_prompt_comes_back(tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:20, 10:20], labels[30:40, 30:50] = 1, 2
    Image.fromarray(labels).save(tmp_path / "mask.png")
    stored = StoredPrompt(
        frame=3,
        positive_points=((1.5, 2.0),),
        negative_scribbles=(((1.0, 1.0), (4.0, 4.0)),),
        box=(0, 0, 30, 40),
        previous_mask=PreviousMask(path="mask.png", label=2),
    )
    write_prompt_file(tmp_path / "clicks.json", stored)
    assert read_prompt_file(tmp_path / "clicks.json") == stored
    prompt = prompt_of(stored, tmp_path)
    assert prompt.positive_points == ((1.5, 2.0),) and prompt.box == (0, 0, 30, 40)
    assert np.array_equal(prompt.mask, labels == 2)


def test_a_file_of_version_1_0_still_loads(tmp_path):
    content = {
        "schema_version": "1.0",
        "positive_points": [[12, 30.5]],
        "negative_points": [],
        "positive_scribbles": [[[1, 2], [3, 4]]],
        "box": [0, 0, 50, 60],
        "previous_mask": None,
    }
    (tmp_path / "clicks.json").write_text(json.dumps(content))
    stored = read_prompt_file(tmp_path / "clicks.json")
    assert stored.positive_points == ((12.0, 30.5),) and stored.positive_scribbles == (((1.0, 2.0), (3.0, 4.0)),)
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(content, json.loads(prompt_schema()), cls=jsonschema.Draft202012Validator)


def test_the_published_schema_is_the_generated_one():
    published = resource_path("Schema", "prompt-1.0.schema.json").read_text("utf-8")
    assert published == prompt_schema(), "write prompt_schema() to Resources/Schema/prompt-1.0.schema.json"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "not json",
        "{" * 100_000,
        '{"schema_version": "2.0"}',
        '{"positive_points": [[1]]}',
        '{"positive_points": [[1, NaN]]}',
        '{"positive_points": [[1, 1e999]]}',
        '{"positive_points": [["a", 2]]}',
        '{"negative_scribbles": [[]]}',
        '{"box": [1, 2, 3]}',
        '{"unknown": 1}',
        json.dumps({"positive_points": [[1, 1]] * 1001}),
        json.dumps({"positive_scribbles": [[[1, 1]]] * 201}),
    ],
)
def test_a_bad_file_is_named(tmp_path, content):
    path = tmp_path / "clicks.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"clicks\.json"):
        read_prompt_file(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.json"):
        read_prompt_file(tmp_path / "nowhere.json")


@pytest.mark.parametrize("name", ["../mask.png", "/etc/passwd", "..\\mask.png", "C:\\mask.png", "sub/../../mask.png"])
def test_a_previous_mask_outside_the_folder_is_not_opened(tmp_path, name):
    (tmp_path / "here").mkdir()
    Image.fromarray(np.ones(SHAPE, np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match="outside the folder"):
        prompt_of(StoredPrompt(previous_mask=PreviousMask(path=name, label=1)), tmp_path / "here")


def test_bad_previous_masks_are_named(tmp_path):
    def prompt(name: str, label: int = 1) -> Prompt:
        return prompt_of(StoredPrompt(previous_mask=PreviousMask(path=name, label=label)), tmp_path)

    with pytest.raises(InputError, match=r"none\.png is not there"):
        prompt("none.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(InputError, match=r"broken\.png is damaged"):
        prompt("broken.png")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "colour.png")
    with pytest.raises(InputError, match="RGB pixels"):
        prompt("colour.png")
    Image.fromarray(np.ones((4, 4), np.uint8)).save(tmp_path / "one.png")
    with pytest.raises(InputError, match="no lesion number 2"):
        prompt("one.png", 2)
