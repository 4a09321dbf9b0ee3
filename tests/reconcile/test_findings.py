"""Is what is odd about single lines found, and is nothing found on a clean invoice?"""

from __future__ import annotations

from datetime import date

import pytest

from tests.reconcile.invoices import line, log, reconciled, subscription

NOVEMBER = (date(2026, 11, 1), date(2026, 11, 30))
DOCUMENTED = [
    ("4", 1, 19, 31, "2.45"),
    ("4", 2, 12, 31, "3.10"),
    ("4", 1, 12, 28, "-1.72"),
    ("4", 1, 29, 30, "3.87"),
    ("4", 2, 29, 30, "7.74"),
]


def kinds(lines, subscriptions=None, logs=None, *, currency="EUR") -> list[tuple]:
    return [(one["line_number"], one["kind"]) for one in reconciled(lines, subscriptions, logs, currency=currency).findings.to_pylist()]


def test_a_clean_invoice_has_no_findings():
    pair = [
        line("addQuantity", "10", "-28.40", effective_unit_price="2.84", ordered="2026-10-10T09:00"),
        line("addQuantity", "12", "34.08", effective_unit_price="2.84"),
    ]
    assert kinds([line(), *pair, line("customerCredit", "1", "-3.33"), line("renew", window=NOVEMBER)], [subscription("12")]) == []


def test_an_amount_that_neither_rule_gives_is_found_with_what_it_should_be():
    (found,) = reconciled([line(subtotal="41")]).findings.to_pylist()
    assert (found["kind"], found["expected"], found["found"], found["amount"]) == ("amount_off", "40", "41", "1")


@pytest.mark.parametrize("subtotal,is_found", [("12.30", False), ("12.34", False), ("12.345", False), ("-12.34", False), ("12.50", True)])
def test_either_rule_of_rounding_is_right(subtotal, is_found):
    assert bool(kinds([line(subtotal=subtotal, effective_unit_price="1.2345", unit_price="2")])) is is_found


def test_a_currency_without_cents_is_cut_to_whole_units():
    assert kinds([line(quantity="3", subtotal="297", effective_unit_price="99.9", unit_price="100")], currency="JPY") == []


@pytest.mark.parametrize("price,seats,days,of_days,amount", DOCUMENTED)
def test_the_documented_lines_pass_by_their_list_price_and_days(price, seats, days, of_days, amount):
    month = {31: 10, 30: 11, 28: 2}[of_days]
    window = (date(2026, month, of_days - days + 1), date(2026, month, of_days))
    assert kinds([line("new", str(seats), amount, window=window, unit_price=price, effective_unit_price=None)]) == []


def test_a_price_above_the_list_is_found():
    assert kinds([line(subtotal="50", effective_unit_price="5")]) == [(1, "above_list")]
    assert kinds([line(subtotal="120", effective_unit_price="12", window=(date(2026, 10, 1), date(2026, 12, 31)))]) == []


def test_a_window_charged_twice_is_found_unless_a_credit_takes_one_back_or_we_hold_as_many():
    assert kinds([line(), line()]) == [(None, "charged_twice")]
    assert kinds([line(), line(), line(subtotal="-40")]) == []
    assert kinds([line(), line()], [subscription("20")]) == []
    assert kinds([line(), line(provider_subscription_id="P2")]) == []


def test_a_charge_after_a_cancellation_of_the_provider_is_found():
    cancelled = line("cancelImmediate", subtotal="-40", ordered="2026-10-05T10:00")
    assert kinds([line(), cancelled, line("renew", window=NOVEMBER)]) == [(3, "billed_after_cancellation")]
    assert kinds([line(), cancelled]) == []


def test_a_charge_after_our_deactivation_is_found_unless_it_was_activated_again():
    logs = [log("10", "2026-01-01"), log("-10", "2026-09-10", event="Deactivate")]
    assert kinds([line()], [subscription(status="Suspended")], logs) == [(1, "billed_after_cancellation")]
    assert kinds([line()], logs=[*logs, log("10", "2026-09-20", event="Activate")]) == []
    assert kinds([line()], logs=[log("10", "2026-01-01"), log("-10", "2026-10-10", event="Deactivate")]) == []


def test_a_log_of_nobody_deactivates_nobody():
    assert kinds([line()], logs=[log("10", "2026-01-01"), log("-10", "2026-09-10", event="Deactivate", subscription_id="s9")]) == []


def test_a_line_of_nobody_is_not_charged_after_somebodys_deactivation():
    logs = [log("10", "2026-01-01"), log("-10", "2026-09-10", event="Deactivate")]
    assert kinds([line(subscription_id=None)], [subscription(status="Suspended")], logs) == []


def test_a_cancellation_takes_a_charge_back_too():
    assert kinds([line(), line(), line("cancelImmediate", subtotal="-40")], [subscription("12")]) == []


def test_of_what_is_charged_twice_the_largest_is_expected_whatever_the_order():
    for numbers in ((1, 2), (2, 1)):
        lines = [line(line_number=number, subtotal=subtotal) for number, subtotal in zip(numbers, ("41", "40.00"), strict=True)]
        found = reconciled(lines).findings.to_pylist()
        assert [(one["expected"], one["found"], one["amount"]) for one in found if one["kind"] == "charged_twice"] == [("41", "81", "40")]


@pytest.mark.parametrize(
    "said,is_found",
    [
        ({"quantity": "1", "subtotal": "0.1204", "effective_unit_price": "0.1004"}, True),  # two coins of 0.1004, not of 0.10
        ({"subtotal": "40.1", "effective_unit_price": "4.01"}, False),  # a coin above the list
        (
            {"quantity": "1", "subtotal": "1234567890123456.7891", "effective_unit_price": "1234567890123456.7891", "unit_price": None},
            False,
        ),
    ],
)
def test_an_amount_may_be_off_by_what_rounding_can_come_to_and_no_more(said, is_found):
    assert bool(kinds([line(**said)])) is is_found


@pytest.mark.parametrize(
    "currency,price,listed,amount", [("JPY", "200.9", "200", "5"), ("KWD", "2.0125", "2", "0.063"), ("EUR", "4.0113", "4", "0.06")]
)
def test_what_is_above_list_comes_to_whole_coins(currency, price, listed, amount):
    above = line(quantity="5", subtotal="1", effective_unit_price=price, unit_price=listed, currency=currency)
    found = reconciled([above], [subscription(currency=currency)], currency=currency).findings.to_pylist()
    assert [one["amount"] for one in found if one["kind"] == "above_list"] == [amount]
