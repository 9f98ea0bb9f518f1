"""From a frame to the network's square input and back: aspect kept, rest filled with black ("letterbox")."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..ultrasound.frame import Box


@dataclass(frozen=True)
class Letterbox:
    """How the part `box` of a frame lies in a square of `size` pixels: scaled to fit, centred."""

    box: Box
    size: int

    @property
    def scaled(self) -> tuple[int, int]:
        """Rows and columns of the scaled part."""
        rows, columns = self.box[2] - self.box[0], self.box[3] - self.box[1]
        scale = self.size / max(rows, columns)
        return max(1, round(rows * scale)), max(1, round(columns * scale))

    @property
    def offset(self) -> tuple[int, int]:
        """Row and column of the scaled part's top-left corner in the square."""
        rows, columns = self.scaled
        return (self.size - rows) // 2, (self.size - columns) // 2

    def apply(self, image: np.ndarray, *, nearest: bool = False) -> np.ndarray:
        """Cut, scale and centre a uint8 image (rows, columns); `nearest` for label images."""
        top, left, bottom, right = self.box
        rows, columns = self.scaled
        method = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
        part = Image.fromarray(np.ascontiguousarray(image[top:bottom, left:right])).resize((columns, rows), method)
        square = np.zeros((self.size, self.size), np.uint8)
        row, column = self.offset
        square[row : row + rows, column : column + columns] = np.asarray(part)
        return square

    def invert(self, square: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Lay a float map (size, size) back onto a frame of `shape` (rows, columns); zero outside `box`."""
        top, left, bottom, right = self.box
        rows, columns = self.scaled
        row, column = self.offset
        part = Image.fromarray(np.ascontiguousarray(square[row : row + rows, column : column + columns], np.float32))
        frame = np.zeros(shape, np.float32)
        scaled = part.resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        frame[top:bottom, left:right] = np.asarray(scaled)
        return frame


def network_input(square: np.ndarray) -> np.ndarray:
    """Scale uint8 grey to the range of the encoder's pretraining, (grey - 127) / 128; float32, same shape."""
    return (square.astype(np.float32) - 127.0) / 128.0
