"""One outlined lesion measured, read and assessed, whoever drew the outline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..birads.analysis import AnalysisSettings
from ..birads.describe import describe_lesion
from ..birads.lesion import Lesion, Measurements
from ..birads.lexicon import Lexicon
from ..birads.opinion import LesionOpinion
from ..birads.reader_measures import reader_measures
from ..birads.risk import judge
from ..errors import UsageError
from ..model.calibration import Calibration
from ..model.prediction import LesionMask
from ..ultrasound.frame import Box, UltrasoundFrame


class LesionReader(Protocol):
    """A loaded reader network; model.lesion_reader.LesionReader is one."""

    @property
    def calibration(self) -> Calibration | None:
        """What its log-odds mean; None where its bundle does not say."""

    @property
    def bundle(self) -> Any:
        """Name, version and SHA-256, as for `analyze.model_used`."""

    @property
    def backend(self) -> Any:
        """Name, precision and device, as for `analyze.model_used`."""

    def read(self, grey: np.ndarray, masks: Sequence[np.ndarray], measures: np.ndarray) -> Sequence[LesionOpinion]:
        """Read lesions of one frame: uint8 (rows, columns), bool masks of its size, float32 (lesions, measures)."""


@dataclass(frozen=True, eq=False)
class OutlinedLesion:
    """One lesion in the frame that it is measured in."""

    number: int
    mask: LesionMask
    frame: UltrasoundFrame
    tissue: Box
    key_frame: int
    """1-based number of `frame` in the clip."""
    frames: tuple[int, ...]
    """1-based numbers of all frames in which it is outlined."""
    tracking_uid: str
    measurements: Measurements
    stop: tuple[str, ...] = ()
    """Messages of input gates that forbid an assessment."""


def with_opinion_of_drafts(mask: LesionMask, drafts: Sequence[LesionMask]) -> LesionMask:
    """A reader's outline with the outline network's word on the lesion there, where it finds one; else as it is.

    Args:
        mask: bool (rows, columns) of a frame.
        drafts: what the outline network outlined in that frame.
    """
    from .analyze import CONFIRMED
    from .tracking import overlap

    best = max(drafts, key=lambda draft: overlap(draft, mask), default=None)
    if best is None or overlap(best, mask) < CONFIRMED:
        return mask
    if mask.origin == "automatic" and mask.confidence is None:
        return LesionMask(mask.pixels, mask.origin, best.confidence, best.malignant)
    return LesionMask(mask.pixels, mask.origin, mask.confidence, best.malignant)


def check_settings(settings: AnalysisSettings, reader: LesionReader | None) -> None:
    """Refuse settings that would have no effect: better no result than one that only seems to heed them.

    Raises:
        UsageError: a prevalence or clinical parameters without a reader whose calibration takes them.
    """
    calibration = reader.calibration if reader is not None else None
    if settings.prevalence is not None and calibration is None:
        raise UsageError("A site prevalence needs a reader model with a calibration; leave --prevalence out.")
    if settings.clinical is not None and (calibration is None or calibration.clinical is None):
        raise UsageError("Clinical parameters need a reader model that takes them; leave --clinical out.")


def opinions_of(
    frame: UltrasoundFrame,
    masks: Sequence[np.ndarray],
    measured: Sequence[Measurements],
    reader: LesionReader | None,
) -> Sequence[LesionOpinion | None]:
    """The reader network's opinion of each lesion of one frame: bool masks (rows, columns) with what they measure."""
    if reader is None or not masks:
        return [None] * len(masks)
    return reader.read(frame.grey, masks, np.stack([reader_measures(one) for one in measured]))


def described(
    lesion: OutlinedLesion,
    opinion: LesionOpinion | None,
    reader: LesionReader | None,
    lexicon: Lexicon,
    settings: AnalysisSettings,
    *,
    calibrated: bool = False,
) -> Lesion:
    """Terms, risk and category suggestion of one lesion.

    Args:
        lesion: outline and measurements.
        opinion: of the reader network; None leaves the terms to the rules and the probability to the outline network.
        reader: the network of `opinion`, for what its log-odds mean.
        lexicon: edition to describe it in.
        settings: clinical parameters and prevalence.
        calibrated: whether the outline network's probability was calibrated.
    """
    risk = None
    if opinion is not None and reader is not None:
        risk = judge(
            opinion.malignant_log_odds,
            opinion.category,
            reader.calibration,
            clinical=settings.clinical,
            prevalence=settings.prevalence,
            outline_probability=lesion.mask.malignant,
        )
    return describe_lesion(
        lesion.number,
        lesion.mask,
        lesion.frame,
        lesion.frames,
        lesion.mask.malignant,
        lexicon,
        calibrated=calibrated,
        stop=lesion.stop,
        tissue=lesion.tissue,
        key_frame=lesion.key_frame,
        tracking_uid=lesion.tracking_uid,
        measurements=lesion.measurements,
        opinion=opinion,
        risk=risk,
    )
