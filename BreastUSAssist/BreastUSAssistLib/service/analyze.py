"""One case from frames to Analysis: gates, drafts, lesions linked over the frames, measurements, assessment."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from .. import __version__
from ..birads.analysis import Analysis, AnalysisSettings, FrameResult, Gate, ModelUsed, Source, Spacing, mask_name
from ..birads.lesion import Lesion, Measurements, VolumeAxes
from ..birads.lexicon import Lexicon
from ..birads.measurements import measure
from ..birads.opinion import LesionOpinion
from ..birads.volume_axes import measure_volume
from ..model.prediction import FramePrediction
from ..model.predictor import LARGEST_BATCH, Predictor
from ..ultrasound.frame import Box, Clip, UltrasoundFrame
from ..ultrasound.frame_order import frame_order_gates
from ..ultrasound.gates import InputGate, check_frame
from ..ultrasound.tissue import tissue_box
from .familiarity_gate import UNFAMILIAR, familiarity_gates
from .lesion_description import LesionReader, OutlinedLesion, check_settings, described, opinions_of
from .outline_band import LEVELS, Levels, measure_band
from .tracking import Track, label_images, link_lesions, overlap, rules_for

STRAY_SHARE = 0.1
"""Share of a clip's frames from which a warning of unfamiliar images is passed on."""
CONFIRMED = 0.3
"""Intersection over union at which the closer look at a key frame shows the same lesion."""

Progress = Callable[[int, int], None]
"""Called with the number of frames done and of all frames."""
Attend = Callable[[], None]
"""Called between steps of about a tenth of a second; may raise to stop the analysis."""


@dataclass(frozen=True, eq=False)
class CaseResult:
    """An analysis and the pixels that belong to it."""

    analysis: Analysis
    labels: np.ndarray
    """Label images uint8 (frames, rows, columns): 0 background, n lesion number n."""
    probability: np.ndarray
    """Foreground probability in 1/255, uint8 (frames, rows, columns)."""
    key_frames: dict[int, UltrasoundFrame]
    """By 1-based frame number: those that show a lesion best, or the middle frame when there is none."""
    band: Levels = LEVELS
    """Between these levels of `probability` an outline may lie."""


@dataclass(frozen=True, eq=False)
class _Drafted:
    """What is kept of one frame: its pixels are not, so that a long cine fits in memory."""

    tissue: Box
    prediction: FramePrediction | None
    """None where a gate stopped the frame."""
    time_ms: float | None
    gates: tuple[Gate, ...]


