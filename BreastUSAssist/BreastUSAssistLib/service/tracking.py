"""One lesion seen in many frames of a clip is one lesion: outlines are linked from frame to frame by overlap.

In a cine a lesion is missed for moments, and keeps its size from one frame to the next. In a volume it is missed over
a depth, so that the rules are in mm, and towards its poles it shrinks quickly: a small outline within the one of the
slice beside is the same lesion, however little it is of it. What splits in two towards a pole stays one lesion.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..model.prediction import LesionMask
from ..ultrasound.frame import ClipKind

LEAST_OVERLAP = 0.2
"""Intersection over union at which two outlines are the same lesion."""
LONGEST_GAP = 3
"""Frames in which a lesion may be missed before it counts as another one."""
LONG_CLIP = 10
FEWEST_FRAMES = 3
"""In clips of LONG_CLIP frames or more, a lesion seen in fewer frames than this is taken for a flicker."""
LEAST_SHARED = 0.5
"""Share of the smaller of two outlines in slices of a volume that has to lie within the other."""
SLICES_MM = 1.5
"""Depth of a volume over which a lesion may be missed, and below which what is seen is taken for a flicker."""
MOST_LESIONS = 100
"""Label values above 100 are other findings (see learning.manifest)."""


@dataclass(frozen=True)
class LinkRules:
    """What makes outlines of different frames one lesion."""

    longest_gap: int = LONGEST_GAP
    """Frames in which a lesion may be missed."""
    fewest_frames: int = FEWEST_FRAMES
    """In clips of LONG_CLIP frames or more."""
    slices: bool = False
    """Whether the frames are slices of a volume."""


def rules_for(kind: ClipKind, slice_mm: float | None) -> LinkRules:
    """Rules of a clip: for a volume as many slices as there are in SLICES_MM, at most those of a cine.

    Slices further apart bridge no gap, and one of them makes a lesion. Where the distance is not known a lesion may be
    missed in one slice and has to be seen in two.
    """
    if kind != "volume":
        return LinkRules()
    if not slice_mm:
        return LinkRules(longest_gap=1, fewest_frames=2, slices=True)
    gap = min(int(SLICES_MM / slice_mm + 1e-9), LONGEST_GAP)
    fewest = max(1, min(math.ceil(SLICES_MM / slice_mm - 1e-9), FEWEST_FRAMES))
    return LinkRules(longest_gap=gap, fewest_frames=fewest, slices=True)


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


def link_lesions(frames: Sequence[Sequence[LesionMask]], rules: LinkRules | None = None) -> list[Track]:
    """Link the outlines of consecutive frames into lesions, the most prominent first.

    Pairs are linked greedily, best overlap first; an outline that overlaps no earlier one starts a lesion. None stands
    for the rules of a cine.
    """
    rules = rules or LinkRules()
    tracks: list[Track] = []
    for index, masks in enumerate(frames):
        open_tracks = [track for track in tracks if index - track.last <= rules.longest_gap + 1]
        pairs = [
            (overlap(track.masks[track.last], mask), track, mask)
            for track in open_tracks
            for mask in masks
            if _same(track.masks[track.last], mask, rules)
        ]
        linked: set[int] = set()
        for _, track, mask in sorted(pairs, key=lambda pair: -pair[0]):
            if index not in track.masks and id(mask) not in linked:
                track.masks[index] = mask
                linked.add(id(mask))
        tracks.extend(Track({index: mask}) for mask in masks if id(mask) not in linked)
    if rules.slices:
        tracks = _branches_joined(tracks)
    if len(frames) >= LONG_CLIP:
        tracks = [track for track in tracks if len(track.masks) >= rules.fewest_frames]
    return sorted(tracks, key=lambda track: -track.weight)[:MOST_LESIONS]


def label_images(tracks: Sequence[Track], frame_count: int, shape: tuple[int, int]) -> np.ndarray:
    """Label images uint8 (frames, rows, columns): 0 background, n the n-th track."""
    labels = np.zeros((frame_count, *shape), np.uint8)
    for number, track in enumerate(tracks, start=1):
        for index, mask in track.masks.items():
            labels[index][mask.pixels] = number
    return labels


def _same(one: LesionMask, other: LesionMask, rules: LinkRules) -> bool:
    if rules.slices:
        return _shared(one, other) >= LEAST_SHARED
    return overlap(one, other) >= LEAST_OVERLAP


def _shared(one: LesionMask, other: LesionMask) -> float:
    """Share of the smaller of two outlines that lies within the other."""
    if one.pixels.shape != other.pixels.shape:
        return 0.0
    smaller = min(np.count_nonzero(one.pixels), np.count_nonzero(other.pixels))
    return np.count_nonzero(one.pixels & other.pixels) / smaller if smaller else 0.0


def _branches_joined(tracks: list[Track]) -> list[Track]:
    """Lesions of a volume, those that begin or end on a heavier one in the slice beside joined with it."""
    trunks: list[Track] = []
    for track in sorted(tracks, key=lambda one: -one.weight):
        ends = ((min(track.masks), min(track.masks) - 1), (track.last, track.last + 1))
        trunk = next(
            (
                one
                for one in trunks
                for end, beside in ends
                if beside in one.masks and _shared(track.masks[end], one.masks[beside]) >= LEAST_SHARED
            ),
            None,
        )
        if trunk is None:
            trunks.append(track)
            continue
        for index, mask in track.masks.items():
            trunk.masks[index] = _both(trunk.masks[index], mask) if index in trunk.masks else mask
    return trunks


def _both(one: LesionMask, other: LesionMask) -> LesionMask:
    """Two outlines of one lesion in one slice; judged as the larger of them was."""
    larger = one if np.count_nonzero(one.pixels) >= np.count_nonzero(other.pixels) else other
    return replace(larger, pixels=one.pixels | other.pixels)


def _weight(mask: LesionMask) -> float:
    return float(mask.pixels.sum()) * (mask.confidence if mask.confidence is not None else 1.0)


def overlap(one: LesionMask, other: LesionMask) -> float:
    """Intersection over union of two outlines of the same frame; 0 where the frames differ in size."""
    if one.pixels.shape != other.pixels.shape:
        return 0.0
    union = np.count_nonzero(one.pixels | other.pixels)
    return np.count_nonzero(one.pixels & other.pixels) / union if union else 0.0
