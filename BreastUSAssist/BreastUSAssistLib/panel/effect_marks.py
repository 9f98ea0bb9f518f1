"""What the reader has marked so far on one lesion in one frame, and as the analysis process takes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

MarkKind = Literal["point", "scribble", "box"]
Pixel = tuple[float, float]
"""Row and column, whole numbers at pixel centres."""


@dataclass(frozen=True)
class Mark:
    """One click, scribble or box."""

    kind: MarkKind
    positive: bool
    """Whether it belongs to the lesion; a box always does."""
    pixels: tuple[Pixel, ...]
    """Of a point one; of a scribble its line; of a box two opposite corners, both inside."""


def with_mark(marks: Sequence[Mark], mark: Mark) -> tuple[Mark, ...]:
    """The marks and one more.

    A later box takes the place of the one before. A click on the very pixel of an earlier one takes its place, too: the
    reader has changed their mind, and a pixel cannot be marked as lesion and as not.
    """

    def stays(earlier: Mark) -> bool:
        if mark.kind == "box":
            return earlier.kind != "box"
        return not (mark.kind == earlier.kind == "point" and mark.pixels == earlier.pixels)

    return (*(earlier for earlier in marks if stays(earlier)), mark)


def box_of(mark: Mark) -> list[int]:
    """Top, left, bottom, right of a box; bottom and right just outside."""
    (row, column), (other_row, other_column) = mark.pixels
    top, bottom = sorted((int(row), int(other_row)))
    left, right = sorted((int(column), int(other_column)))
    return [top, left, bottom + 1, right + 1]


def as_arguments(marks: Sequence[Mark]) -> dict[str, Any]:
    """Arguments of the request "refine", see service.worker_refine."""

    def lines(kind: MarkKind, positive: bool) -> list[list[list[float]]]:
        chosen = (mark for mark in marks if mark.kind == kind and mark.positive == positive)
        return [[[row, column] for row, column in mark.pixels] for mark in chosen]

    boxes = [mark for mark in marks if mark.kind == "box"]
    return {
        "positive": [line[0] for line in lines("point", True)],
        "negative": [line[0] for line in lines("point", False)],
        "positive_scribbles": lines("scribble", True),
        "negative_scribbles": lines("scribble", False),
        "box": box_of(boxes[-1]) if boxes else None,
    }
