"""Frames and masks of an export as PNG: lossless, 8 bits, and the same bytes for the same pixels."""

from pathlib import Path

import numpy as np

from ..errors import OutputError

LESION = 1
"""Value of every lesion in masks for training; 0 is background."""


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 pixels, (rows, columns) or (rows, columns, 3).

    Raises:
        OutputError: the file cannot be written.
    """
    from PIL import Image

    try:
        Image.fromarray(pixels).save(path, format="PNG", compress_level=4)
    except OSError as error:
        raise OutputError(f"{path} could not be written ({error.strerror}); free space.") from error


def grey_of(pixels: np.ndarray) -> np.ndarray:
    """Luminance as the models see it, uint8, (rows, columns)."""
    from ..ultrasound.frame import SourceReference, UltrasoundFrame

    return UltrasoundFrame(np.asarray(pixels), SourceReference(Path())).grey


def lesion_mask(labels: np.ndarray) -> np.ndarray:
    """Where any lesion is: uint8, LESION or 0, of a label image (rows, columns)."""
    return np.where(labels > 0, LESION, 0).astype(np.uint8)
