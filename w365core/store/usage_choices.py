"""Which usage can be chosen: the invoices, customers, subscriptions and products that have any, and what the chosen rows come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from w365core.store.corrections import Chosen, condition

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
    """What is chosen, by currency: rows, how many of them are open, customers, invoices, cost and selling amount, and how many have no markup."""
    where, bound = condition(which)
    query = text(f"""
        select u.currency, count(*) as rows, count(*) filter (where u.status = 'Not invoiced') as open, count(distinct u.account_id) as customers,
            count(distinct u.provider_invoice_id) as invoices, sum(coalesce(u.corrected_cost, u.cost)) as cost, sum(u.selling_amount) as selling,
            count(*) filter (where u.markup_pct is null) as blank
        from usage_summary u join provider_invoice p using (provider_invoice_id) where {where} group by u.currency order by u.currency
    """)
    return [dict(row) for row in connection.execute(query, bound).mappings()]
