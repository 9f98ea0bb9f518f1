"""What a reader sees: the AI's drafts with the reader's changes put in, both kept side by side.

Nothing here is stored. The drafts (Analysis) and the reader's changes (Reading) are; this view is made from them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError, UsageError
from .analysis import Analysis, FrameResult, Gate, ModelUsed, Source, mask_name
from .lesion import Lesion
from .lexicon import Lexicon
from .paired_views import JointAssessment, judge_together
from .reader_terms import terms_for, with_terms
from .reading import LesionReading, Reading
from .volume_axes import measure_volume

__all__ = [
    "NO_MODEL",
    "EffectiveLesion",
    "case_without_run",
    "effective_analysis",
    "effective_lesions",
    "first_reading",
    "terms_for",
    "with_terms",
]

NO_MODEL = ModelUsed(name="none", version="none", sha256="", backend="none", precision="none", device="none")
"""Stands in `Analysis.model` where a reader outlined everything and no network ran."""


@dataclass(frozen=True)
class EffectiveLesion:
    """One lesion of a case: what the AI drafted, and how it stands after the reader's changes."""

    number: int
    """Number in the case, that of the reading; the draft may have had another in its run."""
    tracking_uid: str
    present: bool
    """False: the reader says that this is no lesion."""
    ai: Lesion | None
    """The draft, untouched; None where the reader added the lesion."""
    current: Lesion | None
    """Revised or drafted, with the reader's terms and the suggestion that follows from them, under `number`; None for a
    lesion that the reader added and that has not been measured yet."""
    changed: frozenset[str] = frozenset()
    """Attributes of the lexicon that the reader set."""
    category: str | None = None
    """The reader's own, None while there is none."""
    note: str = ""
    tied_to: str | None = None
    """Tracking UID of the same lesion in the other view."""
    joint: JointAssessment | None = None
    """Both views judged together; None where the lesion is not tied, or a view is removed or not measured."""


def effective_lesions(
    runs: Sequence[Analysis],
    reading: Reading,
    lexicon: Lexicon,
    *,
    other_views: Iterable[EffectiveLesion] = (),
) -> tuple[EffectiveLesion, ...]:
    """Every lesion of a reading in the order of its numbers, also those that the reader removed.

    Args:
        runs: drafts of the case, in the order of the runs.
        reading: what the reader changed; a lesion with `run` i is the one of its tracking UID in runs[i].
        lexicon: edition whose terms the reader chose among.
        other_views: lesions of other cases (another still, say) that lesions of this one may be tied to.

    Raises:
        InputError: the reading names a draft that the runs do not hold.
    """
    alone = [_effective(one, runs, lexicon) for one in sorted(reading.lesions, key=lambda one: one.number)]
    by_uid = {one.tracking_uid: one for one in (*other_views, *alone)}
    return tuple(replace(one, joint=_joint(one, by_uid, lexicon)) for one in alone)


def first_reading(analysis: Analysis) -> Reading:
    """The reading of a case that no reader has touched: every lesion of its only run as it was drafted."""
    lesions = [LesionReading(tracking_uid=one.tracking_uid, number=one.number, run=0) for one in analysis.lesions]
    return Reading(case=analysis.case, lesions=tuple(lesions))


def effective_analysis(
    runs: Sequence[Analysis],
    reading: Reading,
    lexicon: Lexicon,
    *,
    labels: np.ndarray | None = None,
    empty: Analysis | None = None,
) -> Analysis:
    """One analysis of the whole case: the present lesions as the reader left them, under the reading's numbers.

    A frame that several runs analysed has the class probabilities and gates of the latest of them. Frames that none
    analysed are there too, without probabilities. Lesions that the reader removed are left out, and so are those that
    have not been measured.

    Args:
        runs: drafts, their frames numbered as in the whole case.
        reading: what the reader changed.
        lexicon: edition to suggest in.
        labels: uint8 (frames of the case, rows, columns), outlines as the reader left them. Then they decide which
            lesions lie in which frame and how large, and the three axes of those of a volume; a lesion without a pixel
            is left out. None: the lesions' own word.
        empty: what is known of the case where there are no runs (see `case_without_run`).

    Raises:
        InputError: the reading names a draft that the runs do not hold.
        UsageError: neither runs nor `empty` are given, or the labels do not fit the case.
    """
    runs = runs or ([empty] if empty is not None else [])
    if not runs:
        raise UsageError("This case has no analysis yet; analyze it, or say what its source is.")
    base = runs[-1]
    if labels is not None and len(labels) != base.source.frame_count:
        raise UsageError(f"There are labels of {len(labels)} frames but the case has {base.source.frame_count}.")
    lesions = [one.current for one in effective_lesions(runs, reading, lexicon) if one.present]
    measured = [one for one in lesions if one is not None]
    areas = _areas(measured, labels) if labels is not None else None
    if areas is not None:
        measured = [_where_labelled(one, areas) for one in measured if any(one.number in frame for frame in areas)]
    if labels is not None and base.source.kind == "volume":
        measured = [_with_axes(one, labels, base.source) for one in measured]
    return base.model_copy(
        update={
            "lexicon": lexicon.edition,
            "models": _models(runs),
            "gates": _gates(runs),
            "frames": _frames(runs, measured, areas),
            "lesions": tuple(measured),
        }
    )


