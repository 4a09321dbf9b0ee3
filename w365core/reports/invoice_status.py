"""What needs doing about the provider invoices, and how much money is it about?

An invoice needs attention while its money is held up (Error, Populating, changed at the provider) or while it says something (a warning). Amounts of
different currencies are never added; only for the order of the worklist are they measured in base currency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.model import StatusReason
from w365core.reports import headlines, status_map, wording
from w365core.reports.headlines import Tile
from w365core.reports.provider_invoice import BILLED, WARNING, Invoice, invoice
from w365core.reports.status_map import StatusMap
from w365core.reports.tables import Column, Table, amount, day, moment
from w365core.reports.worklist import Attention, attention
from w365core.store import customers as customer_store, queries, references
from w365core.store.queries import InvoiceFilter

__all__ = ["InvoiceFilter", "InvoiceStatus", "Month", "build", "choices", "customers", "load"]


@dataclass(frozen=True)
class Month:
    """What the headers of a month come to in one currency, billed and held up."""

    month: str
    currency: str
    billed: Decimal
    held_up: Decimal


@dataclass(frozen=True)
class InvoiceStatus:
    tiles: tuple[Tile, ...]
    attention: tuple[Attention, ...]
    standings: StatusMap
    months: tuple[Month, ...]
    invoices: tuple[Invoice, ...]
    table: Table


def load(connection: Connection, wanted: InvoiceFilter, *, now: datetime) -> InvoiceStatus:
    """The page for the chosen invoices."""
    rows = queries.provider_invoices(connection, wanted)
    return build([invoice(row) for row in rows], rates=references.currencies(connection), now=now)


def choices(connection: Connection) -> Mapping[str, Mapping[str, str]]:
    """What can be filtered by: by field of the filter the values and what they are called. Every status is one, whether an invoice has it or not."""
    found = queries.choices(connection)
    statuses = dict.fromkeys([*(str(status) for status in StatusReason), *found["statuses"]])
    return {
        "providers": {name: name for name in found["providers"]},
        "months": {month: wording.month(month) for month in found["months"]},
        "statuses": {status: status for status in statuses},
        "currencies": {code: code for code in found["currencies"]},
        "customers": customers(connection),
    }


def customers(connection: Connection) -> Mapping[str, str]:
    """The customers to filter by: id -> a name that no other one has, sorted by name."""
    rows = customer_store.all_customers(connection)
    names = Counter(row["name"] for row in rows)
    return {row["customer_id"]: _customer_name(row, is_only=names[row["name"]] == 1) for row in rows}


def build(invoices: Sequence[Invoice], *, rates: Mapping[str, Decimal], now: datetime) -> InvoiceStatus:
    """`rates` are rates to base by currency code; a currency without one is measured as if it were base, for the order alone."""
    needing = [i for i in invoices if i.standing not in BILLED and i.status != StatusReason.DEACTIVATED]
    ordered = sorted(needing, key=lambda i: (i.standing == WARNING, -headlines.in_base(i, rates), i.provider, i.number))
    return InvoiceStatus(
        tiles=headlines.tiles(invoices, rates, now),
        attention=tuple(attention(i, now=now) for i in ordered),
        standings=status_map.build(invoices),
        months=_months(invoices),
        invoices=tuple(invoices),
        table=_table(invoices, now),
    )


def _customer_name(row: Mapping[str, Any], *, is_only: bool) -> str:
    name = row["name"] or row["customer_id"]
    unique = name if is_only or name == row["customer_id"] else f"{name} ({row['customer_id']})"
    return unique if row["is_ours"] else f"{unique}, not in our records"


def _months(invoices: Sequence[Invoice]) -> tuple[Month, ...]:
    """By currency and month, oldest first."""
    months: dict[tuple[str, str], Month] = {}
    for i in invoices:
        if i.date is None or i.money is None or not (i.is_held_up or i.status in BILLED):
            continue
        key = (i.currency, f"{i.date:%Y-%m}")
        so_far = months.get(key, Month(key[1], key[0], money.ZERO, money.ZERO))
        name = "held_up" if i.is_held_up else "billed"
        months[key] = replace(so_far, **{name: money.EXACT.add(getattr(so_far, name), i.money)})
    return tuple(months[key] for key in sorted(months))


COLUMNS = (
    Column("provider", "Provider", width=112),
    Column("number", "Number", Kind.ID, width=118),
    Column("type", "Type", width=80),
    day("date", "Date", width=88),
    Column("standing", "Status", width=112),
    Column("currency", "Currency", width=70),
    amount("header_total", "Header total", width=102),
    amount("lines_total", "Lines total", width=102),
    amount("difference", "Difference", width=95, help="Header total less lines total, tax included"),
    Column("message", "Message", width=420),
    Column("age", "First seen", width=78),
    moment("first_seen_at", "First seen at (UTC)", shown=False),
    moment("imported_at", "Imported at (UTC)", shown=False),
    Column("status", "Status reason", shown=False),
    Column("failure", "Failure", shown=False),
)


def _table(invoices: Sequence[Invoice], now: datetime) -> Table:
    names = [column.name for column in COLUMNS if column.name != "age"] + ["id"]
    rows = [{name: getattr(i, name) for name in names} | {"age": wording.age(i.first_seen_at, now=now)} for i in invoices]
    return Table("provider invoices", COLUMNS, rows)
