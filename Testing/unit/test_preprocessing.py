"""The square that the network sees, and the way back."""

import numpy as np
from BreastUSAssistLib.model.preprocessing import Letterbox, network_input
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(40, 500), columns=st.integers(40, 500), top=st.integers(0, 20), left=st.integers(0, 20))
def test_a_disc_comes_back_where_it_was(rows: int, columns: int, top: int, left: int) -> None:
    box = (top, left, rows - 3, columns - 5)
    radius = min(rows - 3 - top, columns - 5 - left) / 4
    centre = ((top + rows - 3) / 2, (left + columns - 5) / 2)
    row, column = np.ogrid[:rows, :columns]
    disc = (np.hypot(row - centre[0], column - centre[1]) < radius).astype(np.uint8) * 255
    letterbox = Letterbox(box, 256)
    square = letterbox.apply(disc)
    back = letterbox.invert(square.astype(np.float32) / 255, disc.shape) >= 0.5
    truth = disc > 0
    assert back.shape == disc.shape
    assert 2 * np.count_nonzero(back & truth) / (np.count_nonzero(back) + np.count_nonzero(truth)) > 0.95
    assert np.allclose(ndimage.center_of_mass(back), ndimage.center_of_mass(truth), atol=1.0)


def test_aspect_is_kept_and_the_rest_is_black() -> None:
    square = Letterbox((0, 0, 100, 400), 256).apply(np.full((100, 400), 200, np.uint8))
    assert (square[:96] == 0).all() and (square[160:] == 0).all() and (square[96:160] == 200).all()


def test_nothing_is_found_outside_the_box() -> None:
    frame = Letterbox((10, 20, 50, 90), 64).invert(np.ones((64, 64), np.float32), (60, 100))
    assert frame[10:50, 20:90].min() > 0.99
    frame[10:50, 20:90] = 0
    assert not frame.any()


def test_network_input_has_the_range_of_the_pretraining() -> None:
    assert network_input(np.array([0, 127, 255], np.uint8)).tolist() == [-127 / 128, 0.0, 1.0]
