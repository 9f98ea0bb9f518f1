"""Masks that other programs wrote: pictures of labels, a folder of them, and NRRD files of labels or of segments.

Labels 1 to 100 are lesions; 101 and above are other findings, which are no labels here (as in a manifest's masks). A
picture of 0 and 255 alone shows one lesion. Nothing is flipped, whatever the orientation a file claims.
"""

import re
from pathlib import Path

import numpy as np

from ..errors import InputError

LAST_LESION = 100
Masks = dict[tuple[int, int], np.ndarray]
"""Boolean masks (rows, columns) by 1-based frame and lesion number."""

_PICTURES = (".png", ".tif", ".tiff", ".bmp", ".webp", ".gif")
_LARGEST = 2**31


def read_mask_file(path: Path, name: str, shape: tuple[int, int, int]) -> Masks:
    """Masks of a picture, a folder of pictures (one a frame) or an NRRD file, of an image of `shape`.

    Args:
        path: file or folder.
        name: what messages call it.
        shape: frames, rows, columns of the image.

    Raises:
        InputError: missing, damaged, no labels, or not of such an image.
    """
    if path.is_dir():
        return _folder_masks(path, name, shape)
    if path.suffix.lower() in (".nrrd", ".nhdr"):
        return _nrrd_masks(path, name, shape)
    return masks_of_labels(_picture_labels(path, name), name, shape)


def masks_of_labels(labels: np.ndarray, name: str, shape: tuple[int, int, int]) -> Masks:
    """Masks of label images (frames, rows, columns), any integer type.

    Raises:
        InputError: they are not of `shape`, or hold a number below 0.
    """
    check_shape(labels.shape, name, shape)
    if labels.min(initial=0) < 0:
        raise InputError(f"The mask {name} holds numbers below 0; save lesions as 1..{LAST_LESION}.")
    values = [int(value) for value in np.unique(labels) if value]
    if values == [255]:
        return _each_frame(labels == 255, 1)
    masks: Masks = {}
    for value in values:
        if value <= LAST_LESION:
            masks |= _each_frame(labels == value, value)
    return masks


def check_shape(found: tuple[int, ...], name: str, shape: tuple[int, int, int]) -> None:
    """Raises InputError: masks of `found` (frames, rows, columns) do not lie on an image of `shape`."""
    if tuple(found) != shape:
        raise InputError(
            f"The mask {name} is {_words(found)} but its image {_words(shape)}; give the mask of that image."
        )


def _words(shape: tuple[int, ...]) -> str:
    frames, rows, columns = shape
    return f"{columns} x {rows} pixels" + (f" in {frames} frames" if frames != 1 else "")


def _each_frame(mask: np.ndarray, number: int) -> Masks:
    return {(frame, number): one for frame, one in enumerate(mask, 1) if one.any()}


def _folder_masks(folder: Path, name: str, shape: tuple[int, int, int]) -> Masks:
    """One picture a frame: the frame is the number that ends the name, or else its place in the order of names."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES and path.name[0] != ".")
    if not files:
        raise InputError(f"The folder {name} holds no masks; save one picture of labels a frame.")
    ends = [re.search(r"(\d+)$", path.stem) for path in files]
    numbers = [int(end[1]) for end in ends if end is not None]
    numbered = len(set(numbers)) == len(files) and all(1 <= number <= shape[0] for number in numbers)
    if not numbered:
        if len(files) != shape[0]:
            raise InputError(
                f"The folder {name} holds {len(files)} masks but its image {shape[0]} frames; "
                "end each name with the number of its frame."
            )
        numbers = list(range(1, len(files) + 1))
    masks: Masks = {}
    for number, path in zip(numbers, files, strict=True):
        own = f"{name}/{path.name}"
        found = masks_of_labels(_picture_labels(path, own), own, (1, *shape[1:]))
        masks |= {(number, lesion): mask for (_, lesion), mask in found.items()}
    return masks


def _picture_labels(path: Path, name: str) -> np.ndarray:
    """Label images of the pages of a picture, (pages, rows, columns)."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            count = getattr(picture, "n_frames", 1)
            if count * picture.width * picture.height > _LARGEST:
                raise InputError(f"The mask {name} is too large; split it.")
            pages = []
            for page in range(count):
                picture.seek(page)
                pages.append(_page_labels(picture, name))
            return np.stack(pages)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"The mask {name} is not there; check --root and the manifest.") from error
    # Pillow's decoders raise many types on damaged files.
    except Exception as error:
        raise InputError(f"The mask {name} is damaged or not a picture; replace it.") from error


