"""When each frame of a cine was taken (DICOM PS3.3 C.7.6.5, C.7.6.16.2.2 and C.7.6.16.2.10)."""

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from .header_values import finite, finite_list, items_of, positive, value_of

if TYPE_CHECKING:
    from pydicom import Dataset

_FRAME_TIME = 0x00181063


def frame_times_of(header: "Dataset", count: int) -> tuple[float, ...] | None:
    """Time of each of `count` frames in ms since the first; None where the header does not say.

    In order: what FrameIncrementPointer points at, FrameTimeVector, FrameTime, temporal positions and frame durations
    of an enhanced object, CineRate, RecommendedDisplayFrameRate. Values that are not positive and finite are passed
    over.
    """
    if count < 2:
        return None
    pointed = value_of(header, "FrameIncrementPointer")
    by_time = [_by_vector, _by_frame_time]
    if pointed == _FRAME_TIME:
        by_time.reverse()
    for read in (*by_time, _by_temporal_position, _by_frame_duration, _by_rate):
        times = read(header, count)
        if times is not None:
            return times
    return None


def _by_vector(header: "Dataset", count: int) -> tuple[float, ...] | None:
    """Increments between frames; the first should be 0 (C.7.6.5.1.2) and is left out even where it is not."""
    increments = finite_list(value_of(header, "FrameTimeVector"))
    if len(increments) == count:
        increments = increments[1:]
    elif 0.0 in increments:
        return None
    if len(increments) != count - 1 or any(value < 0 for value in increments) or not any(increments):
        return None
    return tuple(accumulate(increments, initial=0.0))


def _by_frame_time(header: "Dataset", count: int) -> tuple[float, ...] | None:
    return _evenly(positive(value_of(header, "FrameTime")), count)


def _by_temporal_position(header: "Dataset", count: int) -> tuple[float, ...] | None:
    """TemporalPositionTimeOffset of each frame, in seconds, where it grows."""
    seconds = []
    for group in items_of(header, "PerFrameFunctionalGroupsSequence"):
        items = items_of(group, "TemporalPositionSequence")
        offset = finite(value_of(items[0], "TemporalPositionTimeOffset")) if items else None
        if offset is None:
            return None
        seconds.append(offset)
    if len(seconds) != count or any(late < early for early, late in pairwise(seconds)) or seconds[-1] == seconds[0]:
        return None
    return tuple((second - seconds[0]) * 1000 for second in seconds)


def _by_frame_duration(header: "Dataset", count: int) -> tuple[float, ...] | None:
    """ActualFrameDuration in ms: of the whole clip, or FrameAcquisitionDuration of each frame of an enhanced object."""
    durations = []
    for group in items_of(header, "PerFrameFunctionalGroupsSequence"):
        items = items_of(group, "FrameContentSequence")
        durations.append(positive(value_of(items[0], "FrameAcquisitionDuration")) if items else None)
    known = [duration for duration in durations if duration is not None]
    if len(known) == count:
        return tuple(accumulate(known[:-1], initial=0.0))
    return _evenly(positive(value_of(header, "ActualFrameDuration")), count)


def _by_rate(header: "Dataset", count: int) -> tuple[float, ...] | None:
    rate = positive(value_of(header, "CineRate")) or positive(value_of(header, "RecommendedDisplayFrameRate"))
    return _evenly(1000 / rate if rate else None, count)


def _evenly(step_ms: float | None, count: int) -> tuple[float, ...] | None:
    return tuple(index * step_ms for index in range(count)) if step_ms else None