def case_without_run(case: str, source: Source, lexicon: Lexicon, created: str, software: str) -> Analysis:
    """The analysis of a case that no network has seen: no lesion, no probability. For `effective_analysis`."""
    return Analysis(
        case=case,
        created=created,
        software=software,
        lexicon=lexicon.edition,
        source=source,
        model=NO_MODEL,
        gates=(),
        frames=(),
        lesions=(),
        timings_ms={},
    )


def _effective(reading: LesionReading, runs: Sequence[Analysis], lexicon: Lexicon) -> EffectiveLesion:
    draft = _draft(reading, runs)
    described = reading.revised or draft
    current = None
    if described is not None:
        current = with_terms(described, reading.descriptors, lexicon, draft)
        current = current.model_copy(update={"number": reading.number, "tracking_uid": reading.tracking_uid})
    return EffectiveLesion(
        number=reading.number,
        tracking_uid=reading.tracking_uid,
        present=reading.present,
        ai=draft,
        current=current,
        changed=frozenset(reading.descriptors),
        category=reading.category,
        note=reading.note,
        tied_to=reading.tied_to,
    )


def _draft(reading: LesionReading, runs: Sequence[Analysis]) -> Lesion | None:
    if reading.run is None:
        return None
    lesions = runs[reading.run].lesions if reading.run < len(runs) else ()
    draft = next((one for one in lesions if one.tracking_uid == reading.tracking_uid), None)
    if draft is None:
        raise InputError(
            f"The draft of lesion {reading.number} (run {reading.run + 1}) is not stored with this case; analyze again."
        )
    return draft


def _joint(lesion: EffectiveLesion, by_uid: Mapping[str, EffectiveLesion], lexicon: Lexicon) -> JointAssessment | None:
    """Both views together; only where both name each other, are present and have been measured."""
    other = by_uid.get(lesion.tied_to or "")
    if other is None or other is lesion or other.tied_to != lesion.tracking_uid:
        return None
    if not (lesion.present and other.present) or lesion.current is None or other.current is None:
        return None
    return judge_together(lesion.current, other.current, lexicon)


def _areas(lesions: Sequence[Lesion], labels: np.ndarray) -> list[dict[int, int]]:
    """Pixels by lesion number, of each frame."""
    numbers = {one.number for one in lesions}
    areas = []
    for frame in labels:
        found = np.bincount(frame.ravel(), minlength=1)
        areas.append({int(number): int(found[number]) for number in np.flatnonzero(found) if number in numbers})
    return areas


def _where_labelled(lesion: Lesion, areas: list[dict[int, int]]) -> Lesion:
    frames = tuple(index + 1 for index, found in enumerate(areas) if lesion.number in found)
    return lesion if frames == lesion.frames else lesion.model_copy(update={"frames": frames})


def _with_axes(lesion: Lesion, labels: np.ndarray, source: Source) -> Lesion:
    masks = {number: labels[number - 1] == lesion.number for number in lesion.frames}
    return lesion.model_copy(update={"volume_axes": measure_volume(masks, source.spacing, source.slice_mm)})


def _models(runs: Sequence[Analysis]) -> tuple[ModelUsed, ...]:
    """Every model of every run, those of the last one first: the first two say who outlined and who read."""
    models = (model for run in reversed(runs) for model in (run.models or (run.model,)))
    return tuple(dict.fromkeys(model for model in models if model != NO_MODEL))


def _latest(runs: Sequence[Analysis]) -> dict[int, int]:
    """Index of the latest run that analysed each frame, by frame number."""
    return {frame.frame_number: index for index, run in enumerate(runs) for frame in run.frames}


def _gates(runs: Sequence[Analysis]) -> tuple[Gate, ...]:
    """The gates of each frame's latest run; those that hold for every frame of the case name none."""
    latest, whole = _latest(runs), set(range(1, runs[-1].source.frame_count + 1))
    merged: dict[tuple[str, str], tuple[Gate, set[int]]] = {}
    for index, run in enumerate(runs):
        own = {number for number, of in latest.items() if of == index}
        for gate in run.gates:
            frames = own & set(gate.frames) if gate.frames else own
            known = merged.get((gate.code, gate.severity))
            if frames:
                merged[gate.code, gate.severity] = (gate, frames | (known[1] if known else set()))
    order = {"stop": 0, "warn": 1, "note": 2}
    gates = [
        gate.model_copy(update={"frames": () if frames == whole else tuple(sorted(frames))})
        for gate, frames in merged.values()
    ]
    return tuple(sorted(gates, key=lambda gate: order[gate.severity]))


def _frames(
    runs: Sequence[Analysis], lesions: Sequence[Lesion], areas: list[dict[int, int]] | None
) -> tuple[FrameResult, ...]:
    base, latest = runs[-1], _latest(runs)
    by_run = [{frame.frame_number: frame for frame in run.frames} for run in runs]
    count = base.source.frame_count
    frames = []
    for number in range(1, count + 1):
        drafted = by_run[latest[number]][number] if number in latest else None
        found = areas[number - 1] if areas is not None else {}
        frames.append(
            FrameResult(
                frame_number=number,
                time_ms=drafted.time_ms if drafted else None,
                mask=mask_name(base.case, number, count),
                normal=drafted.normal if drafted else None,
                benign=drafted.benign if drafted else None,
                malignant=drafted.malignant if drafted else None,
                lesions=tuple(found) if areas is not None else tuple(o.number for o in lesions if number in o.frames),
                areas_px=tuple(float(area) for area in found.values()),
            )
        )
    return tuple(frames)