class Stopwatch:
    """Adds up the time spent by step, in ms."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock = clock
        self._since = clock()
        self.spent: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """Book the time since the last lap under `step`."""
        now = self._clock()
        self.spent[step] = self.spent.get(step, 0.0) + (now - self._since) * 1000
        self._since = now


def analyze_clip(
    clip: Clip,
    predictor: Predictor,
    lexicon: Lexicon,
    *,
    created: datetime,
    new_uid: Callable[[], str],
    reader: LesionReader | None = None,
    settings: AnalysisSettings | None = None,
    progress: Progress = lambda done, total: None,
    attend: Attend = lambda: None,
    at_once: int = LARGEST_BATCH,
    clock: Callable[[], float] = time.perf_counter,
) -> CaseResult:
    """Draft, measure and assess every frame of a clip.

    A frame that a gate stops is not outlined, unless the settings ignore gates; its gates are told either way. With a
    `reader` each lesion is read in its key frame, and probability and descriptors are the reader's; without one they
    are the predictor's and those of the rules. `at_once` frames are drafted together; on a CPU one is as quick as
    eight.

    Raises:
        InputError: a frame cannot be decoded; the message names the file.
        UsageError: the settings need a reader with a calibration.
    """
    settings = settings or AnalysisSettings()
    check_settings(settings, reader)
    watch = Stopwatch(clock)
    drafted, probability = _draft_frames(clip, predictor, settings.ignore_gates, at_once, watch, progress, attend)
    outlines = [frame.prediction.lesions if frame.prediction else () for frame in drafted]
    tracks = link_lesions(outlines, rules_for(clip.kind, clip.slice_mm))
    watch.lap("link")
    shown = sorted({track.key for track in tracks}) or [len(drafted) // 2]
    key_frames = {index + 1: clip.frame(index) for index in shown}
    watch.lap("decode")
    if len(clip) > 1:
        _look_closer(tracks, drafted, key_frames, probability, predictor, attend)
        watch.lap("predict")
    labels = label_images(tracks, len(drafted), probability.shape[1:])
    watch.lap("link")
    measured = []
    for track in tracks:
        attend()
        frame = key_frames[track.key + 1]
        measured.append(measure(track.masks[track.key].pixels, frame, drafted[track.key].tissue))
    watch.lap("measure")
    attend()
    opinions = _opinions(tracks, measured, key_frames, reader)
    watch.lap("read")
    case = _Case(clip, predictor, reader, lexicon, settings, drafted, key_frames, probability)
    lesions = tuple(
        _lesion(number, track, measured[number - 1], opinions[number - 1], case, new_uid())
        for number, track in enumerate(tracks, start=1)
    )
    watch.lap("describe")
    analysis = Analysis(
        case=clip.name,
        created=created.isoformat(timespec="seconds"),
        software=f"BreastUSAssist {__version__}",
        lexicon=lexicon.edition,
        source=_source(clip, next(iter(key_frames.values()))),
        model=model_used(predictor),
        models=tuple(model_used(one) for one in (predictor, reader) if one is not None),
        settings=settings,
        gates=_merged([frame.gates for frame in drafted]),
        frames=tuple(_frame_result(clip, index, frame, labels[index]) for index, frame in enumerate(drafted)),
        lesions=lesions,
        timings_ms={step: round(spent, 1) for step, spent in watch.spent.items()},
    )
    return CaseResult(analysis, labels, probability, key_frames, predictor.settings.band)


def _look_closer(
    tracks: Sequence[Track],
    drafted: Sequence[_Drafted],
    key_frames: dict[int, UltrasoundFrame],
    probability: np.ndarray,
    predictor: Predictor,
    attend: Attend,
) -> None:
    """Outline the lesions of the key frames again, as those of a still: they are the ones that are measured and read.

    Masks and probability are changed in place; a lesion that the closer look does not confirm keeps its outline.
    """
    for track in tracks:
        track.settled = track.key
    for key in sorted({track.key for track in tracks}):
        attend()
        frame = key_frames[key + 1]
        closer = predictor.predict(frame.grey, drafted[key].tissue)
        probability[key] = np.rint(closer.probability * 255).astype(np.uint8)
        outlines = list(closer.lesions)
        for track in (track for track in tracks if track.key == key):
            best = max(outlines, key=lambda lesion: overlap(lesion, track.masks[key]), default=None)
            if best is not None and overlap(best, track.masks[key]) >= CONFIRMED:
                track.masks[key] = best
                outlines.remove(best)


def _draft_frames(
    clip: Clip,
    predictor: Predictor,
    ignore_gates: bool,
    at_once: int,
    watch: Stopwatch,
    progress: Progress,
    attend: Attend,
) -> tuple[list[_Drafted], np.ndarray]:
    drafted: list[_Drafted] = []
    probability: np.ndarray | None = None
    order = frame_order_gates(clip)
    for start in range(0, len(clip), at_once):
        attend()
        frames = [clip.frame(index) for index in range(start, min(start + at_once, len(clip)))]
        watch.lap("decode")
        gates = [
            (*_as_gates(order, start + offset), *_gates(frame, clip, start + offset))
            for offset, frame in enumerate(frames)
        ]
        tissues = [tissue_box(frame) for frame in frames]
        watch.lap("gates")
        wanted = [i for i, found in enumerate(gates) if ignore_gates or not any(g.severity == "stop" for g in found)]
        predictions = predictor.predict_batch(
            [frames[i].grey for i in wanted], [tissues[i] for i in wanted], close_ups=len(clip) == 1
        )
        by_frame: dict[int, FramePrediction] = {}
        for i, prediction in zip(wanted, predictions, strict=True):
            unfamiliar = familiarity_gates(prediction.unlikeness)
            gates[i] += _as_gates(unfamiliar, start + i)
            if ignore_gates or not any(gate.severity == "stop" for gate in unfamiliar):
                by_frame[i] = prediction
        for offset, frame in enumerate(frames):
            if probability is None:
                probability = np.zeros((len(clip), frame.rows, frame.columns), np.uint8)
            drafts = by_frame.get(offset)
            if drafts is not None:
                probability[start + offset] = np.rint(drafts.probability * 255).astype(np.uint8)
            drafted.append(_Drafted(tissues[offset], drafts, frame.time_ms, gates[offset]))
        watch.lap("predict")
        progress(len(drafted), len(clip))
    assert probability is not None, "a clip has at least one frame"
    return drafted, probability


def _gates(frame: UltrasoundFrame, clip: Clip, index: int) -> tuple[Gate, ...]:
    header = clip.headers[min(index, len(clip.headers) - 1)] if clip.headers else None
    return _as_gates(check_frame(frame, header), index)


def _as_gates(found: Sequence[InputGate], index: int) -> tuple[Gate, ...]:
    return tuple(Gate(code=g.code, severity=g.severity, message=g.message, frames=(index + 1,)) for g in found)


def _merged(by_frame: list[tuple[Gate, ...]]) -> tuple[Gate, ...]:
    """One gate a code with all the frames that it holds for; an empty tuple of frames when it holds for every one."""
    merged: dict[str, Gate] = {}
    for gate in (gate for gates in by_frame for gate in gates):
        known = merged.get(gate.code)
        frames = gate.frames if known is None else known.frames + gate.frames
        merged[gate.code] = (known or gate).model_copy(update={"frames": frames})
    order = {"stop": 0, "warn": 1, "note": 2}
    everywhere = len(by_frame)
    # One frame in a hundred of familiar images is warned of, so a few in a clip mean nothing.
    stray = merged.get(UNFAMILIAR)
    if stray is not None and stray.severity == "warn" and len(stray.frames) < STRAY_SHARE * everywhere:
        del merged[UNFAMILIAR]
    gates = [g.model_copy(update={"frames": ()}) if len(g.frames) == everywhere else g for g in merged.values()]
    return tuple(sorted(gates, key=lambda gate: order[gate.severity]))


@dataclass(frozen=True, eq=False)
class _Case:
    """What every lesion of a case is described with."""

    clip: Clip
    predictor: Predictor
    reader: LesionReader | None
    lexicon: Lexicon
    settings: AnalysisSettings
    drafted: list[_Drafted]
    key_frames: dict[int, UltrasoundFrame]
    probability: np.ndarray


def _opinions(
    tracks: Sequence[Track],
    measured: Sequence[Measurements],
    key_frames: dict[int, UltrasoundFrame],
    reader: LesionReader | None,
) -> list[LesionOpinion | None]:
    """The reader's opinion of each lesion, those of one key frame read together."""
    opinions: list[LesionOpinion | None] = [None] * len(tracks)
    for key in sorted({track.key for track in tracks}):
        of_frame = [index for index, track in enumerate(tracks) if track.key == key]
        masks = [tracks[index].masks[key].pixels for index in of_frame]
        answers = opinions_of(key_frames[key + 1], masks, [measured[index] for index in of_frame], reader)
        for index, opinion in zip(of_frame, answers, strict=True):
            opinions[index] = opinion
    return opinions


