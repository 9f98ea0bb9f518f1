"""What a stored draft says of a case that a worklist can be ordered by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

PredictedClass = Literal["normal", "benign", "malignant"]
CLASSES: tuple[PredictedClass, ...] = ("normal", "benign", "malignant")
_UNFAMILIAR = "unfamiliar"
"""Code of the gate for frames unlike the training images (service.familiarity_gate)."""


@dataclass(frozen=True)
class DraftScores:
    """Of one case; None where no draft says so."""

    uncertainty: float | None = None
    """0 sure to 1 unsure, see `draft_scores`."""
    unlikeness: float | None = None
    """How unlike the training data: 0 familiar, to 1 unusual in every frame, above 1 stopped as far from all, to 2.

    The gate is all that a draft stores: cases of the same gate are equally unlike.
    """
    predicted: PredictedClass | None = None


def draft_scores(analyses: Sequence[Mapping[str, Any]]) -> DraftScores:
    """Scores of a case from its runs (Analysis as JSON values of any version, the first first).

    A frame counts as its latest run has it. The uncertainty of a lesion is the mean of what is known among: nearness of
    its probability to 0.5 (1 - |2 p - 1|), width of its 95 % interval, share of its outline where the band is wide.
    That of a case is its most uncertain lesion's, or without a lesion the mean over frames of 1 minus the margin
    between the two likeliest of normal, benign and malignant. The class is malignant from a probability of 0.5 on of
    any lesion, normal without a lesion.
    """
    frames, lesions, gates = _latest(analyses)
    if not frames:
        return DraftScores()
    if lesions:
        of_lesions = [one for one in map(_lesion_uncertainty, lesions) if one is not None]
        return DraftScores(max(of_lesions, default=None), _unlikeness(frames, gates), _predicted(lesions))
    of_frames = [one for one in map(_frame_uncertainty, frames) if one is not None]
    if not of_frames:
        return DraftScores(None, _unlikeness(frames, gates))
    return DraftScores(sum(of_frames) / len(of_frames), _unlikeness(frames, gates), "normal")


def _latest(
    analyses: Sequence[Mapping[str, Any]],
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]], list[tuple[Mapping[str, Any], set[int]]]]:
    """Frames, lesions whose key frame is among them, and gates with the frames that they hold for."""
    covered: set[int] = set()
    frames, lesions, gates = [], [], []
    for analysis in reversed(analyses):
        own = {frame["frame_number"] for frame in analysis["frames"]} - covered
        covered |= own
        frames += [frame for frame in analysis["frames"] if frame["frame_number"] in own]
        lesions += [lesion for lesion in analysis["lesions"] if lesion["key_frame"] in own]
        gates += [(gate, own & set(gate["frames"]) if gate.get("frames") else own) for gate in analysis["gates"]]
    return frames, lesions, gates


def _lesion_uncertainty(lesion: Mapping[str, Any]) -> float | None:
    assessment = lesion["assessment"]
    probability, interval = assessment.get("probability_malignant"), assessment.get("interval")
    band = lesion.get("outline_uncertain_share")
    parts = [] if probability is None else [1 - abs(2 * probability - 1)]
    parts += [] if interval is None else [interval[1] - interval[0]]
    parts += [] if band is None else [band]
    return sum(parts) / len(parts) if parts else None


def _frame_uncertainty(frame: Mapping[str, Any]) -> float | None:
    known = [frame[name] for name in CLASSES if frame.get(name) is not None]
    if len(known) < 2:
        return None
    second, first = sorted(known)[-2:]
    return 1 - (first - second)


def _unlikeness(
    frames: Sequence[Mapping[str, Any]], gates: Sequence[tuple[Mapping[str, Any], set[int]]]
) -> float | None:
    weight = {frame["frame_number"]: 0.0 for frame in frames}
    for gate, held in gates:
        if gate["code"] == _UNFAMILIAR:
            for number in held:
                weight[number] = max(weight[number], 2.0 if gate["severity"] == "stop" else 1.0)
    return sum(weight.values()) / len(weight)


def _predicted(lesions: Sequence[Mapping[str, Any]]) -> PredictedClass | None:
    known = [lesion["assessment"].get("probability_malignant") for lesion in lesions]
    known = [one for one in known if one is not None]
    return None if not known else "malignant" if max(known) >= 0.5 else "benign"
