"""A part of a clip analysed by itself; a cine read as a volume. On phantoms, with the shipped models."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.birads.reading_view import effective_analysis, first_reading
from BreastUSAssistLib.birads.volume_axes import measure_volume
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.model.bundle import load_bundle
from BreastUSAssistLib.model.predictor import Predictor, open_predictor
from BreastUSAssistLib.service.analyze import CaseResult, analyze_clip
from BreastUSAssistLib.service.frame_range import (
    analysis_in_whole,
    clip_of_frames,
    images_in_whole,
    result_in_whole,
)
from BreastUSAssistLib.ultrasound.frame import Clip, PixelSpacing
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_dicom
from BreastUSAssistLib.ultrasound.phantom_spec import LesionSpec, PhantomSpec
from BreastUSAssistLib.ultrasound.reading import open_clip
from hypothesis import given
from hypothesis import strategies as st

FRAMES = 11
STEP_MM = 1.0
LEXICON = load_lexicon()


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return open_predictor(load_bundle(), "auto", "cpu")


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    lesion = LesionSpec("oval", "circumscribed", "hypoechoic", "enhancement", 12.0, -2.0, 13.0, 8.0)
    sweep = STEP_MM * (FRAMES - 1)
    return render(PhantomSpec(300, 400, 0.13, seed=16, lesions=(lesion,), frame_count=FRAMES, sweep_mm=sweep))


@pytest.fixture(scope="module")
def cine(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return open_clip(save_dicom(phantom, tmp_path_factory.mktemp("cine") / "cine.dcm"))


def analyzed(clip: Clip, predictor: Predictor) -> CaseResult:
    uids = count(1)
    return analyze_clip(
        clip, predictor, LEXICON, created=datetime(2026, 1, 2, tzinfo=UTC), new_uid=lambda: f"2.25.{next(uids)}"
    )


@pytest.fixture(scope="module")
def part(cine: Clip, predictor: Predictor) -> CaseResult:
    """Frames 4 to 8 analysed by themselves."""
    return analyzed(clip_of_frames(cine, 4, 8), predictor)


def test_a_part_shows_the_frames_of_the_whole(cine: Clip) -> None:
    part = clip_of_frames(cine, 4, 8)
    assert len(part) == 5 and (part.name, part.kind, part.paths) == (cine.name, cine.kind, cine.paths)
    for index in range(5):
        frame, whole = part.frame(index), cine.frame(index + 3)
        assert np.array_equal(frame.pixels, whole.pixels)
        assert (frame.source.frame_number, frame.time_ms) == (index + 4, whole.time_ms)
    assert part.times_ms is not None and cine.times_ms is not None and part.times_ms == cine.times_ms[3:8]
    assert clip_of_frames(cine, 1, FRAMES) is cine
    with pytest.raises(IndexError):
        part.frame(5)


@pytest.mark.parametrize(("first", "last"), [(0, 3), (4, 3), (4, 12), (-1, 2)])
def test_frames_that_are_not_there_are_one_sentence(cine: Clip, first: int, last: int) -> None:
    with pytest.raises(UsageError, match="choose others"):
        clip_of_frames(cine, first, last)


def test_of_one_file_a_frame_only_those_of_the_part_are_named(data_root: Path) -> None:
    sweep = open_clip(data_root / "cine")
    part = clip_of_frames(sweep, 5, 7)
    assert part.paths == sweep.paths[4:7] and part.headers == sweep.headers[4:7]
    assert part.frame(1).source == sweep.frame(5).source


def test_what_was_found_in_a_part_has_the_numbers_of_the_whole(cine: Clip, part: CaseResult) -> None:
    whole = result_in_whole(part, 4, cine)
    analysis = whole.analysis
    assert [frame.frame_number for frame in analysis.frames] == [4, 5, 6, 7, 8]
    assert [frame.mask for frame in analysis.frames] == [f"masks/{cine.name}_{n:04d}.png" for n in range(4, 9)]
    assert analysis.source.frame_count == FRAMES and analysis.source.kind == "cine"
    assert analysis.source.files == tuple(path.name for path in cine.paths)
    assert analysis.lesions, "the phantom's lesion is in these frames"
    for drafted, lesion in zip(part.analysis.lesions, analysis.lesions, strict=True):
        assert lesion.key_frame == drafted.key_frame + 3
        assert lesion.frames == tuple(number + 3 for number in drafted.frames)
        assert lesion.measurements == drafted.measurements and lesion.tracking_uid == drafted.tracking_uid
    assert all(set(gate.frames) <= set(range(4, 9)) and gate.frames for gate in analysis.gates)
    assert whole.labels.shape == (FRAMES, 300, 400) and np.array_equal(whole.labels[3:8], part.labels)
    assert not whole.labels[:3].any() and not whole.labels[8:].any()
    assert set(whole.key_frames) == {lesion.key_frame for lesion in analysis.lesions}
    for number, frame in whole.key_frames.items():
        assert frame.source.frame_number == number
    outlined = [frame.frame_number for frame in analysis.frames if 1 in frame.lesions]
    assert tuple(outlined) == analysis.lesions[0].frames


def test_one_frame_of_a_cine_is_analysed_as_a_still_and_stays_in_its_cine(cine: Clip, predictor: Predictor) -> None:
    result = analyzed(clip_of_frames(cine, 6, 6), predictor)
    assert result.analysis.frames[0].mask == f"masks/{cine.name}.png"
    analysis = analysis_in_whole(result.analysis, 6, FRAMES, cine)
    assert analysis.frames[0].mask == f"masks/{cine.name}_0006.png"
    assert {lesion.key_frame for lesion in analysis.lesions} == {6}
    exported = effective_analysis([analysis], first_reading(analysis), LEXICON)
    assert [frame.frame_number for frame in exported.frames] == list(range(1, FRAMES + 1))
    assert [frame.normal is not None for frame in exported.frames] == [number == 6 for number in range(1, FRAMES + 1)]


def test_the_whole_clip_stays_as_it_is(cine: Clip, part: CaseResult) -> None:
    whole = analysis_in_whole(part.analysis, 1, 5)
    assert whole is part.analysis
    with pytest.raises(UsageError, match="analyze again"):
        analysis_in_whole(part.analysis, 9, FRAMES)
    with pytest.raises(UsageError, match="analyze again"):
        analysis_in_whole(part.analysis, 0, FRAMES)


@given(frames=st.integers(1, 6), before=st.integers(0, 5), after=st.integers(0, 5))
def test_label_images_come_to_their_place(frames: int, before: int, after: int) -> None:
    images = np.random.default_rng(frames).integers(0, 9, (frames, 3, 4)).astype(np.uint8)
    whole = images_in_whole(images, before + 1, before + frames + after)
    assert whole.shape == (before + frames + after, 3, 4) and whole.dtype == np.uint8
    assert np.array_equal(whole[before : before + frames], images)
    assert int(whole.sum()) == int(images.sum())
    with pytest.raises(UsageError):
        images_in_whole(images, before + 1, before + frames - 1)


def test_a_volume_is_read_slice_by_slice_and_its_lesion_has_three_axes(
    cine: Clip, phantom: Phantom, predictor: Predictor
) -> None:
    volume = replace(cine, kind="volume", slice_mm=STEP_MM)
    result = analyzed(volume, predictor)
    (lesion,) = result.analysis.lesions
    truth = {index + 1: mask > 0 for index, mask in enumerate(phantom.masks)}
    wanted = measure_volume(truth, PixelSpacing(0.13, 0.13, "user"), STEP_MM)
    axes = lesion.volume_axes
    assert axes is not None and axes.longest_axis.mm is not None and axes.across_slices.mm is not None
    assert axes.longest_axis.mm == pytest.approx(wanted.longest_axis.mm, rel=0.15)
    assert axes.perpendicular_axis.mm == pytest.approx(wanted.perpendicular_axis.mm, rel=0.2)
    assert axes.across_slices.mm == pytest.approx(wanted.across_slices.mm, abs=2 * STEP_MM)
    assert axes.volume_ml == pytest.approx(wanted.volume_ml, rel=0.3)
    assert axes.voxels == int((result.labels == 1).sum())
    part = analyzed(clip_of_frames(volume, 3, 9), predictor)
    moved = analysis_in_whole(part.analysis, 3, FRAMES, volume)
    assert moved.lesions[0].volume_axes is not None
    assert moved.lesions[0].volume_axes.axis_frame in moved.lesions[0].frames
