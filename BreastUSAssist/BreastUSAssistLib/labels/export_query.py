"""What an export was asked for and what it held: query.json, beside every export, from which it can be made again."""

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from ..birads.lesion import Record
from ..errors import InputError
from ..json_schema import published_schema
from .record import PatientName, RecordKind

EXPORT_VERSION: Final = "1.1"
QUERY = "query.json"
ExportFormat = Literal["monai-label", "nnunet", "datalist", "coco", "seg", "csv"]
FORMATS: tuple[ExportFormat, ...] = ("monai-label", "nnunet", "datalist", "coco", "seg", "csv")
Part = Literal["train", "test"]


class ExportQuery(Record):
    """What to export. The same query of the same store gives the same bytes."""

    format: ExportFormat
    kinds: tuple[RecordKind, ...] = ("accepted", "imported")
    """Cases whose latest version is of one of these."""
    split: float = Field(default=0.0, ge=0, lt=1)
    """Share of the patients that are held back as "test"."""
    folds: int = Field(default=5, ge=1, le=1000)
    """Parts of equal size that the others fall into, by patient, numbered from 0."""
    seed: int = 0
    include_disputed: bool = False
    """Whether cases in dispute are exported, as their last reader left them."""
    head: str | None = Field(default=None, pattern=r"^\d{1,18}:[0-9a-f]{64}$")
    """Number and hash of the audit trail's entry up to which labels count; None: all that are there."""


class ExportedRecord(Record):
    """One version of one label in an export."""

    record: str
    """Case and version."""
    patient: PatientName | None
    part: Part
    fold: int | None
    """None for those held back."""
    frames: tuple[int, ...]
    """1-based numbers of the frames that were exported."""
    lesions: int


class ExportCounts(Record):
    """How much is in an export."""

    cases: int
    patients: int
    """Cases whose patient is not known count as patients of their own."""
    frames: int
    lesions: int
    train: int
    """Cases."""
    test: int
    left_out: int
    """Cases that were asked for and could not be exported."""


class ExportRecord(Record):
    """Content of query.json. Holds no patient identifier."""

    schema_version: Literal["1.1"] = EXPORT_VERSION
    software: str
    """Name and version."""
    store: str
    """Id of the label store."""
    query: ExportQuery
    """As asked for, with the head up to which labels were counted."""
    counts: ExportCounts
    notes: tuple[str, ...]
    """What was left out and why, and what to mind."""
    records: tuple[ExportedRecord, ...]

    def text(self) -> str:
        """Text of the file."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def read_query(path: Path) -> ExportQuery:
    """The query of an earlier export, see `read_export`."""
    return read_export(path).query


def read_export(path: Path) -> ExportRecord:
    """What an earlier export held, from its query.json or the folder that holds it.

    Raises:
        InputError: the file is not there, damaged, or of a newer version.
    """
    path = path / QUERY if path.is_dir() else path
    try:
        content = json.loads(path.read_bytes())
        version = content.get("schema_version") if isinstance(content, dict) else None
        if version == "1.0":
            content = _upgraded(content)
        elif version != EXPORT_VERSION and isinstance(version, str):
            raise InputError(
                f"{path} has format {version} but this version reads {EXPORT_VERSION}; update BreastUSAssist."
            )
        return ExportRecord.model_validate_json(json.dumps(content))
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); name the query.json of an export.") from error
    except (ValueError, RecursionError, ValidationError) as error:
        raise InputError(f"{path} is no query of an export; name the query.json that lies in one.") from error


def _upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """An export of format 1.0, which knew of no disputes and left nothing out for them."""
    query = content["query"] if isinstance(content.get("query"), dict) else {}
    return {**content, "schema_version": EXPORT_VERSION, "query": {**query, "include_disputed": True}}


def export_schema() -> str:
    """Text of the schema in Resources/Schema."""
    return published_schema(
        ExportRecord, f"label-export-{EXPORT_VERSION}", f"BreastUSAssist label export, version {EXPORT_VERSION}"
    )
