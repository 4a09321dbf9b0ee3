"""When is what runs by itself due? Over changes of the clocks, missed days, and clocks that jump."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, strategies as st

from w365core import preferences
from w365core.preferences import Form
from w365core.schedule import DAILY, Rhythm, Standing, due, next_run, settled

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
SIX = time(6)
ZONES = sorted(available_timezones())
DAYS = st.dates(date(1990, 1, 1), date(2040, 12, 31))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
RHYTHMS = st.builds(Rhythm, TIMES, st.sampled_from(ZONES).map(ZoneInfo))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(rhythm: Rhythm, moments: Iterable[datetime], standing: Standing | None = None) -> list[datetime]:
    """What a worker would run that looks at these moments: when each run was due."""
    ran = []
    for now in moments:
        standing = settled(standing, enabled=True, now=now)
        if (moment := due(rhythm, standing, now=now)) is not None:
            ran.append(moment)
            standing = replace(standing, last_due_at=moment)
    return ran


def every(step: timedelta, start: datetime, end: datetime) -> Iterable[datetime]:
    while start < end:
        yield start
        start += step


# --- the clocks are changed ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "time_of_day", "day", "due_at"),
    [
        (BERLIN, time(6), "2026-03-28", "2026-03-28T05:00"),
        (BERLIN, time(6), "2026-03-29", "2026-03-29T04:00"),
        (BERLIN, time(2, 30), "2026-03-29", "2026-03-29T01:30"),  # there is no 02:30: it is 03:30 by the new clock
        (BERLIN, time(2, 30), "2026-10-25", "2026-10-25T00:30"),  # there are two: the first
        (NEW_YORK, time(2, 30), "2026-03-08", "2026-03-08T07:30"),
        (NEW_YORK, time(1, 30), "2026-11-01", "2026-11-01T05:30"),
        (NEW_YORK, time(6), "2026-11-01", "2026-11-01T11:00"),
    ],
)
def test_a_run_is_due_by_the_clocks_of_its_zone(zone: ZoneInfo, time_of_day: time, day: str, due_at: str):
    assert Rhythm(time_of_day, zone).moment(date.fromisoformat(day)) == at(due_at)


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [(BERLIN, "2026-03-27", "2026-03-31"), (BERLIN, "2026-10-23", "2026-10-27"), (NEW_YORK, "2026-03-06", "2026-03-10"), (NEW_YORK, "2026-10-30", "2026-11-03")],
)  # fmt: skip
@pytest.mark.parametrize("time_of_day", [time(0), time(1, 30), time(2), time(2, 30), time(3), time(23, 59)])
def test_over_a_change_of_the_clocks_every_day_has_one_run(zone: ZoneInfo, first: str, last: str, time_of_day: time):
    rhythm = Rhythm(time_of_day, zone)
    start, end = (datetime.combine(date.fromisoformat(day), time(12), zone).astimezone(UTC) for day in (first, last))
    ran = runs(rhythm, every(timedelta(minutes=10), start, end))
    begins = date.fromisoformat(first) + timedelta(days=1 if time_of_day < time(12) else 0)
    assert [rhythm.day(moment) for moment in ran] == [begins + timedelta(days=n) for n in range(4)]


@given(RHYTHMS, DAYS)
def test_moments_go_forward_with_the_days_in_every_zone(rhythm: Rhythm, day: date):
    assert rhythm.moment(day) <= rhythm.moment(day + timedelta(days=1))
    assert rhythm.latest(rhythm.moment(day)) == rhythm.moment(day)


@given(RHYTHMS, DAYS, st.lists(st.integers(1, 5 * 24 * 60), min_size=1, max_size=30))
def test_however_seldom_a_worker_looks_what_was_due_is_run_once_and_never_early(rhythm: Rhythm, day: date, minutes: list[int]):
    looks = [datetime.combine(day, time(0), UTC)]
    for gap in minutes:
        looks.append(looks[-1] + timedelta(minutes=gap))
    ran = runs(rhythm, looks)
    days = [rhythm.day(moment) for moment in ran]
    assert days == sorted(set(days))
    standing = Standing(True, looks[0], ran[-1] if ran else None)
    assert due(rhythm, standing, now=looks[-1]) is None  # nothing that was due is left
    following = next_run(rhythm, standing, now=looks[-1])
    assert following is not None and looks[-1] < following <= looks[-1] + timedelta(days=3)


@given(RHYTHMS, DAYS, st.integers(0, 4 * 24 * 60))
def test_the_next_run_is_the_one_that_comes(rhythm: Rhythm, day: date, minutes: int):
    now = datetime.combine(day, time(0), UTC) + timedelta(minutes=minutes)
    standing = Standing(True, now - timedelta(days=2), rhythm.latest(now))
    told = next_run(rhythm, standing, now=now)
    assert told is not None
    assert due(rhythm, standing, now=told - timedelta(seconds=1)) is None
    assert due(rhythm, standing, now=told) == told


# --- what was missed, switched, put back ---------------------------------------------------------------------------------------------------


def test_what_was_missed_is_made_up_for_once_however_many_days_it_was():
    rhythm, standing = Rhythm(SIX, UTC), Standing(True, at("2026-11-01T12:00"), at("2026-11-10T06:00"))
    assert next_run(rhythm, standing, now=at("2026-11-14T09:00")) == at("2026-11-14T06:00")  # it waits for a worker
    assert runs(rhythm, [at("2026-11-14T09:00"), at("2026-11-14T09:01"), at("2026-11-15T05:59")], standing) == [at("2026-11-14T06:00")]


def test_what_is_new_or_switched_on_waits_for_its_next_time():
    rhythm = Rhythm(SIX, UTC)
    new = settled(None, enabled=True, now=at("2026-11-14T09:00"))
    assert due(rhythm, new, now=at("2026-11-14T09:00")) is None and next_run(rhythm, new, now=new.since) == at("2026-11-15T06:00")
    off = settled(Standing(True, at("2026-11-01"), at("2026-11-10T06:00")), enabled=False, now=at("2026-11-11T00:00"))
    assert due(rhythm, off, now=at("2026-11-14T09:00")) is None and next_run(rhythm, off, now=at("2026-11-14T09:00")) is None
    on = settled(off, enabled=True, now=at("2026-11-14T09:00"))
    assert due(rhythm, on, now=at("2026-11-14T09:00")) is None and next_run(rhythm, on, now=on.since) == at("2026-11-15T06:00")


def test_another_time_of_day_gives_a_day_no_second_run_and_leaves_none_out():
    done = Standing(True, at("2026-11-01"), at("2026-11-14T06:00"))
    later = Rhythm(time(8), UTC)
    assert due(later, done, now=at("2026-11-14T08:30")) is None and next_run(later, done, now=at("2026-11-14T07:00")) == at(
        "2026-11-15T08:00"
    )
    to_come = Standing(True, at("2026-11-01"), at("2026-11-13T08:00"))
    assert due(Rhythm(SIX, UTC), to_come, now=at("2026-11-14T07:00")) == at("2026-11-14T06:00")


def test_another_zone_shifts_the_next_run_and_leaves_no_day_out():
    done = Standing(True, at("2026-11-01"), at("2026-11-14T06:00"))
    honolulu, auckland = Rhythm(SIX, ZoneInfo("Pacific/Honolulu")), Rhythm(SIX, ZoneInfo("Pacific/Auckland"))
    assert next_run(honolulu, done, now=at("2026-11-14T07:00")) == at("2026-11-14T16:00")
    assert next_run(auckland, done, now=at("2026-11-14T07:00")) == at("2026-11-14T17:00")


@pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(hours=5), timedelta(hours=23)])
def test_a_clock_that_is_put_back_does_not_run_it_twice(back: timedelta):
    rhythm, now = Rhythm(SIX, UTC), at("2026-11-14T06:01")
    looks = [now - timedelta(hours=1), now, now - back, *every(timedelta(minutes=30), now - back, at("2026-11-15T05:59"))]
    assert runs(rhythm, looks, Standing(True, at("2026-11-01"), at("2026-11-13T06:00"))) == [at("2026-11-14T06:00")]


def test_a_clock_that_was_far_ahead_does_not_stop_it_for_as_long():
    rhythm = Rhythm(SIX, UTC)
    looks = [at("2026-11-14T05:00"), at("2027-11-14T07:00"), at("2026-11-14T05:01"), at("2026-11-14T06:00"), at("2026-11-15T06:00")]
    assert runs(rhythm, looks, Standing(True, at("2026-11-01"), at("2026-11-13T06:00"))) == [
        at("2027-11-14T06:00"),
        at("2026-11-14T06:00"),
        at("2026-11-15T06:00"),
    ]


def test_a_look_at_the_very_moment_runs_it_and_one_a_moment_before_does_not():
    standing = Standing(True, at("2026-11-01"), at("2026-11-13T06:00"))
    assert due(Rhythm(SIX, UTC), standing, now=at("2026-11-14T06:00") - timedelta(microseconds=1)) is None
    assert due(Rhythm(SIX, UTC), standing, now=at("2026-11-14T06:00")) == at("2026-11-14T06:00")


def test_each_has_a_switch_and_a_time_among_the_settings_and_billing_is_off_by_itself():
    for one in DAILY:
        assert preferences.BY_NAME[one.switch].form is Form.FLAG and preferences.BY_NAME[one.at].form is Form.TIME
    assert {one.name: preferences.BY_NAME[one.switch].default for one in DAILY}.items() >= {"sync": "yes", "bill": "no"}.items()
