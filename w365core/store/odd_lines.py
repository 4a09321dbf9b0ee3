"""What is odd about single lines of some runs, and has the provider paid it back since?

A finding is closed when credits for the customer, of the same subscription and window and on the same invoice or a later one, come to its amount. That is looked
up when it is asked, so that a credit closes a finding the moment it is in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from w365core.charge_types import Charge
from w365core.reconciliation import FINDING
from w365core.store import charges, currencies

_COLUMNS = ", ".join(f"f.{column.name}" for column in FINDING)
_FROM = f"""
    reconciliation_finding f
    join reconciliation n on n.reconciliation_id = f.reconciliation_id
    left join reconciliation_line l on l.reconciliation_id = f.reconciliation_id and l.line_id = f.line_id
    left join lateral (
        select -sum(c.subtotal) as repaid, array_agg(distinct p.invoice_number order by p.invoice_number) as repaid_by
        from license_line c join provider_invoice p on p.provider_invoice_id = c.provider_invoice_id
        where c.kind = 'license' and c.subtotal < 0 and {charges.prints("c.charge_type", Charge.CREDIT)}
            and (c.subscription_id = l.subscription_id
                or l.subscription_id is null and lower(btrim(c.provider_subscription_id)) = lower(btrim(l.provider_subscription_id)))
            and c.charge_start is not distinct from l.charge_start and c.charge_end is not distinct from l.charge_end
            and p.provider = n.provider and p.status_reason in ('Active', 'Active Usage') and {currencies.code("c.currency")} = upper(n.currency)
            and p.invoice_date >= (select o.invoice_date from provider_invoice o where o.provider = n.provider and o.invoice_number = n.invoice_number)
    ) paid on l.line_id is not null
"""
_IS_CLOSED = "coalesce(f.amount > 0 and paid.repaid >= f.amount, false)"


def of_runs(connection: Connection, runs: Sequence[int], *, line_id: str | None = None, most: int | None = None) -> list[dict[str, Any]]:
    """What is open before what is closed, the biggest amount first; each with the row that it is about, `repaid`, `repaid_by` and `is_closed`;
    `quantity` and `pricing_currency` are as the line prints them."""
    query = text(f"""
        select f.reconciliation_id, {_COLUMNS}, n.invoice_number, n.provider, coalesce(a.name, l.customer_name) as customer, l.product_name, l.subscription_id,
            paid.repaid, coalesce(paid.repaid_by, '{{}}') as repaid_by, {_IS_CLOSED} as is_closed, line.pricing_currency,
            coalesce(line.billable_quantity, line.quantity) as quantity
        from {_FROM} left join account a on a.account_id = l.account_id
        left join provider_invoice mine on mine.provider = n.provider and mine.invoice_number = n.invoice_number
        left join license_line line on line.provider_invoice_id = mine.provider_invoice_id and line.line_number = f.line_number
            and f.found in (line.subtotal, line.effective_unit_price)
        where f.reconciliation_id = any(:runs) and (cast(:line_id as text) is null or f.line_id = :line_id)
        order by is_closed, f.amount desc nulls last, f.reconciliation_id, f.ordinal limit :most
    """)
    return [dict(row) for row in connection.execute(query, {"runs": list(runs), "line_id": line_id, "most": most}).mappings()]


def sums(connection: Connection, runs: Sequence[int]) -> list[Mapping[str, Any]]:
    """How many findings of each kind are open, and how much money they are about, by currency."""
    query = text(f"""
        select f.kind, f.currency, count(*) as findings, coalesce(sum(f.amount), 0) as amount from {_FROM}
        where f.reconciliation_id = any(:runs) and not {_IS_CLOSED} group by 1, 2 order by amount desc
    """)
    return [dict(row) for row in connection.execute(query, {"runs": list(runs)}).mappings()]
