"""Masks on their way to the label store: label images in a .npy file, or packed as the scene keeps them."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .label_packing import unpack_labels
from .worker_protocol import read_array

if TYPE_CHECKING:
    from ..labels.masks import MaskStack


def handed_masks(handed: Mapping[str, Any], shape: tuple[int, int, int], spoken: Iterable[int]) -> "MaskStack":
    """Masks of a request.

    Args:
        handed: `labels`, path of a .npy file, uint8 (frames, rows, columns); or `packed`, the label image of each frame
            from `first_frame` on (1-based, default 1), see label_packing.
        shape: frames, rows, columns of the whole case.
        spoken: 1-based numbers of the frames that somebody or something looked at; those with a mask are added.

    Raises:
        InputError: the masks are gone, damaged, or of another size.
    """
    from ..labels.masks import MaskStack

    if handed.get("packed") is None:
        return MaskStack.of_labels(read_array(handed.get("labels")), spoken=spoken)
    masks = {}
    for frame, text in enumerate(handed["packed"], int(handed.get("first_frame") or 1)):
        if not text:
            continue
        if not 1 <= frame <= shape[0]:
            raise InputError("The outlines are of another image; choose the case again.")
        image = unpack_labels(str(text), *shape[1:])
        masks |= {
            (frame, int(number)): image == number for number in np.flatnonzero(np.bincount(image.ravel())) if number
        }
    return MaskStack.of(shape, masks, {*spoken, *(frame for frame, _ in masks)})
