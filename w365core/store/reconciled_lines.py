"""Which of the provider's own lines is a row of a reconciliation made of? Published ones, or those that a failed import has staged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from w365core.store import stage
from w365core.store.queries import staged_run

_SHOWN = (
    *("line_number", "charge_type", "order_date", "charge_start", "charge_end", "quantity", "billable_quantity", "unit_price"),
    *("effective_unit_price", "exchange_rate", "subtotal", "tax_total", "total", "currency", "provider_subscription_id", "product_name"),
    *("sku_name", "term_and_billing_cycle", "billing_frequency", "order_id", "price_adjustment_description", "customer_name"),
)


def lines_of(connection: Connection, provider_invoice_id: int, row: Mapping[str, Any], *, most: int = 500) -> list[Mapping[str, Any]]:
    """The license lines of the row's subscription (without one, of its customer) and charge window, in the provider's order."""
    run_id = staged_run(connection, provider_invoice_id)
    table = stage.LICENSE if run_id is None else stage.table_of(stage.LICENSE, run_id)
    whose = """(line.subscription_id = :subscription_id
        or (line.subscription_id is null and lower(btrim(line.provider_subscription_id)) = :provider_subscription_id))"""
    if row["subscription_id"] is None:
        whose = "line.subscription_id is null and lower(btrim(line.provider_customer_id)) is not distinct from lower(:provider_customer_id)"
    query = text(f"""
        select {", ".join(f"line.{name}" for name in _SHOWN)} from {table} line
        where line.provider_invoice_id = :id and line.kind = 'license' and {whose}
            and line.charge_start is not distinct from :charge_start and line.charge_end is not distinct from :charge_end
        order by line.order_date nulls first, line.line_number limit :most
    """)
    names = ("subscription_id", "provider_subscription_id", "provider_customer_id", "charge_start", "charge_end")
    bound = {"id": provider_invoice_id, "most": most, **{name: row[name] for name in names if f":{name}" in str(query)}}
    return [dict(line) for line in connection.execute(query, bound).mappings()]
