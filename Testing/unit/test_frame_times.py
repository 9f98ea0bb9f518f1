"""Times of frames, from the attribute that tells them best."""

from itertools import pairwise

import pytest
import ultrasound_files as us
from BreastUSAssistLib.ultrasound.frame_times import frame_times_of
from BreastUSAssistLib.ultrasound.reading import open_clip
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset


def header(**told):
    ds = Dataset()
    for keyword, value in told.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("told", "times"),
    [
        ({"FrameTime": 40}, (0, 40, 80)),
        ({"FrameTimeVector": [0, 40, 60]}, (0, 40, 100)),
        ({"FrameTimeVector": [33, 40, 60]}, (0, 40, 100)),
        ({"FrameTimeVector": [40, 60]}, (0, 40, 100)),
        ({"CineRate": 20}, (0, 50, 100)),
        ({"RecommendedDisplayFrameRate": 10, "CineRate": 0}, (0, 100, 200)),
        ({"ActualFrameDuration": 25}, (0, 25, 50)),
        ({"FrameTime": 40, "CineRate": 99}, (0, 40, 80)),
        ({"FrameTime": 40, "FrameTimeVector": [0, 1, 2]}, (0, 1, 3)),
        ({"FrameTime": 40, "FrameTimeVector": [0, 1, 2], "FrameIncrementPointer": 0x00181063}, (0, 40, 80)),
        ({"FrameTime": 40, "FrameTimeVector": [0, 1]}, (0, 40, 80)),
        ({"FrameTime": 40, "FrameTimeVector": [0, 1, 2, 3, 4]}, (0, 40, 80)),
        ({"FrameTime": 0, "CineRate": 10}, (0, 100, 200)),
        ({"FrameTime": None, "FrameTimeVector": [0, -5, 5]}, None),
        ({"FrameTimeVector": [0, 0, 0]}, None),
        ({}, None),
    ],
)
def test_sources_in_their_order(told, times):
    found = frame_times_of(header(**told), 3)
    assert found == (None if times is None else pytest.approx(times))


def test_a_still_has_no_times():
    assert frame_times_of(header(FrameTime=40), 1) is None


def test_enhanced_objects_tell_positions_or_durations_per_frame():
    groups = []
    for offset in (1.5, 1.6, 1.8):
        group = header(TemporalPositionSequence=[header(TemporalPositionTimeOffset=offset)])
        groups.append(group)
    assert frame_times_of(header(PerFrameFunctionalGroupsSequence=groups), 3) == pytest.approx((0, 100, 300))
    groups = [header(FrameContentSequence=[header(FrameAcquisitionDuration=20.0)]) for _ in range(3)]
    assert frame_times_of(header(PerFrameFunctionalGroupsSequence=groups), 3) == pytest.approx((0, 20, 40))


@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=50))
def test_vectors_start_at_zero_and_never_go_back(vector):
    rounded = [round(value, 3) for value in vector]
    times = frame_times_of(header(FrameTimeVector=rounded), len(rounded))
    if times is not None:
        assert times[0] == 0
        assert all(early <= late for early, late in pairwise(times))
        assert times[-1] == pytest.approx(sum(rounded[1:]))


def test_frames_carry_their_times(tmp_path):
    frames = us.picture(3)
    clip = open_clip(us.write(tmp_path / "a.dcm", us.header(frames, FrameTime=50), frames.tobytes()))
    assert clip.times_ms == (0, 50, 100)
    assert clip.frame(2).time_ms == 100


def test_one_frame_files_of_a_series_carry_the_times_of_its_rate(tmp_path):
    us.write_series(tmp_path, 4, CineRate=10)
    assert [frame.time_ms for frame in open_clip(tmp_path)] == [0, 100, 200, 300]


def test_real_files(data_root):
    acuson = open_clip(data_root / "dicom_us" / "DIRW0007_ACUSON_JPEGbaseline_YBR_FULL_422_65frames.dcm")
    assert acuson.times_ms[:3] == pytest.approx((0, 33.333, 83.333))
    assert len(acuson.times_ms) == 65
    assert open_clip(data_root / "dicom_us" / "examples_ybr_color.dcm").times_ms[29] == pytest.approx(29 * 33.333)
    assert open_clip(data_root / "cine").times_ms is None
