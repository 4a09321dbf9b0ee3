"""Are amounts, days and ages said so that a person reads them right, to the last digit?"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from tests.reports.builders import NOW
from w365core.reports import wording


@pytest.mark.parametrize(
    ("number", "currency", "said"),
    [
        ("12345.6", "EUR", "12,345.60"),
        ("-1329.7525", "EUR", "-1,329.7525"),
        ("-0.00", "EUR", "0.00"),
        ("1E+3", "JPY", "1,000"),
        ("1.5", "KWD", "1.500"),
        ("99999999999999999999.99", "EUR", "99,999,999,999,999,999,999.99"),
        ("1E-7", None, "0.0000001"),
        ("24.000", None, "24"),
    ],
)
def test_an_amount_has_its_minor_unit_and_every_further_digit(number: str, currency: str | None, said: str):
    assert wording.digits(Decimal(number), currency) == said


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**22), max_value=10**22, places=9),
    st.sampled_from(["EUR", "JPY", "KWD", None]),
)
def test_no_digit_is_lost_on_the_screen(number: Decimal, currency: str | None):
    assert Decimal(wording.digits(number, currency).replace(",", "")) == number


@pytest.mark.parametrize(
    ("number", "currency", "most", "said"),
    [
        ("2282.4000734296249", "EUR", 4, "2,282.4001"),
        ("123456789.99999", "EUR", 4, "123,456,790.00"),
        ("-7.1250005", None, 6, "-7.125001"),
        ("24.000", None, 6, "24"),
        ("0.00", "EUR", 4, "0.00"),
        ("0.00004", "EUR", 4, "<0.0001"),
        ("-0.0000001", None, 6, ">-0.000001"),
        ("0.12345", "CLF", 2, "0.1235"),
    ],
)
def test_a_number_of_few_places_is_rounded_and_never_said_to_be_nothing(number: str, currency: str | None, most: int, said: str):
    assert wording.digits(Decimal(number), currency, most=most) == said


def test_an_absent_amount_is_a_dash_and_not_zero():
    assert wording.amount(None, "EUR") == "—"


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=23, minutes=59), "23 hours"),
        (timedelta(days=20), "20 days"),
        (timedelta(days=21), "3 weeks"),
        (timedelta(days=400), "13 months"),
    ],
)
def test_an_age_has_one_unit(ago: timedelta, said: str):
    now: datetime = NOW
    assert wording.age(now - ago, now=now) == said


def test_an_ordinal_is_a_word_up_to_ten_and_ends_as_it_is_spoken():
    said = [wording.ordinal(number) for number in (1, 3, 10, 11, 12, 13, 21, 22, 23, 24, 112)]
    assert said == ["first", "third", "tenth", "11th", "12th", "13th", "21st", "22nd", "23rd", "24th", "112th"]
