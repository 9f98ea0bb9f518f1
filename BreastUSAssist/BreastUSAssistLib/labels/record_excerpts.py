"""What a worklist needs of stored records and analyses, parsed without the rest: a fifth of the time, or less."""

from functools import cache
from typing import TYPE_CHECKING, NotRequired

# Below Python 3.12 pydantic reads only this TypedDict, which it brings itself.
from typing_extensions import TypedDict

from ..errors import InputError
from .record import SCHEMA_VERSION, RecordKind
from .record_text import OLDER

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class LesionReadingExcerpt(TypedDict):
    """Of a reading's lesion: that it is there."""

    number: int


class ReadingExcerpt(TypedDict):
    """Of a reading: whether anything was done."""

    lesions: NotRequired[list[LesionReadingExcerpt]]
    seconds_spent: NotRequired[float]


class RunExcerpt(TypedDict):
    """Of a run: the address of its analysis."""

    analysis: str


class RecordExcerpt(TypedDict):
    """Of a LabelRecord as text; what is at its default is left out there."""

    schema_version: str
    case: str
    version: int
    kind: RecordKind
    parent: NotRequired[int | None]
    reader: NotRequired[str]
    reading: NotRequired[ReadingExcerpt | None]
    runs: NotRequired[list[RunExcerpt]]
    restored_from: NotRequired[int | None]
    settles: NotRequired[list[int]]


class FrameExcerpt(TypedDict):
    """Of a frame of an Analysis."""

    frame_number: int
    normal: NotRequired[float | None]
    benign: NotRequired[float | None]
    malignant: NotRequired[float | None]


class AssessmentExcerpt(TypedDict):
    """Of a lesion's assessment."""

    probability_malignant: NotRequired[float | None]
    interval: NotRequired[tuple[float, float] | None]


class LesionExcerpt(TypedDict):
    """Of a lesion of an Analysis."""

    key_frame: int
    assessment: AssessmentExcerpt
    outline_uncertain_share: NotRequired[float | None]


class GateExcerpt(TypedDict):
    """Of a gate of an Analysis."""

    code: str
    severity: str
    frames: NotRequired[list[int]]


class AnalysisExcerpt(TypedDict):
    """Of an Analysis, as draft_scores reads it."""

    frames: list[FrameExcerpt]
    lesions: list[LesionExcerpt]
    gates: list[GateExcerpt]


def record_excerpt(text: bytes, name: str) -> RecordExcerpt:
    """Excerpt of a record's text of this version or an older one.

    Raises:
        InputError: it is no record, or one of a newer version; the message says `name`.
    """
    try:
        found: RecordExcerpt = _of_records().validate_json(text)
    except ValueError as error:
        raise InputError(f"{name} is damaged; bring it back from a backup of the store.") from error
    version = found["schema_version"]
    if version != SCHEMA_VERSION and version not in OLDER:
        raise InputError(
            f"{name} has format {version} but this version reads {SCHEMA_VERSION}; update BreastUSAssist to read it."
        )
    return found


def analysis_excerpt(content: bytes, name: str) -> AnalysisExcerpt:
    """Excerpt of an analysis as it is stored, of any version. Raises InputError: it is none; says `name`."""
    try:
        found: AnalysisExcerpt = _of_analyses().validate_json(content)
    except ValueError as error:
        raise InputError(f"A draft of {name} is damaged; bring the store back from a backup.") from error
    return found


@cache
def _of_records() -> "TypeAdapter[RecordExcerpt]":
    from pydantic import TypeAdapter

    return TypeAdapter(RecordExcerpt)


@cache
def _of_analyses() -> "TypeAdapter[AnalysisExcerpt]":
    from pydantic import TypeAdapter

    return TypeAdapter(AnalysisExcerpt)
