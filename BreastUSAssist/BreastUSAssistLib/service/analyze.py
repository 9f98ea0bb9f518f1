"""One case from frames to Analysis: gates, drafts, lesions linked over the frames, measurements, assessment."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from .. import __version__
from ..birads.analysis import Analysis, FrameResult, Gate, ModelUsed, Source, Spacing
from ..birads.describe import describe_lesion
from ..birads.lesion import Lesion
from ..birads.lexicon import Lexicon
from ..model.prediction import FramePrediction
from ..model.predictor import LARGEST_BATCH, Predictor
from ..ultrasound.frame import Box, Clip, UltrasoundFrame
from ..ultrasound.gates import check_frame
from ..ultrasound.tissue import tissue_box
from .tracking import Track, label_images, link_lesions

Progress = Callable[[int, int], None]
"""Called with the number of frames done and of all frames."""


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
    ignore_gates: bool = False,
    progress: Progress = lambda done, total: None,
    clock: Callable[[], float] = time.perf_counter,
) -> CaseResult:
    """Draft, measure and assess every frame of a clip.

    A frame that a gate stops is not outlined, unless `ignore_gates` says so; its gates are told either way.

    Raises:
        InputError: a frame cannot be decoded; the message names the file.
    """
    watch = Stopwatch(clock)
    drafted, probability = _draft_frames(clip, predictor, ignore_gates, watch, progress)
    tracks = link_lesions([frame.prediction.lesions if frame.prediction else () for frame in drafted])
    labels = label_images(tracks, len(drafted), probability.shape[1:])
    watch.lap("link")
    shown = sorted({track.key for track in tracks}) or [len(drafted) // 2]
    key_frames = {index + 1: clip.frame(index) for index in shown}
    watch.lap("decode")
    lesions = tuple(
        _lesion(number, track, drafted, key_frames[track.key + 1], predictor, lexicon, new_uid())
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
        gates=_merged([frame.gates for frame in drafted]),
        frames=tuple(_frame_result(clip, index, frame, labels[index]) for index, frame in enumerate(drafted)),
        lesions=lesions,
        timings_ms={step: round(spent, 1) for step, spent in watch.spent.items()},
    )
    return CaseResult(analysis, labels, probability, key_frames)


def mask_name(clip_name: str, frame_number: int, frame_count: int) -> str:
    """File of a frame's label image, relative to the case folder."""
    return f"masks/{clip_name}.png" if frame_count == 1 else f"masks/{clip_name}_{frame_number:04d}.png"


def _draft_frames(
    clip: Clip, predictor: Predictor, ignore_gates: bool, watch: Stopwatch, progress: Progress
) -> tuple[list[_Drafted], np.ndarray]:
    drafted: list[_Drafted] = []
    probability: np.ndarray | None = None
    for start in range(0, len(clip), LARGEST_BATCH):
        frames = [clip.frame(index) for index in range(start, min(start + LARGEST_BATCH, len(clip)))]
        watch.lap("decode")
        gates = [_gates(frame, clip, start + offset) for offset, frame in enumerate(frames)]
        tissues = [tissue_box(frame) for frame in frames]
        watch.lap("gates")
        wanted = [i for i, found in enumerate(gates) if ignore_gates or not any(g.severity == "stop" for g in found)]
        predictions = predictor.predict_batch([frames[i].grey for i in wanted], [tissues[i] for i in wanted])
        by_frame = dict(zip(wanted, predictions, strict=True))
        for offset, frame in enumerate(frames):
            if probability is None:
                probability = np.zeros((len(clip), frame.rows, frame.columns), np.uint8)
            prediction = by_frame.get(offset)
            if prediction is not None:
                probability[start + offset] = np.rint(prediction.probability * 255).astype(np.uint8)
            drafted.append(_Drafted(tissues[offset], prediction, frame.time_ms, gates[offset]))
        watch.lap("predict")
        progress(len(drafted), len(clip))
    assert probability is not None, "a clip has at least one frame"
    return drafted, probability


def _gates(frame: UltrasoundFrame, clip: Clip, index: int) -> tuple[Gate, ...]:
    header = clip.headers[min(index, len(clip.headers) - 1)] if clip.headers else None
    found = check_frame(frame, header)
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
    gates = [g.model_copy(update={"frames": ()}) if len(g.frames) == everywhere else g for g in merged.values()]
    return tuple(sorted(gates, key=lambda gate: order[gate.severity]))


def _lesion(
    number: int,
    track: Track,
    drafted: list[_Drafted],
    frame: UltrasoundFrame,
    predictor: Predictor,
    lexicon: Lexicon,
    tracking_uid: str,
) -> Lesion:
    key = drafted[track.key]
    return describe_lesion(
        number,
        track.masks[track.key],
        frame,
        tuple(sorted(index + 1 for index in track.masks)),
        track.masks[track.key].malignant,
        lexicon,
        calibrated=bool(predictor.bundle.settings.calibrated_on),
        stop=[gate.message for gate in key.gates if gate.severity == "stop"],
        tissue=key.tissue,
        key_frame=track.key + 1,
        tracking_uid=tracking_uid,
    )


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


def model_used(predictor: Predictor) -> ModelUsed:
    """Which model ran, and on what."""
    bundle, backend = predictor.bundle, predictor.backend
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
