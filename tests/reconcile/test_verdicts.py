"""Does each row get the first verdict that applies, from quantities netted by the window and change logs replayed to the provider's day?"""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.reconcile.invoices import OCTOBER, line, log, reconciled, row, subscription, tables
from w365core.kernels.reconcile import reconcile
from w365core.reconcile import conservation

ADDED = [
    line("addQuantity", "10", "-40", ordered="2026-10-10T09:00:00"),
    line("addQuantity", "12", "48", ordered="2026-10-10T09:00:00"),
]
CREATED = log("12", "2026-01-01", event="Create")


def seats(*lines: dict, ours: str = "10") -> Decimal | None:
    found = row(list(lines), [subscription(ours)])["provider_quantity"]
    return None if found is None else Decimal(found)


# --- the provider's quantity ---------------------------------------------------------------------------------------------------------------


def test_a_change_beside_the_cycle_line_nets_by_itself():
    assert seats(line(), *ADDED) == 12


def test_a_double_charge_shows():
    assert seats(line(), line()) == 20


def test_the_quantity_is_the_billable_one_else_the_printed():
    assert seats(line(quantity="7") | {"quantity": "9"}) == 7
    assert seats(line(quantity=None) | {"quantity": "9"}) == 9


@pytest.mark.parametrize("change,old,new", [("addQuantity", "2", "5"), ("removeQuantity", "5", "2")])
def test_in_a_free_pair_the_rebill_is_the_larger_of_an_add_and_the_smaller_of_a_removal(change, old, new):
    pair = [line(change, quantity, "0", ordered="2026-10-10T09:00:00") for quantity in (old, new)]
    assert seats(line(quantity=old, subtotal="0"), *pair) == int(new)
    assert seats(*pair) == int(new)


def test_a_free_pair_may_stand_beside_quantities_of_many_digits():
    """Of more digits than the machine's integers hold; half of the lines of an event without amounts are credits."""
    many = "1234567890.123456789012345678"
    pair = [line("addQuantity", quantity, "0", ordered="2026-10-10T09:00:00") for quantity in (many, "2")]
    assert seats(*pair) == Decimal(many)
    assert seats(line(quantity="2", subtotal="0"), *pair) == Decimal(many)


def test_a_free_cancellation_takes_seats_away():
    assert seats(line(subtotal="0"), line("cancelImmediate", "4", "0.00")) == 6


def test_a_cancellation_without_a_cycle_line_leaves_no_seats_where_it_is_last():
    cancelled = line("cancelImmediate", "12", "-30", ordered="2026-10-11T00:00:00")
    assert seats(*ADDED, cancelled) == 0
    assert seats(*ADDED, cancelled | {"order_date": ADDED[0]["order_date"].replace(day=9)}) == 12


def test_of_change_pairs_only_the_last_one_by_order_date_counts():
    later = [
        line("removeQuantity", "12", "-48", ordered="2026-10-10T09:00:01"),
        line("removeQuantity", "3", "12", ordered="2026-10-10T09:00:01"),
    ]
    assert seats(*later, *ADDED) == 3


def test_on_a_tie_the_rebill_counts_that_no_credit_takes_back():
    more = [line("addQuantity", "12", "-48", ordered="2026-10-10T09:00:00"), line("addQuantity", "15", "60", ordered="2026-10-10T09:00:00")]
    assert seats(*more, *ADDED) == 15


def test_a_tie_that_stays_is_the_end_that_equals_ours_else_unknown():
    back = [
        line("removeQuantity", "12", "-48", ordered="2026-10-10T09:00:00"),
        line("removeQuantity", "10", "40", ordered="2026-10-10T09:00:00"),
    ]
    assert seats(*ADDED, *back, ours="12") == 12
    assert seats(*ADDED, *back, ours="10") == 10
    assert seats(*ADDED, *back, ours="11") is None
    assert "several changes bear the same order date" in row([*ADDED, *back], [subscription("11")])["reason"]


def test_a_change_that_is_a_credit_alone_says_nothing_of_the_seats_and_is_called_so():
    alone = ADDED[0]
    earlier = [one | {"order_date": one["order_date"].replace(day=9)} for one in ADDED]
    for lines in ([alone], [*earlier, alone]):
        found = row(lines)
        assert (found["provider_quantity"], found["verdict"]) == (None, "not_reconcilable")
        assert "the last change of the window is a credit alone" in found["reason"]


@pytest.mark.parametrize(
    "lines", [[line(), line("convert")], [line("customerCredit", "3", "-5")], [line("something new")], [line(quantity=None)]]
)
def test_a_window_that_says_no_seats_is_not_reconcilable_and_says_why(lines):
    found = row(lines)
    assert (found["provider_quantity"], found["verdict"]) == (None, "not_reconcilable")
    assert found["reason"].startswith("The provider's quantity cannot be told: ")


