"""Outlines of many frames become lesions."""

import numpy as np
from BreastUSAssistLib.model.prediction import LesionMask
from BreastUSAssistLib.service.tracking import label_images, link_lesions
from hypothesis import given
from hypothesis import strategies as st

SHAPE = (60, 80)


def outline(top: int, left: int, size: int, confidence: float = 0.9) -> LesionMask:
    pixels = np.zeros(SHAPE, bool)
    pixels[top : top + size, left : left + size] = True
    return LesionMask(pixels, "automatic", confidence)


def test_two_drifting_lesions_stay_two() -> None:
    frames = [[outline(5, 5 + i, 12), outline(40, 60 - i, 15)] for i in range(12)]
    tracks = link_lesions([masks[:: 1 if i % 2 else -1] for i, masks in enumerate(frames)])
    assert [len(track.masks) for track in tracks] == [12, 12]
    assert all(track.masks[i] is frames[i][1] for track in tracks[:1] for i in range(12)), "the larger one comes first"


def test_a_gap_is_bridged_and_a_longer_one_is_not() -> None:
    def seen(missing: range) -> int:
        return len(link_lesions([[] if i in missing else [outline(20, 30, 14)] for i in range(20)]))

    assert seen(range(8, 11)) == 1
    assert seen(range(8, 12)) == 2


def test_a_flicker_in_a_long_clip_is_no_lesion_but_counts_in_a_short_one() -> None:
    lesion, flicker = outline(20, 30, 14), outline(2, 2, 6)
    assert len(link_lesions([[lesion, flicker]])) == 2
    assert len(link_lesions([[lesion, flicker] if i == 4 else [lesion] for i in range(12)])) == 1


def test_the_key_frame_shows_the_lesion_largest() -> None:
    tracks = link_lesions([[outline(20, 30, size)] for size in (10, 13, 17, 16, 12)])
    assert tracks[0].key == 2


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 70), st.integers(3, 10)), max_size=4), max_size=9)
)
def test_no_outline_is_lost_or_in_two_lesions(frames: list[list[tuple[int, int, int]]]) -> None:
    masks = [[outline(*lesion) for lesion in lesions] for lesions in frames]
    linked = [id(mask) for track in link_lesions(masks) for mask in track.masks.values()]
    assert sorted(linked) == sorted(id(mask) for lesions in masks for mask in lesions)


def test_label_images_hold_the_numbers_of_the_lesions() -> None:
    tracks = link_lesions([[outline(5, 5, 20), outline(40, 60, 10)], [outline(6, 6, 20)]])
    labels = label_images(tracks, 2, SHAPE)
    assert labels.dtype == np.uint8
    assert [np.bincount(frame.ravel()).tolist()[1:] for frame in labels] == [[400, 100], [400]]
