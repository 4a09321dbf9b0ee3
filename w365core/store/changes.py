"""What is otherwise in the provider's new version of an invoice, line by line? Kept beside the ledger: one row per change that was noticed, its lines
the biggest money first, its sums by customer, and the usage that costs otherwise.

`save` begins a change, `compare` fills it from the published lines and those staged aside, as multisets: identical lines count, their order and
numbers do not. A line whose identity is on both sides with another quantity or amount is changed; what is on one side only was added or removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, text, update

from w365core.model import Feed
from w365core.store import currencies, stage
from w365core.store.tables import (
    account,
    customer_invoice,
    invoice_change,
    invoice_change_customer,
    invoice_change_line,
    invoice_change_usage,
    usage_summary,
)

MOST_LINES = 10_000  # of a change are kept; its counts and sums are over all of them
_PARTS = (invoice_change_line, invoice_change_customer, invoice_change_usage)

_SHOWN = ("account_id", "customer_name", "subscription_id", "product_name")  # of a line, beside what identifies it
_TOLD = ("provider_customer_id", "provider_subscription_id", "product_id", "charge_type", "charge_start", "charge_end", "currency")
# What makes a line the same line, each as it is compared: ids without regard to case.
_IDENTITY: Mapping[str, Mapping[str, str]] = {
    stage.LICENSE: {
        "provider_customer_id": "lower(provider_customer_id)",
        "provider_subscription_id": "lower(provider_subscription_id)",
        "product_id": "product_id",
        "sku_id": "sku_id",
        "charge_type": "charge_type",
        "charge_start": "charge_start",
        "charge_end": "charge_end",
        "order_id": "lower(order_id)",
        "reservation_order_id": "lower(reservation_order_id)",
        "meter_description": "meter_description",
        "currency": currencies.code("currency"),
    },
    stage.USAGE: {
        "provider_customer_id": "lower(provider_customer_id)",
        "provider_subscription_id": "lower(coalesce(nullif(entitlement_id, ''), provider_subscription_id))",
        "product_id": "product_id",
        "sku_id": "sku_id",
        "charge_type": "charge_type",
        "charge_start": "charge_start",
        "charge_end": "charge_end",
        "usage_date": "usage_date",
        "meter_id": "lower(meter_id)",
        "meter_name": "meter_name",
        "resource_uri": "lower(resource_uri)",
        "resource_group": "lower(resource_group)",
        "currency": currencies.code("billing_currency"),
    },
}
# What may be otherwise on the same line; `amount` is what it comes to, with tax where the file has tax.
_VALUES: Mapping[str, Mapping[str, str]] = {
    stage.LICENSE: {
        "quantity": "coalesce(billable_quantity, quantity)",
        "subtotal": "subtotal",
        "tax_total": "tax_total",
        "amount": "coalesce(total, coalesce(subtotal, 0) + coalesce(tax_total, 0))",
    },
    stage.USAGE: {"quantity": "quantity", "amount": "coalesce(billing_pre_tax_total, 0)"},
}
_FEEDS = {stage.LICENSE: Feed.RECONCILIATION, stage.USAGE: Feed.DAILY_RATED}


# --- a change ----------------------------------------------------------------------------------------------------------------------------


def last(connection: Connection, provider_invoice_ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """The last change that was noticed of each of these invoices, by the invoice's id."""
    newest = (
        select(func.max(invoice_change.c.change_id))
        .where(invoice_change.c.provider_invoice_id.in_(provider_invoice_ids))
        .group_by(invoice_change.c.provider_invoice_id)
    )
    rows = connection.execute(select(*invoice_change.columns).where(invoice_change.c.change_id.in_(newest))).mappings()
    return {row["provider_invoice_id"]: dict(row) for row in rows}


def lines(connection: Connection, change_id: int) -> list[Mapping[str, Any]]:
    """The lines of a change as they are kept, in their order, with our account's name."""
    query = (
        select(*invoice_change_line.columns, account.c.name.label("account_name"))
        .outerjoin(account, account.c.account_id == invoice_change_line.c.account_id)
        .where(invoice_change_line.c.change_id == change_id)
        .order_by(invoice_change_line.c.ordinal)
    )
    return _rows(connection, query)


def customers(connection: Connection, change_id: int) -> list[Mapping[str, Any]]:
    """What a change is by customer, over all lines of the reconciliation file, with our account's name."""
    query = (
        select(*invoice_change_customer.columns, account.c.name.label("account_name"))
        .outerjoin(account, account.c.account_id == invoice_change_customer.c.account_id)
        .where(invoice_change_customer.c.change_id == change_id)
        .order_by(invoice_change_customer.c.ordinal)
    )
    return _rows(connection, query)


