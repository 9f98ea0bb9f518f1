"""The gate of the label store: pictures enter it de-identified, or not at all.

The store keeps no header; what a picture itself shows is the other way in for a name. A picture enters with evidence:
its header says that it was de-identified (PS3.15 E.1: PatientIdentityRemoved YES and BurnedInAnnotation NO), or a named
person declares it, or it is cleaned here: black outside the ultrasound regions, and text that the text finder sees
within them filled from its surrounds. Without any of these the outline is kept and the picture is not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError
from ..ultrasound.frame import Clip
from .record import Deidentification

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..ultrasound.deidentification.text_boxes import TextFinder
    from .masks import MaskStack

Progress = Callable[[int, int, str], None]
_MOST_TEXT = 0.3
"""Share of what stays beyond which a picture is no picture of tissue with some text on it."""
NO_FINDER = (
    "The picture was not kept, because nothing says that it shows no patient data; install the text finder "
    "(breastusassist[deidentify]) or de-identify the image, and keep it again."
)
TOO_MUCH_TEXT = (
    "The picture was not kept, because much of it looks like text; de-identify the image with `breastusassist "
    "deidentify`, and keep it again."
)


@dataclass(frozen=True, eq=False)
class GatedPictures:
    """What of an image's pictures may be stored."""

    frames: Mapping[int, np.ndarray]
    """By 1-based number, uint8 (rows, columns[, 3]); none where the pictures may not be kept."""
    deidentified: Deidentification | None
    why: str = ""
    """A sentence on why they are not kept."""

    def told(self) -> dict[str, object]:
        """As an answer to a client."""
        evidence = {} if self.deidentified is None else self.deidentified.model_dump(exclude={"by"})
        return {"kept": self.deidentified is not None, "why": self.why, **evidence}


@dataclass(eq=False)
class PictureGate:
    """Looks at pictures before they enter a store; the text finder is loaded once, when it is first needed."""

    declared_by: str = ""
    """Who says of all pictures that they are de-identified; "" nobody."""
    open_finder: "Callable[[], TextFinder] | None" = None
    """None: the text finder of this installation."""
    _finder: "TextFinder | None" = field(default=None, init=False, repr=False)

    def __call__(
        self,
        clip: Clip,
        outlined: np.ndarray | None = None,
        progress: Progress = lambda done, total, what: None,
    ) -> GatedPictures:
        """What of all frames of `clip` may be stored.

        Args:
            clip: whole, with its headers where it comes from DICOM.
            outlined: where there is a lesion in any frame, bool (rows, columns); it is never taken for surrounds.
            progress: told of each frame.

        Raises:
            InputError: a frame cannot be decoded.
        """
        if self.declared_by.strip():
            declared = Deidentification(evidence="declared", by=self.declared_by.strip()[:200])
            return GatedPictures(dict(_numbered(clip)), declared)
        if says_deidentified(clip.headers):
            return GatedPictures(dict(_numbered(clip)), Deidentification(evidence="header"))
        finder = self._opened()
        if finder is None:
            return GatedPictures({}, None, NO_FINDER)
        return _cleaned(clip, finder, outlined, progress)

    def _opened(self) -> "TextFinder | None":
        if self._finder is None:
            from ..ultrasound.deidentification.text_finding import open_text_finder

            try:
                self._finder = (self.open_finder or open_text_finder)()
            except UsageError:
                return None
        return self._finder


def outlined_in(masks: "MaskStack | None") -> np.ndarray | None:
    """Where there is a lesion in any frame, bool (rows, columns); None where there are no masks."""
    if masks is None:
        return None
    outlined = np.zeros(masks.shape[1:], bool)
    for frame, lesion in masks.planes:
        outlined |= masks.mask(frame, lesion)
    return outlined


def says_deidentified(headers: "Sequence[Dataset]") -> bool:
    """Whether every header of an image says that header and pixels were de-identified (PS3.3 C.7.1.1, C.7.6.1)."""
    return bool(headers) and all(
        str(header.get("PatientIdentityRemoved") or "").strip().upper() == "YES"
        and str(header.get("BurnedInAnnotation") or "").strip().upper() == "NO"
        for header in headers
    )


def _numbered(clip: Clip) -> Iterator[tuple[int, np.ndarray]]:
    return ((number, frame.pixels) for number, frame in enumerate(clip, start=1))


def _cleaned(clip: Clip, finder: "TextFinder", outlined: np.ndarray | None, progress: Progress) -> GatedPictures:
    """Black outside the regions, text filled; searched once, so that a still costs about a second."""
    from ..ultrasound.deidentification.pixels_kept import black_outside, kept_regions
    from ..ultrasound.deidentification.text_boxes import covered, merged
    from ..ultrasound.deidentification.text_pictures import Picture, pictures_of
    from ..ultrasound.deidentification.text_search import filled, found_in, texts_across

    regions, _ = kept_regions(clip.frame, len(clip))
    kept = covered(clip.frame(0).pixels.shape, regions)
    pictures = pictures_of((frame.pixels for frame in clip), len(clip))
    kept &= ~texts_across(pictures, kept, finder)
    if outlined is not None:
        kept |= outlined
    pictures = [Picture(black_outside(one.pixels, kept), one.frame_number) for one in pictures]
    texts = []
    for done, picture in enumerate(pictures, start=1):
        texts += [text.box for text in found_in(picture, kept, finder)]
        progress(done, len(pictures), "looking for text in the image")
    boxes = merged(texts)
    share = float((covered(kept.shape, boxes) & kept).sum() / max(kept.sum(), 1))
    if share > _MOST_TEXT:
        return GatedPictures({}, None, TOO_MUCH_TEXT)
    frames = {number: filled(black_outside(pixels, kept), boxes) for number, pixels in _numbered(clip)}
    evidence = Deidentification(
        evidence="cleaned",
        finder=finder.version,
        texts=len(boxes),
        blanked_share=round(float(1 - (kept & ~covered(kept.shape, boxes)).mean()), 4),
    )
    return GatedPictures(frames, evidence)
