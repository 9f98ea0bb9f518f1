"""Requests "open_label" and "find_label": a case of a label store as one reader may see it."""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, UsageError
from .worker_clip import WorkerClip, write_frames
from .worker_label_masks import hidden_planes, written_masks
from .worker_labels import BESIDE
from .worker_protocol import exchange_error, new_path
from .worker_stores import has_store, store_folder

if TYPE_CHECKING:
    from ..labels.adjudication import Dispute
    from ..labels.blind_view import CaseView
    from ..labels.masks import MaskStack
    from ..labels.record import ImageIdentity, LabelRecord
    from ..labels.store import LabelStore
    from .work_beside import WorkBeside
    from .worker_requests import Attend, Progress, Worksite

READERS = 4
"""Threads that read frames of a case."""


def open_label(
    arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend"
) -> dict[str, Any]:
    """Open a case for a reader, with its image.

    Args:
        arguments: `store` folder; `case` pseudonym; `reader` name; `unblind` True shows others' results of a case that
            is read blind, which is noted in the audit trail.
        site: of this process.
        progress: told after each frame.
        attend: called between frames.

    Returns:
        `case`; `kind` still, cine or volume; `frames` path of a .npy file, uint8 (frames, rows, columns[, 3]);
        `spacing` {row_mm, column_mm, source} or None; `times_ms` list or None; `slice_mm` or None; `runs` list of
        `analysis`, path of its JSON, and `labels`, path of uint8 (frames, rows, columns); `reading` JSON text or None;
        `labels` path of the outlines as the reader left them or as they were imported, or None, with `hidden` outlines
        that they do not show whole, see worker_label_masks; `parent`
        version that what he makes of it comes from; `blind`; `state`; `versions` that he may see, the first first, each
        with `version`, `kind`, `reader`, `created`, `decision` and `reason` (version 0 is his work kept beside a case
        that is decided, and is what is opened then); `dispute` None, or where he may settle one `opinions` of
        `version`, `reader`, `decision`, `labels` and `reading`, and `differences` sentences; `notes` sentences on what
        is damaged.

    Raises:
        InputError: there is no such case, its image is not stored, or something of it is damaged.
        UsageError: no reader is named for a case that is read blind, or the store's key is missing.
        OutputError: the exchange folder cannot be written.
    """
    case, reader = str(arguments.get("case") or ""), str(arguments.get("reader") or "")
    with site.stores.use(store_folder(arguments.get("store"))) as store:
        opened = _opened(store, case, reader, unblind=bool(arguments.get("unblind")))
        path = _write_image(opened, site.exchange, progress, attend)
        return {"frames": str(path), **_image_told(opened), **_case_told(opened, site.exchange)}


def find_label(
    arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend"
) -> dict[str, Any]:
    """Look whether a store holds an image, and open its case for a reader without its pixels.

    Args:
        arguments: `store` folder; `reader` name; what to look for, the first of these that is given: `case` pseudonym,
            `sha256` of the image (ImageIdentity), `clip` WorkerClip as JSON, of all frames.
        site: of this process.
        progress: told after each frame of a clip.
        attend: called between them.

    Returns:
        As "open_label" without `frames`, `spacing`, `times_ms` and `slice_mm`, and with `stored` whether the store has
        all frames; or `case` None where it holds no such image, or there is no store.

    Raises:
        InputError: the clip is no image, or what is stored of it is damaged.
        UsageError: as "open_label".
    """
    from ..labels.picture_evidence import has_pictures

    folder = store_folder(arguments.get("store"))
    if not has_store(folder):
        return {"case": None}
    with site.stores.use(folder) as store:
        case = _looked_for(arguments, store, progress, attend)
        if not store.history(case):
            return {"case": None}
        opened = _opened(store, case, str(arguments.get("reader") or ""), unblind=False)
        stored = has_pictures(store, opened.view.record)
        return {"stored": stored, **_case_told(opened, site.exchange)}


@dataclass(frozen=True, eq=False)
class _Opened:
    """A case before a reader."""

    store: "LabelStore"
    view: "CaseView"
    state: str
    dispute: "Dispute | None"
    work: "WorkBeside | None"
    """What this reader left of a case that is decided; it takes the place of what the view's record has."""
    notes: tuple[str, ...]

    @cached_property
    def runs(self) -> "list[tuple[dict[str, Any], MaskStack | None]]":
        """The AI's analyses, as JSON values of this version of their format, and masks."""
        from .analysis_file import upgraded

        if self.work is not None:
            return [(run.model_dump(mode="json"), masks) for run, masks in self.work.runs()]
        return list(zip(map(upgraded, self.view.analyses()), self.view.drafts(), strict=True))


def _opened(store: "LabelStore", case: str, reader: str, *, unblind: bool) -> _Opened:
    from ..labels.adjudication import open_dispute
    from ..labels.blind_view import open_for
    from ..labels.case_facts import case_facts
    from ..labels.double_reading import double_reading_of
    from .work_beside import work_of

    view = open_for(store, case, reader, unblind=unblind)
    double = double_reading_of(store)
    facts = case_facts(store, case, double)
    state, notes, work, dispute = facts.state(double, reader), [], None, None
    try:
        work = work_of(store, case, reader)
    except InputError as error:
        notes.append(str(error))
    if state == "disputed":
        # Where he is one of the readers who disagree, another settles it.
        with suppress(UsageError):
            dispute = open_dispute(store, case, reader)
    return _Opened(store, view, state, dispute, work, (*notes, *facts.damaged))