def _page_labels(picture: object, name: str) -> np.ndarray:
    mode = getattr(picture, "mode", "")
    pixels = np.asarray(picture)
    if mode == "1":
        return pixels.astype(np.uint8)
    if mode in ("LA", "RGB", "RGBA"):
        colours = pixels[..., : 1 if mode == "LA" else 3]
        if (colours == colours[..., :1]).all():
            return colours[..., 0]
    elif pixels.ndim == 2 and pixels.dtype.kind in "ui":
        return pixels
    raise InputError(f"The mask {name} has {mode} pixels; save it as a grey picture of labels (1..100 lesions).")


def _nrrd_masks(path: Path, name: str, shape: tuple[int, int, int]) -> Masks:
    import nrrd

    try:
        content, header = nrrd.read(str(path), index_order="C")
    except FileNotFoundError as error:
        raise InputError(f"The mask {name} is not there; check --root and the manifest.") from error
    except Exception as error:  # pynrrd raises many kinds
        raise InputError(f"The mask {name} is a damaged NRRD file; save it again.") from error
    if content.dtype.kind == "f" and (content == np.rint(content)).all():
        content = content.astype(np.int64)
    if content.dtype.kind not in "ui" or not 2 <= content.ndim <= 4:
        raise InputError(f"The mask {name} holds no labels; save lesions as 1..{LAST_LESION}.")
    # Slower axes come first: frames, rows, columns, and behind them the layers of segments that overlap.
    layered = content.ndim == 4
    layers = np.moveaxis(content, -1, 0) if layered else content[None]
    if layers.ndim == 3:
        layers = layers[:, None]
    segments = _segments(header, name)
    offset, cut = _offset(header), "Segmentation_ReferenceImageExtentOffset" in header
    if not segments:
        if layered:
            raise InputError(f"The mask {name} has four axes but names no segments; save one label image.")
        return masks_of_labels(_placed(layers[0], offset, name, shape, cut), name, shape)
    masks: Masks = {}
    for number, (layer, value) in segments.items():
        if layer >= len(layers):
            raise InputError(f"The mask {name} is damaged (it lacks layer {layer}); save it again.")
        masks |= _each_frame(_placed(layers[layer], offset, name, shape, cut) == value, number)
    return masks


def _segments(header: dict[str, object], name: str) -> dict[int, tuple[int, int]]:
    """Layer and value of each segment of a segmentation of 3D Slicer, by lesion number; empty for other files.

    The number is the value where each segment has its own, else the place of the segment.
    """
    found: list[tuple[int, int]] = []
    while f"Segment{len(found)}_ID" in header:
        place = f"Segment{len(found)}"
        try:
            layer, value = int(str(header.get(f"{place}_Layer", 0))), int(str(header.get(f"{place}_LabelValue", 1)))
        except ValueError as error:
            raise InputError(f"The mask {name} is damaged ({place}); save it again.") from error
        found.append((layer, value))
    values = [value for _, value in found]
    own = len(set(values)) == len(values) and all(1 <= value <= LAST_LESION for value in values)
    return {(value if own else place): (layer, value) for place, (layer, value) in enumerate(found, 1)}


def _offset(header: dict[str, object]) -> tuple[int, int, int]:
    """Frames, rows, columns by which 3D Slicer cut the segmentation's array down to its segments."""
    said = str(header.get("Segmentation_ReferenceImageExtentOffset", "0 0 0")).split()
    try:
        column, row, frame = (int(part) for part in said)
    except ValueError:
        return 0, 0, 0
    return frame, row, column


def _placed(
    labels: np.ndarray, offset: tuple[int, int, int], name: str, shape: tuple[int, int, int], may_be_cut: bool
) -> np.ndarray:
    """The labels in an array of the image's shape."""
    ends = tuple(start + size for start, size in zip(offset, labels.shape, strict=True))
    inside = min(offset) >= 0 and all(end <= whole for end, whole in zip(ends, shape, strict=True))
    if not (may_be_cut and inside):
        check_shape(labels.shape, name, shape)
        return labels
    whole = np.zeros(shape, labels.dtype)
    whole[tuple(slice(start, end) for start, end in zip(offset, ends, strict=True))] = labels
    return whole
