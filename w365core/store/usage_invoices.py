"""Which usage invoices are there, and what stands on one: header, lines, and the usage behind each line with the provider invoice it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

Rows = list[Mapping[str, Any]]

# Those that count for a usage cycle: made here, with usage linked, or with a line of a usage subscription.
_ALL = """
    select i.invoice_number, i.contract_id, i.account_id, a.name as customer, i.invoice_date, i.cycle_start, i.cycle_end, i.currency,
           coalesce(i.status, 'Draft') as status, coalesce(l.total, 0) as total, coalesce(l.lines, 0) as lines, coalesce(l.cost, 0) as cost,
           m.invoice_number is not null as made_here, m.top_up_total, m.made_at, m.made_by
    from customer_invoice i
    left join account a on a.account_id = i.account_id
    left join usage_invoice m on m.invoice_number = i.invoice_number
    left join (
      select invoice_number, sum(amount) as total, count(*) as lines, sum(cost_amount) as cost from customer_invoice_line group by invoice_number
    ) l on l.invoice_number = i.invoice_number
    where (m.invoice_number is not null
      or exists (select from usage_summary u where u.invoice_number = i.invoice_number)
      or exists (
        select from customer_invoice_line x join subscription s on s.subscription_id = x.subscription_id
        where x.invoice_number = i.invoice_number and s.kind = 'Usage'
      ))
"""

_LINES = text("""
    select l.line_number, l.subscription_id, l.description, l.quantity, l.unit_price, l.amount, l.cost_amount,
           u.usage_id, u.product, u.charge_start, u.charge_end, u.markup_pct, u.provider_invoice_id, p.invoice_number as provider_invoice, p.provider
    from customer_invoice_line l
    left join usage_summary u on u.invoice_number = l.invoice_number and u.invoice_line = l.line_number
    left join provider_invoice p on p.provider_invoice_id = u.provider_invoice_id
    where l.invoice_number = :number
    order by l.line_number, u.usage_id
""")

# Usage of past invoices is linked to the invoice and to no line of it.
_LINKED = text("""
    select u.usage_id, u.subscription_id, u.product, u.charge_start, u.charge_end, coalesce(u.corrected_quantity, u.quantity) as quantity,
           coalesce(u.corrected_cost, u.cost) as cost, u.markup_pct, u.selling_amount, u.currency, u.invoice_line, u.provider_invoice_id,
           p.invoice_number as provider_invoice, p.provider
    from usage_summary u join provider_invoice p using (provider_invoice_id)
    where u.invoice_number = :number
    order by u.invoice_line nulls last, u.usage_id
""")


def all_of_them(connection: Connection) -> Rows:
    """Newest first."""
    return _rows(connection, text(f"{_ALL} order by i.invoice_date desc nulls last, i.invoice_number"))


def named(connection: Connection, invoice_number: str) -> Mapping[str, Any] | None:
    """One of them, or None."""
    found = _rows(connection, text(f"{_ALL} and i.invoice_number = :number"), number=invoice_number)
    return found[0] if found else None


def lines(connection: Connection, invoice_number: str) -> Rows:
    """Its lines, each with the usage that it bills."""
    return _rows(connection, _LINES, number=invoice_number)


def linked(connection: Connection, invoice_number: str) -> Sequence[Mapping[str, Any]]:
    """The usage on it."""
    return _rows(connection, _LINKED, number=invoice_number)


def _rows(connection: Connection, query: Any, **given: Any) -> Rows:
    return [dict(row) for row in connection.execute(query, given).mappings()]
