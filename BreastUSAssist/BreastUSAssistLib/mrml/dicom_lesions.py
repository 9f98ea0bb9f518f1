"""Lesions of a case made of what DICOM tells of them: outlines, who drew them, what was found.

Measurements are made anew on the outlines, as for any lesion. What DICOM does not tell is not made up: a lesion whose
terms or category are not said has none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from slicer.i18n import tr as _

from .source import UltrasoundSource

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..birads.analysis import ModelUsed
    from ..birads.lesion import Assessment, Descriptor, Lesion
    from ..birads.lexicon import Lexicon
    from ..dicom.report_model import AlgorithmRead, FindingRead

_UNKNOWN = "unknown"
_PARAMETERS = re.compile(r"weights sha256 (\w+); (\S+) (\S+) on (\S+)")
"""How this project's own objects tell which weights ran where."""

Drawn = Literal["automatic", "semiautomatic", "manual"]
Masks = Mapping[int, np.ndarray]
"""Outline by frame from 0, bool (rows, columns), none of them empty."""


@dataclass(frozen=True, eq=False)
class ToldLesion:
    """One lesion as DICOM tells it."""

    number: int
    """In the case."""
    tracking_uid: str
    masks: Masks
    """As it stands; of one that the reader removed none."""
    drawn: Drawn
    model: "ModelUsed | None" = None
    """What drew it, or its draft; None where no software did."""
    drafted: Masks = field(default_factory=dict)
    """The AI's own outlines, as far as they are known to be others than those that stand."""
    ai: "FindingRead | None" = None
    """What a report says of the AI's draft."""
    reader: "FindingRead | None" = None
    """What a report says of the lesion as the reader left it."""
    present: bool = True
    """False: the reader removed it."""
    tied_to: str | None = None
    """Tracking UID of the same lesion in another view."""
    key_frame: int | None = None
    """Frame from 0 in which a report measured it."""


def model_of(item: "Dataset") -> "ModelUsed | None":
    """The algorithm that an item of SegmentSequence names (PS3.3 C.8.20.2); None where a person drew alone."""
    if item.get("SegmentAlgorithmType") not in ("AUTOMATIC", "SEMIAUTOMATIC"):
        return None
    named = (item.get("SegmentationAlgorithmIdentificationSequence") or [item])[0]
    name = named.get("AlgorithmName") or item.get("SegmentAlgorithmName")
    return _model(
        str(name or ""), str(named.get("AlgorithmVersion") or ""), str(named.get("AlgorithmParameters") or "")
    )


def model_of_report(algorithm: "AlgorithmRead | None") -> "ModelUsed | None":
    """The algorithm that a report names."""
    if algorithm is None:
        return None
    return _model(algorithm.name, algorithm.version, "; ".join(algorithm.parameters))


def models_of(lesions: Sequence[ToldLesion]) -> "tuple[ModelUsed, ...]":
    """What drew lesions of one run, then the networks that a report names for their terms."""
    from ..dicom.report_observers import RULES

    drew = [one.model for one in lesions if one.model is not None][:1]
    named = [term.algorithm for one in lesions for term in (one.ai.descriptors if one.ai is not None else ())]
    read = [model_of_report(one) for one in named if one is not None and one.name != RULES]
    names = {one.name for one in drew}
    others = {one.name: one for one in read if one is not None and one.name not in names}
    return (*drew, *others.values()) if drew else ()


def described(
    lesion: ToldLesion,
    masks: Masks,
    source: UltrasoundSource,
    *,
    drawn: Drawn,
    assessment: "Assessment",
    key_frame: int | None = None,
    descriptors: "tuple[Descriptor, ...]" = (),
) -> "Lesion":
    """A lesion measured in one frame.

    Args:
        lesion: number and tracking UID.
        masks: outlines to measure; at least one.
        source: the image.
        drawn: how the outlines came about.
        assessment: category and probability that DICOM told, or `not_told`.
        key_frame: frame from 0 to measure in; None, or one without an outline, takes the largest.
        descriptors: terms that DICOM told.
    """
    from ..birads.lesion import Lesion
    from ..birads.measurements import box_of, measure

    key = key_frame if key_frame in masks else None
    if key is None:
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
        assessment=assessment,
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


def _model(name: str, version: str, parameters: str) -> "ModelUsed":
    from ..birads.analysis import ModelUsed

    told = _PARAMETERS.search(parameters)
    sha256, backend, precision, device = told.groups() if told else (_UNKNOWN,) * 4
    return ModelUsed(
        name=name or _UNKNOWN,
        version=version or _UNKNOWN,
        sha256=sha256,
        backend=backend,
        precision=precision,
        device=device,
    )
