"""Optional DICOM attributes that may be absent, empty or malformed, none of which must keep an image from opening."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset


def value_of(header: "Dataset", keyword: str) -> Any:
    """Value of an attribute; None where it is absent, empty or cannot be parsed (pydicom parses on access)."""
    try:
        value = header.get(keyword)
    except Exception:  # ValueError, OverflowError, struct.error, NotImplementedError, ...
        return None
    return None if value is None or (isinstance(value, (str, bytes)) and not value) else value


def items_of(header: "Dataset", keyword: str) -> list["Dataset"]:
    """Items of a sequence attribute; empty where there is none."""
    from pydicom import Dataset

    value = value_of(header, keyword)
    return [item for item in value if isinstance(item, Dataset)] if hasattr(value, "__iter__") else []


def positive(value: object) -> float | None:
    """`value` as a positive finite float, else None."""
    number = finite(value)
    return number if number is not None and number > 0 else None


def finite(value: object) -> float | None:
    """`value` as a finite float, else None."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def finite_list(value: object) -> list[float]:
    """All values as floats; empty where there is none or one of them is not finite."""
    if value is None:
        return []
    listed = [value] if isinstance(value, (int, float, str)) else list(value)  # type: ignore[call-overload]
    numbers = [finite(entry) for entry in listed]
    return [number for number in numbers if number is not None] if None not in numbers else []
