"""What tells one image from another: a hash of its pixels, never its name."""

import hashlib
import struct
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .record import ImageIdentity

if TYPE_CHECKING:
    from ..ultrasound.frame import Clip, ClipKind


def canonical_pixels(pixels: np.ndarray) -> np.ndarray:
    """The frame as it is hashed and stored: uint8, (rows, columns), or (rows, columns, 3) where it has colour.

    RGB whose channels are equal is grey, so that a file gives the same frame whether its reader kept three channels.

    Raises:
        InputError: not uint8, or no such shape.
    """
    if pixels.dtype != np.uint8 or pixels.size == 0 or not (pixels.ndim == 2 or pixels.shape[2:] == (3,)):
        shape = " x ".join(map(str, pixels.shape))
        raise InputError(f"A frame of {shape} {pixels.dtype} cannot be a label's; give 8-bit grey or RGB frames.")
    if pixels.ndim == 3:
        first = pixels[..., 0]
        if np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2]):
            pixels = first
    return np.ascontiguousarray(pixels)


def identity_of(frames: Iterable[np.ndarray], kind: "ClipKind", source_uids: Sequence[str] = ()) -> ImageIdentity:
    """Identity of an image from its decoded frames (uint8; (rows, columns) or (rows, columns, 3)), in order.

    The hash is SHA-256 over the SHA-256 of each frame, which covers rows, columns, channels (little-endian uint32)
    and the pixels of `canonical_pixels`. Frames are taken one at a time.

    Raises:
        InputError: no frame, a frame that `canonical_pixels` refuses, or frames of different sizes.
    """
    steps = identifying(frames, kind, source_uids)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            identity: ImageIdentity = end.value
            return identity


def identifying(
    frames: Iterable[np.ndarray], kind: "ClipKind", source_uids: Sequence[str] = ()
) -> Generator[int, None, ImageIdentity]:
    """The same a frame a step, so that a caller can do other things between; yields the frames done."""
    whole = hashlib.sha256()
    shape: tuple[int, int] | None = None
    channels, count = 1, 0
    for count, frame in enumerate(frames, 1):
        pixels = canonical_pixels(frame)
        rows, columns = pixels.shape[:2]
        if shape is not None and (rows, columns) != shape:
            raise InputError(
                f"Frame {count} is {rows} x {columns} but the first is {shape[0]} x {shape[1]}; "
                "label frames of different sizes as cases of their own."
            )
        shape = (rows, columns)
        depth = 3 if pixels.ndim == 3 else 1
        channels = max(channels, depth)
        one = hashlib.sha256(struct.pack("<III", rows, columns, depth))
        one.update(pixels.data)
        whole.update(one.digest())
        yield count
    if shape is None:
        raise InputError("An image without a frame has no identity; open an image first.")
    return ImageIdentity(
        sha256=whole.hexdigest(),
        kind=kind,
        rows=shape[0],
        columns=shape[1],
        channels=3 if channels == 3 else 1,
        frame_count=count,
        source_uids=tuple(source_uids),
    )


def identity_of_clip(clip: "Clip") -> ImageIdentity:
    """Identity of a clip; decodes each of its frames once. Source UIDs as its frames give them, each once.

    Raises:
        InputError: as `identity_of`, or a frame cannot be decoded.
    """
    uids: dict[str, None] = {}

    def pixels() -> Iterable[np.ndarray]:
        for frame in clip:
            if frame.source.sop_instance_uid:
                uids[frame.source.sop_instance_uid] = None
            yield frame.pixels

    identity = identity_of(pixels(), clip.kind)
    return ImageIdentity.model_validate({**identity.model_dump(), "source_uids": tuple(uids)})
