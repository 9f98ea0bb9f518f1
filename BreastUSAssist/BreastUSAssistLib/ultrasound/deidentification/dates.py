"""Dates moved by the same keyed amount for one patient (PS3.15 E.3.6, Retain Longitudinal Temporal Information).

Date and time of day move together, so that intervals within a patient stay what they were and neither a date nor a
time of day of the original is left.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from .uids import DeidentificationKey

_FEWEST_DAYS, _MOST_DAYS = 366, 3650
_EARLIEST, _LATEST = date(1850, 1, 1), date(2200, 1, 1)
_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(\.\d{1,6})?)?)?")
_DATETIME = re.compile(r"(\d{4}(?:\d{2}(?:\d{2})?)?)(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?(?:[+-]\d{4})?")


@dataclass(frozen=True)
class DateShift:
    """How far the dates of one patient move into the past."""

    days: int
    seconds: int
    """Within a day."""

    @classmethod
    def of_patient(cls, key: DeidentificationKey, patient: str) -> "DateShift":
        """The shift that belongs to `patient` under `key`: one to ten years, and never a whole number of days."""
        return cls(
            _FEWEST_DAYS + key.number("days", patient, _MOST_DAYS - _FEWEST_DAYS),
            1 + key.number("seconds", patient, 86_399),
        )

    def date(self, text: str, time_text: str | None = None) -> str | None:
        """A DA value moved, together with the TM value that belongs to it where there is one; None if not valid."""
        day = _day(text)
        if day is None:
            return None
        at = _time(time_text or "")
        if at is None:
            return _written(day - timedelta(days=self.days))
        return _written((datetime.combine(day, at) - self._whole).date())

    def time(self, text: str) -> str | None:
        """A TM value moved, around midnight, with as many digits as it had; None if not valid."""
        at = _time(text)
        if at is None:
            return None
        moved = datetime.combine(date(2000, 1, 2), at) - timedelta(seconds=self.seconds)
        return moved.strftime("%H%M%S")[: _digits(text)] + _fraction(text)

    def datetime(self, text: str) -> str | None:
        """A DT value moved, with as many digits as it had and without its time zone; None if not valid."""
        match = _DATETIME.fullmatch(text.strip())
        if match is None:
            return None
        day_text, time_text = match.groups()
        day = _day((day_text + "0101")[:8])
        if day is None:
            return None
        if time_text is None:
            return _written(day - timedelta(days=self.days))[: len(day_text)]
        at = _time(time_text)
        if at is None:
            return None
        moved = datetime.combine(day, at) - self._whole
        return _written(moved.date()) + moved.strftime("%H%M%S")[: _digits(time_text)] + _fraction(time_text)

    @property
    def _whole(self) -> timedelta:
        return timedelta(days=self.days, seconds=self.seconds)


def _day(text: str) -> date | None:
    match = _DATE.fullmatch(text.strip())
    try:
        day = date(*(int(part) for part in match.groups())) if match else None
    except ValueError:
        return None
    return day if day is not None and _EARLIEST <= day <= _LATEST else None


def _time(text: str) -> time | None:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    hour, minute, second, _ = match.groups()
    try:
        # A leap second is written as 60 (PS3.5 6.2).
        return time(int(hour), int(minute or 0), 59 if second == "60" else int(second or 0))
    except ValueError:
        return None


def _digits(text: str) -> int:
    return min(len(text.strip().partition(".")[0].replace(":", "")), 6)


def _fraction(text: str) -> str:
    return "".join(text.strip().partition(".")[1:])


def _written(day: date) -> str:
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"
