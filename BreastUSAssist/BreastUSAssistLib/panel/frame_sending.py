"""A case's frames on their way to the child process, one frame a step."""

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..mrml.parameter_node import AUTOMATIC
from ..service.worker_clip import WorkerClip, write_frames
from .label_settings import label_settings

if TYPE_CHECKING:
    from ..mrml.source import UltrasoundSource


def sent_clip(
    exchange: Callable[[], Path], source: "UltrasoundSource", frames: Sequence[int]
) -> Generator[int, None, WorkerClip]:
    """Write frames (from 0, neighbours) of a case to the exchange folder; returns what a request tells of them.

    Raises:
        InputError: a frame has no pixels any more, or values that are no numbers.
        OutputError: the disk is full.
    """
    from ..mrml.pixel_calibration import calibration_of
    from ..mrml.source_headers import header_files

    pixels = (source.frame(index).pixels for index in frames)
    path = yield from write_frames(exchange(), pixels, len(frames))
    spacing, times = calibration_of(source).spacing, source.times_ms
    return WorkerClip(
        name=source.name,
        kind=source.kind,
        frames=str(path),
        spacing=None if spacing is None else (spacing.row_mm, spacing.column_mm, spacing.source),
        times_ms=None if times is None else tuple(times[index] for index in frames),
        slice_mm=slice_mm_of(source),
        header_files=tuple(str(file) for file in header_files(source)),
        first_frame=frames[0] + 1,
        frame_count=source.frame_count,
    )


def slice_mm_of(source: "UltrasoundSource") -> float | None:
    """Distance between the slices of a volume; None for other images, and where nothing is known in mm."""
    from ..mrml.pixel_calibration import calibration_of

    if source.kind != "volume" or not calibration_of(source).known:
        return None
    return abs(float(source.volume.GetSpacing()[2]))


def model_choice(parameters: Any) -> dict[str, Any]:
    """Arguments that say which models a request runs on what: those of the panel's parameter node.

    Automatic is the model promoted from the labels, where there is one.
    """
    chosen = {"device": parameters.device, "backend": "auto", "reader": bool(parameters.use_reader)}
    if parameters.model == AUTOMATIC:
        return {"store": str(label_settings().folder), **chosen}
    return {"model": parameters.model, **chosen}
