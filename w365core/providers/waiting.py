"""How long to wait before asking a provider again: as long as it asks for, else a random while that grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = 15 * 60.0
# A refused connection ends a command soon: seconds between tries, in all, and until it counts as a new outage.
SHORT = 0.5
REFUSED_IN_ALL = 3.0
FORGOTTEN = 60.0


def asked_for(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds that Retry-After asks for, given in seconds or as a date; None where it is absent or makes no sense."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:10]), 10**8)) if len(text) <= 10 else 1e8
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def backoff(attempt: int, *, chance: Callable[[], float], most: float) -> float:
    """Full jitter: between 1 s and 2, 4, 8 … 60 s, and never above `most`."""
    ceiling = min(60.0, 2.0**attempt)
    return min(most, 1.0 + chance() * (ceiling - 1.0))


def moment_after(seconds: float) -> str:
    """The moment so many seconds from now, for a message."""
    return format(datetime.now(UTC) + timedelta(seconds=min(seconds, 1e8)), "%Y-%m-%d %H:%M UTC")
