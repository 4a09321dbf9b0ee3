"""Which moment a provider's date text means: the handful of forms met in real answers, and no guessing beyond them.

Forms: 2018-02-08T18:44:37.5381456Z, the same without a zone (then UTC) or with -07:00, blanks inside the time
(2015-11-25T06: 41: 12Z), 2018-02-08, and month first as en-US prints it: 10/3/2020, 2/28/2019 23:59.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII | re.IGNORECASE
)
_MONTH_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: (\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)


def moment(text: str) -> datetime | None:
    """The moment in UTC; None for the provider's "no date" (year 1). ValueError for any other form."""
    found = _iso(text) or _month_first(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a date")
    return None if found.year == 1 else found.astimezone(UTC)


def _iso(text: str) -> datetime | None:
    # Blanks around the colons of a time are a known slip of the provider's; a blank between date and time is a form of its own.
    match = _ISO.fullmatch(re.sub(r"\s*:\s*", ":", text.strip()))
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    return datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micro, tzinfo=_zone(zone))


def _month_first(text: str) -> datetime | None:
    match = _MONTH_FIRST.fullmatch(text.strip())
    if match is None:
        return None
    month, day, year, hour, minute, second = match.groups()
    return datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