def _looked_for(arguments: Mapping[str, Any], store: "LabelStore", progress: "Progress", attend: "Attend") -> str:
    from ..labels.image_identity import identity_of

    if arguments.get("case"):
        return str(arguments["case"])
    if arguments.get("sha256"):
        return store.case_of(_pixels_alone(str(arguments["sha256"])))
    handed = WorkerClip.from_json(arguments.get("clip") or {})
    if handed.is_part:
        raise InputError("All frames of the image are needed to find it among the labels; try again.")
    clip = handed.clip()

    def pixels() -> Iterator[np.ndarray]:
        for done, frame in enumerate(clip, 1):
            yield frame.pixels
            progress(done, len(clip), "looking for the image among the labels")
            attend()

    return store.case_of(identity_of(pixels(), clip.kind))


def _pixels_alone(sha256: str) -> "ImageIdentity":
    """An identity to ask a store for: its name for a case follows from the hash alone."""
    from pydantic import ValidationError

    from ..labels.record import ImageIdentity

    try:
        return ImageIdentity(sha256=sha256, kind="still", rows=1, columns=1, channels=1, frame_count=1)
    except ValidationError as error:
        raise InputError("The image to look for among the labels was not understood; open it again.") from error


def _write_image(opened: _Opened, exchange: Path, progress: "Progress", attend: "Attend") -> Path:
    """The stored frames as one file; grey and RGB frames mixed become RGB."""
    record = opened.view.record
    count, stored = record.image.frame_count, set(opened.store.frame_numbers(record))
    if len(stored) < count:
        what = "The image" if not stored else f"{count - len(stored)} of the {count} frames"
        raise InputError(
            f"{what} of {record.case} {'is' if not stored else 'are'} not in the label store; open the image itself, "
            "and what is stored of it comes with it."
        )

    steps = write_frames(exchange, _frames(opened.store, record), count, "image")
    while True:
        try:
            progress(next(steps), count, "reading the image")
            attend()
        except StopIteration as end:
            path: Path = end.value
            return path


def _frames(store: "LabelStore", record: "LabelRecord") -> Iterator[np.ndarray]:
    """The frames of a record in order, a few read ahead on other cores; in RGB where any of them has colour."""

    def pixels(number: int) -> np.ndarray:
        frame = store.frame(record, number)
        return frame if frame.ndim == 3 or record.image.channels == 1 else np.repeat(frame[..., None], 3, axis=2)

    ahead: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(READERS) as pool:
        for number in range(1, record.image.frame_count + 1):
            ahead.append(pool.submit(pixels, number))
            if len(ahead) > 2 * READERS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _image_told(opened: _Opened) -> dict[str, Any]:
    record = opened.view.record
    times: dict[int, float | None] = {}
    slice_mm = record.slice_mm
    for analysis, _ in opened.runs:
        times |= {frame["frame_number"]: frame.get("time_ms") for frame in analysis["frames"]}
        slice_mm = analysis["source"].get("slice_mm") or slice_mm
    known = [times.get(number) for number in range(1, record.image.frame_count + 1)]
    if None in known and record.frame_ms is not None:
        known = [record.frame_ms * index for index in range(record.image.frame_count)]
    return {
        "spacing": None if record.spacing is None else record.spacing.model_dump(),
        "times_ms": None if None in known else known,
        "slice_mm": slice_mm,
    }


def _case_told(opened: _Opened, exchange: Path) -> dict[str, Any]:
    view, record, work = opened.view, opened.view.record, opened.work
    runs = [
        {
            "analysis": str(_write_json(exchange, analysis)),
            "labels": written_masks(exchange, "draft", masks or _nothing(record)),
        }
        for analysis, masks in opened.runs
    ]
    result = view.result() if work is None else work.result()
    versions = [_version_told(one) for one in view.versions]
    if work is not None:
        said = {"kind": "autosaved", "reader": work.reader, "created": work.created, "decision": "open", "reason": ""}
        versions.append({"version": BESIDE, **said})
    return {
        "case": record.case,
        "kind": record.image.kind,
        "runs": runs,
        "reading": _reading_text(record) if work is None else work.content.reading.model_dump_json(),
        "labels": None if result is None else written_masks(exchange, "result", result),
        "hidden": [] if result is None else hidden_planes(result),
        "parent": view.parent if work is None else work.parent,
        "blind": view.blind,
        "state": opened.state,
        "versions": versions,
        "dispute": _dispute_told(opened, exchange),
        "notes": list(opened.notes),
    }


def _dispute_told(opened: _Opened, exchange: Path) -> dict[str, Any] | None:
    if opened.dispute is None:
        return None
    opinions = []
    for record in opened.dispute.opinions:
        masks = opened.store.result(record)
        opinions.append(
            {
                "version": record.version,
                "reader": record.reader,
                "decision": record.decision,
                "labels": None if masks is None else written_masks(exchange, "opinion", masks),
                "reading": _reading_text(record),
            }
        )
    said = [f"{' and '.join(one.readers)}: {words}." for one in opened.dispute.differences for words in one.disputes]
    return {"opinions": opinions, "differences": said}


def _nothing(record: "LabelRecord") -> "MaskStack":
    from ..labels.masks import MaskStack

    return MaskStack((record.image.frame_count, record.image.rows, record.image.columns), (), {})


def _version_told(record: "LabelRecord") -> dict[str, Any]:
    told = ("version", "kind", "reader", "created", "decision", "reason")
    return {name: getattr(record, name) for name in told}


def _reading_text(record: "LabelRecord") -> str | None:
    return None if record.reading is None else record.reading.model_dump_json()


def _write_json(exchange: Path, content: Any) -> Path:
    path = new_path(exchange, "analysis", ".json")
    try:
        path.write_text(json.dumps(content), "utf-8")
    except OSError as error:
        raise exchange_error(exchange, error) from error
    return path
