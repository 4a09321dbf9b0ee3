"""Dates: the forms that providers and spreadsheets print, the days that no zone moves, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from w365core.dates import DateOrder, contradicts, day_of, is_no_day, moment_of, month_of, utc

DAY, MONTH = DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-30", datetime(2026, 11, 30)),
        ("2026-11-30T23:59:59Z", datetime(2026, 11, 30, 23, 59, 59)),
        ("2026-11-30 23:59", datetime(2026, 11, 30, 23, 59)),
        ("2020-01-01T00:00:00-07:00", datetime(2020, 1, 1, 7)),
        ("2020-01-01T00:00:00+0530", datetime(2019, 12, 31, 18, 30)),
        ("2015-11-25T06: 41: 12Z", datetime(2015, 11, 25, 6, 41, 12)),
        ("2020-05-05T01:02:03.1234567Z", datetime(2020, 5, 5, 1, 2, 3, 123456)),
        ("2020-05-05T01:02:03.5", datetime(2020, 5, 5, 1, 2, 3, 500000)),
        ("10/3/2020", datetime(2020, 10, 3)),
        ("2/28/2019 23:59", datetime(2019, 2, 28, 23, 59)),
        ("11/1/2026 12:05:06 AM", datetime(2026, 11, 1, 0, 5, 6)),
        ("11/1/2026 12:05 pm", datetime(2026, 11, 1, 12, 5)),
        ("  2026-1-5  ", datetime(2026, 1, 5)),
    ],
)
def test_the_printed_forms_of_real_files_are_read(text, moment):
    assert moment_of(text) == moment


@pytest.mark.parametrize(
    "text", ["0001-01-01", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00-08:00", "1/1/0001"]
)
def test_the_first_of_the_year_one_means_no_date_in_every_zone(text):
    assert moment_of(text) is None
    assert day_of(text) is None


def test_a_moment_beyond_the_calendar_is_refused_and_its_day_stands_as_printed():
    for text in ("9999-12-31T23:59:59-07:00", "9999-12-31 23:59:59.9999999-00:01"):
        with pytest.raises(ValueError, match="beyond the calendar"):
            moment_of(text)
        assert day_of(text) == date(9999, 12, 31)


@pytest.mark.parametrize(
    "text", ["2026-11-03T23:30:00-07:00", "2026-11-3T23:30:00-07:00", "2026-11-03T00:30:00+11:00", "2026-11-3 0:30:00 +1100"]
)
def test_no_time_zone_moves_a_charge_day(text):
    assert day_of(text) == date(2026, 11, 3)


def test_a_slashed_date_is_read_in_the_order_of_its_file():
    assert day_of("11/3/2026") == date(2026, 11, 3)
    assert day_of("11/3/2026", DAY) == date(2026, 3, 11)
    assert day_of("31.12.2026", DAY) == date(2026, 12, 31)
    assert day_of("2026-11-03", DAY) == date(2026, 11, 3), "an ISO date has one order only"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("31/31/2026", True), ("30.2.2026 10:00", True), ("2026-02-30", True), ("2026-13-01T00:00:00Z", True), ("31/1/2026", False),
        ("1/31/2026", False), ("2026-01-31 25:00", False), ("soon", False), ("45991", False),
    ],
)  # fmt: skip
def test_a_day_that_no_calendar_has_is_told_from_what_is_no_date_at_all(text, said):
    assert is_no_day(text) is said


@pytest.mark.parametrize(
    ("text", "order", "said"),
    [
        ("13/1/2026", MONTH, True),
        ("12/1/2026", MONTH, False),
        ("1/13/2026", DAY, True),
        ("1/12/2026", DAY, False),
        ("2026-13-01", MONTH, False),
        ("31/31/2026", MONTH, False),
        ("31/31/2026", DAY, False),
        ("31/2/2026", MONTH, False),
    ],
)
def test_a_month_beyond_twelve_contradicts_the_order_where_the_other_makes_it_a_day(text, order, said):
    assert contradicts(text, order) is said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-29",
        "2026-13-01",
        "13/1/2026",
        "11/3/26",
        "2026-11-30garbage",
        "2026-11-30T25:00:00Z",
        "2026-11-30T10:00:00+99:00",
        "2026-11-30T10:00:00+01:75",
        "2026/11/30",
        "11/3-2026",
        "20261130",
        "45000",
        "٢٠٢٦-11-30",
        "2026-W48-1",
        "0000-01-01",
    ],
)
def test_what_is_no_date_is_refused(text):
    for read in (moment_of, day_of):
        with pytest.raises(ValueError):
            read(text)


@given(st.text(alphabet="0123456789-/.:TZ +apmAPM", max_size=30), st.sampled_from(DateOrder))
def test_any_text_is_a_date_no_date_or_refused_with_nothing_else_raised(text, order):
    for read in (moment_of, day_of):
        try:
            found = read(text, order)
        except ValueError:
            continue
        assert found is None or found.year > 1 or read is moment_of


@given(st.datetimes(datetime(2, 1, 2), datetime(9998, 12, 30)), st.integers(-23 * 60, 23 * 60))
def test_a_printed_moment_with_its_zone_comes_back_as_that_moment(moment, minutes):
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert moment_of(zoned.isoformat()) == zoned.astimezone(UTC).replace(tzinfo=None)
    assert day_of(zoned.isoformat()) == moment.date()


@given(st.dates(date(2, 1, 1)))
def test_every_day_is_read_back_from_each_form(day):
    assert day_of(day.isoformat()) == day
    assert day_of(f"{day.month}/{day.day}/{day.year:04}") == day
    assert day_of(f"{day.day:02}.{day.month:02}.{day.year:04}", DAY) == day


def test_a_month_is_named_and_a_naive_moment_is_utc():
    assert month_of(date(2026, 1, 31)) == "2026-01"
    assert utc(datetime(2026, 1, 1, 5)) == datetime(2026, 1, 1, 5, tzinfo=UTC)
    assert utc(datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))) == datetime(2026, 1, 1, tzinfo=UTC)
