"""Which usage can be chosen: the invoices, customers, subscriptions and products that have any, and what the chosen rows come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from w365core.store.usage_rows import Chosen, condition

_CHOICES = {
    "invoices": """
        select p.provider_invoice_id::text as key, p.invoice_number as name, p.provider as more from provider_invoice p
        where exists (select from usage_summary u where u.provider_invoice_id = p.provider_invoice_id) order by p.invoice_date desc, p.invoice_number
    """,
    "customers": """
        select a.account_id as key, a.name, a.account_id as more from account a
        where a.account_id in (select account_id from usage_summary) order by lower(a.name), a.account_id
    """,
    "subscriptions": """
        select s.subscription_id as key, s.name, s.subscription_id as more from subscription s
        where s.subscription_id in (select subscription_id from usage_summary) order by lower(s.name), s.subscription_id
    """,
    "products": "select distinct product as key, product as name, null as more from usage_summary where product is not null order by product",
}


def choices(connection: Connection) -> dict[str, list[Mapping[str, Any]]]:
    """By kind: `key` is what is chosen, `name` and `more` are what people read."""
    return {kind: [dict(row) for row in connection.execute(text(query)).mappings()] for kind, query in _CHOICES.items()}


def sums(connection: Connection, which: Chosen) -> list[Mapping[str, Any]]:
    """What of the chosen usage is open, by currency: rows, customers, invoices, cost, selling amount, rows without a markup; and how many are `closed`:
    invoiced, archived, or of an invoice that is not Active."""
    where, bound = condition(which)
    query = text(f"""
        select currency, count(*) filter (where open) as rows, count(*) filter (where not open) as closed,
            count(distinct account_id) filter (where open) as customers, count(distinct provider_invoice_id) filter (where open) as invoices,
            sum(cost) filter (where open) as cost, coalesce(sum(selling_amount) filter (where open), 0) as selling,
            count(*) filter (where open and markup_pct is null) as blank
        from (
            select u.currency, u.account_id, u.provider_invoice_id, coalesce(u.corrected_cost, u.cost) as cost, u.selling_amount, u.markup_pct,
                u.status = 'Not invoiced' and p.state = 'Active' as open
            from usage_summary u join provider_invoice p using (provider_invoice_id) where {where}
        ) chosen
        group by currency order by currency
    """)
    return [dict(row) for row in connection.execute(query, bound).mappings()]
