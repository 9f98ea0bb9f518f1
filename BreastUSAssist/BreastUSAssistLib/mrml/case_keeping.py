"""A case's work on its way to the label folder: outlines packed frame by frame, unchanged ones only once."""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..service.case_content import CaseContent, StoredRun


@dataclass(frozen=True)
class PackedWork:
    """Outlines of a case as texts, see service.label_packing."""

    labels: tuple[str, ...]
    """Label image of each frame: the lesions that are present by their numbers; lower numbers lie on top."""
    hidden: tuple[dict[str, Any], ...]
    """Outlines of the reader that the label images do not show whole, because another lies on top or the lesion was
    removed: `number`, `frame` (from 1) and `pixels`, 1 inside."""


@dataclass(frozen=True)
class _Layer:
    """One outline in one frame, before it is unpacked."""

    number: int
    present: bool
    edited: bool
    text: str
    value: int
    """Of its pixels in the text."""


class WorkPacker:
    """Packs the outlines of one case again and again; a frame in which nothing changed costs nothing."""

    def __init__(self) -> None:
        self._frames: dict[int, tuple[tuple[_Layer, ...], str, tuple[dict[str, Any], ...]]] = {}

    def packing(self, content: "CaseContent") -> Generator[int, None, PackedWork]:
        """Pack what a case says, which needs no scene; a frame a step, for those that changed alone.

        Args:
            content: of the same case each time.

        Yields:
            Frames packed.
        """
        layers = _layers_of(content)
        for done, frame in enumerate(sorted(layers), start=1):
            known = self._frames.get(frame)
            if known is None or known[0] != layers[frame]:
                self._frames[frame] = (layers[frame], *_packed(layers[frame], frame, content))
                yield done
        self._frames = {frame: self._frames[frame] for frame in layers}
        found = [self._frames.get(frame) for frame in range(content.frame_count)]
        return PackedWork(
            tuple(one[1] if one is not None else "" for one in found),
            tuple(part for one in found if one is not None for part in one[2]),
        )


def run_told(run: "StoredRun") -> dict[str, Any]:
    """A run as request "keep_label" takes it."""
    return {"analysis": run.analysis.model_dump_json(), "packed": list(run.labels), "first_frame": run.first_frame}


def planes_of(hidden: Iterable[Mapping[str, Any]] | None, rows: int, columns: int) -> dict[tuple[int, int], np.ndarray]:
    """Hidden outlines, as a request tells them, by number and frame from 0: bool (rows, columns).

    Raises:
        InputError: one is damaged.
    """
    from ..service.label_packing import unpack_labels

    return {
        (int(one["number"]), int(one["frame"]) - 1): unpack_labels(str(one["pixels"]), rows, columns) > 0
        for one in hidden or ()
    }


def _layers_of(content: "CaseContent") -> dict[int, tuple[_Layer, ...]]:
    """The outlines that count, by frame from 0, in the order of their numbers; of removed lesions only the reader's."""
    edited = {(one.number, one.frame - 1): one.pixels for one in content.masks}
    found: dict[int, list[_Layer]] = {}
    for lesion in sorted(content.reading.lesions, key=lambda one: one.number):
        run = content.runs[lesion.run] if lesion.run is not None and lesion.run < len(content.runs) else None
        drafts = run.analysis.lesions if run is not None else ()
        draft = next((one for one in drafts if one.tracking_uid == lesion.tracking_uid), None)
        mine = {frame: text for (number, frame), text in edited.items() if number == lesion.number}
        for frame, text in mine.items():
            if text:
                found.setdefault(frame, []).append(_Layer(lesion.number, lesion.present, True, text, 1))
        if run is None or draft is None or not lesion.present:
            continue
        for number in draft.frames:
            place = number - run.first_frame
            if number - 1 not in mine and 0 <= place < len(run.labels) and run.labels[place]:
                layer = _Layer(lesion.number, True, False, run.labels[place], draft.number)
                found.setdefault(number - 1, []).append(layer)
    return {frame: tuple(layers) for frame, layers in found.items()}


def _packed(layers: tuple[_Layer, ...], frame: int, content: "CaseContent") -> tuple[str, tuple[dict[str, Any], ...]]:
    from ..service.label_packing import pack_labels, unpack_labels

    labels = np.zeros((content.rows, content.columns), np.uint8)
    masks = [unpack_labels(one.text, content.rows, content.columns) == one.value for one in layers]
    for layer, mask in zip(reversed(layers), reversed(masks), strict=True):
        if layer.present:
            labels[mask] = layer.number
    hidden = tuple(
        {"number": layer.number, "frame": frame + 1, "pixels": layer.text}
        for layer, mask in zip(layers, masks, strict=True)
        if layer.edited and not (layer.present and np.array_equal(labels == layer.number, mask))
    )
    return pack_labels(labels), hidden
