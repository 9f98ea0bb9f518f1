"""reading.json: what a reader changed and decided, beside analysis.json; written whole, read with care."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..birads.reading import SCHEMA_VERSION, Reading
from ..errors import InputError, OutputError
from ..files import write_bytes

LARGEST_FILE = 64 * 2**20


def write_reading(path: Path, reading: Reading) -> None:
    """Write `reading` as JSON (RFC 8259, UTF-8), whole or not at all.

    Raises:
        OutputError: a number is not finite, for which JSON has no form; or the folder cannot be written.
    """
    try:
        text = json.dumps(reading.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise OutputError(f"{path} was not written because a number is not finite; please report this.") from error
    write_bytes(path, text.encode("utf-8", "replace"))


def read_reading(path: Path) -> Reading:
    """Read a reading.json.

    Raises:
        InputError: the file cannot be read, is too large, or is no reading of this version.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than 64 MB, too large for a reading; choose a reading.json.")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); choose a reading.json.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged or not JSON; export the case again.") from error
    return parse_reading(text, str(path))


def parse_reading(text: str, name: str = "The reading") -> Reading:
    """A reading from its JSON text. No value of it is quoted in an error: it could name a person.

    Raises:
        InputError: it is damaged, of another version, or no reading.
    """
    try:
        content = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is damaged or not JSON; export the case again.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,4}\.\d{1,4}", version):
        raise InputError(f"{name} does not say which version of the format it has; export the case again.")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{name} has format {version} but this version reads {SCHEMA_VERSION}; use the BreastUSAssist it is from."
        )
    try:
        return Reading.model_validate_json(json.dumps(content))
    except (ValidationError, ValueError) as error:
        raise InputError(f"{name} is not a reading ({_first(error)}); export the case again.") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _first(error: Exception) -> str:
    """Where the first error is and what it is, without the value."""
    if not isinstance(error, ValidationError):
        return "text that is not Unicode"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = "/".join(str(part) if isinstance(part, int) else re.sub(r"\W", "", str(part))[:40] for part in first["loc"])
    return f"{place}: {first['type'].replace('_', ' ')}"
