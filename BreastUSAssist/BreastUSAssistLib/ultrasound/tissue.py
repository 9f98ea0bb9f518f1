"""Where the tissue is in a frame, and how coloured its pixels are."""

import numpy as np

from .frame import Box, UltrasoundFrame

BLOCK = 4
"""Side of the blocks in which occupancy is counted, pixels."""
BACKGROUND_STEP = 4
"""Grey levels above the surrounds from which a pixel counts as filled: a screen's surrounds are constant."""


def tissue_box(frame: UltrasoundFrame) -> Box:
    """The rectangle of B-mode tissue: of the largest tissue region, else found from the pixels.

    A frame without black surrounds (an image already cropped to the tissue) is tissue as a whole.
    """
    regions = [region.box for region in frame.regions if region.is_tissue]
    if regions:
        return max(regions, key=box_area)
    panels = tissue_panels(frame.grey)
    return panels[0] if panels else (0, 0, frame.rows, frame.columns)


def tissue_panels(grey: np.ndarray) -> list[Box]:
    """Boxes of the filled panels in uint8 (rows, columns), largest first; captions, scales and bars are left out.

    One panel that reaches from edge to edge across the top is the whole frame: the dark below it is deep tissue.
    """
    from scipy.ndimage import binary_closing, find_objects, label

    rows, columns = grey.shape
    if min(rows, columns) < 8 * BLOCK:
        return [(0, 0, rows, columns)]
    filled = _filled_blocks(grey)
    labels, _ = label(binary_closing(filled, np.ones((3, 3)), border_value=0) | filled)
    boxes = []
    for number, window in enumerate(find_objects(labels), start=1):
        extent = (window[0].stop - window[0].start) * (window[1].stop - window[1].start)
        if extent * 20 < labels.size:
            continue
        top, left, bottom, right = _trimmed(labels[window] == number)
        top, bottom = (window[0].start + top) * BLOCK, (window[0].start + bottom) * BLOCK
        left, right = (window[1].start + left) * BLOCK, (window[1].start + right) * BLOCK
        boxes.append(_exact(grey, (top, left, min(bottom, rows), min(right, columns))))
    boxes.sort(key=box_area, reverse=True)
    if len(boxes) == 1:
        top, left, _, right = boxes[0]
        if top <= 0.03 * rows + BLOCK and left <= 0.03 * columns + BLOCK and right >= 0.97 * columns - BLOCK:
            return [(0, 0, rows, columns)]
    return boxes


def box_area(box: Box) -> int:
    """Pixels in a box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def inside(pixels: np.ndarray, box: Box) -> np.ndarray:
    """The part of `pixels` in `box`, a view."""
    return pixels[box[0] : box[2], box[1] : box[3]]


def surround_level(grey: np.ndarray) -> int:
    """Grey level of the surrounds: the commonest dark level at the frame's edge; 0 where the edge is tissue."""
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    counts = np.bincount(edge, minlength=256)
    level = int(counts.argmax())
    return level if level < 80 and counts[level] > 0.25 * edge.size else 0


def colourfulness(rgb: np.ndarray) -> np.ndarray:
    """How far each pixel is from the image's own grey map: float32 (rows, columns), grey levels, from uint8 RGB.

    A tinted grey map (sepia, blue) gives each brightness one colour; colour flow and elastograms do not. What is
    measured is therefore the distance from the commonest (median) tint among pixels of the same brightness.
    """
    red, green, blue = (rgb[..., channel].astype(np.int16) for channel in range(3))
    brightness = (red + 2 * green + blue) >> 6
    first, second = red - green, blue - green
    tint = np.zeros((2, 16), np.int16)
    sample = (slice(None, None, 4), slice(None, None, 4))
    for step in range(16):
        at_step = brightness[sample] == step
        if np.count_nonzero(at_step) > 8:
            tint[:, step] = np.median(first[sample][at_step]), np.median(second[sample][at_step])
    distance: np.ndarray = np.maximum(np.abs(first - tint[0][brightness]), np.abs(second - tint[1][brightness]))
    return distance.astype(np.float32)


def _filled_blocks(grey: np.ndarray) -> np.ndarray:
    """Blocks of which most pixels differ from the surrounds: bool (rows / BLOCK, columns / BLOCK), rounded up."""
    level = surround_level(grey)
    filled = (grey > level + BACKGROUND_STEP) | (grey < level - BACKGROUND_STEP if level > BACKGROUND_STEP else False)
    rows, columns = (-(-size // BLOCK) * BLOCK for size in grey.shape)
    filled = np.pad(filled, ((0, rows - grey.shape[0]), (0, columns - grey.shape[1])), mode="edge")
    counts = np.add.reduceat(
        np.add.reduceat(filled.view(np.uint8), range(0, rows, BLOCK), 0), range(0, columns, BLOCK), 1
    )
    blocks: np.ndarray = counts > 0.45 * BLOCK * BLOCK
    return blocks


def _trimmed(filled: np.ndarray) -> Box:
    """Bounds of a component without the thin bits that hang on it: rows and columns at least a twelfth full."""
    across, down = filled.sum(axis=1), filled.sum(axis=0)
    rows = np.flatnonzero(across >= max(across.max() / 12, 1))
    columns = np.flatnonzero(down >= max(down.max() / 12, 1))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _exact(grey: np.ndarray, box: Box) -> Box:
    """Shift the sides of a box found in blocks to the pixel."""
    top, left, bottom, right = box
    level = surround_level(grey) + BACKGROUND_STEP
    top, left = max(top - BLOCK, 0), max(left - BLOCK, 0)
    part = grey[top : bottom + BLOCK, left : right + BLOCK] > level
    rows = np.flatnonzero(part.mean(axis=1) > 0.04)
    columns = np.flatnonzero(part.mean(axis=0) > 0.04)
    if not rows.size or not columns.size:
        return box
    return top + int(rows[0]), left + int(columns[0]), top + int(rows[-1]) + 1, left + int(columns[-1]) + 1
