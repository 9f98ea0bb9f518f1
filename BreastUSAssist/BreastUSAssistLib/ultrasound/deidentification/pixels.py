"""The pixels of a DICOM ultrasound image without burnt-in identity (PS3.15 E.3.1, Clean Pixel Data Option).

Everything outside the ultrasound regions is made black in every frame. What stays is searched for text, and where some
is found a person, or a policy in a person's place, decides. Only then does BurnedInAnnotation say NO.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...errors import InputError
from ..dicom_frames import DicomFrames
from ..frame import Box
from ..marks import inpaint
from ..tissue import tissue_panels
from .blanking import blanked_copy, frames_in
from .review import RegionsFrom, Review, ReviewPicture, ReviewQuestion, within
from .text_boxes import TextBox, TextFinder, covered, merged
from .text_pictures import Picture, pictures_of

if TYPE_CHECKING:
    from pydicom import Dataset

State = Literal["clean", "blanked", "accepted", "dropped"]
"""clean: no text was found, nobody was asked. blanked: what was found was blanked, and nothing is found any more.
accepted: text is still found, and the review let it stay. dropped: the review refused the image, or its text could not
be blanked away."""
_MOST_ROUNDS = 10
_WHOLE = 0.98
"""Share of the frame from which regions tell nothing about where the tissue is: some scanners declare the screen."""


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
    regions, regions_from = kept_regions(frames)
    shape = (int(dataset.Rows), int(dataset.Columns))
    kept = covered(shape, regions)
    pictures = pictures_of(_blanked_frames(frames, kept), frames.source.frame_count)
    found, blanked, state = _reviewed(pictures, kept, (regions, regions_from, frames), finder, review, attend)
    cleaned = None
    if state != "dropped":
        kept &= ~covered(shape, blanked)
        cleaned = blanked_copy(frames, kept)
        cleaned.BurnedInAnnotation = "NO"
    return CleanedPixels(cleaned, regions, regions_from, blanked, found, state, float(1 - kept.mean()))


def kept_regions(frames: DicomFrames) -> tuple[tuple[Box, ...], RegionsFrom]:
    """Where pixels may stay: the ultrasound regions, or the panels of tissue that the pixels themselves show.

    Regions that cover the whole screen say nothing, and count as none.
    """
    boxes = merged(region.box for region in frames.regions)
    shape = (int(frames.source.header.Rows), int(frames.source.header.Columns))
    if boxes and covered(shape, boxes).mean() < _WHOLE:
        return boxes, "header"
    return merged(tissue_panels(_brightest(frames))), "tissue"


def _brightest(frames: DicomFrames) -> np.ndarray:
    """The largest grey level of each pixel over a few frames, uint8 (rows, columns)."""
    count = frames.source.frame_count
    chosen = sorted(set(np.linspace(0, count - 1, 8).round().astype(int).tolist()))
    brightest = frames(chosen[0]).grey
    for index in chosen[1:]:
        brightest = np.maximum(brightest, frames(index).grey)
    return brightest


def _blanked_frames(frames: DicomFrames, kept: np.ndarray) -> Iterator[np.ndarray]:
    """Each frame as the screen shows it, black outside `kept`."""
    for index in range(frames.source.frame_count):
        yield _black_outside(frames(index).pixels, kept)


def _black_outside(pixels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.where(kept[..., None] if pixels.ndim == 3 else kept, pixels, np.uint8(0))


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
        seen = _searched(pictures, covered(kept.shape, blanked), _bounds(kept), finder, attend)
        if not seen:
            return found, blanked, "blanked" if blanked else "clean"
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


def _bounds(kept: np.ndarray) -> Box:
    """The box around all that stays."""
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _searched(
    pictures: list[Picture], blanked: np.ndarray, bounds: Box, finder: TextFinder, attend: Callable[[], None]
) -> tuple[ReviewPicture, ...]:
    """Those pictures in which text was found within `bounds`; with black around it tissue looks like a sign.

    For the same reason what is `blanked`, bool (rows, columns), is searched as if it were filled from its rim.
    """
    top, left, bottom, right = bounds
    searched = []
    for picture in pictures:
        attend()
        found = finder(_filled(picture.pixels, blanked)[top:bottom, left:right])
        moved = tuple(
            TextBox((one.box[0] + top, one.box[1] + left, one.box[2] + top, one.box[3] + left), one.score)
            for one in found
        )
        if moved:
            searched.append(ReviewPicture(_black_outside(picture.pixels, ~blanked), moved, picture.frame_number))
    return tuple(searched)


def _filled(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if not mask.any():
        return pixels
    if pixels.ndim == 2:
        return inpaint(pixels, mask)
    return np.stack([inpaint(pixels[..., channel], mask) for channel in range(3)], axis=-1)
