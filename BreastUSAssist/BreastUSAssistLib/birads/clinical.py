"""What is known of the patient beside the image: optional parameters, their file, and their words.

Every parameter may be missing, and a missing one never counts as "no". The file holds personal data: its values stay
out of every error and log.
"""

import json
import re
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from ..errors import InputError
from ..json_schema import published_schema
from .lesion import Record

SCHEMA_VERSION: Final = "1.0"
LARGEST_FILE = 64 * 1024
OLDEST = 120
PARAMETERS: dict[str, str] = {
    "age_years": "age",
    "palpable": "palpable lump",
    "skin_changes": "skin changes over the lesion",
    "nipple_retraction": "nipple retraction",
    "nipple_discharge": "nipple discharge",
    "breast_scar": "scar in the breast",
    "breast_injury": "injury of the breast",
    "personal_history": "breast cancer before",
    "family_history": "breast or ovarian cancer in the family",
    "hormone_therapy": "hormone therapy or contraception",
}
"""Parameter to its name in words, in the order of the model."""


class ClinicalParameters(Record):
    """Content of a clinical.json: what is known of the patient. None, or left out, is unknown."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    age_years: int | None = Field(default=None, ge=0, le=OLDEST)
    """Age at the examination, in whole years."""
    palpable: bool | None = None
    """The lesion can be felt."""
    skin_changes: bool | None = None
    """Retraction, redness, warmth or orange-peel skin over the lesion."""
    nipple_retraction: bool | None = None
    nipple_discharge: bool | None = None
    breast_scar: bool | None = None
    """Scar of an earlier operation in this breast."""
    breast_injury: bool | None = None
    personal_history: bool | None = None
    """Breast cancer before."""
    family_history: bool | None = None
    """Breast or ovarian cancer in the family."""
    hormone_therapy: bool | None = None
    """Hormone replacement therapy or hormonal contraception, now."""

    def values(self) -> dict[str, float | None]:
        """Numbers for the clinical model: years, 1 for yes, 0 for no, None for unknown."""
        given = {name: getattr(self, name) for name in PARAMETERS}
        return {name: None if value is None else float(value) for name, value in given.items()}

    @property
    def known(self) -> bool:
        """Whether anything is known at all."""
        return any(value is not None for value in self.values().values())

    def words(self, name: str) -> str:
        """One parameter in words, as in "age 62 years" or "no palpable lump"; for the reader's eyes, never a log."""
        value = getattr(self, name)
        if value is None:
            return f"{PARAMETERS[name]} unknown"
        if name == "age_years":
            return f"age {value} year{'s' if value != 1 else ''}"
        return PARAMETERS[name] if value else f"no {PARAMETERS[name]}"


def read_clinical(path: Path) -> ClinicalParameters:
    """Read a clinical.json, as in {"schema_version": "1.0", "age_years": 62, "palpable": true}.

    Raises:
        InputError: it cannot be read or does not hold these parameters; no value is quoted.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than 64 kB, too large for clinical parameters; choose another file.")
        content: Any = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); name a file of clinical parameters.") from error
    # The cause is not kept: its words, and the values in them, could end up in a log.
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not JSON; write clinical parameters as in the user guide.") from None
    version = content.get("schema_version", SCHEMA_VERSION) if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(f"{path} is no file of clinical parameters of version {SCHEMA_VERSION}; see the user guide.")
    try:
        return ClinicalParameters.model_validate(content, strict=True)
    except ValidationError as error:
        raise InputError(f"{path} does not fit: {_places(error)}; see the user guide.") from None


def age_from_dicom(text: object) -> int | None:
    """Whole years of a DICOM age string (PS3.5 6.2, AS: nnnD, nnnW, nnnM, nnnY); None where it is none."""
    match = re.fullmatch(r"(\d{3})([DWMY])", str(text or "").strip())
    if match is None:
        return None
    units_a_year = {"D": 365.25, "W": 365.25 / 7, "M": 12, "Y": 1}[match[2]]
    age = int(int(match[1]) / units_a_year)
    return age if age <= OLDEST else None


def clinical_schema() -> str:
    """Text of Resources/Schema/clinical-1.0.schema.json."""
    return published_schema(
        ClinicalParameters,
        f"clinical-{SCHEMA_VERSION}",
        f"BreastUSAssist clinical parameters, version {SCHEMA_VERSION}",
    )


def _places(error: ValidationError) -> str:
    """Which parameters are wrong and how, by our own names; an unknown key is not repeated: it could name anyone."""
    told = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(one["loc"][0]) if one["loc"] else ""
        if name == "age_years":
            told.append(f"age_years has to be a whole number from 0 to {OLDEST}")
        elif name in PARAMETERS:
            told.append(f"{name} has to be true, false or null")
        else:
            told.append(f"a key is not one of {', '.join(PARAMETERS)}")
    return "; ".join(dict.fromkeys(told))
