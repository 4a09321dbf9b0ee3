"""Would a clerk with a pocket calculator bill the same? Random months in EUR, USD and JPY, rated and billed row by row, to the cent.

The clerk knows months, not cycles: contracts of these books begin on the first of a month. Every amount of usage has to end in exactly one place.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from tests.billing.books import Books, day
from w365core import money
from w365core.billing import planning
from w365core.jobs import invoicing
from w365core.usage_invoice import Contract, Standing, Subscribed, Usage

MONTHS = (8, 9, 10)
UNITS = {"EUR": 2, "USD": 2, "JPY": 0}
TODAY = date(2026, 11, 12)


def rated(cost: Decimal, markup: Decimal, currency: str) -> Fraction:
    """Half away from zero, in whole numbers."""
    units = 10 ** UNITS[currency]
    exact = Fraction(cost) * (1 + Fraction(markup) / 100) * units
    whole = int(abs(exact) + Fraction(1, 2))
    return Fraction(whole if exact >= 0 else -whole, units)


def last_day(month: int) -> date:
    return date(2026, month, {8: 31, 9: 30, 10: 31}[month])


@dataclass(frozen=True)
class Row:
    usage_id: str
    subscription: str
    month: int
    cost: Decimal
    markup: Decimal | None
    currency: str
    confirmed: bool
    active: bool


def clerk(
    rows: list[Row], commitments: dict[str, Decimal], invoiced: set[int], currency: str, period: int
) -> tuple[dict[int, Fraction], dict[str, str]]:
    """Totals by month for the invoices of that period, and where each row ends."""
    where, good = {}, []
    for row in rows:
        if not row.active or not row.confirmed or row.markup is None or row.currency != currency:
            where[row.usage_id] = "blocked"
        else:
            good.append(row)
    groups: dict[int, list[tuple[Row, bool]]] = defaultdict(list)
    for row in good:
        month = row.month
        while month in invoiced:
            month += 1
        groups[month].append((row, month != row.month))
    totals: dict[int, Fraction] = {}
    earlier_open = False
    for month in sorted(groups):
        sums: Counter = Counter()
        own: Counter = Counter()
        for row, late in groups[month]:
            amount = rated(row.cost, row.markup, row.currency)
            sums[row.subscription] += amount
            own[row.subscription] += Fraction(0) if late else amount
        used = {row.subscription for row, late in groups[month] if not late}
        for name, least in commitments.items():
            if name in used and own[name] < Fraction(least):
                sums[name] += Fraction(least) - own[name]
        is_worth = any(sums.values())
        is_due = month + 1 == period and month <= 10 and is_worth and not earlier_open
        if is_due:
            totals[month] = sum(sums.values(), Fraction(0))
        elif is_worth:
            earlier_open = True
        for row, _ in groups[month]:
            where[row.usage_id] = "billed" if is_due else "billable"
    return totals, where


amounts = st.decimals(Decimal("-50"), Decimal("900"), places=6) | st.just(Decimal(0))
markups = st.none() | st.decimals(Decimal(0), Decimal(40), places=3) | st.just(Decimal(0))


@st.composite
def month_of_usage(draw):
    currency = draw(st.sampled_from(sorted(UNITS)))
    names = ["U-1", "U-2", "U-3"][: draw(st.integers(1, 3))]
    rows = [
        Row(
            f"u{number}", draw(st.sampled_from(names)), draw(st.sampled_from(MONTHS)), draw(amounts), draw(markups),
            draw(st.sampled_from([currency] * 6 + sorted(UNITS))), draw(st.sampled_from([True] * 6 + [False])), draw(st.sampled_from([True] * 6 + [False])),
        )
        for number in range(draw(st.integers(0, 9)))
    ]  # fmt: skip
    commitments = {name: Decimal(draw(st.integers(1, 400))) for name in names if draw(st.booleans())}
    invoiced = draw(st.sets(st.sampled_from(MONTHS), max_size=2))
    return currency, rows, commitments, invoiced, draw(st.sampled_from([9, 10, 11]))


def as_usage(row: Row) -> Usage:
    sold = None if row.markup is None else money.selling_amount(row.cost, row.markup, row.currency)
    status = "Active" if row.active else "Populating"
    return Usage(
        row.usage_id, 1, "G1", "csp", "Active", status, row.subscription, "Azure plan", date(2026, row.month, 1), last_day(row.month), last_day(row.month),
        Decimal(1), row.cost, row.markup, row.markup, sold, row.currency, row.confirmed,
    )  # fmt: skip


@given(month_of_usage())
@settings(max_examples=250, deadline=None)
def test_a_clerk_bills_the_same_and_every_amount_is_billed_billable_or_blocked_with_a_cause(told) -> None:
    currency, rows, commitments, invoiced, period = told
    totals, where = clerk(rows, commitments, invoiced, currency, period)
    subscribed = {row.subscription for row in rows} | set(commitments)
    standing = [Standing(f"OLD-{month}", date(2026, month, 1), date(2026, month + 1, 1), "Paid") for month in sorted(invoiced)]
    contract = Contract(
        "C-1", account_id="A-1", frequency="Monthly", start_date=date(2026, 1, 1), currency=currency, invoices=standing,
        subscriptions={name: Subscribed(name, minimum_commitment=commitments.get(name)) for name in subscribed},
        first_usage=min((last_day(row.month) for row in rows), default=None),
    )  # fmt: skip
    usage = [as_usage(row) for row in rows]
    plan = planning.plan(contract, usage, first=date(2026, period, 1), last=date(2026, period, 28), today=TODAY)
    assert {draft.cycle_start.month: Fraction(draft.total) for draft in plan.drafts} == totals
    billed = [one.usage_id for draft in plan.drafts for one in draft.usage]
    assert len(billed) == len(set(billed))
    blocked = {one.usage_id: why for one, why in planning.judge(contract, usage) if why is not None}
    assert all(code and sentence for code, sentence in blocked.values()) and not set(blocked) & set(billed)
    ended = {one.usage_id: "billed" if one.usage_id in billed else "blocked" if one.usage_id in blocked else "billable" for one in usage}
    assert ended == where
    for draft in plan.drafts:
        assert draft.total == draft.usage_total + draft.top_up_total == sum(line.amount for line in draft.lines)


@pytest.mark.parametrize("seed", range(40))
def test_the_stored_invoices_of_a_random_month_are_the_clerks(context, seed: int) -> None:
    books, dice = Books(context), random.Random(seed)
    expected: dict[str, Fraction] = {}
    ended: dict[str, str] = {}
    for number, currency in enumerate(["EUR", "USD", "JPY"] * 2, 1):
        contract_id, name = f"C-{number}", f"U-{number}"
        commitments = {name: Decimal(dice.randint(50, 600))} if dice.random() < 0.5 else {}
        invoiced = {9} if dice.random() < 0.5 else set()
        books.contract(contract_id, account_id=f"A-{number}", currency=currency)
        books.subscription(name, contract_id, minimum_commitment=commitments.get(name))
        for month in invoiced:
            books.invoice(f"OLD-{month}-{number}", "1", month=month, of=name, contract_id=contract_id)
        rows = []
        for _ in range(dice.randint(3, 7)):
            cost = Decimal(dice.randint(-2_000_000, 90_000_000)).scaleb(-5)
            markup = None if dice.random() < 0.15 else Decimal(dice.randint(0, 40_000)).scaleb(-3)
            if dice.random() < 0.3:  # just between two amounts that can be paid
                cost, markup = Decimal(2 * dice.randint(-200, 9_000) + 1).scaleb(-UNITS[currency]) / 2, Decimal(0)
            met = currency if dice.random() < 0.85 else "EUR"
            month = dice.choice([9, 10] if invoiced else [10])
            active = dice.random() < 0.85
            usage_id = books.used(
                str(cost),
                month=month,
                of=name,
                markup=None if markup is None else str(markup),
                currency=met,
                status_reason="Active" if active else "Populating",
            )
            rows.append(Row(usage_id, name, month, cost, markup, met, True, active))
        totals, where = clerk(rows, commitments, invoiced, currency, 11)
        expected |= {f"U2026{month}-{contract_id}": total for month, total in totals.items()}
        ended |= where
    made = books.bill().made
    assert {draft.invoice_number: Fraction(draft.total) for draft in made} == expected and expected
    stored = books.rows("select invoice_number, sum(amount) from customer_invoice_line where invoice_number like 'U2026%' group by 1")
    assert {number: Fraction(total) for number, total in stored} == expected
    assert {usage_id for usage_id, number in books.on().items() if number} == {one for one, how in ended.items() if how == "billed"}
    for number, currency, total, linked in books.rows(
        "select i.invoice_number, i.currency, sum(l.amount), m.top_up_total + (select sum(selling_amount) from usage_summary u "
        "where u.invoice_number = i.invoice_number) from customer_invoice i join customer_invoice_line l using (invoice_number) "
        "join usage_invoice m using (invoice_number) group by i.invoice_number, i.currency, m.top_up_total"
    ):
        assert total == linked, f"{number} in {currency}"
    with books.context.engine.connect() as connection:
        assert all(not plan.drafts for plan in invoicing.plans(connection, invoicing.Period.month("2026-11"), today=day("2026-11-12")))


def test_where_the_commitment_of_a_contract_is_known_only_in_its_accounts_currency_the_clerk_agrees() -> None:
    subscribed = {"U-1": Subscribed("U-1", minimum_commitment=Decimal("999"))}
    contract = Contract("C-1", account_id="A-1", account_currency="JPY", start_date=date(2026, 1, 1), subscriptions=subscribed)
    row = as_usage(Row("u1", "U-1", 10, Decimal("100.5"), Decimal(0), "JPY", True, True))
    usage = [row, replace(row, usage_id="u2", currency="EUR")]
    plan = planning.plan(contract, usage, first=date(2026, 11, 1), last=date(2026, 11, 30), today=TODAY)
    assert [(draft.currency, draft.usage_total, draft.top_up_total) for draft in plan.drafts] == [("JPY", 101, 898)]
