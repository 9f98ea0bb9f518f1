"""Exports: views of the store in the forms of other programs. The store stays the truth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import InputError, UsageError
from ..files import folder_written_whole, write_text
from .counted_labels import Disputes, counted_versions
from .export_query import QUERY, ExportCounts, ExportedRecord, ExportQuery, ExportRecord, Part, read_query
from .export_split import parts_of
from .known_values import known_of
from .masks import MaskStack
from .picture_evidence import HOW_TO, told_evidence, with_evidence
from .record import LabelRecord
from .store import LabelStore

Progress = Callable[[int, int], None]
WITHOUT_PIXELS = ("csv",)
"""Formats that need no image."""


@dataclass(frozen=True, eq=False)
class ExportedCase:
    """One label of an export."""

    record: LabelRecord
    part: Part
    fold: int | None
    frames: tuple[int, ...]
    """1-based numbers of the frames that masks speak of and whose pixels are stored; ascending."""
    lesions: int
    store: LabelStore = field(repr=False)

    @cached_property
    def masks(self) -> MaskStack:
        """As the reader left them, or as they were imported."""
        masks = self.store.result(self.record)
        assert masks is not None, "cases without masks are left out"
        return masks

    @cached_property
    def known(self) -> dict[str, str]:
        """What came with the image from outside, see known_values."""
        return known_of(self.store, self.record)

    def frame_name(self, number: int) -> str:
        """Name of a frame's files, without ending."""
        return self.record.case if self.record.image.frame_count == 1 else f"{self.record.case}_{number:04d}"


@dataclass(eq=False)
class ExportContent:
    """What a format's writer is given."""

    store: LabelStore
    query: ExportQuery
    cases: tuple[ExportedCase, ...]
    progress: Progress = lambda done, total: None
    notes: list[str] = field(default_factory=list)

    def each(self) -> Iterator[ExportedCase]:
        """The cases in the order of the store, telling the progress."""
        for done, case in enumerate(self.cases, 1):
            # A copy, so that the masks of all cases are never in memory together.
            yield replace(case)
            self.progress(done, len(self.cases))

    def pixels(self, case: ExportedCase, number: int) -> np.ndarray:
        """A frame, uint8, (rows, columns[, 3])."""
        return self.store.frame(case.record, number)


@dataclass(frozen=True)
class Exported:
    """What an export held, and what was wrong with the store."""

    record: ExportRecord
    damaged: tuple[str, ...]
    """A sentence for each record that could not be read."""


Writer = Callable[[Path, ExportContent], None]


def export_labels(
    store: LabelStore,
    out: Path,
    query: ExportQuery,
    write: Writer,
    *,
    replace: bool = False,
    progress: Progress = lambda done, total: None,
) -> Exported:
    """Write one view of the store to `out`, whole or not at all, with query.json beside it.

    Each case has its latest version in it (up to `query.head`) if that is of one of the kinds asked for. Left out, and
    counted, are cases in dispute (unless asked for), cases without masks, frames without stored pixels, and pictures
    without evidence that they show no patient data (see picture_gate).

    Args:
        store: open store; nothing is written to it.
        out: new or empty folder, or with `replace` one that holds an earlier export.
        query: what to export.
        write: writes one format, see `labels.export_*`.
        replace: put the export in the place of an earlier one and whatever was added to that.
        progress: called with cases written and their number.

    Raises:
        UsageError: `out` holds something else.
        InputError: no label fits the query, or the store never had its head.
        OutputError: the folder cannot be written.
    """
    _check_target(out, replace, store.folder)
    head = _head(store, query)
    query = query.model_copy(update={"head": head})
    cases, notes, damaged = _cases(store, query)
    content = ExportContent(store, query, cases, progress, notes)
    if not cases:
        raise InputError(f"No label of the kinds {', '.join(query.kinds)} can be exported; {_first(notes, damaged)}")
    if query.format not in WITHOUT_PIXELS:
        notes.append(told_evidence(case.record for case in cases))
    with folder_written_whole(out) as folder:
        write(folder, content)
        record = _record(content, len(damaged))
        write_text(folder / QUERY, record.text())
    return Exported(record, tuple(damaged))


def _check_target(out: Path, replace: bool, store: Path) -> None:
    if out.resolve().is_relative_to(store.resolve()):
        raise UsageError(f"{out} lies in the label store; choose another --out.")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not replace:
        raise UsageError(f"{out} is not empty; choose another --out, or --replace an export that lies there.")
    try:
        read_query(out)
    except InputError as error:
        raise UsageError(f"{out} holds no export that could be replaced; choose another --out.") from error


