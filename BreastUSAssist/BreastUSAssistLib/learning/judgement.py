"""What a lesion reader says of one lesion, as far as an evaluation scores it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..birads.measurements import measure
from ..birads.opinion import LesionOpinion
from ..birads.reader_measures import reader_measures
from ..birads.risk import judge
from ..ultrasound.frame import SourceReference, UltrasoundFrame

if TYPE_CHECKING:
    from ..model.calibration import Calibration


class Judgement(Protocol):
    """One lesion judged."""

    @property
    def probability(self) -> float:
        """Of malignant, calibrated."""

    @property
    def category_probabilities(self) -> Mapping[str, float]:
        """Of 2, 3, 4A, 4B, 4C and 5; empty where the reader gives no category."""

    @property
    def category_set(self) -> Sequence[str]:
        """Conformal set of the category; empty where it is not calibrated."""

    @property
    def terms(self) -> Mapping[str, Sequence[str]]:
        """The chosen terms, by attribute; none where it is judged absent."""


class Judge(Protocol):
    """Judges lesions of a frame."""

    def __call__(
        self, grey: np.ndarray, masks: list[np.ndarray], probabilities: Sequence[float | None] = ()
    ) -> Sequence[Judgement]:
        """One judgement a lesion, in their order.

        Args:
            grey: uint8 (rows, columns).
            masks: bool, the same shape.
            probabilities: of malignant, by the network that drew each mask; none for masks drawn by hand.
        """


@dataclass(frozen=True)
class JudgedLesion:
    """A Judgement."""

    probability: float
    category_probabilities: Mapping[str, float] = field(default_factory=dict)
    category_set: Sequence[str] = ()
    terms: Mapping[str, Sequence[str]] = field(default_factory=dict)


def judged(
    opinion: LesionOpinion, calibration: "Calibration | None", outline_probability: float | None = None
) -> JudgedLesion:
    """A reader network's opinion as it is shown to a user who gives no clinical parameters and no prevalence."""
    risk = judge(opinion.malignant_log_odds, opinion.category, calibration, outline_probability=outline_probability)
    return JudgedLesion(
        probability=risk.probability,
        category_probabilities=opinion.category,
        category_set=risk.category_opinion.likely if risk.category_opinion is not None else (),
        terms=opinion.terms,
    )


class Reader(Protocol):
    """A loaded reader network; model.lesion_reader.LesionReader is one."""

    @property
    def calibration(self) -> "Calibration | None":
        """What its log-odds mean."""

    def read(self, grey: np.ndarray, masks: Sequence[np.ndarray], measures: np.ndarray) -> Sequence[LesionOpinion]:
        """Read lesions of one frame: uint8 (rows, columns), bool masks of its size, float32 (lesions, measures)."""


def reader_judge(reader: Reader) -> Judge:
    """Judge by a reader network, which takes the measures of each outline beside the picture."""

    def judge_lesions(
        grey: np.ndarray, masks: list[np.ndarray], probabilities: Sequence[float | None] = ()
    ) -> list[JudgedLesion]:
        frame = UltrasoundFrame(grey, SourceReference(Path("frame")))
        measures = np.stack([reader_measures(measure(mask, frame)) for mask in masks])
        opinions = reader.read(grey, masks, measures)
        others = probabilities or [None] * len(opinions)
        return [judged(*both) for both in zip(opinions, [reader.calibration] * len(opinions), others, strict=True)]

    return judge_lesions
