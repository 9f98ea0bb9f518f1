"""Order of one-frame files: by InstanceNumber, but by name where the numbers are those of a text sort."""

from pathlib import Path

import numpy as np
import pytest
import ultrasound_files as us
from BreastUSAssistLib.ultrasound.dicom_clip import frames_of
from BreastUSAssistLib.ultrasound.dicom_source import read_dicom_source
from BreastUSAssistLib.ultrasound.frame_order import (
    frame_order_gates,
    in_frame_order,
    mean_step,
    natural_key,
    numbered_as_text,
)
from BreastUSAssistLib.ultrasound.reading import open_clip
from hypothesis import given
from hypothesis import strategies as st

COUNT = 12


def text_order(count: int = COUNT) -> list[int]:
    return sorted(range(1, count + 1), key=str)


def write_sweep(folder: Path, numbers: list[int | None], places: list[int]) -> None:
    """One file a frame: names 1.dcm, 2.dcm, ... carry these InstanceNumbers and show the sweep at these places."""
    uid = us.generate_uid()
    tissue = np.random.default_rng(1).integers(0, 250, (48, 200)).astype(np.uint8)
    tissue = np.sort(tissue, axis=1)
    for name, (number, place) in enumerate(zip(numbers, places, strict=True), start=1):
        pixels = tissue[:, 8 * place : 8 * place + 64].copy()
        header = us.header(pixels[None], "MONOCHROME2", SeriesInstanceUID=uid, InstanceNumber=number)
        us.write(folder / f"{name}.dcm", header, pixels.tobytes())


def names_of(folder: Path) -> list[str]:
    return [path.name for path in open_clip(folder).paths]


def test_the_real_sweep_follows_its_file_names_and_says_so(data_root):
    clip = open_clip(data_root / "cine")
    assert [path.name for path in clip.paths] == sorted(path.name for path in clip.paths)
    assert [gate.code for gate in frame_order_gates(clip)] == ["frame_order"]
    files = [frames_of(read_dicom_source(path)) for path in clip.paths]
    by_number = sorted(files, key=lambda frames: int(frames.source.header.InstanceNumber))
    assert in_frame_order(by_number) == files
    assert mean_step(files) < 0.9 * mean_step(by_number)


def test_numbers_of_a_text_sort_yield_to_names_that_the_pictures_follow(tmp_path):
    write_sweep(tmp_path, text_order(), list(range(COUNT)))
    assert names_of(tmp_path) == [f"{name}.dcm" for name in range(1, COUNT + 1)]
    assert len(frame_order_gates(open_clip(tmp_path))) == 1


def test_numbers_of_a_text_sort_hold_where_the_pictures_follow_them(tmp_path):
    numbers = text_order()
    write_sweep(tmp_path, numbers, [number - 1 for number in numbers])
    assert names_of(tmp_path) == [f"{numbers.index(number) + 1}.dcm" for number in range(1, COUNT + 1)]
    assert frame_order_gates(open_clip(tmp_path)) == ()


@pytest.mark.parametrize(
    "numbers",
    [list(range(COUNT, 0, -1)), [2, 1, *range(3, COUNT + 1)], list(range(1, COUNT + 1))],
    ids=["reversed", "two swapped", "in order"],
)
def test_other_numbers_are_never_overruled_by_pictures(tmp_path, numbers):
    write_sweep(tmp_path, numbers, list(range(COUNT)))
    assert names_of(tmp_path) == [f"{numbers.index(number) + 1}.dcm" for number in range(1, COUNT + 1)]
    assert frame_order_gates(open_clip(tmp_path)) == ()


def test_a_missing_number_leaves_the_standard_order(tmp_path):
    numbers: list[int | None] = [*text_order()[:-1], None]
    write_sweep(tmp_path, numbers, list(range(COUNT)))
    known = [number for number in numbers if number is not None]
    expected = [f"{known.index(number) + 1}.dcm" for number in sorted(known)]
    assert names_of(tmp_path) == [*expected, f"{COUNT}.dcm"]
    assert frame_order_gates(open_clip(tmp_path)) == ()


def test_a_damaged_frame_leaves_instance_numbers_in_force(tmp_path):
    write_sweep(tmp_path, text_order(), list(range(COUNT)))
    files = [frames_of(read_dicom_source(tmp_path / f"{name}.dcm")) for name in range(1, COUNT + 1)]
    (tmp_path / "5.dcm").write_bytes((tmp_path / "5.dcm").read_bytes()[:-500])
    numbers = [int(frames.source.header.InstanceNumber) for frames in in_frame_order(files)]
    assert numbers == sorted(numbers)


@given(st.lists(st.integers(0, 300), unique=True, max_size=40))
def test_only_a_text_sort_that_differs_from_the_numeric_one_is_suspect(numbers):
    assert not numbered_as_text(sorted(numbers))
    as_text = sorted(numbers, key=str)
    assert numbered_as_text(as_text) == (as_text != sorted(numbers))
    assert not numbered_as_text([*as_text, as_text[0]] if as_text else [])


def test_digits_in_names_count_as_numbers():
    ordered = sorted(["f10.dcm", "f2.dcm", "f1.dcm"], key=lambda name: natural_key(Path(name)))
    assert ordered == ["f1.dcm", "f2.dcm", "f10.dcm"]
