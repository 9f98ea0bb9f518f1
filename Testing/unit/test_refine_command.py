"""`breastusassist refine`: files in, files out, and exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.model.prompt_file import prompt_of, read_prompt_file
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_png, standard_cases
from PIL import Image

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return render(standard_cases()["oval-circumscribed"])


@pytest.fixture
def image(phantom, tmp_path) -> Path:
    return save_png(phantom, tmp_path / "phantom")[0]


@pytest.fixture
def cine(phantom, tmp_path) -> Path:
    pages = [Image.fromarray(phantom.frames[0])] * 3
    pages[0].save(tmp_path / "cine.tif", save_all=True, append_images=pages[1:])
    return tmp_path / "cine.tif"


def middle(phantom: Phantom) -> list[float]:
    return [float(x) for x in np.argwhere(phantom.masks[0] == 1).mean(axis=0).round()]


def clicks(folder: Path, **content) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clicks.json").write_text(json.dumps({"schema_version": "1.0", **content}))
    return folder / "clicks.json"


def refine(*arguments) -> int:
    return main(["refine", *map(str, arguments)])


def test_a_click_gives_a_mask_and_the_prompt_of_the_next_step(phantom, image, tmp_path, capsys):
    first = clicks(tmp_path / "marked", positive_points=[middle(phantom)])
    assert refine(image, "--prompt", first, "--out", tmp_path / "one", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "one" / "refinement.json").read_text())
    labels = np.asarray(Image.open(tmp_path / "one" / "mask.png"))
    assert labels.shape == phantom.masks[0].shape and labels.dtype == np.uint8
    truth = phantom.masks[0] == 1
    assert 2 * (truth & (labels == 1)).sum() / (truth.sum() + (labels == 1).sum()) > 0.5
    assert printed["lesion"]["area_px"] == (labels == 1).sum()
    assert printed["timing_ms"]["total"] >= printed["timing_ms"]["decode"] > 0
    following = read_prompt_file(tmp_path / "one" / "clicks.json")
    assert list(following.positive_points[0]) == middle(phantom)
    assert np.array_equal(prompt_of(following, tmp_path / "one").mask, labels == 1)
    assert refine(image, "--prompt", tmp_path / "one" / "clicks.json", "--out", tmp_path / "two") == 0
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["clicks.json", "mask.png", "refinement.json"]


def test_other_lesions_of_the_label_image_keep_their_pixels(phantom, image, tmp_path):
    labels = (phantom.masks[0] == 1).astype(np.uint8) * 2
    labels[:20, :30] = 1
    prompt = clicks(tmp_path / "in", positive_points=[middle(phantom)], previous_mask={"path": "m.png", "label": 2})
    Image.fromarray(labels).save(tmp_path / "in" / "m.png")
    assert refine(image, "--prompt", prompt, "--out", tmp_path / "out") == 0
    after = np.asarray(Image.open(tmp_path / "out" / "mask.png"))
    assert np.array_equal(after == 1, labels == 1)
    assert (after == 2).any() and set(np.unique(after)) == {0, 1, 2}


def test_neither_the_prompt_nor_its_mask_is_overwritten(phantom, image, tmp_path, capsys):
    prompt = clicks(tmp_path / "in", positive_points=[middle(phantom)])
    before = prompt.read_text()
    assert refine(image, "--prompt", prompt, "--out", tmp_path / "in") == 2
    assert "would overwrite" in capsys.readouterr().err and prompt.read_text() == before


def test_a_frame_of_a_cine_must_be_named(phantom, cine, tmp_path, capsys):
    prompt = clicks(tmp_path / "in", positive_points=[middle(phantom)])
    assert refine(cine, "--prompt", prompt, "--out", tmp_path / "out") == 2
    assert "3 frames" in capsys.readouterr().err
    assert refine(cine, "--prompt", prompt, "--out", tmp_path / "out", "--frame", 4) == 2
    assert "no frame 4" in capsys.readouterr().err
    assert refine(cine, "--prompt", prompt, "--out", tmp_path / "out", "--frame", 2) == 0
    assert read_prompt_file(tmp_path / "out" / "clicks.json").frame == 2
    stored = tmp_path / "out" / "clicks.json"
    assert refine(cine, "--prompt", stored, "--out", tmp_path / "next", "--frame", 3) == 2
    assert refine(cine, "--prompt", stored, "--out", tmp_path / "next") == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "marks nothing"),
        ({"positive_points": [[5000, 3]]}, "outside the image"),
        ({"positive_points": [[5, 3]], "negative_points": [[5, 3]]}, "as lesion and as not"),
        ({"previous_mask": {"path": "none.png", "label": 1}}, "is not there"),
        ({"box": [4, 4, 4, 9]}, "no area"),
        ({"points": []}, "no usable prompt"),
    ],
)
def test_a_bad_prompt_is_named_and_writes_nothing(image, tmp_path, capsys, content, words):
    prompt = clicks(tmp_path / "in", **content)
    assert refine(image, "--prompt", prompt, "--out", tmp_path / "out") == 3
    message = capsys.readouterr().err
    assert words in message and ("clicks.json" in message or "none.png" in message)
    assert not (tmp_path / "out").exists()


def test_a_missing_image_or_a_mask_of_another_size_is_bad_input(phantom, image, tmp_path, capsys):
    prompt = clicks(tmp_path / "in", positive_points=[[1, 1]], previous_mask={"path": "m.png", "label": 1})
    Image.fromarray(np.ones((9, 9), np.uint8)).save(tmp_path / "in" / "m.png")
    assert refine(image, "--prompt", prompt, "--out", tmp_path / "out") == 3
    assert "9 x 9 pixels" in capsys.readouterr().err
    assert refine(tmp_path / "nothing.png", "--prompt", prompt, "--out", tmp_path / "out") == 3
    assert "nothing.png" in capsys.readouterr().err


def test_help_shows_an_example():
    told = subprocess.run(
        [sys.executable, "-m", "BreastUSAssistLib", "refine", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=LIBRARY,
    )
    assert "breastusassist refine still.png" in told.stdout
