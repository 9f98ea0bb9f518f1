"""Records as text: compact JSON, older versions brought up to this one, and the published schema."""

import json
from typing import Any

from pydantic import ValidationError

from ..errors import InputError, OutputError
from ..json_schema import published_schema
from .record import SCHEMA_VERSION, LabelRecord

OLDER: tuple[str, ...] = ("1.0", "1.1")
"""Versions that are still read."""


def record_to_text(record: LabelRecord) -> bytes:
    """UTF-8 JSON without what is at its default.

    Raises:
        OutputError: a number is not finite, for which JSON has no form.
    """
    content = record.model_dump(exclude_defaults=True) | {"schema_version": record.schema_version}
    return finite_json(content, record.name)


def record_from_text(text: bytes, name: str) -> LabelRecord:
    """Parse a stored record of this version or one of OLDER.

    Raises:
        InputError: the text is no record, or one of a newer version; the message says `name`.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is damaged: it is not JSON; bring it back from a backup of the store.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION and version not in OLDER:
        raise InputError(
            f"{name} has format {version} but this version reads {SCHEMA_VERSION}; update BreastUSAssist to read it."
        )
    try:
        return LabelRecord.model_validate_json(json.dumps(_upgraded(content)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        raise InputError(
            f"{name} is damaged ({place}: {first['type']}); bring it back from a backup of the store."
        ) from error


def finite_json(content: Any, what: str) -> bytes:
    """`content` as compact UTF-8 JSON.

    Raises:
        OutputError: a number in it is not finite; the message says `what`.
    """
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8")
    except ValueError as error:
        raise OutputError(f"{what} was not stored because a number in it is not finite; please report this.") from error


def label_schema() -> str:
    """Text of the file in Resources/Schema of this version; those of older ones stay as they were published."""
    return published_schema(
        LabelRecord, f"label-{SCHEMA_VERSION}", f"BreastUSAssist label record, version {SCHEMA_VERSION}"
    )


def _upgraded(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "schema_version": SCHEMA_VERSION}
