"""How long will an invoice in Error still be tried by itself? A failed one is tried daily inside its window, a warning comes before it lapses.

Only what is synced is tried again: files by hand wait for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from w365core.lifecycle import LATE_DAYS, RETRY_DAYS
from w365core.model import StatusReason
from w365core.reports import wording
from w365core.reports.provider_invoice import Invoice


@dataclass(frozen=True)
class Countdown:
    """The last day on which the daily job tries, and how many days that is from today: 0 is today, below it is over."""

    ends_on: date
    days_left: int

    @property
    def is_over(self) -> bool:
        return self.days_left < 0

    @property
    def is_late(self) -> bool:
        """Whether it lapses soon and has not yet."""
        return 0 <= self.days_left <= LATE_DAYS

    @property
    def sentence(self) -> str:
        """What the daily job will do, or does no more."""
        if self.is_over:
            return f"Retry window closed on {wording.day(self.ends_on)}; sync it by hand."
        return f"The daily job tries again until {wording.day(self.ends_on)}, {self.left}."

    @property
    def short(self) -> str:
        """The same for a narrow place; nothing once it is over, which its badge says."""
        return "" if self.is_over else f"retried until {self.ends_on.day} {wording.day(self.ends_on).split(' ')[1]}, {self.left}"

    @property
    def left(self) -> str:
        """today is its last day; 1 day left; 3 days left."""
        return "today is its last day" if self.days_left == 0 else f"{wording.counted(self.days_left, 'day')} left"

    @property
    def badge(self) -> str:
        """Lapses today, lapses tomorrow, lapses in 3 days; nothing while there is time."""
        if self.is_over:
            return "Retry window closed"
        return f"Lapses {soon(self.days_left)}" if self.is_late else ""


def of(subject: Invoice, *, now: datetime) -> Countdown | None:
    """The countdown of an invoice in Error that the daily job tries; None for any other."""
    if subject.status != StatusReason.ERROR or subject.source != "synced":
        return None
    return from_first_sight(subject.first_seen_at, now=now)


def from_first_sight(first_seen_at: datetime, *, now: datetime) -> Countdown:
    """Fifteen days from when it was first seen, that day included."""
    ends_on = (first_seen_at + timedelta(days=RETRY_DAYS)).date()
    return Countdown(ends_on, (ends_on - now.date()).days)


def soon(days: int) -> str:
    """today, tomorrow, in 3 days."""
    return {0: "today", 1: "tomorrow"}.get(days, f"in {wording.counted(days, 'day')}")
