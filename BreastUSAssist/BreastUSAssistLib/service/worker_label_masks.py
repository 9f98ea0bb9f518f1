"""Masks on their way to and from the label store: label images in a .npy file, or packed as the scene keeps them.

A label image has room for one lesion a pixel. An outline that lies under another one goes beside it as "hidden": its
number, 1-based frame, and pixels as label_packing has them, 1 inside.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .label_packing import pack_labels, unpack_labels
from .worker_protocol import exchange_error, new_path, read_array

if TYPE_CHECKING:
    from ..labels.masks import MaskStack


def handed_masks(handed: Mapping[str, Any], shape: tuple[int, int, int], spoken: Iterable[int]) -> "MaskStack":
    """Masks of a request.

    Args:
        handed: `labels`, path of a .npy file, uint8 (frames, rows, columns), or `packed`, the label image of each frame
            from `first_frame` on (1-based, default 1), see label_packing; `hidden` outlines as a whole, which take the
            place of what the label images show of them.
        shape: frames, rows, columns of the whole case.
        spoken: 1-based numbers of the frames that somebody or something looked at; those with a mask are added.

    Raises:
        InputError: the masks are gone, damaged, or of another size.
    """
    from ..labels.masks import MaskStack

    if handed.get("packed") is None:
        labels = read_array(handed.get("labels"))
        if labels.shape != shape:
            raise InputError(f"Masks of {labels.shape} do not fit an image of {shape}; choose the case again.")
        shown = MaskStack.of_labels(labels, spoken=spoken)
    else:
        shown = _of_packed(handed, shape, spoken)
    hidden = {(int(one["frame"]), int(one["number"])): str(one["pixels"]) for one in handed.get("hidden") or ()}
    if not hidden:
        return shown
    masks = {key: unpack_labels(pixels, *shape[1:]) > 0 for key, pixels in hidden.items()}
    whole = MaskStack.of(shape, masks, {frame for frame, _ in masks})
    kept = {key: plane for key, plane in shown.planes.items() if key not in masks}
    return MaskStack(shape, tuple(sorted({*shown.spoken, *whole.spoken})), {**kept, **whole.planes})


def hidden_planes(masks: "MaskStack") -> list[dict[str, Any]]:
    """The outlines that their label images do not show whole, as JSON."""
    shared = [frame for frame in {frame for frame, _ in masks.planes} if _lesions_in(masks, frame) > 1]
    found = []
    for frame in sorted(shared):
        image = masks.frame_labels(frame)
        for number in sorted(number for outlined, number in masks.planes if outlined == frame):
            mask = masks.mask(frame, number)
            if not np.array_equal(mask, image == number):
                found.append({"number": number, "frame": frame, "pixels": pack_labels(mask)})
    return found


def written_masks(exchange: Path, name: str, masks: "MaskStack") -> str:
    """Path of a new .npy file in the exchange folder: label images of all frames.

    Raises:
        OutputError: the folder cannot be written.
    """
    path = new_path(exchange, name, ".npy")
    kind, shape = np.dtype(masks.label_type), masks.shape
    outlined = sorted({frame for frame, _ in masks.planes})
    try:
        with open(path, "xb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            start, size = file.tell(), shape[1] * shape[2] * kind.itemsize
            # Frames without an outline are never written: the file has holes there, and 300 of them cost nothing.
            file.truncate(start + shape[0] * size)
            for frame in outlined:
                file.seek(start + (frame - 1) * size)
                file.write(masks.frame_labels(frame).data)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise exchange_error(exchange, error) from error
    return str(path)


def _of_packed(handed: Mapping[str, Any], shape: tuple[int, int, int], spoken: Iterable[int]) -> "MaskStack":
    from ..labels.masks import MaskStack

    masks: dict[tuple[int, int], np.ndarray] = {}
    for frame, text in enumerate(handed["packed"], int(handed.get("first_frame") or 1)):
        if not text:
            continue
        if not 1 <= frame <= shape[0]:
            raise InputError("The outlines are of another image; choose the case again.")
        image = unpack_labels(str(text), *shape[1:])
        # Of the rows with an outline alone: most of an image has none.
        numbers = np.unique(image[image.any(axis=1)])
        masks |= {(frame, int(number)): image == number for number in numbers if number}
    return MaskStack.of(shape, masks, {*spoken, *(frame for frame, _ in masks)})


def _lesions_in(masks: "MaskStack", frame: int) -> int:
    return sum(outlined == frame for outlined, _ in masks.planes)
