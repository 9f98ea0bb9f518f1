"""Masks as the store keeps them: one bit a pixel, bit-exact, one plane a lesion and frame."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import InputError

_MAGIC = b"BUM1"
_HEAD = struct.Struct("<IIIII")
"""Frames, rows, columns, number of frames spoken of, number of planes."""


@dataclass(frozen=True)
class MaskStack:
    """Masks of the lesions of one case. Frames are counted from 1, lesions by their number in the case."""

    shape: tuple[int, int, int]
    """Frames of the whole case, rows, columns."""
    spoken: tuple[int, ...]
    """Frames that the masks speak of, ascending: no plane there means no lesion; elsewhere it means not known."""
    planes: Mapping[tuple[int, int], bytes]
    """Packed masks (numpy.packbits of all pixels, row by row) by frame and lesion; empty ones are left out."""

    @classmethod
    def of(
        cls,
        shape: tuple[int, int, int],
        masks: Mapping[tuple[int, int], np.ndarray],
        spoken: Iterable[int] | None = None,
    ) -> Self:
        """From boolean (rows, columns) masks by (frame, lesion); they may overlap.

        `spoken` defaults to all frames of the case.

        Raises:
            InputError: a mask of another size, or a frame or lesion number out of range.
        """
        frames = tuple(sorted(set(range(1, shape[0] + 1) if spoken is None else spoken)))
        if frames and not 1 <= frames[0] <= frames[-1] <= shape[0]:
            raise InputError(f"Masks speak of frame {frames[-1]} of a case of {shape[0]}; give frames of the case.")
        known, planes = set(frames), {}
        for (frame, number), mask in sorted(masks.items(), key=lambda item: item[0]):
            if frame not in known or number < 1 or mask.shape != shape[1:]:
                raise InputError(
                    f"The mask of lesion {number} in frame {frame} ({mask.shape}) does not fit a case of {shape}; "
                    "give masks of the same image."
                )
            if mask.any():
                planes[frame, number] = np.packbits(mask.astype(bool), axis=None).tobytes()
        return cls(shape, frames, planes)

    @classmethod
    def of_labels(
        cls,
        labels: np.ndarray,
        first_frame: int = 1,
        frame_count: int | None = None,
        spoken: Iterable[int] | None = None,
    ) -> Self:
        """From label images, unsigned, (frames, rows, columns): 0 background, n lesion n.

        They are the frames from `first_frame` on of a case of `frame_count` (default: no more than these). `spoken`
        are the frames that somebody or something looked at, those with a lesion besides (default: all that are given).

        Raises:
            InputError: they are no label images, or are not of such a case.
        """
        if labels.ndim != 3 or labels.dtype.kind != "u":
            raise InputError("Label images must be unsigned (frames, rows, columns); give them as such.")
        count = first_frame - 1 + len(labels) if frame_count is None else frame_count
        # Most frames of a cine show no lesion, which is told much sooner than which values a frame has.
        masks = {
            (frame, int(number)): image == number
            for frame, image in enumerate(labels, first_frame)
            if image.any()
            for number in np.unique(image[image > 0])
        }
        given = range(first_frame, first_frame + len(labels))
        looked_at = given if spoken is None else {*spoken, *(frame for frame, _ in masks)}
        return cls.of((count, *labels.shape[1:]), masks, looked_at)

    def mask(self, frame: int, number: int) -> np.ndarray:
        """Mask of one lesion in one frame, bool, (rows, columns); empty where it has none."""
        rows, columns = self.shape[1:]
        packed = self.planes.get((frame, number))
        if packed is None:
            return np.zeros((rows, columns), bool)
        bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=rows * columns)
        return bits.astype(bool).reshape(rows, columns)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the lesions outlined in any frame, ascending."""
        return tuple(sorted({number for _, number in self.planes}))

    def labels(self) -> np.ndarray:
        """Label images of all frames, (frames, rows, columns), uint8 (uint16 beyond lesion 255): n lesion n.

        Where lesions overlap the higher number is seen: a label image has room for one.
        """
        images = np.zeros(self.shape, self.label_type)
        for frame in {frame for frame, _ in self.planes}:
            images[frame - 1] = self.frame_labels(frame)
        return images

    def frame_labels(self, frame: int) -> np.ndarray:
        """Label image of one frame (from 1), (rows, columns), of `label_type`; see `labels`."""
        image = np.zeros(self.shape[1:], self.label_type)
        for number in sorted(number for outlined, number in self.planes if outlined == frame):
            image[self.mask(frame, number)] = number
        return image

    @property
    def label_type(self) -> type[np.unsignedinteger[Any]]:
        """Of the label images: np.uint8, or np.uint16 beyond lesion 255."""
        return np.uint8 if max(self.numbers, default=0) < 256 else np.uint16

    def to_bytes(self) -> bytes:
        """The stack as the content of a blob; the same stack gives the same bytes."""
        keys = sorted(self.planes)
        numbers = [*self.spoken, *(part for key in keys for part in key)]
        return b"".join(
            (
                _MAGIC,
                _HEAD.pack(*self.shape, len(self.spoken), len(keys)),
                np.asarray(numbers, "<u4").tobytes(),
                *(self.planes[key] for key in keys),
            )
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The stack that `to_bytes` wrote.

        Raises:
            InputError: the bytes are no stack of masks.
        """
        try:
            if content[:4] != _MAGIC:
                raise ValueError("other content")
            frames, rows, columns, spoken_count, plane_count = _HEAD.unpack_from(content, 4)
            start = 4 + _HEAD.size
            numbers = np.frombuffer(content, "<u4", spoken_count + 2 * plane_count, start).tolist()
            start += 4 * len(numbers)
            size = (rows * columns + 7) // 8
            if len(content) != start + plane_count * size:
                raise ValueError("other length")
        except (ValueError, struct.error) as error:
            raise InputError("A stored stack of masks is damaged; bring the store back from a backup.") from error
        keys = zip(numbers[spoken_count::2], numbers[spoken_count + 1 :: 2], strict=True)
        planes = {key: content[start + i * size : start + (i + 1) * size] for i, key in enumerate(keys)}
        return cls((frames, rows, columns), tuple(numbers[:spoken_count]), planes)