def test_a_credit_without_seats_changes_no_quantity():
    assert seats(line(), line("customerCredit", "10", "-5"), line("who knows", "3", "1")) == 10


@pytest.mark.parametrize(
    "spelling", ["New", "renew", "Cycle Charge", "Cycle fee", "CYCLECHARGE", "Purchase", "Renew fee", "Prorate fees when purchase"]
)
def test_a_cycle_line_is_known_by_all_its_spellings(spelling):
    assert seats(line(spelling)) == 10


# --- verdicts ------------------------------------------------------------------------------------------------------------------------------


def test_no_subscription_is_one_row_for_a_customer_and_window_in_any_case():
    nobody = {"subscription_id": None, "provider_subscription_id": None}
    found = row([line(**nobody), line(**nobody) | {"provider_customer_id": "c1"}], [])
    assert (found["line_id"], found["verdict"], found["lines"], found["money_at_risk"]) == (
        "customer:c1/2026-10-01/2026-10-31",
        "no_subscription",
        2,
        "80",
    )


def test_equal_quantities_are_confirmed_without_any_change_log():
    found = row([line()])
    assert (found["verdict"], found["our_quantity_then"], found["changed_since"]) == ("confirmed", None, False)


def test_equal_by_coincidence_is_confirmed_and_says_so():
    logs = [log("5", "2026-01-01"), log("5", "2026-10-20")]
    found = row([line()], logs=logs)
    assert (found["verdict"], found["changed_since"], found["our_quantity_then"]) == ("confirmed", True, "5")


def test_a_change_by_the_eye_of_the_provider_is_no_coincidence():
    logs = [log("5", "2026-01-01"), log("5", "2026-10-20", provisioned="2026-09-30")]
    assert row([line()], logs=logs)["changed_since"] is False


@pytest.mark.parametrize(
    "deactivated,verdict",
    [(None, "suspended_but_billed"), ("2026-10-01", "suspended_but_billed"), ("2026-10-02", "explained_not_invoiced")],
)
def test_a_suspended_subscription_is_still_billed_unless_it_was_deactivated_after_the_snapshot(deactivated, verdict):
    logs = [log("10", "2026-01-01")] + ([log("-10", deactivated, event="Deactivate", provisioned=deactivated)] if deactivated else [])
    found = row([line()], [subscription(status="Suspended")], logs)
    assert (found["verdict"], found["our_quantity"]) == (verdict, "0")


def test_without_change_logs_a_difference_cannot_be_reconciled():
    assert row([line(quantity="12")])["verdict"] == "not_reconcilable"


def test_logs_that_do_not_come_to_ours_are_a_mismatch_and_whether_the_rest_settles_it_is_said():
    settled, open_still = (row([line(quantity="12")], [subscription(ours)], [log("8", "2026-01-01")]) for ours in ("12.5", "10"))
    assert (settled["verdict"], settled["residual"], settled["residual_settles"]) == ("change_log_mismatch", "4.5", False)
    assert (open_still["residual"], open_still["residual_settles"]) == ("2", False)
    late = row([line(quantity="12")], [subscription("10")], [log("10", "2026-01-01"), log("-2", "2026-10-20")])
    assert (late["residual"], late["residual_settles"], late["money_at_risk"]) == ("2", True, "8")


@pytest.mark.parametrize(
    "more,verdict",
    [
        ({}, "explained_not_invoiced"),
        ({"invoice_number": "I-1"}, "explained_invoiced"),
        ({"status_reason": "Archived"}, "excluded"),
        ({"status_reason": "Archived", "invoice_number": "I-1"}, "explained_invoiced"),
        ({"provisioning_status": "Failed Provisioning", "invoice_number": "I-1"}, "provisioning_gap"),
    ],
)
def test_a_fit_has_the_verdict_of_the_weakest_log_outside_it(more, verdict):
    found = row([line(quantity="12")], logs=[CREATED, log("-2", "2026-10-10", **more)])
    assert (found["verdict"], found["fit"], found["residual"]) == (verdict, "snapshot", None)


@pytest.mark.parametrize(
    "effective,provisioned,fit",
    [
        ("2026-10-02", None, "snapshot"),
        ("2026-10-02", "2026-09-01", "scheduled"),
        ("2026-10-01", None, "shifted"),
        ("2026-09-30", None, "shifted"),
    ],
)
def test_views_are_tried_in_their_order(effective, provisioned, fit):
    assert row([line(quantity="12")], logs=[CREATED, log("-2", effective, provisioned=provisioned)])["fit"] == fit


