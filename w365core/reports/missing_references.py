"""What do our records lack, across all invoices, how much money and whose billing waits on it, and what would supply it?

One entry per missing thing, what blocks before what is only billed as a write-in, the biggest money first. Its own money is that of the lines that
refer to it; the whole is that of the invoices that it keeps out. Amounts of different currencies are never added.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.model import Fix, ReferenceKind, StatusReason
from w365core.reports import export, wording
from w365core.reports.fixes import FIX_FILE_COLUMNS, fix_said, values_of
from w365core.reports.headlines import Note, Tile
from w365core.reports.supplied_references import Place, place, supplied
from w365core.reports.tables import Column, Table, amount, number
from w365core.store import queries, references, waiting
from w365core.store.queries import InvoiceFilter

Row = Mapping[str, Any]
PLURALS = {"customer": "customers", "subscription": "subscriptions", "currency": "currencies", "product": "products"}
_MOST_NAMED = 3

TABLE_COLUMNS = (
    Column("kind", "Missing", width=95),
    Column("name", "Name", width=190),
    Column("key", "Key", Kind.ID, width=250),
    Column("provider", "Provider", width=105),
    Column("blocking", "Blocks", Kind.FLAG, width=65),
    amount("own", "Its own lines", width=105, help="The lines that refer to it, tax included"),
    amount("whole", "Holds up", width=105, help="The whole of the invoices that it keeps out"),
    Column("currency", "Currency", width=70),
    Column("lines", "Lines", Kind.WHOLE, width=60),
    Column("customers_waiting", "Customers wait", Kind.WHOLE, width=105),
    Column("fix_said", "Suggested fix", width=330),
    number("confidence", "How sure", width=75, help="0 to 1"),
    Column("invoices", "Invoices", Kind.ID, width=180),
    Column("suggestion", "In words", width=600),
)


@dataclass(frozen=True)
class Held:
    """An invoice on which something is missing; `is_blocked` where it is in Error for want of it."""

    id: int
    number: str
    provider: str
    currency: str
    amount: Decimal
    is_blocked: bool


@dataclass(frozen=True)
class Waiting:
    """A customer whose billing waits, and what its lines on the invoices come to by currency."""

    name: str
    amounts: Mapping[str, Decimal]


@dataclass(frozen=True)
class Thing:
    """One missing thing. `id` is for the names of widgets; `provider` None for a currency, which is nobody's own."""

    id: str
    kind: ReferenceKind
    key: str
    provider: str | None
    name: str | None
    lines: int
    own: Mapping[str, Decimal]
    invoices: tuple[Held, ...]
    customers: tuple[Waiting, ...]
    suggestion: str
    fix: Fix | None
    is_supplied: bool = False

    @property
    def blocking(self) -> bool:
        return self.kind.blocking

    @property
    def title(self) -> str:
        return self.name or self.key

    @property
    def whole(self) -> Mapping[str, Decimal]:
        """What the invoices come to that it keeps out, by currency."""
        return _sums((one.currency, one.amount) for one in self.invoices if one.is_blocked)


@dataclass(frozen=True)
class MissingReferences:
    """`things` are still missing; `supplied` are in our records by now and wait for their invoices to be validated again."""

    tiles: tuple[Tile, ...]
    things: tuple[Thing, ...]
    supplied: tuple[Thing, ...]
    kinds: Mapping[str, int]
    table: Table


def load(
    connection: Connection,
    rows: Sequence[Row],
    wanted: InvoiceFilter = InvoiceFilter(),
    *,
    kind: str | None = None,
    invoice: int | None = None,
) -> MissingReferences:
    """The page for the chosen invoices; `rows` are what is missing, with fixes, as the supplying door gives them."""
    if wanted != InvoiceFilter():
        chosen = {row["provider_invoice_id"] for row in queries.provider_invoices(connection, wanted)}
        rows = [row for row in rows if row["provider_invoice_id"] in chosen]
    if invoice is not None:
        rows = [row for row in rows if row["provider_invoice_id"] == invoice]
    return build(
        with_waiting(connection, rows),
        supplied=supplied(connection, rows),
        rates=references.currencies(connection),
        accounts={one: name or one for one, name, _ in references.accounts(connection)},
        kind=kind,
    )


