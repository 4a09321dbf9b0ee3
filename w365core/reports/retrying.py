"""Until when is an invoice fetched again by itself, and how many days are left? Said of failed ones; the stored message stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from w365core import lifecycle
from w365core.model import StatusReason


def fields(row: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """`retry_until` (a day, included), `retry_days_left` (0 on the last day, None once it is over) and the message, which says where it is over. All
    are None for an invoice that the daily job does not try again: one that is not in Error, or came from files."""
    if row["status_reason"] != StatusReason.ERROR or row["source"] != "synced":
        return {"retry_until": None, "retry_days_left": None}
    until, closed = lifecycle.last_retry(row["first_seen_at"]), lifecycle.window_closed(row["first_seen_at"], now)
    left = None if closed else (until - now.astimezone(UTC).date()).days
    said = {"message": f"{row['message']} {lapsed(row['first_seen_at'])}".strip()} if closed else {}
    return {"retry_until": until, "retry_days_left": left, **said}


def lapsed(first_seen_at: datetime) -> str:
    """What is said of a failed invoice whose window has closed."""
    return f"The retry window closed on {lifecycle.last_retry(first_seen_at):%Y-%m-%d}; sync it by hand."
