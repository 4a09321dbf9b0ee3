"""Was a difference there last month too, what has it come to since, and has the provider paid it back?

A difference is a row of the latest run of an invoice that our records do not account for: one of the unexplained part. What a change log explains is none: held
against our records of today, an old invoice lacks every change that was made since. It goes on while the month before has one of the same subscription, or,
where none of ours is named, of the same customer of the provider. A credit for the customer, or a window that a later invoice charges with less than nothing,
repays the difference of its own window, else the oldest that it can be for; seats without a line were not charged, so that no credit is for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from w365core import money
from w365core.charge_types import Charge
from w365core.reconciliation import EXPLAINED, Verdict
from w365core.store import charges, currencies
from w365core.store.reconciliations import LATEST_RUNS

# Of a row that is no difference.
NEW: Mapping[str, Any] = {"months": 0, "so_far": None, "repaid": None, "repaid_by": (), "is_closed": False}
# A credit that nobody can compare is no difference: it is what repays one.
_CREDITS_ALONE = (
    f"l.subtotal < 0 and l.verdict in ({', '.join(repr(str(one)) for one in (Verdict.NOT_RECONCILABLE, Verdict.NO_SUBSCRIPTION))})"
)
_DIFFERS = f"""(l.verdict not in ({", ".join(repr(str(one)) for one in (Verdict.CONFIRMED, *EXPLAINED))})
    and not coalesce({_CREDITS_ALONE}, false))"""
# Whose a difference is: a subscription's of ours, else a customer's of the provider. Each is looked for by an index of its own.
_CUSTOMER = "'customer:' || lower(btrim(l.provider_customer_id))"
_MINE = f"""
    mine as materialized (
        select distinct n.provider, l.subscription_id, case when l.subscription_id is null then lower(btrim(l.provider_customer_id)) end as customer, l.currency
        from reconciliation n join reconciliation_line l using (reconciliation_id)
        where n.reconciliation_id = :run and {_DIFFERS} and coalesce(l.subscription_id, l.provider_customer_id) is not null
            and (cast(:lines as text[]) is null or l.line_id = any(cast(:lines as text[])))
    )
"""
_DIFFERENCES = f"""
    with {_MINE}, latest as materialized ({LATEST_RUNS}), found as (
        select l.*, latest.provider, latest.invoice_number from mine join latest on latest.provider = mine.provider
        join reconciliation_line l on l.reconciliation_id = latest.reconciliation_id and l.subscription_id = mine.subscription_id and l.currency = mine.currency
        where {_DIFFERS}
        union all
        select l.*, latest.provider, latest.invoice_number from mine join latest on latest.provider = mine.provider and mine.customer is not null
        join reconciliation_line l on l.reconciliation_id = latest.reconciliation_id and l.subscription_id is null and l.currency = mine.currency
            and lower(btrim(l.provider_customer_id)) = mine.customer
        where {_DIFFERS}
    )
    select l.reconciliation_id, l.line_id, coalesce(l.subscription_id, {_CUSTOMER}) as whose, l.charge_start, l.charge_end, l.money_at_risk,
        l.verdict = 'not_on_invoice' as is_absent, p.invoice_number, p.invoice_date
    from found l join provider_invoice p on p.provider = l.provider and p.invoice_number = l.invoice_number
    where p.invoice_date is not null order by p.invoice_date, p.invoice_number, l.line_id
"""
_CREDITS = f"""
    with {_MINE}, found as (
        select l.* from mine join license_line l on l.subscription_id = mine.subscription_id and {currencies.code("l.currency")} = upper(mine.currency)
        union all
        select l.* from mine join license_line l on l.subscription_id is null and {currencies.code("l.currency")} = upper(mine.currency)
            and lower(btrim(l.provider_customer_id)) = mine.customer
    )
    select coalesce(l.subscription_id, {_CUSTOMER}) as whose, p.invoice_number, p.invoice_date, l.charge_start, l.charge_end,
        {charges.prints("l.charge_type", Charge.CREDIT)} as for_the_customer, -sum(l.subtotal) as amount
    from found l join provider_invoice p on p.provider_invoice_id = l.provider_invoice_id
    where l.kind = 'license' and p.status_reason in ('Active', 'Active Usage') and p.invoice_date is not null
        and p.provider = (select provider from reconciliation where reconciliation_id = :run)
    group by 1, 2, 3, 4, 5, 6 having sum(l.subtotal) < 0 order by p.invoice_date, p.invoice_number
"""
# The rows of earlier invoices that a credit on this run's invoice can be for.
_CREDITED = f"""
    with latest as materialized ({LATEST_RUNS}), this as (
        select p.provider_invoice_id, p.provider, p.invoice_number, p.invoice_date from reconciliation n
        join provider_invoice p using (provider, invoice_number) where n.reconciliation_id = :run
    ), credit as materialized (
        select l.subscription_id, case when l.subscription_id is null then lower(btrim(l.provider_customer_id)) end as customer, {currencies.code("l.currency")} as currency
        from this join license_line l using (provider_invoice_id) where l.kind = 'license'
        group by 1, 2, 3, l.charge_start, l.charge_end, l.charge_type having sum(l.subtotal) < 0
    )
    select distinct p.invoice_number, l.line_id, p.invoice_date from this
    join latest on latest.provider = this.provider and latest.invoice_number <> this.invoice_number
    join provider_invoice p on p.provider = latest.provider and p.invoice_number = latest.invoice_number and p.invoice_date < this.invoice_date
    join reconciliation_line l on l.reconciliation_id = latest.reconciliation_id
    join credit on upper(l.currency) = credit.currency
        and (l.subscription_id = credit.subscription_id or (l.subscription_id is null and lower(btrim(l.provider_customer_id)) = credit.customer))
    where {_DIFFERS} order by p.invoice_date, p.invoice_number, l.line_id
