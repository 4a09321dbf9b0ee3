"""Is the larger of commitment and usage billed (R52), whatever number of invoices a month's usage comes on?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import text, update

from tests.billing.books import Books
from tests.billing.test_made_again import bill, books_alone, drafts_of, made_again
from w365core.billing import planning
from w365core.jobs import remaking
from w365core.store import schema
from w365core.store.tables import subscription
from w365core.usage_invoice import Commitment, Contract, Sold, Standing, Subscribed, Usage

HUNDRED = Decimal("100.00")


@pytest.fixture
def drafted(books: Books) -> Books:
    """A commitment of 100 a month: 60 were used in September, and 40 topped up on a Draft."""
    books.change(subscription, minimum_commitment=HUNDRED)
    books.used("60.00", month=9)
    books.bill("2026-10")
    return books


@pytest.fixture
def topped_up(drafted: Books) -> Books:
    """The same, and the customer has the invoice."""
    drafted.mark("U202609-C-1", "Billed")
    return drafted


def paid(books: Books, of: str = "U-1") -> Decimal:
    """All that the customer was charged for the subscription."""
    return books.rows("select coalesce(sum(amount), 0) from customer_invoice_line where subscription_id = :s", s=of)[0][0]


# --- usage that comes late ---------------------------------------------------------------------------------------------------------------


def test_late_usage_takes_its_part_of_the_top_up_back(topped_up: Books) -> None:
    topped_up.used("7.25", month=9)
    topped_up.used("120.00", month=10)
    (draft,) = topped_up.bill("2026-11").made
    assert topped_up.amounts("U202610-C-1") == [Decimal("120.00"), Decimal("7.25"), Decimal("-7.25")]
    assert topped_up.said("U202610-C-1")[1:] == [
        "Azure U-1, Azure plan (late: charged 2026-09-01 to 2026-09-30)",
        "Azure U-1: top-up given back (2026-09-01 to 2026-09-30): minimum commitment of 100.00 EUR, usage of 67.25 EUR, topped up by 40.00 EUR before",
    ]
    assert (draft.total, draft.usage_total, draft.top_up_total) == (Decimal("120.00"), Decimal("127.25"), Decimal("-7.25"))
    assert draft.as_dict()["late_lines"] == 1


def test_late_usage_beyond_the_commitment_is_billed_and_the_whole_top_up_given_back(topped_up: Books) -> None:
    topped_up.used("55.00", month=9)
    topped_up.used("120.00", month=10)
    topped_up.bill("2026-11")
    assert topped_up.amounts("U202610-C-1") == [Decimal("120.00"), Decimal("55.00"), Decimal("-40.00")]
    assert paid(topped_up) == 115 + 120


def test_usage_that_comes_late_again_and_again_takes_back_what_is_left(topped_up: Books) -> None:
    for month, cost in ((10, "7.25"), (11, "30.00")):
        topped_up.used(cost, month=9)
        topped_up.used("120.00", month=month)
        topped_up.bill(f"2026-{month + 1}", now="2026-12-12")
    assert topped_up.amounts("U202611-C-1") == [Decimal("120.00"), Decimal("30.00"), Decimal("-30.00")]
    topped_up.used("10.00", month=9)
    topped_up.regenerate("U202611-C-1", now="2026-12-13")
    assert topped_up.amounts("U202611-C-1") == [Decimal("120.00"), Decimal("30.00"), Decimal("10.00"), Decimal("-32.75")]
    assert paid(topped_up) == Decimal("107.25") + 240


def test_a_late_credit_is_topped_up_again(topped_up: Books) -> None:
    topped_up.used("-10.00", month=9)
    topped_up.used("120.00", month=10)
    topped_up.bill("2026-11")
    assert topped_up.amounts("U202610-C-1") == [Decimal("120.00"), Decimal("-10.00"), Decimal("10.00")]


def test_a_late_credit_that_brings_a_month_below_its_commitment_is_topped_up(books: Books) -> None:
    books.change(subscription, minimum_commitment=HUNDRED)
    books.used("130.00", month=9)
    books.bill("2026-10")
    books.used("-50.00", month=9)
    books.used("120.00", month=10)
    books.bill("2026-11")
    assert books.amounts("U202610-C-1") == [Decimal("120.00"), Decimal("-50.00"), Decimal("20.00")]


def test_the_first_usage_of_a_month_brings_its_top_up_with_it_however_late(books: Books) -> None:
    books.change(subscription, minimum_commitment=HUNDRED)
    books.subscription("U-2")
    books.used("5.00", month=9, of="U-2")
    assert "minimum commitment of 100.00 EUR is not billed by itself" in books.bill("2026-10").notes[0]
    books.used("60.00", month=9)
    books.used("5.00", month=10, of="U-2")
    books.bill("2026-11")
    assert books.amounts("U202610-C-1") == [Decimal("5.00"), Decimal("60.00"), Decimal("40.00")]


def test_where_late_usage_opened_a_months_invoice_its_own_usage_is_topped_up_when_it_comes(topped_up: Books) -> None:
    topped_up.used("47.25", month=9)
    done = topped_up.bill("2026-11")
    assert topped_up.amounts("U202610-C-1") == [Decimal("47.25"), Decimal("-40.00")]
    assert "U202610-C-1 holds late usage alone, since none of 2026-10-01 to 2026-10-31 is here" in done.notes[0]
    topped_up.mark("U202610-C-1", "Billed")
    topped_up.used("30.00", month=10)
    topped_up.used("120.00", month=11)
    topped_up.bill("2026-12", now="2026-12-12")
    assert topped_up.amounts("U202611-C-1") == [Decimal("120.00"), Decimal("30.00"), Decimal("70.00")]
    assert paid(topped_up) == Decimal("107.25") + 100 + 120


def test_late_usage_that_its_top_up_pays_for_is_no_reason_for_an_invoice(topped_up: Books) -> None:
    late = topped_up.used("7.25", month=9)
    done = topped_up.bill("2026-11")
    assert done.made == [] and topped_up.on()[late] is None


def test_what_was_agreed_then_counts_for_what_comes_late(topped_up: Books) -> None:
    topped_up.change(subscription, minimum_commitment=Decimal("500"))
    topped_up.used("7.25", month=9)
    topped_up.used("520.00", month=10)
    topped_up.bill("2026-11")
    assert topped_up.amounts("U202610-C-1") == [Decimal("520.00"), Decimal("7.25"), Decimal("-7.25")]


def test_a_commitment_that_was_agreed_later_tops_up_no_month_before(books: Books) -> None:
    books.used("60.00", month=9)
    books.bill("2026-10")
    books.change(subscription, minimum_commitment=HUNDRED)
    books.used("7.25", month=9)
    books.used("120.00", month=10)
    books.bill("2026-11")
    assert books.amounts("U202610-C-1") == [Decimal("120.00"), Decimal("7.25")]


def test_what_another_system_has_billed_was_settled_there(books: Books) -> None:
    books.change(subscription, minimum_commitment=HUNDRED)
    books.invoice("OLD-9", "100.00", month=9)
    books.used("7.25", month=9)
    books.used("120.00", month=10)
    books.bill("2026-11")
    assert books.amounts("U202610-C-1") == [Decimal("120.00"), Decimal("7.25")]


def test_a_subscription_that_has_moved_to_another_contract_has_one_commitment(topped_up: Books) -> None:
    topped_up.contract("C-2", next_invoice_date="2026-10-10")
    topped_up.subscription("U-2", "C-2")
    topped_up.used("5.00", month=9, of="U-2")
    topped_up.bill("2026-10")
    with topped_up.context.engine.begin() as connection:
        connection.execute(update(subscription).where(subscription.c.subscription_id == "U-1").values(contract_id="C-2"))
    topped_up.used("7.25", month=9)
    topped_up.used("120.00", month=10)
    topped_up.bill("2026-11")
    assert topped_up.amounts("U202610-C-2") == [Decimal("120.00"), Decimal("7.25"), Decimal("-7.25")]


def test_top_ups_of_invoices_made_before_they_were_kept_count_as_well(topped_up: Books) -> None:
    kept = "select invoice_number, subscription_id, cycle_start, currency, committed, top_up from usage_commitment"
    before = topped_up.rows(kept)
    with topped_up.context.engine.begin() as connection:
        connection.execute(text("drop table usage_commitment"))
        connection.execute(text("alter table column_mapping drop column date_order"))  # what came after it
        connection.execute(text("update alembic_version set version_num = '0011'"))
    schema.upgrade(topped_up.context.engine)
    assert topped_up.rows(kept) == before and len(before) == 1
    test_late_usage_takes_its_part_of_the_top_up_back(topped_up)


def test_usage_that_its_top_up_paid_for_goes_along_with_the_next_invoice_also_under_another_contract(topped_up: Books) -> None:
    topped_up.contract("C-2")
    with topped_up.context.engine.begin() as connection:
        connection.execute(update(subscription).where(subscription.c.subscription_id == "U-1").values(contract_id="C-2"))
    topped_up.used("7.25", month=9)
    topped_up.used("120.00", month=10)
    assert topped_up.bill("2026-10").made == []
    topped_up.bill("2026-11")
    assert topped_up.amounts("U202610-C-2") == [Decimal("120.00"), Decimal("7.25"), Decimal("-7.25")]


# --- Drafts ------------------------------------------------------------------------------------------------------------------------------


def test_a_draft_made_again_takes_late_usage_into_its_top_up(drafted: Books) -> None:
    drafted.used("7.25", month=9)
    assert drafted.regenerate("U202609-C-1").total == HUNDRED
    assert drafted.amounts("U202609-C-1") == [Decimal("60.00"), Decimal("7.25"), Decimal("32.75")]


def test_a_draft_whose_late_usage_went_onto_the_next_invoice_is_the_same_made_again_and_it_is_said(drafted: Books) -> None:
    drafted.used("7.25", month=9)
    drafted.used("120.00", month=10)
    done = drafted.bill("2026-11")
    assert done.notes == [
        "Contract C-1: 7.25 EUR on U202610-C-1 is of the cycle of U202609-C-1, which is still a Draft. To have it there: "
        "`unbill --invoice-number U202610-C-1`, then `bill --period 2026-10 --contract C-1 --regenerate`, and bill again."
    ]
    assert drafted.regenerate("U202609-C-1").total == HUNDRED and drafted.regenerate("U202610-C-1").total == 120
    with drafted.context.engine.connect() as connection:
        assert remaking.drafts_again(connection) == []
    drafted.unbill("U202609-C-1")
    drafted.bill("2026-10")
    assert paid(drafted) == 220
    drafted.unbill("U202610-C-1")
    drafted.regenerate("U202609-C-1")
    drafted.bill("2026-11")
    assert drafted.amounts("U202609-C-1") == [Decimal("60.00"), Decimal("7.25"), Decimal("32.75")] and paid(drafted) == 220


def test_a_commitment_that_was_called_off_is_given_back_where_its_draft_is_made_again(drafted: Books) -> None:
    drafted.used("7.25", month=9)
    drafted.used("120.00", month=10)
    drafted.bill("2026-11")
    drafted.change(subscription, minimum_commitment=None)
    assert drafted.regenerate("U202609-C-1").total == Decimal("67.25") and paid(drafted) == Decimal("187.25")


# --- whatever happens --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """Usage that has come since the last run, and what becomes of the invoices after the next one."""

    usage: list[tuple[str, int, Decimal]]
    sent: bool
    made_again: bool
    deleted: int | None


_COSTS = st.decimals(Decimal(-60), Decimal(180), places=4) | st.sampled_from([Decimal(0), Decimal("100"), Decimal("99.995")])
_ROUND = st.builds(
    Round, st.lists(st.tuples(st.sampled_from(["U-1", "U-2"]), st.sampled_from([8, 9, 10, 11]), _COSTS), max_size=5), st.booleans(), st.booleans(),
    st.none() | st.integers(0, 2),
)  # fmt: skip


@given(
    st.lists(_ROUND, min_size=2, max_size=5), st.fixed_dictionaries({"U-1": st.integers(1, 250), "U-2": st.none() | st.integers(1, 250)}),
    st.sampled_from(["EUR", "JPY"]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_the_larger_of_commitment_and_usage_is_billed_of_every_month_whatever_happens(template, rounds, commitments, currency) -> None:
    with books_alone(template) as books:
        books.contract(currency=currency)
        for name, commitment in commitments.items():
            books.subscription(name, minimum_commitment=commitment)
        for one in rounds:
            for of, month, cost in one.usage:
                books.used(str(cost), of=of, month=month, currency=currency)
            bill(books)
            assert charged(books) == due(books, commitments)
            drafts = drafts_of(books)
            if one.sent and drafts:
                books.mark(drafts.pop(0), "Billed")
            if one.deleted is not None and one.deleted < len(drafts):
                books.unbill(drafts[one.deleted])
                bill(books)
            if one.made_again:
                made_again(books, drafts_of(books))
            assert charged(books) == due(books, commitments)


def charged(books: Books) -> dict[str, Decimal]:
    """By subscription, on all invoices."""
    return dict(books.rows("select subscription_id, sum(amount) from customer_invoice_line group by 1 having sum(amount) <> 0"))


def due(books: Books, commitments: dict[str, int | None]) -> dict[str, Decimal]:
    """By the months that usage on invoices is of: the larger of commitment and usage."""
    months = books.rows(
        "select subscription_id, charge_end, sum(selling_amount) from usage_summary where status = 'Invoiced' group by subscription_id, charge_end"
    )
    found: dict[str, Decimal] = defaultdict(Decimal)
    for of, _, amount in months:
        found[of] += max(amount, Decimal(commitments[of] or 0)) if commitments[of] else amount
    return {of: amount for of, amount in found.items() if amount}


def test_usage_in_another_currency_than_the_top_up_changes_nothing_about_it() -> None:
    used = Usage(
        "u1", 1, "G1", "csp", "Active", "Active", "U-1", None, date(2026, 9, 1), date(2026, 9, 30), date(2026, 9, 30), Decimal(1), Decimal("7.25"),
        Decimal(0), Decimal(0), Decimal("7.25"), "EUR",
    )  # fmt: skip
    contract = Contract(
        "C-1", account_id="A-1", frequency="Monthly", start_date=date(2026, 1, 1), currency="EUR",
        subscriptions={"U-1": Subscribed("U-1", minimum_commitment=HUNDRED)},
        invoices=[Standing("U202609-C-1", date(2026, 9, 1), date(2026, 10, 1), "Billed", made_here=True)],
        settled=[Commitment("U-1", date(2026, 9, 1), "USD", HUNDRED, Decimal(40), "U202609-C-1")],
        sold=[Sold("U202609-C-1", "U-1", date(2026, 9, 30), "USD", Decimal(60))],
    )  # fmt: skip
    (draft,) = planning.plan(contract, [used], first=date(2026, 11, 1), last=date(2026, 11, 30), today=date(2026, 11, 12)).drafts
    assert [line.amount for line in draft.lines] == [Decimal("7.25")] and draft.commitments == ()