def _head(store: LabelStore, query: ExportQuery) -> str:
    """Entry of the audit trail up to which labels count."""
    now = store.head()
    if query.head is None or query.head == now:
        return now
    if int(query.head.partition(":")[0]) >= int(now.partition(":")[0]):
        raise InputError(
            "The label store has no such entry in its audit trail; name the store that the query was made on."
        )
    return query.head


def _first(notes: list[str], damaged: list[str]) -> str:
    return (damaged or notes or ["accept or import some first."])[0]


def _cases(store: LabelStore, query: ExportQuery) -> tuple[tuple[ExportedCase, ...], list[str], list[str]]:
    """Cases to export, notes on what is left out, and a sentence for each damaged record."""
    found: list[tuple[LabelRecord, int, tuple[int, ...]]] = []
    damaged: list[str] = []
    without_masks = without_pixels = frames_left_out = unproven = 0
    last, disputed = _last(query), 0
    disputes = None if query.include_disputed else Disputes(store, last)
    for case, version in counted_versions(store, query.kinds, last):
        try:
            if disputes is not None and disputes.holds(case):
                disputed += 1
                continue
            record = with_evidence(store, stored := store.get(case, version))
            masks = store.result(record)
            if masks is None:
                without_masks += 1
                continue
            if stored.frames is not None and record.frames is None and query.format not in WITHOUT_PIXELS:
                unproven += 1
                continue
            frames = _frames(store, record, masks, query)
        except InputError as error:
            damaged.append(str(error))
            continue
        frames_left_out += 0 if query.format in WITHOUT_PIXELS else len(masks.spoken) - len(frames)
        if not frames and query.format not in WITHOUT_PIXELS:
            without_pixels += 1
            continue
        found.append((record, len(masks.numbers), frames))
    parts = parts_of({record.case: record.patient or record.case for record, _, _ in found}, query)
    cases = tuple(
        ExportedCase(record, *parts[record.case], frames, lesions, store) for record, lesions, frames in found
    )
    notes = []
    if disputed:
        notes.append(f"{disputed} cases are in dispute and were left out; settle them, or ask for --include-disputed.")
    if without_masks:
        notes.append(f"{without_masks} cases have no masks and were left out.")
    if unproven:
        notes.append(
            f"The pictures of {unproven} cases were left out because nothing says that they show no patient data; "
            f"{HOW_TO}."
        )
    if frames_left_out:
        notes.append(
            f"{frames_left_out} frames ({without_pixels} whole cases) were left out because their pixels are not "
            "stored; import them again with their images."
        )
    if query.split and not any(case.part == "test" for case in cases):
        notes.append("No patient fell to the share held back; use another seed or wait for more labels.")
    return cases, notes, damaged


def _last(query: ExportQuery) -> int:
    """The last entry of the audit trail that counts."""
    return int((query.head or "0").partition(":")[0])


def _frames(store: LabelStore, record: LabelRecord, masks: MaskStack, query: ExportQuery) -> tuple[int, ...]:
    if query.format in WITHOUT_PIXELS:
        return masks.spoken
    frames = tuple(sorted(set(masks.spoken) & set(store.frame_numbers(record))))
    for number in frames:
        # A damaged frame is found here, before anything of its case is written.
        store.frame(record, number)
    return frames


def _record(content: ExportContent, damaged: int) -> ExportRecord:
    records = tuple(
        ExportedRecord(
            record=case.record.name,
            patient=case.record.patient,
            part=case.part,
            fold=case.fold,
            frames=case.frames,
            lesions=case.lesions,
        )
        for case in content.cases
    )
    counts = ExportCounts(
        cases=len(records),
        patients=len({case.record.patient or case.record.case for case in content.cases}),
        frames=sum(len(one.frames) for one in records),
        lesions=sum(one.lesions for one in records),
        train=sum(one.part == "train" for one in records),
        test=sum(one.part == "test" for one in records),
        left_out=sum(1 for _ in counted_versions(content.store, content.query.kinds, _last(content.query)))
        - len(records),
    )
    return ExportRecord(
        software=f"BreastUSAssist {__version__}",
        store=content.store.header.id,
        query=content.query,
        counts=counts,
        notes=tuple(content.notes),
        records=records,
    )
