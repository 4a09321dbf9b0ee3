"""What runs by itself every day, and when is it due? The one list of it, and moments worked out of a day, a time of day and a time zone.

A run belongs to a day of the zone, at most one to each: at the first moment at which that day's clocks show its time. Where they are put forward over
it, it is as much later as they are put forward. What was missed is made up for once, however many days it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Daily:
    """What runs once a day. `switch` and `at` are the settings that say whether, and at which time of day; `does` what a run does."""

    name: str
    label: str
    switch: str
    at: str
    does: str


DAILY = (
    Daily(
        "sync",
        "Daily sync",
        "sync_daily",
        "sync_at",
        "Asks every provider for its invoices: imports what is new of its latest invoice month, tries again what failed in the last 15 days, marks what has "
        "changed there since.",
    ),
    Daily(
        "bill",
        "Bill when due",
        "bill_when_due",
        "bill_at",
        "Makes the Draft usage invoices whose invoice date has come. Nothing is sent, and nothing leaves Draft by itself.",
    ),
    Daily(
        "notify",
        "Daily summary",
        "notify_daily",
        "notify_at",
        "Says what came in, what failed, why and what to do, and what else was to be said and was not: as the page Messages has it.",
    ),
)
BY_NAME = {one.name: one for one in DAILY}


@dataclass(frozen=True)
class Rhythm:
    """At this time of day in this zone."""

    at: time
    zone: tzinfo

    def moment(self, day: date) -> datetime:
        """When the run of that day is due, in UTC."""
        return datetime.combine(day, self.at, self.zone).astimezone(UTC)

    def day(self, moment: datetime) -> date:
        """The day of the zone that a moment is on."""
        return moment.astimezone(self.zone).date()

    def latest(self, now: datetime) -> datetime:
        """The last moment at which a run was due, `now` included."""
        day = self.day(now)
        while self.moment(day) > now:
            day -= _A_DAY
        return self.moment(day)


@dataclass(frozen=True)
class Standing:
    """How one stands: nothing that was due until `since` is made up for; the run that was due at `last_due_at` is done."""

    enabled: bool
    since: datetime
    last_due_at: datetime | None = None


def settled(known: Standing | None, *, enabled: bool, now: datetime) -> Standing:
    """What is known, as it holds now: what is new or was switched on waits for its next time; a clock that was far ahead is forgotten."""
    if known is None or (enabled and not known.enabled):
        return Standing(enabled, now, known.last_due_at if known and not _is_ahead(known, now) else None)
    if _is_ahead(known, now):
        return Standing(enabled, now)
    return replace(known, enabled=enabled, since=min(known.since, now))


def due(rhythm: Rhythm, standing: Standing, *, now: datetime) -> datetime | None:
    """The moment of the run that is due and not done, None where there is none; of several that were missed the last one."""
    moment = rhythm.latest(now)
    if not standing.enabled or moment <= standing.since or _is_done(rhythm, standing, moment):
        return None
    return moment


def next_run(rhythm: Rhythm, standing: Standing, *, now: datetime) -> datetime | None:
    """When it runs next; in the past where it is due already, None where it is switched off."""
    if not standing.enabled:
        return None
    overdue = due(rhythm, standing, now=now)
    day = rhythm.day(now)
    while overdue is None and (rhythm.moment(day) <= max(now, standing.since) or _is_done(rhythm, standing, rhythm.moment(day))):
        day += _A_DAY
    return overdue or rhythm.moment(day)


def _is_done(rhythm: Rhythm, standing: Standing, moment: datetime) -> bool:
    return standing.last_due_at is not None and rhythm.day(moment) <= rhythm.day(standing.last_due_at)


def _is_ahead(known: Standing, now: datetime) -> bool:
    """Whether it was written under a clock that has been put back by more than a day since."""
    return max(known.since, known.last_due_at or known.since) > now + _A_DAY
