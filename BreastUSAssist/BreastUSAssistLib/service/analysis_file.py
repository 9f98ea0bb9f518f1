"""analysis.json: written whole, read with care, and its published schema."""

import json
import math
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..birads.analysis import SCHEMA_VERSION, Analysis
from ..errors import InputError, OutputError
from ..files import write_bytes
from ..json_schema import published_schema

LARGEST_FILE = 64 * 2**20
OLDER = ("1.0", "1.1")
"""Versions that are still read."""


def write_analysis(path: Path, analysis: Analysis) -> None:
    """Write `analysis` as JSON (RFC 8259, UTF-8), whole or not at all.

    Raises:
        OutputError: a number is not finite, for which JSON has no form; or the folder cannot be written.
    """
    content = analysis.model_dump()
    where = _not_finite(content, "")
    if where is not None:
        raise OutputError(f"{path} was not written because {where} is not a finite number; please report this.")
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A file name that is not valid Unicode (lone surrogates on Linux) has no UTF-8 form: "?" stands in for it.
    write_bytes(path, text.encode("utf-8", "replace"))


def read_analysis(path: Path) -> Analysis:
    """Read an analysis.json of this version or an older one of OLDER; what those lack is left unknown.

    Raises:
        InputError: the file cannot be read, is too large, is no JSON, or is not an analysis of this version.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than 64 MB, too large for an analysis; choose an analysis.json.")
        content = json.loads(path.read_bytes().decode("utf-8-sig"), parse_constant=_no_constant)
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); choose an analysis.json.") from error
    # ValueError holds damaged JSON, damaged UTF-8 and NaN; RecursionError brackets nested beyond reason.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged or not JSON; run analyze again to make it anew.") from error
    _check_version(path, content)
    try:
        return Analysis.model_validate_json(json.dumps(upgraded(content)))
    except (ValidationError, ValueError) as error:
        raise InputError(f"{path} is not an analysis ({_first(error)}); run analyze again to make it anew.") from error


def analysis_schema() -> str:
    """Text of the file in Resources/Schema of this version; those of older ones stay as they were published."""
    return published_schema(
        Analysis, f"analysis-{SCHEMA_VERSION}", f"BreastUSAssist draft analysis, version {SCHEMA_VERSION}"
    )


def _check_version(path: Path, content: Any) -> None:
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,4}\.\d{1,4}", version):
        raise InputError(f"{path} does not say which version of the format it has; choose an analysis.json.")
    if version == SCHEMA_VERSION or version in OLDER:
        return
    newer = _parts(version) > _parts(SCHEMA_VERSION)
    advice = "update BreastUSAssist to read it" if newer else "run analyze again to make it anew"
    raise InputError(f"{path} has format {version} but this version reads {SCHEMA_VERSION}; {advice}.")


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """An analysis of an older version as one of this: what 1.1 has not may be left out, and in 1.0 one model ran."""
    if content["schema_version"] not in OLDER:
        return content
    models = {} if content["schema_version"] != "1.0" or "model" not in content else {"models": [content["model"]]}
    return {**content, "schema_version": SCHEMA_VERSION, **models}


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _not_finite(value: Any, where: str) -> str | None:
    """Path of the first number that is not finite."""
    if isinstance(value, float):
        return None if math.isfinite(value) else where
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return next((found for key, part in parts if (found := _not_finite(part, f"{where}/{key}")) is not None), None)


def _first(error: Exception) -> str:
    """Where the first error is and what it is, without the value: a value could name a patient."""
    if not isinstance(error, ValidationError):
        return "text that is not Unicode"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = "/".join(str(part) if isinstance(part, int) else re.sub(r"\W", "", str(part))[:40] for part in first["loc"])
    return f"{place}: {first['type'].replace('_', ' ')}"
