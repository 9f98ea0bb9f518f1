"""Arrays of NRRD and NIfTI files as frames: a still, a cine along a time axis, or a volume slice by slice.

The first axis of the file runs along a row of the frame and the second down its rows, so row 0 of a frame is index 0
of the second axis. Nothing is flipped, whatever the file's orientation.
"""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import InputError
from .frame import Clip, ClipKind, PixelSpacing, SourceReference, UltrasoundFrame
from .images import composited
from .intensity import GreyRange, range_of
from .limits import MAX_VOLUME_BYTES, check_frame_count, check_frame_size
from .sniff import sniff


@dataclass(frozen=True)
class VolumeLayout:
    """What a header says of an array: how to get from the axes of the file to frames."""

    dtype: np.dtype
    sizes: tuple[int, ...]
    """Of each axis, fastest first."""
    frame_axes: tuple[int, int]
    """Axis along a row, axis down the rows."""
    stack_axis: int | None
    colour_axis: int | None
    kind: ClipKind
    spacing: PixelSpacing | None
    slice_mm: float | None = None
    step_ms: float | None = None
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def size_in_bytes(self) -> int:
        """Of the stored array."""
        return int(np.prod(self.sizes, dtype=np.int64)) * self.dtype.itemsize

    @property
    def frame_count(self) -> int:
        """Frames along the stack axis, 1 without one."""
        return 1 if self.stack_axis is None else self.sizes[self.stack_axis]


@dataclass(eq=False)
class VolumeFrames:
    """The frames of one volume file. An uncompressed file is mapped, a compressed one unpacked once, on demand."""

    path: Path
    label: str
    """The file as sentences name it."""
    layout: VolumeLayout
    load: Callable[[], np.ndarray]
    """Returns the stored array with its axes slowest first."""

    def __call__(self, index: int) -> UltrasoundFrame:
        """Decode frame `index`, from 0. Raises InputError naming the file."""
        with_colour = self.layout.colour_axis is not None
        try:
            pixels = self.grey_range.to_uint8(np.asarray(self.stack[index]))
        except OSError as error:
            reason = error.strerror or "input error"
            raise InputError(f"{self.label} could not be read ({reason}); check the file.") from None
        except MemoryError:
            raise InputError(f"{self.label} does not fit into memory; close other programs or crop it.") from None
        if with_colour:
            pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
            pixels = composited(pixels) if pixels.shape[-1] == 4 and pixels.ndim == 3 else pixels
        step = self.layout.step_ms
        return UltrasoundFrame(
            np.ascontiguousarray(pixels),
            SourceReference(self.path, index + 1),
            pixel_spacing=self.layout.spacing,
            time_ms=index * step if step else None,
        )

    @cached_property
    def stack(self) -> np.ndarray:
        """(frames, rows, columns) or (frames, rows, columns, channels), dtype as stored, or float32 where scaled."""
        layout = self.layout
        array = self.load()
        last = array.ndim - 1
        column_axis, row_axis = layout.frame_axes
        order = [] if layout.stack_axis is None else [last - layout.stack_axis]
        order += [last - row_axis, last - column_axis]
        order += [] if layout.colour_axis is None else [last - layout.colour_axis]
        rest = [axis for axis in range(array.ndim) if axis not in order]
        array = array.transpose(rest + order)[(0,) * len(rest)]
        array = array if layout.stack_axis is not None else array[np.newaxis]
        if (layout.slope, layout.intercept) != (1.0, 0.0):
            array = array.astype(np.float32) * np.float32(layout.slope) + np.float32(layout.intercept)
        return array

    @cached_property
    def grey_range(self) -> GreyRange:
        """One range for the whole file. Raises InputError where a value is not finite."""
        return range_of(self.label, self.stack)


def clip_of_volume(path: Path, name: str, label: str, layout: VolumeLayout, load: Callable[[], np.ndarray]) -> Clip:
    """A clip from a volume file; floating-point values are checked at once, all others when they are needed.

    Raises:
        InputError: the sizes are out of bounds, or values are not finite.
    """
    column_axis, row_axis = layout.frame_axes
    check_frame_size(label, layout.sizes[row_axis], layout.sizes[column_axis])
    check_frame_count(label, layout.frame_count)
    frames = VolumeFrames(path, label, layout, load)
    if layout.dtype.kind not in "buif":
        raise InputError(f"{label} holds values of a kind no image has ({layout.dtype.name}); convert it to 8 bits.")
    if layout.dtype.kind == "f":
        _ = frames.grey_range
    step, count = layout.step_ms, layout.frame_count
    return Clip(
        name=name,
        kind=layout.kind,
        frame_count=count,
        decode=frames,
        paths=(path,),
        format="nrrd" if sniff(path) == "nrrd" else "nifti",
        times_ms=tuple(index * step for index in range(count)) if step and count > 1 else None,
        slice_mm=layout.slice_mm,
    )


def stored_array(path: Path, label: str, layout: VolumeLayout, offset: int, compressed: bool) -> np.ndarray:
    """The array of a file, axes slowest first: mapped when stored plainly, else unpacked to its declared size at most.

    Args:
        path: the file.
        label: the file as sentences name it.
        layout: says how many bytes are due.
        offset: of the first byte of the array, or of the gzip stream that is to be skipped to reach it.
        compressed: the whole file is gzipped.

    Raises:
        InputError: the file is truncated, damaged or too large.
    """
    shape = layout.sizes[::-1]
    due = layout.size_in_bytes
    if not compressed:
        if path.stat().st_size < offset + due:
            raise truncated(label)
        return np.memmap(path, dtype=layout.dtype, mode="r", offset=offset, shape=shape)
    check_unpacked_size(label, due)
    try:
        with gzip.open(path, "rb") as stream:
            stream.read(offset)
            data = stream.read(due)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise truncated(label) from None
    if len(data) < due:
        raise truncated(label)
    return np.frombuffer(data, dtype=layout.dtype).reshape(shape)


def check_unpacked_size(label: str, due: int) -> None:
    """Raise InputError where an array of `due` bytes would have to be held in memory and is too large for that."""
    if due > MAX_VOLUME_BYTES:
        raise InputError(f"{label} unpacks to {due >> 30} GB, more than is read; crop it or save it uncompressed.")


def truncated(label: str) -> InputError:
    """The error for a file that ends before its array does."""
    return InputError(f"{label} ends before its pixels do (truncated or damaged); copy or export it again.")
