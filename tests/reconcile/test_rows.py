"""Does each row say what it should, to the last word and digit: its reason, its names, its prices, its place in the order?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.reconcile.invoices import line, log, reconciled, row, subscription
from w365core.reconcile import places

CREATED = log("12", "2026-01-01", event="Create")
WIDE = "1234567890123456789012.123456789012345678901234567891"
HALF = (date(2026, 10, 16), date(2026, 10, 31))


# --- reasons -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines,ours,logs,reason",
    [
        ([line(quantity="12")], "10", [], "The provider charges 12, we hold 10, and no change log says how we came to it."),
        ([line(quantity="12")], None, [], "The provider charges 12, and our subscription has no quantity."),
        (
            [line(quantity="12")],
            "10",
            [log("8", "2026-01-01")],
            "Our change logs do not come to our 10: 2 is missing; with it the provider's 12 still differs.",
        ),
        (
            [line(quantity="12")],
            "10",
            [log("10", "2026-01-01"), log("-2", "2026-10-20")],
            "Our change logs do not come to our 10: 2 is missing; with it the provider's 12 agrees.",
        ),
        (
            [line()],
            "10",
            [log("5", "2026-01-01"), log("5", "2026-10-20")],
            "The quantities are equal today, but on the provider's day we held 5: look whether this is a coincidence.",
        ),
        (
            [line(quantity="12")],
            "10",
            [CREATED, log("-2", "2026-10-10")],
            "The provider charges 12, we hold 10: for 2026-10-01 it counts without 1 of our changes, not all of them invoiced yet.",
        ),
        (
            [line(quantity="14")],
            "10",
            [CREATED, log("-2", "2026-10-20")],
            "The provider charges 14, we hold 10: our later changes explain a part, 2 remains.",
        ),
        ([], None, [], "We hold an unknown quantity, active and under contract, and the invoice has no line for it."),
    ],
)
def test_a_reason_says_the_quantities_of_its_row(lines, ours, logs, reason):
    assert row(lines, [subscription(ours, expected=True)], logs)["reason"] == reason


# --- quantities and numbers ----------------------------------------------------------------------------------------------------------------


def test_an_amount_of_zeros_has_no_sign_even_with_an_exponent():
    assert row([line(subtotal="0"), line("cancelImmediate", "4", "0E+2")])["provider_quantity"] == "6"


def test_a_log_of_too_many_digits_takes_its_subscription_along():
    assert row([line()], [subscription()], [log(WIDE, "2026-01-01")])["verdict"] == "not_reconcilable"


def test_too_many_digits_of_a_line_of_nobody_harm_no_other_line_of_nobody():
    nobody = {"subscription_id": None}
    made = reconciled([line(**nobody, quantity=WIDE), line(**nobody, provider_customer_id="C2")], [])
    assert made.rows["provider_quantity"].to_pylist() == [None, "10"]


@pytest.mark.parametrize("digits,verdict", [(16, "confirmed"), (17, "not_reconcilable")])
def test_beside_a_quantity_of_too_many_digits_others_are_held_up_to_16(digits, verdict):
    many = digits * "9"
    made = reconciled(
        [line(quantity=many), line(subscription_id="s2", quantity=WIDE)], [subscription(many), subscription(WIDE, subscription_id="s2")]
    )
    assert made.rows["verdict"].to_pylist() == [verdict, "not_reconcilable"]


@pytest.mark.parametrize("many,times", [(10**17, 100), (10**17 - 1, 97)])
def test_there_is_room_for_the_sum_of_many_large_quantities(many, times):
    assert row([line(quantity=str(many)) for _ in range(times)])["provider_quantity"] == str(many * times)


def test_numbers_that_would_not_fit_beside_their_places_are_put_in_order_too():
    assert places.in_order(np.array([2**61, 1]), most=2**61)[0].tolist() == [1, 2**61]


def test_of_several_ends_that_stand_none_is_another_that_a_credit_takes_back():
    ends = (("10", "-40"), ("12", "48"), ("12", "-48"), ("15", "60"), ("10", "-40"), ("20", "80"))
    changes = [line("addQuantity", quantity, subtotal, ordered="2026-10-10T09:00:00") for quantity, subtotal in ends]
    assert [row(changes, [subscription(ours)])["provider_quantity"] for ours in ("15", "20", "12")] == ["15", "20", None]


def test_an_order_before_1970_is_a_day_too():
    pair = [line("addQuantity", quantity, subtotal, ordered="1969-12-30T09:00:00") for quantity, subtotal in (("10", "-40"), ("12", "48"))]
    assert row([line(), *pair])["snapshot"] == date(1969, 12, 30)


# --- our side ------------------------------------------------------------------------------------------------------------------------------


def test_a_blank_invoice_number_is_none_and_blanks_around_a_status_say_nothing():
    assert row([line(quantity="12")], logs=[CREATED, log("-2", "2026-10-10", invoice_number=" ")])["verdict"] == "explained_not_invoiced"
    assert row([line()], [subscription(status=" Suspended ")])["our_quantity"] == "0"


def test_the_changes_of_a_row_are_in_the_order_of_their_ids():
    logs = [CREATED, log("-1", "2026-10-10", change_log_id="b"), log("-1", "2026-10-12", change_log_id="a")]
    assert reconciled([line(quantity="12")], logs=logs).change_logs["change_log_id"].to_pylist() == ["a", "b"]


def test_without_a_contract_a_window_of_one_day_is_part_of_a_month():
    window = (date(2026, 10, 1), date(2026, 10, 1))
    made = reconciled([line(quantity="12", window=window)], [subscription(contract_start=None)], [CREATED, log("-2", "2026-10-10")])
    assert made.change_logs["worth"].to_pylist() == ["-7.42"]


# --- prices and what is shown --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ours", [{"currency": "eur"}, {"currency": "EUR "}, {"cost_price": "4.00504"}])
def test_currencies_compare_without_case_and_blanks_and_costs_at_four_places(ours):
    assert row([line()], [subscription(**ours)])["price_verdict"] == "price_ok"


def test_the_currency_of_the_invoice_is_read_without_case_and_blanks():
    assert row([line()], currency=" eur ")["currency"] == "EUR"


def test_a_frequency_of_none_is_that_of_the_term():
    said = {"billing_frequency": "None", "term_and_billing_cycle": "One-Year commitment for yearly billing", "unit_price": "120"}
    assert row([line(window=HALF, **said)])["unit_cost"] == "10"


def test_a_price_of_a_year_is_shown_per_month():
    found = row([line()], [subscription(cost_price="48", selling_price="60", unit="Annual")])
    assert (found["cost_price"], found["selling_price"]) == ("4", "5")


def test_ours_is_shown_where_we_know_it_else_what_the_provider_prints():
    printed = line(account_id="A9", product_id="P9")
    known, unknown = (row([printed], [subscription(account_id=one, product_id=one)]) for one in ("ours", None))
    assert (known["account_id"], known["product_id"]) == ("ours", "ours")
    assert (unknown["account_id"], unknown["product_id"]) == ("A9", "P9")


def test_of_several_lines_the_least_name_is_shown():
    assert row([line(customer_name="B"), line(customer_name="A"), line(customer_name="C")])["customer_name"] == "A"


def test_ids_of_the_provider_are_shown_in_lower_case_without_blanks():
    assert row([], [subscription(expected=True, provider_subscription_id="P1")])["provider_subscription_id"] == "p1"
    assert row([line(subscription_id=None, provider_customer_id=" C1 ")], [])["provider_customer_id"] == "c1"


def test_rows_are_in_the_order_of_their_names_where_one_id_begins_another():
    ours = ("s1", "s1-2")
    made = reconciled([line(subscription_id=one) for one in ours], [subscription(subscription_id=one) for one in ours])
    names = made.rows["line_id"].to_pylist()
    assert names == sorted(names) and names[0].startswith("s1-2/")
