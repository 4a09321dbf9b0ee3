"""Is a window of this invoice charged on an earlier one too, or a subscription that an earlier one cancelled? What no invoice shows by itself.

Charges are held against earlier Active invoices of the same provider, by the provider's own subscription and the window as printed. A window is charged twice
where both invoices charge seats of its cycle that no cancellation on either takes back, and we do not hold as many as both come to.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from w365core import money
from w365core.charge_types import Charge
from w365core.reconciliation import FindingKind
from w365core.store import charges, currencies

_WHOSE = "lower(btrim(l.provider_subscription_id))"
_ROW = """coalesce(l.subscription_id, 'customer:' || lower(btrim(l.provider_customer_id))) || '/' || coalesce(l.charge_start::text, '') || '/'
    || coalesce(l.charge_end::text, '')"""
_EARLIER = """
    this as (select provider_invoice_id, provider, currency, invoice_date from provider_invoice where provider_invoice_id = :id),
    earlier as materialized (
        select p.provider_invoice_id, p.invoice_number, p.invoice_date from provider_invoice p join this using (provider)
        where p.status_reason in ('Active', 'Active Usage') and p.provider_invoice_id <> :id
            and (p.invoice_date, p.provider_invoice_id) < (this.invoice_date, this.provider_invoice_id)
    )
"""
_NETTED = f"""
    select {_WHOSE} as whose, l.charge_start, l.charge_end, {{names}},
        sum(coalesce(l.billable_quantity, l.quantity) * sign(l.subtotal)) as seats, sum(l.subtotal) as subtotal
    from {{lines}} where l.kind = 'license' and {currencies.code("l.currency")} = upper((select currency from this)) and btrim(l.provider_subscription_id) <> ''
        and {charges.prints("l.charge_type", Charge.CYCLE, Charge.CANCEL)} group by {{groups}}
"""
_TWICE = f"""
    with {_EARLIER},
    mine as materialized ({_NETTED.format(names=f"min({_ROW}) as line_id, min(l.subscription_id) as ours", groups="1, 2, 3", lines="license_line l join this using (provider_invoice_id)")}),
    theirs as ({_NETTED.format(names="earlier.invoice_number, earlier.invoice_date", groups="1, 2, 3, 4, 5", lines="license_line l join earlier using (provider_invoice_id)")})
    select mine.line_id, mine.subtotal, theirs.subtotal as before, theirs.invoice_number, (select currency from this) as currency
    from mine join theirs on theirs.whose = mine.whose and theirs.charge_start = mine.charge_start and theirs.charge_end is not distinct from mine.charge_end
    left join subscription s on s.subscription_id = mine.ours
    where mine.seats > 0 and mine.subtotal > 0 and theirs.seats > 0 and theirs.subtotal > 0
        and (s.quantity is null or s.status = 'Suspended' or s.quantity <> mine.seats + theirs.seats)
    order by mine.line_id, theirs.invoice_date, theirs.invoice_number
"""
_CANCELLED = f"""
    with {_EARLIER},
    cancelled as materialized (
        select {_WHOSE} as whose, max(coalesce(l.order_date::date, l.charge_start)) as since, max(earlier.invoice_number) as invoice_number
        from license_line l join earlier using (provider_invoice_id)
        where l.kind = 'license' and btrim(l.provider_subscription_id) <> '' and {charges.prints("l.charge_type", Charge.CANCEL)} group by 1
    )
    select {_ROW} as line_id, l.line_number, l.subtotal, cancelled.since, cancelled.invoice_number, (select currency from this) as currency
    from license_line l join cancelled on cancelled.whose = {_WHOSE}
    where l.provider_invoice_id = :id and l.kind = 'license' and l.subtotal > 0 and {charges.prints("l.charge_type", Charge.CYCLE, Charge.ADD, Charge.REMOVE)} and l.charge_start > cancelled.since
        and {currencies.code("l.currency")} = upper((select currency from this))
        and not exists (select from license_change_log g where g.subscription_id = l.subscription_id and lower(g.event) in ('activate', 'create')
            and g.effective_date >= cancelled.since)
    order by l.line_number
"""


def of_invoice(connection: Connection, provider_invoice_id: int) -> list[dict[str, Any]]:
    """Findings in the columns of `reconciliation.FINDING`."""
    twice = connection.execute(text(_TWICE), {"id": provider_invoice_id}).all()
    ended = connection.execute(text(_CANCELLED), {"id": provider_invoice_id}).all()
    return [*(_twice(row) for row in twice), *(_ended(row) for row in ended)]


def _twice(row: Any) -> dict[str, Any]:
    both, there, here = money.EXACT.add(row.before, row.subtotal), _said(row.before, row.currency), _said(row.subtotal, row.currency)
    said = f"The window is charged on invoice {row.invoice_number} too ({there} there, {here} here), and neither of them cancels the other."
    return _finding(FindingKind.CHARGED_TWICE, row, None, row.before, both, said)


def _ended(row: Any) -> dict[str, Any]:
    said = f"The subscription was cancelled on {row.since}, on invoice {row.invoice_number}, and this window starts after it."
    return _finding(FindingKind.BILLED_AFTER_CANCELLATION, row, row.line_number, money.ZERO, row.subtotal, said)


def _finding(kind: FindingKind, row: Any, line_number: int | None, expected: Any, found: Any, said: str) -> dict[str, Any]:
    told = {"kind": str(kind), "expected": expected, "found": found, "amount": row.subtotal, "currency": row.currency, "reason": said}
    return {"line_id": row.line_id, "line_number": line_number, **told}


def _said(amount: Any, currency: str) -> str:
    return f"{money.in_currency(amount, currency):,f} {currency}"