def usage(connection: Connection, change_id: int) -> list[Mapping[str, Any]]:
    """The usage that costs otherwise, with how it is billed today: markup, selling amount, customer invoice and its status."""
    told = (usage_summary.c.status, usage_summary.c.invoice_number, usage_summary.c.markup_pct, usage_summary.c.selling_amount)
    query = (
        select(
            *invoice_change_usage.columns,
            *told,
            customer_invoice.c.status.label("customer_invoice_status"),
            account.c.name.label("account_name"),
        )
        .join(invoice_change, invoice_change.c.change_id == invoice_change_usage.c.change_id)
        .outerjoin(
            usage_summary,
            (usage_summary.c.usage_id == invoice_change_usage.c.usage_id)
            & (usage_summary.c.provider_invoice_id == invoice_change.c.provider_invoice_id),
        )
        .outerjoin(customer_invoice, customer_invoice.c.invoice_number == usage_summary.c.invoice_number)
        .outerjoin(account, account.c.account_id == invoice_change_usage.c.account_id)
        .where(invoice_change_usage.c.change_id == change_id)
        .order_by(invoice_change_usage.c.usage_id)
    )
    return _rows(connection, query)


def _rows(connection: Connection, query: Select) -> list[Mapping[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


def save(
    connection: Connection,
    *,
    change_id: int | None,
    provider_invoice_id: int,
    noticed_at: datetime,
    header_total: tuple[Decimal | None, Decimal | None],
    fingerprint: tuple[str | None, str | None],
    message: str,
) -> int:
    """Begins a change, or goes on with one that could not be compared so far; totals and versions are those before and now, the version of now
    None where nobody could ask for it. Returns its id."""
    values = {
        "header_total_before": header_total[0],
        "header_total_now": header_total[1],
        "fingerprint_before": fingerprint[0],
        "fingerprint_now": fingerprint[1],
        "message": message,
    }
    if change_id is not None:
        connection.execute(update(invoice_change).where(invoice_change.c.change_id == change_id).values(**values))
        return change_id
    made = insert(invoice_change).values(provider_invoice_id=provider_invoice_id, noticed_at=noticed_at, **values)
    return connection.execute(made.returning(invoice_change.c.change_id)).scalar_one()


def forget(connection: Connection, *, provider_invoice_id: int) -> None:
    """Removes every change of an invoice that is deleted."""
    mine = select(invoice_change.c.change_id).where(invoice_change.c.provider_invoice_id == provider_invoice_id)
    for part in _PARTS:
        connection.execute(delete(part).where(part.c.change_id.in_(mine)))
    connection.execute(delete(invoice_change).where(invoice_change.c.provider_invoice_id == provider_invoice_id))


# --- the comparison ----------------------------------------------------------------------------------------------------------------------


def compare(
    connection: Connection,
    *,
    change_id: int,
    provider_invoice_id: int,
    currency: str,
    daily_before: bool,
    daily_now: bool,
    summaries: Iterable[Any],
) -> Mapping[str, Any]:
    """Compares what is published with what is staged aside and fills the change, in the caller's transaction; returns the change's row.

    `daily_before` and `daily_now` say whether that side has a daily-rated file: where it has none, its usage lines are those of the reconciliation
    file and were compared with that. `summaries` are the usage summaries of the new version. Sums are in the invoice's `currency`.
    """
    connection.execute(text("set local work_mem = '128MB'; set local jit = off"))
    named = {"id": provider_invoice_id, "change_id": change_id, "currency": currency.upper(), "most": MOST_LINES}
    for part in _PARTS:
        connection.execute(delete(part).where(part.c.change_id == change_id))
    connection.execute(text("drop table if exists pg_temp.line_otherwise"))
    connection.execute(text(f"create temporary table line_otherwise on commit drop as {_otherwise(stage.LICENSE, True, True)}"), named)
    if daily_before or daily_now:
        connection.execute(text(f"insert into line_otherwise {_otherwise(stage.USAGE, daily_before, daily_now)}"), named)
    connection.execute(text("analyze line_otherwise"))
    for statement in (_LINES, _CUSTOMERS, _SUMS):
        connection.execute(text(statement), named)
    _compare_usage(connection, change_id, provider_invoice_id, summaries)
    return dict(connection.execute(select(*invoice_change.columns).where(invoice_change.c.change_id == change_id)).mappings().one())


def differs(change: Mapping[str, Any]) -> bool:
    """Whether any line of a compared change is otherwise."""
    return any(change[name] for name in ("lines_added", "lines_removed", "lines_changed", "daily_lines"))


def _otherwise(which: str, before: bool, now: bool) -> str:
    """The lines of one file that are not on both sides alike: surplus copies of each side are numbered within their identity, and paired by number.
    Most lines are alike, and 128 bits of hash tell which without sorting a dozen texts."""
    identity, values = _IDENTITY[which], _VALUES[which]
    names, counted = ", ".join(identity), ", ".join(values)
    read = ", ".join(f"{said} as {name}" for name, said in {**identity, **values}.items())
    whole = ", ".join({**identity, **values}.values())
    sides = [
        f"select {side} as side, {read}, {', '.join(_SHOWN)}, hash_record_extended(row({whole}), 0) as hash, "
        f"hash_record_extended(row({whole}), 365) as other_hash from {table} where provider_invoice_id = :id"
        for side, table, wanted in ((-1, which, before), (1, stage.table_of(which, stage.ASIDE), now))
        if wanted
    ]
    shown = ", ".join(f"max({name}) as {name}" for name in _SHOWN)
    told = ", ".join((*_TOLD, *_SHOWN))
    return f"""
        with lines as materialized ({" union all ".join(sides)}),
        odd as (select hash, other_hash from lines group by hash, other_hash having sum(side) <> 0),
        surplus as (
            select {names}, {counted}, sum(side) as copies, {shown} from lines join odd using (hash, other_hash)
            group by {names}, {counted} having sum(side) <> 0
        ),
        single as (
            select surplus.*, sign(copies) as side,
                row_number() over (partition by {names}, sign(copies) order by amount, quantity, copy) as place
            from surplus, generate_series(1, abs(copies)::bigint) as copy
        ),
        paired as (
            select {names}, place, min(side) as low, max(side) as high, {shown},
                max(quantity) filter (where side < 0) as quantity_before, max(quantity) filter (where side > 0) as quantity_now,
                max(amount) filter (where side < 0) as amount_before, max(amount) filter (where side > 0) as amount_now
            from single group by {names}, place
        )
        select case when low < 0 and high > 0 then 'changed' when low < 0 then 'removed' else 'added' end as what,
            '{_FEEDS[which]}' as feed, {told}, quantity_before, quantity_now, amount_before, amount_now,
            coalesce(amount_now, 0) - coalesce(amount_before, 0) as delta
        from paired
    """


_COPIED = f"{', '.join((*_TOLD, *_SHOWN))}, quantity_before, quantity_now, amount_before, amount_now"
_LINES = f"""
    insert into invoice_change_line (change_id, ordinal, what, feed, {_COPIED})
    select :change_id, row_number() over (
        order by feed = '{Feed.DAILY_RATED}', abs(delta) desc, what, provider_customer_id, provider_subscription_id, product_id, charge_start, amount_now
    ) as ordinal, what, feed, {_COPIED}
    from line_otherwise order by ordinal limit :most
"""
_CUSTOMERS = f"""
    insert into invoice_change_customer (change_id, ordinal, account_id, provider_customer_id, customer_name, lines, amount, currency)
    select :change_id, row_number() over (order by abs(sum(delta)) desc, provider_customer_id), max(account_id), provider_customer_id,
        max(customer_name), count(*), sum(delta), currency
    from line_otherwise where feed = '{Feed.RECONCILIATION}' group by provider_customer_id, currency
"""
_SUMS = f"""
    update invoice_change set compared = true, lines_added = added, lines_removed = removed, lines_changed = changed, amount_added = more,
        amount_removed = less, amount_changed = moved, daily_lines = daily, daily_amount = daily_delta
    from (
        select count(*) filter (where what = 'added' and billed) as added, count(*) filter (where what = 'removed' and billed) as removed,
            count(*) filter (where what = 'changed' and billed) as changed,
            coalesce(sum(amount_now) filter (where what = 'added' and billed and counts), 0) as more,
            coalesce(sum(amount_before) filter (where what = 'removed' and billed and counts), 0) as less,
            coalesce(sum(delta) filter (where what = 'changed' and billed and counts), 0) as moved,
            count(*) filter (where not billed) as daily, coalesce(sum(delta) filter (where not billed and counts), 0) as daily_delta
        from (select *, feed = '{Feed.RECONCILIATION}' as billed, currency = :currency as counts from line_otherwise) line
    ) sums where change_id = :change_id
"""

_USAGE = ("usage_id", "account_id", "subscription_id", "product", "cost", "selling_amount", "currency")


def _compare_usage(connection: Connection, change_id: int, provider_invoice_id: int, summaries: Iterable[Any]) -> None:
    """The usage summaries that cost otherwise; an invoice may have a hundred thousand of them."""
    connection.execute(text("drop table if exists pg_temp.usage_now"))
    connection.execute(
        text(f"create temporary table usage_now on commit drop as select {', '.join(_USAGE)} from usage_summary with no data")
    )
    cursor = connection.connection.driver_connection.cursor()
    with cursor, cursor.copy(f"copy usage_now ({', '.join(_USAGE)}) from stdin") as sink:
        for summary in summaries:
            sink.write_row([getattr(summary, name) for name in _USAGE])
    connection.execute(text("analyze usage_now"))
    connection.execute(
        text("""
            insert into invoice_change_usage (change_id, usage_id, account_id, subscription_id, product, cost_before, cost_now, selling_now, currency)
            select :change_id, usage_id, coalesce(stored.account_id, now.account_id), coalesce(stored.subscription_id, now.subscription_id),
                coalesce(stored.product, now.product), stored.cost, now.cost, now.selling_amount, coalesce(stored.currency, now.currency)
            from (select * from usage_summary where provider_invoice_id = :id) stored full join usage_now now using (usage_id)
            where stored.cost is distinct from now.cost
        """),
        {"id": provider_invoice_id, "change_id": change_id},
    )