def test_what_was_never_provisioned_can_still_be_on_the_providers_invoice():
    logs = [CREATED, log("3", "2026-09-01", provisioning_status="Awaiting Provisioning"), log("-5", "2026-10-20")]
    found = row([line(quantity="15")], logs=logs)
    assert (found["fit"], found["verdict"]) == ("effective", "explained_not_invoiced")


def test_a_part_explained_and_nothing_explained_name_their_residual():
    part = row([line(quantity="14")], logs=[CREATED, log("-2", "2026-10-20")])
    nothing = row([line(quantity="14")], logs=[log("10", "2026-01-01")])
    assert (part["verdict"], part["residual"], part["money_at_risk"]) == ("partly_explained", "2", "8")
    assert (nothing["verdict"], nothing["residual"], nothing["money_at_risk"]) == ("unexplained", "4", "16")


def test_what_is_expected_and_has_no_line_is_not_on_the_invoice():
    made = reconciled(
        [line()], [subscription(), subscription("3", subscription_id="s2", expected=True), subscription(subscription_id="s3")]
    )
    absent = made.rows.to_pylist()[1]
    assert (absent["line_id"], absent["verdict"], absent["money_at_risk"]) == ("s2/not-on-invoice", "not_on_invoice", "12")
    assert (absent["provider_quantity"], absent["quantity_difference"], absent["subtotal"]) == (None, None, None)


def test_the_day_of_the_last_change_is_the_snapshot():
    assert row([line(), *ADDED])["snapshot"] == date(2026, 10, 10)
    assert row([line(ordered="2026-10-05T00:00:00")])["snapshot"] == date(2026, 10, 1)


# --- prices, money, numbers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ours,verdict",
    [
        ({"selling_price": None}, "price_unknown"),
        ({"currency": "USD"}, "price_unknown"),
        ({"selling_price": "3.9999"}, "below_cost"),
        ({"selling_price": "4.00004"}, "zero_margin"),
        ({"cost_price": "4.0051"}, "cost_drift"),
        ({"cost_price": "4.005"}, "price_ok"),
        ({"cost_price": None}, "price_ok"),
        ({"selling_price": "60", "cost_price": "48", "unit": "Annual"}, "price_ok"),
    ],
)
def test_the_first_price_verdict_that_applies_holds(ours, verdict):
    assert row([line()], [subscription(**ours)])["price_verdict"] == verdict


def test_the_unit_cost_is_of_whole_months_by_the_lines_own_rate_else_of_the_list_price_and_its_frequency():
    quarter = line(window=(date(2026, 10, 1), date(2026, 12, 31)), effective_unit_price="10", exchange_rate="0.9")
    assert row([quarter])["unit_cost"] == "3"
    short = line(window=(date(2026, 10, 5), date(2026, 10, 31)), unit_price="120", billing_frequency=None)
    assert row([short | {"term_and_billing_cycle": "One-Year commitment for yearly billing"}])["unit_cost"] == "10"
    assert row([short])["unit_cost"] is None


def test_another_currency_leaves_money_at_risk_unknown_where_it_takes_our_price():
    assert row([line(quantity="12")], [subscription(currency="USD")], [CREATED, log("-2", "2026-10-10")])["money_at_risk"] is None


@pytest.mark.parametrize("prorate,worth", [("Days", "-7.1"), ("Months", "-10"), (None, "-7.1")])
def test_a_change_is_worth_its_share_of_the_cycle(prorate, worth):
    made = reconciled([line(quantity="12")], [subscription(prorate_unit=prorate)], [CREATED, log("-2", "2026-10-10")])
    (change,) = made.change_logs.to_pylist()
    assert (change["worth"], change["billing"], made.rows.to_pylist()[0]["unbilled"]) == (worth, "not_invoiced", worth)


@pytest.mark.parametrize(
    "start,frequency,day,worth", [("2025-08-31", "Quarterly", "2026-03-29", "72"), ("2024-02-29", "Annual", "2026-10-28", "100")]
)
def test_started_months_keep_the_day_of_the_contract_after_a_shorter_one(start, frequency, day, worth):
    """The cycle from 28 February has its months from 28 February, 31 March and 30 April; that from 28 February 2026 of a year the 29ths."""
    ours = subscription(prorate_unit="Months", frequency=frequency, contract_start=date.fromisoformat(start), quantity="12")
    seats, price = ("2", "12") if frequency == "Quarterly" else ("4", "5")
    made = reconciled([line()], [ours], [log("10", "2024-01-01"), log(seats, day, selling_price=price, provisioned="2026-12-31")])
    assert [change["worth"] for change in made.change_logs.to_pylist() if change["effective_date"].isoformat() == day] == [worth]


