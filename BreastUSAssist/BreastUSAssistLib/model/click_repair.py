"""The outline that a reader's marks allow: which parts stay, and what is done where the network went against a mark."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import ndimage

from .prompt import Point, Polyline, Prompt, drawn_lines, pixel_of

POINTED_WIDTH = 0.8
"""Standard deviation of the lean towards a new click, in distances from it to the previous outline."""
POINTED_WEIGHT = 4.0
"""Log-odds of that lean at the click itself."""
NUDGE_WIDTH = 1.8
"""Standard deviation of a nudge, in distances from the click to the outline."""
NUDGE_REACH = 0.25
"""Largest distance to the outline that a nudge goes by, as a share of the square."""
NUDGE_MARGIN = 1.5
"""Log-odds by which a nudged click is on its own side of the threshold."""


def chosen_parts(inside: np.ndarray, prompt: Prompt) -> np.ndarray:
    """Keep the connected parts (4-neighbours) of the lesion that is meant; holes without a negative point are filled.

    Kept are parts that hold a positive point or touch a positive scribble or the previous mask, and parts that lie
    mostly in the box (or, when no part does, the one that shares most with it).

    Args:
        inside: bool (rows, columns), what the network takes for lesion.
        prompt: in pixels of `inside`.
    """
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    answer = np.zeros(inside.shape, bool)
    if not rows.size:
        return answer
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    numbered, count = ndimage.label(inside[window])
    whole = np.zeros(inside.shape, numbered.dtype)
    whole[window] = numbered
    meant = np.zeros(count + 1, bool)
    meant[[whole[pixel] for pixel in _pixels(prompt.positive_points, inside.shape)]] = True
    if prompt.positive_scribbles:
        meant[np.unique(whole[_lines(prompt.positive_scribbles, inside.shape)])] = True
    if prompt.mask is not None:
        meant[np.unique(whole[prompt.mask])] = True
    if prompt.box is not None:
        top, left, bottom, right = (max(edge, 0) for edge in prompt.box)
        boxed = np.bincount(whole[top:bottom, left:right].ravel(), minlength=count + 1)
        boxed[0] = 0
        mostly = 2 * boxed > np.bincount(numbered.ravel(), minlength=count + 1)
        if not (meant[1:].any() or mostly.any()) and boxed.any():
            mostly[np.argmax(boxed)] = True
        meant |= mostly
    meant[0] = False
    negative = [
        (row - window[0].start, column - window[1].start)
        for row, column in _pixels(prompt.negative_points, inside.shape)
    ]
    answer[window] = _filled(meant[numbered], negative)
    return answer


def pointed(
    logits: np.ndarray, previous: np.ndarray, positive: Sequence[tuple[int, int]], negative: Sequence[tuple[int, int]]
) -> np.ndarray:
    """The network's answer, leaning towards each click that contradicts the previous outline.

    A reader points at the middle of what is wrong, so that the same holds about as far as the previous outline is away:
    the log-odds are raised (or lowered) by a Gaussian as wide as that distance. Where the network is sure it keeps its
    say. Clicks that the previous outline already agrees with were heard before and change nothing.

    Args:
        logits: of lesion, float32 (size, size).
        previous: the outline before, bool (size, size); empty where there was none, and nothing changes then.
        positive: pixels of the square that are lesion; those outside it are passed over.
        negative: pixels that are not.
    """
    if not previous.any():
        return logits
    rows, columns = (np.arange(length, dtype=np.float32) for length in logits.shape)
    for pixels, sign in ((positive, 1.0), (negative, -1.0)):
        for row, column in pixels:
            if not (0 <= row < logits.shape[0] and 0 <= column < logits.shape[1]):
                continue
            if previous[row, column] == (sign > 0):
                continue
            border = np.argwhere(previous != previous[row, column])
            distance = float(np.hypot(*(border - (row, column)).T).min()) if len(border) else 0.0
            reach = POINTED_WIDTH * min(distance, NUDGE_REACH * max(logits.shape))
            falling = -1 / (2 * max(reach, 0.5) ** 2)
            shape = np.outer(np.exp(falling * (rows - row) ** 2), np.exp(falling * (columns - column) ** 2))
            logits = logits + np.float32(sign * POINTED_WEIGHT) * shape
    return logits


def nudged(
    logits: np.ndarray, positive: Sequence[tuple[int, int]], negative: Sequence[tuple[int, int]], threshold: float = 0.0
) -> np.ndarray:
    """The network's answer, bent about each click that it goes against.

    A click says more than its own pixel: a reader points at the middle of what is wrong, so about as far as the outline
    is away, the same holds. The log-odds are raised (or lowered) by a Gaussian about the click, as high as it takes
    there and as wide as the outline is far; where the network is surer than that, it keeps its say. Clicks that it
    follows change nothing. That clicks are constraints which the answer has to meet is the idea of BRS (Jang and Kim,
    CVPR 2019); here without its optimisation.

    Args:
        logits: of lesion, float32 (size, size).
        positive: pixels of the square that are lesion; those outside it are passed over.
        negative: pixels that are not.
        threshold: logit at which the outline is drawn.
    """
    bent = logits - np.float32(threshold)
    rows, columns = (np.arange(length, dtype=np.float32) for length in bent.shape)
    for pixels, sign in ((positive, 1.0), (negative, -1.0)):
        for row, column in pixels:
            if not (0 <= row < bent.shape[0] and 0 <= column < bent.shape[1]) or bent[row, column] * sign > 0:
                continue
            other = np.argwhere(bent * sign > 0)
            reach = NUDGE_REACH * max(bent.shape)
            if len(other):
                reach = min(reach, float(np.hypot(*(other - (row, column)).T).min()))
            falling = -1 / (2 * (NUDGE_WIDTH * reach) ** 2)
            shape = np.outer(np.exp(falling * (rows - row) ** 2), np.exp(falling * (columns - column) ** 2))
            bent = bent + (sign * NUDGE_MARGIN - bent[row, column]) * shape
    return bent + np.float32(threshold)


def obeying(inside: np.ndarray, prompt: Prompt, radius: float) -> np.ndarray:
    """The outline with each mark obeyed; where it is already, nothing changes.

    A positive point outside the outline adds a disk of `radius` pixels about it, a negative point inside takes one
    away; a disk reaches at most half way to the nearest point of the other sign. Of a scribble its line alone is added
    or taken away. Points are stronger than scribbles. This is the least that does what the reader said: it claims
    nothing of the pixels beyond.
    """
    answer = inside.copy()
    for lines, value in ((prompt.positive_scribbles, True), (prompt.negative_scribbles, False)):
        if lines:
            answer[_lines(lines, inside.shape)] = value
    positive, negative = _pixels(prompt.positive_points, inside.shape), _pixels(prompt.negative_points, inside.shape)
    for pixels, others, value in ((positive, negative, True), (negative, positive, False)):
        for pixel in pixels:
            if answer[pixel] != value:
                _paint_disk(answer, pixel, _reach(pixel, others, radius), value)
    return answer


def _reach(pixel: tuple[int, int], others: Sequence[tuple[int, int]], radius: float) -> float:
    """The radius, but less than half way to the nearest of the other points."""
    if not others:
        return radius
    nearest = float(np.hypot(*(np.asarray(others) - pixel).T).min())
    return min(radius, max(nearest / 2 - 0.5, 0))


def _paint_disk(mask: np.ndarray, centre: tuple[int, int], radius: float, value: bool) -> None:
    reach = int(radius)
    top, left = max(centre[0] - reach, 0), max(centre[1] - reach, 0)
    part = mask[top : centre[0] + reach + 1, left : centre[1] + reach + 1]
    rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    part[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2] = value


def _pixels(points: Iterable[Point], shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Pixels of those points that lie inside `shape`."""
    pixels = map(pixel_of, points)
    return [(row, column) for row, column in pixels if 0 <= row < shape[0] and 0 <= column < shape[1]]


def _lines(lines: Sequence[Polyline], shape: tuple[int, ...]) -> np.ndarray:
    return drawn_lines([np.asarray(line, np.float64) for line in lines], (shape[0], shape[1]), 1)


def _filled(mask: np.ndarray, negative: Iterable[tuple[int, int]]) -> np.ndarray:
    """Holes filled but those with a negative pixel; `ndimage.binary_fill_holes` takes longer the larger a hole is."""
    background, count = ndimage.label(~np.pad(mask, 1))
    outside = np.zeros(count + 1, bool)
    outside[background[0, 0]] = True
    for row, column in negative:
        if 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]:
            outside[background[row + 1, column + 1]] = True
    outside[0] = False
    return ~outside[background[1:-1, 1:-1]]
