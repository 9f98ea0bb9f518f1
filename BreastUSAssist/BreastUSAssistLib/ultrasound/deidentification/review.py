"""What a person (or a policy in a person's place) is shown of an image in which text was found, and may answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ..frame import Box
from .pixels_kept import RegionsFrom
from .text_boxes import TextBox

Decision = Literal["accept", "blank", "drop"]
"""accept: what is left may stay. blank: blank these boxes, and look again. drop: the image is not to be used."""
Policy = Literal["accept", "drop", "ask"]


@dataclass(frozen=True, eq=False)
class ReviewPicture:
    """One picture in which text was found, with all that is blanked already."""

    pixels: np.ndarray
    """uint8, (rows, columns) or RGB (rows, columns, 3)."""
    found: tuple[TextBox, ...]
    frame_number: int | None
    """1-based; None for a picture of what stood still over a stretch of frames."""


@dataclass(frozen=True, eq=False)
class ReviewQuestion:
    """An image with text left in it."""

    pictures: tuple[ReviewPicture, ...]
    found: tuple[Box, ...]
    """Of all pictures; blanking is done in every frame."""
    kept_regions: tuple[Box, ...]
    regions_from: RegionsFrom
    frame_count: int


@dataclass(frozen=True)
class ReviewAnswer:
    """What is to be done with the image."""

    decision: Decision
    boxes: tuple[Box, ...] = ()
    """To blank in every frame; cut to the frame."""


class Review(Protocol):
    """Answers for an image in which text was found."""

    def __call__(self, question: ReviewQuestion) -> ReviewAnswer:
        """The answer; after "blank" the image is searched again and asked about again where text is still found."""


def blank_all_found(question: ReviewQuestion) -> ReviewAnswer:
    """Policy `accept`: nobody is asked, and nothing that the finder sees stays."""
    return ReviewAnswer("blank", question.found)


def drop_where_found(question: ReviewQuestion) -> ReviewAnswer:
    """Policy `drop`: an image with text in its kept regions is left out."""
    return ReviewAnswer("drop")


def within(boxes: Sequence[Box], rows: int, columns: int) -> tuple[Box, ...]:
    """Boxes cut to a frame; those that lie outside it are left out."""
    cut = ((max(top, 0), max(left, 0), min(bottom, rows), min(right, columns)) for top, left, bottom, right in boxes)
    return tuple(box for box in cut if box[0] < box[2] and box[1] < box[3])
