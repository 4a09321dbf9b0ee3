"""Does making Drafts again settle at once, and does deleting and billing them lead back to where they were, whatever the books say?

Random books in EUR, USD and JPY: contracts of any start and pace, markups, commitments, usage that comes late, markups that are changed after billing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from sqlalchemy import select, update

from tests import postgres
from tests.billing.books import Books, at, day
from w365core.errors import CallRefused
from w365core.jobs import invoicing
from w365core.jobs.context import Context
from w365core.settings import Settings
from w365core.store.engine import pooled
from w365core.store.tables import metadata, subscription

TODAY = "2026-12-15"
EVER = invoicing.Period.until(date(2027, 12, 31))  # whatever day a cycle that is over is invoiced on
SUBSCRIPTIONS = {"U-1": "C-1", "U-2": "C-1", "U-3": "C-2"}
SAID_ONLY = {
    "audit_log",
    "landed_answer",
}  # what making a Draft again leaves in any case: an entry, and the document that a rebuild goes by
WHO_AND_WHEN = {"made_at", "made_by"}
DATES = {"invoice_date", "next_invoice_date", "next_invoice_date_before", "next_invoice_date_after", "loaded_fingerprint"}


@dataclass(frozen=True)
class Used:
    of: str
    month: int
    cost: Decimal
    markup: Decimal | None
    currency: str | None  # the contract's, unless it is another


@dataclass(frozen=True)
class Told:
    """What the books say of contracts and subscriptions by their ids, and what becomes of them once they are billed."""

    contracts: dict[str, dict[str, Any]]
    subscriptions: dict[str, dict[str, Any]]
    usage: list[Used]
    late: list[Used]
    markups: dict[str, Decimal]
    sent: int  # so many of the oldest invoices are Billed before anything comes late
    bills_late: bool  # late usage is billed before Drafts are made again
    takes_markups: bool
    forwards: bool  # the oldest Draft is made again first


_COSTS = (
    st.decimals(Decimal(-50), Decimal(900), places=4)
    | st.integers(-99, 999).map(lambda halves: Decimal(halves) / 200)
    | st.just(Decimal(0))
)
_MARKUPS = st.decimals(Decimal(0), Decimal(40), places=3) | st.just(Decimal(0))
_USED = st.builds(
    Used, st.sampled_from(sorted(SUBSCRIPTIONS)), st.sampled_from((8, 9, 10, 10, 10, 11)), _COSTS, _MARKUPS | st.none(),
    st.sampled_from((None,) * 7 + ("EUR", "JPY")),
)  # fmt: skip
_CONTRACT = st.fixed_dictionaries(
    {
        "currency": st.sampled_from(("EUR", "USD", "JPY")),
        "frequency": st.sampled_from(("Monthly", "Monthly", "Quarterly")),
        "start_date": st.sampled_from([day(one) for one in ("2025-09-01", "2025-12-31", "2026-01-15", "2026-09-20")]),
        "next_invoice_date": st.sampled_from((None, "2026-09-12", "2026-10-31", "2026-12-01")),
    }
)
_SUBSCRIPTION = st.fixed_dictionaries(
    {"markup_pct": _MARKUPS | st.none(), "minimum_commitment": st.none() | st.integers(1, 600).map(Decimal)}
)
_BOOKS = st.builds(
    Told, st.fixed_dictionaries(dict.fromkeys(sorted(set(SUBSCRIPTIONS.values())), _CONTRACT)),
    st.fixed_dictionaries(dict.fromkeys(SUBSCRIPTIONS, _SUBSCRIPTION)), st.lists(_USED, min_size=6, max_size=14), st.lists(_USED, max_size=6),
    st.dictionaries(st.sampled_from(sorted(SUBSCRIPTIONS)), _MARKUPS), st.integers(0, 2), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
# A failing example is shown as it was found: making it smaller takes minutes.
_RANDOM = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=(Phase.explicit, Phase.reuse, Phase.generate)
)


@given(told=_BOOKS)
@_RANDOM
def test_where_nothing_has_changed_drafts_are_the_same_made_again_and_deleted_and_billed_again(template: str, told: Told) -> None:
    with books_of(template, told) as books:
        before = everything(books)
        bill(books)
        billed = everything(books)
        assert made_again(books, drafts_of(books)) == drafts_of(books) and everything(books) == billed
        for number in reversed(drafts_of(books)):
            books.unbill(number)
        assert everything(books) == before
        bill(books)
        assert everything(books) == billed


@given(told=_BOOKS)
@_RANDOM
def test_making_drafts_again_a_second_time_changes_nothing_at_all(template: str, told: Told) -> None:
    with books_of(template, told) as books:
        bill(books)
        time_passes(books, told)
        drafts = drafts_of(books) if told.forwards else drafts_of(books)[::-1]
        before = dates(books)
        made_again(books, drafts, take_markups=told.takes_markups, now="2026-12-16")
        once, said = everything(books), entries(books)
        again = made_again(books, drafts, take_markups=told.takes_markups, now="2026-12-17")
        assert everything(books) == once and dates(books) == before
        assert [(action, target, before["total"] == after["total"]) for action, target, before, after in entries(books)[len(said) :]] == [
            ("regenerate usage invoice", number, True) for number in again
        ]


@given(told=_BOOKS)
@_RANDOM
def test_the_newest_draft_that_is_deleted_and_billed_again_takes_what_came_late_again(template: str, told: Told) -> None:
    """Its dates may be others: they tell which cycles were open when it was made."""
    with books_of(template, told) as books:
        bill(books)
        time_passes(books, told)
        made_again(books, drafts_of(books), take_markups=told.takes_markups)
        bill(books)
        billed = everything(books, but=DATES)
        newest = {number.rpartition("C-")[2]: number for number in drafts_of(books)}
        for number in newest.values():
            books.unbill(number)
            bill(books)
            assert everything(books, but=DATES) == billed


# --- what happens ------------------------------------------------------------------------------------------------------------------------


@contextmanager
def books_alone(template: str) -> Iterator[Books]:
    """Empty books, on a database of their own."""
    with TemporaryDirectory(prefix="w365-books-") as folder, postgres.used_database(template) as url:
        engine = pooled(url)
        try:
            yield Books(Context(Settings(home=Path(folder), database_url=url), engine, at(TODAY), "tester", lambda sentence: None))
        finally:
            engine.dispose()


@contextmanager
def books_of(template: str, told: Told) -> Iterator[Books]:
    """These books, nothing billed yet."""
    with books_alone(template) as books:
        for contract_id, said in told.contracts.items():
            books.contract(contract_id, **said)
        for subscription_id, said in told.subscriptions.items():
            books.subscription(subscription_id, SUBSCRIPTIONS[subscription_id], **said)
        use(books, told, told.usage)
        yield books


def use(books: Books, told: Told, usage: list[Used]) -> None:
    for one in usage:
        currency = one.currency or told.contracts[SUBSCRIPTIONS[one.of]]["currency"]
        markup = None if one.markup is None else str(one.markup)
        books.used(str(one.cost), of=one.of, month=one.month, markup=markup, currency=currency)


def bill(books: Books) -> None:
    """Everything that is over."""
    invoicing.bill(books.context.engine, EVER, actor="tester", now=at(TODAY), landing=books.context.landing)


def time_passes(books: Books, told: Told) -> None:
    """The oldest invoices go out, usage comes late, and subscriptions get other markups."""
    for number in drafts_of(books)[: told.sent]:
        books.mark(number, "Billed")
    use(books, told, told.late)
    with books.context.engine.begin() as connection:
        for subscription_id, markup in told.markups.items():
            mine = update(subscription).where(subscription.c.subscription_id == subscription_id)
            connection.execute(mine.values(markup_pct=markup))
    if told.bills_late:
        bill(books)


def made_again(books: Books, numbers: list[str], **how: Any) -> list[str]:
    """Those that were made again; the others would hold nothing."""
    made = []
    for number in numbers:
        try:
            books.regenerate(number, **how)
            made.append(number)
        except CallRefused as refused:
            assert "would hold nothing" in str(refused)
    return made


# --- what came out -----------------------------------------------------------------------------------------------------------------------


def drafts_of(books: Books) -> list[str]:
    """By cycle."""
    drafts = books.rows("select invoice_number from customer_invoice where status = 'Draft' order by cycle_start, invoice_number")
    return [number for (number,) in drafts]


def dates(books: Books) -> list[tuple]:
    """Of contracts and of their invoices."""
    invoiced = books.rows("select invoice_number, invoice_date, cycle_start, cycle_end from customer_invoice order by invoice_number")
    return books.rows("select contract_id, next_invoice_date from billing_contract order by contract_id") + invoiced


def everything(books: Books, *, but: Collection[str] = ()) -> dict[str, list[str]]:
    """Every row of every table, without what was said of it, and who made an invoice when."""
    with books.context.engine.connect() as connection:
        return {
            table.name: sorted(
                str({name: value for name, value in row.items() if name not in {*WHO_AND_WHEN, *but}})
                for row in connection.execute(select(table)).mappings()
            )
            for table in metadata.sorted_tables
            if table.name not in SAID_ONLY
        }


def entries(books: Books) -> list[tuple]:
    """Of the audit log, in their order."""
    return books.rows("select action, target, before, after from audit_log order by audit_id")
