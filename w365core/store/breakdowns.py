"""What differs by customer, product and charge type? Reconciliation beside daily-rated usage, or the lines with their tax, the biggest first.

Every row of a file, however many; for a chart the biggest values and the sum of all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, text

from w365core.store import currencies
from w365core.store.differences import Lines, folded, make_room


def compared(connection: Connection, lines: Lines, *, currency: str) -> Iterator[Mapping[str, Any]]:
    """Usage of both files side by side by customer, subscription and product, before tax, the biggest difference first; a side that is not there
    is null. The charge type is the reconciliation file's; the daily file mostly has none."""
    make_room(connection)
    yield from connection.execute(text(_COMPARED.format(**_tables(lines))), _given(lines, currency)).mappings()


def summed(connection: Connection, lines: Lines, *, currency: str) -> Iterator[Mapping[str, Any]]:
    """The lines by customer, product and charge type, with tax, the biggest first."""
    make_room(connection)
    yield from connection.execute(text(_SUMMED.format(**_tables(lines))), _given(lines, currency)).mappings()


def by_dimension(
    connection: Connection, lines: Lines, dimension: str, *, currency: str, of_usage: bool, most: int
) -> list[Mapping[str, Any]]:
    """The biggest values of customer, product or charge type and, as the last row, what all others come to: `label`, `lines`, `billed`, `tax` and
    `daily`. Of usage: both files before tax, ordered by how much they differ; else the lines with their tax."""
    source = _COMPARED if of_usage else _SUMMED
    key, label = _DIMENSIONS[dimension]
    size = "abs(coalesce(sum(billed), 0) - coalesce(sum(daily), 0))" if of_usage else "abs(sum(billed) + sum(tax))"
    sums = "sum(lines) as lines, sum(billed) as billed, sum(tax) as tax, sum(daily) as daily"
    statement = text(
        f"with sides as ({source.format(**_tables(lines))}), by_value as (select coalesce(max({label}), '(not given)') as label, {sums}, "
        f"row_number() over (order by {size} desc, max({label})) as place from sides group by {key}) "
        f"select case when place <= :most then label end as label, {sums}, count(*) as values from by_value "
        f"group by case when place <= :most then place end, 1 order by min(place)"
    )
    make_room(connection)
    rows = connection.execute(statement, _given(lines, currency) | {"most": most}).mappings()
    return [dict(row) for row in rows]


_DIMENSIONS = {  # what makes two rows the same value, and what it is called
    "customer": ("coalesce(customer, customer_name)", "coalesce(customer_name, customer)"),
    "product": ("concat_ws('/', product, sku)", "coalesce(product_name, product)"),
    "charge type": ("lower(charge_type)", "charge_type"),
}
_CUSTOMER, _PRODUCT = (
    f"{folded('provider_customer_id')} as customer",
    f"{folded('product_id')} as product, {folded('sku_id')} as sku",
)
_PRINTED = (
    'max(line.customer_name collate "C") as customer_name, max(btrim(line.product_id) collate "C") as product_id, '
    'max(btrim(line.sku_id) collate "C") as sku_id, max(line.product_name collate "C") as product_name, max(line.sku_name collate "C") as sku_name'
)
_NAMED = "concat_ws(', ', max(product_name), nullif(max(sku_name), max(product_name))) as product_name"
# First by charge type too, so that the lines are hashed and only their groups sorted.
_SIDE = (
    f"select customer, subscription, product, sku, max(customer_name) as customer_name, max(product_id) as product_id, max(sku_id) as sku_id, {_NAMED}, "
    f"string_agg(distinct charge_type, ', ') as charge_type, sum(lines) as lines, sum(amount) as amount from (select {_CUSTOMER}, "
    f"{folded('provider_subscription_id')} as subscription, {_PRODUCT}, {_PRINTED}, nullif(btrim(line.charge_type), '') as charge_type, "
    "count(*) as lines, sum(line.{amount}) as amount from {table} line where line.provider_invoice_id = :id "
    "and {currency} = :currency {only} group by 1, 2, 3, 4, 10) parts group by 1, 2, 3, 4"
)
_BILLED = _SIDE.format(amount="subtotal", table="{reconciled}", currency=currencies.code("line.currency"), only="and line.kind = 'usage'")
_DAILY = _SIDE.format(amount="billing_pre_tax_total", table="{daily}", currency=currencies.code("line.billing_currency"), only="")
# Full joins need a condition that can be hashed: the four keys as one text.
_HASHED = "concat_ws(chr(31), {0}.customer, '|', {0}.subscription, '|', {0}.product, '|', {0}.sku)"
_COMPARED = (
    f"with billed as ({_BILLED}), daily as ({_DAILY}) "
    "select coalesce(billed.customer, daily.customer) as customer, coalesce(billed.customer_name, daily.customer_name) as customer_name, "
    "coalesce(billed.subscription, daily.subscription) as subscription, coalesce(billed.product, daily.product) as product, "
    "coalesce(billed.sku, daily.sku) as sku, coalesce(billed.product_id, daily.product_id) as product_id, "
    "coalesce(billed.sku_id, daily.sku_id) as sku_id, coalesce(billed.product_name, daily.product_name) as product_name, "
    "coalesce(billed.charge_type, daily.charge_type) as charge_type, coalesce(billed.lines, 0) + coalesce(daily.lines, 0) as lines, "
    "billed.amount as billed, 0::numeric as tax, daily.amount as daily, coalesce(billed.amount, 0) - coalesce(daily.amount, 0) as difference, "
    "cast(:currency as text) as currency "
    f"from billed full join daily on {_HASHED.format('billed')} = {_HASHED.format('daily')} "
    "order by abs(coalesce(billed.amount, 0) - coalesce(daily.amount, 0)) desc, 1, 3, 4, 5"
)
_SUMMED = (
    f"select customer, customer_name, product, sku, product_id, sku_id, concat_ws(', ', product_name, nullif(sku_name, product_name)) as product_name, "
    f"charge_type, lines, billed, tax, total, null::numeric as daily, cast(:currency as text) as currency from (select {_CUSTOMER}, {_PRODUCT}, "
    f"{_PRINTED}, nullif(btrim(line.charge_type), '') as charge_type, count(*) as lines, sum(line.subtotal) as billed, "
    "sum(coalesce(line.tax_total, 0)) as tax, sum(line.total) as total from {reconciled} line where line.provider_invoice_id = :id "
    f"and {currencies.code('line.currency')} = :currency group by 1, 2, 3, 9) parts order by abs(total) desc, customer, product, sku, charge_type"
)


def _tables(lines: Lines) -> dict[str, str]:
    return {"reconciled": lines.reconciled, "daily": lines.daily}


def _given(lines: Lines, currency: str) -> dict[str, Any]:
    return {"id": lines.provider_invoice_id, "currency": currency.upper()}
