"""Clips on their way to the analysis process: what arrives is what was sent, and a bad one is a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError, OutputError
from BreastUSAssistLib.service.worker_clip import WorkerClip, write_frames
from BreastUSAssistLib.service.worker_protocol import take_array, write_array
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_dicom, standard_cases
from BreastUSAssistLib.ultrasound.reading import open_clip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from worker_child import written

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"


@pytest.fixture(scope="module")
def cine() -> Phantom:
    return render(standard_cases()["cine"])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
        | st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.just(3)),
    )
)
def test_frames_arrive_as_they_were(tmp_path: Path, frames: np.ndarray) -> None:
    clip = WorkerClip("a/b: c", "cine", written(tmp_path, frames)).clip()
    assert np.array_equal(np.stack([frame.pixels for frame in clip]), frames)
    assert clip.name == "a_b_ c".replace(" ", "_") and clip.headers == () and len(clip) == len(frames)


def test_it_survives_json() -> None:
    clip = WorkerClip("x", "volume", "f.npy", (0.1, 0.2, "user"), (0.0, 40.0), 0.5, ("a.dcm",), 3, 9, "nrrd")
    assert WorkerClip.from_json(json.loads(json.dumps(clip.to_json()))) == clip


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"name": "x"},
        {"name": "x", "kind": "film", "frames": "f"},
        {"name": "x", "kind": "still", "frames": "f", "spacing": [1]},
        {"name": "x", "kind": "still", "frames": "f", "times_ms": ["soon"]},
    ],
)
def test_what_describes_no_clip_is_refused(content: dict) -> None:
    with pytest.raises(InputError, match="could not be handed"):
        WorkerClip.from_json(content)


def test_a_dicom_source_brings_header_and_regions(tmp_path: Path, cine: Phantom) -> None:
    source = open_clip(save_dicom(cine, tmp_path / "sweep.dcm"))
    sent = WorkerClip(
        "sweep",
        "cine",
        written(tmp_path, cine.frames),
        times_ms=source.times_ms,
        header_files=(str(tmp_path / "sweep.dcm"),),
    )
    clip, notes = sent.clip_and_notes()
    assert notes == () and clip.format == "dicom" and clip.headers[0].SOPInstanceUID == source.headers[0].SOPInstanceUID
    for index in (0, 30):
        there, here = source.frame(index), clip.frame(index)
        assert (here.regions, here.time_ms, here.source.frame_number) == (
            there.regions,
            there.time_ms,
            there.source.frame_number,
        )
        assert here.source.sop_instance_uid == there.source.sop_instance_uid


def test_a_part_knows_its_place_in_the_clip(tmp_path: Path, cine: Phantom) -> None:
    save_dicom(cine, tmp_path / "sweep.dcm")
    sent = WorkerClip(
        "sweep",
        "cine",
        written(tmp_path, cine.frames[10:14]),
        header_files=(str(tmp_path / "sweep.dcm"),),
        first_frame=11,
        frame_count=31,
    )
    clip = sent.clip()
    assert sent.is_part and len(clip) == 4 and clip.frame(0).source.frame_number == 11 and len(clip.headers) == 1


def test_of_one_file_a_frame_a_part_has_its_own_headers(tmp_path: Path, cine: Phantom) -> None:
    paths = []
    still = render(standard_cases()["oval-circumscribed"])
    for number in range(4):
        path = save_dicom(still, tmp_path / f"{number}.dcm")
        paths.append(str(path))
    frames = np.stack([still.frames[0]] * 2)
    sent = WorkerClip(
        "sweep", "cine", written(tmp_path, frames), header_files=tuple(paths), first_frame=3, frame_count=4
    )
    clip = sent.clip()
    assert [frame.source.path.name for frame in clip] == ["2.dcm", "3.dcm"]
    assert len(clip.headers) == 2 and len(sent.all_headers()) == 4


def test_a_reader_s_own_calibration_stands_above_the_header(tmp_path: Path, cine: Phantom) -> None:
    save_dicom(cine, tmp_path / "sweep.dcm")
    sent = WorkerClip(
        "sweep",
        "cine",
        written(tmp_path, cine.frames),
        spacing=(0.2, 0.3, "user"),
        header_files=(str(tmp_path / "sweep.dcm"),),
    )
    frame = sent.clip().frame(0)
    spacing = frame.spacing_in((100, 100, 300, 300))
    assert spacing is not None and (spacing.row_mm, spacing.column_mm, spacing.source) == (0.2, 0.3, "user")
    assert WorkerClip("x", "cine", sent.frames).clip().frame(0).pixel_spacing is None


@pytest.mark.parametrize("wrong", ["gone", "size", "count", "text"])
def test_headers_that_do_not_belong_are_left_out_with_a_note(tmp_path: Path, cine: Phantom, wrong: str) -> None:
    path = tmp_path / "Doe^Jane.dcm"
    frames = cine.frames
    if wrong == "size":
        frames = frames[:, :400]
    if wrong == "count":
        frames = frames[:5]
    if wrong == "text":
        path.write_text("no DICOM")
    elif wrong != "gone":
        save_dicom(cine, path)
    clip, notes = WorkerClip("x", "cine", written(tmp_path, frames), header_files=(str(path),)).clip_and_notes()
    assert clip.headers == () and clip.paths == () and clip.format == "slicer" and len(notes) == 1
    assert "DICOM header was left out" in notes[0] and "Doe" not in notes[0]


def test_frames_are_written_one_a_step_and_appear_whole(tmp_path: Path, cine: Phantom) -> None:
    steps = write_frames(tmp_path, (frame for frame in cine.frames), 31)
    assert next(steps) == 1 and [path.suffix for path in tmp_path.iterdir()] == [".part"]
    assert list(steps) == list(range(2, 32))
    (path,) = tmp_path.iterdir()
    assert np.array_equal(np.load(path), cine.frames)


def test_writing_that_is_given_up_leaves_nothing(tmp_path: Path, cine: Phantom) -> None:
    steps = write_frames(tmp_path, (frame for frame in cine.frames), 31)
    next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("frames", "count", "words"),
    [
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)], 2, "Frame 2 has another size"),
        ([np.zeros((4, 4), np.int16)], 1, "8 bits"),
        ([np.zeros((4, 4), np.uint8)], 2, "1 frames were given where 2"),
        ([], 0, "0 frames"),
    ],
)
def test_frames_that_make_no_clip_are_refused(tmp_path: Path, frames: list[np.ndarray], count: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(write_frames(tmp_path, frames, count))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    for write in (
        lambda: list(write_frames(tmp_path / "gone", [np.zeros((4, 4), np.uint8)], 1)),
        lambda: write_array(tmp_path / "gone", "mask", np.zeros(3)),
    ):
        with pytest.raises(OutputError, match="temporary files"):
            write()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's file size limit stands in for a full disk on Linux")
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; import numpy as np\n"
        "from BreastUSAssistLib.errors import OutputError\n"
        "from BreastUSAssistLib.service.worker_clip import write_frames\n"
        "from BreastUSAssistLib.service.worker_protocol import write_array\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "frame = np.zeros((200, 200), np.uint8)\n"
        "for write in (lambda: list(write_frames(Path(sys.argv[1]), [frame] * 9, 9)),\n"
        "              lambda: write_array(Path(sys.argv[1]), 'labels', np.stack([frame] * 9))):\n"
        "    try: write()\n"
        "    except OutputError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, cwd=LIBRARY
    )
    assert told.stdout.count("could not be written (File too large); free space there and try again.") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_result_is_taken_once(tmp_path: Path) -> None:
    path = write_array(tmp_path, "mask", np.eye(3, dtype=bool))
    assert np.array_equal(take_array(path), np.eye(3, dtype=bool)) and not path.exists()
    with pytest.raises(OutputError, match="gone or damaged"):
        take_array(path)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"cos\nsystem\n"])
def test_pixels_that_cannot_be_read_are_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.npy").write_bytes(content)
    with pytest.raises(InputError, match="gone or damaged"):
        WorkerClip("x", "still", str(tmp_path / "f.npy")).clip()


def test_an_array_that_is_no_clip_is_refused(tmp_path: Path) -> None:
    for array in (np.zeros((3, 4), np.uint8), np.zeros((2, 3, 4), float), np.zeros((2, 3, 4, 2), np.uint8)):
        with pytest.raises(InputError, match="8-bit"):
            WorkerClip("x", "still", str(write_array(tmp_path, "f", array))).clip()
    with pytest.raises(InputError, match="no image"):
        WorkerClip("x", "still", str(write_array(tmp_path, "f", np.zeros((0, 3, 4), np.uint8)))).clip()
