"""Ultrasound frames and clips as the rest of the project sees them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

SpacingSource = Literal["ultrasound_region", "pixel_spacing", "image_header", "user"]
ClipKind = Literal["still", "cine", "volume"]
Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels; top and left inside, bottom and right just outside."""


@dataclass(frozen=True)
class PixelSpacing:
    """Distance between pixel centres in mm, always positive, and where it was read from."""

    row_mm: float
    """Between one row and the next (vertical)."""
    column_mm: float
    """Between one column and the next (horizontal)."""
    source: SpacingSource


@dataclass(frozen=True)
class UltrasoundRegion:
    """One item of SequenceOfUltrasoundRegions (DICOM PS3.3 C.8.5.5), its bounds clipped to the frame."""

    box: Box
    spatial_format: int
    """0 none, 1 two-dimensional, 2 M-mode, 3 spectral, 4 waveform, 5 graphics."""
    data_type: int
    """1 tissue, 2 colour flow, 3 pulsed-wave, 4 continuous-wave Doppler, ..."""
    flags: int
    spacing: PixelSpacing | None
    """None unless both directions are in cm (unit code 3) with non-zero deltas."""

    @property
    def is_tissue(self) -> bool:
        """Two-dimensional B-mode tissue, the only kind of region in which lesions are looked for."""
        return self.spatial_format == 1 and self.data_type == 1


@dataclass(frozen=True)
class SourceReference:
    """Where a frame came from."""

    path: Path
    frame_number: int = 1
    """1-based, as ReferencedFrameNumber in DICOM."""
    sop_instance_uid: str | None = None
    sop_class_uid: str | None = None


@dataclass(frozen=True, eq=False)
class UltrasoundFrame:
    """One decoded frame.

    `pixels` is uint8, (rows, columns) for grey or (rows, columns, 3) for RGB; row 0 is the top of the image, and no
    array is ever flipped.
    """

    pixels: np.ndarray
    source: SourceReference
    regions: tuple[UltrasoundRegion, ...] = ()
    pixel_spacing: PixelSpacing | None = None
    """Spacing that holds for the whole frame, where the file gives one; regions come first, see `spacing_in`."""
    time_ms: float | None = None
    """Time since the first frame of the clip."""

    @property
    def rows(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def columns(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @cached_property
    def grey(self) -> np.ndarray:
        """Luminance (ITU-R BT.601), uint8, (rows, columns); the pixels themselves when they are grey."""
        if self.pixels.ndim == 2:
            return self.pixels
        if np.array_equal(self.pixels[..., 0], self.pixels[..., 1]) and np.array_equal(
            self.pixels[..., 1], self.pixels[..., 2]
        ):
            return np.ascontiguousarray(self.pixels[..., 0])
        return np.rint(self.pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)).astype(np.uint8)

    def spacing_in(self, box: Box) -> PixelSpacing | None:
        """Spacing of the pixels in `box`: of the region that holds its centre, else of the whole frame, else None.

        A region without a usable unit that holds the box gives None: its pixels are not those of the frame.
        """
        row, column = (box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2
        holding = [r for r in self.regions if _holds(r.box, row, column)]
        tissue = [r for r in holding if r.is_tissue] or holding
        if tissue:
            return tissue[0].spacing or self.pixel_spacing
        return self.pixel_spacing


@dataclass(frozen=True, eq=False)
class Clip:
    """One case: a still, a cine, or a volume read slice by slice. Frames are decoded one at a time, on demand."""

    name: str
    """Safe as a folder name; from the file or folder name, never from a patient attribute."""
    kind: ClipKind
    frame_count: int
    decode: Callable[[int], UltrasoundFrame] = field(repr=False)
    """Decodes frame `index` (from 0) alone. Raises InputError naming the file."""
    paths: tuple[Path, ...] = ()
    """The file, or the files in frame order."""
    headers: "tuple[Dataset, ...]" = field(default=(), repr=False)
    """DICOM source headers without pixel data, one a file in the order of `paths`; empty for other formats."""
    times_ms: tuple[float, ...] | None = None
    """Time of each frame since the first; None where the source does not say."""
    format: str = "dicom"
    """dicom, png, jpeg, tiff, bmp, webp, nrrd or nifti."""
    slice_mm: float | None = None
    """Distance between slices of a volume."""

    @property
    def frame_ms(self) -> float | None:
        """Mean time from one frame to the next; None where the source does not say."""
        if self.times_ms is None or len(self.times_ms) < 2 or self.times_ms[-1] <= self.times_ms[0]:
            return None
        return (self.times_ms[-1] - self.times_ms[0]) / (len(self.times_ms) - 1)

    def frame(self, index: int) -> UltrasoundFrame:
        """Decode frame `index`, 0 <= index < frame_count."""
        if not 0 <= index < self.frame_count:
            raise IndexError(f"frame {index} of a clip of {self.frame_count} frames")
        return self.decode(index)

    def __len__(self) -> int:
        return self.frame_count

    def __iter__(self) -> Iterator[UltrasoundFrame]:
        return (self.frame(index) for index in range(self.frame_count))


def _holds(box: Box, row: float, column: float) -> bool:
    return box[0] <= row < box[2] and box[1] <= column < box[3]
