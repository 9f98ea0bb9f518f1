"""One outlined lesion to one record: measurements, descriptors, category suggestion."""

import uuid
from collections.abc import Callable, Sequence

from ..errors import UsageError
from ..model.prediction import LesionMask
from ..ultrasound.frame import Box, UltrasoundFrame
from .assessment import suggest_category
from .descriptors import describe
from .lesion import Lesion, Measurements
from .lexicon import Lexicon
from .measurements import box_of, measure
from .opinion import LesionOpinion, descriptors_of
from .risk import Risk


def new_uid() -> str:
    """A fresh UID derived from a random UUID, root 2.25 (DICOM PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def describe_lesion(
    number: int,
    lesion_mask: LesionMask,
    frame: UltrasoundFrame,
    frames: tuple[int, ...],
    probability_malignant: float | None,
    lexicon: Lexicon,
    *,
    calibrated: bool = False,
    stop: Sequence[str] = (),
    tissue: Box | None = None,
    key_frame: int | None = None,
    tracking_uid: str | Callable[[], str] = new_uid,
    measurements: Measurements | None = None,
    opinion: LesionOpinion | None = None,
    risk: Risk | None = None,
) -> Lesion:
    """Describe one lesion in the frame that shows it best.

    Args:
        number: from 1; its value in the label images.
        lesion_mask: its outline in `frame`.
        frame: the key frame.
        frames: 1-based numbers of all frames of the clip in which it is outlined.
        probability_malignant: 0..1, or None.
        lexicon: edition to describe it in.
        calibrated: whether the probability was calibrated.
        stop: messages of input gates that forbid an assessment; the measurements are made all the same.
        tissue: box of the tissue, see `measure`.
        key_frame: 1-based number of `frame` in the clip; None takes the number in its file when `frames` has it, else
            the first of `frames`.
        tracking_uid: the UID under which the lesion is known, or what makes one.
        measurements: of this mask in this frame, where they have been made already.
        opinion: of a reader network: its terms replace those of the rules, except orientation, which geometry decides.
        risk: what that network's log-odds mean (see risk.judge); replaces `probability_malignant` and `calibrated`.

    Raises:
        UsageError: the mask is empty or of another size, or `frames` is empty.
    """
    if not frames:
        raise UsageError(f"Lesion {number} is in no frame; name at least the one it was outlined in.")
    if key_frame is None:
        key_frame = frame.source.frame_number if frame.source.frame_number in frames else frames[0]
    measurements = measurements or measure(lesion_mask.pixels, frame, tissue)
    given = descriptors_of(opinion, lexicon) if opinion is not None else {}
    descriptors = describe(lesion_mask.pixels, measurements, frame, lexicon, given)
    return Lesion(
        number=number,
        tracking_uid=tracking_uid if isinstance(tracking_uid, str) else tracking_uid(),
        key_frame=key_frame,
        frames=frames,
        box=box_of(lesion_mask.pixels),
        outline_confidence=lesion_mask.confidence,
        origin=lesion_mask.origin,
        measurements=measurements,
        descriptors=descriptors,
        assessment=suggest_category(descriptors, probability_malignant, lexicon, calibrated, stop, risk),
    )
