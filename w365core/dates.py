"""The dates that providers and spreadsheets print, read with explicit forms: naive means UTC, 0001-01-01 means no date.

Charge days are days, never moments: no time zone ever moves them. A slashed date is read in the order that its file was found to use.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]\s*(\d{1,2}):\s*(\d{2})(?::\s*(\d{2})(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_SLASHED = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp][Mm])?)?", re.ASCII)


class DateOrder(StrEnum):
    """How a file writes 3 November: 11/3/2026 or 3/11/2026."""

    MONTH_FIRST = "MDY"
    DAY_FIRST = "DMY"


def moment_of(text: str, order: DateOrder = DateOrder.MONTH_FIRST) -> datetime | None:
    """The moment a text prints, as naive UTC; None for "no date" (0001-01-01). ValueError where it is no date."""
    printed, offset = _printed(text, order)
    if printed.year == 1:
        return None
    try:
        return printed - offset
    except OverflowError:
        raise ValueError(f"{text!r} is beyond the calendar in UTC") from None


def day_of(text: str, order: DateOrder = DateOrder.MONTH_FIRST) -> date | None:
    """The day a text prints, without any time zone: the printed day is the charged day. ValueError where it is no date."""
    text = text.strip()
    if len(text) == 10 and text[4] == text[7] == "-" and text.isascii():
        day = date.fromisoformat(text)
    else:
        day = _printed(text, order)[0].date()
    return None if day.year == 1 else day


def _printed(text: str, order: DateOrder) -> tuple[datetime, timedelta]:
    """The moment as printed and how far its zone is ahead of UTC. ValueError where it is no date."""
    text = text.strip()
    if match := _ISO.fullmatch(text):
        year, month, day, hour, minute, second, fraction, zone = match.groups()
        microsecond = int((fraction or "0")[:6].ljust(6, "0"))
        return datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), microsecond), _offset(zone)
    if match := _SLASHED.fullmatch(text):
        (year, month, day), (hour, minute, second, half) = _in_order(match, order), match.group(5, 6, 7, 8)
        hours = int(hour or 0)
        if half:
            hours = hours % 12 + (12 if half.lower() == "pm" else 0)
        return datetime(int(year), int(month), int(day), hours, int(minute or 0), int(second or 0)), timedelta(0)
    raise ValueError(f"{text!r} is not a date")


def _offset(zone: str | None) -> timedelta:
    """-07:00, +0530, Z or none at all, which means UTC."""
    if not zone or zone == "Z":
        return timedelta(0)
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError(f"{zone!r} is no time zone")
    ahead = timedelta(hours=hours, minutes=minutes)
    return ahead if zone[0] == "+" else -ahead


def contradicts(text: str, order: DateOrder) -> bool:
    """Whether a slashed date is none in this order (its month would be beyond 12) and one in the other."""
    match = _SLASHED.fullmatch(text.strip())
    if not match or int(match[1 if order is DateOrder.MONTH_FIRST else 3]) <= 12:
        return False
    other = DateOrder.DAY_FIRST if order is DateOrder.MONTH_FIRST else DateOrder.MONTH_FIRST
    return _is_a_day(*_in_order(match, other))


def is_no_day(text: str) -> bool:
    """Whether a text is written as a date is, and the calendar has no such day in either order: 31/31/2026."""
    if match := _ISO.fullmatch(text.strip()):
        return not _is_a_day(match[1], match[2], match[3])
    match = _SLASHED.fullmatch(text.strip())
    return bool(match) and not any(_is_a_day(*_in_order(match, order)) for order in DateOrder)


def _in_order(slashed: re.Match[str], order: DateOrder) -> tuple[str, str, str]:
    """Year, month and day."""
    month, day = (slashed[1], slashed[3]) if order is DateOrder.MONTH_FIRST else (slashed[3], slashed[1])
    return slashed[4], month, day


def _is_a_day(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def is_either_way(text: str) -> bool:
    """Whether a slashed date is another day in the other order."""
    match = _SLASHED.fullmatch(text.strip())
    return bool(match) and int(match[1]) <= 12 and int(match[3]) <= 12 and int(match[1]) != int(match[3])


def month_of(day: date) -> str:
    """2026-11 for any day of November 2026."""
    return f"{day.year:04d}-{day.month:02d}"


def utc_moment_of(text: str) -> datetime | None:
    """The same as `moment_of`, with its zone said: what an API prints."""
    moment = moment_of(text)
    return None if moment is None else utc(moment)


def utc(moment: datetime) -> datetime:
    """The moment with its zone said: naive means UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
