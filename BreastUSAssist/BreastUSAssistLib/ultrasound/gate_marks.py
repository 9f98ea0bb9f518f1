"""Calipers, text and other graphics burnt into tissue.

Speckle is never thin sideways: the beam is several pixels wide. A bright upright stroke of one to three pixels, or a
thin bright cross, was therefore drawn. Thresholds were set on 2,133 breast images of three public sets.
"""

import numpy as np

STROKE_STEP = 45
CROSS_STEP = 15
REACH = 6


def drawn_marks(grey: np.ndarray) -> bool:
    """Whether crosses or letters are drawn over the tissue: uint8 (rows, columns), tissue only.

    A margin of 1/20 is left out: depth scales and the probe's mark stand there, beside the tissue that matters.
    """
    rows, columns = grey.shape
    top, left = max(rows // 20, 2), max(columns // 20, 2)
    tissue = grey[top : rows - top, left : columns - left].astype(np.int16)
    if min(tissue.shape) < 4 * REACH:
        return False
    return bool(_strokes(tissue).max() >= STROKE_STEP or _crosses(tissue).max() >= CROSS_STEP)


def _strokes(tissue: np.ndarray) -> np.ndarray:
    """Least step to both sides, 3 pixels away, over 5 rows in a column."""
    step = None
    for down in range(-2, 3):
        here = _shifted(tissue, down, 0) - np.maximum(_shifted(tissue, down, -3), _shifted(tissue, down, 3))
        step = here if step is None else np.minimum(step, here)
    assert step is not None
    return step


def _crosses(tissue: np.ndarray) -> np.ndarray:
    """Darkest pixel of an upright cross of 7 x 7 pixels less the brightest of those between its arms."""
    arms = _shifted(tissue, 0, 0)
    for reach in (1, 2, 3):
        for down, right in ((0, reach), (0, -reach), (reach, 0), (-reach, 0)):
            arms = np.minimum(arms, _shifted(tissue, down, right))
    between = None
    for reach in (2, 3):
        for down, right in ((reach, reach), (-reach, reach), (reach, -reach), (-reach, -reach)):
            corner = _shifted(tissue, down, right)
            between = corner if between is None else np.maximum(between, corner)
    crosses: np.ndarray = arms - between
    return crosses


def _shifted(values: np.ndarray, down: int, right: int) -> np.ndarray:
    rows, columns = values.shape
    return values[REACH + down : rows - REACH + down, REACH + right : columns - REACH + right]
