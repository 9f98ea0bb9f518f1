"""One lesion seen in many frames of a clip is one lesion: outlines are linked from frame to frame by overlap."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..model.prediction import LesionMask

LEAST_OVERLAP = 0.2
"""Intersection over union at which two outlines are the same lesion."""
LONGEST_GAP = 3
"""Frames in which a lesion may be missed before it counts as another one."""
LONG_CLIP = 10
FEWEST_FRAMES = 3
"""In clips of LONG_CLIP frames or more, a lesion seen in fewer frames than this is taken for a flicker."""
MOST_LESIONS = 100
"""Label values above 100 are other findings (see learning.manifest)."""


@dataclass(eq=False)
class Track:
    """Outlines of one lesion by frame index."""

    masks: dict[int, LesionMask] = field(default_factory=dict)
    settled: int | None = None
    """Index of the key frame once it was chosen, so that a better outline in it does not move it."""

    @property
    def last(self) -> int:
        """Index of the last frame in which the lesion was seen."""
        return max(self.masks)

    @property
    def key(self) -> int:
        """Index of the frame that shows the lesion best: largest outline, weighted by the network's confidence."""
        if self.settled is not None:
            return self.settled
        return max(self.masks, key=lambda index: _weight(self.masks[index]))

    @property
    def weight(self) -> float:
        """Area times confidence over all frames; sorts lesions by importance."""
        return sum(_weight(mask) for mask in self.masks.values())


def link_lesions(frames: Sequence[Sequence[LesionMask]]) -> list[Track]:
    """Link the outlines of consecutive frames into lesions, the most prominent first.

    Pairs are linked greedily, best overlap first; an outline that overlaps no earlier one starts a lesion.
    """
    tracks: list[Track] = []
    for index, masks in enumerate(frames):
        open_tracks = [track for track in tracks if index - track.last <= LONGEST_GAP + 1]
        pairs = [
            (shared, track, mask)
            for track in open_tracks
            for mask in masks
            if (shared := overlap(track.masks[track.last], mask)) >= LEAST_OVERLAP
        ]
        linked: set[int] = set()
        for _, track, mask in sorted(pairs, key=lambda pair: -pair[0]):
            if index not in track.masks and id(mask) not in linked:
                track.masks[index] = mask
                linked.add(id(mask))
        tracks.extend(Track({index: mask}) for mask in masks if id(mask) not in linked)
    if len(frames) >= LONG_CLIP:
        tracks = [track for track in tracks if len(track.masks) >= FEWEST_FRAMES]
    return sorted(tracks, key=lambda track: -track.weight)[:MOST_LESIONS]


def label_images(tracks: Sequence[Track], frame_count: int, shape: tuple[int, int]) -> np.ndarray:
    """Label images uint8 (frames, rows, columns): 0 background, n the n-th track."""
    labels = np.zeros((frame_count, *shape), np.uint8)
    for number, track in enumerate(tracks, start=1):
        for index, mask in track.masks.items():
            labels[index][mask.pixels] = number
    return labels


def _weight(mask: LesionMask) -> float:
    return float(mask.pixels.sum()) * (mask.confidence if mask.confidence is not None else 1.0)


def overlap(one: LesionMask, other: LesionMask) -> float:
    """Intersection over union of two outlines of the same frame; 0 where the frames differ in size."""
    if one.pixels.shape != other.pixels.shape:
        return 0.0
    union = np.count_nonzero(one.pixels | other.pixels)
    return np.count_nonzero(one.pixels & other.pixels) / union if union else 0.0
