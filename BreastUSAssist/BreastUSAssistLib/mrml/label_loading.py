"""A case of the label folder put into the scene: its images, and the work on it as it was kept."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from ..errors import InputError, OutputError
from ..ultrasound.frame import Clip, PixelSpacing, SourceReference, UltrasoundFrame
from .case_list import cases_of
from .label_origin import LabelOrigin, label_origin, set_label_origin
from .source import UltrasoundSource
from .volume_loading import loading

if TYPE_CHECKING:
    from ..birads.analysis import Analysis
    from ..birads.reading import Reading

IMAGES = "BreastUSAssist.LabelImages"
"""Attribute of a sequence or volume that was put into the scene from a label folder, not from a file."""


@dataclass(frozen=True, eq=False)
class LabelContent:
    """What is kept of a case beside its images."""

    runs: "tuple[tuple[Analysis, np.ndarray], ...]"
    """Each with its label images uint8 (frames of the case, rows, columns)."""
    reading: "Reading | None"
    """None where nobody began, and of imported masks."""
    labels: np.ndarray | None
    """Outlines as they were left, uint8 (frames, rows, columns); None where there are none."""


def label_content(opened: Mapping[str, Any]) -> LabelContent:
    """Read what request `open_label` gave of a case; its files are removed.

    Raises:
        InputError: a draft or the reading is damaged.
        OutputError: a file is gone.
    """
    from pydantic import ValidationError

    from ..birads.reading import Reading
    from ..service.analysis_file import read_analysis
    from ..service.worker_protocol import take_array

    runs = tuple((read_analysis(Path(run["analysis"])), take_array(run["labels"])) for run in opened.get("runs") or ())
    text, labels = opened.get("reading"), opened.get("labels")
    try:
        reading = None if text is None else Reading.model_validate_json(text)
    except ValidationError as error:
        raise InputError(_("The kept reading of this case is damaged; verify the label folder.")) from error
    return LabelContent(runs, reading, None if labels is None else take_array(labels))


def find_label_case(scene: Any, case: str) -> UltrasoundSource | None:
    """The image in the scene that is a case of the label folder; None where there is none."""
    for source in cases_of(scene):
        origin = label_origin(source)
        if origin is not None and origin.case == case:
            return source
    return None


def is_of_labels(source: UltrasoundSource) -> bool:
    """Whether the image itself came from a label folder, so that it can be opened from there again."""
    return (source.sequence or source.volume).GetAttribute(IMAGES) == "1"


def load_label(scene: Any, opened: Mapping[str, Any]) -> Any:
    """Put a case into the scene in one go, see `loading_label`; its volume node."""
    steps = loading_label(scene, opened)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def loading_label(scene: Any, opened: Mapping[str, Any]) -> Generator[tuple[int, int], None, Any]:
    """Put a case into the scene, a frame a step: images, drafts, reading and outlines as they were kept.

    A case that is in the scene already is taken as it is there.

    Args:
        scene: vtkMRMLScene.
        opened: what request `open_label` gave.

    Yields:
        Steps done, and all steps.

    Returns:
        Its volume node.

    Raises:
        InputError: what was kept is damaged, or does not fit the images; nothing new is in the scene then.
        OutputError: a file of the answer is gone.
    """
    there = find_label_case(scene, str(opened["case"]))
    if there is not None:
        return there.volume
    content = label_content(opened)
    clip = _clip(opened)
    images = loading(scene, clip)
    while True:
        try:
            done, count = next(images)
        except StopIteration as end:
            source: UltrasoundSource = end.value
            break
        yield done, 2 * count
    whole = False
    try:
        node = source.sequence or source.volume
        # Not a name with a number behind it, which the scene gives to one that was here before.
        node.SetName(str(opened["case"]))
        node.SetAttribute(IMAGES, "1")
        set_label_origin(source, origin_of(opened))
        for done, total in _restoring(scene, source, content, opened.get("hidden")):
            yield source.frame_count + round(done / max(total, 1) * source.frame_count), 2 * source.frame_count
        whole = True
    finally:
        # Left half-way it would look like the case with less work in it than was kept.
        if not whole:
            from .case_removal import remove_case

            remove_case(scene, source)
    return source.volume


def origin_of(opened: Mapping[str, Any]) -> LabelOrigin:
    """Where the reader's work starts from, of an answer of `open_label` or `find_label`."""
    parent = opened.get("parent")
    return LabelOrigin(str(opened["case"]), None if parent is None else int(parent), bool(opened.get("dispute")))


def _restoring(
    scene: Any, source: UltrasoundSource, content: LabelContent, hidden: Any
) -> Generator[tuple[int, int], None, None]:
    from .case import open_case
    from .case_keeping import planes_of
    from .case_restoring import restore_case

    case = open_case(scene, source.volume)
    try:
        planes = planes_of(hidden, source.rows, source.columns)
        yield from restore_case(case, content.runs, content.reading, content.labels, planes)
    finally:
        case.close()


def _clip(opened: Mapping[str, Any]) -> Clip:
    pixels = _pixels(opened)
    known = opened.get("spacing")
    spacing = None if known is None else PixelSpacing(known["row_mm"], known["column_mm"], known["source"])
    times = opened.get("times_ms")

    def frame(index: int) -> UltrasoundFrame:
        return UltrasoundFrame(np.asarray(pixels[index]), SourceReference(Path(), index + 1), pixel_spacing=spacing)

    return Clip(
        name=str(opened["case"]),
        kind=opened["kind"],
        frame_count=len(pixels),
        decode=frame,
        times_ms=None if times is None else tuple(map(float, times)),
        format="label",
        slice_mm=opened.get("slice_mm") if spacing is not None else None,
    )


def _pixels(opened: Mapping[str, Any]) -> np.ndarray:
    """Frames of the answer, read from its file one at a time; the client removes the file later."""
    try:
        pixels: np.ndarray = np.load(str(opened.get("frames")), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise OutputError(_("The images of this case were not handed on; open it again.")) from error
    return pixels
