"""The dates that providers and spreadsheets print, read with explicit forms: naive means UTC, 0001-01-01 means no date.

Charge days are days, never moments: no time zone ever moves them. A slashed date is read in the order that its file was found to use.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]\s*(\d{1,2}):\s*(\d{2})(?::\s*(\d{2})(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?)?")
_SLASHED = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp][Mm])?)?")


class DateOrder(StrEnum):
    """How a file writes 3 November: 11/3/2026 or 3/11/2026."""

    MONTH_FIRST = "MDY"
    DAY_FIRST = "DMY"


def moment_of(text: str, order: DateOrder = DateOrder.MONTH_FIRST) -> datetime | None:
    """The moment a text prints, as naive UTC; None for "no date" (0001-01-01). ValueError where it is no date."""
    text = text.strip()
    if match := _ISO.fullmatch(text):
        year, month, day, hour, minute, second, fraction, zone = match.groups()
        moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
        if fraction:
            moment = moment.replace(microsecond=int(fraction[:6].ljust(6, "0")))
        if zone and zone != "Z":
            hours, minutes = int(zone[1:3]), int(zone[-2:])
            offset = timedelta(hours=hours, minutes=minutes)
            moment = moment - offset if zone[0] == "+" else moment + offset
    elif match := _SLASHED.fullmatch(text):
        first, _, second_number, year, hour, minute, second, half = match.groups()
        month, day = (first, second_number) if order is DateOrder.MONTH_FIRST else (second_number, first)
        hours = int(hour or 0)
        if half:
            hours = hours % 12 + (12 if half.lower() == "pm" else 0)
        moment = datetime(int(year), int(month), int(day), hours, int(minute or 0), int(second or 0))
    else:
        raise ValueError(f"{text!r} is not a date")
    return None if moment.year == 1 else moment


def day_of(text: str, order: DateOrder = DateOrder.MONTH_FIRST) -> date | None:
    """The day a text prints, without any time zone: the printed day is the charged day. ValueError where it is no date."""
    text = text.strip()
    if len(text) >= 10 and text[4:5] == "-" and text[7:8] == "-":
        day = date.fromisoformat(text[:10])
        if len(text) > 10:
            moment_of(text)
        return None if day.year == 1 else day
    moment = moment_of(text, order)
    return None if moment is None else moment.date()


def contradicts(text: str, order: DateOrder) -> bool:
    """Whether a slashed date cannot be read in this order (its month would be beyond 12)."""
    match = _SLASHED.fullmatch(text.strip())
    return bool(match) and int(match.group(1 if order is DateOrder.MONTH_FIRST else 3)) > 12


def month_of(day: date) -> str:
    """2026-11 for any day of November 2026."""
    return f"{day.year:04d}-{day.month:02d}"


def utc(moment: datetime) -> datetime:
    """The moment with its zone said: naive means UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
