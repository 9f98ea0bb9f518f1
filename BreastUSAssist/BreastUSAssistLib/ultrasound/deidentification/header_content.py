"""Content items of reports whose values tell who somebody is, whatever their type: ages, birth dates, numbers."""

from typing import TYPE_CHECKING, Any

from .header_values import LARGEST_DECIMAL, OLDEST_YEARS

if TYPE_CHECKING:
    from pydicom import Dataset

_YEARS = {"a": 1.0, "mo": 1 / 12, "wk": 1 / 52.18, "d": 1 / 365.25}
"""Years in each unit of UCUM in which ages are given."""
_AGES = frozenset((("121033", "DCM"), ("424144002", "SCT"), ("397669002", "SCT"), ("30525-0", "LN")))
_BIRTHS = frozenset((("121031", "DCM"), ("184099003", "SCT"), ("21112-8", "LN")))
_LARGEST_UNKNOWN = 1e4
"""Magnitude from which on the number of a concept that is not known may well be an identifier."""


def is_birth(item: "Dataset") -> bool:
    """Whether an original content item tells when somebody was born; such a date is not moved but goes."""
    return _name_of(item) in _BIRTHS


def clean_number(original: "Dataset", clean: "Dataset", *, known: bool, characteristics: bool) -> None:
    """Take the value from a number that may tell who somebody is, as PS3.3 C.18.1 allows; cap what counts years.

    Args:
        original: a content item with a MeasuredValueSequence.
        clean: what its header became, changed in place.
        known: whether its concept name is a code that is known.
        characteristics: whether ages may stay; those above 89 years become 90.
    """
    goes = _name_of(original) in _AGES and not characteristics
    largest = LARGEST_DECIMAL if known else _LARGEST_UNKNOWN
    for one in clean.MeasuredValueSequence or ():
        value = _value_of(one)
        if goes or value is None or abs(value) >= largest:
            clean.MeasuredValueSequence = []
            return
        years = _YEARS.get(_unit_of(one))
        if years is not None and value * years >= OLDEST_YEARS:
            _set_value(one, OLDEST_YEARS / years)


def _name_of(item: "Dataset") -> tuple[str, str] | None:
    names = item.get("ConceptNameCodeSequence")
    return (str(names[0].get("CodeValue")), str(names[0].get("CodingSchemeDesignator"))) if names else None


def _unit_of(measured: "Dataset") -> str:
    units = measured.get("MeasurementUnitsCodeSequence")
    return str(units[0].get("CodeValue")) if units else ""


def _value_of(measured: "Dataset") -> float | None:
    values: list[Any] = [measured.get(name) for name in ("NumericValue", "FloatingPointValue")]
    numbers = [float(one) for one in values if one is not None and not hasattr(one, "append")]
    return max(numbers, key=abs) if numbers else None


def _set_value(measured: "Dataset", value: float) -> None:
    measured.NumericValue = f"{value:.6g}"
    for keyword in ("FloatingPointValue", "RationalNumeratorValue", "RationalDenominatorValue"):
        if keyword in measured:
            delattr(measured, keyword)
