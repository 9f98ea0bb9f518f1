"""Order of the one-frame files of a sweep.

InstanceNumber (PS3.3 C.7.6.1) decides. Some exporters, however, number files that they listed as text (frame1, frame10,
frame2), which shuffles the sweep; only there, and only where the pictures agree, the file names decide.
"""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import InputError
from .dicom_frames import DicomFrames
from .frame import Clip
from .gates import InputGate
from .header_values import finite, value_of

MOST_STEPS = 64
"""Steps from frame to frame that are measured in each order: enough to tell, and soon done in a long sweep."""
_STRIDE = 4
"""Rows and columns that are compared: every fourth."""

ORDER_NOTE = InputGate(
    "frame_order",
    "note",
    "The files' instance numbers shuffle the sweep, as if counted over names sorted as text, so the frames follow the "
    "file names; check that they run in order.",
)


def in_frame_order(files: Sequence[DicomFrames]) -> list[DicomFrames]:
    """One-frame files by InstanceNumber, then file name; by file name where the numbers are those of a text sort.

    Pixels are decoded in that rare case alone. A file that cannot be decoded leaves InstanceNumber in force.
    """
    by_number = sorted(files, key=lambda frames: (_number_or_last(frames), frames.source.path.name))
    by_name = sorted(files, key=lambda frames: natural_key(frames.source.path))
    if not numbered_as_text([_number(frames) for frames in by_name]):
        return by_number
    try:
        return by_name if mean_step(by_name) < mean_step(by_number) else by_number
    except InputError:
        return by_number


def frame_order_gates(clip: Clip) -> tuple[InputGate, ...]:
    """The note that the frames of a clip do not follow their instance numbers; empty for any other clip."""
    numbers = [finite(value_of(header, "InstanceNumber")) for header in clip.headers]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or known == sorted(known):
        return ()
    return (ORDER_NOTE,)


def numbered_as_text(numbers: Sequence[float | None]) -> bool:
    """Whether whole numbers are in the order of their digits as text (1, 10, 2) and not in that of their values."""
    whole = [int(number) for number in numbers if number is not None and number == int(number) and number >= 0]
    if len(whole) < len(numbers) or len(set(whole)) < len(whole):
        return False
    return whole == sorted(whole, key=str) and whole != sorted(whole)


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key of a file name in which digits count as numbers: frame2 before frame10."""
    parts = re.split(r"([0-9]+)", path.name)
    return [(1, int(part), "") if part.isdecimal() and part.isascii() else (0, 0, part) for part in parts]


def mean_step(files: Sequence[DicomFrames]) -> float:
    """Mean absolute grey-level difference of neighbouring frames, of at most `MOST_STEPS` pairs spread evenly.

    Raises:
        InputError: a frame cannot be decoded.
    """
    pairs = list(pairwise(files))
    chosen = sorted({int(index) for index in np.linspace(0, len(pairs) - 1, min(MOST_STEPS, len(pairs)))})
    # The next pair usually starts with the frame that the last one ended with.
    last: tuple[DicomFrames, np.ndarray] | None = None
    steps = []
    for index in chosen:
        early, late = pairs[index]
        before = last[1] if last is not None and last[0] is early else _thinned(early)
        last = late, _thinned(late)
        steps.append(float(np.abs(last[1] - before).mean()))
    return float(np.mean(steps)) if steps else 0.0


def _thinned(frames: DicomFrames) -> np.ndarray:
    return frames(0).grey[::_STRIDE, ::_STRIDE].astype(np.int16)


def _number(frames: DicomFrames) -> float | None:
    return finite(value_of(frames.source.header, "InstanceNumber"))


def _number_or_last(frames: DicomFrames) -> float:
    number = _number(frames)
    return math.inf if number is None else number
