"""drafts.json: what the AI drafted, beside a reader's analysis.json and reading.json; written whole, read with care."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import ValidationError

from ..birads.lesion import Record
from ..birads.read_case import BesideLesion
from ..errors import InputError, OutputError
from ..files import write_bytes
from ..json_schema import published_schema

SCHEMA_VERSION: Final = "1.0"
LARGEST_FILE = 64 * 2**20


class Drafts(Record):
    """What stands beside the lesions of a reading: the AI's drafts with their outlines, and their other views."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    case: str
    lesions: tuple[BesideLesion, ...] = ()


def write_drafts(path: Path, drafts: Drafts) -> None:
    """Write `drafts` as JSON (RFC 8259, UTF-8), whole or not at all.

    Raises:
        OutputError: a number is not finite, for which JSON has no form; or the folder cannot be written.
    """
    try:
        text = json.dumps(drafts.model_dump(mode="json"), ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise OutputError(f"{path} was not written because a number is not finite; please report this.") from error
    write_bytes(path, text.encode("utf-8", "replace"))


def read_drafts(path: Path) -> Drafts:
    """Read a drafts.json.

    Raises:
        InputError: the file cannot be read, is too large, or holds no drafts of this version.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than 64 MB, too large for drafts; choose a drafts.json.")
        text = path.read_bytes().decode("utf-8-sig")
        content = json.loads(text)
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); choose a drafts.json.") from error
    # ValueError holds damaged JSON and damaged UTF-8; RecursionError brackets nested beyond reason.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged or not JSON; export the case again.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path} is not of format {SCHEMA_VERSION}, which this version reads; use the BreastUSAssist it is from."
        )
    try:
        return Drafts.model_validate_json(text.removeprefix("\ufeff"))
    except ValidationError as error:
        raise InputError(f"{path} holds no drafts that can be read; export the case again.") from error


def with_outlines(lesions: Sequence[BesideLesion], masks: np.ndarray) -> tuple[BesideLesion, ...]:
    """The lesions with the AI's outlines, each in the key frame of its draft.

    Args:
        lesions: what stands beside a reading.
        masks: bool or uint8, (drafts, rows, columns): of those of `lesions` that have a draft, in their order; 0 is
            background. An empty one gives no outline.

    Raises:
        InputError: there is another number of masks than of drafts.
    """
    drafted = [one.tracking_uid for one in lesions if one.draft is not None]
    if masks.ndim != 3 or len(masks) != len(drafted):
        raise InputError("The outlines of the AI's drafts do not fit the case; open it again before you export it.")
    from ..dicom.contours import outline_points

    outlines: dict[str, tuple[tuple[float, float], ...]] = {
        uid: tuple((float(column), float(row)) for column, row in outline_points(mask > 0))
        for uid, mask in zip(drafted, masks, strict=True)
        if mask.any()
    }
    return tuple(one.model_copy(update={"outline": outlines.get(one.tracking_uid)}) for one in lesions)


def drafts_schema() -> str:
    """Text of the file in Resources/Schema of this version."""
    return published_schema(
        Drafts, f"drafts-{SCHEMA_VERSION}", f"BreastUSAssist drafts beside a reading, version {SCHEMA_VERSION}"
    )
