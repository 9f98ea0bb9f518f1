"""What a saved scene holds of one case: the drafts of its runs, unchanged, and what the reader made of them.

The text is JSON in plain ASCII on one line, so that no editor, locale or line end of any system alters it.
"""

import json
import re
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from ..birads.analysis import NOTICE, Analysis
from ..birads.lesion import Record
from ..birads.reading import SCHEMA_VERSION as READING_VERSION
from ..birads.reading import Reading
from ..errors import InputError
from ..json_schema import published_schema
from .analysis_file import OLDER, upgraded

SCHEMA_VERSION: Final = "1.0"
_DAMAGED = "The stored case is damaged ({0}); open an older copy of the scene, or delete its record and analyse again."


class StoredRun(Record):
    """One run of the models as it came out; nothing changes it later."""

    first_frame: int = Field(ge=1)
    """1-based number in the case of the first frame that it saw."""
    analysis: Analysis
    """Its frame numbers are those of the case; its lesion numbers are those of `labels`."""
    labels: tuple[str, ...]
    """Label image of each frame from `first_frame` on, see label_packing."""


class StoredMask(Record):
    """The reader's outline of one lesion in one frame, where it is not the draft's."""

    number: int = Field(ge=1)
    """Number of the lesion in the case."""
    frame: int = Field(ge=1)
    """1-based."""
    pixels: str
    """1 inside, see label_packing; "" where the reader took the whole outline away."""


class CaseContent(Record):
    """One case as a scene stores it. Holds no patient attribute."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    notice: str = NOTICE
    uid: str
    """Of this case, made once."""
    kind: Literal["still", "cine", "volume"]
    frame_count: int = Field(ge=1)
    rows: int = Field(ge=1, le=65535)
    columns: int = Field(ge=1, le=65535)
    runs: tuple[StoredRun, ...] = ()
    masks: tuple[StoredMask, ...] = ()
    reading: Reading


def as_json(part: Record) -> str:
    """Text of a case or of a part of one.

    Raises:
        InputError: a number is not finite, for which JSON has no form.
    """
    try:
        return json.dumps(part.model_dump(mode="json"), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise InputError("The result holds a number that is not finite; run the analysis again.") from error


def read_case(text: str) -> CaseContent:
    """A case from the text of its record.

    Raises:
        InputError: the text is damaged, of a newer version, or no case.
    """
    try:
        content = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(_DAMAGED.format("not JSON")) from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,4}\.\d{1,4}", version):
        raise InputError(_DAMAGED.format("no version"))
    if _parts(version) > _parts(SCHEMA_VERSION):
        raise InputError(
            f"The stored case has format {version} but this version reads {SCHEMA_VERSION}; update BreastUSAssist."
        )
    try:
        return CaseContent.model_validate_json(json.dumps(_with_current_analyses(content)))
    except (ValidationError, ValueError) as error:
        raise InputError(_DAMAGED.format(_where(error))) from error


def case_schema() -> str:
    """Text of Resources/Schema/case-1.0.schema.json."""
    return published_schema(CaseContent, f"case-{SCHEMA_VERSION}", f"BreastUSAssist case, version {SCHEMA_VERSION}")


def reading_schema() -> str:
    """Text of Resources/Schema/reading-1.0.schema.json."""
    return published_schema(
        Reading, f"reading-{READING_VERSION}", f"BreastUSAssist reading of a case, version {READING_VERSION}"
    )


def _with_current_analyses(content: dict[str, Any]) -> dict[str, Any]:
    """Runs of an older version of the models' output are read as those of this one."""
    runs = content.get("runs", [])
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        return content
    return {**content, "runs": [{**run, "analysis": _current(run.get("analysis"))} for run in runs]}


def _current(analysis: Any) -> Any:
    older = isinstance(analysis, dict) and analysis.get("schema_version") in OLDER
    return upgraded(analysis) if older else analysis


def _where(error: Exception) -> str:
    """Where the first error is, without the value: a value could name a patient."""
    if not isinstance(error, ValidationError):
        return "text that is not Unicode"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return "/".join(str(part) if isinstance(part, int) else re.sub(r"\W", "", str(part))[:40] for part in first["loc"])


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
