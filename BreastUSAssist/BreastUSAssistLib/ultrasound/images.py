"""PNG, JPEG, TIFF, BMP and WebP files as stills, or as cines where they hold several pages.

Pixels come as the file stores them. The EXIF orientation tag is not applied: masks, outlines and other programs' labels
refer to the stored grid, and no scanner writes the tag. The resolution in these files (dpi) is that of a print, not
a distance in the patient, so spacing is unknown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .frame import Clip, ClipKind, SourceReference, UltrasoundFrame
from .intensity import GreyRange, range_of
from .limits import MAX_FRAME_PIXELS, check_frame_count, check_frame_size
from .quiet import quiet
from .sniff import image_format

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
_PAGED = ("TIFF", "PNG", "WEBP")
"""Formats whose further pages are frames; those of a JPEG are thumbnails or the other eye of a stereo pair."""
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
_DEEP_MODES = ("I", "F")


@dataclass(eq=False)
class ImageFrames:
    """The pages of one image file, decoded one at a time."""

    path: Path
    label: str
    """The file as sentences name it."""
    pages: tuple[int, ...]

    def __call__(self, index: int) -> UltrasoundFrame:
        """Decode page `index`, from 0. Raises InputError naming the file."""
        with _sentences(self.label):
            samples = self._samples(self.pages[index])
            pixels = samples if samples.dtype == np.uint8 else self._to_uint8(samples)
        return UltrasoundFrame(pixels, SourceReference(self.path, index + 1))

    def _samples(self, page: int) -> np.ndarray:
        """Decoded page: uint8 grey or RGB, or deeper grey as stored."""
        from PIL import UnidentifiedImageError

        try:
            with _opened(self.path) as image:
                image.seek(page)
                check_frame_size(self.label, image.height, image.width)
                return _pixels_of(image)
        except UnidentifiedImageError:
            return read_tiff_page(self.path, self.label, page)

    def _to_uint8(self, samples: np.ndarray) -> np.ndarray:
        if samples.dtype.kind == "f" and not np.isfinite(samples).all():
            range_of(self.label, samples)
        if samples.ndim == 3:
            samples = samples[..., :3]
        return self._range.to_uint8(samples)

    @cached_property
    def _range(self) -> GreyRange:
        """One range for all pages, from the first, the middle and the last."""
        probes = sorted({0, len(self.pages) // 2, len(self.pages) - 1})
        parts = [self._samples(self.pages[probe]).ravel() for probe in probes]
        return range_of(self.label, np.concatenate(parts))


def open_image(path: Path, name: str, label: str | None = None) -> Clip:
    """Open an image file without decoding it. Pages of another size than the first (thumbnails) are left out.

    Raises:
        InputError: the file is damaged or too large; the message names `label` (the path unless given).
    """
    label = label or str(path)
    with _sentences(label):
        pages = _pages_of(path, label)
    count = len(pages)
    kind: ClipKind = "cine" if count > 1 else "still"
    return Clip(name, kind, count, ImageFrames(path, label, pages), paths=(path,), format=image_format(path))


def read_tiff_page(path: Path, label: str, page: int) -> np.ndarray:
    """Page of a TIFF that Pillow has no mode for (for example 16-bit RGB or 64-bit float).

    Returns:
        (rows, columns) or (rows, columns, 3), dtype as stored; alpha and further channels are left out.
    """
    from tifffile import TiffFile

    with TiffFile(path) as file:
        series_page = file.pages[page]
        rows, columns = int(series_page.imagelength), int(series_page.imagewidth)  # type: ignore[union-attr]
        check_frame_size(label, rows, columns)
        samples = series_page.asarray()
    if samples.ndim == 3 and samples.shape[0] in (2, 3, 4) and samples.shape[1:] == (rows, columns):
        samples = np.moveaxis(samples, 0, -1)
    if samples.ndim not in (2, 3) or samples.dtype.kind not in "buif":
        raise ValueError("not a grey or colour image")
    if samples.ndim == 3:
        samples = samples[..., 0] if samples.shape[-1] < 3 else samples[..., :3]
    return np.ascontiguousarray(samples)


def composited(samples: np.ndarray) -> np.ndarray:
    """Grey+alpha or RGBA uint8 (rows, columns, 2 or 4) laid over black: uint8 (rows, columns) or (rows, columns, 3)."""
    colours, alpha = samples[..., :-1], samples[..., -1:]
    if not (alpha == 255).all():
        colours = ((colours.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(colours[..., 0] if colours.shape[-1] == 1 else colours)


def _pages_of(path: Path, label: str) -> tuple[int, ...]:
    from PIL import UnidentifiedImageError

    try:
        with _opened(path) as image:
            size = image.size
            check_frame_size(label, size[1], size[0])
            count = getattr(image, "n_frames", 1) if image.format in _PAGED else 1
            check_frame_count(label, count)
            if image.format != "TIFF":
                return tuple(range(count))
            pages = []
            for page in range(count):
                image.seek(page)
                if image.size == size:
                    pages.append(page)
            return tuple(pages)
    except UnidentifiedImageError:
        return _tiff_pages_of(path, label)


def _tiff_pages_of(path: Path, label: str) -> tuple[int, ...]:
    from tifffile import TiffFile

    with TiffFile(path) as file:
        check_frame_count(label, len(file.pages))
        shapes = [(int(page.imagelength), int(page.imagewidth)) for page in file.pages]  # type: ignore[union-attr]
    check_frame_size(label, *shapes[0])
    return tuple(page for page, shape in enumerate(shapes) if shape == shapes[0])


def _pixels_of(image: "Image.Image") -> np.ndarray:
    if image.mode in _DEEP_MODES or image.mode.startswith("I;16"):
        samples = np.asarray(image)
        return samples.astype(samples.dtype.newbyteorder("="), copy=False)
    if image.mode in ("L", "1"):
        return np.asarray(image.convert("L"))
    if image.mode in ("LA", "La"):
        return composited(np.asarray(image.convert("LA")))
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return composited(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


@contextmanager
def _opened(path: Path) -> "Iterator[Image.Image]":
    from PIL import Image

    with Image.open(path, formats=_FORMATS) as image:
        yield image


@contextmanager
def _sentences(label: str) -> Iterator[None]:
    """Turn what the libraries raise into one sentence."""
    from PIL import Image

    try:
        with quiet():
            yield
    except InputError:
        raise
    except Image.DecompressionBombError:
        limit = MAX_FRAME_PIXELS // 1_000_000
        raise InputError(
            f"{label} is too large; at most {limit} million pixels a frame are read, so crop or reduce it first."
        ) from None
    except MemoryError:
        raise InputError(f"{label} does not fit into memory; close other programs or reduce it.") from None
    except OSError as error:
        if error.strerror:
            raise InputError(f"{label} could not be read ({error.strerror}); check the file.") from None
        raise InputError(f"{label} is damaged or truncated; copy or export it again.") from None
    except Exception:  # decoders raise many kinds, and their texts are not for users
        raise InputError(f"{label} is a damaged image file; copy or export it again.") from None
