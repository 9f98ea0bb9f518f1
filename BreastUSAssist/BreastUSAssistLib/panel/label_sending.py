"""A case's work on its way to the label store, a frame a step: drafts, outlines, and which image they are of."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..mrml.case import Case
    from ..mrml.source import UltrasoundSource


def known_image(source: "UltrasoundSource") -> dict[str, Any] | None:
    """What request "keep_label" needs of an image that the label store has, without its pixels; else None."""
    from ..mrml.label_origin import label_origin
    from ..mrml.pixel_calibration import calibration_of

    origin = label_origin(source)
    if origin is None:
        return None
    spacing = calibration_of(source).spacing
    told = spacing and {"row_mm": spacing.row_mm, "column_mm": spacing.column_mm, "source": spacing.source}
    return {"case": origin.case, "spacing": told, "parent": origin.parent, "settles": origin.settles}


def sent_work(
    exchange: Callable[[], Path], case: "Case", runs_of: int | None = None
) -> Generator[int, None, dict[str, Any]]:
    """The drafts and the outlines of a case as request "keep_label" takes them.

    Args:
        exchange: gives the folder for arrays.
        case: open.
        runs_of: version that has the same drafts, which need not be sent then.

    Yields:
        Frames done.

    Raises:
        InputError: the case was closed.
        OutputError: the disk is full.
    """
    from ..service.worker_protocol import write_array

    work: dict[str, Any] = {"packed": (yield from _packed_labels(case))}
    if runs_of is not None:
        return work | {"runs_of": runs_of}
    runs = []
    for run, labels in case.drafts():
        runs.append({"analysis": run.model_dump_json(), "labels": str(write_array(exchange(), "draft", labels))})
        yield case.source.frame_count
    return work | {"runs": runs}


def _packed_labels(case: "Case") -> Generator[int, None, list[str]]:
    """Label image of each frame, packed; "" where it has no outline. Lower numbers lie on top, as in `Case.labels`."""
    import numpy as np

    from ..service.label_packing import pack_labels

    case.catch_up()
    record, packed = case.record, []
    present = sorted((one for one in case.reading.lesions if one.present), key=lambda one: -one.number)
    outlined = {one.number: set(record.masked_frames(one.number)) for one in present}
    for frame in range(record.frame_count):
        numbers = [one.number for one in present if frame in outlined[one.number]]
        if not numbers:
            packed.append("")
            continue
        labels = np.zeros(record.shape, np.uint8)
        for number in numbers:
            labels[record.mask(number, frame)] = number
        packed.append(pack_labels(labels))
        yield frame + 1
    return packed
