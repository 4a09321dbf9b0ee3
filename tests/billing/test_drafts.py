"""Can a Draft be taken back, made again and moved on, and nothing else? And does an invoice always come to what its usage sells for?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import select

from tests.billing.books import Books, day
from w365core.errors import CallRefused
from w365core.jobs import invoicing, remaking
from w365core.store import billed, drafts
from w365core.store.tables import audit_log, billing_contract, subscription, usage_summary

NUMBER = "U202610-C-1"


@pytest.fixture
def drafted(books: Books) -> Books:
    """A Draft of two summaries and a top-up, 250.00 EUR."""
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    books.change(subscription, minimum_commitment=Decimal("250"), markup_pct=None)
    books.used("100.00", markup="10", usage_id="first")
    books.used("50.00", markup="20", usage_id="second")
    books.bill()
    return books


def again(books: Books) -> list[remaking.Again]:
    with books.context.engine.connect() as connection:
        return remaking.drafts_again(connection)


def last_said(books: Books) -> tuple:
    with books.context.engine.connect() as connection:
        row = connection.execute(select(audit_log).order_by(audit_log.c.audit_id.desc()).limit(1)).one()
    return row.action, row.target, row.reason


# --- taken back --------------------------------------------------------------------------------------------------------------------------


def test_a_draft_that_is_deleted_leaves_everything_as_it_was(books: Books) -> None:
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    books.change(subscription, minimum_commitment=Decimal("250"))
    books.used("100.00")
    before = books.digests()
    books.bill()
    assert books.digests() != before
    assert books.unbill(NUMBER, reason="wrong markup") == (NUMBER, 1)
    assert last_said(books) == ("unbill usage", NUMBER, "wrong markup")
    assert books.digests() == before
    assert [draft.total for draft in books.bill().made] == [250]


def test_a_number_is_found_whatever_its_letters(drafted: Books) -> None:
    assert drafted.unbill(" u202610-c-1 ")[0] == NUMBER


@pytest.mark.parametrize("status", ["Billed", "Paid"])
def test_what_the_customer_has_is_not_deleted_nor_made_again(drafted: Books, status: str) -> None:
    drafted.mark(NUMBER, status)
    for step in (drafted.unbill, drafted.regenerate):
        with pytest.raises(CallRefused, match=f"is {status} and cannot be .* Credit it instead"):
            step(NUMBER)
    assert set(drafted.on().values()) == {NUMBER}


def test_a_draft_of_our_records_is_deleted_and_billed_anew_where_it_bills_usage_alone(books: Books) -> None:
    books.invoice("L-1", "10.00", month=10, status="Draft")
    books.used("7.00")
    assert "`unbill --invoice-number L-1`) and bill its cycle again" in str(books.bill().refused)
    with pytest.raises(
        CallRefused, match="L-1 was not made here: .* no usage stands behind its lines.*`unbill --invoice-number L-1`, then `bill`"
    ):
        books.regenerate("L-1")
    assert books.unbill("L-1") == ("L-1", 0)
    assert [draft.total for draft in books.bill().made] == [7]


def test_a_draft_of_our_records_that_bills_licenses_is_left_alone(books: Books) -> None:
    books.subscription("S-1", kind="License")
    books.invoice("L-1", "10.00", status="Draft", of="S-1")
    with pytest.raises(CallRefused, match="L-1 was not made here: it came with our records and has lines of licenses"):
        books.unbill("L-1")


def test_an_invoice_that_is_not_there_is_refused(books: Books) -> None:
    for step in (books.unbill, books.regenerate, lambda number: books.mark(number, "Billed")):
        with pytest.raises(CallRefused, match="There is no customer invoice U-9"):
            step("U-9")


# --- moved on ----------------------------------------------------------------------------------------------------------------------------


def test_a_status_moves_on_and_never_back(drafted: Books) -> None:
    assert drafted.mark(NUMBER, "billed") == (NUMBER, "Draft", True)
    assert last_said(drafted)[:2] == ("mark customer invoice", NUMBER)
    assert drafted.mark(NUMBER, "Billed") == (NUMBER, "Billed", False)
    with pytest.raises(CallRefused, match="does not become a Draft again"):
        drafted.mark(NUMBER, "Draft")
    assert drafted.mark(NUMBER, "Paid") == (NUMBER, "Billed", True)
    with pytest.raises(CallRefused, match="only ever moves on"):
        drafted.mark(NUMBER, "Billed")
    with pytest.raises(CallRefused, match="write Billed or Paid"):
        drafted.mark(NUMBER, "Sent")


def test_a_draft_is_not_marked_as_a_draft(drafted: Books) -> None:
    with pytest.raises(CallRefused, match="is a Draft already, and a status only moves on"):
        drafted.mark(NUMBER, "Draft")


def test_a_draft_may_be_paid_at_once(drafted: Books) -> None:
    assert drafted.mark(NUMBER, "Paid") == (NUMBER, "Draft", True)


def test_a_draft_whose_usage_was_taken_off_is_not_charged_until_it_is_made_again(drafted: Books) -> None:
    with drafted.context.engine.begin() as connection:
        billed.unlink(connection, provider_invoice_id=1, reason="billed by mistake", who=drafted.context.who)
    (found,) = again(drafted)
    assert not found.reconciles and found.came == 2
    with pytest.raises(CallRefused, match="no longer says what its usage sells for"):
        drafted.mark(NUMBER, "Billed")
    drafted.regenerate(NUMBER)
    assert again(drafted) == [] and drafted.mark(NUMBER, "Billed")[2]


# --- made again --------------------------------------------------------------------------------------------------------------------------


def test_making_a_draft_again_changes_nothing_where_nothing_has_changed(drafted: Books) -> None:
    before = drafted.digests()
    for _ in range(2):
        assert drafted.regenerate(NUMBER).total == 250
        assert drafted.digests() == before
    assert again(drafted) == []


def test_usage_that_came_since_is_on_the_draft_that_is_made_again(drafted: Books) -> None:
    drafted.used("200.00", usage_id="third")
    (found,) = again(drafted)
    assert (found.invoice_number, found.before, found.now.total, found.came) == (NUMBER, 250, Decimal("370.00"), 1)
    assert drafted.regenerate(NUMBER, dry_run=True).total == 370 and drafted.on()["third"] is None
    assert drafted.regenerate(NUMBER).top_up_total == 0
    assert set(drafted.on().values()) == {NUMBER} and drafted.next_date() == day("2026-12-12")
    drafted.unbill(NUMBER)
    assert drafted.next_date() == day("2026-11-12")


def test_late_usage_stays_on_the_draft_that_took_it(books: Books) -> None:
    books.invoice("OLD-9", "1.00", month=9)
    books.used("7.00", month=9)
    books.used("30.00")
    books.bill()
    before = books.digests()
    assert books.regenerate(NUMBER).is_late_in_part
    assert books.digests() == before


def test_a_draft_that_would_hold_nothing_is_to_be_deleted(drafted: Books) -> None:
    drafted.change(billing_contract, status="Ended")
    with pytest.raises(CallRefused, match="would hold nothing.*unbill --invoice-number"):
        drafted.regenerate(NUMBER)
    assert [one.now for one in again(drafted)] == [None]


def test_a_markup_that_was_changed_since_is_found_on_drafts_and_on_what_is_billed(drafted: Books) -> None:
    drafted.change(subscription, markup_pct=Decimal(30), minimum_commitment=None)
    (found,) = again(drafted)
    assert (len(found.drifted), found.drift, found.now.total, found.taking.total) == (
        2,
        Decimal("25.00"),
        Decimal("170.00"),
        Decimal("195.00"),
    )
    drafted.mark(NUMBER, "Billed")
    (found,) = again(drafted)
    assert (found.status, found.drift, found.now) == ("Billed", Decimal("25.00"), None)


def test_a_larger_markup_takes_from_the_top_up_before_it_costs_anything(drafted: Books) -> None:
    drafted.change(subscription, markup_pct=Decimal(30))
    (found,) = again(drafted)
    assert (found.before, found.taking.total, found.taking.top_up_total) == (250, 250, Decimal("55.00"))


def test_a_customer_who_paid_a_top_up_is_charged_a_larger_markup_only_beyond_it(drafted: Books) -> None:
    drafted.mark(NUMBER, "Billed")
    drafted.change(subscription, markup_pct=Decimal(30))
    assert again(drafted) == [], "195 of usage are within the 250 that were billed"
    drafted.change(subscription, markup_pct=Decimal(100))
    (found,) = again(drafted)
    assert (len(found.drifted), found.drift) == (2, Decimal("50.00"))


def test_a_markup_that_a_person_gave_the_row_is_no_drift(drafted: Books) -> None:
    drafted.change(subscription, markup_pct=Decimal(10))
    with drafted.context.engine.begin() as connection:
        connection.execute(usage_summary.update().where(usage_summary.c.usage_id == "second").values(stamped_markup_pct=Decimal(10)))
    assert again(drafted) == []


def test_the_drafts_of_a_period_are_made_again_and_where_there_is_none_that_is_said(drafted: Books) -> None:
    how = {"contract_id": "C-1", "actor": "tester", "now": drafted.context.now, "landing": drafted.context.landing}
    drafted.used("200.00")
    done = remaking.regenerate_period(drafted.context.engine, invoicing.Period.month("2026-11"), **how)
    assert [draft.total for draft in done.made] == [370]
    with pytest.raises(CallRefused, match="no Draft of 2026-10 to make again; `bill` without --regenerate"):
        remaking.regenerate_period(drafted.context.engine, invoicing.Period.month("2026-10"), **how)
    drafted.mark(NUMBER, "Billed")
    with pytest.raises(CallRefused, match=r"no Draft of 2026-11 to make again \(U202610-C-1 is Billed: credit it instead\)"):
        remaking.regenerate_period(drafted.context.engine, invoicing.Period.month("2026-11"), **how)


def test_the_drafts_of_a_period_take_the_markups_of_today_where_that_is_asked(drafted: Books) -> None:
    how = {"contract_id": "C-1", "actor": "tester", "now": drafted.context.now, "landing": drafted.context.landing}
    drafted.change(subscription, markup_pct=Decimal(100))
    asked = (drafted.context.engine, invoicing.Period.month("2026-11"))
    assert [draft.total for draft in remaking.regenerate_period(*asked, **how).made] == [250]
    assert [draft.total for draft in remaking.regenerate_period(*asked, take_markups=True, **how).made] == [300]
    assert again(drafted) == []


def test_an_invoice_that_does_not_come_to_its_usage_is_never_committed(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    books.used()
    put_on = drafts._put_on
    monkeypatch.setattr(drafts, "_put_on", lambda connection, marks: put_on(connection, marks[1:]))
    with pytest.raises(AssertionError, match="does not come to what its usage sells for"):
        books.bill()
    assert books.rows("select count(*) from customer_invoice") == [(0,)]


def test_a_draft_takes_the_markups_of_today_or_stays_as_it_is(drafted: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    drafted.change(subscription, markup_pct=Decimal(100))
    drafted.used("10.00", markup=None, usage_id="blank")
    before = drafted.digests()

    correct = remaking.correct_to_subscriptions

    def broken(*given, **how) -> None:
        correct(*given, **how)
        raise CallRefused("no")

    monkeypatch.setattr(remaking, "correct_to_subscriptions", broken)
    with pytest.raises(CallRefused):
        drafted.regenerate(NUMBER, take_markups=True)
    assert drafted.digests() == before
    monkeypatch.undo()
    (found,) = again(drafted)
    assert drafted.regenerate(NUMBER, take_markups=True).total == found.taking.total == 320
    assert drafted.amounts(NUMBER) == [20, 200, 100] and again(drafted) == []
