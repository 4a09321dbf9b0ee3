"""What do the lines say of things that our records lack? Their domain and kind on the staged lines, and what they were on earlier invoices.

A preview's lines have no index but that of the usage summaries: each question reads them once. Keys are in lower case.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, text

from w365core.store import stage

_OWNER = "lower(btrim(coalesce(nullif(btrim(entitlement_id), ''), provider_subscription_id)))"


def domains(connection: Connection, *, run_id: int, customers: Collection[str]) -> dict[str, str]:
    """Customer -> the domain that the staged lines of a run print beside it, the first by letters."""
    if not customers or not stage.exists(connection, run_id=run_id):
        return {}
    found: dict[str, str] = {}
    for which in (stage.USAGE, stage.LICENSE):  # the reconciliation file has the last word
        statement = text(
            f"select lower(btrim(provider_customer_id)), min(customer_domain_name) from {stage.table_of(which, run_id)} "
            "where lower(btrim(provider_customer_id)) = any(:keys) and nullif(customer_domain_name, '') is not null group by 1"
        )
        found |= {key: domain for key, domain in connection.execute(statement, {"keys": list(customers)})}
    return found


def of_usage(connection: Connection, *, run_id: int, subscriptions: Collection[str]) -> frozenset[str]:
    """Those of the subscriptions that the staged usage lines of a run print."""
    if not subscriptions or not stage.exists(connection, run_id=run_id):
        return frozenset()
    statement = text(f"select distinct {_OWNER} from {stage.table_of(stage.USAGE, run_id)} where {_OWNER} = any(:keys)")
    return frozenset(connection.execute(statement, {"keys": list(subscriptions)}).scalars())


_PAST = text("""
    with line as (
        select l.*, p.invoice_number as of_invoice, p.invoice_date from license_line l join provider_invoice p using (provider_invoice_id)
        where lower(p.provider) = lower(:provider)
          and (lower(btrim(l.provider_customer_id)) = any(:customers) or lower(btrim(l.provider_subscription_id)) = any(:subscriptions))
    )
    select distinct on (kind, key) kind, key, ours, of_invoice, name from (
        select 'customer' as kind, lower(btrim(line.provider_customer_id)) as key, a.account_id as ours, of_invoice, invoice_date,
               line.customer_name as name
        from line left join account a on a.account_id = line.account_id
        where lower(btrim(line.provider_customer_id)) = any(:customers)
        union all
        select 'subscription', lower(btrim(line.provider_subscription_id)), s.subscription_id, of_invoice, invoice_date,
               coalesce(case when line.kind = 'usage' then line.subscription_description else line.product_name end, line.subscription_description)
        from line left join subscription s on s.subscription_id = line.subscription_id
        where lower(btrim(line.provider_subscription_id)) = any(:subscriptions)
    ) told
    order by kind, key, invoice_date desc nulls last, ours nulls last, name nulls last, of_invoice
""")


def before(
    connection: Connection, provider: str, *, customers: Collection[str], subscriptions: Collection[str]
) -> dict[tuple[str, str], Row[Any]]:
    """(kind, key) -> what it was on the latest published invoice of the provider that has it: `ours` (where our records still have that),
    `of_invoice`, `name`."""
    if not customers and not subscriptions:
        return {}
    asked = {"provider": provider, "customers": list(customers), "subscriptions": list(subscriptions)}
    return {(row.kind, row.key): row for row in connection.execute(_PAST, asked)}


def products_of(connection: Connection, *, provider_invoice_id: int, run_id: int | None, keys: Collection[str]) -> list[Row[Any]]:
    """Which of our subscriptions the lines of an invoice, published or staged, are for that print these products: `key`, `sku`, and `product`,
    what the subscription has. A line without a product is known by its subscription."""
    table = stage.LICENSE if run_id is None or not stage.exists(connection, run_id=run_id) else stage.table_of(stage.LICENSE, run_id)
    printed = "lower(coalesce(nullif(line.product_id, ''), line.subscription_id))"
    statement = text(
        f"select distinct {printed} as key, lower(line.sku_id) as sku, lower(s.product_id) as product from {table} line "
        f"join subscription s on s.subscription_id = line.subscription_id where line.provider_invoice_id = :id and {printed} = any(:keys)"
    )
    return list(connection.execute(statement, {"id": provider_invoice_id, "keys": list(keys)}))
