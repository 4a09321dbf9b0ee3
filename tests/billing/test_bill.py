"""Does `bill` make what is due, once, in order, to the cent, and say why the rest waits?"""

from __future__ import annotations

import random
import re
import threading
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import select

from tests.billing.books import Books, at, day
from w365core.errors import CallRefused
from w365core.jobs import contracts, invoicing
from w365core.store import audit, drafts
from w365core.store.tables import account, audit_log, billing_contract, provider_invoice, subscription, usage_summary


def test_usage_of_a_cycle_that_is_over_becomes_a_draft_with_a_line_for_each_summary(books: Books) -> None:
    first, second = books.used("100.00", markup="15"), books.used("0.005", markup="100")
    (draft,) = books.bill().made
    assert draft.as_dict() == {
        "invoice_number": "U202610-C-1", "contract_id": "C-1", "account_id": "A-1", "invoice_date": date(2026, 11, 1),
        "cycle_start": date(2026, 10, 1), "cycle_end": date(2026, 10, 31), "currency": "EUR", "total": Decimal("115.01"),
        "usage_total": Decimal("115.01"), "top_up_total": Decimal(0), "lines": 2, "late_lines": 0,
    }  # fmt: skip
    assert books.amounts("U202610-C-1") == [Decimal("115.00"), Decimal("0.01")]
    assert books.on() == {first: "U202610-C-1", second: "U202610-C-1"}
    found = books.rows("select usage_id, status, invoice_line, version from usage_summary order by usage_id")
    assert found == [(first, "Invoiced", 1, 1), (second, "Invoiced", 2, 1)]
    assert books.rows("select status, account_id, invoice_date from customer_invoice") == [("Draft", "A-1", date(2026, 11, 1))]
    line = books.rows("select quantity, unit_price, cost_amount, subscription_id from customer_invoice_line order by line_number")
    assert line[0] == (Decimal(2), Decimal("57.50"), Decimal("100.00"), "U-1")


def test_a_cycle_is_billed_once_however_often_one_asks(books: Books) -> None:
    books.used()
    assert len(books.bill().made) == 1
    again = books.bill()
    assert (again.made, again.exit_code) == ([], 0)
    assert books.rows("select count(*) from customer_invoice") == [(1,)]


