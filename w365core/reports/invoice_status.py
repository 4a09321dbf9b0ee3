"""What needs doing about the provider invoices, and how much money is it about?

An invoice needs attention while its money is held up (Error, Populating, changed at the provider) or while it says something (a warning). Amounts of
different currencies are never added; only for the order of the worklist are they measured in base currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.model import StatusReason
from w365core.reports import wording
from w365core.reports.provider_invoice import BILLED, WARNING, Invoice, invoice
from w365core.reports.tables import Column, Table, amount, day, moment
from w365core.reports.worklist import Attention, attention
from w365core.store import queries, references
from w365core.store.queries import InvoiceFilter

__all__ = ["InvoiceFilter", "InvoiceStatus", "Month", "Tile", "build", "choices", "load"]


@dataclass(frozen=True)
class Tile:
    """A headline figure; `statuses` and `month` are the filter that shows the invoices it is made of."""

    label: str
    value: str
    note: str
    currency: str = ""
    statuses: tuple[str, ...] = ()
    month: str | None = None
    is_alarming: bool = False


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
    months: tuple[Month, ...]
    invoices: tuple[Invoice, ...]
    table: Table


def load(connection: Connection, wanted: InvoiceFilter, *, now: datetime) -> InvoiceStatus:
    """The page for the chosen invoices."""
    rows = queries.provider_invoices(connection, wanted)
    return build([invoice(row) for row in rows], rates=references.currencies(connection), now=now)


def choices(connection: Connection) -> Mapping[str, list[str]]:
    """What can be filtered by."""
    return queries.choices(connection)


def build(invoices: Sequence[Invoice], *, rates: Mapping[str, Decimal], now: datetime) -> InvoiceStatus:
    """`rates` are rates to base by currency code; a currency without one is measured as if it were base, for the order alone."""
    needing = [i for i in invoices if i.standing not in BILLED and i.status != StatusReason.DEACTIVATED]
    ordered = sorted(needing, key=lambda i: (i.standing == WARNING, -_in_base(i, rates), i.provider, i.number))
    return InvoiceStatus(
        tiles=_tiles(invoices, rates, now),
        attention=tuple(attention(i) for i in ordered),
        months=_months(invoices),
        invoices=tuple(invoices),
        table=_table(invoices, now),
    )


def _in_base(subject: Invoice, rates: Mapping[str, Decimal]) -> Decimal:
    return money.EXACT.multiply(abs(subject.money or money.ZERO), rates.get(subject.currency.upper(), Decimal(1)))


def _currencies(invoices: Sequence[Invoice], rates: Mapping[str, Decimal]) -> list[str]:
    """The currency with the most money first."""
    weight = {c: money.total(_in_base(i, rates) for i in invoices if i.currency == c) for c in {i.currency for i in invoices}}
    return sorted(weight, key=lambda c: (-weight[c], c))


def _tiles(invoices: Sequence[Invoice], rates: Mapping[str, Decimal], now: datetime) -> tuple[Tile, ...]:
    tiles = [tile for currency in _currencies(invoices, rates) for tile in _tiles_of(currency, [i for i in invoices if i.currency == currency])]
    newest = max((i.imported_at for i in invoices if i.imported_at), default=None)
    when = wording.age(newest, now=now)
    value = when if newest is None or when == "just now" else f"{when} ago"
    return (*tiles, Tile("Newest import", value, wording.moment(newest) + " UTC" if newest else "nothing imported yet")) if invoices else ()


def _tiles_of(currency: str, invoices: Sequence[Invoice]) -> tuple[Tile, Tile]:
    billed = [i for i in invoices if i.status in BILLED and i.date is not None]
    month = max((f"{i.date:%Y-%m}" for i in billed), default=None)
    latest = [i for i in billed if f"{i.date:%Y-%m}" == month]
    held = [i for i in invoices if i.is_held_up]
    return (
        Tile(
            f"Billed in {wording.month(month)}" if month else "Billed",
            wording.rounded(_sum(latest) if latest else None, currency),
            f"{wording.counted(len(latest), 'Active invoice')}" if latest else "no Active invoice",
            currency,
            tuple(dict.fromkeys(i.status for i in latest)) or (StatusReason.ACTIVE,),
            month,
        ),
        Tile(
            "Held up",
            wording.rounded(_sum(held), currency),
            _held_note(held, len(invoices)),
            currency,
            tuple(dict.fromkeys(i.status for i in held)),
            None,
            is_alarming=bool(held),
        ),
    )


def _sum(invoices: Sequence[Invoice]) -> Decimal | None:
    """Nothing to add is 0; invoices of which none says its total are not 0 but unknown."""
    known = [i.money for i in invoices if i.money is not None]
    return money.total(known) if known or not invoices else None


def _held_note(held: Sequence[Invoice], all_of_them: int) -> str:
    if not held:
        return f"all {wording.counted(all_of_them, 'invoice')} through"
    unknown = sum(i.money is None for i in held)
    if unknown == len(held):
        return f"{wording.counted(unknown, 'invoice')}, total unknown"
    return wording.counted(len(held), "invoice") + (f", {unknown} without a total" if unknown else "")


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
