"""What may stay of one value, by its VR; everything is parsed and written anew, so that no byte beside it survives."""

import math
import re
from typing import Any

from .rules_terms import is_known_term

_INTEGER = re.compile(r"[+-]?\d{1,10}")
_DECIMAL = re.compile(r"[+-]?(\d{1,15}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_AGE = re.compile(r"(\d{3})([DWMY])")
OLDEST_YEARS = 90
"""Ages above 89 years are one group (45 CFR 164.514(b)(2)(i)(C))."""
LARGEST_NUMBER = 99_999
"""Of an integer string, such as the number of a series; larger ones are often dates or made from identifiers."""
LARGEST_DECIMAL = 1e7
"""Of a decimal string; no quantity of ultrasound is larger in DICOM's units, and dates and telephone numbers are."""
COUNTED = ("SeriesNumber", "InstanceNumber", "AcquisitionNumber", "ImagesInAcquisition")
_PEOPLE = {"PatientWeight": (0.2, 400.0), "PatientSize": (0.2, 2.6)}
"""Plausible kilograms and metres."""
_FLOATS, _INTEGERS = ("FL", "FD", "OF", "OD"), ("US", "SS", "UL", "SL", "UV", "SV")


def kept_value(keyword: str, vr: str, value: Any) -> Any:
    """`value` as it may stay, with what is not valid left out; None where nothing may stay."""
    several = isinstance(value, (list, tuple)) or hasattr(value, "append")
    values = list(value) if several else [value]
    kept = [_kept_one(keyword, vr, one) for one in values]
    if vr == "CS" and several and any(kept):
        # A place in a list has a meaning of its own, such as value 3 of ImageType.
        return ["OTHER" if one is None else one for one in kept]
    if not kept or any(one is None for one in kept):
        return None
    return kept if len(kept) > 1 else kept[0]


def kept_age(value: Any) -> str | None:
    """An AS value with ages above 89 years as 090Y; None if not valid."""
    match = _AGE.fullmatch(str(value or "").strip(" \0"))
    if match is None:
        return None
    number, unit = int(match.group(1)), match.group(2)
    return f"{OLDEST_YEARS:03d}Y" if unit == "Y" and number >= OLDEST_YEARS else f"{number:03d}{unit}"


def _kept_one(keyword: str, vr: str, value: Any) -> Any:
    if vr == "CS":
        term = str(value if value is not None else "").strip(" \0")
        return term if is_known_term(keyword, term) else None
    if vr == "IS":
        return _kept_integer(keyword, value)
    if vr == "DS":
        return _kept_decimal(keyword, value)
    valid = (
        (vr == "AT" and isinstance(value, int) and not (value >> 16) % 2)
        or (vr in _INTEGERS and isinstance(value, int))
        or (vr in _FLOATS and isinstance(value, float) and math.isfinite(value))
    )
    return value if valid else None


def _kept_integer(keyword: str, value: Any) -> str | None:
    text = _written(value)
    if not _INTEGER.fullmatch(text):
        return None
    if abs(int(text)) > LARGEST_NUMBER or (keyword in COUNTED and int(text) < 0):
        return None
    return str(int(text))


def _kept_decimal(keyword: str, value: Any) -> str | None:
    text = _written(value)
    if len(text) > 16 or not _DECIMAL.fullmatch(text):
        return None
    low, high = _PEOPLE.get(keyword, (-LARGEST_DECIMAL, LARGEST_DECIMAL))
    return text if low <= float(text) <= high else None


def _written(value: Any) -> str:
    """A number as the file wrote it."""
    return str(getattr(value, "original_string", value) if value is not None else "").strip(" \0")