def test_a_cycle_that_is_not_over_by_the_clock_is_never_billed(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    books.used()
    early = books.bill(now="2026-10-31")
    assert early.made == [] and "is not over; it is billed from 2026-11-01 on" in early.notes[0]
    assert [draft.invoice_date for draft in books.bill(now="2026-11-01").made] == [day("2026-11-12")]


def test_a_cycle_is_due_in_the_month_of_its_invoice_date_and_in_no_other(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-12-03"))
    books.used()
    assert books.bill("2026-11").made == []
    assert [draft.invoice_date for draft in books.bill("2026-12").made] == [day("2026-12-03")]


def test_the_oldest_cycle_comes_first_and_a_named_contract_is_told_how(books: Books) -> None:
    books.used(month=9)
    books.used(month=10)
    with pytest.raises(CallRefused, match=r"2026-10-01 to 2026-10-31 waits, .*`bill --period 2026-10 --contract C-1`"):
        books.bill("2026-11", "C-1")
    everybody = books.bill("2026-11")
    assert everybody.made == [] and everybody.exit_code == 1 and "waits, because 2026-09-01 to 2026-09-30" in everybody.refused[0]
    assert [draft.invoice_number for draft in books.bill("2026-10").made] == ["U202609-C-1"]
    assert [draft.invoice_number for draft in books.bill("2026-11").made] == ["U202610-C-1"]


def test_two_cycles_that_are_due_in_one_period_are_billed_in_their_order_in_one_run(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-10"))
    books.used(month=9)
    books.used(month=10)
    made = books.bill().made
    assert [(draft.invoice_number, draft.invoice_date) for draft in made] == [
        ("U202609-C-1", day("2026-11-10")),
        ("U202610-C-1", day("2026-11-10")),
    ]
    assert books.next_date() == day("2027-01-10")


def test_the_call_that_is_named_makes_the_next_invoice_until_nothing_waits(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    for month in (8, 9, 10):
        books.used(month=month)
    period, made = "2026-11", []
    while period is not None:
        done = books.bill(period, "C-1")
        assert done.made
        made += [draft.cycle_start.month for draft in done.made]
        named = [re.search(r"`bill --period (\S+) --contract C-1`", sentence) for sentence in done.refused]
        period = next((found[1] for found in named if found), None)
    assert made == [8, 9] and "usage of 2026-10-01 to 2026-10-31 is billed in 2027-01" in done.notes[-1]
    assert [draft.cycle_start.month for draft in books.bill("2027-01", "C-1").made] == [10]


def test_who_catches_up_is_told_what_is_billed_late_from_now_on_and_how_to_mend_it(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    books.used(month=9)
    books.used(month=10)
    (said,) = books.bill().notes
    assert "next invoice date is 2027-01-12 now, so usage of 2026-11-01 to 2026-11-30 is billed in 2027-01" in said
    told = re.search(r"`contract set-invoice-date --contract (\S+) --date (\S+)`", said)
    assert told.groups() == ("C-1", "2026-12-12")
    contracts.set_invoice_date(books.context.engine, told[1], day(told[2]), actor="tester", now=at("2026-11-12"))
    books.used(month=11)
    later = books.bill("2026-12", now="2026-12-12")
    assert [(draft.invoice_number, draft.invoice_date) for draft in later.made] == [("U202611-C-1", day("2026-12-12"))]
    assert later.notes == [] and books.next_date() == day("2027-01-12")


def test_an_earlier_cycle_without_billable_usage_is_passed_over_and_said(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-10"))
    books.used(month=9, markup=None)
    books.used(month=10)
    done = books.bill()
    assert [draft.invoice_number for draft in done.made] == ["U202610-C-1"]
    assert done.notes[0] == (
        "Contract C-1: cycle 2026-09-01 to 2026-09-30 has no billable usage so far; it gets an invoice of its own once it has."
    )
    assert done.exit_code == 1 and "markup_missing" in done.refused[0]


def test_late_usage_goes_onto_the_next_cycles_invoice_and_the_line_says_so(books: Books) -> None:
    books.invoice("OLD-9", "10.00", month=9, status="Paid")
    books.used("7.00", month=9)
    books.used("30.00", month=10)
    (draft,) = books.bill().made
    assert draft.total == 37 and draft.is_late_in_part
    assert books.said("U202610-C-1") == [
        "Azure U-1, Azure plan (2026-10-01 to 2026-10-31)",
        "Azure U-1, Azure plan (late: charged 2026-09-01 to 2026-09-30)",
    ]


def test_late_usage_alone_is_billed_with_the_next_cycle_too(books: Books) -> None:
    books.invoice("OLD-9", "10.00", month=9)
    books.used("7.00", month=9)
    assert books.bill("2026-10").made == []
    assert [(draft.invoice_number, draft.total) for draft in books.bill("2026-11").made] == [("U202610-C-1", 7)]


def test_usage_that_comes_to_a_draft_is_said_with_how_to_take_it(books: Books) -> None:
    books.used()
    books.bill()
    books.used("5.00")
    again = books.bill()
    assert again.made == [] and again.exit_code == 1
    assert "U202610-C-1 is a Draft, and 5.00 EUR of usage has come" in again.refused[0] and "--regenerate" in again.refused[0]
    books.mark("U202610-C-1", "Billed")
    assert books.bill().exit_code == 0


def test_a_license_invoice_of_the_same_contract_does_not_count_and_one_without_lines_does(books: Books) -> None:
    books.subscription("S-1", kind="License")
    books.invoice("L-10", "99.00", month=10, of="S-1")
    books.used()
    assert len(books.bill().made) == 1
    books.unbill("U202610-C-1")
    books.invoice("EMPTY-10", month=10)
    assert books.bill().made == []


def test_usage_that_sums_to_nothing_gets_no_invoice_and_holds_up_no_later_cycle(books: Books) -> None:
    books.used("10.00", month=9)
    books.used("-10.00", month=9)
    assert books.bill("2026-10").made == []
    books.used("3.00", month=10)
    assert [draft.total for draft in books.bill("2026-11").made] == [3]


def test_a_credit_makes_a_draft_of_less_than_nothing(books: Books) -> None:
    books.used("-12.34")
    assert [draft.total for draft in books.bill().made] == [Decimal("-12.34")]


# --- commitments -------------------------------------------------------------------------------------------------------------------------


def test_less_than_the_commitment_is_topped_up_by_a_line_of_its_own(books: Books) -> None:
    books.change(subscription, minimum_commitment=Decimal("250.00"))
    books.used("100.00")
    (draft,) = books.bill().made
    assert (draft.total, draft.usage_total, draft.top_up_total, len(draft.lines)) == (250, 100, 150, 2)
    assert (
        books.said("U202610-C-1")[1] == "Azure U-1: minimum commitment of 250.00 EUR, less 100.00 EUR of usage (2026-10-01 to 2026-10-31)"
    )


def test_a_commitment_is_per_month_of_the_cycle(books: Books) -> None:
    books.change(billing_contract, frequency="Quarterly", start_date=day("2026-07-01"), next_invoice_date=day("2026-10-05"))
    books.change(subscription, minimum_commitment=Decimal("50"))
    books.used("100.00", month=9)
    (draft,) = books.bill("2026-10").made
    assert (draft.top_up_total, draft.cycle_start, draft.cycle_end) == (50, day("2026-07-01"), day("2026-09-30"))
    assert books.next_date() == day("2027-01-05")


def test_more_than_the_commitment_is_billed_as_it_is_and_late_usage_of_another_month_does_not_count_toward_it(books: Books) -> None:
    books.change(subscription, minimum_commitment=Decimal("80"))
    books.invoice("OLD-9", "1.00", month=9)
    books.used("60.00", month=9)
    books.used("70.00", month=10)
    (draft,) = books.bill().made
    assert (draft.top_up_total, draft.total) == (10, 140)


def test_a_commitment_without_any_usage_is_shown_and_not_billed(books: Books) -> None:
    books.change(subscription, minimum_commitment=Decimal("80"))
    books.change(billing_contract, next_invoice_date=day("2026-11-05"))
    done = books.bill("2026-11", "C-1")
    assert done.made == [] and done.exit_code == 0
    assert done.notes == [
        "Contract C-1: subscription U-1 has no usage from 2026-10-01 to 2026-10-31; its minimum commitment of 80.00 EUR is not billed by itself."
    ]


def test_a_commitment_in_another_currency_is_not_compared(books: Books) -> None:
    books.change(subscription, minimum_commitment=Decimal("80"), currency="USD")
    books.used("10.00")
    done = books.bill()
    assert [draft.top_up_total for draft in done.made] == [0]
    assert "the minimum commitment of U-1, 80 USD a month, is not topped up, because the invoice is in EUR" in done.notes[0]


# --- not billable ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "values", "code", "said"),
    [
        pytest.param(usage_summary, {"confirmed": False}, "unconfirmed", "waits for the provider's invoice", id="unconfirmed"),
        pytest.param(usage_summary, {"markup_pct": None, "selling_amount": None}, "markup_missing", "0 is valid", id="blank markup"),
        pytest.param(provider_invoice, {"status_reason": "Populating"}, "populating", "activate --invoice G1", id="populating"),
        pytest.param(
            provider_invoice, {"state": "Inactive", "status_reason": "Deactivated"}, "deactivated", "sync it again", id="deactivated"
        ),
        pytest.param(subscription, {"contract_id": None}, "contract_not_billable", "has no contract", id="no contract"),
        pytest.param(subscription, {"contract_id": "C-9"}, "contract_not_billable", "which our records do not have", id="unknown contract"),
        pytest.param(
            billing_contract, {"status": "Terminated"}, "contract_not_billable", "is Terminated, not Active", id="contract not active"
        ),
        pytest.param(account, {"credit_hold": True}, "contract_not_billable", "on credit hold", id="credit hold"),
        pytest.param(billing_contract, {"end_date": day("2026-09-15")}, "contract_not_billable", "ended on 2026-09-15", id="ended before"),
        pytest.param(
            billing_contract, {"currency": "USD"}, "contract_not_billable", "in EUR and contract C-1 is charged in USD", id="currency"
        ),
    ],
)
def test_what_is_not_billable_is_held_back_with_its_cause(books: Books, table, values, code, said) -> None:
    books.used()
    books.change(table, **values)
    done = books.bill()
    assert done.made == [] and done.exit_code == 1
    assert len(done.refused) == 1 and f"({code})" in done.refused[0] and said in done.refused[0]
    assert books.rows("select count(*) from customer_invoice") == [(0,)]


def test_what_is_held_back_is_summed_up_though_some_of_it_has_no_markup(books: Books) -> None:
    for amount, markup in (("10.00", "0"), ("9.00", None), ("5.00", "0")):
        books.used(amount, markup=markup, state="Inactive", status_reason="Deactivated")
    (said,) = books.bill().refused
    assert said.startswith("Contract C-1: 3 usage summaries, 15.00 EUR and 1 without a markup, held back (deactivated).")


def test_a_unit_price_has_the_places_of_its_currency(books: Books) -> None:
    books.change(billing_contract, currency="JPY")
    books.used("3060", currency="JPY")
    ((line,),) = [[line.unit_price for line in draft.lines] for draft in books.bill().made]
    assert str(line) == "1530"


def test_a_contract_without_any_account_is_not_billable(books: Books) -> None:
    books.used()
    books.change(billing_contract, account_id=None)
    books.change(subscription, account_id=None)
    assert "has no account" in books.bill().refused[0]


def test_archived_usage_is_left_alone_without_a_word(books: Books) -> None:
    books.used(status="Archived")
    done = books.bill()
    assert (done.made, done.refused, done.exit_code) == ([], [], 0)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        pytest.param(billing_contract, {"status": None}, id="a blank status is Active"),
        pytest.param(subscription, {"status": "Suspended"}, id="a suspended subscription was used"),
        pytest.param(provider_invoice, {"status_reason": "Active Usage"}, id="Active Usage"),
        pytest.param(billing_contract, {"currency": None}, id="the account's currency"),
        pytest.param(billing_contract, {"end_date": day("2026-10-15")}, id="ended in the middle of the cycle"),
        pytest.param(billing_contract, {"start_date": None, "frequency": None}, id="cycles by the calendar"),
        pytest.param(billing_contract, {"account_id": None}, id="the subscription's account"),
    ],
)
def test_what_is_billable_all_the_same(books: Books, table, values) -> None:
    books.used()
    books.change(table, **values)
    assert [(draft.total, draft.account_id) for draft in books.bill().made] == [(100, "A-1")]


def test_usage_without_a_markup_does_not_keep_the_rest_of_its_contract_from_being_billed(books: Books) -> None:
    waiting, sold = books.used("9.00", markup=None), books.used("100.00", markup="0")
    done = books.bill()
    assert [draft.total for draft in done.made] == [100] and done.exit_code == 1
    assert books.on() == {waiting: None, sold: "U202610-C-1"}
    again = books.bill()
    assert again.made == [] and again.exit_code == 1 and "markup_missing" in again.refused[0]


def test_where_nobody_names_a_currency_it_is_that_of_the_usage_unless_that_has_several(books: Books) -> None:
    books.change(billing_contract, currency=None)
    books.change(account, currency=None)
    books.used("10.00", currency="USD")
    assert [draft.currency for draft in books.bill().made] == ["USD"]
    books.unbill("U202610-C-1")
    books.used("5.00", currency="EUR")
    assert "names no currency" in books.bill().refused[0]


def test_usage_of_a_subscription_that_begins_in_the_future_is_held_back(books: Books) -> None:
    books.change(subscription, start_date=day("2026-12-01"))
    books.used()
    done = books.bill()
    assert done.made == [] and "(contract_not_billable). Subscription U-1 begins on 2026-12-01, in the future" in done.refused[0]
    assert [draft.total for draft in books.bill(now="2026-12-01").made] == [100]


def test_late_usage_of_an_ended_contract_has_no_next_invoice_and_is_held_back(books: Books) -> None:
    books.change(billing_contract, end_date=day("2026-10-31"))
    books.invoice("OLD-10", "1.00", month=10)
    books.used("5.00", month=10)
    with books.context.engine.connect() as connection:
        (plan,) = invoicing.plans(connection, invoicing.Period.month("2026-12"), today=day("2026-12-05"))
    assert plan.drafts == () and [held.code for held in plan.held] == ["contract_not_billable"]


def test_a_contract_that_is_not_there_is_refused(books: Books) -> None:
    with pytest.raises(CallRefused, match="There is no contract C-7"):
        books.bill("2026-11", "C-7")


# --- numbers and dates -------------------------------------------------------------------------------------------------------------------


def test_a_number_that_is_taken_is_counted_up(books: Books) -> None:
    books.invoice("U202610-C-1", "1.00", contract_id="C-8")
    books.invoice("u202610-c-1-2", "1.00", contract_id="C-8")
    books.used()
    assert [draft.invoice_number for draft in books.bill().made] == ["U202610-C-1-3"]


def test_the_next_invoice_date_moves_on_one_cycle_and_back_exactly(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-30"), frequency="Quarterly", start_date=day("2026-08-01"))
    books.used(month=10)
    books.bill(now="2026-12-01")
    assert books.next_date() == day("2027-02-28")
    books.unbill("U202608-C-1")
    assert books.next_date() == day("2026-11-30")


@pytest.mark.parametrize("first", ["U202610-C-1", "U202611-C-1"])
def test_the_date_is_where_it_was_once_all_drafts_are_deleted_in_whatever_order(books: Books, first: str) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    books.used(month=10)
    books.used(month=11)
    books.bill("2026-11")
    books.bill("2026-12", now="2026-12-12")
    books.unbill(first)
    books.unbill({"U202610-C-1": "U202611-C-1", "U202611-C-1": "U202610-C-1"}[first])
    assert books.next_date() == day("2026-11-12")


def test_the_older_of_two_invoices_that_is_made_again_has_its_date_and_the_contract_has_its_own(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    books.used(month=10)
    books.used(month=11)
    books.bill("2026-11")
    books.bill("2026-12", now="2026-12-12")
    before = books.digests()
    books.unbill("U202610-C-1")
    assert books.next_date() == day("2026-11-12")  # of the oldest cycle without an invoice
    assert [draft.invoice_date for draft in books.bill("2026-11", now="2026-12-12").made] == [day("2026-11-12")]
    assert books.next_date() == day("2027-01-12")
    assert books.digests()["billing_contract"] == before["billing_contract"]


def test_a_cycle_that_has_lost_its_draft_and_its_usage_is_passed_over_and_the_date_stays_with_the_cycles(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    gone = books.used(month=10)
    books.used(month=11)
    books.bill("2026-11")
    books.bill("2026-12", now="2026-12-12")
    books.unbill("U202610-C-1")
    with books.context.engine.begin() as connection:
        connection.execute(usage_summary.delete().where(usage_summary.c.usage_id == gone))
    books.used(charge_start=day("2026-12-01"), charge_end=day("2026-12-31"))
    done = books.bill("2027-01", now="2027-01-12")
    assert [draft.cycle_start for draft in done.made] == [day("2026-12-01")] and "2026-10-01 to 2026-10-31 has no billable" in done.notes[0]
    assert books.next_date() == day("2027-02-12")


_PACES = (
    ("Monthly", "2026-01-31", ("2025-12", "2026-01", "2026-02", "2026-03")),
    ("Monthly", "2026-01-12", ("2025-12", "2026-01", "2026-02")),
    ("Quarterly", "2026-01-31", ("2025-10", "2026-01", "2026-04")),
)


@pytest.mark.parametrize("seed", range(6))
def test_the_same_drafts_mean_the_same_dates_however_they_came_about(context, seed: int) -> None:
    chance, books = random.Random(seed), Books(context)
    frequency, first, months = _PACES[seed % len(_PACES)]
    books.contract(frequency=frequency, start_date=day("2025-01-01"), next_invoice_date=first)
    books.subscription()
    for month in months:
        books.used(charge_start=day(f"{month}-01"), charge_end=day(f"{month}-15"))
    seen = {(): (day(first), ())}
    for _ in range(30):
        drafts = sorted(set(books.on().values()) - {None})
        if drafts and chance.random() < 0.45:
            books.unbill(chance.choice(drafts))
        else:
            books.bill(f"{books.next_date():%Y-%m}")
        drafts = tuple(sorted(set(books.on().values()) - {None}))
        dates = tuple(books.rows("select invoice_number, invoice_date from customer_invoice order by 1"))
        assert seen.setdefault(drafts, (books.next_date(), dates)) == (books.next_date(), dates)
    assert any(len(drafts) == len(months) for drafts in seen)


def test_a_next_invoice_date_keeps_its_day_where_a_month_is_too_short_for_it(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-01-31"))
    for month in ("2025-12", "2026-01", "2026-02"):
        books.used(charge_start=day(f"{month}-01"), charge_end=day(f"{month}-28"))
    dates = [draft.invoice_date for period in ("2026-01", "2026-02", "2026-03") for draft in books.bill(period).made]
    assert dates == [day("2026-01-31"), day("2026-02-28"), day("2026-03-31")] and books.next_date() == day("2026-04-30")
    books.change(billing_contract, next_invoice_date=day("2026-04-28"))
    books.used(charge_start=day("2026-03-01"), charge_end=day("2026-03-31"))
    books.bill("2026-04")
    assert books.next_date() == day("2026-05-28")  # set by a person, so it is the 28th that is kept


def test_a_date_that_somebody_has_set_since_stays(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    books.used()
    books.bill()
    books.change(billing_contract, next_invoice_date=day("2026-12-20"))
    books.unbill("U202610-C-1")
    assert books.next_date() == day("2026-12-20")


def test_a_date_that_was_changed_since_it_was_seen_is_not_overwritten_and_who_set_it_is_named(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    told = {"actor": "tester", "now": at("2026-11-12"), "seen": day("2026-11-12")}
    contracts.set_invoice_date(books.context.engine, "C-1", day("2026-11-20"), **told | {"actor": "bo"})
    with pytest.raises(CallRefused, match="invoice date of C-1 was changed to 2026-11-20 by bo meanwhile; look at it again"):
        contracts.set_invoice_date(books.context.engine, "C-1", day("2026-11-25"), **told)
    books.used()
    books.bill()
    with pytest.raises(CallRefused, match="was changed to 2026-12-20 meanwhile; look"):  # by the bill, and not by a person
        contracts.set_invoice_date(books.context.engine, "C-1", day("2026-11-25"), **told)
    assert books.next_date() == day("2026-12-20")


def test_a_blank_next_invoice_date_stays_blank(books: Books) -> None:
    books.used()
    books.bill()
    assert books.next_date() is None


def test_a_cycle_that_was_left_out_is_billed_for_itself_and_moves_no_date(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-12-12"))
    books.invoice("OLD-8", "1.00", month=8)
    books.invoice("OLD-10", "1.00", month=10)
    books.used("4.00", month=9)
    assert [(draft.invoice_number, draft.invoice_date) for draft in books.bill("2026-10").made] == [("U202609-C-1", day("2026-10-01"))]
    assert books.next_date() == day("2026-12-12")


# --- one after the other -----------------------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_made_and_changes_nothing(books: Books) -> None:
    books.used()
    before = books.digests()
    assert [draft.total for draft in books.bill(dry_run=True).made] == [100]
    assert books.digests() == before


def test_runs_at_once_make_one_draft_of_a_cycle(books: Books) -> None:
    for number in range(2, 6):
        books.contract(f"C-{number}")
        books.subscription(f"U-{number}", f"C-{number}")
        books.used(of=f"U-{number}")
    books.used()
    start, made, failed = threading.Barrier(4), [], []

    def run() -> None:
        start.wait()
        try:
            made.extend(draft.invoice_number for draft in books.bill().made)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == [] and sorted(made) == [f"U202610-C-{number}" for number in range(1, 6)]
    with books.context.engine.connect() as connection:
        assert audit.first_broken(connection) is None
        assert connection.execute(select(audit_log.c.action)).scalars().all() == ["bill usage"] * 5


def test_one_contract_that_fails_takes_no_other_with_it(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    books.contract("C-2")
    books.subscription("U-2", "C-2")
    books.used()
    books.used(of="U-2")
    checked = drafts.check

    def failing(connection, number):
        checked(connection, number)
        assert number != "U202610-C-2"

    monkeypatch.setattr(drafts, "check", failing)
    with pytest.raises(AssertionError):
        books.bill()
    assert books.rows("select invoice_number from customer_invoice") == [("U202610-C-1",)]
