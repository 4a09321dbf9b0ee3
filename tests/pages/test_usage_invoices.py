"""Does the page say what is due and for how much, bill it, open it down to its usage, and say what is held back?"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.billing.books import Books, day
from tests.pages import conftest
from tests.pages.conftest import unmarked as said
from w365core.jobs import queue
from w365core.jobs.context import Context
from w365core.store.tables import billing_contract, installation, subscription, usage_summary

PAGE = "usage/invoices.py"
NUMBER = "U202610-C-1"


@pytest.fixture
def books(context: Context, monkeypatch: pytest.MonkeyPatch) -> Books:
    """One contract, seen from 12 November 2026."""
    monkeypatch.setenv("W365_HOME", str(context.settings.home))
    found = Books(context)
    with context.engine.begin() as connection:
        connection.execute(installation.insert().values(name="clock", value="2026-11-12T06:00:00+00:00"))
    found.contract()
    found.subscription()
    return found


@pytest.fixture
def page(frame):
    """The page at an address."""
    return conftest.page_at(frame, PAGE)


def test_without_any_usage_the_page_says_where_it_comes_from(frame, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "usage comes with the providers' invoices" in said(frame().switch_page(PAGE).run())


def test_what_is_due_stands_at_the_top_by_currency_the_biggest_first(page, books: Books) -> None:
    books.contract("C-2", account_id="A-2")
    books.subscription("U-2", "C-2")
    books.contract("C-3", account_id="A-3", currency="USD")
    books.subscription("U-3", "C-3")
    books.used("10.00")
    books.used("700.00", of="U-2")
    books.used("3.00", of="U-3", currency="USD")
    told = said(page())
    assert "Billable now 710.00 EUR" in told and "Billable now 3.00 USD" in told and "Bill all 3" in told
    assert told.index("Customer A-2") < told.index("Customer A-1") and "1 Oct 2026 to 31 Oct 2026: 1 line" in told


def test_billing_says_before_what_it_makes_and_after_what_it_made(page, books: Books) -> None:
    books.change(subscription, minimum_commitment=Decimal("250"))
    books.used("100.00")
    app = page()
    assert "top-up 150.00 EUR" in said(app)
    app.button("bill_C-1").click().run()
    assert "Makes 1 Draft, 250.00 EUR, and marks the usage on them as invoiced." in said(app) and books.on() == {"u0001": None}
    app.button("billing_now").click().run()
    told = said(app)
    assert f"1 Draft made, 250.00 EUR: {NUMBER}." in told and "Drafts 250.00 EUR" in told and "Every cycle that is over" in told
    assert books.on() == {"u0001": NUMBER}
    made_by = books.rows("select made_by from usage_invoice")
    assert made_by == [(queue.person(),)]


def test_what_somebody_else_has_billed_meanwhile_is_refused_in_the_dialog(page, books: Books) -> None:
    books.used()
    app = page()
    app.button("bill_all").click().run()
    books.bill()
    app.button("billing_now").click().run()
    assert "Somebody else has billed it meanwhile" in said(app)
    app.button("look_again").click().run()
    assert "Drafts 100.00 EUR" in said(app)


def test_an_invoice_opens_down_to_its_usage_and_says_that_it_comes_together(page, books: Books) -> None:
    books.change(subscription, minimum_commitment=Decimal("250"))
    books.used("100.00")
    books.bill()
    told = said(page(number=NUMBER))
    assert "Lines 250.00 EUR = usage 100.00 EUR + top-ups 150.00 EUR" in told and "Over cost 150.00 EUR" in told
    app = page(number=NUMBER)
    lines = app.dataframe[0].value
    assert (
        list(lines["Amount"]) == ["100.00", "150.00"]
        and list(lines["Usage"]) == ["u0001", ""]
        and list(lines["Provider invoice"]) == ["G1", ""]
    )


def test_a_draft_is_marked_and_then_can_no_longer_be_deleted(page, books: Books) -> None:
    books.used()
    books.bill()
    app = page(number=NUMBER)
    app.button("mark_billed").click().run()
    assert "It can no longer be deleted or made again then" in said(app)
    app.button("billing_now").click().run()
    assert f"{NUMBER} is Billed now." in said(app) and [
        button.key for button in app.button if button.key in ("delete_draft", "mark_paid")
    ] == ["mark_paid"]


def test_a_draft_is_deleted_with_a_reason_and_its_usage_is_due_again(page, books: Books) -> None:
    books.used()
    books.bill()
    app = page(number=NUMBER)
    app.button("delete_draft").click().run()
    assert "1 usage summary is billable again" in said(app)
    app.text_input("billing_reason").input("wrong markup")
    app.button("billing_now").click().run()
    assert f"{NUMBER} is deleted; 1 usage summary is billable again." in said(app) and "Billable now 100.00 EUR" in said(app)
    assert books.rows("select reason from audit_log where action = 'unbill usage'") == [("wrong markup",)]


def test_a_draft_that_would_come_out_otherwise_is_listed_with_both_totals_and_made_again(page, books: Books) -> None:
    books.used("100.00", markup="10")
    books.bill()
    books.used("50.00", markup="10")
    books.change(subscription, markup_pct=Decimal(20))
    told = said(page())
    assert (
        "1 usage summary has come since; the markup of 2 usage summaries has changed" in told
        and "180.00 EUR" in told
        and "is 110.00 EUR now" in told
    )
    app = page()
    app.button(f"remake_{NUMBER}").click().run()
    told = said(app)
    assert "It is 110.00 EUR now, and would be 180.00 EUR with the markups that its subscriptions have today" in told
    assert "with those that its usage came in with, 165.00 EUR." in told
    app.checkbox("billing_choice").uncheck().run()
    app.button("billing_now").click().run()
    assert f"{NUMBER} is made again: 2 lines, 165.00 EUR." in said(app)


@pytest.mark.parametrize("opened", [False, True])
def test_a_draft_whose_markup_has_changed_takes_that_of_today_unless_one_says_otherwise(page, books: Books, opened: bool) -> None:
    books.used("100.00", markup="10")
    books.bill()
    books.change(subscription, markup_pct=Decimal(20))
    app = page(number=NUMBER) if opened else page()
    app.button("make_again" if opened else f"remake_{NUMBER}").click().run()
    app.button("billing_now").click().run()
    assert f"{NUMBER} is made again: 1 line, 120.00 EUR." in said(app)
    assert books.amounts(NUMBER) == [120]


def test_what_is_billed_and_was_rated_otherwise_is_listed_to_credit_or_charge(page, books: Books) -> None:
    books.used("100.00", markup="10")
    books.bill()
    books.mark(NUMBER, "Billed")
    books.change(subscription, markup_pct=Decimal(5))
    app = page()
    owed = next(table.value for table in app.dataframe if "To do" in table.value.columns)
    assert list(owed["To do"]) == ["Credit 5.00 EUR"] and list(owed["Charged"]) == ["110.00"]


def test_a_draft_whose_usage_was_taken_off_says_so(page, books: Books) -> None:
    books.used()
    books.bill()
    books.change(usage_summary, status="Not invoiced", invoice_number=None, invoice_line=None)
    told = said(page(number=NUMBER))
    assert "100.00 EUR of its lines have no usage behind them." in told
    assert "Usage was taken off it, so that its lines say more than its usage sells for" in said(page())


def test_what_is_held_back_says_why_and_what_it_would_come_to(page, books: Books) -> None:
    books.used("12.34", markup=None)
    books.used("5.00", status_reason="Populating")
    told = said(page())
    assert "Its markup is blank: give subscription U-1 one" in told and "1 usage summary, at cost" in told and "12.34 EUR" in told
    assert "activate --invoice G2" in told and "Held back 17.34 EUR" in told


def test_a_later_cycle_says_which_one_it_waits_for(page, books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-12-12"))
    books.used(month=9)
    books.used(month=10)
    assert "waits, because 2026-09-01 to 2026-09-30 comes first and is invoiced on 2026-12-12" in said(page())


def test_the_filters_of_the_address_choose_what_is_shown(page, books: Books) -> None:
    books.used("100.00")
    books.invoice("OLD-9", "10.00", month=9)
    told = said(page(billed_as="Paid"))
    assert "No usage invoice matches." in told and "Billable now" not in told
    app = page(billed_in="2026-10")
    assert list(app.dataframe[-1].value["Invoice"]) == ["OLD-9"] and "Billable now" not in said(app)


def test_a_filter_of_what_there_is_not_shows_nothing_and_says_so(page, books: Books) -> None:
    books.used("100.00")
    told = said(page(billed_as="Nonsense", billed_to="C-9"))
    assert "The address asks for customer C-9 and status Nonsense" in told and "Billable now" not in told


def test_an_invoice_that_is_not_there_is_said(page, books: Books) -> None:
    assert "There is no usage invoice U-9" in said(page(number="U-9"))


def test_a_link_to_a_filtered_view_shows_what_it_names_from_the_first_look_on(page, books: Books) -> None:
    books.contract("C-2", account_id="A-2")
    books.subscription("U-2", "C-2")
    books.used("10.00")
    books.used("700.00", of="U-2")
    told = said(page(billed_in="Nov 2026", billed_to="Customer A-2"))
    assert "Billable now 700.00 EUR" in told and "bill_C-1" not in told and "Customer A-1" not in told
    assert "Billable now 700.00 EUR" in said(page(billed_in="2026-11", billed_to="A-2"))
