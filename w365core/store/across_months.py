"""Was a difference there last month too, what has it come to since, and has the provider paid it back?

A difference is a row of the latest run of an invoice that our records do not account for. What a change log explains is none: held against our records
of today, an old invoice lacks every change that was made since. It goes on while the month before has one of the same subscription. A credit for the customer, or a window that a later invoice charges with less than nothing, repays the oldest difference that it can be for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from w365core import money
from w365core.store.reconciliations import LATEST_RUNS

# Of a row that is no difference.
NEW: Mapping[str, Any] = {"months": 0, "so_far": None, "repaid": None, "repaid_by": (), "is_closed": False}
_DIFFERS = "l.verdict in ('suspended_but_billed', 'partly_explained', 'unexplained', 'not_on_invoice')"
_MINE = f"""
    mine as (
        select distinct n.provider, l.subscription_id, l.currency from reconciliation n join reconciliation_line l using (reconciliation_id)
        where n.reconciliation_id = :run and {_DIFFERS} and l.subscription_id is not null
            and (cast(:lines as text[]) is null or l.line_id = any(cast(:lines as text[])))
    )
"""
_DIFFERENCES = f"""
    with {_MINE}, latest as ({LATEST_RUNS})
    select l.reconciliation_id, l.line_id, l.subscription_id, l.charge_start, l.charge_end, l.money_at_risk, p.invoice_number, p.invoice_date
    from mine join latest on latest.provider = mine.provider
    join provider_invoice p on p.provider = latest.provider and p.invoice_number = latest.invoice_number
    join reconciliation_line l on l.reconciliation_id = latest.reconciliation_id and l.subscription_id = mine.subscription_id and l.currency = mine.currency
    where {_DIFFERS} and p.invoice_date is not null order by p.invoice_date, p.invoice_number, l.line_id
"""
_CREDITS = f"""
    with {_MINE}
    select line.subscription_id, p.invoice_number, p.invoice_date, line.charge_start, line.charge_end,
        lower(regexp_replace(line.charge_type, '[^A-Za-z]', '', 'g')) = 'customercredit' as for_the_customer, -sum(line.subtotal) as amount
    from mine join license_line line on line.subscription_id = mine.subscription_id and upper(line.currency) = upper(mine.currency)
    join provider_invoice p on p.provider_invoice_id = line.provider_invoice_id and p.provider = mine.provider
    where line.kind = 'license' and p.status_reason in ('Active', 'Active Usage') and p.invoice_date is not null
    group by 1, 2, 3, 4, 5, 6 having sum(line.subtotal) < 0 order by p.invoice_date, p.invoice_number
"""


@dataclass
class _Difference:
    run: int
    line: str
    window: tuple[date | None, date | None]
    at_risk: Decimal | None
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
    """For each row of the run that is a difference of one of our subscriptions (or of those named): `months` it has gone on, this one counted, what it
    has come to `so_far` beyond what was repaid, how much of this row later invoices have `repaid`, and which."""
    bound = {"run": run_id, "lines": None if lines is None else list(lines)}
    by_subscription: dict[str, list[_Difference]] = {}
    for row in connection.execute(text(_DIFFERENCES), bound):
        found = _Difference(
            row.reconciliation_id, row.line_id, (row.charge_start, row.charge_end), row.money_at_risk, row.invoice_number, row.invoice_date
        )
        by_subscription.setdefault(row.subscription_id, []).append(found)
    for credit in connection.execute(text(_CREDITS), bound):
        _repay(by_subscription.get(credit.subscription_id, []), credit)
    wanted = None if lines is None else set(lines)
    return {
        one.line: _said(one, known)
        for known in by_subscription.values()
        for one in known
        if one.run == run_id and (wanted is None or one.line in wanted)
    }


def _repay(differences: Sequence[_Difference], credit: Any) -> None:
    """The oldest first, of invoices before the credit's own; a negative window is for its own window alone."""
    left = credit.amount
    for one in differences:
        if not left or one.dated >= credit.invoice_date or not one.left > 0:
            continue
        if not credit.for_the_customer and one.window != (credit.charge_start, credit.charge_end):
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
    so_far = [one.left] + [other.left for number in range(month - months + 1, month) for other in open_in[number]]
    return {
        "months": months,
        "so_far": None if one.at_risk is None and months == 1 else money.total(so_far),
        "repaid": one.repaid if one.repaid_by else None,
        "repaid_by": tuple(one.repaid_by),
        "is_closed": one.is_closed,
    }


def _month(day: date) -> int:
    return day.year * 12 + day.month
