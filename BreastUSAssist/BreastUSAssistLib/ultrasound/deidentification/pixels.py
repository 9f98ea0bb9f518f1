"""The pixels of a DICOM ultrasound image without burnt-in identity (PS3.15 E.3.1, Clean Pixel Data Option).

Everything outside the ultrasound regions, and text that reaches into them, is made black in every frame. What stays is
searched for text, and where some is found a person, or a policy in a person's place, decides. Only then does
BurnedInAnnotation say NO.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...errors import InputError
from ..dicom_frames import DicomFrames
from ..frame import Box
from .blanking import blanked_copy, frames_in
from .pixels_kept import RegionsFrom, black_outside, kept_regions
from .review import Review, ReviewPicture, ReviewQuestion, within
from .text_boxes import TextFinder, covered, merged
from .text_pictures import Picture, pictures_of
from .text_search import filled, found_in, texts_across

if TYPE_CHECKING:
    from pydicom import Dataset

State = Literal["clean", "blanked", "accepted", "dropped"]
"""clean: no text was found, nobody was asked. blanked: what was found was blanked, and nothing is found any more.
accepted: text is still found, and the review let it stay. dropped: the review refused the image, or its text could not
be blanked away."""
_MOST_ROUNDS = 10


@dataclass(frozen=True, eq=False)
class CleanedPixels:
    """An image whose pixels were cleaned, and what was done."""

    dataset: "Dataset | None"
    """A copy with cleaned pixels and BurnedInAnnotation NO; None where the image was dropped."""
    kept_regions: tuple[Box, ...]
    regions_from: RegionsFrom
    blanked: tuple[Box, ...]
    """Within the kept regions, in every frame."""
    found: tuple[Box, ...]
    """All text that was found within the kept regions, blanked since or not."""
    state: State
    blanked_share: float
    """Of the frame's pixels, outside the regions and within."""


def clean_pixels(
    dataset: "Dataset",
    *,
    finder: TextFinder,
    review: Review,
    label: str = "The image",
    attend: Callable[[], None] = lambda: None,
) -> CleanedPixels:
    """Blank what may tell who the patient is.

    Args:
        dataset: image with file meta information and PixelData, of any photometric interpretation and transfer syntax
            that this project reads; it is left as it is.
        finder: of text, see text_finding.open_text_finder.
        review: asked where text is found; see review.blank_all_found and drop_where_found for policies.
        label: what sentences call the image.
        attend: called before each search and may raise, to stop.

    Raises:
        InputError: no pixels, damaged ones, or ones that cannot be decoded; the message starts with `label`.
    """
    frames = frames_in(dataset, label)
    regions, regions_from = kept_regions(frames, frames.source.frame_count)
    shape = (int(dataset.Rows), int(dataset.Columns))
    kept = covered(shape, regions)
    pictures = pictures_of(_shown_frames(frames), frames.source.frame_count)
    kept &= ~texts_across(pictures, kept, finder, attend)
    pictures = [Picture(black_outside(one.pixels, kept), one.frame_number) for one in pictures]
    found, blanked, state = _reviewed(pictures, kept, (regions, regions_from, frames), finder, review, attend)
    cleaned = None
    if state != "dropped":
        kept &= ~covered(shape, blanked)
        cleaned = blanked_copy(frames, kept)
        cleaned.BurnedInAnnotation = "NO"
    return CleanedPixels(cleaned, regions, regions_from, blanked, found, state, float(1 - kept.mean()))


def _shown_frames(frames: DicomFrames) -> Iterator[np.ndarray]:
    """Each frame as the screen shows it."""
    for index in range(frames.source.frame_count):
        yield frames(index).pixels


def _reviewed(
    pictures: list[Picture],
    kept: np.ndarray,
    about: tuple[tuple[Box, ...], RegionsFrom, DicomFrames],
    finder: TextFinder,
    review: Review,
    attend: Callable[[], None],
) -> tuple[tuple[Box, ...], tuple[Box, ...], State]:
    """Search, ask, blank, and again, until nothing is found or the review says so."""
    regions, regions_from, frames = about
    rows, columns = kept.shape
    found: tuple[Box, ...] = ()
    blanked: tuple[Box, ...] = ()
    for _ in range(_MOST_ROUNDS):
        with_text = list(_searched(pictures, kept, blanked, finder, attend))
        if not with_text:
            return found, blanked, "blanked" if blanked else "clean"
        # Blanking adds no text: only what had some is searched again.
        pictures, seen = [one for one, _ in with_text], tuple(shown for _, shown in with_text)
        boxes = merged(text.box for one in seen for text in one.found)
        found = merged((*found, *boxes))
        answer = review(ReviewQuestion(seen, boxes, regions, regions_from, frames.source.frame_count))
        if answer.decision == "accept":
            return found, blanked, "accepted"
        if answer.decision == "drop":
            break
        if not (more := within(answer.boxes, rows, columns)):
            raise InputError(f"{frames.source.label} was to be blanked, but no box lies in it; name what to blank.")
        blanked = merged((*blanked, *more))
    return found, blanked, "dropped"


def _searched(
    pictures: list[Picture],
    kept: np.ndarray,
    blanked: tuple[Box, ...],
    finder: TextFinder,
    attend: Callable[[], None],
) -> Iterator[tuple[Picture, ReviewPicture]]:
    """Pictures in which text is left, and as they are shown.

    What is blanked is shown black, and filled from its rim for the search: black boxes look like signs.
    """
    left = ~covered(kept.shape, blanked)
    for picture in pictures:
        shown = Picture(filled(picture.pixels, blanked), picture.frame_number)
        if found := found_in(shown, kept, finder, attend):
            yield picture, ReviewPicture(black_outside(picture.pixels, left), found, picture.frame_number)