def build(
    rows: Iterable[Row],
    *,
    supplied: Collection[Place],
    rates: Mapping[str, Decimal],
    accounts: Mapping[str, str] | None = None,
    kind: str | None = None,
) -> MissingReferences:
    """`rates` are rates to base, for the order alone; `accounts` names by id; `kind` leaves the others out of the list."""
    grouped: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        whose = "" if row["kind"] == ReferenceKind.CURRENCY else row["provider"]
        grouped.setdefault((row["kind"], whose, row["key"].lower()), []).append(row)
    things = sorted((_thing(of_one, supplied) for of_one in grouped.values()), key=lambda one: _weight(one, rates))
    missing = [one for one in things if not one.is_supplied]
    shown = tuple(one for one in missing if kind in (None, one.kind))
    return MissingReferences(
        tiles=_tiles(missing, rates),
        things=shown,
        supplied=tuple(one for one in things if one.is_supplied and one.blocking),
        kinds=Counter(str(one.kind) for one in missing),
        table=Table("missing references", TABLE_COLUMNS, [row for one in shown for row in _rows(one, accounts or {})]),
    )


def with_waiting(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    """The rows, each with the customers whose lines stand on its invoice (`customers`) and how many of them wait (`customers_waiting`)."""
    blocked = {row["provider_invoice_id"]: row for row in rows if row["blocking"] and row["status_reason"] == StatusReason.ERROR}
    found = {invoice_id: waiting.customers_of(connection, row) for invoice_id, row in blocked.items()}
    heads = {row["provider_invoice_id"]: row for row in waiting.unresolved(connection, among=blocked)}
    told = []
    for row in rows:
        head = heads.get(row["provider_invoice_id"]) if row["blocking"] else None
        customers = found.get(row["provider_invoice_id"], []) if head else []
        total = None if head is None else head["lines_total"] if head["header_total"] is None else head["header_total"]
        told.append({**row, "customers": customers, "customers_waiting": len({one["key"] for one in customers}), "invoice_total": total})
    return told


def fix_row(thing: Thing, fix: Fix) -> dict[str, Any]:
    """One row of a CSV of fixes."""
    told = " + ".join(wording.amount(value, code) for code, value in (thing.whole or thing.own).items())
    return values_of(fix) | {"holds_up": told, "customers_waiting": len(thing.customers), "invoices": _invoices(thing)}


def fixes_csv(things: Iterable[Thing]) -> bytes:
    """The suggested fixes, to be edited in a spreadsheet and handed to `supply`."""
    return export.csv_bytes(FIX_FILE_COLUMNS, (fix_row(one, one.fix) for one in things if one.fix is not None))


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _thing(rows: Sequence[Row], supplied: Collection[Place]) -> Thing:
    first = rows[0]
    kind = ReferenceKind(first["kind"])
    lacking = [row for row in rows if place(row) not in supplied]
    provider = None if kind is ReferenceKind.CURRENCY else first["provider"]
    by_invoice = {row["provider_invoice_id"]: row for row in rows}
    fixes = [row["fix"] for row in rows if row["fix"] is not None]
    surest = max(fixes, key=lambda fix: (fix.is_ready, fix.confidence or money.ZERO), default=None)
    return Thing(
        id=hashlib.blake2b(f"{kind}\x1f{provider}\x1f{first['key'].lower()}".encode(), digest_size=6).hexdigest(),
        kind=kind,
        key=first["key"],
        provider=provider,
        name=next((row["name"] for row in rows if row["name"]), None),
        lines=sum(row["lines"] for row in rows),
        own=_sums((row["currency"], row["amount"]) for row in rows),
        invoices=tuple(sorted((_held(row) for row in by_invoice.values()), key=lambda one: (-one.amount.copy_abs(), one.number))),
        customers=_customers(by_invoice.values()),
        suggestion=next((row["suggestion"] for row in lacking if row["fix"] is surest), first["suggestion"]),
        fix=surest,
        is_supplied=not lacking,
    )


def _held(row: Row) -> Held:
    blocked = row["invoice_total"] is not None
    amount = row["invoice_total"] if blocked else row["amount"]
    return Held(row["provider_invoice_id"], row["invoice_number"], row["provider"], row["invoice_currency"], amount, blocked)


def _customers(rows: Iterable[Row]) -> tuple[Waiting, ...]:
    """Everybody whose lines stand on the invoices, the biggest money first."""
    names: dict[str, str] = {}
    amounts: dict[str, dict[str, Decimal]] = {}
    for one in (customer for row in rows for customer in row["customers"]):
        names.setdefault(one["key"], one["name"])
        mine = amounts.setdefault(one["key"], {})
        mine[one["currency"]] = money.EXACT.add(mine.get(one["currency"], money.ZERO), one["total"] or money.ZERO)
    found = [Waiting(names[key], of_one) for key, of_one in amounts.items()]
    return tuple(sorted(found, key=lambda one: (-max(value.copy_abs() for value in one.amounts.values()), one.name)))


def _weight(one: Thing, rates: Mapping[str, Decimal]) -> tuple:
    return not one.blocking, -_in_base(one.whole, rates), -_in_base(one.own, rates), one.kind, one.key


def _in_base(amounts: Mapping[str, Decimal], rates: Mapping[str, Decimal]) -> Decimal:
    """Its size for an order; a currency without a rate is measured as if it were base."""
    return money.total(money.EXACT.multiply(value.copy_abs(), rates.get(code.upper(), Decimal(1))) for code, value in amounts.items())


def _sums(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """By currency, the biggest first."""
    found: dict[str, Decimal] = {}
    for code, value in amounts:
        found[code] = money.EXACT.add(found.get(code, money.ZERO), value)
    return dict(sorted(found.items(), key=lambda item: (-item[1].copy_abs(), item[0])))


def _tiles(things: Sequence[Thing], rates: Mapping[str, Decimal]) -> tuple[Tile, ...]:
    """Per currency what is held up; how many customers wait; what is missing."""
    if not things:
        return ()
    held = {one.id: one for thing in things for one in thing.invoices if one.is_blocked}
    waiting_by_currency: dict[str, set[str]] = {}
    for thing in things:
        for customer in thing.customers if thing.blocking else ():
            for code in customer.amounts:
                waiting_by_currency.setdefault(code, set()).add(customer.name)
    sums = _sums((one.currency, one.amount) for one in held.values())
    ordered = sorted(sums, key=lambda code: (-_in_base({code: sums[code]}, rates), code))
    tiles = [
        Tile(
            "Held up by references",
            wording.rounded(sums[code], code),
            (
                Note(wording.counted(sum(one.currency == code for one in held.values()), "invoice")),
                Note(waits_said(len(waiting_by_currency.get(code, ())))),
            ),
            code,
        )
        for code in ordered
    ]
    blocking, others = [one for one in things if one.blocking], [one for one in things if not one.blocking]
    ready = sum(one.fix is not None and one.fix.is_ready for one in things)
    notes = [Note(kinds_said(blocking) or "nothing that blocks"), Note(f"{ready} with a fix that is ready")]
    if others:
        notes.append(Note(f"{wording.counted(len(others), 'product')} billed as write-ins"))
    return (*tiles, Tile("Missing", f"{len(things):,}", tuple(notes)))


def waits_said(customers: int) -> str:
    """1 customer waits, 20 customers wait."""
    return f"{wording.counted(customers, 'customer')} {'waits' if customers == 1 else 'wait'}"


def kinds_said(things: Iterable[Thing]) -> str:
    """2 customers, 1 currency."""
    counts = Counter(one.kind for one in things)
    return ", ".join(wording.counted(counts[kind], kind, PLURALS[kind]) for kind in ReferenceKind if counts[kind])


def _invoices(thing: Thing) -> str:
    return ", ".join(one.number for one in thing.invoices)


def _rows(thing: Thing, accounts: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    """A row per currency."""
    for code in sorted({*thing.own, *thing.whole}):
        yield {
            "kind": str(thing.kind),
            "name": thing.name,
            "key": thing.key,
            "provider": thing.provider,
            "blocking": thing.blocking,
            "own": thing.own.get(code),
            "whole": thing.whole.get(code),
            "currency": code,
            "lines": thing.lines,
            "customers_waiting": len(thing.customers),
            "fix_said": fix_said(thing.fix, accounts),
            "confidence": thing.fix.confidence if thing.fix else None,
            "invoices": _invoices(thing),
            "suggestion": thing.suggestion,
        }
