"""Lesions of a case made of what DICOM tells of them: outlines, who drew them, what was found.

Measurements are made anew on the outlines, as for any lesion. What DICOM does not tell is not made up: a lesion whose
terms or category are not said has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from slicer.i18n import tr as _

from .source import UltrasoundSource

if TYPE_CHECKING:
    from ..birads.lesion import Assessment, Descriptor, Lesion
    from ..birads.lexicon import Lexicon

Drawn = Literal["automatic", "semiautomatic", "manual"]


@dataclass(frozen=True, eq=False)
class ToldLesion:
    """One lesion as DICOM tells it."""

    number: int
    """In the case."""
    tracking_uid: str
    masks: Mapping[int, np.ndarray]
    """Outline by frame from 0, bool (rows, columns), none of them empty."""
    drawn: Drawn
    algorithm: tuple[str, str] = ("", "")
    """Name and version of what drew it."""
    name: str = field(default="")


def described(
    lesion: ToldLesion,
    masks: Mapping[int, np.ndarray],
    source: UltrasoundSource,
    lexicon: "Lexicon",
    *,
    drawn: Drawn,
    key_frame: int | None = None,
    descriptors: "tuple[Descriptor, ...]" = (),
    assessment: "Assessment | None" = None,
) -> "Lesion":
    """A lesion measured in one frame.

    Args:
        lesion: number and tracking UID.
        masks: outlines to measure, by frame from 0; at least one.
        source: the image.
        lexicon: edition of its terms.
        drawn: how the outlines came about.
        key_frame: 1-based number of the frame to measure in; None, or one without an outline, takes the largest.
        descriptors: terms that DICOM told.
        assessment: category and probability that DICOM told.
    """
    from ..birads.lesion import Lesion
    from ..birads.measurements import box_of, measure

    key = key_frame - 1 if key_frame is not None else -1
    if key not in masks:
        key = max(sorted(masks), key=lambda frame: int(np.count_nonzero(masks[frame])))
    return Lesion(
        number=lesion.number,
        tracking_uid=lesion.tracking_uid,
        key_frame=key + 1,
        frames=tuple(frame + 1 for frame in sorted(masks)),
        box=box_of(masks[key]),
        origin=drawn,
        measurements=measure(masks[key], source.frame(key)),
        descriptors=descriptors,
        assessment=assessment or not_told(lexicon),
    )


def not_told(lexicon: "Lexicon", probability: float | None = None) -> "Assessment":
    """The assessment of a lesion for which DICOM tells no category."""
    from ..birads.assessment import NOT_ASSESSED
    from ..birads.lesion import Assessment

    return Assessment(
        category=None,
        label=NOT_ASSESSED,
        likelihood=None,
        management=None,
        probability_malignant=probability,
        reasons=(_("It was loaded from DICOM, which tells no category."),),
        edition=lexicon.edition,
    )