def test_a_price_of_a_year_is_divided_once_with_the_proration():
    """3 x 2.50 / 12 is 0.625: by a price per month that was cut off before, it came to 0.62."""
    ours = subscription(prorate_unit="Months", unit="Annual", selling_price="2.50")
    made = reconciled([line(quantity="9")], [ours], [log("7", "2026-01-01"), log("3", "2026-10-10", selling_price=None)])
    assert [change["worth"] for change in made.change_logs.to_pylist()] == ["0.63"]
    assert made.rows.to_pylist()[0]["unbilled"] == "0.63"
    (missing,) = reconciled([], [ours | {"quantity": "3", "cost_price": "2.50", "expected": True}]).rows.to_pylist()
    assert (missing["verdict"], missing["money_at_risk"]) == ("not_on_invoice", "0.63")


def test_numbers_stay_exact_to_the_last_digit():
    found = row([line(quantity="12.000000000001", subtotal="12345678901234567890.123456789012345678901234567891")], [subscription("12")])
    assert (found["quantity_difference"], found["subtotal"]) == ("0.000000000001", "12345678901234567890.123456789012345678901234567891")


def test_one_quantity_of_many_digits_changes_nothing_for_the_others():
    """All quantities are then Python's integers; amounts and prices of usual size are not."""
    many = subscription("12345678901234567890", subscription_id="s2")
    ours = [subscription("10"), many]
    one, other = reconciled([line(), line(subscription_id="s2")], ours).rows.to_pylist()
    assert one == row([line()])
    assert other["quantity_difference"] == "-12345678901234567880"


@pytest.mark.parametrize("places", [18, 21, 30])
def test_prices_and_quantities_of_many_places_are_no_trouble_where_nothing_is_to_be_told(places):
    many = "5." + places * "3"
    for priced in ({"selling_price": many}, {"cost_price": many}):
        assert row([line()], [subscription(**priced)])["verdict"] == "confirmed"
        assert not reconciled([], [subscription(**priced)]).rows.num_rows
    assert row([line(quantity=many)], [subscription(many)])["our_quantity"] == many


def test_what_is_not_billed_may_come_to_more_than_a_machine_integer_holds():
    """Ten changes of 100,000,000 seats at 100,000,000 each."""
    logs = [log("100000000", "2026-10-21", selling_price="100000000", change_log_id=f"x{number}") for number in range(10)]
    found = row([line()], [subscription("1000000010", prorate_unit="Months")], [log("10", "2026-09-01"), *logs])
    assert found["unbilled"] == "100000000000000000"


def test_quantities_of_too_many_digits_are_said_not_rounded_and_harm_no_other_subscription():
    wide = "1234567890123456789012.123456789012345678901234567891"
    made = reconciled([line(), line(subscription_id="s2", quantity=wide)], [subscription(), subscription(wide, subscription_id="s2")])
    assert [found["verdict"] for found in made.rows.to_pylist()] == ["confirmed", "not_reconcilable"]


def test_a_text_that_is_no_number_is_a_broken_promise():
    with pytest.raises(AssertionError, match="is no number"):
        row([line(quantity="ten")])


def test_the_order_of_everything_that_comes_in_changes_nothing():
    november = (date(2026, 11, 1), date(2026, 11, 30))
    lines = [
        line(),
        *ADDED,
        line(window=november),
        line("addQuantity", "1", "0", window=november),
        line(subscription_id=None),
        line(subscription_id="s2", quantity="4"),
    ]
    ours = [subscription(), subscription("5", subscription_id="s2"), subscription(subscription_id="s3", expected=True)]
    logs = [CREATED, log("-2", "2026-10-10"), log("5", "2026-01-01", subscription_id="s2")]
    given = tables(lines, ours, logs)
    first = reconcile(*given, currency="EUR")
    for seed in range(5):
        shuffled = [table.take(pa.array(random.Random(seed).sample(range(table.num_rows), table.num_rows))) for table in given]
        again = reconcile(*shuffled, currency="EUR")
        assert (again.rows, again.change_logs, again.findings) == (first.rows, first.change_logs, first.findings)
    assert first.rows["line_id"].to_pylist() == sorted(first.rows["line_id"].to_pylist())


def test_confirmed_explained_and_unexplained_are_all_there_is():
    made = reconciled(
        [line(), line(window=(OCTOBER[0], None), quantity="3", subtotal="0.07"), line(subscription_id=None)], logs=[log("10", "2026-01-01")]
    )
    parts = conservation.parts(zip(made.rows["verdict"].to_pylist(), made.rows["subtotal"].to_pylist(), strict=True))
    assert (parts.confirmed, parts.explained, parts.unexplained, parts.lines) == (40, 0, Decimal("40.07"), Decimal("80.07"))


def test_an_invoice_without_anything_has_no_rows():
    made = reconciled([], [], [])
    assert (made.rows.num_rows, made.change_logs.num_rows, made.findings.num_rows) == (0, 0, 0)
