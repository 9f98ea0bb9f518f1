"""Requests "open_frame" and "refine": corrections of outlines, one session a frame."""

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .worker_models import ModelChoice
from .worker_protocol import read_array, write_array

if TYPE_CHECKING:
    from ..model.prompt import Prompt
    from ..model.refiner import RefinementSession
    from ..ultrasound.frame import Box
    from .worker_requests import Worksite

MOST_SESSIONS = 6
"""Frames whose features are kept, up to 16 MB each."""
MOST_FRAMES = 64
"""Frames whose pixels are kept in the exchange folder, for a process that follows this one."""
MOST_AHEAD = 4
"""Outlines of a frame that the encoder runs ahead for."""

Sessions = OrderedDict[tuple[str, ModelChoice], "RefinementSession"]
"""By key and models, the one used last at the end."""


def open_frame(arguments: Mapping[str, Any], site: "Worksite") -> dict[str, Any]:
    """Begin to correct a frame, and let the encoder run ahead so that the first click is answered at once.

    Args:
        arguments: `frame` path of a .npy file, uint8 (rows, columns[, 3]), `tissue` box of the
            tissue, or None to find it; `labels` path of the frame's label image, uint8 (rows, columns), or None: its
            lesions are run ahead for too; `model`, `store`, `backend`, `device` as for "analyze".
        site: of this process.

    Returns:
        `key` to refine by: the same for the same pixels, and known to a later process too; `model` as of "analyze";
        `ms`.
    """
    from ..model.prompt import Prompt

    started = time.perf_counter()
    grey, tissue = _grey_and_tissue(read_array(arguments.get("frame")), arguments.get("tissue"))
    labels = read_array(arguments["labels"]) if arguments.get("labels") else None
    digest = hashlib.sha256(repr(grey.shape).encode() + grey.tobytes()).hexdigest()[:32]
    key = "-".join([digest, *map(str, tissue)])
    _keep(site.exchange, key, grey)
    choice = ModelChoice.of(arguments)
    session = _session(key, choice, site, grey)
    session.prepare(Prompt(positive_points=(_middle(tissue),)))
    for number in () if labels is None else np.unique(labels[labels > 0])[:MOST_AHEAD]:
        session.prepare(Prompt(mask=labels == number))
    return {"key": key, "model": choice.told(site.models.predictor(choice)), "ms": _since(started)}


def refine(arguments: Mapping[str, Any], site: "Worksite") -> dict[str, Any]:
    """Outline what the reader marked.

    Args:
        arguments: `key` of open_frame; `positive` and `negative` points [[row, column], ...], `positive_scribbles` and
            `negative_scribbles` lists of such, `box` [top, left, bottom, right] or None, `mask` path of the outline so
            far, bool (rows, columns), or None; see model.prompt. `model`, `store`, `backend`,
            `device` as for "analyze".
        site: of this process.

    Returns:
        `mask` path, bool (rows, columns); `confidence` 0..1 or None; `model` as of "analyze"; `ms` spent here.

    Raises:
        InputError: the frame is not open, or the prompt cannot be meant.
    """
    started = time.perf_counter()
    choice = ModelChoice.of(arguments)
    session = _session(str(arguments.get("key")), choice, site)
    lesion = session.refine(_prompt(arguments))
    path = write_array(site.exchange, "mask", lesion.pixels)
    model = choice.told(site.models.predictor(choice))
    return {"mask": str(path), "confidence": lesion.confidence, "model": model, "ms": _since(started)}


def _session(key: str, choice: ModelChoice, site: "Worksite", grey: np.ndarray | None = None) -> "RefinementSession":
    """The session of a frame; made anew from the kept pixels where this process does not have it."""
    sessions = site.sessions
    found = sessions.get((key, choice))
    if found is None:
        grey = _kept(site.exchange, key) if grey is None else grey
        top, left, bottom, right = map(int, key.split("-")[1:])
        found = site.models.refiner(choice).open(grey, (top, left, bottom, right))
        sessions[key, choice] = found
    sessions.move_to_end((key, choice))
    while len(sessions) > MOST_SESSIONS:
        sessions.popitem(last=False)
    return found


def _grey_and_tissue(frame: np.ndarray, box: Any) -> "tuple[np.ndarray, Box]":
    from ..ultrasound.frame import SourceReference, UltrasoundFrame
    from ..ultrasound.tissue import tissue_box

    if frame.dtype != np.uint8 or not (frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] == 3)) or not frame.size:
        raise InputError("A frame to correct must be grey or RGB, 8 bits deep and not empty; convert it first.")
    shown = UltrasoundFrame(np.ascontiguousarray(frame), SourceReference(Path("frame")))
    if box is None:
        return shown.grey, tissue_box(shown)
    top, left, bottom, right = map(int, box)
    if not (0 <= top < bottom <= shown.rows and 0 <= left < right <= shown.columns):
        raise InputError("The box of the tissue does not lie in the frame; open the frame again.")
    return shown.grey, (top, left, bottom, right)


def _prompt(arguments: Mapping[str, Any]) -> "Prompt":
    from ..model.prompt import Point, Prompt

    def points(given: Any) -> tuple[Point, ...]:
        return tuple((float(row), float(column)) for row, column in given or ())

    try:
        box = arguments.get("box")
        return Prompt(
            points(arguments.get("positive")),
            points(arguments.get("negative")),
            tuple(points(line) for line in arguments.get("positive_scribbles") or ()),
            tuple(points(line) for line in arguments.get("negative_scribbles") or ()),
            None if box is None else (int(box[0]), int(box[1]), int(box[2]), int(box[3])),
            read_array(arguments["mask"]).astype(bool) if arguments.get("mask") else None,
        )
    except (TypeError, ValueError, IndexError) as error:
        raise InputError("The marks were not understood; clear them and mark again.") from error


def _keep(folder: Path, key: str, grey: np.ndarray) -> None:
    """Keep the pixels beside, so that a process that follows this one can go on; the oldest make room."""
    path = folder / f"open-{key}.npy"
    if path.exists():
        return
    write_array(folder, "new", grey).replace(path)
    kept = sorted(folder.glob("open-*.npy"), key=lambda one: one.stat().st_mtime_ns)
    for older in kept[:-MOST_FRAMES]:
        older.unlink(missing_ok=True)


def _kept(folder: Path, key: str) -> np.ndarray:
    path = folder / f"open-{key}.npy"
    if not re.fullmatch(r"[0-9a-f]{32}(-\d{1,6}){4}", key) or not path.is_file():
        raise InputError("The frame to correct is not open any more; select the lesion again.")
    grey: np.ndarray = np.load(path, allow_pickle=False)
    return grey


def _middle(box: "Box") -> tuple[float, float]:
    return (box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
