"""What needs doing about the provider invoices, and how much money is it about?

An invoice needs attention while its money is held up (Error, Populating, changed at the provider) or while it says something (a warning). Amounts of
different currencies are never added; only for the order of the worklist are they measured in base currency.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.model import Failure, StatusReason
from w365core.reports import wording
from w365core.reports.tables import Column, Table, amount, day, moment
from w365core.store import queries, references
from w365core.store.queries import InvoiceFilter

__all__ = ["Attention", "Invoice", "InvoiceFilter", "InvoiceStatus", "Month", "Tile", "build", "choices", "invoice", "load"]

CHANGED = "Changed"
WARNING = "Warning"
_BILLED = (StatusReason.ACTIVE, "Active Usage")
_HELD_UP = (StatusReason.ERROR, StatusReason.POPULATING)


@dataclass(frozen=True)
class Invoice:
    """One provider invoice as the pages show it. `standing` is its status, or what an Active one has besides: Changed, Warning."""

    id: int
    provider: str
    number: str
    type: str
    date: date | None
    period_start: date | None
    period_end: date | None
    currency: str
    status: str
    standing: str
    failure: str | None
    message: str
    source: str
    header_total: Decimal | None
    header_total_now: Decimal | None
    lines_total: Decimal | None
    difference: Decimal | None
    tolerance: Decimal | None
    license_total: Decimal | None
    usage_total: Decimal | None
    tax_total: Decimal | None
    rounding: Decimal | None
    overridden: Decimal | None
    daily_rated_total: Decimal | None
    license_lines: int
    usage_lines: int
    version: int
    attempts: int
    import_run_id: int | None
    first_seen_at: datetime
    last_attempt_at: datetime | None
    imported_at: datetime | None

    @property
    def money(self) -> Decimal | None:
        """What it is about: the header, or where the provider gave none, its lines."""
        return self.lines_total if self.header_total is None else self.header_total

    @property
    def is_held_up(self) -> bool:
        return self.status in _HELD_UP


@dataclass(frozen=True)
class Attention:
    """One invoice of the worklist: what is wrong in a sentence, what to do next, and the command for it where there is one."""

    invoice: Invoice
    difference: Decimal
    sentence: str
    next_step: str
    command: str | None


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


def invoice(row: Mapping[str, Any]) -> Invoice:
    """A row of the store as the noun of the pages."""
    renamed = {"id": "provider_invoice_id", "number": "invoice_number", "date": "invoice_date", "status": "status_reason"}
    values = {name: row[renamed.get(name, name)] for name in Invoice.__dataclass_fields__ if name not in ("type", "standing")}
    kind = row["document_type"] if row["document_type"] != "invoice" else row["invoice_type"] or "invoice"
    return Invoice(**values, type=kind.replace("_", " "), standing=_standing(row))


def build(invoices: Sequence[Invoice], *, rates: Mapping[str, Decimal], now: datetime) -> InvoiceStatus:
    """`rates` are rates to base by currency code; a currency without one is measured as if it were base, for the order alone."""
    needing = [i for i in invoices if i.standing not in _BILLED and i.status != StatusReason.DEACTIVATED]
    ordered = sorted(needing, key=lambda i: (i.standing == WARNING, -_in_base(i, rates), i.provider, i.number))
    return InvoiceStatus(
        tiles=_tiles(invoices, rates, now),
        attention=tuple(attention(i) for i in ordered),
        months=_months(invoices),
        invoices=tuple(invoices),
        table=_table(invoices, now),
    )


def attention(subject: Invoice) -> Attention:
    """What is wrong with an invoice and what to do next."""
    sentence, step, command = _wrong(subject)
    return Attention(subject, unexplained(subject), sentence, step, command)


def _wrong(subject: Invoice) -> tuple[str, str, str | None]:
    """The sentence, the next step and its command."""
    if subject.standing == CHANGED:
        return _changed(subject), "Deactivate it, then sync it again to take the provider's new version.", _command(subject, "deactivate")
    if subject.status == StatusReason.ERROR:
        return subject.message, *_after_failure(subject)
    if subject.status == StatusReason.POPULATING and subject.imported_at is None:
        return subject.message, "Wait for the import to end; if nothing runs any more, sync it again.", _sync(subject)
    if subject.status == StatusReason.POPULATING:
        return subject.message, "Look through its lines, then activate it.", _command(subject, "activate")
    return subject.message, "Its lines are imported; look at the note before you bill them.", None


def unexplained(subject: Invoice) -> Decimal:
    """Header against lines; for a failed checksum the larger of that and of reconciled against daily-rated usage."""
    usage = money.ZERO
    if subject.failure == Failure.CHECKSUM_FAILED and subject.daily_rated_total is not None and subject.usage_total is not None:
        usage = money.EXACT.subtract(subject.usage_total, subject.daily_rated_total)
    return max(subject.difference or money.ZERO, usage, key=abs)


def _after_failure(subject: Invoice) -> tuple[str, str | None]:
    if subject.failure == Failure.UNRESOLVED_REFERENCES:
        return "See what is missing and the suggested fix, add that, then sync it again.", _sync(subject)
    if subject.failure == Failure.CHECKSUM_FAILED and "not published" in subject.message:
        return "Wait for the provider to publish the usage; the daily job tries again.", _sync(subject)
    if subject.failure == Failure.CHECKSUM_FAILED:
        override = money.override_for(unexplained(subject))
        return "Look for the difference in its lines; accept it with an override only once you know what it is.", _sync(subject, override)
    if subject.failure == Failure.INVALID_DATA:
        return "The provider's lines cannot be read: send the sentence to the provider's support, then sync again.", _sync(subject)
    return "Sync it again; if the provider still refuses, follow the sentence.", _sync(subject)


def _sync(subject: Invoice, override: Decimal | None = None) -> str:
    return _command(subject, "sync") + (f" --override-tolerance {override}" if override is not None else "")


def _command(subject: Invoice, verb: str) -> str:
    provider = f"--provider {shlex.quote(subject.provider)} " if verb == "sync" else ""
    return f"python -m w365core {verb} {provider}--invoice {shlex.quote(subject.number)}"


def _changed(subject: Invoice) -> str:
    if subject.header_total_now is None:
        return "The provider has changed this invoice since it was imported."
    return (
        f"The provider has changed this invoice since it was imported: its total is {wording.amount(subject.header_total_now, subject.currency)} now, "
        f"it was {wording.amount(subject.header_total, subject.currency)}."
    )


def _standing(row: Mapping[str, Any]) -> str:
    if row["status_reason"] not in _BILLED:
        return row["status_reason"]
    if row["changed_at_provider"]:
        return CHANGED
    return WARNING if row["message"] else row["status_reason"]


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
    billed = [i for i in invoices if i.status in _BILLED and i.date is not None]
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
        if i.date is None or i.money is None or not (i.is_held_up or i.status in _BILLED):
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