"""
# The rows of this run that a credit on a later invoice can be for.
_REPAYABLE = f"""
    with this as (select n.provider, p.invoice_date from reconciliation n join provider_invoice p using (provider, invoice_number) where n.reconciliation_id = :run),
    later as materialized (
        select p.provider_invoice_id from provider_invoice p join this using (provider)
        where p.invoice_date > this.invoice_date and p.status_reason in ('Active', 'Active Usage')
    )
    select l.line_id from reconciliation_line l where l.reconciliation_id = :run and {_DIFFERS} and (select count(*) from later) > 0 and (
        exists (select from license_line c where c.subscription_id = l.subscription_id and c.kind = 'license' and c.subtotal < 0
            and c.provider_invoice_id in (select provider_invoice_id from later))
        or l.subscription_id is null and exists (select from license_line c where lower(btrim(c.provider_customer_id)) = lower(btrim(l.provider_customer_id))
            and c.subscription_id is null and c.kind = 'license' and c.subtotal < 0 and c.provider_invoice_id in (select provider_invoice_id from later)))
    order by l.line_id
"""


@dataclass
class _Difference:
    run: int
    line: str
    window: tuple[date | None, date | None]
    at_risk: Decimal | None
    is_absent: bool
    invoice: str
    dated: date
    repaid: Decimal = money.ZERO
    repaid_by: list[str] = field(default_factory=list)

    @property
    def left(self) -> Decimal:
        return money.EXACT.subtract(self.at_risk or money.ZERO, self.repaid)

    @property
    def is_closed(self) -> bool:
        return bool(self.at_risk) and not self.left


def of_run(connection: Connection, run_id: int, *, lines: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """For each row of the run that is a difference (or of those named): `months` it has gone on, this one counted, what it
    has come to `so_far` beyond what was repaid, how much of this row later invoices have `repaid`, and which."""
    bound = {"run": run_id, "lines": None if lines is None else list(lines)}
    by_subscription: dict[str, list[_Difference]] = {}
    for row in connection.execute(text(_DIFFERENCES), bound):
        found = _Difference(
            row.reconciliation_id,
            row.line_id,
            (row.charge_start, row.charge_end),
            row.money_at_risk,
            row.is_absent,
            row.invoice_number,
            row.invoice_date,
        )
        by_subscription.setdefault(row.whose, []).append(found)
    for credit in connection.execute(text(_CREDITS), bound):
        _repay(by_subscription.get(credit.whose, []), credit)
    wanted = None if lines is None else set(lines)
    return {
        one.line: _said(one, known)
        for known in by_subscription.values()
        for one in known
        if one.run == run_id and (wanted is None or one.line in wanted)
    }


def repayable(connection: Connection, run_id: int) -> list[str]:
    """The differences of this run that a credit on a later invoice may be for."""
    return list(connection.execute(text(_REPAYABLE), {"run": run_id}).scalars())


def credited(connection: Connection, run_id: int) -> dict[str, list[str]]:
    """The earlier invoices whose latest run holds differences that the credits of this run's invoice may be for, and which rows those are."""
    found: dict[str, list[str]] = {}
    for row in connection.execute(text(_CREDITED), {"run": run_id}):
        found.setdefault(row.invoice_number, []).append(row.line_id)
    return found


def _repay(differences: Sequence[_Difference], credit: Any) -> None:
    """Its own window first, then the oldest, of invoices before the credit's own; a negative window is for its own window alone. What was never charged cannot be
    paid back."""
    left, window = credit.amount, (credit.charge_start, credit.charge_end)
    for one in sorted(differences, key=lambda one: one.window != window):
        if not left or one.is_absent or one.dated >= credit.invoice_date or not one.left > 0:
            continue
        if not credit.for_the_customer and one.window != window:
            continue
        paid = min(left, one.left)
        one.repaid, left = money.EXACT.add(one.repaid, paid), money.EXACT.subtract(left, paid)
        one.repaid_by.append(credit.invoice_number)


def _said(one: _Difference, known: Sequence[_Difference]) -> dict[str, Any]:
    month, months = _month(one.dated), 1
    open_in: dict[int, list[_Difference]] = {}
    for other in known:
        if not other.is_closed and other.dated <= one.dated:
            open_in.setdefault(_month(other.dated), []).append(other)
    while month - months in open_in:
        months += 1
    so_far = [one.left] + [other.left for number in range(month - months + 1, month) for other in _once(open_in[number])]
    return {
        "months": months,
        "so_far": None if one.at_risk is None and months == 1 else money.total(so_far),
        "repaid": one.repaid if one.repaid_by else None,
        "repaid_by": tuple(one.repaid_by),
        "is_closed": one.is_closed,
    }


def _once(differences: Sequence[_Difference]) -> Iterator[_Difference]:
    """Of a month's: what has no line lacks it on each of the month's invoices, and is one difference."""
    yield from (one for one in differences if not one.is_absent)
    yield from [one for one in differences if one.is_absent][:1]


def _month(day: date) -> int:
    return day.year * 12 + day.month
