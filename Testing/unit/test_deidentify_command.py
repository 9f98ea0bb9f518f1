"""`breastusassist deidentify`, as a person and as a script calls it."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.command_line.deidentify_review import answer_of, review_page
from BreastUSAssistLib.ultrasound.deidentification.review import ReviewPicture, ReviewQuestion
from BreastUSAssistLib.ultrasound.deidentification.text_boxes import TextBox
from BreastUSAssistLib.ultrasound.deidentification.uids import ENVIRONMENT
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian
from ultrasound_files import header

BOXES = ((10, 20, 30, 90), (50, 20, 60, 90))
"""Top, left, bottom, right."""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A folder with one image that has a name within its region, and one without."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    folder = tmp_path / "study"
    folder.mkdir()
    for name, text in (("a.dcm", ""), ("b.dcm", "MUELLER, ANNA")):
        pixels = np.full((200, 280), 40, np.uint8)
        pixels[60:180, 30:250] += np.random.default_rng(3).integers(0, 60, (120, 220), np.uint8)
        drawn = Image.fromarray(pixels)
        if text:
            ImageDraw.Draw(drawn).text((60, 90), text, fill=230, font=ImageFont.load_default(16))
        pixels = np.asarray(drawn)[None]
        dataset = header(pixels, "MONOCHROME2")
        region = Dataset()
        region.RegionSpatialFormat = region.RegionDataType = 1
        region.RegionLocationMinX0, region.RegionLocationMinY0 = 20, 20
        region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 259, 189
        dataset.SequenceOfUltrasoundRegions = [region]
        dataset.PixelData = pixels.tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / name, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return folder


def command(*arguments: object) -> int:
    return main(["deidentify", *map(str, arguments)])


def test_a_study_is_done_and_the_image_with_a_name_dropped(study, tmp_path, capsys):
    key = tmp_path / "key"
    assert command(study, "--out", tmp_path / "out", "--key-file", key, "--review", "drop", "--json") == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert sorted(one["state"] for one in report["files"]) == ["done", "dropped"]
    assert "A new key is made" in told.err and "1 de-identified, 1 dropped" in told.err
    assert report["text_finder"].startswith("rapidocr")
    (path,) = (tmp_path / "out").rglob("*.dcm")
    assert dcmread(path).PatientID.startswith("BUS-")
    (study / "c.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 50)
    assert command(study, "--out", tmp_path / "out", "--key-file", key, "--review", "drop") == 3
    told = capsys.readouterr()
    assert "c.dcm" in told.err and "0 de-identified, 2 were done already, 1 could not be done" in told.err


def test_a_person_is_asked_in_the_terminal(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, "ab" * 32)
    monkeypatch.setattr(sys, "stdin", io.StringIO("what?\nb\n" + "a\n" * 5))
    assert command(study, "--out", tmp_path / "out") == 0
    told = capsys.readouterr().err
    assert "Text was found in" in told and "drop this image" in told
    states = {
        one["pixels"]["state"] for one in json.loads((tmp_path / "out" / "deidentification.json").read_text())["files"]
    }
    assert states <= {"clean", "blanked", "accepted"} and len(list((tmp_path / "out").rglob("*.dcm"))) == 2
    page = told.partition("file://")[2].split()[0]
    assert not Path(page).exists()


def test_nobody_there_to_answer_is_said(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert command(study, "--out", tmp_path / "out", "--key-file", tmp_path / "key") == 2
    assert "nobody answers" in capsys.readouterr().err
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 1


def test_the_key_never_lies_beside_the_results(study, tmp_path, capsys):
    assert command(study, "--out", tmp_path / "out", "--key-file", tmp_path / "out" / "key") == 2
    assert "must not lie beside" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_key_that_was_not_given_is_forgotten(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    (tmp_path / "in").mkdir()
    assert command(tmp_path / "in", "--out", tmp_path / "out") == 3
    told = capsys.readouterr().err
    assert "made for this run and forgotten" in told and "holds no DICOM file" in told


@pytest.mark.parametrize(
    ("line", "decision", "boxes"),
    [
        ("a\n", "accept", ()),
        ("DROP", "drop", ()),
        ("b", "blank", BOXES),
        ("b 2", "blank", BOXES[1:]),
        ("blank 1 5,6,70,80", "blank", (BOXES[0], (6, 5, 80, 70))),
    ],
)
def test_answers(line, decision, boxes):
    answer = answer_of(line, BOXES)
    assert answer is not None and (answer.decision, answer.boxes) == (decision, boxes)


@pytest.mark.parametrize("line", ["", "\n", "yes", "b 3", "b 0", "b x", "b 5,6,4,80", "a b", "b 1,2,3"])
def test_what_is_no_answer_is_asked_again(line):
    assert answer_of(line, BOXES) is None


def test_the_page_shows_every_box_and_loads_nothing():
    pixels = np.zeros((80, 100), np.uint8)
    pictures = (ReviewPicture(pixels, (TextBox(BOXES[0]),), 3), ReviewPicture(pixels, (TextBox(BOXES[1]),), None))
    page = review_page(ReviewQuestion(pictures, BOXES, ((0, 0, 80, 100),), "header", 9))
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in re.findall(r"base64,([^\"]+)", page)]
    assert [one.any() for one in shown] == [True, False, True, False], "with boxes, then as it is"
    assert "Frame 3" in page and "stands still" in page
    assert "http" not in page and 'src="data:' in page


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_pictures_that_show_a_name_go_when_the_run_is_ended(number, study, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "BreastUSAssistLib", "deidentify", str(study), "--out", str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(main.__code__.co_filename).parents[2]),
            "TMPDIR": str(temporary),
        },
    ) as run:
        assert any("review.html" in line for line in run.stderr)
        assert list(temporary.rglob("review.html"))
        run.send_signal(getattr(signal, number))
        assert run.wait(30) == 130
    assert not list(temporary.iterdir())


def test_help_has_an_example():
    done = subprocess.run(
        [sys.executable, "-m", "BreastUSAssistLib", "deidentify", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(main.__code__.co_filename).parents[2])},
    )
    assert "example:" in done.stdout and "--key-file" in done.stdout
