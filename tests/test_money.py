"""Money: rounding once and half up, sums that lose nothing, numbers read to the last digit, sizes that money can have."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from w365core import money

D = Decimal
CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD", "CLF", "eur", "XYZ"])


def amounts(digits: int = 22, places: int = 30) -> st.SearchStrategy[Decimal]:
    """Any amount that money can be, each scale as likely as another."""
    return st.tuples(st.integers(-(10**digits) + 1, 10**digits - 1), st.integers(0, places)).map(lambda pair: D(f"{pair[0]}E-{pair[1]}"))


def half_away(exact: Fraction, places: int) -> Fraction:
    """Rounding as it is taught in school, without Decimal."""
    scaled = abs(exact) * 10**places
    whole = scaled.numerator // scaled.denominator
    whole += 2 * (scaled - whole) >= 1
    return Fraction(whole if exact >= 0 else -whole, 10**places)


@pytest.mark.parametrize(
    ("amount", "places", "rounded"),
    [
        ("0.125", 2, "0.13"),
        ("-0.125", 2, "-0.13"),
        ("1.005", 2, "1.01"),
        ("-1.005", 2, "-1.01"),
        ("2.5", 0, "3"),
        ("-2.5", 0, "-3"),
        ("0.0005", 3, "0.001"),
        ("0.12499999999999999999999999999", 2, "0.12"),
        ("9.995", 2, "10.00"),
    ],
)
def test_a_half_is_rounded_away_from_zero_on_both_sides(amount, places, rounded):
    assert str(money.half_up(D(amount), places=places)) == rounded


def test_a_tiny_negative_amount_is_not_minus_zero():
    assert str(money.half_up(D("-0.001"), places=2)) == "0.00"
    assert str(money.selling_amount(D("-0.001"), D(15), "EUR")) == "0.00"


@pytest.mark.parametrize(("currency", "places"), [("EUR", 2), ("jpy", 0), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("ISK", 0), ("XYZ", 2)])
def test_each_currency_has_its_own_smallest_coin(currency, places):
    assert money.minor_units(currency) == places
    assert -money.in_currency(D("1.23456"), currency).as_tuple().exponent == places


@given(amounts(), st.integers(0, 30))
def test_rounding_agrees_with_the_schoolbook_to_the_last_digit(amount, places):
    assert Fraction(money.half_up(amount, places=places)) == half_away(Fraction(amount), places)


@given(st.lists(amounts(), max_size=30))
def test_a_sum_loses_no_digit_in_any_order_and_under_any_context(found):
    exact = sum((Fraction(amount) for amount in found), Fraction(0))
    with localcontext(prec=5):
        assert Fraction(money.total(found)) == exact
        assert money.total(reversed(found)) == money.total(found)


def test_a_sum_is_wider_than_the_28_digits_of_python():
    assert str(money.total([D("1234567890123456789012"), D("0.1234567890123456789012345678")])) == (
        "1234567890123456789012.1234567890123456789012345678"
    )


@given(amounts(20, 20), amounts(4, 8).filter(lambda markup: markup >= 0), CURRENCIES)
def test_selling_is_cost_plus_markup_rounded_once(cost, markup, currency):
    exact = Fraction(cost) * (1 + Fraction(markup) / 100)
    assert Fraction(money.selling_amount(cost, markup, currency)) == half_away(exact, money.minor_units(currency))


@given(amounts(18, 6), st.integers(0, 1000), st.integers(0, 1000))
def test_more_markup_never_sells_a_cost_for_less(cost, one, other):
    low, high = sorted((one, other))
    assert abs(money.selling_amount(cost, D(low), "EUR")) <= abs(money.selling_amount(cost, D(high), "EUR"))


def test_no_markup_sells_at_cost_and_a_margin_of_15_is_a_markup_of_17_647058():
    assert money.selling_amount(D("12.345"), D(0), "EUR") == D("12.35")
    assert money.selling_amount(D(85), D("17.647058"), "EUR") == D("100.00")


@pytest.mark.parametrize(
    ("difference", "override"),
    [
        ("-1329.7525", "1330"),
        ("1329.0001", "1330"),
        ("5", "5"),
        ("-5.00", "5"),
        ("0", "0"),
        ("0.01", "1"),
        ("9999999999999999999998.0000001", "9999999999999999999999"),
    ],
)
def test_the_override_is_the_difference_rounded_up_to_a_whole_number(difference, override):
    assert money.override_for(D(difference)) == D(override)


@given(amounts())
def test_the_override_is_the_least_whole_number_that_covers_the_difference(difference):
    override = money.override_for(difference)
    assert override == override.to_integral_value()
    assert Fraction(override) - 1 < abs(Fraction(difference)) <= Fraction(override)


@pytest.mark.parametrize(("limit", "said"), [("0.05", "0.0500"), ("0.055555", "0.0555"), ("0.05435", "0.0543"), ("7", "7.0000")])
def test_a_limit_is_said_in_fewer_places_without_being_raised(limit, said):
    assert str(money.cut(D(limit), places=4)) == said


@given(amounts(22, 28))
def test_what_is_printed_is_read_back_to_the_last_digit(amount):
    for text in (str(amount), money.plain(amount), f"+{amount}" if amount >= 0 else str(amount)):
        assert str(money.readable(text)) in (str(amount), money.plain(amount))
        assert money.readable(text) == amount


@pytest.mark.parametrize(("text", "number"), [("1E-7", "1E-7"), ("1e+3", "1E+3"), (".5", "0.5"), ("5.", "5"), ("-0", "-0"), ("007", "7")])
def test_a_number_may_be_written_with_an_exponent_or_a_bare_point(text, number):
    assert str(money.readable(text)) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1,5",
        "1_000",
        "NaN",
        "Infinity",
        "-inf",
        "1e400",
        "1e9999",
        "12345678901234567890123",
        "0." + "0" * 30 + "1",
        "１２",
        "٣",
        "--1",
        "1.2.3",
        ".",
        "1e",
        "0x10",
    ],
)
def test_what_is_no_number_of_a_size_that_money_can_have_is_not_read(text):
    assert money.readable(text) is None


@given(st.text(max_size=40))
def test_no_text_at_all_breaks_the_reading_of_numbers(text):
    number = money.readable(text)
    assert number is None or money.is_plausible(number)


def test_22_digits_before_the_point_are_money_and_23_are_not():
    assert money.is_plausible(D("9" * 22 + "." + "9" * 30))
    assert not money.is_plausible(D("1" + "0" * 22))
    assert not money.is_plausible(D("1E-31"))
    assert not any(map(money.is_plausible, (D("NaN"), D("sNaN"), D("Infinity"), D("-Infinity"))))


@given(amounts(), st.integers(0, 6))
def test_trimming_takes_zeros_away_and_nothing_else(amount, least):
    trimmed = money.trimmed(amount, least=least)
    places = -trimmed.as_tuple().exponent
    assert trimmed == amount
    assert places >= least
    assert places == least or not money.plain(trimmed).endswith("0")


def test_plain_is_what_json_and_csv_carry():
    assert [money.plain(number) for number in (D("1E-7"), D("1E+3"), D("5.00"), None)] == ["0.0000001", "1000", "5.00", None]
