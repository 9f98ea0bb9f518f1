"""Work in progress on a case that is decided already: kept beside its versions, so that it hides no decision.

A version of work in progress would become the case's latest, and a label that another reader accepted would be a label
no more. One piece of work a reader and case, replaced by the next, and gone once the reader decides.
"""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from pydantic import Field, ValidationError

from ..birads.analysis import Analysis
from ..birads.lesion import Record
from ..errors import InputError
from ..json_schema import published_schema
from ..labels.masks import MaskStack
from ..labels.new_label import NewLabel, analysis_content, check_fits
from .case_content import CaseContent, StoredMask, StoredRun, as_json, read_case
from .label_packing import pack_labels, unpack_labels

if TYPE_CHECKING:
    from ..labels.store import LabelStore

SCHEMA_VERSION: Final = "1.0"
_DAMAGED = "Your work on {0}, kept beside it, is damaged; bring the folder `beside` of the labels back from a backup."


class WorkBeside(Record):
    """What a reader left of a decided case."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    reader: str
    parent: int = Field(ge=1)
    """Version that it was made from."""
    created: str
    """ISO 8601 in UTC."""
    looked_at: tuple[int, ...]
    """1-based numbers of the frames that the reader's outlines speak of."""
    content: CaseContent
    """Its `masks` are all outlines as the reader left them, also those that are the draft's."""

    def runs(self) -> list[tuple[Analysis, MaskStack]]:
        """The drafts. Raises InputError: damaged."""
        return [(run.analysis, self._draft(run)) for run in self.content.runs]

    def result(self) -> MaskStack:
        """The outlines. Raises InputError: damaged."""
        size = (self.content.rows, self.content.columns)
        masks = {(one.frame, one.number): unpack_labels(one.pixels, *size) > 0 for one in self.content.masks}
        return MaskStack.of((self.content.frame_count, *size), masks, self.looked_at)

    def _draft(self, run: StoredRun) -> MaskStack:
        size = (self.content.rows, self.content.columns)
        masks: dict[tuple[int, int], np.ndarray] = {}
        for frame, packed in enumerate(run.labels, run.first_frame):
            image = unpack_labels(packed, *size)
            masks |= {(frame, number): image == number for number in set(image[image > 0].tolist())}
        spoken = [frame.frame_number for frame in run.analysis.frames]
        return MaskStack.of((self.content.frame_count, *size), masks, spoken)


def keep_work(store: "LabelStore", label: NewLabel) -> bool:
    """Keep work in progress beside its case, which is in the store; whether it says anything new.

    Raises:
        InputError: masks that do not fit.
        OutputError: not kept; what was kept before still is.
    """
    check_fits(label)
    assert label.reading is not None, "work is a reader's"
    case, reader = store.case_of(label.image), label.reading.reader
    work = WorkBeside(
        reader=reader,
        parent=label.parent or store.history(case)[-1].version,
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        looked_at=() if label.result is None else label.result.spoken,
        content=_content(label, case),
    )
    before = store.kept_beside(_name(case, reader))
    if before and _says_the_same(before, work):
        return False
    store.keep_beside(_name(case, reader), as_json(work).encode("ascii"))
    return True


def work_of(store: "LabelStore", case: str, reader: str) -> WorkBeside | None:
    """What a reader left of a decided case; None where there is nothing.

    Raises:
        InputError: it is damaged, or of a newer version.
    """
    if not reader.strip() or not store.has_beside(_name(case, reader)):
        return None
    kept = store.kept_beside(_name(case, reader))
    if kept == b"":
        return None
    try:
        said = json.loads(kept or b"")
        content = json.loads(as_json(read_case(json.dumps(said["content"]))))
        return WorkBeside.model_validate_json(json.dumps({**said, "content": content}))
    except (ValueError, KeyError, TypeError, ValidationError, InputError) as error:
        raise InputError(_DAMAGED.format(case)) from error


def forget_work(store: "LabelStore", case: str, reader: str) -> None:
    """The reader decided: what he left before counts no more. Raises OutputError: the store cannot be written."""
    if store.has_beside(_name(case, reader)) and store.kept_beside(_name(case, reader)) != b"":
        store.keep_beside(_name(case, reader), b"")


def work_schema() -> str:
    """Text of Resources/Schema/label-work-1.0.schema.json."""
    title = f"BreastUSAssist work on a decided case, version {SCHEMA_VERSION}"
    return published_schema(WorkBeside, f"label-work-{SCHEMA_VERSION}", title)


def _content(label: NewLabel, case: str) -> CaseContent:
    image = label.image
    assert label.reading is not None, "work is a reader's"
    runs = [
        StoredRun(
            first_frame=1,
            analysis=Analysis.model_validate_json(analysis_content(analysis, case)),
            labels=tuple(_packed_draft(masks, frame) for frame in range(1, image.frame_count + 1)),
        )
        for analysis, masks in label.runs
    ]
    planes = sorted(label.result.planes) if label.result is not None else []
    masks = [
        StoredMask(number=number, frame=frame, pixels=pack_labels(label.result.mask(frame, number)))
        for frame, number in planes
        if label.result is not None
    ]
    return CaseContent(
        uid=case,
        kind=image.kind,
        frame_count=image.frame_count,
        rows=image.rows,
        columns=image.columns,
        runs=tuple(runs),
        masks=tuple(masks),
        reading=label.reading.model_copy(update={"case": case}),
    )


def _packed_draft(masks: MaskStack | None, frame: int) -> str:
    outlined = masks is not None and any(one == frame for one, _ in masks.planes)
    return pack_labels(masks.frame_labels(frame)) if masks is not None and outlined else ""


def _says_the_same(kept: bytes, work: WorkBeside) -> bool:
    """Whether they differ in nothing but times."""

    def said(text: bytes) -> object:
        content = json.loads(text)
        content["content"]["reading"] |= {"seconds_spent": 0}
        return {**content, "created": ""}

    try:
        return said(kept) == said(as_json(work).encode())
    except (ValueError, KeyError, TypeError):
        return False


def _name(case: str, reader: str) -> str:
    from ..labels.double_reading import reader_key

    return f"work of {reader_key(reader)} on {case}"
