"""metrics.json: written whole, read with care, and its published schema."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import InputError
from ..files import write_text
from ..json_schema import published_schema
from .evaluation_result import METRICS_VERSION, OLDER, Evaluation

LARGEST_FILE = 64 * 2**20


def write_metrics(path: Path, evaluation: Evaluation) -> None:
    """Write metrics.json, whole or not at all. Raises OutputError where the folder cannot be written."""
    content = json.dumps(evaluation.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, content + "\n")


def read_metrics(path: Path) -> Evaluation:
    """Read a metrics.json of this version or an older one; what those lack is left unknown.

    Raises:
        InputError: the file cannot be read or is no evaluation of these versions.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than 64 MB, too large for an evaluation; choose a metrics.json.")
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); choose a metrics.json.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged or not JSON; run evaluate again to make it anew.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version not in (METRICS_VERSION, *OLDER):
        said = f"has format {version}" if isinstance(version, str) else "does not say which format it has"
        raise InputError(f"{path} {said}, and this version reads {METRICS_VERSION}; run evaluate again.")
    try:
        # As JSON, where a list is a tuple too.
        return Evaluation.model_validate_json(json.dumps(_upgraded(content)))
    except (ValidationError, ValueError) as error:
        raise InputError(f"{path} is not an evaluation of format {version}; run evaluate again.") from error


def metrics_schema() -> str:
    """Text of the file in Resources/Schema of this version; those of older ones stay as they were published."""
    title = f"BreastUSAssist evaluation, version {METRICS_VERSION}"
    return published_schema(Evaluation, f"metrics-{METRICS_VERSION}", title)


def _upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """An evaluation of version 1.0 as one of 1.1, whose further fields may all be left out."""
    return {**content, "schema_version": METRICS_VERSION}