def _lesion(
    number: int,
    track: Track,
    measurements: Measurements,
    opinion: LesionOpinion | None,
    case: _Case,
    tracking_uid: str,
) -> Lesion:
    key, mask = case.drafted[track.key], track.masks[track.key]
    outlined = OutlinedLesion(
        number=number,
        mask=mask,
        frame=case.key_frames[track.key + 1],
        tissue=key.tissue,
        key_frame=track.key + 1,
        frames=tuple(sorted(index + 1 for index in track.masks)),
        tracking_uid=tracking_uid,
        measurements=measurements,
        stop=tuple(gate.message for gate in key.gates if gate.severity == "stop"),
    )
    calibrated = bool(case.predictor.settings.calibrated_on)
    lesion = described(outlined, opinion, case.reader, case.lexicon, case.settings, calibrated=calibrated)
    band = measure_band(case.probability[track.key], mask.pixels, case.predictor.settings.band)
    return lesion.model_copy(
        update={
            "outline_band_px": band.half_width_px,
            "outline_uncertain_share": band.uncertain_share,
            "volume_axes": _volume_axes(track, case),
        }
    )


def _volume_axes(track: Track, case: _Case) -> VolumeAxes | None:
    """Three axes of a lesion in a volume, with the spacing at its key frame; None for any other clip."""
    if case.clip.kind != "volume":
        return None
    spacing = case.key_frames[track.key + 1].spacing_in(track.masks[track.key].box)
    masks = {index + 1: mask.pixels for index, mask in track.masks.items()}
    return measure_volume(masks, spacing, case.clip.slice_mm)


def _source(clip: Clip, frame: UltrasoundFrame) -> Source:
    spacing = frame.spacing_in(tissue_box(frame))
    uids = [str(header.get("SOPInstanceUID", "")) for header in clip.headers]
    return Source(
        format=clip.format,
        files=tuple(path.name for path in clip.paths),
        kind=clip.kind,
        frame_count=len(clip),
        rows=frame.rows,
        columns=frame.columns,
        sop_instance_uids=tuple(uid for uid in uids if uid),
        spacing=None
        if spacing is None
        else Spacing(row_mm=spacing.row_mm, column_mm=spacing.column_mm, source=spacing.source),
        slice_mm=clip.slice_mm,
    )


def model_used(model: Predictor | LesionReader) -> ModelUsed:
    """Which model ran, and on what."""
    bundle, backend = model.bundle, model.backend
    return ModelUsed(
        name=bundle.name,
        version=bundle.version,
        sha256=bundle.sha256,
        backend=backend.name,
        precision=backend.precision,
        device=backend.device,
    )


def _frame_result(clip: Clip, index: int, drafted: _Drafted, labels: np.ndarray) -> FrameResult:
    numbers, areas = np.unique(labels[labels > 0], return_counts=True)
    prediction = drafted.prediction
    return FrameResult(
        frame_number=index + 1,
        time_ms=drafted.time_ms,
        mask=mask_name(clip.name, index + 1, len(clip)),
        normal=round(prediction.normal, 4) if prediction else None,
        benign=round(prediction.benign, 4) if prediction else None,
        malignant=round(prediction.malignant, 4) if prediction else None,
        lesions=tuple(int(number) for number in numbers),
        areas_px=tuple(float(area) for area in areas),
    )
