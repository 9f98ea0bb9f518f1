"""deidentification.json: what was done to each object, without any identifier of the original."""

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import InputError
from ...files import write_text
from ...json_schema import published_schema

SCHEMA_VERSION: Final = "1.0"
REPORT = "deidentification.json"
_LARGEST = 256 << 20

State = Literal["done", "dropped", "failed"]
Kind = Literal["image", "segmentation", "report"]


class Record(BaseModel):
    """Base of the parts of the report: unknown keys are refused, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PixelRecord(Record):
    """What was done to the pixels of one image."""

    state: Literal["clean", "blanked", "accepted", "dropped"]
    """clean: no text was found. blanked: what was found was blanked. accepted: a person let text stay."""
    regions_from: Literal["header", "tissue"]
    """Whether the kept regions are the ultrasound regions of the header, or were found in the pixels."""
    kept_regions: tuple[tuple[int, int, int, int], ...]
    """Top, left, bottom, right in pixels; bottom and right are outside."""
    blanked: tuple[tuple[int, int, int, int], ...]
    """Boxes blanked within the kept regions, in every frame."""
    found: tuple[tuple[int, int, int, int], ...]
    """Boxes in which text was found within the kept regions."""
    blanked_share: float
    """Share of the frame's pixels that are black now, 0 to 1."""


class ElementCounts(Record):
    """How many elements of the header were treated in which way, at every depth."""

    removed: int
    private: int
    """Private elements among those that were removed."""
    replaced_texts: int
    cleaned_texts: int
    uids: int
    dates: int
    replaced_codes: int
    """Codes that no vocabulary knows."""


class FileRecord(Record):
    """One input file. File names are left out, because they often hold names and identifiers."""

    input_digest: str
    """Keyed hash of the input's bytes: tells whether the same file was done, and nothing to anybody else."""
    state: State
    kind: Kind | None = None
    output: str | None = None
    """Path of the result below the report's folder, with slashes."""
    output_sha256: str | None = None
    sop_instance_uid: str | None = None
    """The new one, as the two that follow."""
    study_instance_uid: str | None = None
    patient: str | None = None
    """Pseudonym."""
    elements: ElementCounts | None = None
    pixels: PixelRecord | None = None
    references_elsewhere: int = 0
    """Instances that a segmentation or report refers to and that are not among the results."""
    reason: str | None = None
    """Why there is no result, in one sentence."""


class ProfileRecord(Record):
    """By what rules it was done; results of other rules do not belong into the same folder."""

    table: str
    """Edition of PS3.15 Table E.1-1."""
    clean_descriptors: bool
    dates: Literal["shifted", "removed"]
    patient_characteristics: Literal["kept", "removed"]
    key: str
    """Fingerprint of the key, from which the key does not follow."""


class DeidentificationReport(Record):
    """All that was de-identified into one folder."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    software: str
    created: str
    """Of the latest run, ISO 8601."""
    profile: ProfileRecord
    text_finder: str | None
    """Name and version of the finder of burnt-in text; null where no image was looked at."""
    review: str
    """Policy of the latest run: accept, drop or ask."""
    files: tuple[FileRecord, ...]


def write_report(folder: Path, report: DeidentificationReport) -> None:
    """Write the report into `folder`. Raises OutputError."""
    write_text(folder / REPORT, json.dumps(report.model_dump(mode="json"), indent=2) + "\n")


def read_report(folder: Path) -> DeidentificationReport | None:
    """The report of a folder; None where there is none.

    Raises:
        InputError: it is damaged, or of another version.
    """
    path = folder / REPORT
    try:
        if path.stat().st_size > _LARGEST:
            raise _damaged(path)
        content = json.loads(path.read_bytes())
        version = content.get("schema_version") if isinstance(content, dict) else None
        if isinstance(version, str) and version != SCHEMA_VERSION:
            raise InputError(f"{path} has format {version}, which this version does not read; choose another --out.")
        return DeidentificationReport.model_validate(content)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); check the folder.") from error
    except (ValueError, RecursionError, ValidationError):
        raise _damaged(path) from None


def report_schema() -> str:
    """Text of the schema in Resources/Schema."""
    return published_schema(
        DeidentificationReport,
        f"deidentification-{SCHEMA_VERSION}",
        f"BreastUSAssist report of a de-identification, version {SCHEMA_VERSION}",
    )


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged; choose another --out, or delete it to have everything done again.")
